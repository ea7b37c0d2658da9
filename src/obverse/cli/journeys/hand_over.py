"""OT-8, first half: a number with a limit is handed to somebody else, like cash."""

import json
from collections.abc import Mapping
from typing import Any

from obverse.cli.journeys.people import (
    Member,
    books_balance,
    check_out,
    number_of,
    register,
    sign_in,
    take_number,
    void,
)
from obverse.cli.journeys.places import LinkedCard
from obverse.cli.journeys.running import Journey, check, step
from obverse.cli.journeys.world import Answer, Caller, Number, eventually
from obverse.kit.secret import Secret


class HandOver(Journey):
    code = "OT-8"
    title = "A number handed to another person by a claim link"

    real_card: LinkedCard
    member: Member
    mina: Caller
    number: Number
    claim_token: Secret
    recipient: Caller
    claimed: Number
    order: Mapping[str, Any]

    @step("Mina, a member with a linked card, takes a number good for 20,000 won")
    async def takes_number(self) -> None:
        self.real_card = await self.world.issue_real_card()
        self.member = await register(self.world, "Mina", self.real_card)
        self.mina = await sign_in(self.world, self.member)
        self.number = await take_number(self.mina, amount_limit=20_000)

    @step("She hands it over: the link goes to one person, outside of Obverse")
    async def hands_over(self) -> None:
        link = await self.mina.post(f"/v1/cards/{self.number.card}/hand_over")
        check("handing over", link.status, 201)
        self.claim_token = Secret(link.body["token"])

    @step("Ara, who has no account, claims it; a second claim with the same link comes too late")
    async def claims(self) -> None:
        body = {"token": self.claim_token.reveal()}
        claim = await self.world.person("Ara").post("/v1/claims", body)
        check("claiming", claim.status, 201)
        self.recipient = self.world.person("Ara", claim.body["holder_token"])
        late = await self.world.person("Somebody").post("/v1/claims", body)
        check("a second claim", (late.status, late.body["code"]), (404, "claim_link_invalid"))
        self._knows_nothing_of_mina(claim)

    @step("Only Ara sees the number now; the one that Mina saw before is worth nothing")
    async def reveals(self) -> None:
        self.claimed = number_of(await self.recipient.post("/v1/claims/current/reveal"))
        refused = await self.mina.post(f"/v1/cards/{self.number.card}/reveal")
        check("Mina asking for it", (refused.status, refused.body["code"]), (409, "card_handed_over"))
        old = await check_out(self.world.at_the_mall("Mina"), self.number, 1_000)
        check("paying with the old number", old["status"], "declined")

    @step("Ara pays 15,000 won at the mall; it is held on Mina's real card")
    async def pays(self) -> None:
        self.order = await check_out(self.world.at_the_mall("Ara"), self.claimed, 15_000)
        check("the order", (self.order["status"], self.order["code"]), ("paid", "00"))
        check("held", await self.world.owed_to_card_company(self.real_card), (15_000, 0))

    @step("The mall repeats (same answer), and a second purchase is declined")
    async def once_only(self) -> None:
        ara = self.world.at_the_mall("Ara")
        again = await check_out(ara, self.claimed, 15_000, order=self.order["id"])
        check("the answer", again, self.order)
        second = await check_out(ara, self.claimed, 1_000)
        check("the second order", (second["status"], second["code"]), ("declined", "57"))

    @step("Mina sees what was spent, not where; Ara sees nothing of Mina; the books balance")
    async def strangers(self) -> None:
        self._knows_nothing_of_mina(await self.recipient.get("/v1/claims/current"))
        card = await self.mina.get(f"/v1/cards/{self.number.card}")
        shown = (card.body["state"], card.body["spent"], card.body["last_four"])
        check("state, spent, last four", shown, ("used", 15_000, None))
        payments = await self.mina.get(f"/v1/payments?card={self.number.card}")
        known = json.dumps([card.body, payments.body])
        mall = self.world.merchant("mall")
        secrets = [mall.name, mall.id, self.claimed.number.reveal()]
        check("Mina told of the mall or the number", any(what in known for what in secrets), False)
        await books_balance(self.world)

    @step("The mall has nothing to deliver and takes the order back: nothing is left of it")
    async def taken_back(self) -> None:
        order = await void(self.world.at_the_mall("Ara"), self.order, self.claimed)
        check("the order", order["status"], "voided")
        found = await eventually(lambda: self.world.owed_to_card_company(self.real_card), (0, 15_000))
        check("held and released", found, (0, 15_000))

    def _knows_nothing_of_mina(self, answer: Answer) -> None:
        known = json.dumps(answer.body)
        secrets = [self.member.id, *self.member.sources, self.real_card.number]
        check("Ara told of Mina", [what for what in secrets if what in known], [])
