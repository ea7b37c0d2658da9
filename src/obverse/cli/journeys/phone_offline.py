"""PC-J3: a phone without a network shows codes that it fetched before, each in its time, until they end."""

from datetime import timedelta
from typing import Final

from obverse.cli.journeys.money import (
    all_is_zero_but_fees,
    day_is_settled,
    fee_of,
    nothing_is_left_to_reconcile,
    payout_arrives,
)
from obverse.cli.journeys.phones import charged_card, read, scans, sets_up_phone, shows_code
from obverse.cli.journeys.running import Journey, StepFailed, check, step
from obverse.cli.journeys.wallets import (
    WalletMember,
    balance_of,
    join_in_full,
    letter_to,
    opens_wallet,
    programme_on_sale,
    rest_goes_back,
    takes_prepaid_cards,
)
from obverse.cli.journeys.world import Caller, Number, eventually
from obverse.kit.secret import Secret
from obverse.sandbox.phone import NoNetwork, Phone, Refused
from obverse.sandbox.terminal import Till

PIN: Final = "7416"
VALUE: Final = 50_000
PRICE: Final = 10_000
CODES: Final = 3
INTERVAL: Final = timedelta(minutes=3)
"""How long each is shown, and how much longer it pays: OBVERSE_CODE_INTERVAL_S, and a grace for clocks."""
GRACE: Final = timedelta(seconds=30)
WRONG_BY: Final = timedelta(hours=9)
"""How far the phone's clock is behind, which nobody has set."""


class PhoneOffline(Journey):
    code = "PC-J3"
    title = "A phone without a network shows codes that it has fetched before"

    shop: Caller
    till: Till
    member: WalletMember
    bitna: Caller
    card: Number
    phone: Phone
    photograph: Secret
    on_lost_phone: Secret

    @step("A corner shop joins; Bitna joins too, and has a prepaid card of 50,000 won")
    async def opens(self) -> None:
        await self.world.wait_until_tomorrow()  # minutes will pass, and all payments are to be of one day
        place = await takes_prepaid_cards(self.world, "shop", "Corner Shop", "5411")
        self.shop = self.world.person(place.name, place.api_key)
        self.till = self.world.till("shop")
        programme = await programme_on_sale(self.world, "Wallet card", charge_unit=1_000)
        self.member = await join_in_full(self.world, "Bitna")
        self.bitna = await opens_wallet(self.world, self.member)
        self.card = await charged_card(self.world, self.bitna, programme, PIN, VALUE)

    @step("At home her phone fetches three codes, each for three minutes; then it goes off the net")
    async def goes_offline(self) -> None:
        self.phone = await sets_up_phone(self.world, self.member, slow=WRONG_BY)
        await self.phone.fetch(self.card.card, CODES)
        text = (await letter_to(self.world, self.member.mobile, "payment codes made"))["text"]
        check("she is told how many", f"{CODES} payment codes" in text, True)
        self.phone.has_network = False
        try:
            await self.phone.fetch(self.card.card)
        except NoNetwork:
            return
        raise StepFailed("A phone without a network has fetched codes.")

    @step("In the basement the till scans the first for 10,000 won: approved; until the next there is none")
    async def pays(self) -> None:
        await self._pays()
        check("a code to show", shows_code(self.phone), False)

    @step("Three minutes later its second code is there; somebody photographs it, and nobody pays with it")
    async def is_photographed(self) -> None:
        await self.world.let_pass(INTERVAL)
        self.photograph = read(self.world, self.phone.show(), "a camera")

    @step("The third code pays in its own time; the old photograph is declined (14), and Bitna hears of that")
    async def old_photograph(self) -> None:
        await self.world.let_pass(INTERVAL + GRACE)
        await self._pays()
        tried = await self.till.scan(self.photograph, PRICE)
        check("the photograph", (tried.response_code, tried.approval_code), ("14", None))
        letter = await letter_to(self.world, self.member.mail, "An old payment code was tried")
        check("where", self.till.shop.name in letter["text"], True)
        check("the balance", await balance_of(self.bitna, self.card.card), (VALUE - 2 * PRICE, 0))

    @step("After the last one the phone says that it has none; on the net again others come by themselves")
    async def comes_back(self) -> None:
        await self.world.let_pass(INTERVAL)
        check("a code to show", shows_code(self.phone), False)
        await self.phone.start()
        try:
            self.phone.has_network = True
            check("a code to show", await eventually(self._shows_code, True), True)
            await self._pays()
            self.on_lost_phone = read(self.world, self.phone.show(), "a camera")
        finally:
            await self.phone.stop()

    @step("The phone is lost: Bitna removes it, what is on it pays nothing (14), and it gets no more codes")
    async def is_lost(self) -> None:
        removed = await self.bitna.post(f"/v1/devices/{self.phone.device}/remove")
        check("removing", (removed.status, removed.body.get("removed") is not None), (200, True))
        lost = await self.till.scan(self.on_lost_phone, PRICE)
        check("the answer", lost.response_code, "14")
        try:
            await self.phone.fetch(self.card.card)
        except Refused as refused:
            check("more codes", refused.code, "device_not_found")
        else:
            raise StepFailed("A phone that was removed has fetched codes.")
        check("the balance", await balance_of(self.bitna, self.card.card), (VALUE - 3 * PRICE, 0))

    @step("She has the rest paid out; the day is settled, and the bank pays the shop its sales less the fees")
    async def day_ends(self) -> None:
        await rest_goes_back(self.world, self.bitna, self.card.card, VALUE - 3 * PRICE)
        statement = await day_is_settled(self.world, self.shop)
        found = [statement[name] for name in ("captured", "paid")]
        check("the statement", found, [3 * PRICE, 3 * (PRICE - fee_of(PRICE))])
        await payout_arrives(self.world, self.shop, statement)

    @step("Every account is at zero but for the fees, and nothing is left to reconcile")
    async def all_is_zero(self) -> None:
        await all_is_zero_but_fees(self.world, 3 * fee_of(PRICE))
        await nothing_is_left_to_reconcile(self.world, self.world.merchant("shop").id, self.card.card)

    async def _pays(self) -> None:
        paid = await scans(self.world, self.till, self.phone, PRICE)
        check("the answer", paid.response_code, "00")
        await self.phone.paid()

    async def _shows_code(self) -> bool:
        return shows_code(self.phone)
