"""Whatever is bent makes a break of its kind; one that is explained hides nothing but itself."""

import pytest
from tests.factories.reconciliation import (
    OPERATOR,
    Programme,
    open_breaks,
    open_kinds,
    resolve_all,
)

from obverse.kit import audit
from obverse.kit.errors import InvalidRequest
from obverse.kit.paging import PageRequest
from obverse.reconciliation import BreakKind, BreakNotFound, BreakNotOpen, BreakState

FILE = (
    "insert into presentment_files (id, reference, business_day, sequence, currency, debit_count,"
    " debit_minor, credit_count, credit_minor, state, problem, next_try_at, accepted_minor, received_minor,"
    " created_at, acknowledged_at) values"
    " (gen_random_uuid(), 'OBV-P-TEST', '2026-11-20', 9, 'KRW', 1, 1000, 0, 0, "
)
NOW = "timestamptz '2026-11-20 12:00+09'"
RECEIPT = (
    "with entry as (insert into bank_entries (entry_reference, direction, amount_minor, currency, booked_on,"
    " created_at) values ('E1', '{0}', 700, 'KRW', '2026-11-20', now()) returning entry_reference)"
    " insert into receipts (id, entry_reference, direction, amount_minor, currency, text, counterparty,"
    f" booked_on, created_at) select gen_random_uuid(), 'E1', '{{0}}', 700, 'KRW', '', 'Somebody',"
    f" '2026-11-20', {NOW} from entry"
)
ONE_CLAIM = (
    "(select a.id from actions as a join authorizations as p on p.id = a.authorization_id"
    " where p.captured_minor = 4000 and a.kind = 'capture' and a.parts = '{4000}'"
    " and exists (select from legs as l where l.authorization_id = p.id and l.kind = 'linked_card'))"
)
NEVER_CLAIMED = f"update actions set to_present = false where id = {ONE_CLAIM}"
CLAIMED_AFTER_ALL = f"update actions set to_present = true where id = {ONE_CLAIM}"

BENT = {
    BreakKind.PAYMENT_DIFFERS_FROM_LEDGER: (
        "update authorizations set captured_minor = captured_minor - 1 where id ="
        " (select id from authorizations where refunded_minor > 0 and captured_minor = 10000 limit 1)"
    ),
    BreakKind.MERCHANT_DIFFERS_FROM_LEDGER: "update actions set amount_minor = 1 where kind = 'refund'",
    BreakKind.CREDIT_LINE_DIFFERS_FROM_LEDGER: (
        "update legs set captured_minor = captured_minor - 1"
        " where kind = 'credit_line' and captured_minor = 4000"
    ),
    BreakKind.HOUSE_ACCOUNT_DIFFERS: (
        "update legs set captured_minor = captured_minor - 1"
        " where kind = 'linked_card' and captured_minor = 4000"
    ),
    BreakKind.PAYMENT_DIFFERS_FROM_PRESENTMENTS: NEVER_CLAIMED,
    BreakKind.CARD_COMPANY_BALANCE_DIFFERS: NEVER_CLAIMED,
    BreakKind.FILE_NOT_ACKNOWLEDGED: FILE + f"'refused', 'why', {NOW}, null, 0, {NOW}, null)",
    BreakKind.FILE_TOTALS_DIFFER: FILE + f"'acknowledged', null, {NOW}, 1000, 0, {NOW}, {NOW})",
    BreakKind.FILE_PAID_DIFFERENTLY: FILE + f"'acknowledged', null, {NOW}, 1000, 900, {NOW}, {NOW})",
    BreakKind.UNKNOWN_BANK_DEBIT: RECEIPT.format("debit"),
    BreakKind.BANK_BALANCE_DIFFERS: (
        "insert into bank_statements (day, statement_id, currency, opening_minor, closing_minor, entries,"
        " imported_at) values ('2026-11-20', 'S', 'KRW', 0, 5, 0, now())"
    ),
}


@pytest.mark.parametrize("kind", BENT, ids=lambda kind: kind.value)
async def test_what_is_bent_makes_a_break_of_its_kind(programme: Programme, kind: BreakKind) -> None:
    await programme.busy_hour()
    await programme.fits()
    await programme.bend(BENT[kind])
    await programme.books.run()
    assert kind in await open_kinds(programme.books)


async def test_a_claim_on_a_card_company_that_is_never_made_is_found_at_once(programme: Programme) -> None:
    await programme.busy_hour()
    await programme.bend(NEVER_CLAIMED)
    await programme.books.run()
    told = {
        each.finding.kind: (each.finding.expected_minor, each.finding.found_minor, each.finding.subject[:4])
        for each in await open_breaks(programme.books)
    }
    assert told == {
        BreakKind.PAYMENT_DIFFERS_FROM_PRESENTMENTS: (4_000, 0, "auth"),
        BreakKind.CARD_COMPANY_BALANCE_DIFFERS: (28_500, 24_500, "card"),
    }


async def test_a_claim_that_was_written_off_by_nobody_is_found(programme: Programme) -> None:
    await programme.pay(7_000)
    await programme.present()
    await programme.fits()
    await programme.bend("update presentments set state = 'written_off', reject_reason = 'none'")
    await programme.books.run()
    kinds = await open_kinds(programme.books)
    assert kinds[BreakKind.HOUSE_ACCOUNT_DIFFERS] == 2
    assert kinds[BreakKind.FILE_TOTALS_DIFFER] == 1


