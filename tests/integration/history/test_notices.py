"""Notices: receipts for whoever wants them, what was paid in, and what will expire."""

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace
from tests.factories.engine import EngineWorld, an_engine_world
from tests.factories.known_codes import a_code_never_made, a_code_of
from tests.factories.members import Received, letters_in
from tests.factories.merchants import a_merchant
from tests.factories.points import points_house
from tests.factories.points_accounts import FakePoints, an_accepted_issuer, points_behind
from tests.factories.stored_value import a_prepaid_card, fund
from tests.factories.telling import telling_rooms
from tests.factories.wallet import House, a_wallet_member

from obverse.authorization import Entry
from obverse.authorization.model import Status, Tender
from obverse.cards import Card, CardFace
from obverse.kit import events
from obverse.kit.events import Event
from obverse.kit.ids import EventId
from obverse.members import Member, Statements
from obverse.merchants import Terms
from obverse.notifications.notices import receipts
from obverse.points import Rate


async def a_told_card(
    world: EngineWorld, *, told: bool = True, **profile: Any
) -> tuple[Member, Card, CardFace]:
    """A member's card whose uses are told."""
    member = await a_wallet_member(world.house, **profile)
    card, face, _ = await a_prepaid_card(
        world.house, member=member, balance_minor=50_000, tell_of_use=told, name="Lunch"
    )
    return member, card, face


async def posted(world: EngineWorld) -> list[Received]:
    async with world.house.database.connection() as conn:
        return await letters_in(conn, world.house.vault)


async def test_every_use_and_its_undoing_is_told_once_to_whoever_wants_it(
    world: EngineWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receipts, "BATCH", 3)
    _, card, face = await a_told_card(world)
    _, _, quiet = await a_told_card(world, told=False)
    await a_told_card(world, statements=Statements.SMS)
    engine, rooms = world.engine, telling_rooms(world.house)
    paid = await engine.authorize(world.request(face, 12_000, capture=True))
    await engine.authorize(world.request(face, 99_000))  # declined
    await engine.authorize(world.request(quiet, 2_000))
    await engine.refund(paid.id, 5_000)
    held = await engine.authorize(world.request(face, 3_000))
    await engine.cancel(held.id)
    assert await rooms.receipts.run() == 4
    assert await rooms.receipts.run() == 0
    told = await posted(world)
    assert [(letter.template, letter.data["amount"]["amount_minor"]) for letter in told] == [
        ("receipt", 12_000),
        ("payment_undone", 5_000),
        ("receipt", 3_000),
        ("payment_undone", 3_000),
    ]
    assert {letter.to for letter in told} == {told[0].to}
    first = told[0].data
    assert first["merchant"] == world.shop.name
    assert first["card"] == f"Lunch ···· {card.last_four}"
    assert first["balance"]["amount_minor"] == 38_000
    assert first["approval_code"] == paid.approval_code
    assert told[1].data["how"] == "refunded"
    assert told[3].data["how"] == "cancelled"


async def test_a_receipt_goes_to_the_phone_of_whoever_chose_that(world: EngineWorld) -> None:
    await a_told_card(world)
    member, _, face = await a_told_card(world, statements=Statements.SMS)
    await world.engine.authorize(world.request(face, 1_000))
    await telling_rooms(world.house).receipts.run()
    (letter,) = await posted(world)
    profile = await world.house.members.profiles.get(member.id)
    assert letter.to == profile.person.mobile.reveal()


ADD_CHARGE = """
insert into charges (id, partition_id, card_id, source_id, amount_minor, currency, kind, state, request_key,
    fingerprint, created_at, ended_at)
values ($1, 0, $2, $3, 20000, 'KRW', 'asked', 'done', 'a key', '', now(), now())
"""


