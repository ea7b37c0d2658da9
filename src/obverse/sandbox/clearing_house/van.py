"""The VAN: takes payments of shops that know no protocol, as JSON, and passes them on as ISO 8583 (WA-9).

Points issuers tell it what became of takes at its terminals, and tills ask it for that (PR-7).
"""

from collections.abc import Mapping, Sequence
from random import Random
from typing import Annotated, Any, Final

import msgspec
from litestar import Litestar, Request, get, post
from litestar.exceptions import HTTPException
from litestar.params import FromPath, FromQuery, JSONBody
from litestar.response import Response
from msgspec import Meta

from obverse.kit.clock import Clock
from obverse.kit.http_server import HttpServer
from obverse.kit.secret import Secret
from obverse.sandbox.clearing_house.results import PointsResultSet, PointsResultView, Results
from obverse.sandbox.clearing_house.switch import ClearingHouse
from obverse.sandbox.terminal.messages import CardEntry, Shop, purchase, repeat, reversal
from obverse.sandbox.wire import Message

Digits = Annotated[str, Meta(pattern="^[0-9]{12,19}$")]

_STATUSES: Final = {"00": "approved", "68": "unknown"}


class ShopFields(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who asks: the shop as the VAN's book has it."""

    acquirer_id: str
    merchant_no: str
    terminal: str
    name: str
    category: str


class VanPayment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A payment with what was typed into the shop's page. The same `order` again is the same payment."""

    shop: ShopFields
    order: Annotated[str, Meta(min_length=1, max_length=60)]
    amount: Annotated[int, Meta(ge=1, le=999_999_999_999)]
    card_number: Digits
    expiry: Annotated[str, Meta(pattern="^[0-9]{4}$", description="YYMM.")] | None = None
    cvv: Annotated[str, Meta(pattern="^[0-9]{3}$")] | None = None
    pin: Annotated[str, Meta(pattern="^[0-9]{4,12}$")] | None = None


class VanVoid(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    card_number: Digits


class VanAnswer(msgspec.Struct, frozen=True):
    status: str
    code: str
    """DE 39."""
    approval_code: str | None


class Van(HttpServer):
    """The clearing house's counter for shops; of each payment it keeps the message without the card."""

    def __init__(self, house: ClearingHouse, results: Results, clock: Clock, rng: Random) -> None:
        self._house, self._clock, self._rng = house, clock, rng
        self.results = results
        self._asked: dict[str, Message] = {}
        super().__init__(self._create_app())

    def _create_app(self) -> Litestar:
        @post("/payments", status_code=200)
        async def pay(data: JSONBody[VanPayment]) -> VanAnswer:
            return _answer(await self._house.pass_on(self._request(data)))

        @post("/payments/{order:str}/void", status_code=200)
        async def void(order: FromPath[str], data: JSONBody[VanVoid]) -> VanAnswer:
            original = self._asked.get(order)
            if original is None:
                raise HTTPException(status_code=404)
            shop = Shop(original["32"], original["42"].strip(), original["41"].strip(), original["43"])
            number = Secret(data.card_number)
            message = reversal(shop, original, number, self._clock.now(), self._next_stan())
            return _answer(await self._house.pass_on(message))

        @post("/points_results", status_code=200)
        async def take_results(data: JSONBody[PointsResultSet]) -> Mapping[str, int]:
            """Issuers tell what became of takes at our terminals (PR-7)."""
            self.results.take(data)
            return {"taken": len(data.results)}

        @get("/points_results")
        async def points_results(
            terminal: FromQuery[str],
            merchant_no: FromQuery[str | None] = None,
            rrn: FromQuery[str | None] = None,
        ) -> Mapping[str, Sequence[PointsResultView]]:
            """A till asks."""
            return {"data": self.results.show_till(terminal, merchant_no, rrn)}

        return Litestar(
            [pay, void, take_results, points_results],
            openapi_config=None,
            exception_handlers={HTTPException: _refused},
        )

    def _request(self, data: VanPayment) -> Message:
        secrets = [Secret(text) if text is not None else None for text in (data.cvv, data.pin)]
        card = CardEntry(Secret(data.card_number), data.expiry, *secrets).fields()
        if (known := self._asked.get(data.order)) is not None:
            return repeat(known) | {"4": f"{data.amount:012d}"} | card
        of = data.shop
        shop = Shop(of.acquirer_id, of.merchant_no, of.terminal, of.name, of.category)
        message = purchase(shop, data.amount, "typed", self._clock.now(), self._next_stan())
        self._asked[data.order] = message
        return message | card

    def _next_stan(self) -> str:
        return f"{self._rng.randrange(1_000_000):06d}"


def _answer(message: Mapping[str, str]) -> VanAnswer:
    code = message.get("39", "")
    return VanAnswer(_STATUSES.get(code, "declined"), code, message.get("38"))


def _refused(_: Request[Any, Any, Any], error: HTTPException) -> Response[Mapping[str, str]]:
    """Only that it is wrong: a complaint could carry what was typed."""
    detail = "No such payment." if error.status_code == 404 else "The body is not what this call takes."
    return Response({"detail": detail}, status_code=error.status_code)