async def test_a_presentment_that_is_lost_is_found(programme: Programme) -> None:
    await programme.pay(7_000)
    programme.card_company.refuses = "unreadable"
    await programme.present()
    await programme.bend("update presentments set state = 'written_off'")
    await programme.books.run()
    (found,) = [
        each.finding
        for each in await open_breaks(programme.books)
        if each.finding.kind is BreakKind.CARD_COMPANY_BALANCE_DIFFERS
    ]
    assert (found.expected_minor, found.found_minor) == (7_000, 0)


async def test_a_merchant_without_a_single_transfer_is_compared_too(programme: Programme) -> None:
    await programme.bend(
        f"insert into settlement_balances (merchant_id, owed_minor) values ('{programme.world.shop.id}', 700)"
    )
    await programme.books.run()
    assert await open_kinds(programme.books) == {BreakKind.MERCHANT_DIFFERS_FROM_LEDGER: 1}


@pytest.mark.parametrize(
    ("kind", "bend"),
    [
        (BreakKind.NOT_PRESENTED, None),
        (BreakKind.RECEIPT_UNPLACED, RECEIPT.format("credit")),
        (BreakKind.FILE_NOT_ACKNOWLEDGED, FILE + f"'sent', null, {NOW}, null, 0, {NOW}, null)"),
    ],
    ids=lambda given: given.value if isinstance(given, BreakKind) else "",
)
async def test_what_is_late_is_a_break_after_two_banking_days(
    programme: Programme, kind: BreakKind, bend: str | None
) -> None:
    """It is Friday; Monday and Tuesday have to be over."""
    await programme.busy_hour()
    if bend is not None:
        await programme.bend(bend)
    for day, hour in ((20, 13), (23, 1), (24, 23)):
        programme.be_at(2026, 11, day, hour)
        await programme.books.run()
        assert kind not in await open_kinds(programme.books), day
    programme.be_at(2026, 11, 25, 0)
    await programme.books.run()
    assert kind in await open_kinds(programme.books)


# explanations ----------------------------------------------------------------------------------------------


async def test_a_break_that_is_explained_stays_explained_and_is_on_record(programme: Programme) -> None:
    await programme.busy_hour()
    await programme.bend(NEVER_CLAIMED)
    assert (await programme.books.run()).found == 2
    assert (await programme.books.run()).found == 0
    (found, _) = await open_breaks(programme.books)
    for _ in range(2):
        resolved = await programme.books.resolve(found.id, "They know of it.", OPERATOR)
        assert (resolved.state, resolved.reason) == (BreakState.RESOLVED, "They know of it.")
    with pytest.raises(BreakNotOpen):
        await programme.books.resolve(found.id, "something else", OPERATOR)
    async with programme.house.database.connection() as conn:
        entry = (await audit.read_page(conn, PageRequest())).items[0]
    assert (entry.actor, entry.action, entry.reason) == (OPERATOR, "break.resolved", "They know of it.")
    await resolve_all(programme.books)
    assert (await programme.books.run()).found == 0
    assert await open_breaks(programme.books) == []


async def test_an_explanation_holds_while_sums_go_on_growing(programme: Programme) -> None:
    await programme.busy_hour()
    await programme.bend(NEVER_CLAIMED)
    await programme.books.run()
    await resolve_all(programme.books)
    await programme.pay(9_000)
    run = await programme.books.run()
    assert (run.found, run.cleared) == (0, 0)


async def test_an_open_break_stays_the_same_one_while_sums_go_on_growing(programme: Programme) -> None:
    await programme.busy_hour()
    await programme.bend(NEVER_CLAIMED)
    await programme.books.run()
    before = await open_breaks(programme.books)
    await programme.pay(9_000)
    await programme.books.run()
    assert await open_breaks(programme.books) == before


async def test_what_was_explained_and_mended_does_not_hide_the_next_loss(programme: Programme) -> None:
    await programme.busy_hour()
    await programme.bend(NEVER_CLAIMED)
    await programme.books.run()
    explained = await resolve_all(programme.books, "a file of theirs was late")
    await programme.bend(CLAIMED_AFTER_ALL)
    run = await programme.books.run()
    assert (run.found, run.cleared) == (0, 0)
    known = {each.id: each for each in (await programme.books.list(PageRequest())).items}
    assert {known[each.id].state for each in explained} == {BreakState.RESOLVED}
    assert all(known[each.id].gone_at == run.ran_at for each in explained)

    await programme.bend(NEVER_CLAIMED)
    assert (await programme.books.run()).found == 2


async def test_a_break_is_cleared_when_its_difference_has_gone(programme: Programme) -> None:
    await programme.busy_hour()
    await programme.bend(NEVER_CLAIMED)
    await programme.books.run()
    await programme.bend(CLAIMED_AFTER_ALL)
    run = await programme.books.run()
    assert (run.found, run.cleared) == (0, 2)
    cleared = (await programme.books.list(PageRequest())).items
    assert {(each.state, each.ended_at, each.gone_at) for each in cleared} == {
        (BreakState.CLEARED, run.ran_at, run.ran_at)
    }


async def test_another_difference_is_another_break(programme: Programme) -> None:
    await programme.bend(BENT[BreakKind.FILE_PAID_DIFFERENTLY])
    await programme.books.run()
    await resolve_all(programme.books, "they kept a fee of 100")
    await programme.bend("update presentment_files set received_minor = 950")
    assert (await programme.books.run()).found == 1


async def test_a_break_is_not_explained_without_a_reason_nor_by_a_wrong_id(programme: Programme) -> None:
    with pytest.raises(InvalidRequest):
        await programme.books.resolve(programme.house.new_id(), " ", OPERATOR)  # type: ignore[arg-type]
    with pytest.raises(BreakNotFound):
        await programme.books.resolve(programme.house.new_id(), "because", OPERATOR)  # type: ignore[arg-type]
