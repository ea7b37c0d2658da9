"""OT-J3: the provider is the card company; a shop's till; the number comes on a phone."""

from datetime import date

from obverse.cli.journeys.money import (
    all_is_zero_but_fees,
    becomes_merchant,
    bill_is_paid,
    bill_of,
    day_is_settled,
    fee_of,
    nothing_is_left_to_reconcile,
    payout_arrives,
)
from obverse.cli.journeys.people import Member, books_balance, only_payment, register, sign_in, take_number
from obverse.cli.journeys.running import Journey, check, step
from obverse.cli.journeys.world import Caller, Number
from obverse.sandbox.terminal import Receipt, Till


class ShopTill(Journey):
    code = "OT-J3"
    title = "Card company as provider, shop till, phone"

    member: Member
    sora: Caller
    number: Number
    till: Till
    receipt: Receipt
    shop: Caller
    bought_on: date

    @step("A corner shop applies to be a merchant; the operator approves it, and it fetches its first key")
    async def shop_joins(self) -> None:
        place = await becomes_merchant(self.world, "shop", "Corner Shop", "5411")
        self.shop = self.world.person(place.name, place.api_key)

    @step("Sora registers for the provider's own credit")
    async def registers(self) -> None:
        self.member = await register(self.world, "Sora")

    @step("At the till she signs in on her phone and takes a number for this shop, 20,000 won at most")
    async def takes_number(self) -> None:
        self.sora = await sign_in(self.world, self.member)
        shop = self.world.merchant("shop")
        self.number = await take_number(self.sora, amount_limit=20_000, merchant=shop.id)
        self.till = self.world.till("shop")

    @step("At another merchant's till the number is declined, and not used up")
    async def elsewhere(self) -> None:
        receipt = await self._type_in(self.world.till("kiosk"), 12_000)
        check("the kiosk's answer", receipt.response_code, "58")

    @step("The cashier types it in for 12,000 won: till, clearing house, Obverse")
    async def pays(self) -> None:
        self.receipt = await self._type_in(self.till, 12_000)
        check("the answer", self.receipt.response_code, "00")
        payment = await only_payment(self.sora, self.number.card)
        check("approval code", payment["approval_code"], self.receipt.approval_code)
        check("the terminal", payment["terminal"], self.till.shop.terminal)

    @step("The till has lost the answer and repeats (0101): the same approval code")
    async def repeats(self) -> None:
        again = await self.till.repeat()
        found = (again.response_code, again.approval_code)
        check("the answer", found, ("00", self.receipt.approval_code))

    @step("The number is used up: a second purchase is declined")
    async def second_use(self) -> None:
        check("the answer", (await self._type_in(self.till, 1_000)).response_code, "57")

    @step("The cashier takes the purchase back (0400), and the till sends that twice (0420)")
    async def reverses(self) -> None:
        check("the reversal", (await self.till.reverse(self.receipt)).response_code, "00")
        check("once more", (await self.till.reverse(self.receipt, advice=True)).response_code, "00")
        check("the payment", (await only_payment(self.sora, self.number.card))["status"], "reversed")

    @step("The number stays used up, and the books balance")
    async def stays_used(self) -> None:
        check("the answer", (await self._type_in(self.till, 1_000)).response_code, "57")
        await books_balance(self.world)

    @step("She takes another number and pays 15,000 won, which goes into the till's batch of the day")
    async def pays_again(self) -> None:
        shop = self.world.merchant("shop")
        self.number = await take_number(self.sora, amount_limit=20_000, merchant=shop.id)
        receipt = await self._type_in(self.till, 15_000)
        check("the answer", receipt.response_code, "00")
        self.till.claim(receipt, 15_000)
        self.bought_on = self.world.today()

    @step("The shop closes: totals (0500) differ, the till uploads its batch (0320), then they agree")
    async def closes(self) -> None:
        check("totals", (await self.till.reconcile()).response_code, "95")
        check("uploads", [r.response_code for r in await self.till.upload()], ["00"])
        check("once more", [r.response_code for r in await self.till.upload()], ["00"])
        check("totals", (await self.till.close_day()).response_code, "00")

    @step("The business day is settled, and the bank pays the shop 15,000 won less the fee")
    async def shop_is_paid(self) -> None:
        statement = await day_is_settled(self.world, self.shop)
        paid = 15_000 - fee_of(15_000)
        check("the statement", [statement[name] for name in ("captured", "paid")], [15_000, paid])
        await payout_arrives(self.world, self.shop, statement)
        check("the shop's account", await self.world.bank_balance(self.world.merchant("shop")), paid)

    @step("The month ends: Sora is billed 15,000 won, and pays by bank transfer")
    async def is_billed(self) -> None:
        self.sora, bill = await bill_of(self.world, self.member, self.bought_on)
        check("the bill", bill["balance"], 15_000)
        await bill_is_paid(self.world, self.sora, bill, 15_000)

    @step("Everybody is paid: every account is at zero but for the fee, and nothing is left to reconcile")
    async def all_is_zero(self) -> None:
        await all_is_zero_but_fees(self.world, fee_of(15_000))
        await nothing_is_left_to_reconcile(self.world, self.world.merchant("shop").id, *self.member.sources)

    async def _type_in(self, till: Till, amount: int) -> Receipt:
        number = self.number
        return await till.purchase(number.number, number.expiry, number.cvv, amount, entry="typed")
