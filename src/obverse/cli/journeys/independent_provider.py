"""OT-J1: the provider is independent of the card company; an online mall; a clearing house in between.

From registration until everybody is paid: the mall by the provider, the provider by the card company, the
card company by its cardholder.
"""

from collections.abc import Mapping
from typing import Any

from obverse.cli.journeys.money import (
    all_is_zero_but_fees,
    becomes_merchant,
    claim_file,
    day_is_settled,
    fee_of,
    nothing_is_left_to_reconcile,
    payout_arrives,
    send_claims,
    signs_in_again,
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
from obverse.cli.journeys.places import LinkedCard
from obverse.cli.journeys.running import Journey, check, step
from obverse.cli.journeys.world import Caller, Number, eventually


class IndependentProvider(Journey):
    code = "OT-J1"
    title = "Independent provider, online mall, clearing house"

    real_card: LinkedCard
    member: Member
    mina: Caller
    browser: Caller
    number: Number
    order: Mapping[str, Any]
    mall: Caller
    second: Number
    sale: Mapping[str, Any]
    statement: Mapping[str, Any]

    @step("A mall applies to be a merchant; the operator approves it, and it fetches its first key")
    async def mall_joins(self) -> None:
        place = await becomes_merchant(self.world, "mall", "Hanbit Mall", "5732")
        self.mall = self.world.person(place.name, place.api_key)

    @step("Mina registers with a real card of her card company")
    async def registers(self) -> None:
        self.real_card = await self.world.issue_real_card()
        self.member = await register(self.world, "Mina", self.real_card)
        check("held by a check", await self.world.owed_to_card_company(self.real_card), (0, 0))

    @step("The same card cannot be registered by anybody again")
    async def registers_again(self) -> None:
        body = {
            "identity_number": self.world.identity_number(),
            "address": "somewhere else",
            "password": "another password",
            "card_number": self.real_card.number,
            "exp_month": self.real_card.exp_month,
            "exp_year": self.real_card.exp_year,
            "cvv": self.real_card.cvv,
            "birth_date": self.real_card.birth_date,
        }
        answer = await self.world.operator.post("/v1/members", body)
        check("registering it again", (answer.status, answer.body["code"]), (409, "already_registered"))

    @step("Mina signs in; a wrong ID and a wrong password are turned away alike")
    async def signs_in(self) -> None:
        self.mina = await sign_in(self.world, self.member)
        self.browser = self.world.at_the_mall("Mina")

    @step("She takes a one-time number, good for 50,000 won at most")
    async def takes_number(self) -> None:
        self.number = await take_number(self.mina, amount_limit=50_000)

    @step("She pays 34,000 won at the mall: mall, clearing house, Obverse, clearing house, card company")
    async def pays(self) -> None:
        self.order = await check_out(self.browser, self.number, 34_000)
        check("the order", (self.order["status"], self.order["code"]), ("paid", "00"))

    @step("The card company holds it on the real card, which the mall has not seen")
    async def card_company_holds(self) -> None:
        check("held", await self.world.owed_to_card_company(self.real_card), (34_000, 0))
        payment = await only_payment(self.mina, self.number.card)
        check("the leg", [leg["kind"] for leg in payment["legs"]], ["linked_card"])
        check("approval code", payment["approval_code"], self.order["approval_code"])
        last_four = self.number.number.reveal()[-4:]
        check("what the mall has kept of a card", self.order["card"], f"ends in {last_four}")

    @step("The mall asks once more with the same request: the same answer, and nothing is held twice")
    async def repeats(self) -> None:
        again = await check_out(self.browser, self.number, 34_000, order=self.order["id"])
        check("the answer", again, self.order)
        check("held", await self.world.owed_to_card_company(self.real_card), (34_000, 0))

    @step("The number is used up: a second purchase is declined")
    async def second_use(self) -> None:
        second = await check_out(self.browser, self.number, 1_000)
        check("the second order", (second["status"], second["code"]), ("declined", "57"))
        check("held", await self.world.owed_to_card_company(self.real_card), (34_000, 0))

    @step("The mall takes the order back, twice: the card company releases it, once")
    async def voids(self) -> None:
        order = self.order
        for _ in range(2):
            check("the order", (await void(self.browser, order, self.number))["status"], "voided")
        found = await eventually(lambda: self.world.owed_to_card_company(self.real_card), (0, 34_000))
        check("held and released", found, (0, 34_000))
        check("the payment", (await only_payment(self.mina, self.number.card))["status"], "reversed")

    @step("The number stays used up, and the books balance")
    async def stays_used(self) -> None:
        third = await check_out(self.browser, self.number, 1_000)
        check("the third order", (third["status"], third["code"]), ("declined", "57"))
        await books_balance(self.world)

    @step("She takes another number and pays 50,000 won, which this time the mall keeps")
    async def pays_again(self) -> None:
        self.second = await take_number(self.mina, amount_limit=50_000)
        self.sale = await check_out(self.browser, self.second, 50_000)
        check("the order", self.sale["status"], "paid")

    @step("The mall claims: a wrong approval code is refused, the sale is paid, a second claim for it is not")
    async def claims(self) -> None:
        code = self.sale["approval_code"]
        wrong = "ZZZZZZ" if code != "ZZZZZZ" else "YYYYYY"
        content = claim_file(
            ("guess", self.second, wrong, 50_000),
            ("sale", self.second, code, 50_000),
            ("again", self.second, code, 50_000),
        )
        for _ in range(2):  # the same file once more gets the same report, and pays nothing
            report = (await send_claims(self.mall, content))["report"]
            found = {bucket: counted["claims"] for bucket, counted in report.items() if counted["claims"]}
            check("the report", found, {"captured": 1, "refused": 2})

    @step("The business day ends: the mall is owed 50,000 won less the fee of 2.5 %")
    async def day_ends(self) -> None:
        self.statement = await day_is_settled(self.world, self.mall)
        found = [self.statement[name] for name in ("captured", "refunded", "fees", "paid", "carried_forward")]
        check("the statement", found, [50_000, 0, fee_of(50_000), 50_000 - fee_of(50_000), 0])

    @step("On the next banking day the bank has paid the mall")
    async def mall_is_paid(self) -> None:
        await payout_arrives(self.world, self.mall, self.statement)
        check("the mall's account", await self.world.bank_balance(self.world.merchant("mall")), 48_750)

    @step("Obverse has claimed the 50,000 won in a clearing file: the card company takes it and pays")
    async def card_company_pays(self) -> None:
        async def owed() -> object:
            kinds = [line.kind for line in await self.world.books()]
            return "card_company_receivable" in kinds or "suspense" in kinds

        check("owed by the card company", await eventually(owed, False), False)
        held, _ = await self.world.owed_to_card_company(self.real_card)
        check("held on the real card", held, 0)

    @step("Mina has seen it coming; her card company bills her 50,000 won, and she pays")
    async def mina_is_billed(self) -> None:
        self.mina = await signs_in_again(self.world, self.member)
        coming = await self.mina.get(f"/v1/members/{self.member.id}/card_company_charges")
        check(
            "what she saw", [(c["direction"], c["amount"]) for c in coming.body["data"]], [("debit", 50_000)]
        )
        bill = await self.world.bill_of_card_company(self.real_card)
        check("her card company's bill", (bill["total"], bill["owed"]), (50_000, 50_000))
        check("paid", (await self.world.pay_bill_of_card_company(self.real_card))["owed"], 0)

    @step("Everybody is paid: every account is at zero but for the fee, and nothing is left to reconcile")
    async def all_is_zero(self) -> None:
        await all_is_zero_but_fees(self.world, fee_of(50_000))
        payment = await only_payment(self.mina, self.second.card)
        await nothing_is_left_to_reconcile(self.world, payment["id"], self.world.merchant("mall").id)
