"""Ids: UUIDv7 inside, TypeID-style text outside (`card_01j...`), one NewType per kind.

Inside the platform and in the database an id is a plain UUID: small, sortable by time, fast.
Doors turn it into text and back; events carry the text, because they are for the outside.
Source: RFC 9562 (UUIDv7); the TypeID specification (base32, 26 characters).
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final, NewType, Protocol
from uuid import UUID

from asyncpg.pgproto import pgproto

from obverse.kit.errors import NotFound

MemberId = NewType("MemberId", UUID)
MerchantId = NewType("MerchantId", UUID)
CardId = NewType("CardId", UUID)
SourceId = NewType("SourceId", UUID)
AccountId = NewType("AccountId", UUID)
TransferId = NewType("TransferId", UUID)
AuthorizationId = NewType("AuthorizationId", UUID)
ApiKeyId = NewType("ApiKeyId", UUID)
EventId = NewType("EventId", UUID)
VaultCardId = NewType("VaultCardId", UUID)
ActionId = NewType("ActionId", UUID)
ApplicationId = NewType("ApplicationId", UUID)
AuditId = NewType("AuditId", UUID)
BankTransferId = NewType("BankTransferId", UUID)
BillId = NewType("BillId", UUID)
BreakId = NewType("BreakId", UUID)
ClaimFileId = NewType("ClaimFileId", UUID)
ClaimId = NewType("ClaimId", UUID)
DeliveryId = NewType("DeliveryId", UUID)
DeviceId = NewType("DeviceId", UUID)
DisputeId = NewType("DisputeId", UUID)
DrawId = NewType("DrawId", UUID)
EndpointId = NewType("EndpointId", UUID)
PresentmentFileId = NewType("PresentmentFileId", UUID)
PresentmentId = NewType("PresentmentId", UUID)
ReceiptId = NewType("ReceiptId", UUID)
ReconciliationRunId = NewType("ReconciliationRunId", UUID)
ReplayId = NewType("ReplayId", UUID)
SettlementId = NewType("SettlementId", UUID)
StatementId = NewType("StatementId", UUID)
CardBatchId = NewType("CardBatchId", UUID)
ChangeId = NewType("ChangeId", UUID)
ChargeId = NewType("ChargeId", UUID)
CheckoutId = NewType("CheckoutId", UUID)
CodeBatchId = NewType("CodeBatchId", UUID)
ConsentId = NewType("ConsentId", UUID)
EntryId = NewType("EntryId", UUID)
FulfilmentId = NewType("FulfilmentId", UUID)
LetterId = NewType("LetterId", UUID)
MeterSessionId = NewType("MeterSessionId", UUID)
OrderId = NewType("OrderId", UUID)
PasskeyId = NewType("PasskeyId", UUID)
PointsInvoiceId = NewType("PointsInvoiceId", UUID)
PointsInvoiceLineId = NewType("PointsInvoiceLineId", UUID)
PointsIssuerId = NewType("PointsIssuerId", UUID)
PointsMessageId = NewType("PointsMessageId", UUID)
PointsRateId = NewType("PointsRateId", UUID)
PointsRuleId = NewType("PointsRuleId", UUID)
ProgrammeId = NewType("ProgrammeId", UUID)
SaleId = NewType("SaleId", UUID)
SessionId = NewType("SessionId", UUID)
SignInId = NewType("SignInId", UUID)
TariffId = NewType("TariffId", UUID)
PartitionId = NewType("PartitionId", int)

IDS_STRAY: Final = timedelta(hours=1)
"""How far an id may lie from the time that is stored beside it: far more than a transaction takes."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DRAWN_BYTES: Final = 4096
_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS: Final = [high + low for high in _ALPHABET for low in _ALPHABET]
"""Two letters at a time, because every answer of every payment writes several ids."""
_VALUES: Final = {letter: value for value, letter in enumerate(_ALPHABET)}


class NewId(Protocol):
    """Makes a fresh UUIDv7; passed in so that a run can be replayed from its seed."""

    def __call__(self) -> UUID: ...


