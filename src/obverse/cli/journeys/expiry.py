"""PP-J7: a balance that is not spent in time: announced, expired, accounted for; the card is over."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from obverse.cli.journeys.money import all_is_zero_but_fees, nothing_is_left_to_reconcile
from obverse.cli.journeys.prepaid import TRANSFER, buys_one_card, cards_on_sale
from obverse.cli.journeys.running import Journey, check, step
from obverse.cli.journeys.wallets import (
    WalletMember,
    balance_of,
    join_in_full,
    letter_to,
    opens_wallet,
    pays_with_pin,
    takes_prepaid_cards,
)
from obverse.cli.journeys.world import Caller, Number, eventually

PIN: Final = "9425"
VALUE: Final = 30_000


class Expiry(Journey):
    code = "PP-J7"
    title = "A balance expires: announced by mail, accounted for"

    member: WalletMember
    sera: Caller
    card: Number
    ends: datetime

    @step("A mall joins; the operator puts cards on sale that are good for a month")
    async def opens(self) -> None:
        await takes_prepaid_cards(self.world, "mall", "Hanbit Mall", "5732")

    @step("Sera buys one of 30,000 won, sets it up, joins, and registers it")
    async def buys(self) -> None:
        programme = await cards_on_sale(self.world, "Card of a month", validity_months=1)
        bought = await buys_one_card(self.world, "Sera", programme, VALUE, PIN)
        self.card = bought.number
        self.member = await join_in_full(self.world, "Sera")
        self.sera = await opens_wallet(self.world, self.member)
        adopted = await self.sera.post("/v1/adopted_cards", {"holder_token": bought.token.reveal()})
        check("registering", adopted.status, 201)
        self.ends = self.world.local_time(adopted.body["controls"]["expires_at"])
        check("it ends with a month", (self.ends.day, self.ends.hour), (1, 0))

    @step("A week before, Sera is told by mail how much will expire, and when")
    async def is_told(self) -> None:
        await self.world.wait_until(self.ends.date() - timedelta(days=6))
        letter = await letter_to(self.world, self.member.mail, "will expire soon")
        last_day = self.ends.date() - timedelta(days=1)
        number = self.card.number.reveal()
        told = [part in letter["text"] for part in ("30,000", str(last_day.day), number[-4:], number)]
        check("amount, last day, last digits, not the number", told, [True, True, True, False])
        self.sera = await opens_wallet(self.world, self.member)
        check("the balance", await balance_of(self.sera, self.card.card), (VALUE, 0))

    @step("The month is over: what was not spent has expired, and is the programme's")
    async def expires(self) -> None:
        await self.world.wait_until(self.ends.date())
        self.sera = await opens_wallet(self.world, self.member)

        async def history() -> object:
            lines = (await self.sera.untold().get(f"/v1/history?card={self.card.card}")).body["data"]
            return [(entry["kind"], entry["amount"], entry["balance"]) for entry in reversed(lines)]

        expected = [("bought", VALUE, VALUE), ("expiry", -VALUE, 0)]
        check("the history", await eventually(history, expected), expected)
        check("the balance", await balance_of(self.sera, self.card.card), (0, 0))

    @step("The expired card pays for nothing, is not charged, and nothing of it is paid out")
    async def is_over(self) -> None:
        order = await pays_with_pin(self.world.at_the_mall("Sera"), self.card, PIN, 1_000, "direct")
        check("a payment", order["status"], "declined")
        payments = (await self.sera.get(f"/v1/payments?card={self.card.card}")).body["data"]
        check("what Sera is told", [p["decline"]["code"] for p in payments], ["card_expired"])
        found = await self._ask("charges", {**TRANSFER, "amount": 10_000})
        check("a charge", found, (409, "card_not_chargeable"))
        account = await self.world.open_bank_account("Sera")
        found = await self._ask("balance_refunds", {"account": account, "close": True})
        check("a refund", found, (409, "nothing_to_refund"))

    @step("The ledger has it as expired value, and nothing is left to reconcile")
    async def all_is_zero(self) -> None:
        await all_is_zero_but_fees(self.world, 0, expired=VALUE)
        await nothing_is_left_to_reconcile(self.world, self.card.card)

    async def _ask(self, what: str, wish: Mapping[str, Any]) -> tuple[int, str | None]:
        answer = await self.sera.post(f"/v1/cards/{self.card.card}/{what}", wish, key=what)
        return answer.status, answer.body.get("code")
