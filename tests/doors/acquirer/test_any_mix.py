"""A till in front of the real engine: points, the rest on the card, codes off a phone (PR-2 to PR-8)."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest
from tests.factories.acquirer import FakeClaims
from tests.factories.codes import a_key, codes_rooms, opened, public_half
from tests.factories.engine import EngineWorld, an_engine_world
from tests.factories.iso8583 import PIN_KEY, PIN_KEY_AES
from tests.factories.merchants import BY_HAND
from tests.factories.points import PointsHouse, points_house
from tests.factories.points_accounts import FakePoints, an_accepted_issuer, points_behind, quotes_of
from tests.factories.registered_cards import a_registered_card
from tests.factories.stored_value import a_prepaid_card, available
from tests.factories.wallet import BIN, a_member_with_linked_card, a_real_number, build_house

from obverse.authorization.ports import LegOutcome
from obverse.bootstrap.points_desk import PointsDesk
from obverse.cards import Card
from obverse.doors.acquirer import AcquirerDoor
from obverse.kit.clock import Clock
from obverse.kit.database import Database
from obverse.kit.ids import NewId, SourceId
from obverse.kit.secret import Secret
from obverse.merchants import Merchant
from obverse.merchants.model import MerchantChange
from obverse.networks.iso8583.pin_blocks import PinKeys
from obverse.points import Directory
from obverse.points.model import Rate
from obverse.points.ports import Trouble
from obverse.sandbox.errors import NoAnswer
from obverse.sandbox.terminal import CardEntry, Pick, PinPad, Receipt, Shop, Till

PIN = Secret("4829")


@dataclass
class Counter:
    """Two tills of one shop at our door, and whom they reach behind it."""

    world: EngineWorld
    points: PointsHouse
    network: FakePoints
    till: Till
    other_till: Till
    shop: Merchant
    clock: Clock

    async def registered(self) -> tuple[Card, CardEntry]:
        """A real card that its holder has registered, in hand."""
        member, _ = await a_member_with_linked_card(self.world.house)
        card, details = await a_registered_card(self.world.house, member)
        return card, CardEntry(details.number, f"{details.exp_year % 100:02d}{details.exp_month:02d}")

    async def points_behind(self, card: Card, name: str, rate: Rate, units: int) -> SourceId:
        issuer = await an_accepted_issuer(self.points, self.shop.id, rate, short_name=name)
        return await points_behind(self.points, self.network, card, issuer, units)

    async def codes(self, card: Card, count: int = 1, *, lost: bool = False) -> list[Secret]:
        """Codes of this card on a phone of its holder's, which has `lost` that phone since."""
        assert card.member_id is not None
        rooms, key = codes_rooms(self.world.house), a_key()
        device = await rooms.devices.register(card.member_id, "Phone", public_half(key))
        batch = await rooms.batches.make(card.member_id, device.id, card.id, count)
        if lost:
            await rooms.devices.remove(card.member_id, device.id)
        return [Secret(each["code"]) for each in opened(batch.sealed, key)["codes"]]


def a_till(shop: Merchant, port: int, terminal: int, clock: Clock) -> Till:
    place = Shop(shop.acquirer_id, shop.merchant_no, shop.terminals[terminal], shop.name)
    rng = Random(terminal)
    return Till("127.0.0.1", port, place, clock=clock, rng=rng, pad=PinPad(aes=bool(terminal)))


@pytest.fixture
async def counter(
    database: Database, tmp_path: Path, clock: Clock, new_id: NewId, random_bytes: Callable[[int], bytes]
) -> AsyncIterator[Counter]:
    house = build_house(database, tmp_path / "keys.json", clock, new_id, random_bytes)
    network = FakePoints()
    world = await an_engine_world(house, points=network)
    change = MerchantChange(
        accepts=frozenset({"one_time", "prepaid", "registered"}),
        terminals=(*world.shop.terminals, "TILL0002"),
    )
    shop = await house.merchants.change(world.shop.id, change, BY_HAND)
    door = AcquirerDoor(
        world.engine,
        FakeClaims(),
        house.merchants,
        now=clock.now,
        pin_keys=PinKeys(Secret(PIN_KEY), Secret(PIN_KEY_AES), BIN),
        points=PointsDesk(house.cards, quotes_of(house, network), Directory(house.database)),
    )
    await door.start("127.0.0.1", 0)
    async with a_till(shop, door.port, 0, clock) as till, a_till(shop, door.port, 1, clock) as other:
        yield Counter(world, points_house(house, network=network), network, till, other, shop, clock)
    await door.stop(grace_s=1)
    await world.engine.stop()


