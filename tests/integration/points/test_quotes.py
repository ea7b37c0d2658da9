"""What a till is shown of a card's points, and what is kept of it for the payment to come."""

from datetime import timedelta

from tests.factories.cards import a_one_time_card
from tests.factories.merchants import BY_HAND, a_merchant
from tests.factories.points import points_house
from tests.factories.points_accounts import FakePoints, an_accepted_issuer, points_behind, quotes_of
from tests.factories.wallet import House, a_member_with_credit_line

from obverse.kit.database import Database
from obverse.merchants.model import MerchantChange
from obverse.points import Directory, IssuerChange, IssuerState, Rate, Trouble
from obverse.points.repository import load_quotes


async def test_every_account_has_its_row_in_order_and_the_known_ones_are_kept_for_the_payment(
    house: House, database: Database
) -> None:
    member, _ = await a_member_with_credit_line(house)
    card, _ = await a_one_time_card(house, member.id)
    merchant, points = await a_merchant(house.merchants), FakePoints()
    room = points_house(house, network=points)
    two_for_one, ten_each = Rate(2, 1, minimum_units=100, step_units=10), Rate(1, 10)
    miles = await an_accepted_issuer(room, merchant.id, two_for_one, short_name="SKY MILES")
    stars = await an_accepted_issuer(room, merchant.id, ten_each, short_name="STARS")
    stamps = await an_accepted_issuer(room, merchant.id, ten_each, short_name="STAMPS")
    ids = [
        await points_behind(room, points, card, issuer, units)
        for issuer, units in ((miles, 8_019), (stars, 0), (stamps, 50), (miles, 90))
    ]
    points.trouble[ids[1]] = Trouble.SLOW
    takes_no_stamps = MerchantChange(accepts_points=frozenset({miles.id, stars.id}))
    merchant = await house.merchants.change(merchant.id, takes_no_stamps, BY_HAND)
    card = await house.cards.get(card.id)

    shown = await quotes_of(house, points).quote(card, merchant)

    assert [
        (line.number, line.issuer, line.units, line.worth_minor, line.trouble) for line in shown.lines
    ] == [
        (1, "SKY MILES", 8_019, 4_005, None),
        (2, "STARS", None, None, Trouble.SLOW),
        (3, "STAMPS", None, None, Trouble.NOT_ACCEPTED),
        (4, "SKY MILES", 90, 0, None),
    ]
    assert [line.rate for line in shown.lines] == [two_for_one, ten_each, None, two_for_one]
    assert shown.reference is not None
    async with database.connection() as conn:
        (kept,) = (await load_quotes(conn, [shown.reference])).values()
    assert (kept.card_id, kept.merchant_id) == (card.id, merchant.id)
    assert [(line.number, line.source_id, line.units) for line in kept.lines] == [
        (1, ids[0], 8_019),
        (4, ids[3], 90),
    ]
    assert kept.expires_at == shown.expires_at == kept.created_at + timedelta(minutes=5)


async def test_what_one_payment_may_take_is_all_that_a_balance_is_worth(house: House) -> None:
    member, _ = await a_member_with_credit_line(house)
    card, _ = await a_one_time_card(house, member.id)
    merchant, points = await a_merchant(house.merchants), FakePoints()
    room = points_house(house, network=points)
    issuer = await an_accepted_issuer(room, merchant.id, Rate(1, 1), short_name="SKY MILES")
    await points_behind(room, points, card, issuer, 5_000)
    await room.issuers.change(issuer.id, IssuerChange(units_max=3_000), BY_HAND)
    quotes = quotes_of(house, points)
    card, merchant = await house.cards.get(card.id), await house.merchants.get(merchant.id)
    (line,) = (await quotes.quote(card, merchant)).lines
    assert (line.units, line.worth_minor) == (5_000, 3_000)
    await room.issuers.set_state(issuer.id, IssuerState.SUSPENDED, BY_HAND)
    suspended = await quotes.quote(card, merchant)
    assert [line.trouble for line in suspended.lines] == [Trouble.DOWN]
    assert (suspended.reference, suspended.expires_at) == (None, None), "there is nothing to keep"
    names = await Directory(house.database).of_accounts([line.source_id])
    assert names[line.source_id].short_name == "SKY MILES"


async def test_old_quotes_are_swept_a_day_after_their_time(house: House, database: Database) -> None:
    member, _ = await a_member_with_credit_line(house)
    card, _ = await a_one_time_card(house, member.id)
    merchant, points = await a_merchant(house.merchants), FakePoints()
    room = points_house(house, network=points)
    issuer = await an_accepted_issuer(room, merchant.id, Rate(1, 1), short_name="SKY MILES")
    await points_behind(room, points, card, issuer, 5_000)
    card, merchant = await house.cards.get(card.id), await house.merchants.get(merchant.id)
    quotes = quotes_of(house, points)
    old = (await quotes.quote(card, merchant)).reference
    house.clock.move_to(house.clock.offset + timedelta(hours=12))
    new = (await quotes.quote(card, merchant)).reference
    house.clock.move_to(house.clock.offset + timedelta(hours=13))
    await quotes.sweep()
    async with database.connection() as conn:
        assert set(await load_quotes(conn, [str(old), str(new)])) == {new}
