"""Bills as members and operators see them, what comes in for them, and what follows when nothing does."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Final
from uuid import UUID

from msgspec.structs import replace

from obverse.billing import rules
from obverse.billing.errors import BillNotFound, CreditLineNotFound
from obverse.billing.model import Bill, BillPayment, BillState, BillTerms, Credit, Line
from obverse.billing.repository import bills as repository
from obverse.billing.telling import bill_news, source_news
from obverse.cards.model import Card, Viewer
from obverse.cards.rules import sight
from obverse.kit import events
from obverse.kit.calendar import Calendar
from obverse.kit.clock import Clock
from obverse.kit.database import Connection, Database
from obverse.kit.ids import AccountId, BillId, CardId, MemberId, NewId, ReceiptId
from obverse.kit.paging import LIMIT_MAX, Page, PageRequest
from obverse.treasury import Placement, Receipt, Treasury
from obverse.treasury.repository import unplaced
from obverse.wallet import repository as wallet

_RECEIPTS_PER_COMMIT: Final = 200
_LINES_PER_COMMIT: Final = 500
_TOLD_OF: Final = {BillState.PAID: "bill.paid", BillState.OVERDUE: "bill.overdue"}


class Billing:
    """What members owe on credit lines, as their bills have it (OT-17)."""

    def __init__(
        self,
        database: Database,
        treasury: Treasury,
        calendar: Calendar,
        terms: BillTerms,
        *,
        clock: Clock,
        new_id: NewId,
    ) -> None:
        self._database = database
        self._treasury = treasury
        self._calendar = calendar
        self._terms = terms
        self._clock = clock
        self._new_id = new_id

    # reading -----------------------------------------------------------------------------------------------

    async def get(self, bill_id: BillId) -> Bill:
        """Raises `BillNotFound`."""
        async with self._database.connection() as conn:
            bill = await repository.find(conn, bill_id)
        if bill is None:
            raise BillNotFound
        return bill

    async def list(
        self, page: PageRequest, *, member_id: MemberId | None = None, state: BillState | None = None
    ) -> Page[Bill]:
        """Bills, newest first, narrowed by what is given."""
        async with self._database.connection() as conn:
            return await repository.find_page(conn, page, member_id, state)

    async def lines(self, bill: Bill, page: PageRequest, viewer: Viewer) -> Page[Line]:
        """A bill's lines, newest first, as this viewer may see them (OT-8)."""
        async with self._database.connection() as conn:
            found, cards = await repository.lines_of(conn, bill, page)
        return Page([_as_seen(line, cards, viewer) for line in found.items], found.next_after)

    async def each_line(self, bill: Bill, viewer: Viewer) -> AsyncIterator[Line]:
        """All of a bill's lines, newest first, page by page."""
        after: UUID | None = None
        while True:
            page = await self.lines(bill, PageRequest(LIMIT_MAX, after), viewer)
            for line in page.items:
                yield line
            if page.next_after is None:
                return
            after = page.next_after

    async def payments(self, bill: Bill) -> Sequence[BillPayment]:
        """What this bill counts as paid since the bill before, oldest first."""
        async with self._database.connection() as conn:
            return await repository.payments_of(conn, bill)

    async def credit(self, member_id: MemberId) -> Credit:
        """What a member's credit line stands at. Raises `CreditLineNotFound`."""
        today = self._calendar.local_date(self._clock.now())
        async with self._database.connection() as conn:
            credit = await repository.find_credit(conn, member_id, today)
        if credit is None:
            raise CreditLineNotFound
        return credit

    # payments ----------------------------------------------------------------------------------------------

    async def take_payments(self) -> int:
        """Place what has come in with a bill's reference on that bill's credit line: the chore.

        All of it, be it too little or too much: money that was paid twice is the member's, and lowers what
        they owe. What names no bill of ours stays with the treasury, where an operator sees it.
        Returns how many receipts were placed.
        """
        placed, after = 0, None
        while True:
            async with self._database.transaction() as conn:
                receipts = await unplaced(conn, rules.REFERENCE_PREFIX, _RECEIPTS_PER_COMMIT, after)
                placed += await self._place(conn, receipts)
            if len(receipts) < _RECEIPTS_PER_COMMIT:
                return placed
            after = receipts[-1].id

    async def _place(self, conn: Connection, receipts: Sequence[Receipt]) -> int:
        references = {r.id: rules.reference_in(r.reference or "") for r in receipts}
        known = await repository.find_by_reference(conn, [ref for ref in references.values() if ref])
        paid: dict[ReceiptId, tuple[Receipt, Bill]] = {
            r.id: (r, bill)
            for r in receipts
            if (bill := known.get(references[r.id] or "")) is not None and bill.currency == r.amount.currency
        }
        if not paid:
            return 0
        now = self._clock.now()
        await self._treasury.place(
            conn,
            [
                Placement(receipt.id, bill.partition_id, bill.account_id, receipt.open_minor, bill.id)
                for receipt, bill in paid.values()
            ],
        )
        payments = [
            BillPayment(receipt.id, bill.id, bill.account_id, receipt.open_minor, now)
            for receipt, bill in paid.values()
        ]
        await repository.insert_payments(conn, payments)
        await self._follow(conn, sorted({payment.account_id for payment in payments}))
        return len(payments)

    # following ---------------------------------------------------------------------------------------------

    async def follow_up(self) -> None:
        """Bring bills to the state that ledger and date have brought about: the chore.

        Refunds pay bills too, and the engine knows nothing of bills; due dates pass by themselves.
        """
        after = UUID(int=0)
        while True:
            today = self._calendar.local_date(self._clock.now())
            latest = rules.last_grace_day(today, self._terms.grace_days)
            async with self._database.transaction() as conn:
                accounts = await repository.find_moved_on(conn, today, latest, after, _LINES_PER_COMMIT)
                await self._follow(conn, accounts)
            if len(accounts) < _LINES_PER_COMMIT:
                return
            after = accounts[-1]

    async def _follow(self, conn: Connection, accounts: Sequence[AccountId]) -> None:
        """Decide about all open bills of these credit lines, and whether the lines may go on paying."""
        if not accounts:
            return
        now = self._clock.now()
        today = self._calendar.local_date(now)
        open_bills = await repository.lock_open(conn, accounts)
        changed = rules.changed(open_bills, today)
        await repository.set_states(conn, changed)
        late = rules.in_arrears(open_bills, today, self._terms.grace_days)
        stopped = await wallet.set_arrears(conn, sorted(late), in_arrears=True)
        freed = await wallet.set_arrears(conn, sorted(set(accounts) - late), in_arrears=False)
        news = [
            bill_news(_TOLD_OF[bill.state], bill, self._new_id, now)
            for bill in changed
            if bill.state in _TOLD_OF
        ]
        news += [source_news("source.suspended", source, self._new_id, now) for source in stopped]
        news += [source_news("source.reinstated", source, self._new_id, now) for source in freed]
        await events.append(conn, news)


def _as_seen(line: Line, cards: Mapping[CardId, Card], viewer: Viewer) -> Line:
    card = cards.get(line.card_id) if line.card_id is not None else None
    if card is None or sight(card, viewer).payments:
        return line
    # Where the recipient pays, and that they dispute it, is theirs.
    kind = "charge" if line.amount_minor > 0 else "credit"
    return replace(line, kind=kind, merchant_id=None, merchant_name=None)
