"""PP-J3: a card charged in units of 10,000 won up to its ceiling, and not with one of our own numbers."""

from typing import Any, Final

from obverse.cli.journeys.money import all_is_zero_but_fees, nothing_is_left_to_reconcile
from obverse.cli.journeys.places import LinkedCard
from obverse.cli.journeys.prepaid import (
    CEILING,
    CHARGE_UNIT,
    TRANSFER,
    Bought,
    buys_one_card,
    by_card,
    cards_on_sale,
    comes_to,
    history_of,
    left_on,
    line,
    mailbox,
    place_order,
    random_key,
    refunds,
    typed,
)
from obverse.cli.journeys.running import Journey, check, step
from obverse.cli.journeys.wallets import WalletMember, join_in_full, opens_wallet
from obverse.cli.journeys.world import Answer, eventually

PIN: Final = "8350"
BY_CARD: Final = 40_000
BY_TRANSFER: Final = CEILING - 10_000 - BY_CARD
NOT_IN_HAND: Final = (422, "card_not_in_hand")
"""Said alike of a wrong PIN, an unknown number and a closed card."""


class ChargingCards(Journey):
    code = "PP-J3"
    title = "A card charged up to its ceiling, never by one of ours"

    programme: str
    card: Bought
    real_card: LinkedCard
    member: WalletMember

    @step("Park buys a card of 10,000 won by bank transfer and sets it up")
    async def buys(self) -> None:
        self.programme = await cards_on_sale(self.world, "Prepaid card")
        self.card = await buys_one_card(self.world, "Park", self.programme, 10_000, PIN)
        check("the balance", await left_on(self.card.holder), (10_000, 0))

    @step("It is charged in steps of 10,000 won, and with its PIN: anything else is refused")
    async def refused(self) -> None:
        for amount in (5_000, 15_000, CHARGE_UNIT - 1):
            answer = await self._charge(amount, TRANSFER)
            check(f"{amount:,} won", (answer.status, answer.body.get("code")), (422, "charge_unit"))
        guess = await self._charge(CHARGE_UNIT, TRANSFER, pin=PIN[::-1])
        check("a wrong PIN", (guess.status, guess.body.get("code")), NOT_IN_HAND)
        beyond = await self._charge(CEILING, TRANSFER)
        check("beyond the ceiling", (beyond.status, beyond.body.get("code")), (409, "balance_ceiling"))

    @step("Park charges it with 40,000 won by a real card, asks twice, and is charged once")
    async def by_card(self) -> None:
        self.real_card = await self.world.issue_real_card()
        means = by_card(self.real_card)
        for _ in range(2):
            answer = await self._charge(BY_CARD, means, key="by card")
            check("the charge", (answer.status, answer.body.get("status")), (201, "done"))
        check("held on the real card", await self.world.owed_to_card_company(self.real_card), (BY_CARD, 0))
        check("the balance", await left_on(self.card.holder), (50_000, 0))

    @step("Our own numbers neither charge a card, nor pay for an order, nor come into a wallet (PP-8)")
    async def own_number(self) -> None:
        number = self.card.number
        own = LinkedCard(
            "", number.number.reveal(), number.exp_month, number.exp_year, number.cvv.reveal(), "900101"
        )
        charge = await self._charge(CHARGE_UNIT, by_card(own))
        check("a charge", (charge.status, charge.body.get("param")), (400, "card.card_number"))
        lines = [line(self.programme, 5_000)]
        park, mail = self.world.person("Park"), mailbox(self.world, "park")
        order = await place_order(park, mail, lines, by_card(own), key=random_key(self.world))
        check("an order", (order.status, order.body.get("param")), (400, "payment.card.card_number"))
        self.member = await join_in_full(self.world, "Park")
        linked = await (await opens_wallet(self.world, self.member)).post("/v1/linked_cards", typed(own))
        check("linking it", (linked.status, linked.body.get("param")), (400, "card_number"))
        check("the balance", await left_on(self.card.holder), (50_000, 0))

    @step("The next one is a bank transfer up to the ceiling; while it is waited for, nothing more fits")
    async def up_to_ceiling(self) -> None:
        answer = await self._charge(BY_TRANSFER, TRANSFER, key="by transfer")
        check("the charge", (answer.status, answer.body.get("status")), (201, "open"))
        more = await self._charge(CHARGE_UNIT, TRANSFER)
        check("one more", (more.status, more.body.get("code")), (409, "balance_ceiling"))
        await self.world.pay_by_bank("Park", BY_TRANSFER, answer.body["pay_to"]["reference"])

        async def now() -> object:
            return await left_on(self.card.holder.untold())

        check("the balance", await eventually(now, (CEILING, 0)), (CEILING, 0))

    @step("At the ceiling it is full: 10,000 won more are refused, and the real card's company is not asked")
    async def is_full(self) -> None:
        more = await self._charge(CHARGE_UNIT, by_card(self.real_card))
        check("one more", (more.status, more.body.get("code")), (409, "balance_ceiling"))
        check("asked", await self.world.messages_to("Card company"), 0)
        expected = [("bought", 10_000, 10_000), ("charge", BY_CARD, 50_000), ("charge", BY_TRANSFER, CEILING)]
        check("the history", await history_of(self.card.holder), expected)

    @step("Park has the 1,000,000 won paid to a bank account; the closed card is not charged any more")
    async def goes_back(self) -> None:
        account = await self.world.open_bank_account("Park")
        await refunds(self.card.holder, account, CEILING, key="the rest")
        await comes_to(self.world, account, CEILING)
        closed = await self._charge(CHARGE_UNIT, TRANSFER)
        check("a charge", (closed.status, closed.body.get("code")), NOT_IN_HAND)

    @step("The card company pays for what its card has charged: every account is at zero")
    async def all_is_zero(self) -> None:
        await self.world.wait_until_tomorrow()
        await all_is_zero_but_fees(self.world, 0)
        check("owed", (await self.world.bill_of_card_company(self.real_card))["owed"], BY_CARD)
        await nothing_is_left_to_reconcile(self.world, self.card.number.card)

    async def _charge(self, amount: int, means: Any, *, key: str | None = None, pin: str = PIN) -> Answer:
        """Charge the card by its number and PIN, as anybody may who has it in hand."""
        shown = {"card_number": self.card.number.number.reveal(), "pin": pin, "amount": amount}
        return await self.world.person("Park").post("/v1/charges", shown | means, key=key)