def parts_of(receipt: Receipt) -> list[tuple[str, int | None, int]]:
    return [(part.issuer or part.kind, part.units, part.amount_minor) for part in receipt.points.parts]


async def test_pr5_points_are_seen_picked_spent_with_the_rest_on_the_card_and_given_back(
    counter: Counter,
) -> None:
    card, entry = await counter.registered()
    await counter.points_behind(card, "SKY", Rate(2, 1), 20_000)
    await counter.points_behind(card, "COFFEE", Rate(1, 10), 340)
    slow = await counter.points_behind(card, "BOOKS", Rate(1, 1), 9_000)
    counter.network.trouble[slow] = Trouble.SLOW
    till = counter.till
    shown = await till.inquire(entry)
    told = [(each.issuer, each.units, each.worth_minor, each.trouble) for each in shown.points.accounts]
    assert told == [
        ("SKY", 20_000, 10_000, ""),
        ("COFFEE", 340, 3_400, ""),
        ("BOOKS", None, None, "slow"),
    ]
    assert shown.balance_minor == 13_400
    paid = await till.pay(entry, 34_000, [Pick(1, 5_000), Pick(2)], shown.points.quote)
    assert parts_of(paid) == [("SKY", 10_000, 5_000), ("COFFEE", 340, 3_400), ("C", None, 25_600)]
    assert [part.approval for part in paid.points.parts] == ["P77001", "P77001", "654321"]
    again = await till.repeat()
    assert {name: again.answer[name] for name in ("38", "39", "63")} == {
        name: paid.answer[name] for name in ("38", "39", "63")
    }
    assert len(counter.network.taken) == 2
    assert {leg.terminal.rrn for leg in counter.network.taken if leg.terminal} == {paid.reference}
    first, second = await till.refund(paid, 30_000), await till.refund(paid, 4_000)
    assert (first.response_code, second.response_code) == ("00", "00")
    assert (await till.refund(paid, 1)).response_code in ("12", "13"), "all of it has gone back"
    assert (await till.repeat()).answer["63"] == paid.answer["63"], "what was paid is not what went back"
    async with counter.world.house.database.connection() as conn:
        back = await conn.fetch("select units, units_back from legs where units is not null order by 1")
    assert [tuple(row) for row in back] == [(340, 340), (10_000, 10_000)]
    await counter.world.books_are_right()


async def test_pr2_what_is_no_card_of_ours_is_told_apart(counter: Counter) -> None:
    _, entry = await counter.registered()
    without_points = await counter.till.inquire(entry)
    assert counter.till.screen(without_points) == ["NO POINTS BEHIND THIS CARD"]
    stranger = await counter.till.inquire(CardEntry(a_real_number(99_999), "3012"))
    assert counter.till.screen(stranger) == ["THIS CARD IS NOT REGISTERED"]
    assert (await counter.till.pay(entry, 5_000)).approved, "it pays as it always did"


async def test_pr12_swipe_chip_contactless_and_typed_are_treated_alike_and_a_banks_pin_is_its_own(
    counter: Counter,
) -> None:
    card, entry = await counter.registered()
    await counter.points_behind(card, "SKY", Rate(1, 1), 20_000)
    with_pin = replace(entry, pin=Secret("9999"))
    for mode in ("swipe", "chip", "contactless", "typed"):
        shown = await counter.till.inquire(with_pin, entry=mode)
        paid = await counter.till.pay(with_pin, 1_000, [Pick(1)], shown.points.quote, entry=mode)
        assert (mode, parts_of(paid)) == (mode, [("SKY", 1_000, 1_000)])
    assert (await counter.till.pay(entry, 1_000, entry="online")).response_code == "57"
    assert counter.world.card_company.asked == []


