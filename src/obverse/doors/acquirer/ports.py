"""What the door needs from the house."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Protocol

from obverse.authorization.model import Authorization, AuthorizationRequest
from obverse.clearing.claims import Attempt, BatchTotals, Claim, TerminalBatch, Verdict
from obverse.kit.errors import ObverseError
from obverse.kit.ids import CardId, MerchantId, SourceId
from obverse.kit.money import Money
from obverse.kit.secret import Secret
from obverse.merchants.model import Merchant
from obverse.points.model import Issuer
from obverse.points.quotes import Shown


class PaymentEngine(Protocol):
    """The engine, as a terminal's requests need it. Every method may raise `Unavailable`."""

    async def authorize(self, request: AuthorizationRequest) -> Authorization:
        """Decide a payment, or give the earlier decision for this request key."""
        ...

    async def capture_by_key(
        self, request_key: str, number: Secret, amount: Money | None = None, *, key: str | None = None
    ) -> Authorization:
        """Complete the payment with this request key; `key`, here and below, is the step's own. Raises
        `NotFound`, `NotCapturable`, `AlreadyCaptured`, `CaptureTooLarge`, `AuthorizationExpired`."""
        ...

    async def release_by_key(
        self, request_key: str, number: Secret, amount: Money | None = None, *, key: str | None = None
    ) -> Authorization:
        """Give up what is held of it. Raises `NotFound`, `NothingToRelease`, `ReleaseTooLarge`."""
        ...

    async def refund_by_key(
        self, request_key: str, number: Secret, amount: Money | None = None, *, key: str | None = None
    ) -> Authorization:
        """Give back what was captured of it. Raises `NotFound`, `NotRefundable`, `RefundTooLarge`."""
        ...

    async def reverse(
        self,
        request_key: str,
        number: Secret,
        amount: Money,
        merchant_id: MerchantId | None = None,
        terminal: str | None = None,
    ) -> Authorization:
        """Undo the payment with this key, or make sure that it will be declined if it comes later (P8)."""
        ...

    def reverse_later(
        self,
        request_key: str,
        number: Secret,
        amount: Money,
        merchant_id: MerchantId | None = None,
        terminal: str | None = None,
        *,
        in_doubt_since: datetime,
    ) -> None:
        """Undo, as soon as that is possible, a payment that was answered "system malfunction".

        `in_doubt_since` is when the request arrived; what was answered before or to a repeat stays.

        Returns at once and never raises.
        """
        ...


class ClaimDesk(Protocol):
    """Claims, as a terminal's requests need them. Every method may raise `Unavailable`."""

    async def upload(self, claim: Claim, batch: TerminalBatch) -> Verdict:
        """Have one claim of a batch paid; the same claim again has the same answer."""
        ...

    async def close_batch(self, batch: TerminalBatch, stated: BatchTotals) -> bool:
        """Whether the terminal's totals agree with what was paid; then the batch is closed."""
        ...

    async def note_uncovered(
        self, reported: Authorization, missing_minor: int, approval_code: str, last_four: str
    ) -> None:
        """Give operators what of a payment, decided by somebody else, could not be taken."""
        ...

    async def note(self, attempt: Attempt, refused: ObverseError) -> None:
        """Keep a completion that was refused, so that an operator sees it."""
        ...


class MerchantDirectory(Protocol):
    async def find(self, acquirer_id: str, merchant_no: str) -> Merchant | None:
        """The merchant known by DE 32 and DE 42."""
        ...


class PointsDesk(Protocol):
    """Members' points, as a terminal's requests need them. Every method may raise `Unavailable`."""

    async def quote(self, card_id: CardId, merchant: Merchant) -> Shown | None:
        """What the points behind this card are worth at this merchant: no line where the card is registered
        and has no points (PR-2), and None where it is neither registered nor has points."""
        ...

    async def issuers(self, sources: Collection[SourceId]) -> Mapping[SourceId, Issuer]:
        """Whose points these accounts hold."""
        ...
