"""A metered session: what it may use, what it has used, and the payments that it reserved."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from obverse.authorization import Decline
from obverse.kit.ids import AuthorizationId, CardId, MerchantId, MeterSessionId, PartitionId, TariffId
from obverse.kit.money import CurrencyCode
from obverse.kit.secret import Secret
from obverse.merchants import Merchant


class Tariff(msgspec.Struct, frozen=True):
    """What a merchant's service costs from a moment on; a session pays what held when it was opened.

    The connection and the first interval are paid as soon as a session has used anything, a further interval
    as soon as it has begun: first 30 seconds for 100 won, then 10 seconds for 18.
    """

    id: TariffId
    merchant_id: MerchantId
    name: str
    """The merchant's own, of which it may have several: local calls, calls abroad."""
    currency: CurrencyCode
    connection_minor: int
    first_seconds: int
    first_minor: int
    next_seconds: int
    next_minor: int
    grant_seconds: int
    """How much time is reserved at once where nobody says how much."""
    effective_from: datetime
    created_at: datetime


class Prices(msgspec.Struct, frozen=True):
    """A tariff as somebody wants it; without `effective_from` it holds from now on."""

    name: str
    currency: CurrencyCode
    connection_minor: int
    first_seconds: int
    first_minor: int
    next_seconds: int
    next_minor: int
    grant_seconds: int
    effective_from: datetime | None = None


class CallingServer(msgspec.Struct, frozen=True):
    """A merchant's calling server, by the name it gives itself in Diameter (Origin-Host)."""

    merchant_id: MerchantId
    origin_host: str


class GrantState(StrEnum):
    ASKED = "asked"
    """The engine has been or will be asked; what it said is not noted yet."""
    HELD = "held"
    SETTLING = "settling"
    """How much is captured is decided; the engine may not have been told yet."""
    SETTLED = "settled"
    DECLINED = "declined"


class Grant(msgspec.Struct, frozen=True):
    """One reservation: a payment of the engine, of which the used part is captured once."""

    number: int
    asked_minor: int
    amount_minor: int | None
    """What was approved: all of it, or what the balance allowed."""
    authorization_id: AuthorizationId | None
    state: GrantState
    captured_minor: int
    created_at: datetime


class SessionState(StrEnum):
    OPENING = "opening"
    """Noted; whether the card pays is not known yet."""
    OPEN = "open"
    DECLINED = "declined"
    CLOSING = "closing"
    CUTTING = "cutting"
    """Silent for too long. As with `closing`, what is owed is decided, and being carried out."""
    CLOSED = "closed"
    CUT = "cut"


LIVE = frozenset({SessionState.OPENING, SessionState.OPEN})
ENDING = frozenset({SessionState.CLOSING, SessionState.CUTTING})


class Session(msgspec.Struct, frozen=True):
    """A session with its tariff and its grants, in their order. Seconds are those of the service."""

    id: MeterSessionId
    partition_id: PartitionId
    merchant_id: MerchantId
    card_id: CardId | None
    tariff: Tariff
    reference: str | None
    state: SessionState
    used_seconds: int
    is_last: bool
    """Nothing more can be had of the card at present: what is granted now is all there is."""
    decline: Decline | None
    """Why it was not opened, or why it was granted less than it asked for."""
    valid_until: datetime
    due_at: datetime | None
    request_key: str
    fingerprint: bytes
    created_at: datetime
    ended_at: datetime | None = None
    grants: Sequence[Grant] = ()


class Credential(msgspec.Struct, frozen=True):
    """What the holder has shown: the number, and a PIN, or expiry (YYMM) and CVV."""

    number: Secret
    pin: Secret | None = None
    expiry: str | None = None
    cvv: Secret | None = None


class Opening(msgspec.Struct, frozen=True):
    """A merchant wants to serve the holder of a card; `seconds` None asks for the tariff's usual piece."""

    merchant: Merchant
    credential: Credential
    tariff: str
    seconds: int | None = None
    reference: str | None = None


class Report(msgspec.Struct, frozen=True):
    """A report with a number of its own: what was used since the one before, and what is wanted on top.

    `seconds` None wants nothing more, 0 the tariff's usual piece.
    """

    number: int
    used_seconds: int
    seconds: int | None


class Answered(msgspec.Struct, frozen=True):
    """The answer to a numbered report, the same whenever it is asked for again (P6)."""

    session: Session
    granted_seconds: int
    """From what was used by then."""
    is_last: bool


class Metered(msgspec.Struct, frozen=True):
    """The answer to an opening. `repeated`: an earlier request with the same key has opened it (P6)."""

    session: Session
    repeated: bool = False


class Terms(msgspec.Struct, frozen=True):
    """How long a session may be silent, and how much longer until it is cut off."""

    validity: timedelta
    grace: timedelta
