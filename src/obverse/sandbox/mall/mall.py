"""The shop behind the site: it opens orders, pays them by the road asked for, and takes them back."""

from collections.abc import Mapping
from random import Random
from typing import Any

from obverse.kit.clock import Clock
from obverse.kit.secret import Secret
from obverse.sandbox.mall.code_road import CodeRoad
from obverse.sandbox.mall.model import (
    Filled,
    Item,
    Order,
    Paid,
    Picked,
    Road,
    Scanned,
    UnknownOrder,
    WrongRequest,
)
from obverse.sandbox.mall.points_road import PointsRoad
from obverse.sandbox.mall.roads import ClearingHouseRoad, DirectRoad, PaymentRoad
from obverse.sandbox.mall.van_road import VanRoad
from obverse.sandbox.terminal.messages import CardEntry, Shop, purchase
from obverse.sandbox.trace import Trace


class Mall:
    """A merchant with several roads to the provider; `open_for_business` says which merchant it is."""

    def __init__(
        self,
        house: tuple[str, int],
        van_url: str,
        points_url: str,
        trace: Trace,
        clock: Clock,
        rng: Random,
    ) -> None:
        """`points_url` is where the issuer is whose points the mall takes."""
        self._house, self._van_url, self._points_url = house, van_url, points_url
        self._trace, self._clock, self._rng = trace, clock, rng
        self._orders: dict[str, Order] = {}
        self._roads: dict[Road, PaymentRoad] = {}
        self._direct: DirectRoad | None = None
        self._closing: list[ClearingHouseRoad | DirectRoad | VanRoad | PointsRoad] = []
        self.shop = Shop("", "", "", name="Mall")
        self.merchant_id = ""

    @property
    def orders(self) -> list[Order]:
        """In the order in which they were made."""
        return list(self._orders.values())

    def open_for_business(self, shop: Shop, rest_url: str, api_key: Secret, merchant_id: str = "") -> None:
        """Be this merchant, with the key and the id the provider gave it. May be called again."""
        through_the_house = ClearingHouseRoad(shop, *self._house, self._clock)
        direct = DirectRoad(shop, rest_url, api_key, self._trace)
        van = VanRoad(shop, self._van_url, self._trace)
        self.shop, self.merchant_id, self._direct = shop, merchant_id, direct
        points = PointsRoad(shop, self._points_url)
        self._roads = {
            Road.CLEARING_HOUSE: through_the_house,
            Road.DIRECT: direct,
            Road.VAN: van,
            Road.POINTS_ISSUER: points,
        }
        self._closing += [through_the_house, direct, van, points]

    async def close(self) -> None:
        for road in self._closing:
            await road.close()

    async def pay(
        self,
        card: CardEntry,
        amount_minor: int,
        road: Road,
        order_id: str | None = None,
        filled: Filled | None = None,
        picked: Picked | None = None,
    ) -> Order:
        """Pay an order. Naming an earlier order repeats its payment: same key, same road, same picks.

        Raises `UnknownOrder`; `WrongRequest` when a repeat names another amount or road, for picks on a road
        that knows none, or before business.
        """
        if picked is not None and road is not Road.DIRECT:
            raise WrongRequest("Only directly at the provider is there something to pick.")
        if order_id is None:
            order = self._open_order(card, amount_minor, road, picked)
        else:
            order = self._again(order_id, amount_minor, road)
        self._orders[order.id] = order
        return self._keep(await self._road(road).pay(order, card, filled, repeated=order_id is not None))

    async def pay_scanned(self, scanned: Scanned, amount_minor: int, order_id: str | None = None) -> Order:
        """Pay an order with a code off a phone; what is not paid is called off for good. Raises as `pay`."""
        code_road = CodeRoad(self._provider())
        if order_id is None:
            order = Order(self._new_order_id(), Road.CODE, amount_minor, "")
        else:
            order = self._again(order_id, amount_minor, Road.CODE)
        if order.status is Paid.CANCELLED:
            return order
        self._orders[order.id] = order
        return self._keep(await code_road.pay(order, scanned))

    async def challenge(self, code: Secret, amount_minor: int) -> Mapping[str, Any]:
        """What the passkey of a code's holder is to be asked. Raises `WrongRequest` before business."""
        return await CodeRoad(self._provider()).challenge(code, amount_minor)

    async def points_of(self, card: CardEntry, amount_minor: int | None) -> Mapping[str, Any]:
        """The points behind a card, and what they are worth here. Raises `WrongRequest` before business."""
        return await self._provider().points_of(card, amount_minor)

    def open_cart(self, items: tuple[Item, ...]) -> Order:
        """An order for the wallet button: the wallet program is told reference and items, no more."""
        amount_minor = sum(item.quantity * item.unit_amount for item in items)
        reference = f"customer-{self._rng.getrandbits(32):08x}"
        order_id = self._new_order_id()
        return self._keep(Order(order_id, Road.MATCHED, amount_minor, "", reference=reference, items=items))

    async def collect(self, order_id: str) -> Order:
        """Ask the provider for the money of a cart, naming only the order; again as often as one likes.

        Raises `UnknownOrder`; `WrongRequest` for another kind of order, or before business.
        """
        order = self._find(order_id)
        if order.road is not Road.MATCHED or self._direct is None:
            raise WrongRequest("This order is not one for the wallet button, or the mall is not open yet.")
        return self._keep(await self._direct.pay_matched(order))

    async def void(self, order_id: str, number: Secret | None) -> Order:
        """Take an order back; `number` is needed on the road through the clearing house.

        Raises `UnknownOrder` and `WrongRequest`.
        """
        order = self._find(order_id)
        return self._keep(await self._road(order.road).void(order, number, self._next_stan()))

    def _open_order(self, card: CardEntry, amount_minor: int, road: Road, picked: Picked | None) -> Order:
        message = purchase(self.shop, amount_minor, "online", self._clock.now(), self._next_stan())
        last_four = card.number.reveal()[-4:]
        return Order(self._new_order_id(), road, amount_minor, last_four, picked=picked, message=message)

    def _again(self, order_id: str, amount_minor: int, road: Road) -> Order:
        order = self._find(order_id)
        if (order.amount_minor, order.road) != (amount_minor, road):
            raise WrongRequest("A repeat has to name the amount and the road of its order.")
        return order

    def _provider(self) -> DirectRoad:
        if self._direct is None:
            raise WrongRequest("The mall is not open yet: no provider has given it a key.")
        return self._direct

    def _road(self, road: Road) -> PaymentRoad:
        if road in (Road.MATCHED, Road.CODE):
            return self._provider()  # where its payment was made
        if road not in self._roads:
            raise WrongRequest("The mall is not open yet: no provider has given it a key.")
        return self._roads[road]

    def _find(self, order_id: str) -> Order:
        if order_id not in self._orders:
            raise UnknownOrder
        return self._orders[order_id]

    def _keep(self, order: Order) -> Order:
        self._orders[order.id] = order
        return order

    def _new_order_id(self) -> str:
        return f"ord_{self._rng.getrandbits(64):016x}"

    def _next_stan(self) -> str:
        return f"{self._rng.randrange(1_000_000):06d}"
