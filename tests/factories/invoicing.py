"""Payments that mix issuers' points with a card, and issuers that pay what they are invoiced for."""

from dataclasses import dataclass
from typing import Final

from tests.factories.cards import a_one_time_card
from tests.factories.points import PointsHouse, points_house
from tests.factories.points_accounts import FakePoints, an_accepted_issuer, points_behind
from tests.factories.reconciliation import OPERATOR, Programme, a_programme
from tests.factories.treasury import korea
from tests.factories.wallet import House, a_member_with_linked_card

from obverse.authorization import Authorization
from obverse.cards import Card, CardFace
from obverse.invoicing import Invoice, Invoicing
from obverse.kit.ids import PartitionId, PointsIssuerId
from obverse.ledger.jobs import roll_up
from obverse.points import Issuer, Rate
from obverse.treasury import Direction, Treasury

SEOUL = korea()
DUE_DAYS = 14
MILES: Final = 8_000
"""Two pay for one: 4,000."""
STARS: Final = 31
"""One pays for ten: 310."""


@dataclass
class PointsProgramme:
    """A programme with two issuers, of miles and of stars, whose points its shop takes."""

    programme: Programme
    invoicing: Invoicing
    rooms: PointsHouse
    network: FakePoints
    miles_issuer: Issuer
    stars_issuer: Issuer

    @property
    def house(self) -> House:
        return self.programme.house

    @property
    def miles(self) -> PointsIssuerId:
        return self.miles_issuer.id

    @property
    def stars(self) -> PointsIssuerId:
        return self.stars_issuer.id

    async def card(self) -> tuple[Card, CardFace]:
        """Somebody's one-time card on 8,000 miles, 31 stars and, for the rest, a linked card."""
        member, linked = await a_member_with_linked_card(self.house)
        card, face = await a_one_time_card(self.house, member.id)
        points = [
            await points_behind(self.rooms, self.network, card, issuer, units)
            for issuer, units in ((self.miles_issuer, MILES), (self.stars_issuer, STARS))
        ]
        return await self.house.card_funding.set_order(card.id, member.id, [*points, linked.id]), face

    async def pay(self, amount_minor: int = 10_000, *, capture: bool = True) -> Authorization:
        """Somebody pays with such a card."""
        _, face = await self.card()
        world = self.programme.world
        return await world.engine.authorize(world.request(face, amount_minor, capture=capture))

    async def invoice(self, issuer: PointsIssuerId) -> Invoice:
        """An operator asks for an invoice up to now."""
        return await self.invoicing.invoice(issuer, actor=OPERATOR, reason="to see where we stand")

    async def transfer(self, invoice: Invoice, amount_minor: int) -> int:
        """The issuer pays by bank transfer; returns how many receipts were placed."""
        await self.programme.statement(Direction.CREDIT, amount_minor, text=f"points {invoice.reference}")
        return await self.invoicing.take_payments()

    async def owed(self, issuer: PointsIssuerId) -> int:
        """What an issuer owes according to the ledger."""
        await roll_up(self.house.database, [PartitionId(0), PartitionId(1)])
        ((owed,),) = await self.programme.fetch(
            "select coalesce(sum(debits_posted_minor - credits_posted_minor), 0)::bigint from accounts"
            f" where kind = 'points_issuer_receivable' and owner_id = '{issuer}'"
        )
        assert isinstance(owed, int)
        return owed


def an_invoicing(house: House, treasury: Treasury) -> Invoicing:
    return Invoicing(
        house.database,
        treasury,
        SEOUL,
        DUE_DAYS,
        clock=house.clock,
        new_id=house.new_id,
        random_bytes=house.random_bytes,
    )


async def a_points_programme(house: House) -> PointsProgramme:
    """Two partitions, everything started; stop `programme.world.engine` at the end."""
    network = FakePoints()
    programme, rooms = (
        await a_programme(house, 2, network),
        points_house(house, partitions=2, network=network),
    )
    shop = programme.world.shop
    issuers = [await an_accepted_issuer(rooms, shop.id, rate) for rate in (Rate(2, 1), Rate(1, 10))]
    programme.world.shop = await house.merchants.get(shop.id)
    return PointsProgramme(programme, an_invoicing(house, programme.treasury), rooms, network, *issuers)
