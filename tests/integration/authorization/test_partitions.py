"""Members in every partition: their registered cards, points and codes pay where they are kept."""

from collections.abc import Callable
from pathlib import Path

from tests.factories.codes import a_key, codes_rooms, opened, public_half
from tests.factories.engine import an_engine_world
from tests.factories.merchants import BY_HAND
from tests.factories.points import points_house
from tests.factories.points_accounts import FakePoints, an_accepted_issuer, points_behind, quotes_of
from tests.factories.registered_cards import a_registered_card
from tests.factories.wallet import a_member_with_linked_card, build_house

from obverse.authorization import AuthorizationRequest, Entry, Status
from obverse.authorization.model import Tender
from obverse.kit.clock import Clock
from obverse.kit.database import Database
from obverse.kit.ids import NewId, PartitionId
from obverse.kit.money import KRW, Money
from obverse.kit.secret import Secret
from obverse.merchants.model import MerchantChange
from obverse.points import Rate

PARTITIONS = 4


async def test_points_codes_and_registered_cards_pay_and_come_back_in_their_members_partition(
    database: Database, tmp_path: Path, clock: Clock, new_id: NewId, random_bytes: Callable[[int], bytes]
) -> None:
    house = build_house(database, tmp_path / "keys.json", clock, new_id, random_bytes, partitions=PARTITIONS)
    network = FakePoints()
    world = await an_engine_world(house, partitions=PARTITIONS, points=network)
    points = points_house(house, partitions=PARTITIONS, network=network)
    accepts = MerchantChange(accepts=frozenset({"one_time", "registered"}))
    await house.merchants.change(world.shop.id, accepts, BY_HAND)
    issuer = await an_accepted_issuer(points, world.shop.id, Rate(2, 1))
    shop = await house.merchants.get(world.shop.id)
    phones = codes_rooms(house, partitions=PARTITIONS)
    used: set[PartitionId] = set()

    def asked(number: Secret, entry: Entry, **more: object) -> AuthorizationRequest:
        key, amount, till = f"till:{new_id()}", Money(5_000, KRW), "TERM0001"
        given = {"cvv": None, "expiry": None, "capture": True} | more
        return AuthorizationRequest(
            request_key=key, number=number, amount=amount, merchant=shop, terminal=till, entry=entry, **given
        )

    while len(used) < 2:
        member, _ = await a_member_with_linked_card(house)
        card, details = await a_registered_card(house, member)
        await points_behind(points, network, card, issuer, 9_000)
        card = await house.cards.get(card.id)
        shown = await quotes_of(house, network).quote(card, shop)
        key = a_key()
        device = await phones.devices.register(member.id, "phone", public_half(key))
        batch = await phones.batches.make(member.id, device.id, card.id)
        code = Secret(opened(batch.sealed, key)["codes"][0]["code"])
        picked = {"tender": (Tender(1_000, 1),), "quote": shown.reference}
        expiry = f"{details.exp_year % 100:02d}{details.exp_month:02d}"
        for request in (
            asked(details.number, Entry.SWIPE, expiry=expiry, **picked),
            asked(code, Entry.BARCODE, **picked),
        ):
            paid = await world.engine.authorize(request)
            assert (paid.status, paid.partition_id) == (Status.APPROVED, member.partition_id)
            assert [(leg.amount_minor, leg.units) for leg in paid.legs] == [(1_000, 2_000), (4_000, None)]
            assert (await world.engine.authorize(request)).id == paid.id
            back = await world.engine.refund_by_key(request.request_key, request.number)
            assert (back.id, back.refunded_minor) == (paid.id, 5_000)
        used.add(member.partition_id)
    async with database.connection() as conn:
        strays = await conn.fetch("""
            select from points_messages as m
            join points_accounts as a on a.id = m.source_id
            join authorizations as p on p.id = m.authorization_id
            where m.partition_id <> a.partition_id or m.partition_id <> p.partition_id
        """)
        told = await conn.fetchval("select count(distinct partition_id) from points_messages")
    assert (strays, told) == ([], len(used))
    await world.books_are_right()
    await world.engine.stop()
