"""PP-J1: prepaid cards ordered without an account, paid by a real card, told by mail, one of them spent."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from obverse.cli.journeys.money import (
    all_is_zero_but_fees,
    day_is_settled,
    fee_of,
    nothing_is_left_to_reconcile,
    payout_arrives,
)
from obverse.cli.journeys.places import LinkedCard
from obverse.cli.journeys.prepaid import (
    ORDERS,
    Drawn,
    by_card,
    cards_of,
    cards_on_sale,
    comes_to,
    history_of,
    left_on,
    line,
    mailbox,
    order_becomes,
    place_order,
    random_key,
    refunds,
    secrets_in,
    set_up,
    token_in,
)
from obverse.cli.journeys.running import Journey, check, step
from obverse.cli.journeys.wallets import letter_to, pays_with_pin, takes_prepaid_cards
from obverse.cli.journeys.world import Caller

PIN: Final = "590218"
TOTAL: Final = 3 * 5_000 + 2 * 10_000
LAST: Final = 5
"""The piece that is set up and spent: one of 10,000 won."""


class CardsByOrder(Journey):
    code = "PP-J1"
    title = "Ordered without an account, delivered by mail, one spent"

    mall: Caller
    kim: Caller
    mail: str
    programme: str
    lines: Sequence[Mapping[str, Any]]
    real_card: LinkedCard
    buyer: Caller
    cards: Sequence[Drawn]
    holder: Caller
    order: Mapping[str, Any]
    statement: Mapping[str, Any]

    @step("A mall that takes prepaid cards joins; the operator puts cards on sale, and anybody sees them")
    async def opens(self) -> None:
        place = await takes_prepaid_cards(self.world, "mall", "Hanbit Mall", "5732")
        self.mall = self.world.person(place.name, place.api_key)
        self.programme = await cards_on_sale(self.world, "Prepaid card", validity_months=12)
        self.kim, self.mail = self.world.person("Kim"), mailbox(self.world, "kim")
        catalogue = (await self.kim.get("/v1/catalogue")).body["data"]
        check("in the catalogue", self.programme in [entry["programme"] for entry in catalogue], True)

    @step("Kim asks what 3 x 5,000 and 2 x 10,000 won cost; orders of 0 and of 100 pieces are refused")
    async def asks(self) -> None:
        self.lines = [line(self.programme, 5_000, 3), line(self.programme, 10_000, 2)]
        self.real_card = await self.world.issue_real_card()
        quote = await self.kim.post("/v1/orders/quote", {"lines": self.lines})
        check("the quote", (quote.body["pieces"], quote.body["total"]), (5, TOTAL))
        for count in (0, 100):
            lines = [line(self.programme, 5_000, count)]
            answer = await place_order(
                self.kim, self.mail, lines, by_card(self.real_card), key=random_key(self.world)
            )
            found = (answer.status, answer.body.get("param"))
            check(f"an order of {count}", found, (400, "lines[0].count"))
        check("held", await self.world.owed_to_card_company(self.real_card), (0, 0))

    @step("Kim's first card does not pay: nothing is allocated, and there is nothing to see")
    async def is_declined(self) -> None:
        poor = await self.world.issue_real_card(limit=TOTAL - 1)
        answer = await place_order(self.kim, self.mail, self.lines, by_card(poor), key=random_key(self.world))
        found = (answer.status, answer.body.get("status"), answer.body.get("done"))
        check("the order", found, (201, "declined", 0))
        buyer = self.world.person("Kim", answer.body["token"])
        early = await buyer.post("/v1/orders/current/reveal")
        check("looking at the cards", (early.status, early.body["code"]), (409, "order_not_open"))
        check("letters", len(await self.world.letters_to(self.mail)), 0)

    @step("Kim orders again, with another card, and sends it twice: it is paid once, and the cards are made")
    async def pays(self) -> None:
        payment, key = by_card(self.real_card), random_key(self.world)
        first, again = [
            await place_order(self.kim, self.mail, self.lines, payment, key=key) for _ in range(2)
        ]
        check("the same order", (first.status, again.body["id"]), (201, first.body["id"]))
        self.buyer = self.world.person("Kim", first.body["token"])
        await order_becomes(self.buyer, "allocated")
        check("held", await self.world.owed_to_card_company(self.real_card), (TOTAL, 0))

    @step("A mail has come with masked numbers and a link; the page behind the link shows numbers and PINs")
    async def reads_mail(self) -> None:
        letter = await letter_to(self.world, self.mail, "cards you ordered are ready")
        self.buyer = self.world.person("Kim", token_in(letter, ORDERS))
        self.cards = await cards_of(self.buyer)
        numbers = [card.number.number for card in self.cards]
        check("different numbers", len({number.reveal() for number in numbers}), 5)
        check("how many of them the mail tells", secrets_in(letter, *numbers), 0)
        check("PINs in it", secrets_in(letter, *[card.pin for card in self.cards]), 0)
        masked = [number.reveal()[-4:] in letter["text"] for number in numbers]
        check("their last digits", masked, [True] * 5)

    @step("Nothing can be bought before a card is set up; Kim gives one of 10,000 won a PIN: it is active")
    async def sets_up(self) -> None:
        card = self.cards[LAST - 1]
        early = await self._pay(card.pin.reveal(), 10_000)
        check("before", early["status"], "declined")
        token = await set_up(self.buyer, LAST, PIN)
        self.holder = self.world.person("Kim", token.reveal())
        check("the card", (await self.holder.get("/v1/claims/current")).body["state"], "active")
        check("the balance", await left_on(self.holder), (10_000, 0))

    @step("Kim pays 10,000 won at the mall with number and PIN: mall, Obverse, mall; a wrong PIN is declined")
    async def spends(self) -> None:
        check("a wrong PIN", (await self._pay(PIN[::-1], 10_000))["status"], "declined")
        self.order = await self._pay(PIN, 10_000)
        check("the order", self.order["status"], "paid")
        check("the balance", await left_on(self.holder), (0, 10_000))
        check(
            "the history",
            await history_of(self.holder),
            [("bought", 10_000, 10_000), ("payment", -10_000, 0)],
        )

    @step(
        "The card that was used is not taken back; what is on the other four Kim has paid to a bank account"
    )
    async def gives_back(self) -> None:
        used = await self.buyer.post("/v1/orders/current/cancel", {"pieces": [LAST]})
        check("taking it back", (used.status, used.body["code"]), (409, "piece_not_open"))
        account = await self.world.open_bank_account("Kim")
        for piece, amount in enumerate((5_000, 5_000, 5_000, 10_000), 1):
            token = await set_up(self.buyer, piece, PIN)
            await refunds(self.world.person("Kim", token.reveal()), account, amount, key="the rest")
        await comes_to(self.world, account, TOTAL - 10_000)

    @step("The mall claims; the day ends, and the bank pays the mall 10,000 won less the fee")
    async def day_ends(self) -> None:
        claim = await self.mall.post(f"/v1/payments/{self.order['payment']}/capture")
        check("the claim", (claim.status, claim.body.get("captured")), (200, 10_000))
        self.statement = await day_is_settled(self.world, self.mall)
        due = 10_000 - fee_of(10_000)
        check("the statement", [self.statement[name] for name in ("captured", "paid")], [10_000, due])
        await payout_arrives(self.world, self.mall, self.statement)

    @step("Every account is at zero but for the fee: the real card has paid for five cards")
    async def all_is_zero(self) -> None:
        await all_is_zero_but_fees(self.world, fee_of(10_000))
        bill = await self.world.bill_of_card_company(self.real_card)
        check("the card company's bill", (bill["total"], bill["owed"]), (TOTAL, TOTAL))
        check("paid", (await self.world.pay_bill_of_card_company(self.real_card))["owed"], 0)
        mall = self.world.merchant("mall").id
        await nothing_is_left_to_reconcile(self.world, self.order["payment"], mall)

    async def _pay(self, pin: str, amount: int) -> Mapping[str, Any]:
        browser, card = self.world.at_the_mall("Kim"), self.cards[LAST - 1]
        return await pays_with_pin(browser, card.number, pin, amount, "direct")
