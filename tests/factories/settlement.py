"""A programme whose business days are settled: merchants, what they have captured, and a bank that pays."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import count
from typing import Any
from uuid import uuid4

from tests.factories.draws import FakeBank, a_treasury
from tests.factories.merchants import BY_HAND, a_bank_account, a_merchant
from tests.factories.wallet import House

from obverse.authorization.model import ActionKind
from obverse.kit.calendar import Calendar
from obverse.kit.clock import Clock
from obverse.kit.ids import ActionId, MerchantId, PartitionId, TransferId, uuid7_source
from obverse.kit.money import KRW
from obverse.kit.paging import PageRequest
from obverse.ledger import AccountKind, Ledger, Transfer, TransferKind
from obverse.ledger.jobs import roll_up
from obverse.ledger.rules import house_account
from obverse.merchants import FeePlan, Merchant, Terms
from obverse.reconciliation.repository.questions import MERCHANTS
from obverse.settlement import Settlements
from obverse.settlement.model import Statement
from obverse.settlement.reports import Reports
from obverse.treasury import Treasury
from obverse.treasury.ports import Answer, Asked, Batch, Verdict

THURSDAY = date(2026, 11, 19)
"""A business day like any other, before a banking day."""
NO_FEE = FeePlan()
_MOVES_MONEY = {ActionKind.CAPTURE, ActionKind.REFUND, ActionKind.REVERSAL, ActionKind.DISPUTE_LOST}
"""A merchant's; the others hold, release, or move between member and programme."""
_serials = count(1)

ADD = """
insert into actions (partition_id, id, authorization_id, merchant_id, kind, amount_minor, parts, currency,
    request_key, asked, to_present, created_at)
values ($1, $2, $3, $4, $5, $6, array[$6::bigint], 'KRW', $7, 'all', false, $8)
"""

# Ids that sort by time, as the engine's do; one transfer per merchant stands for those of all its captures.
ADD_MANY = """
with made as (
    insert into actions (partition_id, id, authorization_id, merchant_id, kind, amount_minor, parts, currency,
        request_key, asked, to_present, created_at)
    select $5::smallint, (lpad(to_hex($3::bigint + n), 12, '0') || '7000'
            || substr(md5($4::text || n), 1, 16))::uuid,
        gen_random_uuid(), ids[1 + n % array_length(ids, 1)], 'capture', 1000 + n % 977,
        array[1000 + n % 977], 'KRW', $4::text || ':' || n, 'all', false,
        to_timestamp(($3::bigint + n) / 1000.0)
    from generate_series(1, $2::int) as n, (select $1::uuid[] as ids) as given
    returning merchant_id, amount_minor
)
insert into transfers (partition_id, id, kind, debit_account_id, credit_account_id, amount_minor, currency,
    subject_id, created_at)
select $5::smallint, gen_random_uuid(), 'posted', $6, m.account_id, sum(made.amount_minor), 'KRW', m.id,
    now()
from made join merchants as m on m.id = made.merchant_id group by m.id, m.account_id
"""

# Statements against the actions themselves; one that is missing, or says something else, is a row.
TOLD_OTHERWISE = """
with actual as (
    select settlement_id, merchant_id, count(*) as actions, sum(fee_minor)::bigint as fees_minor,
        coalesce(sum(amount_minor) filter (where kind = 'capture'), 0)::bigint as captured_minor,
        coalesce(sum(amount_minor) filter (where kind = 'refund'), 0)::bigint as refunded_minor,
        coalesce(sum(amount_minor) filter (where kind = 'reversal'), 0)::bigint as reversed_minor,
        coalesce(sum(amount_minor) filter (where kind = 'dispute_lost'), 0)::bigint as charged_back_minor,
        coalesce(sum(case kind when 'load' then amount_minor else -amount_minor end)
            filter (where kind in ('load', 'load_reversal')), 0)::bigint as loaded_minor
    from actions join merchants as m on m.id = merchant_id
    where settlement_id is not null and m.payout_rhythm <> 'never' group by 1, 2
), told as (
    select settlement_id, merchant_id, actions, fees_minor, captured_minor, refunded_minor, reversed_minor,
        charged_back_minor, loaded_minor
    from merchant_statements where actions > 0
)
(select 'actual', * from (table actual except table told) as a)
union all (select 'told', * from (table told except table actual) as b)
"""

