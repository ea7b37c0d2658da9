"""WA-J2: an affiliated mall with a filled form: the wallet fills in card and person; both are compared."""

from collections.abc import Mapping
from typing import Any, Final

from obverse.cli.journeys.money import (
    all_is_zero_but_fees,
    day_is_settled,
    fee_of,
    nothing_is_left_to_reconcile,
    payout_arrives,
)
from obverse.cli.journeys.running import Journey, check, step
from obverse.cli.journeys.wallets import (
    WalletMember,
    apply_for_card,
    balance_of,
    charge,
    charge_arrives,
    join_in_full,
    letter_to,
    opens_wallet,
    pays_with_pin,
    programme_on_sale,
    takes_prepaid_cards,
)
from obverse.cli.journeys.world import Caller, Number

PIN: Final = "7305"


class FilledForm(Journey):
    code = "WA-J2"
    title = "Affiliated mall, filled form: what the page says of the member is compared"

    mall: Caller
    programme: str
    member: WalletMember
    nari: Caller
    browser: Caller
    card: Number
    form: Mapping[str, str]
    order: Mapping[str, Any]
    statement: Mapping[str, Any]

    @step("A mall that takes prepaid cards joins; the operator puts the wallet's card on sale")
    async def opens(self) -> None:
        place = await takes_prepaid_cards(self.world, "mall", "Hanbit Mall", "5732")
        self.mall = self.world.person(place.name, place.api_key)
        self.programme = await programme_on_sale(self.world, "Wallet card", charge_unit=1_000)

    @step("Nari joins, wants her statements as text messages, and applies for a prepaid card")
    async def joins(self) -> None:
        self.member = await join_in_full(self.world, "Nari", statements="sms")
        self.nari = await opens_wallet(self.world, self.member)
        self.browser = self.world.at_the_mall("Nari")
        self.card = await apply_for_card(self.nari, self.programme, PIN, name="For malls")

    @step("She charges it with 20,000 won by bank transfer: nothing is on the card before the money has come")
    async def charges(self) -> None:
        charged = await charge(self.nari, self.card.card, 20_000, "bank_transfer")
        check("the charge", charged["status"], "open")
        check("the balance", await balance_of(self.nari, self.card.card), (0, 0))
        await self.world.pay_by_bank("Nari", 20_000, charged["pay_to"]["reference"])
        await charge_arrives(self.nari, charged)
        check("the balance", await balance_of(self.nari, self.card.card), (20_000, 0))

    @step("Her wallet fills in the mall's page; with a wrong name, phone or mail the payment is declined")
    async def differs(self) -> None:
        at_home = f"0{self.member.mobile.removeprefix('+82')}"
        self.form = {"name": self.member.name.upper(), "phone": at_home, "mail": self.member.mail}
        wrong = {"name": "Somebody", "phone": at_home[:-1] + "2", "mail": "somebody@mail.example"}
        for field, value in wrong.items():
            order = await self._pay(self.form | {field: value})
            found = (order["status"], order["code"])
            check(f"a wrong {field}", found, ("declined", "card_not_accepted"))
        check("the balance", await balance_of(self.nari, self.card.card), (20_000, 0))

    @step("With everything right it is approved: mall, Obverse, mall")
    async def pays(self) -> None:
        self.order = await self._pay(self.form)
        check("the order", self.order["status"], "paid")
        check("the balance", await balance_of(self.nari, self.card.card), (0, 20_000))
        payments = (await self.nari.get(f"/v1/payments?card={self.card.card}")).body["data"]
        declined = [(p["status"], (p["decline"] or {}).get("code")) for p in payments]
        expected = [("approved", None)] + [("declined", "wrong_details")] * 3
        check("what Nari sees", declined, expected)

    @step(
        "The mall claims; the day ends, the mall is owed the sale less the fee, and Nari gets a text message"
    )
    async def day_ends(self) -> None:
        claim = await self.mall.post(f"/v1/payments/{self.order['payment']}/capture")
        check("the claim", (claim.status, claim.body.get("captured")), (200, 20_000))
        self.statement = await day_is_settled(self.world, self.mall)
        due = 20_000 - fee_of(20_000)
        check("the statement", [self.statement[name] for name in ("captured", "paid")], [20_000, due])
        message = await letter_to(self.world, self.member.mobile, "2 transactions")
        check("it names the mall", "Hanbit Mall" in message["text"], True)

    @step(
        "The bank pays the mall: every account is at zero but for the fee, and nothing is left to reconcile"
    )
    async def all_is_zero(self) -> None:
        await payout_arrives(self.world, self.mall, self.statement)
        await all_is_zero_but_fees(self.world, fee_of(20_000))
        mall = self.world.merchant("mall").id
        await nothing_is_left_to_reconcile(self.world, self.order["payment"], mall)

    async def _pay(self, holder: Mapping[str, str]) -> Mapping[str, Any]:
        return await pays_with_pin(self.browser, self.card, PIN, 20_000, "direct", holder=holder)