async def test_what_is_charged_is_told_also_while_payments_are_not_and_quiet_writes_nothing(
    world: EngineWorld,
) -> None:
    house, reader = world.house, telling_rooms(world.house).receipts
    _, card, face = await a_told_card(world, told=False)
    charge = house.new_id()
    await world.engine.authorize(world.request(face, 1_000))
    async with house.database.transaction() as conn:
        await conn.execute(ADD_CHARGE, charge, card.id, card.funding[0])
        await events.append(
            conn, [Event(EventId(house.new_id()), "charge.done", charge, {}, house.clock.now())]
        )
    assert await reader.run() == 1
    (letter,) = await posted(world)
    assert (letter.template, letter.data["amount"]["amount_minor"]) == ("charged", 20_000)
    where = "select ctid, xmin::text from event_readers where name = 'notices'"
    async with house.database.connection() as conn:
        before = await conn.fetch(where)
        for _ in range(3):
            assert await reader.run() == 0
        assert await conn.fetch(where) == before


async def test_what_expires_is_announced_a_month_and_a_week_before_and_once_each(world: EngineWorld) -> None:
    house, rooms = world.house, telling_rooms(world.house)
    ends = house.clock.now() + timedelta(days=40)
    member, card, _ = await a_told_card(world)
    await fund(house, card, 4_000, expires_at=ends)
    await fund(house, card, 3_000, expires_at=ends)
    empty, _, _ = await a_prepaid_card(house, member=member, balance_minor=0, expires_at=ends)
    nobodys, _, _ = await a_prepaid_card(house, balance_minor=8_000, expires_at=ends)
    assert empty.id != nobodys.id
    counts = []
    for days in (5, 6, 1, 20, 1, 8):
        house.clock.move_to(house.clock.offset + timedelta(days=days))
        counts.append((await rooms.expiry.announce_due(), await rooms.expiry.announce_due()))
    assert counts == [(0, 0), (1, 0), (0, 0), (0, 0), (1, 0), (0, 0)]
    told = await posted(world)
    assert [letter.template for letter in told] == ["expiry_notice"] * 2
    for letter in told:
        assert letter.data["amount"]["amount_minor"] == 7_000
        assert letter.data["card"].endswith(card.last_four)


async def test_pc07_a_code_that_is_tried_when_it_is_used_or_over_is_told_once_an_hour(
    world: EngineWorld,
) -> None:
    _, card, face = await a_told_card(world, told=False)
    reader = telling_rooms(world.house).receipts
    good, over = await a_code_of(world.house, card), await a_code_of(world.house, card, seconds=-1)
    bare = replace(world.request(face, 1_000), expiry=None, cvv=None, entry=Entry.BARCODE)
    for number, code in enumerate((good, good, over, a_code_never_made(world.house))):
        await world.engine.authorize(replace(bare, request_key=f"scan {number}", number=code))
    await reader.run()
    (letter,) = await posted(world)
    assert letter.template == "code_tried"
    assert letter.data["merchant"] == world.shop.name
    assert letter.data["card"] == f"Lunch ···· {card.last_four}"
    world.house.clock.move_to(world.house.clock.offset + timedelta(hours=1))
    await world.engine.authorize(replace(bare, request_key="an hour later", number=good))
    await reader.run()
    assert len(await posted(world)) == 2


async def test_a_receipt_names_the_points_that_had_a_part_in_it(house: House) -> None:
    network = FakePoints()
    world, points = await an_engine_world(house, points=network), points_house(house, network=network)
    member = await a_wallet_member(house)
    card, face, _ = await a_prepaid_card(
        house, member=member, balance_minor=50_000, tell_of_use=True, name="Lunch"
    )
    world.shop = await a_merchant(house.merchants, terms=Terms(accepts=frozenset({"prepaid"})))
    issuer = await an_accepted_issuer(points, world.shop.id, Rate(2, 1), name="Sky Miles", unit="miles")
    await points_behind(points, network, card, issuer, 9_000)
    world.shop = await house.merchants.get(world.shop.id)
    paid = await world.engine.authorize(replace(world.request(face, 10_000), tender=(Tender(4_000, 1),)))
    await telling_rooms(house).receipts.run()
    (letter,) = await posted(world)
    await world.engine.stop()
    assert paid.status is Status.APPROVED
    assert letter.data["points"] == [["Sky Miles", "8,000 miles"]]
