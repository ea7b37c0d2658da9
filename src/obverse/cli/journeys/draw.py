"""OT-8, second half: the recipient of a handed-over number draws its amount to a bank account."""

import json
from typing import Any

from obverse.cli.journeys.money import all_is_zero_but_fees
from obverse.cli.journeys.people import Member, register, sign_in, take_number
from obverse.cli.journeys.places import LinkedCard
from obverse.cli.journeys.running import Journey, check, step
from obverse.cli.journeys.world import Answer, Caller, Number, eventually
from obverse.kit.secret import Secret

NO_SUCH_BANK = "999"
ARAS_BANK = "011"


class DrawToBank(Journey):
    code = "OT-8b"
    title = "A handed-over number is drawn to its recipient's bank account"

    real_card: LinkedCard
    member: Member
    mina: Caller
    number: Number
    ara: Caller
    account: str
    draw: str

    @step("Mina, a member with a linked card, hands over a number good for 20,000 won; Ara claims it")
    async def handed_over(self) -> None:
        self.real_card = await self.world.issue_real_card()
        self.member = await register(self.world, "Mina", self.real_card)
        self.mina = await sign_in(self.world, self.member)
        self.number = await take_number(self.mina, amount_limit=20_000)
        link = await self.mina.post(f"/v1/cards/{self.number.card}/hand_over")
        token = Secret(link.body["token"])
        claim = await self.world.person("Ara").post("/v1/claims", {"token": token.reveal()})
        check("claiming", claim.status, 201)
        self.ara = self.world.person("Ara", claim.body["holder_token"])

    @step("Ara draws it to her bank account, but names a bank that does not exist: the money waits")
    async def draws(self) -> None:
        self.account = f"{self.world.rng.randrange(10**11, 10**12)}"
        wish = {"account": self._account(NO_SUCH_BANK)}
        for _ in range(2):  # the same request twice draws once
            draw = await self.ara.post("/v1/claims/current/draws", wish, key="draw")
            check("the draw", (draw.status, draw.body["amount"]), (201, 20_000))
        self.draw = draw.body["id"]
        check("the draw", await self._becomes("account_refused"), "account_refused")
        check("held on Mina's card", await self.world.owed_to_card_company(self.real_card), (20_000, 0))

    @step("She names the right one: the bank pays her, and a second draw finds nothing left")
    async def corrects(self) -> None:
        where = f"/v1/claims/current/draws/{self.draw}/account"
        corrected = await self.ara.put(where, self._account(ARAS_BANK))
        check("the account", corrected.status, 200)
        check("the draw", await self._becomes("paid"), "paid")
        check("in her account", await self.world.balance_of(self.account), 20_000)
        wish: dict[str, Any] = {"account": self._account(ARAS_BANK), "amount": 1}
        more = await self.ara.post("/v1/claims/current/draws", wish, key="more")
        check("once more", more.body.get("status", more.status) in ("declined", 409), True)

    @step("Mina learns that it was drawn, and nothing else; Ara learns nothing of Mina")
    async def strangers(self) -> None:
        card = await self.mina.get(f"/v1/cards/{self.number.card}")
        check("the card", (card.body["state"], card.body["spent"]), ("drawn", 20_000))
        payments = await self.mina.get(f"/v1/payments?card={self.number.card}")
        self._knows_nothing(card, payments, secrets=[self.account, self.account[-4:], "Ara", ARAS_BANK])
        seen = [await self.ara.get(path) for path in ("/v1/claims/current", "/v1/claims/current/draws")]
        real = self.real_card.number
        secrets = [self.member.id, *self.member.sources, real, real[-4:]]
        self._knows_nothing(*seen, secrets=secrets)

    @step("The day ends: the card company pays Obverse what Ara has drawn, and every account is at zero")
    async def all_is_zero(self) -> None:
        await self.world.wait_until_tomorrow()
        await all_is_zero_but_fees(self.world, 0)
        bill = await self.world.bill_of_card_company(self.real_card)
        check("Mina's card company bills her", bill["owed"], 20_000)

    def _account(self, bank_code: str) -> dict[str, str]:
        return {"bank_code": bank_code, "number": self.account, "holder": "Ara"}

    async def _becomes(self, status: str) -> object:
        async def now() -> object:
            draws = (await self.ara.untold().get("/v1/claims/current/draws")).body["data"]
            return next(draw["status"] for draw in draws if draw["id"] == self.draw)

        return await eventually(now, status)

    def _knows_nothing(self, *answers: Answer, secrets: list[str]) -> None:
        known = json.dumps([answer.body for answer in answers])
        check("told of the other", [what for what in secrets if f'"{what}"' in known], [])
