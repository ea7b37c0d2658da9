"""PC-J1: a phone fetches codes of several cards, a till scans one, the PIN is typed, points pay first."""

from typing import Final

from obverse.cli.journeys.money import (
    all_is_zero_but_fees,
    becomes_merchant,
    fee_of,
    nothing_is_left_to_reconcile,
)
from obverse.cli.journeys.people import only_payment
from obverse.cli.journeys.phones import charged_card, read, scans, sets_up_phone
from obverse.cli.journeys.places import LinkedCard
from obverse.cli.journeys.points import (
    REAL_CARDS,
    Issuer,
    PointsAccount,
    joins_relay,
    links_account,
    pays_up,
    prints,
    registers_real_card,
    split_of,
    takes_points_of,
    units_of,
)
from obverse.cli.journeys.prepaid import secrets_in
from obverse.cli.journeys.running import Journey, check, step
from obverse.cli.journeys.wallets import (
    WalletMember,
    balance_of,
    join_in_full,
    letter_to,
    opens_wallet,
    programme_on_sale,
)
from obverse.cli.journeys.world import Caller, Number
from obverse.kit.secret import Secret
from obverse.sandbox.phone import Phone
from obverse.sandbox.terminal import Receipt, Till

PIN: Final = "6402"
CHEAP: Final = 12_000
STAMPS: Final = 500
BY_STAMPS: Final = 5_000
BY_BALANCE: Final = 50_000
DEAR: Final = BY_STAMPS + BY_BALANCE
"""More than a code pays without a proof (OBVERSE_CODE_PROOF_FROM_MINOR)."""


class PhoneAtTill(Journey):
    code = "PC-J1"
    title = "A phone fetches codes, the till scans one, the PIN is typed: approved"

    shop: Caller
    till: Till
    stamps: Issuer
    member: WalletMember
    nari: Caller
    real_card: LinkedCard
    registered: str
    card: Number
    account: PointsAccount
    phone: Phone
    scanned: Secret
    receipt: Receipt

    @step("A corner shop joins, whose customers may pay with stamps, one for ten won")
    async def opens(self) -> None:
        place = await becomes_merchant(self.world, "shop", "Corner Shop", "5411", accepts=REAL_CARDS)
        self.shop = self.world.person(place.name, place.api_key)
        self.till = self.world.till("shop")
        self.stamps = await joins_relay(self.world, "corner_stamps", (1, 10))
        await takes_points_of(self.world, place, self.stamps)

    @step("Nari joins, registers her real card, and has a prepaid one of 50,000 won whose stamps pay first")
    async def joins(self) -> None:
        programme = await programme_on_sale(self.world, "Wallet card", charge_unit=1_000)
        self.member = await join_in_full(self.world, "Nari")
        self.nari = await opens_wallet(self.world, self.member)
        self.real_card = await self.world.issue_real_card()
        self.card = await charged_card(self.world, self.nari, programme, PIN, BY_BALANCE, self.real_card)
        self.registered = await registers_real_card(self.nari, self.real_card)
        path = f"/v1/cards/{self.card.card}"
        (balance,) = [each["source"] for each in (await self.nari.get(path)).body["funding"]]
        self.account = await links_account(
            self.world, self.member, self.nari, self.stamps, self.card.card, STAMPS
        )
        ordered = await self.nari.put(f"{path}/funding", {"sources": [self.account.source, balance]})
        check("the order", ordered.status, 200)

    @step(
        "She signs in on her phone, which registers its key and fetches codes of both cards; a text says so"
    )
    async def fetches(self) -> None:
        self.phone = await sets_up_phone(self.world, self.member)
        for card in (self.registered, self.card.card):
            await self.phone.fetch(card)
        check("cards on the phone", self.phone.cards, (self.registered, self.card.card))
        number = self.card.number.reveal()
        for last_four in (self.real_card.number[-4:], number[-4:]):
            text = await letter_to(self.world, self.member.mobile, f"payment code made for card {last_four}")
            check("secrets in it", secrets_in(text, self.phone.show().digits), 0)

    @step("The phone draws the real card's code as bars and as a square: each scanner reads the same digits")
    async def shows(self) -> None:
        self.phone.pick(self.registered)
        screen = self.phone.show()
        read_off = [read(self.world, screen, self.till.shop.name, qr=qr).reveal() for qr in (False, True)]
        check("one code", [digits == screen.digits.reveal() for digits in read_off], [True, True])
        check("its length", len(read_off[0]), 19)

    @step("The till scans the bars for 12,000 won: the card behind them pays, without a PIN, and once")
    async def pays(self) -> None:
        self.scanned = self.phone.show().digits
        paid = await scans(self.world, self.till, self.phone, CHEAP)
        check("the answer", paid.response_code, "00")
        legs = (await only_payment(self.nari, self.registered))["legs"]
        check("the leg", [(leg["kind"], leg["amount"]) for leg in legs], [("linked_card", CHEAP)])
        again = await scans(self.world, self.till, self.phone, CHEAP)
        check("the same code again", again.response_code, "14")

    @step("The next code is there by itself; while Nari has suspended the card, it pays nothing (PC-8)")
    async def suspends(self) -> None:
        await self.phone.paid()
        check("another code", self.phone.show().digits == self.scanned, False)
        path = f"/v1/cards/{self.registered}"
        check("suspending", (await self.nari.post(f"{path}/suspend")).body["state"], "suspended")
        stopped = await scans(self.world, self.till, self.phone, CHEAP)
        check("the answer", stopped.response_code, "62")
        check("resuming", (await self.nari.post(f"{path}/resume")).body["state"], "active")

    @step(
        "She picks the prepaid card for 55,000 won: so much takes its PIN (70), and a wrong one is none (55)"
    )
    async def needs_pin(self) -> None:
        self.phone.pick(self.card.card)
        bare = await scans(self.world, self.till, self.phone, DEAR, qr=True)
        check("without a PIN", bare.response_code, "70")
        wrong = await scans(self.world, self.till, self.phone, DEAR, PIN[::-1], qr=True)
        check("a wrong PIN", wrong.response_code, "55")
        await self._is_left(STAMPS, BY_BALANCE)

    @step("She types her PIN into the pad: approved, her stamps have paid first, the receipt has both parts")
    async def pays_with_pin(self) -> None:
        self.receipt = await scans(self.world, self.till, self.phone, DEAR, PIN, qr=True)
        prints(self.world, self.till, self.receipt)
        check("the answer", self.receipt.response_code, "00")
        expected = [("CORNER STAMP", STAMPS, BY_STAMPS), ("B", None, BY_BALANCE)]
        check("the split", split_of(self.receipt), expected)
        payment = await only_payment(self.nari, self.card.card)
        found = (payment["approval_code"], payment["entry"])
        check("the payment", found, (self.receipt.approval_code, "barcode"))
        await self._is_left(0, 0)

    @step("The day ends: the stamps' issuer pays, the books agree, and the bank pays the shop")
    async def day_ends(self) -> None:
        await pays_up(self.world, self.shop, [self.account], captured=CHEAP + DEAR)

    @step("Every account is at zero but for the fees, and nothing is left to reconcile")
    async def all_is_zero(self) -> None:
        await all_is_zero_but_fees(self.world, fee_of(CHEAP) + fee_of(DEAR))
        about = [self.world.merchant("shop").id, self.stamps.id, self.card.card, self.registered]
        await nothing_is_left_to_reconcile(self.world, *about)

    async def _is_left(self, stamps: int, balance: int) -> None:
        check("her stamps", await units_of(self.world, self.account), [stamps])
        check("the balance", await balance_of(self.nari, self.card.card), (balance, 0))
