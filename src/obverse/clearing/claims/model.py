"""What merchants claim, and what became of it."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

import msgspec

from obverse.kit.ids import AuthorizationId, ClaimFileId, ClaimId, MerchantId, PartitionId
from obverse.kit.money import CurrencyCode, Money
from obverse.kit.secret import Secret


class Road(StrEnum):
    """How a claim came in."""

    FILE = "file"
    BATCH = "batch"
    """A terminal's upload at the end of its day: ISO 8583 0320."""
    REST = "rest"
    ISO8583 = "iso8583"
    """A completion: ISO 8583 0220."""


class ClaimKind(StrEnum):
    CAPTURE = "capture"
    REFUND = "refund"


class Outcome(StrEnum):
    MATCHED = "matched"
    """Its authorization is found; not carried out yet."""
    PAID = "paid"
    """A capture is owed to the merchant, a refund was taken from it."""
    REFUSED = "refused"
    EXCEPTION = "exception"
    """An operator has to decide."""


class Reason(StrEnum):
    """Why a claim was not paid. Which of them a merchant is told: `rules.told`."""

    BROKEN_LINE = "broken_line"
    NO_SUCH_PAYMENT = "no_such_payment"
    """No payment has this number and this approval code: a wrong code looks like a wrong number (P17)."""
    WRONG_MERCHANT = "wrong_merchant"
    WRONG_CURRENCY = "wrong_currency"
    NOT_APPROVED = "not_approved"
    REVERSED = "reversed"
    ALREADY_CAPTURED = "already_captured"
    CAPTURE_TOO_LARGE = "capture_too_large"
    EXPIRED = "authorization_expired"
    NOT_REFUNDABLE = "not_refundable"
    REFUND_TOO_LARGE = "refund_too_large"
    REFERENCE_REUSED = "reference_reused"
    """The merchant has used this reference for something else."""
    BATCH_CLOSED = "batch_closed"
    NOT_COVERED = "not_covered"
    """Somebody approved it on our behalf, and the card does not hold that much (WA-9)."""
    UNEXPECTED = "unexpected"
    """Something is not as it should be; an operator has to look."""
    REFUSED_BY_OPERATOR = "refused_by_operator"


class Claim(msgspec.Struct, frozen=True):
    """What a merchant asks to be paid (or, for a refund, to give back), as a door understood it.

    `reference` is the merchant's own and names the claim: with another amount it is refused, and the same
    claim sent again, by whatever road, is the same claim (OT-16). `final` gives up what is left afterwards.
    """

    merchant_id: MerchantId
    kind: ClaimKind
    number: Secret
    approval_code: str
    amount: Money
    reference: str
    terminal: str | None = None
    claimed_at: datetime | None = None
    final: bool = True

    @property
    def request_key(self) -> str:
        """The key under which the engine carries it out: once, by whatever road it comes."""
        return f"claim:{self.merchant_id.hex}:{self.reference}"


class BrokenLine(msgspec.Struct, frozen=True):
    """A line of a claim file that is no claim. Nothing of what stood there is kept but a readable amount."""

    column: str | None
    """The first one that is wrong; None where the line has no columns."""
    amount_minor: int | None = None


class Attempt(msgspec.Struct, frozen=True):
    """A claim that another road carries out by itself, as far as that road knows it."""

    road: Road
    kind: ClaimKind
    request_key: str
    """The key under which that road asks the engine."""
    amount_minor: int | None
    """None for all there is."""
    currency: CurrencyCode
    merchant_id: MerchantId | None = None
    terminal: str | None = None
    reference: str | None = None
    last_four: str | None = None
    final: bool = False
    partition_id: PartitionId | None = None
    authorization_id: AuthorizationId | None = None


class Verdict(msgspec.Struct, frozen=True):
    """What is said of a claim. `repeated`: it had this answer before, and nothing was moved for it now."""

    outcome: Outcome
    reason: Reason | None = None
    repeated: bool = False


class ClaimRecord(msgspec.Struct, frozen=True):
    """A claim as it is kept: everything but the number (P11). Parts are missing where they were not told."""

    id: ClaimId
    road: Road
    kind: ClaimKind
    outcome: Outcome
    created_at: datetime
    merchant_id: MerchantId | None = None
    file_id: ClaimFileId | None = None
    line: int | None = None
    batch_no: str | None = None
    request_key: str | None = None
    reference: str | None = None
    terminal: str | None = None
    last_four: str | None = None
    approval_code: str | None = None
    amount_minor: int | None = None
    currency: CurrencyCode | None = None
    claimed_at: datetime | None = None
    final: bool = True
    partition_id: PartitionId | None = None
    authorization_id: AuthorizationId | None = None
    reason: Reason | None = None
    column: str | None = None
    """The column of a broken line that is wrong."""
    repeated: bool = False
    being_paid: bool = False
    """An operator has said to pay what waited, and nobody knows yet whether the money has moved."""


class FileState(StrEnum):
    RECEIVING = "receiving"
    REFUSED = "refused"
    """As a whole: nothing of it is paid."""
    PROCESSING = "processing"
    DONE = "done"
    DISCARDED = "discarded"
    """Cut off while it came in, or the same as an earlier file; never shown, and soon gone."""


class FileProblem(StrEnum):
    """Why a whole file is refused."""

    NO_HEADER = "no_header"
    NO_TRAILER = "no_trailer"
    AFTER_TRAILER = "after_trailer"
    WRONG_COUNT = "wrong_count"
    WRONG_SUM = "wrong_sum"


class Bucket(StrEnum):
    """Under what a line is counted in its file's report."""

    CAPTURED = "captured"
    REFUNDED = "refunded"
    REPEATED = "repeated"
    """Paid before, by this or another road."""
    REFUSED = "refused"
    EXCEPTION = "exception"


class Count(msgspec.Struct, frozen=True):
    lines: int = 0
    amount_minor: int = 0


class ClaimFile(msgspec.Struct, frozen=True):
    """A file of claims and its report so far. Amounts in minor units of `currency`."""

    id: ClaimFileId
    merchant_id: MerchantId
    state: FileState
    created_at: datetime
    currency: CurrencyCode | None = None
    problem: FileProblem | None = None
    size_bytes: int = 0
    claims: Count = Count()
    """What is in it; a line whose amount cannot be read counts as nothing in the sum."""
    report: Mapping[Bucket, Count] = msgspec.field(default_factory=dict)
    done_at: datetime | None = None


class TerminalBatch(NamedTuple):
    """What a terminal claims between two reconciliations; it numbers them itself and uses no number twice."""

    merchant_id: MerchantId
    terminal: str
    batch_no: str


class BatchTotals(msgspec.Struct, frozen=True):
    """What a terminal has claimed in one batch; amounts in minor units."""

    currency: CurrencyCode
    captures: Count
    refunds: Count
