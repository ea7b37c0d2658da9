"""An engine and a merchant directory that a test can steer, for the acquirer door alone."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

from msgspec.structs import replace
from tests.factories.iso8583 import ACQUIRER, MERCHANT_NO, TERMINAL

from obverse.authorization.errors import CaptureTooLarge, NothingToRelease
from obverse.authorization.model import (
    Authorization,
    AuthorizationRequest,
    Decline,
    Entry,
    Rule,
    Status,
)
from obverse.clearing.claims import Attempt, BatchTotals, Claim, Outcome, TerminalBatch, Verdict
from obverse.kit.errors import NotFound, ObverseError
from obverse.kit.ids import (
    AccountId,
    AuthorizationId,
    CardId,
    MerchantId,
    PartitionId,
    PointsIssuerId,
    SourceId,
)
from obverse.kit.money import KRW, Money
from obverse.kit.secret import Sealed, Secret
from obverse.merchants.model import Merchant, MerchantState
from obverse.points.model import Issuer, IssuerState
from obverse.points.quotes import Shown

NOW = datetime(2026, 11, 20, 9, 30, 1, tzinfo=UTC)

MERCHANT = Merchant(
    id=MerchantId(UUID(int=1)),
    name="Corner shop",
    category="5411",
    acquirer_id=ACQUIRER,
    merchant_no=MERCHANT_NO,
    terminals=(TERMINAL, "TERM0002"),
    account_id=AccountId(UUID(int=2)),
    state=MerchantState.ACTIVE,
    created_at=NOW,
)


ISSUER = Issuer(
    id=PointsIssuerId(UUID(int=4)),
    name="Sky Airlines",
    short_name="SKY",
    unit="miles",
    url="https://sky.example",
    secret=Sealed(1, b""),
    two_phase=True,
    tells_van=False,
    units_max=None,
    currency=KRW,
    state=IssuerState.ACTIVE,
    created_at=NOW,
)


class OneShop:
    """A directory with one merchant; `fails_with` is raised instead of an answer."""

    fails_with: Exception | None = None

    async def find(self, acquirer_id: str, merchant_no: str) -> Merchant | None:
        if self.fails_with is not None:
            raise self.fails_with
        return MERCHANT if (acquirer_id, merchant_no) == (ACQUIRER, MERCHANT_NO) else None


@dataclass
class FakeEngine:
    """Approves what is below a million from a known merchant, and remembers by request key.

    `before_answer` is awaited before each payment is decided: a test may wait, raise or count there.
    """

    before_answer: Callable[[AuthorizationRequest], Awaitable[None]] | None = None
    requests: list[AuthorizationRequest] = field(default_factory=list)
    decided: dict[str, Authorization] = field(default_factory=dict)
    undone_later: list[tuple[str, datetime]] = field(default_factory=list)
    """Request keys, and since when each was in doubt."""
    releases: list[tuple[str, int | None, str | None]] = field(default_factory=list)
    refunds: list[tuple[str, int | None, str | None]] = field(default_factory=list)
    """Request keys, amounts, and the keys of the steps."""

    async def authorize(self, request: AuthorizationRequest) -> Authorization:
        self.requests.append(request)
        if self.before_answer is not None:
            await self.before_answer(request)
        else:
            await asyncio.sleep(0)
        if request.request_key not in self.decided:
            self.decided[request.request_key] = _decide(request)
        return self.decided[request.request_key]

    async def release_by_key(
        self, request_key: str, number: Secret, amount: Money | None = None, *, key: str | None = None
    ) -> Authorization:
        if request_key not in self.decided:
            raise NotFound("payment")
        if self.decided[request_key].captured_at_once:
            raise NothingToRelease
        self.releases.append((request_key, amount.amount_minor if amount else None, key))
        return self.decided[request_key]

    async def refund_by_key(
        self, request_key: str, number: Secret, amount: Money | None = None, *, key: str | None = None
    ) -> Authorization:
        if request_key not in self.decided:
            raise NotFound("payment")
        self.refunds.append((request_key, amount.amount_minor if amount else None, key))
        refunded = replace(self.decided[request_key], refunded_minor=amount.amount_minor if amount else 0)
        self.decided[request_key] = refunded
        return refunded

    async def capture_by_key(
        self, request_key: str, number: Secret, amount: Money | None = None, *, key: str | None = None
    ) -> Authorization:
        if request_key not in self.decided:
            raise NotFound("payment")
        if amount is not None and amount.amount_minor > self.decided[request_key].amount.amount_minor:
            raise CaptureTooLarge
        captured = replace(self.decided[request_key], captured_minor=amount.amount_minor if amount else 0)
        self.decided[request_key] = captured
        return captured

    async def reverse(
        self,
        request_key: str,
        number: Secret,
        amount: Money,
        merchant_id: MerchantId | None = None,
        terminal: str | None = None,
    ) -> Authorization:
        earlier = self.decided.get(request_key)
        undone = earlier or authorization(request_key, amount, Status.REVERSED, None)
        self.decided[request_key] = replace(undone, status=Status.REVERSED)
        return self.decided[request_key]

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
        self.undone_later.append((request_key, in_doubt_since))


@dataclass
class FakeClaims:
    """Gives every claim one verdict, and closes batches whose totals are `balance`."""

    verdict: Verdict = Verdict(Outcome.PAID)  # noqa: RUF009 - frozen
    balance: BatchTotals | None = None
    uploaded: list[tuple[Claim, TerminalBatch]] = field(default_factory=list)
    noted: list[tuple[Attempt, ObverseError]] = field(default_factory=list)
    uncovered: list[tuple[int, str, str]] = field(default_factory=list)
    """What was missing, under which approval code, and the card's last four."""
    fails_with: Exception | None = None

    async def upload(self, claim: Claim, batch: TerminalBatch) -> Verdict:
        if self.fails_with is not None:
            raise self.fails_with
        self.uploaded.append((claim, batch))
        return self.verdict

    async def close_batch(self, batch: TerminalBatch, stated: BatchTotals) -> bool:
        return stated == self.balance

    async def note(self, attempt: Attempt, refused: ObverseError) -> None:
        self.noted.append((attempt, refused))

    async def note_uncovered(
        self, reported: Authorization, missing_minor: int, approval_code: str, last_four: str
    ) -> None:
        self.uncovered.append((missing_minor, approval_code, last_four))


