"""What has come of settling, for operators and merchants to read."""

from collections.abc import AsyncIterator, Sequence
from typing import Final
from uuid import UUID

from obverse.kit.calendar import Calendar
from obverse.kit.clock import Clock
from obverse.kit.database import Connection, Database
from obverse.kit.ids import ActionId, BankTransferId, MerchantId, SettlementId, StatementId
from obverse.kit.money import CurrencyCode
from obverse.kit.paging import Page, PageRequest
from obverse.settlement import rules
from obverse.settlement.errors import PayoutNotFound, SettlementNotFound, StatementNotFound
from obverse.settlement.model import DaySum, Entry, Payout, Settlement, Statement, TrackedPayout
from obverse.settlement.repository import days, payouts, statements
from obverse.treasury.repository import transfers

ENTRIES_AT_ONCE: Final = 1_000
"""Actions of a statement read, and written as text, at once: payments wait for no more than that."""

_FIRST: Final = ActionId(UUID(int=0))


class Reports:
    """Settlements, statements and payouts, as they stand."""

    def __init__(
        self, database: Database, *, clock: Clock, calendar: Calendar, currency: CurrencyCode
    ) -> None:
        self._database = database
        self._clock = clock
        self.calendar = calendar
        self.currency = currency
        """Of every amount in here."""

    async def get(self, settlement_id: SettlementId) -> Settlement:
        """Raises `SettlementNotFound`."""
        async with self._database.connection() as conn:
            found = (await days.load(conn, [settlement_id])).get(settlement_id)
        if found is None:
            raise SettlementNotFound
        return found

    async def list(self, page: PageRequest) -> Page[Settlement]:
        """All settlements, newest first."""
        async with self._database.connection() as conn:
            return await days.find_page(conn, page)

    async def statement(self, statement_id: StatementId) -> Statement:
        """Raises `StatementNotFound`."""
        async with self._database.connection() as conn:
            found = (await statements.load(conn, [statement_id])).get(statement_id)
        if found is None:
            raise StatementNotFound
        return found

    async def statements(
        self,
        page: PageRequest,
        *,
        merchant_id: MerchantId | None = None,
        settlement_id: SettlementId | None = None,
    ) -> Page[Statement]:
        """Statements, newest first; with ids, those of this merchant and of this settlement."""
        async with self._database.connection() as conn:
            return await statements.find_page(conn, page, merchant_id, settlement_id)

    async def entries(self, statement: Statement) -> AsyncIterator[Sequence[Entry]]:
        """All actions of a statement, oldest first, a few thousand at a time.

        They never change, so each part is read by itself: nothing is held while a slow reader takes its time.
        """
        after = _FIRST
        while True:
            async with self._database.connection() as conn:
                part = await statements.entries(conn, statement, after, ENTRIES_AT_ONCE)
            if part:
                yield part
            if len(part) < ENTRIES_AT_ONCE:
                return
            after = part[-1].id

    async def day_sums(self, statement: Statement) -> Sequence[DaySum]:
        """A statement's actions per kind and day of the programme's calendar."""
        async with self._database.connection() as conn:
            return await statements.day_sums(conn, statement, str(self.calendar.zone))

    async def payout(self, payout_id: BankTransferId) -> TrackedPayout:
        """Raises `PayoutNotFound`."""
        async with self._database.connection() as conn:
            found = (await payouts.load(conn, [payout_id])).get(payout_id)
            if found is None:
                raise PayoutNotFound
            (tracked,) = await self._tracked(conn, [found])
        return tracked

    async def payouts(self, page: PageRequest, merchant_id: MerchantId | None = None) -> Page[TrackedPayout]:
        """Payouts, newest first: of one merchant, or all."""
        async with self._database.connection() as conn:
            found = await payouts.find_page(conn, page, merchant_id)
            return Page(await self._tracked(conn, found.items), found.next_after)

    async def _tracked(self, conn: Connection, found: Sequence[Payout]) -> Sequence[TrackedPayout]:
        today = self.calendar.local_date(self._clock.now())
        known = await transfers.load_transfers(conn, [payout.id for payout in found])
        tracked = []
        for payout in found:
            transfer = known.get(payout.id)
            state = rules.state_of(payout, transfer.state if transfer else None, today)
            reason, last_four = (transfer.reason, transfer.last_four) if transfer else (None, None)
            tracked.append(TrackedPayout(payout, state, reason, last_four))
        return tracked