async def test_every_bad_pick_gets_a_clear_answer_and_moves_nothing(counter: Counter) -> None:
    card, entry = await counter.registered()
    sky = await counter.points_behind(card, "SKY", Rate(2, 1, minimum_units=1_000), 20_000)
    till, points = counter.till, counter.network
    quote = (await till.inquire(entry)).points.quote

    async def answer(amount: int, pick: Pick, named: str | None = quote) -> tuple[str, str | None]:
        receipt = await till.pay(entry, amount, [pick], named)
        return receipt.response_code, receipt.points.reason

    assert await answer(5_000, Pick(1, 6_000)) == ("13", "tender_too_large")
    assert await answer(5_000, Pick(1, 100)) == ("13", "points_below_minimum")
    assert await answer(50_000, Pick(1, 11_000)) == ("51", "insufficient_points")
    assert await answer(5_000, Pick(2, 1_000)) == ("12", "tender_invalid")
    assert await answer(5_000, Pick(1, 1_000), "ABCDEFGH2345") == ("12", "quote_expired")
    assert points.taken == []
    points.units[sky] = 1_999
    assert await answer(5_000, Pick(1, 1_000)) == ("51", "insufficient_points"), "it has shrunk since"
    points.outcome = LegOutcome.DECLINED
    assert await answer(5_000, Pick(1, 1_000)) == ("05", "points_issuer_declined")
    points.outcome = LegOutcome.UNREACHABLE
    assert await answer(5_000, Pick(1, 1_000)) == ("91", "points_issuer_unavailable")
    points.outcome = LegOutcome.NO_ANSWER
    assert await answer(5_000, Pick(1, 1_000)) == ("68", "points_issuer_late")
    assert counter.world.card_company.asked == []
    counter.clock.move_to(counter.clock.offset + timedelta(minutes=6))
    assert await answer(5_000, Pick(1, 1_000)) == ("12", "quote_expired")
    await counter.world.books_are_right()


async def test_p10_a_code_scanned_at_two_tills_in_the_same_moment_pays_once(counter: Counter) -> None:
    member, _ = await a_member_with_linked_card(counter.world.house)
    card, _, _ = await a_prepaid_card(counter.world.house, member=member, pin=PIN.reveal())
    (code,) = await counter.codes(card)
    scans = await asyncio.gather(
        counter.till.scan(code, 12_000, PIN), counter.other_till.scan(code, 12_000, PIN)
    )
    assert sorted(scan.response_code for scan in scans) == ["00", "14"]
    assert {scan.answer["2"] for scan in scans} == {code.reveal()}
    assert await available(counter.world.house, card) == 38_000
    paid = next(scan for scan in scans if scan.approved)
    till = counter.till if paid is scans[0] else counter.other_till
    assert (await till.refund(paid, 12_000)).approved
    assert (await till.scan(code, 1_000, PIN)).response_code == "14", "an old photograph of it"
    (stolen,) = await counter.codes(card, lost=True)
    assert (await till.scan(stolen, 1_000, PIN)).response_code == "14", "a code of a phone that is gone"
    assert (await till.scan(Secret(code.reveal()[:-1] + "0"), 1_000)).response_code == "14"


async def test_pc10_a_scan_whose_answer_was_lost_is_asked_for_and_cancelled(counter: Counter) -> None:
    member, _ = await a_member_with_linked_card(counter.world.house)
    card, _, _ = await a_prepaid_card(counter.world.house, member=member, pin=PIN.reveal())
    (code,) = await counter.codes(card)
    counter.till.lose_line()
    with pytest.raises(NoAnswer):
        await counter.till.scan(code, 12_000, PIN, capture=False)
    assert (await counter.till.ask_again()).approved
    assert await available(counter.world.house, card) == 38_000
    assert (await counter.till.cancel()).approved
    assert (await counter.till.ask_again()).response_code == "21"
    assert await available(counter.world.house, card) == 50_000


async def test_a_wrong_pin_three_times_spends_the_code(counter: Counter) -> None:
    member, _ = await a_member_with_linked_card(counter.world.house)
    card, _, _ = await a_prepaid_card(counter.world.house, member=member, pin=PIN.reveal())
    code, *_ = await counter.codes(card)
    wrong = [await counter.till.scan(code, 1_000, Secret("0000")) for _ in range(3)]
    assert [scan.response_code for scan in wrong] == ["55"] * 3
    assert (await counter.other_till.scan(code, 1_000, PIN)).response_code == "14"
    assert await available(counter.world.house, card) == 50_000
