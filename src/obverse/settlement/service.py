"""Settling business days step by step, and paying what comes of it."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Final
from uuid import UUID

from obverse.kit import events
from obverse.kit.calendar import Calendar
from obverse.kit.clock import Clock
from obverse.kit.database import Connection, Database
from obverse.kit.errors import InvalidRequest
from obverse.kit.events import Event
from obverse.kit.ids import (
    BankTransferId,
    EventId,
    MerchantId,
    NewId,
    SettlementId,
    StatementId,
    TransferId,
    to_text,
)
from obverse.kit.money import CurrencyCode, Money
from obverse.ledger import Transfer, TransferKind
from obverse.ledger import repository as ledger
from obverse.merchants import Merchant, Merchants
from obverse.merchants import repository as merchants
from obverse.settlement import rules
from obverse.settlement.errors import DayNotOver, DayPassed
from obverse.settlement.model import (
    Outcome,
    Payee,
    Payout,
    PayoutState,
    Settlement,
    SettlementState,
    Statement,
)
from obverse.settlement.repository import days, payouts, statements
from obverse.settlement.rules import Closing
from obverse.treasury import BankAccount, TransferOrder, Treasury
from obverse.treasury.rules import check_bank_account

CHUNK: Final = 20_000
"""Actions gathered in one commit: large enough that the commit costs nothing, some half a second of locks."""
MERCHANTS_AT_ONCE: Final = 500
"""Merchants closed, or payouts ordered, in one commit."""

_DAY: Final = timedelta(days=1)
_EARLIEST: Final = date(2020, 1, 1)
_FIRST: Final = UUID(int=0)

Observe = Callable[[Settlement], None]
"""Is shown the settlement after every step."""


class Settlements:
    """The business days of this programme, settled one after the other."""

    def __init__(
        self,
        database: Database,
        room: Merchants,
        treasury: Treasury,
        *,
        clock: Clock,
        new_id: NewId,
        calendar: Calendar,
        currency: CurrencyCode,
    ) -> None:
        self._database = database
        self._merchants = room
        self._treasury = treasury
        self._clock = clock
        self._new_id = new_id
        self._calendar = calendar
        self._currency = currency

    # settling ----------------------------------------------------------------------------------------------

    @property
    def last_day_over(self) -> date:
        """The latest business day that has reached its cut-off."""
        return self._calendar.business_day(self._clock.now()) - _DAY

    async def open(self, day: date) -> Settlement:
        """Begin to settle a day, or find what became of it: a day is settled once, whoever asks how often.

        Raises `DayNotOver` before its cut-off, `DayPassed` where a later day was settled already, and
        `InvalidRequest` for one that can only be a slip: the first day is followed by all days up to now.
        """
        now = self._clock.now()
        if day < _EARLIEST:
            raise InvalidRequest("Nothing was paid that early.", "day")
        if day > self.last_day_over:
            raise DayNotOver(day)
        opened = Settlement(
            id=SettlementId(self._new_id()),
            day=day,
            cut_off_at=self._calendar.cut_off_of(day),
            pay_on=self._calendar.next_banking_day(day + _DAY),
            state=SettlementState.GATHERING,
            actions=0,
            opened_at=now,
            closed_at=None,
        )
        async with self._database.transaction() as conn:
            settlement = await days.open_day(conn, opened)
        if settlement is None:
            raise DayPassed(day)
        return settlement

    async def step(self) -> Settlement | None:
        """Take the oldest unfinished settlement one commit further; None when all are closed.

        Any number of processes may do this at once: they take turns, and none does what another has done.
        A kill undoes the step under way and nothing else.
        """
        async with self._database.transaction() as conn:
            settlement = await days.lock_oldest_open(conn)
            if settlement is None:
                return None
            if settlement.state is SettlementState.GATHERING:
                return await days.gather(conn, settlement, CHUNK)
            return await self._close_some(conn, settlement)

    async def settle(self, day: date, observe: Observe = lambda _: None) -> Settlement:
        """Settle a day to its end, unfinished earlier ones first, and order what is to be paid by now.

        Raises `DayNotOver`, `DayPassed`.
        """
        settlement = await self.open(day)
        while settlement.state is not SettlementState.CLOSED:
            settlement = await self._step_towards(settlement)
            observe(settlement)
        await self.order_due()
        return settlement

    async def begin(self, day: date, patience: timedelta) -> Settlement:
        """The same, but come back after `patience` with how far it has come; `finish` does the rest."""
        loop = asyncio.get_running_loop()
        until = loop.time() + patience.total_seconds()
        settlement = await self.open(day)
        while settlement.state is not SettlementState.CLOSED and loop.time() < until:
            settlement = await self._step_towards(settlement)
        if settlement.state is SettlementState.CLOSED:
            await self.order_due()
        return settlement

    async def settle_past_days(self) -> None:
        """Settle every day up to the last one that is over, in their order.

        The first of all is the last day over, as soon as there is something to settle: it takes all before.
        """
        async with self._database.connection() as conn:
            last = await days.last_day(conn)
            if last is None:
                oldest = await days.oldest_to_settle(conn)
                if oldest is not None and oldest < self._calendar.cut_off_of(self.last_day_over):
                    last = self.last_day_over - _DAY
        while last is not None and last < self.last_day_over:
            last += _DAY
            await self.settle(last)

    async def finish(self) -> None:
        """Go on with what was opened and not closed, and order the payouts whose day has come."""
        while await self.step() is not None:
            continue
        await self.order_due()

    async def count_open(self, settlement: Settlement) -> int:
        """How many actions this settlement has still to take; reads as many index entries."""
        async with self._database.connection() as conn:
            return await days.count_to_settle(conn, settlement.cut_off_at)

    async def _step_towards(self, settlement: Settlement) -> Settlement:
        """One step of whatever comes first, and what it made of this settlement."""
        await self.step()
        async with self._database.connection() as conn:
            return (await days.load(conn, [settlement.id]))[settlement.id]

    async def _close_some(self, conn: Connection, settlement: Settlement) -> Settlement:
        """Write the statements of the next merchants, with what they move in the ledger and their payouts."""
        now = self._clock.now()
        brought = await days.due(conn, settlement.id, MERCHANTS_AT_ONCE)
        if not brought:
            await events.append(conn, [self._closed(settlement, now)])
            return await days.move_on(conn, settlement, None, now)
        payees = await self._payees(conn, settlement, brought)
        closings = [(p, c) for p in payees if (c := rules.close(p, settlement.day)) is not None]
        written = [self._statement(settlement, payee, closing, now) for payee, closing in closings]
        paid = [self._payout(settlement, each, now) for each in written if each.paid_minor]
        await statements.save(conn, written)
        await payouts.save(conn, paid)
        by_merchant = {payee.merchant_id: payee for payee, _ in closings}
        await self._move(conn, [(each, by_merchant[each.merchant_id]) for each in written], now)
        await events.append(conn, [self._issued(each, now) for each in written])
        return await days.move_on(conn, settlement, max(brought), None)

    async def _payees(
        self, conn: Connection, settlement: Settlement, brought: Mapping[MerchantId, int]
    ) -> list[Payee]:
        ids = list(brought)
        found = await merchants.load(conn, ids)
        gathered = await days.lines(conn, settlement.id, ids)
        lines = {id_: list(group) for id_, group in groupby(gathered, key=lambda line: line.merchant_id)}
        return [
            Payee(
                merchant_id=id_,
                account_id=found[id_].account_id,
                rhythm=found[id_].payout.rhythm,
                has_account=found[id_].payout.account is not None,
                brought_minor=brought_minor,
                lines=lines.get(id_, []),
            )
            for id_, brought_minor in brought.items()
        ]

    def _statement(self, settlement: Settlement, payee: Payee, closing: Closing, now: datetime) -> Statement:
        return Statement(
            id=StatementId(self._new_id()),
            settlement_id=settlement.id,
            day=settlement.day,
            merchant_id=payee.merchant_id,
            brought_minor=payee.brought_minor,
            totals=closing.totals,
            paid_minor=closing.paid_minor,
            carried_minor=closing.carried_minor,
            created_at=now,
        )

    def _payout(self, settlement: Settlement, statement: Statement, now: datetime) -> Payout:
        return Payout(
            id=BankTransferId(self._new_id()),
            statement_id=statement.id,
            merchant_id=statement.merchant_id,
            amount=Money(statement.paid_minor, self._currency),
            pay_on=settlement.pay_on,
            ordered_at=None,
            created_at=now,
        )

    async def _move(self, conn: Connection, closed: Sequence[tuple[Statement, Payee]], now: datetime) -> None:
        """Enter what closing moves; every account in it is rolled up, so that no payment waits."""
        moved = [
            (movement.partition_id, self._transfer(movement, statement, now))
            for statement, payee in closed
            for movement in rules.movements(payee, self._currency)
        ]
        moved.sort(key=lambda each: each[0])
        for partition_id, group in groupby(moved, key=lambda each: each[0]):
            await ledger.post(conn, partition_id, [transfer for _, transfer in group])

    def _transfer(self, movement: rules.Movement, statement: Statement, now: datetime) -> Transfer:
        return Transfer(
            id=TransferId(self._new_id()),
            kind=TransferKind.POSTED,
            debit_account_id=movement.debit_account_id,
            credit_account_id=movement.credit_account_id,
            amount_minor=movement.amount_minor,
            currency=self._currency,
            subject_id=statement.id,
            created_at=now,
        )

    # paying ------------------------------------------------------------------------------------------------

    async def order_due(self) -> None:
        """Hand payouts whose banking day has come to the treasury; who has no account waits for one."""
        today, after = self._calendar.local_date(self._clock.now()), BankTransferId(_FIRST)
        while True:
            async with self._database.transaction() as conn:
                due = await payouts.lock_to_order(conn, today, after, MERCHANTS_AT_ONCE)
                if not due:
                    return
                await self._order(conn, due)
            after = due[-1].id

    async def _order(self, conn: Connection, due: Sequence[Payout]) -> None:
        now = self._clock.now()
        owners = await merchants.load(conn, [payout.merchant_id for payout in due])
        of = await statements.load(conn, [payout.statement_id for payout in due])
        orders = [
            TransferOrder(
                id=payout.id,
                partition_id=rules.HOME,
                amount=payout.amount,
                to=account,
                reference=f"SETTLEMENT {of[payout.statement_id].day}",
                subject_id=payout.statement_id,
                debit_account_id=owners[payout.merchant_id].account_id,
            )
            for payout in due
            if (account := self._account(owners[payout.merchant_id])) is not None
        ]
        await self._treasury.order(conn, orders)
        ordered = {order.id for order in orders}
        await payouts.mark_ordered(conn, sorted(ordered), now)
        await events.append(conn, [self._told("payout.ordered", p, now) for p in due if p.id in ordered])

    def _account(self, merchant: Merchant) -> BankAccount | None:
        """Where a merchant is paid; None where there is nothing that the programme's bank could pay to."""
        account = self._merchants.bank_account(merchant)
        if account is None:
            return None
        try:
            return check_bank_account(BankAccount(account.bank_code, account.number, account.holder))
        except InvalidRequest:
            return None

    async def tell_outcomes(self) -> None:
        """Tell merchants of payouts that have arrived, and of those that the bank has refused; each once."""
        while True:
            now = self._clock.now()
            async with self._database.transaction() as conn:
                news = await payouts.lock_news(conn, MERCHANTS_AT_ONCE)
                await payouts.mark_told(conn, news)
                await events.append(conn, [self._outcome(each, now) for each in news])
            if len(news) < MERCHANTS_AT_ONCE:
                return

    # news --------------------------------------------------------------------------------------------------

    def _closed(self, settlement: Settlement, now: datetime) -> Event:
        data = {
            "settlement": to_text("stl", settlement.id),
            "day": settlement.day.isoformat(),
            "actions": settlement.actions,
        }
        return Event(EventId(self._new_id()), "settlement.closed", settlement.id, data, now)

    def _issued(self, statement: Statement, now: datetime) -> Event:
        data = {
            "statement": to_text("stm", statement.id),
            "settlement": to_text("stl", statement.settlement_id),
            "merchant": to_text("mer", statement.merchant_id),
            "day": statement.day.isoformat(),
            "paid": statement.paid_minor,
            "carried": statement.carried_minor,
            "currency": self._currency,
        }
        return Event(EventId(self._new_id()), "statement.issued", statement.id, data, now)

    def _outcome(self, outcome: Outcome, now: datetime) -> Event:
        if outcome.state is PayoutState.DONE:
            return self._told("payout.paid", outcome.payout, now)
        return self._told("payout.refused", outcome.payout, now, reason=outcome.reason)

    def _told(self, type_: str, payout: Payout, now: datetime, **more: str | None) -> Event:
        data = {
            "payout": to_text("bank", payout.id),
            "statement": to_text("stm", payout.statement_id),
            "merchant": to_text("mer", payout.merchant_id),
            "amount": payout.amount.amount_minor,
            "currency": payout.amount.currency,
            **more,
        }
        return Event(EventId(self._new_id()), type_, payout.id, data, now)