# Every statement brings forward what the one before it has carried.
BROKEN_CHAINS = """
select * from (
    select s.merchant_id, day, brought_minor,
        lag(carried_minor, 1, 0) over (partition by s.merchant_id order by day) as carried_before
    from merchant_statements as s join settlements on settlements.id = s.settlement_id
) as chain where brought_minor <> carried_before
"""

# The equation of P14 over all time, per merchant.
UNEQUAL = """
select merchant_id from merchant_statements group by merchant_id
having sum(captured_minor - refunded_minor - reversed_minor - charged_back_minor - fees_minor
        - loaded_minor - paid_minor)
    <> (select owed_minor from settlement_balances as b where b.merchant_id = merchant_statements.merchant_id)
"""

PAID_OTHERWISE = """
select s.id from merchant_statements as s
left join payouts as p on p.statement_id = s.id
left join bank_transfers as t on t.id = p.id
where s.paid_minor <> coalesce(p.amount_minor, 0) or t.amount_minor <> p.amount_minor
    or (t.id is null) <> (p.ordered_at is null)
"""


@dataclass
class MoodyBank(FakeBank):
    """A bank that gives one verdict on every order."""

    verdict: Verdict = Verdict.DONE

    async def submit(self, batch: Batch) -> Sequence[Answer]:
        self.orders += batch.orders
        return [Answer(self.verdict, "closed account") for _ in batch.orders]

    async def outcomes(self, asked: Sequence[Asked]) -> Sequence[Answer]:
        return [Answer(self.verdict) for _ in asked]


