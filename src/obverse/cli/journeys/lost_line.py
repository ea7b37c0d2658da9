"""PC-J4: the till loses its line in the middle of a payment by code, asks what became of it, and cancels."""

from typing import Final

from obverse.cli.journeys.money import (
    all_is_zero_but_fees,
    day_is_settled,
    fee_of,
    nothing_is_left_to_reconcile,
    payout_arrives,
)
from obverse.cli.journeys.people import only_payment
from obverse.cli.journeys.phones import charged_card, read, scans, sets_up_phone
from obverse.cli.journeys.running import Journey, StepFailed, check, step
from obverse.cli.journeys.wallets import (
    WalletMember,
    balance_of,
    join_in_full,
    opens_wallet,
    programme_on_sale,
    rest_goes_back,
    takes_prepaid_cards,
)
from obverse.cli.journeys.world import Caller, Number
from obverse.kit.secret import Secret
from obverse.sandbox.errors import NoAnswer
from obverse.sandbox.phone import Phone
from obverse.sandbox.terminal import Receipt, Till

PIN: Final = "5028"
VALUE: Final = 50_000
PRICE: Final = 30_000
LESS: Final = 20_000


class LostLine(Journey):
    code = "PC-J4"
    title = "A till loses its line, asks what became of the payment, and cancels it"

    shop: Caller
    member: WalletMember
    joon: Caller
    card: Number
    phone: Phone
    till: Till
    scanned: Secret
    receipt: Receipt

    @step("A corner shop joins; Joon joins too, has a prepaid card of 50,000 won, and sets up a phone")
    async def opens(self) -> None:
        place = await takes_prepaid_cards(self.world, "shop", "Corner Shop", "5411")
        self.shop = self.world.person(place.name, place.api_key)
        self.till = self.world.till("shop")
        programme = await programme_on_sale(self.world, "Wallet card", charge_unit=1_000)
        self.member = await join_in_full(self.world, "Joon")
        self.joon = await opens_wallet(self.world, self.member)
        self.card = await charged_card(self.world, self.joon, programme, PIN, VALUE)
        self.phone = await sets_up_phone(self.world, self.member)
        await self.phone.fetch(self.card.card)

    @step("While Obverse cannot be reached the clearing house says so (91): the code is not used up")
    async def is_away(self) -> None:
        await self.world.set_van(line_down=True)
        away = await scans(self.world, self.till, self.phone, PRICE)
        await self.world.set_van()
        check("the answer", (away.response_code, away.approval_code), ("91", None))
        check("the balance", await balance_of(self.joon, self.card.card), (VALUE, 0))

    @step("The same code is scanned for 30,000 won, and the till's line breaks before the answer comes")
    async def loses_line(self) -> None:
        self.scanned = read(self.world, self.phone.show(), self.till.shop.name)
        self.till.lose_line()
        try:
            await self.till.scan(self.scanned, PRICE)
        except NoAnswer:
            self.world.tell(self.till.shop.name, "cashier", "no answer: it may have been paid, or not")
        else:
            raise StepFailed("The till has heard an answer over a line that was cut.")

    @step("The till asks what became of it (0201): approved, and asking again tells the same")
    async def asks(self) -> None:
        self.receipt = await self.till.ask_again()
        again = await self.till.ask_again()
        payment = await only_payment(self.joon, self.card.card)
        codes = [told.approval_code for told in (self.receipt, again)] + [payment["approval_code"]]
        check("one approval code", (self.receipt.response_code, len(set(codes))), ("00", 1))
        check("the entry", payment["entry"], "barcode")
        check("paid once", await balance_of(self.joon, self.card.card), (VALUE - PRICE, 0))

    @step(
        "Joon does not want to wait: the till cancels (0400), loses that answer too, and says it again (0420)"
    )
    async def cancels(self) -> None:
        self.till.lose_line()
        check("the reversal", (await self.till.cancel()).response_code, "00")
        check("the payment", (await only_payment(self.joon, self.card.card))["status"], "reversed")
        check("the money is back", await balance_of(self.joon, self.card.card), (VALUE, 0))

    @step("That is final: the till hears that it was taken back, and the same code pays nothing any more")
    async def is_final(self) -> None:
        check("asked again", (await self.till.ask_again()).response_code, "21")
        check("cancelled again", (await self.till.cancel(self.receipt)).response_code, "00")
        check("the same code", (await self.till.scan(self.scanned, PRICE)).response_code, "14")
        check("the balance", await balance_of(self.joon, self.card.card), (VALUE, 0))

    @step("The phone has forgotten that code and fetched another, with which Joon pays 20,000 won")
    async def pays(self) -> None:
        await self.phone.paid()
        check("another code", self.phone.show().digits == self.scanned, False)
        paid = await scans(self.world, self.till, self.phone, LESS)
        check("the answer", paid.response_code, "00")
        check("the balance", await balance_of(self.joon, self.card.card), (VALUE - LESS, 0))

    @step(
        "Joon has the rest paid out; the day is settled, and the bank pays the shop 20,000 won less the fee"
    )
    async def day_ends(self) -> None:
        await rest_goes_back(self.world, self.joon, self.card.card, VALUE - LESS)
        statement = await day_is_settled(self.world, self.shop)
        found = [statement[name] for name in ("captured", "reversed", "paid")]
        check("the statement", found, [PRICE + LESS, PRICE, LESS - fee_of(LESS)])
        await payout_arrives(self.world, self.shop, statement)

    @step("Every account is at zero but for the fee, and nothing is left to reconcile")
    async def all_is_zero(self) -> None:
        await all_is_zero_but_fees(self.world, fee_of(LESS))
        await nothing_is_left_to_reconcile(self.world, self.world.merchant("shop").id, self.card.card)
