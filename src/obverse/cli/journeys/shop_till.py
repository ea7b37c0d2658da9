"""OT-J3: the provider is the card company; a shop's till; the number comes on a phone."""

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

    async def _type_in(self, till: Till, amount: int) -> Receipt:
        number = self.number
        return await till.purchase(number.number, number.expiry, number.cvv, amount, entry="typed")
