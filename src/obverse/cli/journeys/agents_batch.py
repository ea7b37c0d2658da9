"""PP-J5: an agent's cards: worthless in the drawer, sold at the till, spent, counted, settled."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from obverse.cli.journeys.money import (
    all_is_zero_but_fees,
    day_is_settled,
    fee_of,
    nothing_is_left_to_reconcile,
    payout_arrives,
    statement_of,
)
from obverse.cli.journeys.prepaid import TRANSFER, cards_on_sale
from obverse.cli.journeys.running import Journey, check, step
from obverse.cli.journeys.wallets import becomes_agent, takes_prepaid_cards
from obverse.cli.journeys.world import Caller, eventually
from obverse.kit.secret import Secret
from obverse.sandbox.terminal import CardEntry, Receipt, Till

COUNT: Final = 10
VALUE: Final = 10_000
CHARGED: Final = 20_000


@dataclass(frozen=True, slots=True)
class Printed:
    """A card as the maker delivers it: its face, and the PIN under the scratch field."""

    number: Secret
    expiry: str
    pin: Secret

    def shown(self) -> CardEntry:
        return CardEntry(self.number, self.expiry)


class AgentsBatch(Journey):
    code = "PP-J5"
    title = "An agent's cards: activated at the till, spent, counted"

    shop: Caller
    kiosk: Caller
    batch: str
    cards: Sequence[Printed]
    at_shop: Till
    at_kiosk: Till

    @step("A shop and a kiosk join, which becomes an agent: ten cards of 10,000 won are made for it")
    async def opens(self) -> None:
        shop = await takes_prepaid_cards(self.world, "shop", "Corner Shop", "5411")
        kiosk = await takes_prepaid_cards(self.world, "kiosk", "Station Kiosk", "5994")
        self.shop, self.kiosk = [self.world.person(each.name, each.api_key) for each in (shop, kiosk)]
        self.at_shop, self.at_kiosk = self.world.till("shop"), self.world.till("kiosk")
        programme = await cards_on_sale(self.world, "Kiosk card", physical=True)
        wish = {
            "programme": programme,
            "merchant": kiosk.id,
            "count": COUNT,
            "denomination": VALUE,
            "reason": "For the shelf.",
        }
        early = await self.world.operator.post("/v1/card_batches", wish)
        check("for a shop that is no agent", (early.status, early.body["code"]), (409, "no_agent"))
        await becomes_agent(self.world, kiosk)
        made = await self.world.operator.post("/v1/card_batches", wish, key=f"for {kiosk.id}")
        check("the batch", (made.status, made.body.get("count")), (201, COUNT))
        self.batch = made.body["id"]

    @step("Their maker gets numbers and PINs, once")
    async def are_made(self) -> None:
        because = {"reason": "For the maker."}
        path = f"/v1/card_batches/{self.batch}/export"
        maker = await self.world.operator.post(path, because)
        rows = list(csv.DictReader(maker.text.splitlines()))
        self.cards = [Printed(Secret(r["number"]), r["expiry"], Secret(r["pin"])) for r in rows]
        check("cards", len({card.number.reveal() for card in self.cards}), COUNT)
        again = await self.world.operator.post(path, because)
        check("once more", (again.status, again.body["code"]), (409, "card_batch_exported"))
        check("on the shelf", await self._counted(), (COUNT, 0, 0, True))

    @step("In the drawer they are worth nothing: none pays, none is charged, and no other till activates one")
    async def are_worthless(self) -> None:
        stolen = self.cards[0]
        check("paying", (await self._pay(self.at_shop, stolen, 1_000)).response_code, "78")
        check("at another till", await self._activate(self.at_shop, stolen), "58")
        charge = await self._charge(stolen)
        check("a charge", charge, (422, "card_not_in_hand"))

    @step("The kiosk sells one for 10,000 won in cash: its till activates it (0200, 28), and only once")
    async def is_sold(self) -> None:
        card = self.cards[0]
        check("at another price", await self._activate(self.at_kiosk, card, VALUE // 2), "57")
        sold = await self.at_kiosk.activate(card.shown(), VALUE)
        check("the answer", (sold.response_code, sold.balance_minor), ("00", VALUE))
        again = await self.at_kiosk.repeat()
        check("repeated", (again.response_code, again.approval_code), ("00", sold.approval_code))
        check("a second sale", await self._activate(self.at_kiosk, card), "57")
        check("counted", await self._counted(), (COUNT - 1, 1, VALUE, True))

    @step("A second customer wants another: the till takes the sale back (0400), the card is worthless again")
    async def is_taken_back(self) -> None:
        card = self.cards[1]
        sold = await self.at_kiosk.activate(card.shown(), VALUE)
        check("the answer", sold.response_code, "00")
        check("the reversal", (await self.at_kiosk.reverse(sold)).response_code, "00")
        check("paying", (await self._pay(self.at_shop, card, 1_000)).response_code, "78")
        check("counted", await self._counted(), (COUNT - 1, 1, VALUE, True))

    @step("The first pays 10,000 won in the shop, is charged by bank transfer, and pays 20,000 at the kiosk")
    async def is_spent(self) -> None:
        card = self.cards[0]
        paid = await self._pay(self.at_shop, card, VALUE)
        check("the shop's answer", paid.response_code, "00")
        self.at_shop.claim(paid, VALUE)
        check("the charge", await self._charge(card), (201, None))

        async def balance() -> object:
            asked = CardEntry(card.number, card.expiry, pin=card.pin)
            return (await self.at_kiosk.inquire(asked)).balance_minor

        check("the balance", await eventually(balance, CHARGED), CHARGED)
        paid = await self._pay(self.at_kiosk, card, CHARGED)
        check("the kiosk's answer", paid.response_code, "00")
        self.at_kiosk.claim(paid, CHARGED)

    @step("Both tills close their day; the operator counts: nine unsold, one sold, cards and ledger agree")
    async def is_counted(self) -> None:
        for till in (self.at_shop, self.at_kiosk):
            check(f"totals of {till.shop.name}", (await till.close_day()).response_code, "00")
        check("counted", await self._counted(), (COUNT - 1, 1, VALUE, True))
        because = {"reason": "The kiosk moves."}
        closed = await self.world.operator.post(f"/v1/card_batches/{self.batch}/close", because)
        check("closing", (closed.status, closed.body.get("state")), (200, "closed"))
        check("a sale after that", await self._activate(self.at_kiosk, self.cards[2]) != "00", True)
        check("counted", await self._counted(), (0, 1, VALUE, True))

    @step("The day is settled: the kiosk keeps the cash it has taken, and is paid the less")
    async def day_ends(self) -> None:
        day = self.world.today()
        of_shop = await day_is_settled(self.world, self.shop)
        of_kiosk = await statement_of(self.kiosk, day)
        names = ("captured", "loaded", "fees", "paid")
        found = [of_shop[name] for name in names]
        check("the shop", found, [VALUE, 0, fee_of(VALUE), VALUE - fee_of(VALUE)])
        due = CHARGED - VALUE - fee_of(CHARGED)
        check("the kiosk", [of_kiosk[name] for name in names], [CHARGED, VALUE, fee_of(CHARGED), due])
        await payout_arrives(self.world, self.shop, of_shop)
        await payout_arrives(self.world, self.kiosk, of_kiosk)

    @step("Everybody is paid: every account is at zero but for the fees, and nothing is left to reconcile")
    async def all_is_zero(self) -> None:
        await all_is_zero_but_fees(self.world, fee_of(VALUE) + fee_of(CHARGED))
        merchants = [self.world.merchant(role).id for role in ("shop", "kiosk")]
        await nothing_is_left_to_reconcile(self.world, *merchants, self.batch)

    async def _pay(self, till: Till, card: Printed, amount: int) -> Receipt:
        return await till.purchase(card.number, card.expiry, None, amount, entry="swipe", pin=card.pin)

    async def _activate(self, till: Till, card: Printed, value: int = VALUE) -> str:
        return (await till.activate(card.shown(), value)).response_code

    async def _charge(self, card: Printed) -> tuple[int, str | None]:
        """Charge it by number and PIN, and pay by bank transfer where that is possible."""
        shown = {"card_number": card.number.reveal(), "pin": card.pin.reveal(), "amount": CHARGED}
        charge = await self.world.person("Customer").post("/v1/charges", {**TRANSFER, **shown})
        if charge.status == 201:
            pay_to: Mapping[str, Any] = charge.body["pay_to"]
            await self.world.pay_by_bank("Customer", CHARGED, pay_to["reference"])
        return charge.status, charge.body.get("code")

    async def _counted(self) -> tuple[int, int, int, bool]:
        """How many are not sold, how many are, for how much, and whether cards and ledger agree."""
        batch = (await self.world.operator.get(f"/v1/card_batches/{self.batch}")).body
        names = ("unsold", "activated", "activated_value", "agrees")
        unsold, activated, value, agrees = (batch["counts"][name] for name in names)
        return unsold, activated, value, agrees