class DrawnInAdvance:
    """A source of randomness that draws much at once: three ids a payment are three system calls otherwise.

    For ids and approval codes. Keys and tokens are drawn when they are needed, so that none lies in memory
    before it exists.
    """

    __slots__ = ("_at", "_drawn", "_source")

    def __init__(self, source: Callable[[int], bytes]) -> None:
        self._source = source
        self._drawn = b""
        self._at = 0

    def __call__(self, size: int) -> bytes:
        end = self._at + size
        if end > len(self._drawn):
            self._drawn, end = self._source(max(_DRAWN_BYTES, size)), size
        self._at = end
        return self._drawn[end - size : end]


def uuid7_source(now_ms: Callable[[], int], random_bytes: Callable[[int], bytes]) -> NewId:
    """A `NewId` over a clock in milliseconds and a source of randomness (RFC 9562 section 5.7).

    Each id is above the one before, also within a millisecond (section 6.2): a refund that a batch decides
    right after its capture comes after it in every list and file.
    """
    last = 0
    """The time and the twelve bits behind it of the last id."""

    def new_id() -> UUID:
        nonlocal last
        random = int.from_bytes(random_bytes(10), "big")
        # The twelve bits begin at random below half of what they hold; beyond it they run into the time.
        stamp = now_ms() << 12 | random >> 69
        last = stamp if stamp > last else last + 1
        high, low = last >> 12 << 16 | 0x7000 | last & 0xFFF, random & 0x3FFF_FFFF_FFFF_FFFF | 1 << 63
        # The driver's own subclass: made, hashed and written to the wire several times faster.
        return pgproto.UUID((high << 64 | low).to_bytes(16, "big"))

    return new_id


def first_id_of(moment: datetime) -> UUID:
    """What every UUIDv7 made from this moment on is above, and every older one below.

    >>> first_id_of(datetime(2022, 2, 22, 19, 22, 22, tzinfo=UTC))
    UUID('017f22e2-79b0-0000-0000-000000000000')
    """
    return UUID(int=max(0, (moment - _EPOCH) // timedelta(milliseconds=1)) << 80)


def to_text(prefix: str, id_: UUID) -> str:
    """Write an id for the outside.

    >>> to_text("card", UUID("01890a5d-ac96-774b-bcce-b302099a8057"))
    'card_01h455vb4pex5vsknk084sn02q'
    """
    value = id_.int
    return prefix + "_" + "".join([_PAIRS[value >> shift & 1023] for shift in range(120, -1, -10)])


def from_text(prefix: str, text: str, param: str | None = None) -> UUID:
    """Read an id from the outside.

    Raises `NotFound` for anything that cannot be one of ours: a malformed id names no object.
    """
    head, _, tail = text.rpartition("_")
    if head != prefix or len(tail) != 26 or tail[0] > "7" or not all(c in _VALUES for c in tail):
        raise NotFound(_KINDS.get(prefix, "object"), param)
    value = 0
    for letter in tail:
        value = value << 5 | _VALUES[letter]
    return UUID(int=value)


_KINDS: Final = {
    "mem": "member",
    "mer": "merchant",
    "card": "card",
    "src": "funding source",
    "auth": "authorization",
    "key": "API key",
    "evt": "event",
    "act": "action",
    "app": "application",
    "aud": "audit entry",
    "bank": "bank transfer",
    "bill": "bill",
    "brk": "break",
    "cfile": "claim file",
    "claim": "claim",
    "dlv": "delivery",
    "dis": "dispute",
    "draw": "draw",
    "whe": "webhook endpoint",
    "pfile": "presentment file",
    "pres": "presentment",
    "rcpt": "receipt",
    "rpl": "replay",
    "run": "reconciliation run",
    "stl": "settlement",
    "stm": "statement",
    "sale": "sale",
    "ses": "session",
    "sgn": "sign-in",
    "trf": "tariff",
    "prog": "programme",
    "pinv": "points invoice",
    "prule": "points rule",
    "pkey": "passkey",
    "prt": "points rate",
    "pis": "points issuer",
    "ord": "order",
    "mses": "metered session",
    "let": "letter",
    "ful": "fulfilment",
    "chk": "checkout",
    "chg": "charge",
    "cbat": "card batch",
    "ent": "entry",
}
