"""What issuers owe: from mixed payments, by whatever happens to them, to the issuers' bank transfers."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
from tests.factories.draws import an_account
from tests.factories.invoicing import MILES, STARS, PointsProgramme, an_invoicing
from tests.factories.reconciliation import open_breaks, open_kinds

from obverse.draws import Wish
from obverse.invoicing import InvoiceState, NothingToInvoice, service
from obverse.kit.ids import PartitionId, PointsIssuerId
from obverse.kit.money import KRW
from obverse.kit.paging import PageRequest
from obverse.ledger import AccountKind, Ledger, Transfer, TransferKind
from obverse.ledger.rules import house_account
from obverse.points.errors import PointsIssuerNotFound
from obverse.reconciliation import BreakKind

# Every payment of 10,000 takes 4,000 of miles, 310 of stars, and 5,690 of the linked card, in this order.


async def busy_hour(points: PointsProgramme) -> None:
    """Everything that may happen to payments that mix points with a card."""
    engine = points.programme.world.engine
    _, refunded, lost, won, undone = [(await points.pay()).id for _ in range(5)]
    for key, minor in (("one", 5_700), ("two", 2_000)):
        await engine.refund(refunded, minor, key=key)
    for id_, merchant_pays in ((lost, True), (won, False)):
        await engine.open_dispute(id_, 6_000, key=f"open {id_}")
        await points.programme.fits()
        await engine.close_dispute(id_, 6_000, key=f"close {id_}", merchant_pays=merchant_pays)
    await engine.cancel(undone)
    part, released = [await points.pay(capture=False) for _ in range(2)]
    await engine.capture(part.id, 4_002, final=True)
    await engine.cancel(released.id)


async def test_whatever_happens_to_mixed_payments_everybody_is_owed_what_is_theirs(
    points: PointsProgramme,
) -> None:
    programme = points.programme
    await busy_hour(points)
    await programme.fits()
    miles, stars = [await points.invoice(issuer) for issuer in (points.miles, points.stars)]
    assert (miles.charges_minor, miles.credits_minor, miles.balance_minor) == (24_000, 5_700, 18_300)
    assert (stars.charges_minor, stars.credits_minor, stars.balance_minor) == (1_552, 930, 622)
    assert [await points.owed(issuer) for issuer in (points.miles, points.stars)] == [18_300, 622]
    await programme.fits()

    # What issuers have of each leg in units is what the invoice says, to the unit.
    kept = await programme.fetch(
        "select position, sum(units - units_back)::bigint from legs where kind = 'issuer_points'"
        " group by 1 order by 1"
    )
    assert kept == [(0, miles.units), (1, stars.units)] == [(0, 36_600), (1, 63)]

    # Card companies hear of their legs only, the merchant is paid for all.
    await programme.present()
    programme.be_at(2026, 11, 21)
    await programme.settlements.settle(programme.settlements.last_day_over)
    said = await programme.fetch(
        "select captured_minor, refunded_minor, reversed_minor, charged_back_minor from merchant_statements"
    )
    assert said == [(54_002, 7_700, 10_000, 6_000)]
    told = await programme.fetch(
        "select sum(case direction when 'debit' then amount_minor else -amount_minor end)::bigint"
        " from presentments"
    )
    assert told == [(2 * 5_690,)]
    await programme.fits()

    for invoice in (miles, stars):
        assert await points.transfer(invoice, invoice.balance_minor) == 1
        assert (await points.invoicing.get(invoice.id)).state is InvoiceState.PAID
    assert [await points.owed(issuer) for issuer in (points.miles, points.stars)] == [0, 0]
    await programme.fits()


@pytest.mark.parametrize("merchant_pays", [True, False], ids=["lost", "won"])
async def test_what_was_in_dispute_when_a_payment_was_undone_is_owed_as_it_is_decided(
    points: PointsProgramme, merchant_pays: bool
) -> None:
    engine, programme = points.programme.world.engine, points.programme
    paid = await points.pay()
    await engine.open_dispute(paid.id, 9_000, key="open")
    await engine.cancel(paid.id)
    await programme.fits()
    await engine.close_dispute(paid.id, 9_000, key="close", merchant_pays=merchant_pays)
    await programme.fits()
    invoice = await points.invoice(points.miles)
    owed = 0 if merchant_pays else 3_000
    assert (invoice.balance_minor, invoice.units) == (owed, 2 * owed)
    assert await points.owed(points.miles) == owed
    kept = await programme.fetch("select units - units_back from legs where position = 0")
    assert kept == [(invoice.units,)]


async def test_what_is_left_over_either_way_is_on_the_next_invoice(points: PointsProgramme) -> None:
    engine, programme = points.programme.world.engine, points.programme
    _, lost = [(await points.pay()).id for _ in range(2)]
    await engine.open_dispute(lost, 6_000, key="open")
    first = await points.invoice(points.stars)
    # No units went back yet, so that all of them are invoiced; the ledger waits for the dispute.
    assert (first.balance_minor, await points.owed(points.stars)) == (620, 310)
    assert await points.transfer(first, 700) == 1
    assert (await points.invoicing.get(first.id)).open_minor == -80
    await programme.fits()

    await engine.close_dispute(lost, 6_000, key="close", merchant_pays=True)
    second = await points.invoice(points.stars)
    assert (second.previous_minor, second.payments_minor, second.credits_minor) == (620, 700, 310)
    assert (second.balance_minor, second.due_on, second.state) == (-390, None, InvoiceState.CARRIED_OVER)
    assert (await points.invoice(points.stars)).id == second.id, "nothing has happened since"

    for _ in range(2):
        await points.pay()
    third = await points.invoice(points.stars)
    assert (third.balance_minor, third.state) == (230, InvoiceState.DUE)
    # An old reference pays the newest one.
    assert await points.transfer(first, 200) == 1
    assert (await points.invoicing.get(third.id)).state is InvoiceState.PAID_IN_PART
    assert await points.transfer(third, 30) == 1
    third = await points.invoicing.get(third.id)
    assert (third.state, third.open_minor) == (InvoiceState.PAID, 0)
    assert [each.amount_minor for each in await points.invoicing.payments(third)] == [200, 30]
    assert await points.owed(points.stars) == 0
    assert [each.id for each in (await points.invoicing.list(PageRequest(9), points.stars)).items] == [
        third.id,
        second.id,
        first.id,
    ]
    await programme.fits()


async def test_p14_invoicing_that_is_killed_and_run_by_several_at_once_counts_every_step_once(
    points: PointsProgramme, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "COLLECTED_AT_ONCE", 3)
    await busy_hour(points)
    steps = "select count(*) from actions as a join legs as l using (partition_id, authorization_id)"
    ((expected,),) = await points.programme.fetch(
        f"{steps} where l.kind = 'issuer_points' and a.parts[l.position + 1] > 0"
        " and a.kind in ('capture', 'refund', 'reversal', 'dispute_lost')"
    )
    for gets_on in (2, 5, 9):
        with pytest.raises(asyncio.CancelledError):
            await _dying(points, gets_on).collect()
    points.programme.be_at(2026, 12, 1)
    await asyncio.gather(*(an_invoicing(points.house, points.programme.treasury).run() for _ in range(4)))

    counted = await points.programme.fetch(
        "select count(*), count(distinct (action_id, position)) from points_invoice_lines"
    )
    assert counted == [(expected, expected)]
    sums = await points.programme.fetch(
        "select issuer_id, sum(balance_minor)::bigint, count(*) from points_invoices group by 1 order by 2"
    )
    assert sums == [(points.stars, 622, 1), (points.miles, 18_300, 1)]
    await points.programme.books.run()
    assert BreakKind.PAYMENT_DIFFERS_FROM_INVOICES not in await open_kinds(points.programme.books)


def _dying(points: PointsProgramme, gets_on: int) -> service.Invoicing:
    """Invoicing whose process is ended when it has drawn so many ids."""
    dying = an_invoicing(points.house, points.programme.treasury)
    drawn = 0

    def new_id() -> UUID:
        nonlocal drawn
        drawn += 1
        if drawn > gets_on:
            raise asyncio.CancelledError
        return points.house.new_id()

    dying._new_id = new_id
    return dying


async def test_a_month_is_invoiced_once_when_it_is_over(points: PointsProgramme) -> None:
    await points.pay()
    held = await points.pay(4_310, capture=False)
    await points.invoicing.run()
    assert (await points.invoicing.list(PageRequest(9))).items == []
    points.programme.be_at(2026, 12, 1, 1)
    assert await points.programme.world.engine.expire() == 1
    back = f"select units_back from legs where authorization_id = '{held.id}' order by position"
    assert await points.programme.fetch(back) == [(MILES,), (STARS,)]
    for _ in range(2):
        await points.invoicing.run()
    assert [each.balance_minor for each in (await points.invoicing.list(PageRequest(9))).items] == [
        310,
        4_000,
    ]
    await points.pay()
    points.programme.be_at(2026, 12, 31)
    await points.invoicing.run()
    assert len((await points.invoicing.list(PageRequest(9))).items) == 2
    points.programme.be_at(2027, 1, 1, 1)
    await points.invoicing.run()
    assert [each.balance_minor for each in (await points.invoicing.list(PageRequest(2))).items] == [
        620,
        8_000,
    ]


async def test_who_is_no_issuer_and_whose_points_nobody_has_spent_gets_no_invoice(
    points: PointsProgramme,
) -> None:
    with pytest.raises(PointsIssuerNotFound):
        await points.invoice(PointsIssuerId(UUID(int=1)))
    with pytest.raises(NothingToInvoice):
        await points.invoice(points.miles)


async def test_points_are_not_drawn_as_cash(points: PointsProgramme) -> None:
    programme = points.programme
    card, _ = await points.card()
    _, token = await points.house.cards.hand_over(card.id)
    held, _ = await points.house.cards.claim(token)
    await programme.draws.draw(held, Wish(an_account(), 2_000), key="draw")
    assert await programme.fetch("select kind, amount_minor from legs") == [("linked_card", 2_000)]


async def test_what_an_issuer_owes_and_nobody_knows_why_is_found(points: PointsProgramme) -> None:
    accounts = await points.programme.fetch(
        f"select id from accounts where partition_id = 1 and owner_id = '{points.stars}'"
    )
    suspense = house_account(AccountKind.SUSPENSE, PartitionId(1), KRW).id
    await move(points, (accounts[0][0], suspense), 1)
    await points.programme.books.run()
    assert BreakKind.POINTS_ISSUER_DIFFERS_FROM_LEDGER in await open_kinds(points.programme.books)


async def move(points: PointsProgramme, accounts: tuple[Any, Any], minor: int) -> None:
    """Move money by a mistake."""
    here, house = PartitionId(1), points.house
    moved = Transfer(
        house.new_id(), TransferKind.POSTED, *accounts, minor, KRW, house.new_id(), house.clock.now()
    )
    assert await Ledger(house.database).post(here, [moved]) == [None]


async def test_what_is_never_invoiced_or_twice_is_found_at_once(points: PointsProgramme) -> None:
    programme = points.programme
    await points.pay()
    await points.invoicing.collect()
    await points.pay()
    await programme.fits()
    await programme.bend("update actions set to_invoice = false")
    again = (
        "insert into points_invoice_lines (partition_id, id, issuer_id, action_id, position,"
        " authorization_id, merchant_id, kind, amount_minor, units, rate_numerator, rate_denominator,"
        " created_at)"
        " select partition_id, gen_random_uuid(), issuer_id, gen_random_uuid(), position, authorization_id,"
        " merchant_id, kind, amount_minor, units, rate_numerator, rate_denominator, created_at"
        " from points_invoice_lines where position = 0"
    )
    await programme.bend(again)
    await programme.books.run()
    found = {
        (each.finding.kind, each.finding.expected_minor, each.finding.found_minor)
        for each in await open_breaks(programme.books)
    }
    kind = BreakKind.PAYMENT_DIFFERS_FROM_INVOICES
    assert found == {(kind, 4_310, 0), (kind, 4_310, 8_310)}


async def test_an_invoice_that_is_not_paid_in_time_is_found(points: PointsProgramme) -> None:
    await points.pay(4_000)
    await points.transfer(await points.invoice(points.miles), 1_500)
    points.programme.be_at(2026, 12, 4)
    await points.programme.fits()
    points.programme.be_at(2026, 12, 9)
    await points.programme.books.run()
    (overdue,) = await open_breaks(points.programme.books)
    assert overdue.finding.kind is BreakKind.POINTS_INVOICE_OVERDUE
    assert (overdue.finding.expected_minor, overdue.finding.found_minor) == (4_000, 1_500)
