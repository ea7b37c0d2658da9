"""OT-J2: the provider is the card company; an online mall; a clearing house. OT-J5: the same without one."""

from collections.abc import Mapping
from datetime import date
from typing import Any, ClassVar

from obverse.cli.journeys.money import (
    all_is_zero_but_fees,
    becomes_merchant,
    bill_is_paid,
    bill_of,
    claim_file,
    day_is_settled,
    fee_of,
    nothing_is_left_to_reconcile,
    payout_arrives,
    send_claims,
)
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
    mall: Caller
    second: Number
    payment: Mapping[str, Any]
    bought_on: date
    bill: Mapping[str, Any]

    @step("A mall applies to be a merchant; the operator approves it, and it fetches its first key")
    async def mall_joins(self) -> None:
        place = await becomes_merchant(self.world, "mall", "Hanbit Mall", "5732")
        self.mall = self.world.person(place.name, place.api_key)

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

    @step("He takes another number and pays 50,000 won, which this time the mall keeps")
    async def pays_again(self) -> None:
        self.second = await take_number(self.jun, amount_limit=50_000)
        order = await check_out(self.browser, self.second, 50_000, self.road)
        check("the order", order["status"], "paid")
        self.payment = await only_payment(self.jun, self.second.card)
        self.bought_on = self.world.today()

    @step("The mall claims 45,000 won of it for good; the rest is his again")
    async def claims(self) -> None:
        await self.claim(45_000)
        payment = await only_payment(self.jun, self.second.card)
        check("the payment", (payment["captured"], payment["released"]), (45_000, 5_000))

    async def claim(self, amount: int) -> None:
        """By a claim file where there is a clearing house, with number and approval code (OT-16)."""
        sale = ("sale", self.second, self.payment["approval_code"], amount)
        report = (await send_claims(self.mall, claim_file(sale)))["report"]
        check("the report", report["captured"], {"claims": 1, "amount": amount})

    @step("He sends a part back: the mall refunds 10,000 won, and not a won more than it took")
    async def refunds(self) -> None:
        url = f"/v1/payments/{self.payment['id']}/refund"
        too_much = await self.mall.post(url, {"amount": 45_001}, key="too much")
        check("too much", (too_much.status, too_much.body["code"]), (422, "refund_too_large"))
        for _ in range(2):
            refund = await self.mall.post(url, {"amount": 10_000}, key="a part")
            check("the refund", (refund.status, refund.body["refunded"]), (200, 10_000))

    @step("The business day ends and the mall is paid: claimed, less refunded, less the fee")
    async def mall_is_paid(self) -> None:
        statement = await day_is_settled(self.world, self.mall)
        paid = 35_000 - fee_of(45_000)
        found = [statement[name] for name in ("captured", "refunded", "fees", "paid", "carried_forward")]
        check("the statement", found, [45_000, 10_000, fee_of(45_000), paid, 0])
        await payout_arrives(self.world, self.mall, statement)
        check("the mall's account", await self.world.bank_balance(self.world.merchant("mall")), paid)

    @step("The month ends: Jun is billed 35,000 won on the provider's own credit")
    async def is_billed(self) -> None:
        self.jun, self.bill = await bill_of(self.world, self.member, self.bought_on)
        check("the bill", (self.bill["balance"], self.bill["state"]), (35_000, "issued"))

    @step("He pays 20,000 won by bank transfer, then the rest: the bill is paid")
    async def pays_bill(self) -> None:
        await bill_is_paid(self.world, self.jun, self.bill, 20_000, "partly_paid")
        await bill_is_paid(self.world, self.jun, self.bill, 15_000, "paid")

    @step("Everybody is paid: every account is at zero but for the fee, and nothing is left to reconcile")
    async def all_is_zero(self) -> None:
        await all_is_zero_but_fees(self.world, fee_of(45_000))
        merchant = self.world.merchant("mall").id
        await nothing_is_left_to_reconcile(self.world, self.payment["id"], merchant, *self.member.sources)


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

    async def claim(self, amount: int) -> None:
        """Without a clearing house the mall claims over the same API by which it was paid, in two parts."""
        url = f"/v1/payments/{self.payment['id']}/capture"
        part = await self.mall.post(url, {"amount": 30_000}, key="first part")
        rest = await self.mall.post(url, {"amount": amount - 30_000, "final": True}, key="second part")
        check("the claims", (part.status, rest.status), (200, 200))
