"""PR-J4: an online mall that takes miles for a card number: the miles' issuer asks us whose they are."""

from collections.abc import Mapping
from typing import Any, Final

from obverse.cli.journeys.money import becomes_merchant, nothing_is_left_to_reconcile
from obverse.cli.journeys.people import books_balance
from obverse.cli.journeys.places import LinkedCard
from obverse.cli.journeys.points import (
    Issuer,
    PointsAccount,
    gets_key,
    joins_relay,
    links_account,
    registers_real_card,
    units_of,
)
from obverse.cli.journeys.running import Journey, check, step
from obverse.cli.journeys.wallets import WalletMember, join_in_full, opens_wallet
from obverse.cli.journeys.world import Caller
from obverse.kit.secret import Secret

MILES: Final = 30_000
POINTS: Final = 5_000
PRICE: Final = 12_000
MILES_FOR_ONE: Final = 2
"""What Sky Miles asks of malls."""
QUESTIONS_MAX: Final = 150
"""More than any issuer may ask in a minute, or in what is left of one and the next."""


class PointsAtMall(Journey):
    code = "PR-J4"
    title = "An online mall takes miles for a card number; their issuer asks the relay"

    sky: Issuer
    star: Issuer
    sky_key: Secret
    star_key: Secret
    member: WalletMember
    nara: Caller
    browser: Caller
    real_card: LinkedCard
    card: str
    miles: PointsAccount
    points: PointsAccount
    order: Mapping[str, Any]

    @step("A mall joins that takes miles; the operator takes in two issuers, and gives each a key")
    async def opens(self) -> None:
        await becomes_merchant(self.world, "mall", "Miles Mall", "5651")
        self.sky = await joins_relay(self.world, "sky_miles", (2, 1))
        self.star = await joins_relay(self.world, "star_points", (1, 1))
        self.sky_key = await gets_key(self.world, self.sky)
        self.star_key = await gets_key(self.world, self.star)

    @step("Nara types the number of her card, which nobody has registered: the mall is told so (PR-2)")
    async def not_registered(self) -> None:
        self.real_card = await self.world.issue_real_card()
        self.browser = self.world.at_the_mall("Nara")
        await self._is_declined(PRICE, "card_not_registered")

    @step("She joins and registers it; it has no miles yet, which is told apart")
    async def joins(self) -> None:
        self.member = await join_in_full(self.world, "Nara")
        self.nara = await opens_wallet(self.world, self.member)
        self.card = await registers_real_card(self.nara, self.real_card)
        await self._is_declined(PRICE, "no_account")

    @step("She links accounts at both issuers with it, with the code that each texts her")
    async def links(self) -> None:
        self.miles = await self._link(self.sky, MILES)
        self.points = await self._link(self.star, POINTS)

    @step("Each issuer is told of its own account behind that number, and not of the other's (PR-9, P12)")
    async def asks(self) -> None:
        for issuer, key, account in (
            (self.sky, self.sky_key, self.miles),
            (self.star, self.star_key, self.points),
        ):
            caller = self.world.person(issuer.name, key.reveal())
            asked = await caller.post("/v1/points_lookups", {"card_number": self.real_card.number})
            told = [each["account"] == account.handle.reveal() for each in asked.body["accounts"]]
            check(f"told to {issuer.name}", (asked.body["registered"], told), (True, [True]))

    @step("She pays 12,000 won in miles: the mall asks Sky Miles, which asks Obverse, and tells the mall")
    async def pays(self) -> None:
        self.order = await self._buy(PRICE)
        check("the order", (self.order["status"], bool(self.order["approval_code"])), ("paid", True))
        await self._miles_are(MILES - PRICE * MILES_FOR_ONE)
        check("her other points", await units_of(self.world, self.points), [POINTS])

    @step("There is not enough for another, and what she takes back gives her all her miles again")
    async def takes_back(self) -> None:
        await self._is_declined(PRICE, "insufficient_points")
        for _ in range(2):  # asking again gives nothing more
            await self.browser.post(f"/orders/{self.order['id']}/void", {})
        await self._miles_are(MILES)
        self.order = await self._buy(PRICE)
        check("bought again", self.order["status"], "paid")

    @step("An issuer's key opens nothing else, and each of its questions is in the audit log")
    async def is_kept_to_it(self) -> None:
        caller = self.world.person(self.sky.name, self.sky_key.reveal())
        for path in ("/v1/points_issuers", f"/v1/cards/{self.card}", "/v1/payments"):
            check(path, (await caller.get(path)).status, 403)
        log = (await self.world.operator.get(f"/v1/audit_log?subject={self.sky.id}")).body["data"]
        asked = [entry["data"] for entry in log if entry["action"] == "points_account.looked_up"]
        check("questions on record", len(asked), 6)
        check("whose card", {entry["last_four"] for entry in asked}, {self.real_card.number[-4:]})

    @step("An issuer that asks too often has to wait; the other is answered")
    async def asks_too_often(self) -> None:
        question = {"card_number": self.real_card.number}
        caller = self.world.person(self.star.name, self.star_key.reveal())
        quiet, asked = caller.untold(), 0
        while (await quiet.post("/v1/points_lookups", question)).status == 200 and asked < QUESTIONS_MAX:
            asked += 1
        refused = await caller.post("/v1/points_lookups", question)
        check("one question more", (refused.status, refused.body.get("code")), (429, "too_many_lookups"))
        other = self.world.person(self.sky.name, self.sky_key.reveal())
        check("the other", (await other.post("/v1/points_lookups", question)).status, 200)

    @step("No money of ours has moved: nothing to invoice, nothing in the ledger, nothing to reconcile")
    async def nothing_moved(self) -> None:
        await self._miles_are(MILES - PRICE * MILES_FOR_ONE)
        form = {"issuer": self.sky.id, "reason": "Up to now."}
        invoice = await self.world.operator.post("/v1/points_invoices", form)
        check("the invoice", (invoice.status, invoice.body.get("code")), (409, "nothing_to_invoice"))
        check("left in the ledger", list(await self.world.books()), [])
        await books_balance(self.world)
        await nothing_is_left_to_reconcile(self.world, self.world.merchant("mall").id, self.sky.id)

    async def _link(self, issuer: Issuer, units: int) -> PointsAccount:
        return await links_account(self.world, self.member, self.nara, issuer, self.card, units)

    async def _buy(self, amount: int) -> Mapping[str, Any]:
        form = {"amount": amount, "card_number": self.real_card.number, "road": "points_issuer"}
        answer = await self.browser.post("/checkout", form)
        check("the mall's answer", answer.status, 200)
        return answer.body

    async def _is_declined(self, amount: int, code: str) -> None:
        order = await self._buy(amount)
        check("the order", (order["status"], order["code"]), ("declined", code))

    async def _miles_are(self, miles: int) -> None:
        check("her miles", await units_of(self.world, self.miles), [miles])
