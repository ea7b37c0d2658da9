"""PP-J4: calls charged while they last, until the balance ends; a cut line leaves nothing reserved."""

from datetime import timedelta
from typing import Final

from obverse.cli.journeys.calling import ToldLine, calling_line
from obverse.cli.journeys.money import (
    all_is_zero_but_fees,
    day_is_settled,
    nothing_is_left_to_reconcile,
    payout_arrives,
)
from obverse.cli.journeys.prepaid import Bought, buys_one_card, cards_on_sale, history_of, left_on
from obverse.cli.journeys.running import Journey, StepFailed, check, step
from obverse.cli.journeys.wallets import takes_prepaid_cards
from obverse.cli.journeys.world import Caller, check_status, eventually
from obverse.kit.secret import Secret
from obverse.sandbox.calling import CallingServer, Card, NoCall

PIN: Final = "7391"
VALUE: Final = 5_000
TARIFF: Final = {
    "reason": "As agreed.",
    "currency": "KRW",
    "first": {"seconds": 30, "price": 100},
    "next": {"seconds": 10, "price": 20},
}
SILENCE: Final = timedelta(minutes=10)
"""Longer than a session may be silent, with the grace after it."""


class CallUntilTheEnd(Journey):
    code = "PP-J4"
    title = "Calls charged while they last, until the balance ends"

    service: Caller
    origin_host: str
    bought: Bought
    card: Card

    @step("A calling service joins, with its tariff and the name its server has in Diameter")
    async def opens(self) -> None:
        await self.world.wait_until_tomorrow()  # minutes will pass, and all calls are to be of one day
        place = await takes_prepaid_cards(self.world, "shop", "Hanbit Calls", "4814")
        self.service = self.world.person(place.name, place.api_key)
        self.origin_host = f"calls-{self.world.rng.getrandbits(32):08x}.hanbit.example"
        operator, merchant = self.world.operator, f"/v1/merchants/{place.id}"
        check_status(await operator.post(f"{merchant}/tariffs", TARIFF))
        named = {"reason": "As agreed.", "origin_host": self.origin_host}
        check_status(await operator.put(f"{merchant}/calling_server", named))

    @step("Mo buys a card of 5,000 won that is for calls only, and sets it up")
    async def buys(self) -> None:
        programme = await cards_on_sale(self.world, "Calling card", services=["calls"])
        self.bought = await buys_one_card(self.world, "Mo", programme, VALUE, PIN)
        self.card = Card(self.bought.number.number, Secret(PIN))

    @step("A wrong PIN connects nobody; then Mo talks for 5 minutes over Diameter, and pays for 5 minutes")
    async def talks(self) -> None:
        async with calling_line(self.world, self.origin_host) as line:
            server = CallingServer(ToldLine(line, self.world), piece_s=120)
            try:
                await server.call(Card(self.card.number, Secret(PIN[::-1])), 10)
            except NoCall as refused:
                check("a wrong PIN", refused.reason, "4001")
            else:
                raise StepFailed("A wrong PIN has connected somebody.")
            call = await server.call(self.card, 300)
        cost = _cost_of(300)
        check("the call", (call.seconds, call.cost, call.ended_by_balance), (300, cost, False))
        check("the balance", await left_on(self.bought.holder), (VALUE - cost, 0))

    @step("Two at once on one card: one by Diameter, one over REST; each reserves its own minute")
    async def talks_twice(self) -> None:
        left = VALUE - _cost_of(300)
        async with calling_line(self.world, self.origin_host) as line:
            by_diameter = ToldLine(line, self.world)
            granted = await by_diameter.open(self.card, 60)
            session = await self._open(60)
            check("held", await left_on(self.bought.holder), (left - 2 * _cost_of(60), 2 * _cost_of(60)))
            check("the first", await by_diameter.close(granted, 60), _cost_of(60))
        closed = await self.service.post(f"/v1/metered_sessions/{session}/close", {"used": 20})
        check("the second", (closed.body["status"], closed.body["cost"]), ("closed", _cost_of(20)))
        check("the balance", await left_on(self.bought.holder), (left - _cost_of(60) - _cost_of(20), 0))

    @step("A line is cut in the middle of a call: what was reported is paid, and nothing stays reserved")
    async def line_is_cut(self) -> None:
        before, _ = await left_on(self.bought.holder)
        async with calling_line(self.world, self.origin_host) as line:
            told = ToldLine(line, self.world)
            granted = await told.extend(await told.open(self.card, 60), 60, 180)
            check("granted until", granted.until, 180)
            line.cut()
        held = _cost_of(180) - _cost_of(60)
        check("held", await left_on(self.bought.holder), (before - _cost_of(180), held))
        await self.world.let_pass(SILENCE)

        async def now() -> object:
            return await left_on(self.bought.holder.untold())

        rest = (before - _cost_of(60), 0)
        check("the balance", await eventually(now, rest), rest)

    @step("Mo talks until the balance ends: the server knows in time, and the last second is paid")
    async def balance_ends(self) -> None:
        before, _ = await left_on(self.bought.holder)
        async with calling_line(self.world, self.origin_host) as line:
            server = CallingServer(ToldLine(line, self.world), piece_s=300)
            call = await server.call(self.card, 24 * 3600)
            seconds = 30 + (before - 100) // 20 * 10
            check("the call", (call.seconds, call.cost, call.ended_by_balance), (seconds, before, True))
            try:
                await server.call(self.card, 10)
            except NoCall as refused:
                check("another call", refused.reason, "4012")
            else:
                raise StepFailed("An empty card has connected somebody.")
        check("the balance", await left_on(self.bought.holder), (0, 0))

    @step("Mo's history has the calls, down to nothing")
    async def looks_back(self) -> None:
        history = await history_of(self.bought.holder)
        check("bought", history[0], ("bought", VALUE, VALUE))
        check("kinds", {kind for kind, *_ in history[1:]}, {"call", "release"})
        check("spent", (sum(amount for _, amount, _ in history[1:]), history[-1][2]), (-VALUE, 0))

    @step("The day ends, and the bank pays the service 5,000 won less the fees: every account is at zero")
    async def all_is_zero(self) -> None:
        statement = await day_is_settled(self.world, self.service)
        check("captured", statement["captured"], VALUE)
        await payout_arrives(self.world, self.service, statement)
        await all_is_zero_but_fees(self.world, statement["fees"])
        shop = self.world.merchant("shop").id
        await nothing_is_left_to_reconcile(self.world, shop, self.bought.number.card)

    async def _open(self, seconds: int) -> str:
        card = {"card_number": self.card.number.reveal(), "pin": PIN, "seconds": seconds}
        opened = await self.service.post("/v1/metered_sessions", card, key="another call")
        found = (opened.status, opened.body.get("status"), opened.body.get("granted_until"))
        check("the second session", found, (201, "open", seconds))
        session: str = opened.body["id"]
        return session


def _cost_of(seconds: int) -> int:
    """The first 30 seconds, and every 10 after them that were begun."""
    return 100 + max(0, -(-(seconds - 30) // 10)) * 20
