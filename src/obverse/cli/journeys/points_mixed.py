"""PR-J3: two kinds of points, a prepaid balance and a real card in one payment, and all of it back."""

from collections.abc import Sequence
from typing import Final

from obverse.cli.journeys.money import (
    all_is_zero_but_fees,
    becomes_merchant,
    fee_of,
    nothing_is_left_to_reconcile,
)
from obverse.cli.journeys.people import only_payment
from obverse.cli.journeys.places import LinkedCard
from obverse.cli.journeys.points import (
    REAL_CARDS,
    Issuer,
    PointsAccount,
    are_worth,
    everything_is_told,
    joins_relay,
    links_account,
    misbehaves,
    pays_up,
    prints,
    refused,
    split_of,
    takes_points_of,
    units_of,
)
from obverse.cli.journeys.running import Journey, check, step
from obverse.cli.journeys.wallets import (
    WalletMember,
    apply_for_card,
    balance_of,
    charge,
    join_in_full,
    links_card,
    opens_wallet,
    programme_on_sale,
)
from obverse.cli.journeys.world import Caller, Number
from obverse.kit.secret import Secret
from obverse.sandbox.terminal import CardEntry, Receipt, Till

PIN: Final = "7413"
MILES: Final = 30_000
STAMPS: Final = 500
PRICE: Final = 50_000
BY_MILES, BY_STAMPS, BY_BALANCE, BY_CARD = 15_000, 5_000, 20_000, 10_000
FIRST_PART: Final = 33_333