@dataclass
class FakePoints:
    """Shows what it is given, and calls every points account's issuer by the same name."""

    shown: Shown | None = None
    asked: list[tuple[CardId, Merchant]] = field(default_factory=list)
    fails_with: Exception | None = None

    async def quote(self, card_id: CardId, merchant: Merchant) -> Shown | None:
        if self.fails_with is not None:
            raise self.fails_with
        self.asked.append((card_id, merchant))
        return self.shown

    async def issuers(self, sources: Collection[SourceId]) -> Mapping[SourceId, Issuer]:
        return dict.fromkeys(sources, ISSUER)


def _decide(request: AuthorizationRequest) -> Authorization:
    decline = None
    if request.merchant is None:
        decline = Decline.UNKNOWN_MERCHANT
    elif request.amount.amount_minor >= 1_000_000:
        decline = Decline.AMOUNT_LIMIT
    status = Status.APPROVED if decline is None else Status.DECLINED
    decided = authorization(request.request_key, request.amount, status, decline)
    return replace(decided, captured_at_once=request.capture)


def authorization(
    request_key: str = "iso:1",
    amount: Money = Money(34_000, KRW),  # noqa: B008 - frozen
    status: Status = Status.APPROVED,
    decline: Decline | None = None,
) -> Authorization:
    return Authorization(
        partition_id=PartitionId(0),
        id=AuthorizationId(UUID(int=3)),
        request_key=request_key,
        fingerprint=b"",
        status=status,
        decline=decline,
        failed_rules=Rule(0),
        approval_code="A1B2C3" if status is Status.APPROVED else None,
        card_id=None,
        merchant_id=None,
        terminal=None,
        entry=Entry.ONLINE,
        category=None,
        amount=amount,
        captured_minor=0,
        captured_at_once=False,
        deadline_at=None,
        created_at=NOW,
    )
