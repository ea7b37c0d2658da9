"""PC-J2: a PC scans the code off a phone at an online mall, and its holder proves who they are."""

from collections.abc import Mapping
from typing import Any, Final

from obverse.cli.journeys.money import (
    all_is_zero_but_fees,
    day_is_settled,
    fee_of,
    nothing_is_left_to_reconcile,
    payout_arrives,
)
from obverse.cli.journeys.phones import adds_passkey, charged_card, name_of_phone, sets_up_phone
from obverse.cli.journeys.running import Journey, check, step
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
from obverse.sandbox.phone import Passkey, Phone, Scanner

PIN: Final = "3169"
VALUE: Final = 100_000
PRICE: Final = 60_000
"""More than a code pays without a proof (OBVERSE_CODE_PROOF_FROM_MINOR)."""
CHEAP: Final = 8_000


class PhoneAtMall(Journey):
    code = "PC-J2"
    title = "A PC scans the code off the phone's screen at an online mall"

    mall: Caller
    browser: Caller
    member: WalletMember
    yuna: Caller
    card: Number
    phone: Phone
    passkey: Passkey
    scanned: Secret
    order: Mapping[str, Any]

    @step("A mall joins; Yuna joins too, and has a prepaid card of 100,000 won")
    async def opens(self) -> None:
        place = await takes_prepaid_cards(self.world, "mall", "Hanbit Mall", "5732")
        self.mall = self.world.person(place.name, place.api_key)
        programme = await programme_on_sale(self.world, "Wallet card", charge_unit=1_000)
        self.member = await join_in_full(self.world, "Yuna")
        self.yuna = await opens_wallet(self.world, self.member)
        self.card = await charged_card(self.world, self.yuna, programme, PIN, VALUE)

    @step("She sets up her phone: it registers its key, makes a passkey, and fetches a code")
    async def sets_up(self) -> None:
        self.phone = await sets_up_phone(self.world, self.member)
        self.passkey = await adds_passkey(self.world, self.member, self.yuna)
        await self.phone.fetch(self.card.card)

    @step(
        "At checkout her PC scans it off the phone for 60,000 won, unproved: the mall calls the purchase off"
    )
    async def unproved(self) -> None:
        self.browser = self.world.at_the_mall("Yuna's PC")
        self.scanned = self._scan()
        order = await self._pays(PRICE)
        check("the order", (order["status"], order["code"]), ("cancelled", "proof_needed"))
        again = await self._pays(PRICE, order=order["id"], pin=PIN)
        check("it stays called off", (again["status"], again["payment"]), ("cancelled", order["payment"]))
        await self._is_left(VALUE)

    @step("A wrong PIN, or a passkey that stands by less, pays nothing and does not use the code up")
    async def wrong_proof(self) -> None:
        guess = await self._pays(PRICE, pin=PIN[::-1])
        check("a wrong PIN", (guess["status"], guess["code"]), ("cancelled", "card_not_accepted"))
        other = await self._pays(PRICE, passkey=await self._approves(PRICE - 1))
        check("less", (other["status"], other["code"]), ("cancelled", "passkey_refused"))
        await self._is_left(VALUE)

    @step("She stands by 60,000 won at this mall with her fingerprint: paid, and the PC and the mall hear it")
    async def pays(self) -> None:
        self.order = await self._pays(PRICE, passkey=await self._approves(PRICE))
        check("the order", self.order["status"], "paid")
        payment = (await self.yuna.get(f"/v1/payments/{self.order['payment']}")).body
        found = (payment["status"], payment["entry"], payment["approval_code"])
        check("the payment", found, ("approved", "barcode", self.order["approval_code"]))
        check("the balance", await balance_of(self.yuna, self.card.card), (VALUE - PRICE, PRICE))

    @step("The same code again is declined, and the mall calls that purchase off")
    async def again(self) -> None:
        order = await self._pays(CHEAP)
        check("the order", (order["status"], order["code"]), ("cancelled", "card_not_accepted"))

    @step("The next code pays 8,000 won without a proof; Yuna changes her mind, and the mall gives them back")
    async def changes_her_mind(self) -> None:
        await self.phone.paid()
        self.scanned = self._scan()
        beyond = await self._pays(PRICE, pin=PIN)
        check("more than is left", (beyond["status"], beyond["code"]), ("cancelled", "not_approved"))
        paid = await self._pays(CHEAP)
        check("the order", paid["status"], "paid")
        voided = await self.browser.post(f"/orders/{paid['id']}/void", {})
        check("the order", voided.body["status"], "voided")
        check("the balance", await balance_of(self.yuna, self.card.card), (VALUE - PRICE, PRICE))

    @step("The mall sends the goods and claims 60,000 won; Yuna has the rest paid out")
    async def claims(self) -> None:
        claim = await self.mall.post(f"/v1/payments/{self.order['payment']}/capture", key="sent")
        check("the claim", (claim.status, claim.body.get("captured")), (200, PRICE))
        await rest_goes_back(self.world, self.yuna, self.card.card, VALUE - PRICE)

    @step("The day is settled, and the bank pays the mall 60,000 won less the fee")
    async def day_ends(self) -> None:
        statement = await day_is_settled(self.world, self.mall)
        found = [statement[name] for name in ("captured", "paid")]
        check("the statement", found, [PRICE, PRICE - fee_of(PRICE)])
        await payout_arrives(self.world, self.mall, statement)

    @step("Every account is at zero but for the fee, and nothing is left to reconcile")
    async def all_is_zero(self) -> None:
        await all_is_zero_but_fees(self.world, fee_of(PRICE))
        about = (self.world.merchant("mall").id, self.card.card, self.order["payment"])
        await nothing_is_left_to_reconcile(self.world, *about)

    def _scan(self) -> Secret:
        """What the PC's camera reads off the phone: all that the square says, as the mall sends it on."""
        self.world.tell(name_of_phone(self.member), "Yuna's PC", "shows a QR code to the camera")
        return Secret(Scanner().read(self.phone.show().qr_code))

    async def _approves(self, amount: int) -> Mapping[str, Any]:
        """What the phone's passkey says to paying so much here with this code."""
        asked = {"amount": amount, "code": self.scanned.reveal()}
        challenge = await self.browser.post("/code_challenges", asked)
        check("the challenge", challenge.status, 200)
        return self.passkey.get(challenge.body["public_key"])

    async def _pays(self, amount: int, **proof: Any) -> Mapping[str, Any]:
        """Have the PC send what it has scanned, with or without a proof; the mall's order."""
        form = {"amount": amount, "code": self.scanned.reveal(), **proof}
        answer = await self.browser.post("/scans", form)
        check("the mall's answer", answer.status, 200)
        return answer.body

    async def _is_left(self, amount: int) -> None:
        check("the balance", await balance_of(self.yuna, self.card.card), (amount, 0))