class PointsMixed(Journey):
    code = "PR-J3"
    title = "Two kinds of points, prepaid and card in one payment, refunded in two parts"

    shop: Caller
    till: Till
    sky: Issuer
    stamps: Issuer
    programme: str
    member: WalletMember
    hana: Caller
    real_card: LinkedCard
    linked: str
    card: Number
    balance: str
    accounts: tuple[PointsAccount, PointsAccount]
    receipt: Receipt

    @step("A shop joins whose till is ours; it takes Sky Miles, two for a won, and stamps, one for ten won")
    async def opens(self) -> None:
        place = await becomes_merchant(self.world, "shop", "Corner Shop", "5411", accepts=REAL_CARDS)
        self.shop = self.world.person(place.name, place.api_key)
        self.till = self.world.till("shop", relay=True)
        self.sky = await joins_relay(self.world, "sky_miles", (2, 1))
        self.stamps = await joins_relay(self.world, "corner_stamps", (1, 10))
        await takes_points_of(self.world, place, self.sky, self.stamps)
        self.programme = await programme_on_sale(self.world, "Wallet card", charge_unit=1_000)

    @step("Hana joins, links her real card, and charges a prepaid card of ours from it with 20,000 won")
    async def joins(self) -> None:
        self.member = await join_in_full(self.world, "Hana")
        self.hana = await opens_wallet(self.world, self.member)
        self.real_card = await self.world.issue_real_card()
        self.linked = await links_card(self.hana, self.real_card)
        self.card = await apply_for_card(self.hana, self.programme, PIN, name="Everything")
        await charge(self.hana, self.card.card, BY_BALANCE, "card", source=self.linked)
        check("the balance", await balance_of(self.hana, self.card.card), (BY_BALANCE, 0))
        (own,) = await self._funding()
        self.balance = own

    @step("She links 30,000 miles and 500 stamps with it, and says what pays first: points, balance, card")
    async def arranges(self) -> None:
        miles = await self._link(self.sky, MILES)
        stamps = await self._link(self.stamps, STAMPS)
        self.accounts = miles, stamps
        await self._put_in_order(miles.source, stamps.source, self.balance, self.linked)

    @step("She asks what would pay for 50,000 won: four parts, and nothing is moved (PF-9)")
    async def thinks_it_through(self) -> None:
        shop = self.world.merchant("shop").id
        asked = {"card": self.card.card, "amount": PRICE, "currency": "KRW", "merchant": shop}
        plan = await self.hana.post("/v1/payments/dry_run", asked | {"entry": "swipe"})
        split = [(leg["kind"], leg["units"], leg["amount"]) for leg in plan.body["legs"]]
        check(
            "the plan", split, self._split("issuer_points", "issuer_points", "stored_balance", "linked_card")
        )
        check("her points", await units_of(self.world, *self.accounts), [MILES, STAMPS])

    @step("The stamps are taken, and their issuer hangs up before saying so: nothing is paid, all is back")
    async def hangs_up(self) -> None:
        await misbehaves(self.world, self.stamps, "points_takes", "close", times=1)
        late = await self._pay(PRICE)
        check("the answer", refused(late), ("68", "points_issuer_late"))
        await everything_is_told(self.world, *self.accounts)
        await self._is_left(MILES, STAMPS, BY_BALANCE)

    @step("She swipes it again: miles, stamps, balance and real card pay together, and the receipt has each")
    async def pays(self) -> None:
        self.receipt = await self._pay(PRICE)
        check("the answer", self.receipt.response_code, "00")
        check("the split", split_of(self.receipt), self._split("SKY MILES", "CORNER STAMP", "B", "C"))
        await self._is_left(0, 0, 0)
        check("on the card", await self.world.owed_to_card_company(self.real_card), (BY_BALANCE + BY_CARD, 0))

    @step("The operator makes both points dearer; 33,333 won come back at the rates they were paid at")
    async def brings_back(self) -> None:
        await are_worth(self.world, self.sky, (3, 1))
        await are_worth(self.world, self.stamps, (1, 1))
        await self._refund(FIRST_PART)
        await self._is_back(FIRST_PART, 0, 333)

    @step("The other 16,667 won come back too, and every unit is where it was; one won more is refused")
    async def brings_back_the_rest(self) -> None:
        await self._refund(PRICE - FIRST_PART)
        await self._is_back(PRICE, MILES, STAMPS)
        await self._is_left(MILES, STAMPS, BY_BALANCE)
        beyond = await self.till.refund(self.receipt, 1)
        check("one won more", beyond.approved, False)

    @step("She puts the points last, and pays 20,000 won: now the balance alone pays")
    async def pays_otherwise(self) -> None:
        await self._put_in_order(self.balance, self.linked, *[account.source for account in self.accounts])
        check("the answer", (await self._pay(BY_BALANCE)).response_code, "00")
        await self._is_left(MILES, STAMPS, 0)

    @step("The day ends: the issuers' books agree with ours to the unit, nothing is owed, the shop is paid")
    async def day_ends(self) -> None:
        await pays_up(self.world, self.shop, self.accounts, captured=PRICE + BY_BALANCE, refunded=PRICE)

    @step("The card's company has paid what charged the card: every account is at zero but for the fees")
    async def all_is_zero(self) -> None:
        await all_is_zero_but_fees(self.world, fee_of(PRICE) + fee_of(BY_BALANCE))
        check("owed", (await self.world.bill_of_card_company(self.real_card))["owed"], BY_BALANCE)
        about = [self.world.merchant("shop").id, self.sky.id, self.stamps.id]
        await nothing_is_left_to_reconcile(self.world, *about)

    async def _link(self, issuer: Issuer, units: int) -> PointsAccount:
        return await links_account(self.world, self.member, self.hana, issuer, self.card.card, units)

    async def _funding(self) -> Sequence[str]:
        card = (await self.hana.get(f"/v1/cards/{self.card.card}")).body
        return [each["source"] for each in card["funding"]]

    async def _put_in_order(self, *sources: str) -> None:
        ordered = await self.hana.put(f"/v1/cards/{self.card.card}/funding", {"sources": sources})
        check("the order", (ordered.status, await self._funding()), (200, list(sources)))

    async def _pay(self, amount: int) -> Receipt:
        number, expiry = self.card.number, self.card.expiry
        receipt = await self.till.pay(CardEntry(number, expiry, pin=Secret(PIN)), amount)
        prints(self.world, self.till, receipt)
        return receipt

    async def _refund(self, amount: int) -> None:
        refund = await self.till.refund(self.receipt, amount)
        prints(self.world, self.till, refund)
        check("the refund", refund.response_code, "00")
        await everything_is_told(self.world, *self.accounts)

    async def _is_back(self, amount: int, miles: int, stamps: int) -> None:
        """So much of the payment came back, card first and points last, and with it so many units."""
        payment = await only_payment(self.hana, self.card.card)
        check("refunded", payment["refunded"], amount)
        back = [leg["units_back"] for leg in payment["legs"] if leg["units"] is not None]
        check("units that are back", back, [miles, stamps])
        check("her points", await units_of(self.world, *self.accounts), back)

    async def _is_left(self, miles: int, stamps: int, balance: int) -> None:
        check("her points", await units_of(self.world, *self.accounts), [miles, stamps])
        check("the balance", await balance_of(self.hana, self.card.card), (balance, 0))

    @staticmethod
    def _split(*payers: str) -> Sequence[tuple[str, int | None, int]]:
        units, amounts = (MILES, STAMPS, None, None), (BY_MILES, BY_STAMPS, BY_BALANCE, BY_CARD)
        return list(zip(payers, units, amounts, strict=True))
