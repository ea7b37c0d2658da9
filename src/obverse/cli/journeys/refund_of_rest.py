"""PP-J6: what is left on a card is paid to a bank account, and the card is closed."""

from collections.abc import Mapping
from typing import Any, Final

from obverse.cli.journeys.money import all_is_zero_but_fees, nothing_is_left_to_reconcile
from obverse.cli.journeys.prepaid import (
    TRANSFER,
    Bought,
    buys_one_card,
    cards_on_sale,
    comes_to,
    history_of,
    left_on,
    refunds,
)
from obverse.cli.journeys.running import Journey, check, step
from obverse.cli.journeys.wallets import pays_with_pin, takes_prepaid_cards
from obverse.cli.journeys.world import Caller

PIN: Final = "6127"
HOLDER: Final = "/v1/claims/current"


class RefundOfRest(Journey):
    code = "PP-J6"
    title = "The rest goes back to a bank account, the card is closed"

    browser: Caller
    card: Bought
    order: Mapping[str, Any]
    account: Mapping[str, Any]

    @step("A mall joins; Yuna buys a card of 30,000 won by bank transfer and sets it up")
    async def buys(self) -> None:
        await takes_prepaid_cards(self.world, "mall", "Hanbit Mall", "5732")
        programme = await cards_on_sale(self.world, "Prepaid card")
        self.browser = self.world.at_the_mall("Yuna")
        self.card = await buys_one_card(self.world, "Yuna", programme, 30_000, PIN)

    @step("She pays 12,000 won at the mall with number and PIN")
    async def pays(self) -> None:
        self.order = await self._pay(12_000)
        check("the order", self.order["status"], "paid")
        check("the balance", await left_on(self.card.holder), (18_000, 12_000))

    @step("She asks for the rest: 18,000 won go out, once; what is held stays, and the card is still open")
    async def asks(self) -> None:
        self.account = await self.world.open_bank_account("Yuna")
        for _ in range(2):
            await refunds(self.card.holder, self.account, 18_000, key="first", closes=False)
        check("the balance", await left_on(self.card.holder), (0, 12_000))
        nothing = await self._refund("second")
        check("once more", (nothing.status, nothing.body["code"]), (409, "nothing_to_refund"))
        await comes_to(self.world, self.account, 18_000)

    @step("The mall cannot deliver and cancels: the 12,000 won are on the card again, and Yuna's")
    async def is_cancelled(self) -> None:
        voided = await self.browser.post(f"/orders/{self.order['id']}/void", {})
        check("the order", voided.body.get("status"), "voided")
        check("the balance", await left_on(self.card.holder), (12_000, 0))

    @step("She has them paid to her account as well: nothing is left, and the card is closed")
    async def closes(self) -> None:
        await refunds(self.card.holder, self.account, 12_000, key="third")
        await comes_to(self.world, self.account, 30_000)
        check("the state", (await self.card.holder.get(HOLDER)).body["state"], "closed")
        lines = [(kind, amount) for kind, amount, _ in await history_of(self.card.holder)]
        expected = [
            ("bought", 30_000),
            ("payment", -12_000),
            ("payout", -18_000),
            ("release", 12_000),
            ("payout", -12_000),
        ]
        check("the history", lines, expected)

    @step("A closed card neither pays nor is charged")
    async def is_closed(self) -> None:
        check("a payment", (await self._pay(1_000))["status"], "declined")
        charge = await self.card.holder.post(f"{HOLDER}/charges", {**TRANSFER, "amount": 10_000})
        check("a charge", (charge.status, charge.body["code"]), (409, "card_not_chargeable"))

    @step("Every account is at zero, and nothing is left to reconcile")
    async def all_is_zero(self) -> None:
        await all_is_zero_but_fees(self.world, 0)
        await nothing_is_left_to_reconcile(self.world, self.order["payment"], self.card.number.card)

    async def _pay(self, amount: int) -> Mapping[str, Any]:
        return await pays_with_pin(self.browser, self.card.number, PIN, amount, "direct")

    async def _refund(self, key: str) -> Any:
        wish = {"account": self.account, "close": True}
        return await self.card.holder.post(f"{HOLDER}/balance_refunds", wish, key=key)
