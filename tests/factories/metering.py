"""Metering for tests: a calling service with a price, and a card to call with."""

from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from uuid import UUID

from tests.factories.engine import EngineWorld, an_engine_world
from tests.factories.merchants import a_merchant
from tests.factories.stored_value import a_prepaid_card, available
from tests.factories.wallet import BIN, House

from obverse.authorization import Engine
from obverse.cards import Card, CardFace
from obverse.kit.ids import MerchantId, TariffId
from obverse.kit.money import KRW
from obverse.kit.secret import Secret
from obverse.merchants import Merchant
from obverse.merchants.model import Decision
from obverse.merchants.model import Terms as MerchantTerms
from obverse.metering import Credential, Grants, Metering, Opening, Prices, Session, Tariff, Tariffs, Terms
from obverse.metering.rules import PRICE_FIELDS

OPERATOR = Decision("key_test", "a test")
TERMS = Terms(validity=timedelta(minutes=5), grace=timedelta(minutes=1))
CALLS = "4814"
_names = count(1)


def a_tariff(**changes) -> Tariff:
    """First 30 seconds for 100 won, then 10 seconds for 18."""
    given = {
        "id": TariffId(UUID(int=1)),
        "merchant_id": MerchantId(UUID(int=2)),
        "name": "default",
        "currency": KRW,
        "connection_minor": 0,
        "first_seconds": 30,
        "first_minor": 100,
        "next_seconds": 10,
        "next_minor": 18,
        "grant_seconds": 60,
        "effective_from": None,
        "created_at": None,
    } | changes
    return Tariff(**given)


def prices(**changes) -> Prices:
    """The same, as somebody wants it from now on."""
    tariff = a_tariff()
    given = {field: getattr(tariff, field) for field in PRICE_FIELDS} | changes
    return Prices(**given)


async def a_calling_service(house: House, category: str = CALLS) -> Merchant:
    """A merchant that takes prepaid cards for calls."""
    terms = MerchantTerms(accepts=frozenset({"one_time", "prepaid", "gift"}))
    return await a_merchant(house.merchants, category=category, terms=terms)


def metering_rooms(house: House, engine: Engine) -> tuple[Metering, Tariffs]:
    """The room as the bootstrap joins it."""
    grants = Grants(house.database, engine, house.cards, house.merchants)
    metering = Metering(
        house.database,
        grants,
        house.vault,
        clock=house.clock,
        new_id=house.new_id,
        bin_=BIN,
        terms=TERMS,
    )
    return metering, Tariffs(house.database, clock=house.clock, new_id=house.new_id)


@dataclass
class MeterWorld:
    """A platform with a calling service, and short ways to call."""

    world: EngineWorld
    metering: Metering
    tariffs: Tariffs
    service: Merchant

    @property
    def house(self) -> House:
        return self.world.house

    async def card(self, balance_minor: int = 10_000, pin: str | None = "2580") -> tuple[Card, CardFace]:
        """A prepaid card with this balance and this PIN."""
        card, face, _ = await a_prepaid_card(self.house, balance_minor=balance_minor, pin=pin)
        return card, face

    def opening(self, face: CardFace, seconds: int | None = None, pin: str = "2580", **changes) -> Opening:
        given = {"merchant": self.service, "tariff": "default", "seconds": seconds} | changes
        return Opening(credential=Credential(face.number, pin=Secret(pin)), **given)

    async def call(self, face: CardFace, seconds: int | None = None, key: str | None = None) -> Session:
        """Open a session."""
        opened = await self.metering.open(self.opening(face, seconds), key=key or f"call {next(_names)}")
        return opened.session

    async def available(self, card: Card) -> int:
        return await available(self.house, card)

    async def held(self, card: Card) -> int:
        """What of this card's balance is reserved."""
        async with self.house.database.connection() as conn:
            lots = (await self.house.balances.of(conn, card.funding))[card.funding[0]]
        return sum(lot.held_minor for lot in lots)

    async def later(self, **time: int) -> None:
        """Let time pass, and what time does happen."""
        self.house.clock.move_to(self.house.clock.offset + timedelta(**time))
        while await self.metering.sweep():
            pass


async def a_meter_world(house: House, **price: int) -> MeterWorld:
    """A calling service with the usual price, changed as said."""
    world = await an_engine_world(house)
    metering, tariffs = metering_rooms(house, world.engine)
    service = await a_calling_service(house)
    await tariffs.add(service, prices(**price), OPERATOR)
    return MeterWorld(world, metering, tariffs, service)
