"""Payments, ledger and partners are compared: what fits makes no break, and whatever is bent makes its own."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
from tests.factories.engine import EngineWorld, an_engine_world
from tests.factories.ledger import P0
from tests.factories.wallet import House

from obverse.kit import audit
from obverse.kit.database import Connection
from obverse.kit.errors import InvalidRequest
from obverse.kit.money import KRW
from obverse.kit.paging import PageRequest
from obverse.ledger import Ledger
from obverse.reconciliation import BreakKind, BreakNotFound, BreakNotOpen, BreakState, Reconciliation

Bend = Callable[[Connection], Awaitable[object]]


@pytest.fixture
async def world(house: House) -> EngineWorld:
    await Ledger(house.database).open_house([P0], KRW)
    return await an_engine_world(house)


@pytest.fixture
def reconciliation(world: EngineWorld) -> Reconciliation:
    house = world.house
    return Reconciliation(house.database, clock=house.clock, new_id=house.new_id, currency=KRW)


async def a_busy_day(world: EngineWorld) -> None:
    """Everything that may happen to payments, on both kinds of sources."""
    for off_us in (False, True):
        payments = []
        for _ in range(4):
            _, face = await (world.off_us_card() if off_us else world.card())
            payments.append(await world.engine.authorize(world.request(face, 10_000)))
        whole, part, undone, disputed = [payment.id for payment in payments]
        await world.engine.capture(whole)
        await world.engine.refund(whole, 2_500)
        await world.engine.capture(part, 4_000, final=True)
        await world.engine.capture(undone)
        await world.engine.cancel(undone)
        await world.engine.capture(disputed)
        await world.engine.open_dispute(disputed, 3_000, key=f"d{off_us}")
        await world.engine.close_dispute(disputed, 3_000, key=f"c{off_us}", merchant_pays=off_us)


async def open_kinds(reconciliation: Reconciliation) -> dict[str, int]:
    page = await reconciliation.list(PageRequest(limit=100), BreakState.OPEN)
    kinds: dict[str, int] = {}
    for found in page.items:
        kinds[found.finding.kind] = kinds.get(found.finding.kind, 0) + 1
    return kinds


async def test_a_busy_day_leaves_no_break(world: EngineWorld, reconciliation: Reconciliation) -> None:
    await a_busy_day(world)
    run = await reconciliation.run()
    assert await open_kinds(reconciliation) == {}
    sums = {c.topic: (c.ours_minor, c.ledger_minor, c.partner_minor) for c in run.comparisons}
    assert sums["card_company_receivable"] == (18_500, 18_500, 18_500)
    assert sums["disputed"] == (0, 0, None)


def sql(statement: str) -> Bend:
    return lambda conn: conn.execute(statement)


FILE = (
    "insert into presentment_files (id, reference, business_day, sequence, currency, debit_count, debit_minor,"
    " credit_count, credit_minor, state, problem, next_try_at, accepted_minor, received_minor, created_at,"
    " acknowledged_at) values (gen_random_uuid(), 'OBV-P-TEST', '2026-11-20', 1, 'KRW', 1, 1000, 0, 0, "
)
RECEIPT = (
    "with entry as (insert into bank_entries (entry_reference, direction, amount_minor, currency, booked_on,"
    " created_at) values ('E1', '{0}', 700, 'KRW', '2026-11-20', now()) returning entry_reference)"
    " insert into receipts (id, entry_reference, direction, amount_minor, currency, text, counterparty,"
    " booked_on, created_at) select gen_random_uuid(), 'E1', '{0}', 700, 'KRW', '', 'Somebody', '2026-11-20',"
    " now() from entry"
)
BENT = {
    BreakKind.PAYMENT_DIFFERS_FROM_LEDGER: sql(
        "update authorizations set captured_minor = captured_minor - 1"
        " where id = (select id from authorizations where refunded_minor > 0 and captured_minor = 10000 limit 1)"
    ),
    BreakKind.MERCHANT_DIFFERS_FROM_LEDGER: sql("update actions set amount_minor = 1 where kind = 'refund'"),
    BreakKind.CREDIT_LINE_DIFFERS_FROM_LEDGER: sql(
        "update legs set captured_minor = captured_minor - 1 where kind = 'credit_line' and captured_minor = 4000"
    ),
    BreakKind.HOUSE_ACCOUNT_DIFFERS: sql(
        "update legs set captured_minor = captured_minor - 1 where kind = 'linked_card' and captured_minor = 4000"
    ),
    BreakKind.FILE_NOT_ACKNOWLEDGED: sql(FILE + "'refused', 'why', now(), null, 0, now(), null)"),
    BreakKind.FILE_TOTALS_DIFFER: sql(FILE + "'acknowledged', null, now(), 1000, 0, now(), now())"),
    BreakKind.FILE_PAID_DIFFERENTLY: sql(FILE + "'acknowledged', null, now(), 1000, 900, now(), now())"),
    BreakKind.UNKNOWN_BANK_DEBIT: sql(RECEIPT.format("debit")),
    BreakKind.BANK_BALANCE_DIFFERS: sql(
        "insert into bank_statements (day, statement_id, currency, opening_minor, closing_minor, entries,"
        " imported_at) values ('2026-11-20', 'S', 'KRW', 0, 5, 0, now())"
    ),
}


@pytest.mark.parametrize("kind", BENT, ids=lambda kind: kind.value)
async def test_what_is_bent_makes_a_break_of_its_kind(
    world: EngineWorld, reconciliation: Reconciliation, kind: BreakKind
) -> None:
    await a_busy_day(world)
    async with world.house.database.transaction() as conn:
        await BENT[kind](conn)
    await reconciliation.run()
    assert kind in await open_kinds(reconciliation)


@pytest.mark.parametrize(
    ("kind", "bend"),
    [
        (BreakKind.NOT_PRESENTED, None),
        (BreakKind.RECEIPT_UNPLACED, sql(RECEIPT.format("credit"))),
        (BreakKind.FILE_NOT_ACKNOWLEDGED, sql(FILE + "'sent', null, now(), null, 0, now(), null)")),
    ],
    ids=lambda given: given.value if isinstance(given, BreakKind) else "",
)
async def test_what_is_late_is_a_break_only_after_a_while(
    world: EngineWorld, reconciliation: Reconciliation, kind: BreakKind, bend: Bend | None
) -> None:
    await a_busy_day(world)
    if bend is not None:
        async with world.house.database.transaction() as conn:
            await bend(conn)
    await reconciliation.run()
    assert kind not in await open_kinds(reconciliation)
    clock = world.house.clock
    clock.move_to(clock.offset + timedelta(days=2, minutes=1))
    await reconciliation.run()
    assert kind in await open_kinds(reconciliation)


async def test_a_break_that_has_gone_is_cleared_and_one_that_is_explained_stays_explained(
    world: EngineWorld, reconciliation: Reconciliation
) -> None:
    database = world.house.database
    async with database.transaction() as conn:
        await BENT[BreakKind.FILE_PAID_DIFFERENTLY](conn)
    assert (await reconciliation.run()).found == 2
    assert (await reconciliation.run()).found == 0

    (found,) = [
        b
        for b in (await reconciliation.list(PageRequest())).items
        if b.finding.kind is BreakKind.FILE_PAID_DIFFERENTLY
    ]
    for _ in range(2):
        resolved = await reconciliation.resolve(found.id, "They kept a fee of 100.", "key_1")
    assert (resolved.state, resolved.reason) == (BreakState.RESOLVED, "They kept a fee of 100.")
    with pytest.raises(BreakNotOpen):
        await reconciliation.resolve(found.id, "something else", "key_1")
    async with database.connection() as conn:
        (entry,) = (await audit.read_page(conn, PageRequest())).items
    assert (entry.actor, entry.action, entry.reason) == (
        "key_1",
        "break.resolved",
        "They kept a fee of 100.",
    )
    assert (await reconciliation.run()).found == 0

    async with database.transaction() as conn:
        await conn.execute("update presentment_files set received_minor = 950")
    assert (await reconciliation.run()).found == 1, "its numbers have changed"
    async with database.transaction() as conn:
        await conn.execute(
            "update presentment_files set accepted_minor = 0, received_minor = 0, debit_minor = 0"
        )
    assert (await reconciliation.run()).cleared > 0
    assert await open_kinds(reconciliation) == {}


async def test_a_break_is_not_explained_without_a_reason_nor_by_a_wrong_id(
    world: EngineWorld, reconciliation: Reconciliation
) -> None:
    with pytest.raises(InvalidRequest):
        await reconciliation.resolve(world.house.new_id(), " ", "key_1")  # type: ignore[arg-type]
    with pytest.raises(BreakNotFound):
        await reconciliation.resolve(world.house.new_id(), "because", "key_1")  # type: ignore[arg-type]