@dataclass
class SettlementWorld:
    """Merchants and a settlement room over a real ledger and treasury."""

    house: House
    bank: MoodyBank
    treasury: Treasury
    settlements: Settlements
    reports: Reports
    ledger: Ledger
    calendar: Calendar
    partitions: list[PartitionId]

    async def merchant(self, fee: FeePlan = NO_FEE, *, account: bool = True, **changes: Any) -> Merchant:
        """A merchant with a bank account, unless told otherwise."""
        to = a_bank_account() if account else None
        return await a_merchant(self.house.merchants, terms=Terms(fee_plan=fee), account=to, **changes)

    async def act(
        self,
        merchant: Merchant,
        amount_minor: int,
        kind: ActionKind = ActionKind.CAPTURE,
        *,
        day: date = THURSDAY,
        at: time = time(12),
        payment: Any = None,
        partition: int = 0,
    ) -> ActionId:
        """One action at this local time, with the merchant's money moved as the engine would."""
        when = datetime.combine(day, at, self.calendar.zone).astimezone(UTC)
        id_ = ActionId(uuid7_source(lambda: int(when.timestamp() * 1000), self.house.random_bytes)())
        here = PartitionId(partition)
        company = house_account(AccountKind.CARD_COMPANY_RECEIVABLE, here, KRW).id
        taken = kind is ActionKind.CAPTURE
        transfer = Transfer(
            id=TransferId(uuid4()),
            kind=TransferKind.POSTED,
            debit_account_id=company if taken else merchant.account_id,
            credit_account_id=merchant.account_id if taken else company,
            amount_minor=amount_minor,
            currency=KRW,
            subject_id=payment or id_,
            created_at=when,
        )
        if kind in _MOVES_MONEY:
            assert await self.ledger.post(here, [transfer]) == [None]
        key = f"{kind}:{next(_serials)}"
        async with self.house.database.transaction() as conn:
            await conn.execute(ADD, here, id_, payment or uuid4(), merchant.id, kind, amount_minor, key, when)
        return id_

    async def add_captures(
        self, merchants: Sequence[MerchantId], total: int, day: date = THURSDAY, partition: int = 0
    ) -> None:
        """Many captures of this day, spread over these merchants; a thousand per second at most."""
        begin_ms = int(datetime.combine(day, time(1), self.calendar.zone).timestamp() * 1000)
        company = house_account(AccountKind.CARD_COMPANY_RECEIVABLE, PartitionId(partition), KRW).id
        async with self.house.database.transaction() as conn:
            await conn.execute(
                ADD_MANY, list(merchants), total, begin_ms, f"many {next(_serials)}", partition, company
            )

    async def give_account(self, merchant: Merchant) -> None:
        """The merchant says where it is paid."""
        await self.house.merchants.set_payout(merchant.id, merchant.payout.rhythm, a_bank_account(), BY_HAND)

    def be_at(self, day: date, at: time = time(9)) -> None:
        """Let it be this local time."""
        put_clock(self.house.clock, datetime.combine(day, at, self.calendar.zone))

    async def settle(self, day: date = THURSDAY) -> None:
        """Settle a day on the morning after it."""
        self.be_at(day + timedelta(days=1))
        await self.settlements.settle(day)

    async def last_statement(self, merchant: Merchant) -> Statement:
        page = await self.reports.statements(PageRequest(1), merchant_id=merchant.id)
        (statement,) = page.items
        return statement

    async def fetch(self, query: str, *arguments: object) -> list[dict[str, Any]]:
        async with self.house.database.connection() as conn:
            return [dict(row) for row in await conn.fetch(query, *arguments)]

    async def books_agree(self) -> None:
        """P14: statements, actions, payouts, bank transfers and ledger tell one story."""
        await roll_up(self.house.database, self.partitions)
        assert await self.ledger.check() == []
        assert await self.fetch(MERCHANTS) == []
        assert await self.fetch(TOLD_OTHERWISE) == []
        assert await self.fetch(BROKEN_CHAINS) == []
        assert await self.fetch(UNEQUAL) == []
        assert await self.fetch(PAID_OTHERWISE) == []
        (fees,) = await self.fetch(
            "select (select coalesce(sum(fees_minor), 0) from merchant_statements)::bigint as told,"
            " (select coalesce(sum(credits_posted_minor - debits_posted_minor), 0) from accounts"
            "  where kind = 'fee_income')::bigint as earned"
        )
        assert fees["told"] == fees["earned"]


def put_clock(clock: Clock, moment: datetime) -> None:
    """Let it be this moment, and go on from there."""
    clock.move_to(clock.offset + (moment - clock.now()))


def settlement_rooms(house: House, treasury: Treasury) -> tuple[Settlements, Reports]:
    """The settlement room of a programme in Seoul, and what there is to read of it."""
    calendar = Calendar("Asia/Seoul", time(), "KR")
    settlements = Settlements(
        house.database,
        house.merchants,
        treasury,
        clock=house.clock,
        new_id=house.new_id,
        calendar=calendar,
        currency=KRW,
    )
    return settlements, Reports(house.database, clock=house.clock, calendar=calendar, currency=KRW)


async def a_settlement_world(
    house: House, *, partitions: int = 1, after: date | None = THURSDAY
) -> SettlementWorld:
    """The rooms from merchants to settlement, with house accounts open, on the morning after this day."""
    bank = MoodyBank()
    treasury = a_treasury(house, bank)
    settlements, reports = settlement_rooms(house, treasury)
    numbers = [PartitionId(number) for number in range(partitions)]
    ledger = Ledger(house.database)
    await ledger.open_house(numbers, KRW)
    world = SettlementWorld(house, bank, treasury, settlements, reports, ledger, reports.calendar, numbers)
    if after is not None:
        world.be_at(after + timedelta(days=1))
    return world
