"""OT-J2: the provider is the card company; an online mall; a clearing house. OT-J5: the same without one."""

from collections.abc import Mapping
from typing import Any, ClassVar

from obverse.cli.journeys.people import (
    Member,
    books_balance,
    check_out,
    only_payment,
    register,
    sign_in,
    take_number,
    void,
)
from obverse.cli.journeys.running import Journey, check, step
from obverse.cli.journeys.world import Caller, Number


class CardCompanyAsProvider(Journey):
    code = "OT-J2"
    title = "Card company as provider, online mall, clearing house"
    road: ClassVar[str] = "clearing_house"
    codes: ClassVar[Mapping[str, str]] = {"wrong": "14", "over": "61", "used": "57"}
    """What the mall is told, in this road's own words."""

    member: Member
    jun: Caller
    browser: Caller
    number: Number
    order: Mapping[str, Any]

    @step("Jun registers for the provider's own credit; no card is linked")
    async def registers(self) -> None:
        self.member = await register(self.world, "Jun")

    @step("A person of bad standing is refused, with a reason that tells nothing")
    async def bad_standing(self) -> None:
        body = {"identity_number": "900101-1230000", "address": "anywhere", "password": "a long password"}
        answer = await self.world.operator.post("/v1/members", body | {"credit_line": True})
        check("registering", (answer.status, answer.body["code"]), (422, "registration_refused"))

    @step("Jun signs in and takes a one-time number, good for 50,000 won at most")
    async def takes_number(self) -> None:
        self.jun = await sign_in(self.world, self.member)
        self.browser = self.world.at_the_mall("Jun")
        self.number = await take_number(self.jun, amount_limit=50_000)

    @step("A wrong CVV, and an amount above the limit, are declined and do not use it up")
    async def declined_first(self) -> None:
        wrong = f"{(int(self.number.cvv.reveal()) + 1) % 1000:03d}"
        guess = await check_out(self.browser, self.number, 34_000, self.road, cvv=wrong)
        check("a guess", (guess["status"], guess["code"]), ("declined", self.codes["wrong"]))
        over = await check_out(self.browser, self.number, 50_001, self.road)
        check("too much", (over["status"], over["code"]), ("declined", self.codes["over"]))

    @step("He pays 34,000 won on his credit line; no card company is asked")
    async def pays(self) -> None:
        self.order = await check_out(self.browser, self.number, 34_000, self.road)
        check("the order", self.order["status"], "paid")
        check("requests to the card company", await self.world.messages_to("Card company"), 0)
        payment = await only_payment(self.jun, self.number.card)
        legs = [(leg["kind"], leg["amount"]) for leg in payment["legs"]]
        check("the leg", legs, [("credit_line", 34_000)])
        check("approval code", payment["approval_code"], self.order["approval_code"])

    @step("The mall asks once more with the same request: the same answer")
    async def repeats(self) -> None:
        again = await check_out(self.browser, self.number, 34_000, self.road, order=self.order["id"])
        check("the answer", again, self.order)

    @step("The number is used up: a second purchase is declined")
    async def second_use(self) -> None:
        second = await check_out(self.browser, self.number, 1_000, self.road)
        check("the second order", (second["status"], second["code"]), ("declined", self.codes["used"]))

    @step("The mall takes the order back, twice: the credit is free again")
    async def voids(self) -> None:
        order = self.order
        for _ in range(2):
            check("the order", (await void(self.browser, order, self.number))["status"], "voided")
        payment = await only_payment(self.jun, self.number.card)
        check("the payment", payment["status"], "reversed")
        check("the leg", [leg["status"] for leg in payment["legs"]], ["reversed"])

    @step("The number stays used up, and the books balance")
    async def stays_used(self) -> None:
        third = await check_out(self.browser, self.number, 1_000, self.road)
        check("the third order", (third["status"], third["code"]), ("declined", self.codes["used"]))
        await books_balance(self.world)


class NoClearingHouse(CardCompanyAsProvider):
    """The same steps over REST; on this road a merchant learns less about why (PF-11)."""

    code = "OT-J5"
    title = "No clearing house: the mall asks the provider directly"
    road = "direct"
    codes: ClassVar[Mapping[str, str]] = {
        "wrong": "card_not_accepted",
        "over": "not_approved",
        "used": "card_not_accepted",
    }
