"""API keys: who calls, and what the key may do."""

from datetime import datetime
from enum import StrEnum

import msgspec

from obverse.kit.ids import ApiKeyId, MerchantId, PointsIssuerId


class Scope(StrEnum):
    """What a key may do. A key with a merchant or a points issuer is held to that one besides."""

    PAYMENTS = "payments"
    """Ask for, capture, cancel and read payments."""
    CARDS = "cards"
    """Issue and manage cards for members."""
    MEMBERS = "members"
    """Register members, link cards, give credit lines."""
    MERCHANTS = "merchants"
    """Onboard merchants, make and revoke keys."""
    OPERATE = "operate"
    """See explanations, ledger, events and the audit log; move the sandbox clock."""
    WEBHOOKS = "webhooks"
    """Register webhook endpoints, see and resend deliveries."""
    REPORTS = "reports"
    """Read settlements, payouts and statements."""
    POINTS = "points"
    """Look up the accounts of the points issuer whose key it is; without one, give such keys."""


class ApiKey(msgspec.Struct, frozen=True):
    """A key without its token, which is shown once and kept as a keyed hash."""

    id: ApiKeyId
    name: str
    last_four: str
    merchant_id: MerchantId | None
    scopes: frozenset[Scope]
    live: bool
    created_at: datetime
    revoked_at: datetime | None
    ends_at: datetime | None = None
    """When a rotated key stops working, by the platform's clock; it never gets more time."""
    first_id: ApiKeyId | None = None
    """The first of the keys that this one succeeds; None where it is the first itself."""
    issuer_id: PointsIssuerId | None = None
    """The points issuer whose own accounts are all that it may look up (PR-9)."""

    @property
    def holder_id(self) -> ApiKeyId:
        """Whose requests these are: the same before and after a rotation, so that a repeat is one (P6)."""
        return self.first_id or self.id
