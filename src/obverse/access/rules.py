"""Pure decisions about keys: what a token looks like, and which scopes may stand together."""

import re
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final

from obverse.access.errors import ApiKeyOver
from obverse.access.model import ApiKey, Scope
from obverse.kit.errors import InvalidRequest
from obverse.kit.secret import TOKEN_CHARACTERS, Secret

NAME_MAX: Final = 100

OVERLAP_MAX: Final = timedelta(days=7)
"""How long a rotated key may go on working beside its successor."""

MERCHANT_SCOPES: Final = frozenset({Scope.PAYMENTS, Scope.WEBHOOKS, Scope.REPORTS})
"""What one merchant bounds: cards and members belong to no merchant, and onboarding makes other merchants."""

ISSUER_SCOPES: Final = frozenset({Scope.POINTS})
"""What one points issuer may do: it is no customer of ours, and asks about its own accounts only."""

_TOKEN: Final = re.compile(rf"ob_(test|live)_sk_[0-9A-Za-z]{{{TOKEN_CHARACTERS}}}")


def token_prefix(live: bool) -> str:
    """What a key's token begins with: it says for which world the key is."""
    return "ob_live_sk_" if live else "ob_test_sk_"


def looks_like_token(token: Secret) -> bool:
    """Whether it is worth asking the database about."""
    return _TOKEN.fullmatch(token.reveal()) is not None


def check_key(name: str, scopes: Collection[Scope], for_merchant: bool, for_issuer: bool = False) -> None:
    """Raises `InvalidRequest` for a key that must not exist."""
    if not 1 <= len(name.strip()) <= NAME_MAX:
        raise InvalidRequest(f"Give the key a name of 1 to {NAME_MAX} characters.", "name")
    if not scopes:
        raise InvalidRequest("A key needs at least one scope.", "scopes")
    if for_merchant and not MERCHANT_SCOPES.issuperset(scopes):
        allowed = ", ".join(sorted(MERCHANT_SCOPES))
        raise InvalidRequest(f"A merchant's key may have these scopes only: {allowed}.", "scopes")
    if for_issuer and (for_merchant or not ISSUER_SCOPES.issuperset(scopes)):
        raise InvalidRequest("A points issuer's key belongs to it alone, and may look up points.", "scopes")


def is_over(key: ApiKey, now: datetime) -> bool:
    """Whether the overlap after this key's rotation is over; a revoked key is never loaded to begin with."""
    return key.ends_at is not None and key.ends_at <= now


def end_of_overlap(key: ApiKey, overlap: timedelta, now: datetime) -> datetime:
    """When this key ends if it is rotated now. Raises `InvalidRequest`, `ApiKeyOver`."""
    if not timedelta(0) <= overlap <= OVERLAP_MAX:
        raise InvalidRequest(
            f"An old key may stay valid for 0 to {int(OVERLAP_MAX.total_seconds())} seconds.",
            "old_valid_for_seconds",
        )
    if key.revoked_at is not None or key.ends_at is not None:
        raise ApiKeyOver
    return now + overlap
