"""OT-J1: the provider is independent of the card company; an online mall; a clearing house in between."""

from collections.abc import Mapping
from typing import Any

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
