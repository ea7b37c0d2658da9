"""WA-J1: an affiliated mall with a matched order: the wallet leaves it, the mall names it, no card is shown.

From joining with a full profile until everybody is paid: the mall by the provider, the provider by the card
company of the linked card, the card company by its cardholder.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from obverse.cli.journeys.money import (
    all_is_zero_but_fees,
    day_is_settled,
    fee_of,
    nothing_is_left_to_reconcile,
    payout_arrives,
)
from obverse.cli.journeys.places import LinkedCard
from obverse.cli.journeys.running import Journey, check, step
from obverse.cli.journeys.wallets import (
    WalletMember,
    apply_for_card,
    balance_of,
    charge,
    charge_arrives,
    join_in_full,
    letter_to,
    links_card,
    opens_wallet,
    programme_on_sale,
    rest_goes_back,
    takes_prepaid_cards,
)
from obverse.cli.journeys.world import Answer, Caller, Number

PIN: Final = "4821"
TEA: Final[Mapping[str, Any]] = {"name": "Green tea", "quantity": 2, "unit_amount": 4_500}
CUP: Final[Mapping[str, Any]] = {"name": "Cup", "quantity": 1, "unit_amount": 25_000}
MATCHED: Final = "/v1/checkouts/matched_payments"


class MatchedOrder(Journey):
    code = "WA-J1"
    title = "Affiliated mall, matched order: no card number and nothing personal passes the mall"

    mall: Caller
    programme: str
    real_card: LinkedCard
    member: WalletMember
    hana: Caller
    browser: Caller
    card: Number
    cart: Answer
    order: Mapping[str, Any]
    checkout: Caller
    paid: Answer
    statement: Mapping[str, Any]

    @step("A mall that takes prepaid cards joins; the operator puts the wallet's card on sale")
    async def opens(self) -> None:
        place = await takes_prepaid_cards(self.world, "mall", "Hanbit Mall", "5732")
        self.mall = self.world.person(place.name, place.api_key)
        self.programme = await programme_on_sale(self.world, "Wallet card", charge_unit=1_000)

    @step("Hana asks whether member ID and nickname are free, joins with her full profile, and signs in")
    async def joins(self) -> None:
        self.member = await join_in_full(self.world, "Hana")
        self.hana = await opens_wallet(self.world, self.member)
        self.browser = self.world.at_the_mall("Hana")

    @step("She puts her credit card into the wallet: its card company says that it is hers")
    async def links(self) -> None:
        self.real_card = await self.world.issue_real_card()
        await links_card(self.hana, self.real_card)
        check("held by a check", await self.world.owed_to_card_company(self.real_card), (0, 0))

    @step("She applies for a prepaid card: the number is there at once, and announced by mail, masked")
    async def applies(self) -> None:
        self.card = await apply_for_card(self.hana, self.programme, PIN, name="For malls", tell_of_use=True)
        letter = await letter_to(self.world, self.member.mail, "Your new card")
        number, told = self.card.number.reveal(), letter["text"] + letter["html"]
        check("the last digits in the mail", number[-4:] in told, True)
        check("the number or the PIN in the mail", [s for s in (number, PIN) if s in told], [])

    @step("She charges it with 50,000 won from the credit card")
    async def charges(self) -> None:
        sources = (await self.hana.get("/v1/funding_sources")).body["data"]
        (source,) = [each["id"] for each in sources if each["kind"] == "linked_card"]
        for _ in range(2):  # the same request twice charges once
            charged = await charge(self.hana, self.card.card, 50_000, "card", source=source)
        await charge_arrives(self.hana, charged)
        check("the balance", await balance_of(self.hana, self.card.card), (50_000, 0))
        check("held on the credit card", await self.world.owed_to_card_company(self.real_card), (50_000, 0))
        await letter_to(self.world, self.member.mail, "50,000")

    @step("At the mall she fills a cart for 34,000 won; her wallet leaves the order with Obverse")
    async def leaves_order(self) -> None:
        self.cart = await self.browser.post("/carts", {"items": [TEA, CUP]})
        self.order = self.cart.body
        check("the cart", self.order["total"], 34_000)
        self.checkout = await self._leave()
        check("the order", (await self.checkout.get("/v1/checkouts/current")).body["state"], "kept")

    @step("Another mall, another customer, other items: refused; after three the order is void")
    async def differs(self) -> None:
        elsewhere = self.world.person("Corner Shop", self.world.merchant("shop").api_key)
        missing = (404, "checkout_not_found", None)
        check("another mall", await self._ask(elsewhere), missing)
        check("another customer", await self._ask(self.mall, reference="customer-1"), missing)
        wrong_sum = (400, "invalid_request", "total")
        check("a total that is no sum", await self._ask(self.mall, total=33_999), wrong_sum)
        check("in dollars", await self._ask(self.mall, currency="USD"), _mismatch("currency"))
        check("one item less", await self._ask(self.mall, CUP), _mismatch("items"))
        beans = {**TEA, "name": "Coffee beans"}
        check("another item", await self._ask(self.mall, beans, CUP), _mismatch("items.name"))
        check("now the right one", await self._ask(self.mall, TEA, CUP), (409, "checkout_void", None))
        check("the balance", await balance_of(self.hana, self.card.card), (50_000, 0))

    @step("The wallet leaves it once more; another quantity and another price are refused as well")
    async def leaves_it_again(self) -> None:
        self.checkout = await self._leave()
        more, dearer = {**TEA, "quantity": 3}, {**CUP, "unit_amount": 25_001}
        check("another quantity", await self._ask(self.mall, more, CUP), _mismatch("items.quantity"))
        check("another price", await self._ask(self.mall, TEA, dearer), _mismatch("items.unit_amount"))
        check("the order", (await self.checkout.get("/v1/checkouts/current")).body["state"], "kept")

    @step("The mall's server names the very order: approved, once, and asked again answered alike")
    async def pays(self) -> None:
        self.paid, again = [await self.browser.post(f"/orders/{self.order['order']}/collect") for _ in "12"]
        check("the order", (self.paid.body["status"], self.paid.body["card"]), ("paid", "in the wallet"))
        check("once more", again.body, self.paid.body)
        check("the balance", await balance_of(self.hana, self.card.card), (16_000, 34_000))
        kept = (await self.checkout.get("/v1/checkouts/current")).body
        check("the wallet sees", (kept["state"], kept["payment"]), ("paid", self.paid.body["payment"]))

    @step("In all that went through the mall there is no card number, no PIN, and nothing of Hana")
    async def mall_knows_nothing(self) -> None:
        place, member = self.world.merchant("mall"), self.member
        asked = [m for m in await self.world.traffic_of(place.name) if MATCHED in m["kind"]]
        check("the mall's own requests", len(asked), 2)
        orders = await self.browser.get("/orders")
        pages = [answer.text for answer in (self.cart, self.paid, orders)]
        passed = json.dumps(await self.world.traffic_of(place.name)).replace("\\", "") + "".join(pages)
        check(
            "it names the order", [self.order["reference"] in m["fields"]["whole"] for m in asked], [True] * 2
        )
        number, cvv = self.card.number.reveal(), self.card.cvv.reveal()
        personal = (member.name, member.id, member.chosen_id, member.mail, member.mobile)
        short = [f'"{value}"' for value in (number[-4:], cvv, PIN)]
        secrets = (number, *short, *personal)
        check("how many secrets passed the mall", sum(secret in passed for secret in secrets), 0)

    @step("Hana is told by mail at once: where, how much, and what is left")
    async def receipt(self) -> None:
        letter = await letter_to(self.world, self.member.mail, "paid at Hanbit Mall")
        code = self.paid.body["approval_code"]
        missing = [part for part in ("34,000", "16,000", code) if part not in letter["text"]]
        check("missing from the receipt", missing, [])

    @step("The mall claims the 34,000 won; Hana has the other 16,000 paid to her bank and closes the card")
    async def claims(self) -> None:
        claim = await self.mall.post(f"/v1/payments/{self.paid.body['payment']}/capture")
        check("the claim", (claim.status, claim.body.get("captured")), (200, 34_000))
        await rest_goes_back(self.world, self.hana, self.card.card, 16_000)

    @step("The day ends: the mall is owed 34,000 won less the fee, and Hana gets one statement of her day")
    async def day_ends(self) -> None:
        self.statement = await day_is_settled(self.world, self.mall)
        due = 34_000 - fee_of(34_000)
        check("the statement", [self.statement[name] for name in ("captured", "paid")], [34_000, due])
        letter = await letter_to(self.world, self.member.mail, "Your transactions of")
        missing = [
            part for part in ("Hanbit Mall", "34,000", "50,000", "16,000") if part not in letter["text"]
        ]
        check("missing from her statement", missing, [])

    @step("Her history has it all, with a running balance")
    async def looks_back(self) -> None:
        self.hana = await opens_wallet(self.world, self.member)
        history = (await self.hana.get(f"/v1/history?card={self.card.card}")).body["data"]
        lines = [(entry["kind"], entry["amount"], entry["balance"]) for entry in reversed(history)]
        expected = [("charge", 50_000, 50_000), ("payment", -34_000, 16_000), ("payout", -16_000, 0)]
        check("the history", lines, expected)

    @step("The bank pays the mall; the credit card's company bills Hana 50,000 won, and she pays")
    async def all_are_paid(self) -> None:
        await payout_arrives(self.world, self.mall, self.statement)
        due = 34_000 - fee_of(34_000)
        check("the mall's account", await self.world.bank_balance(self.world.merchant("mall")), due)
        bill = await self.world.bill_of_card_company(self.real_card)
        check("her card company's bill", (bill["total"], bill["owed"]), (50_000, 50_000))
        check("paid", (await self.world.pay_bill_of_card_company(self.real_card))["owed"], 0)

    @step("Everybody is paid: every account is at zero but for the fee, and nothing is left to reconcile")
    async def all_is_zero(self) -> None:
        await all_is_zero_but_fees(self.world, fee_of(34_000))
        mall = self.world.merchant("mall").id
        await nothing_is_left_to_reconcile(self.world, self.paid.body["payment"], mall)

    async def _leave(self) -> Caller:
        """Leave the order, to be paid with the card; the wallet program, with the session it got."""
        told = {name: self.order[name] for name in ("merchant", "reference", "items", "total", "currency")}
        kept = await self.hana.post("/v1/checkouts", told | {"card": self.card.card})
        check("leaving the order", kept.status, 201)
        return self.world.person("Wallet program", kept.body["session"])

    async def _ask(
        self, mall: Caller, *items: Mapping[str, Any], **changes: str | int
    ) -> tuple[int, str | None, str | None]:
        """Ask for the money of an order; status, code, and which field is different."""
        named = items or (TEA, CUP)
        total = sum(item["quantity"] * item["unit_amount"] for item in named)
        order = {"reference": self.order["reference"], "items": named, "total": total, "currency": "KRW"}
        answer = await mall.post(MATCHED, order | changes)
        return answer.status, answer.body.get("code"), answer.body.get("param")


def _mismatch(field: str) -> tuple[int, str, str]:
    return 409, "checkout_mismatch", field
