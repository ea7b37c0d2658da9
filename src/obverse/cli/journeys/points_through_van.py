"""PR-J5: an issuer tells the terminal's VAN itself what became of a payment, and us as well."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from obverse.cli.journeys.money import (
    all_is_zero_but_fees,
    becomes_merchant,
    fee_of,
    nothing_is_left_to_reconcile,
)
from obverse.cli.journeys.places import LinkedCard
from obverse.cli.journeys.points import (
    REAL_CARDS,
    Issuer,
    PointsAccount,
    everything_is_told,
    held_out,
    joins_relay,
    links_account,
    looks,
    pays_up,
    prints,
    refused,
    registers_real_card,
    spends_elsewhere,
    split_of,
    takes_points_of,
    units_of,
)
from obverse.cli.journeys.running import Journey, check, step
from obverse.cli.journeys.wallets import WalletMember, join_in_full, opens_wallet
from obverse.cli.journeys.world import Caller, eventually
from obverse.sandbox.errors import NoAnswer
from obverse.sandbox.terminal import Pick, Receipt, Till

POINTS: Final = 20_000
MILES: Final = 20_000
FIRST: Final = 7_000
PRICE: Final = 9_000
BY_POINTS: Final = 6_000
BY_MILES: Final = PRICE - BY_POINTS
BACK: Final = 4_000
LEFT: Final = 1_000


class PointsThroughVan(Journey):
    code = "PR-J5"
    title = "An issuer tells the terminal's VAN by itself what it has approved"

    shop: Caller
    till: Till
    star: Issuer
    sky: Issuer
    member: WalletMember
    doha: Caller
    real_card: LinkedCard
    card: str
    accounts: tuple[PointsAccount, PointsAccount]
    heard: Mapping[str, Any]
    receipt: Receipt

    @step("A shop joins whose till is ours; of the two issuers that it takes, Star Points also tells the VAN")
    async def opens(self) -> None:
        place = await becomes_merchant(self.world, "shop", "Corner Shop", "5411", accepts=REAL_CARDS)
        self.shop = self.world.person(place.name, place.api_key)
        self.till = self.world.till("shop", relay=True)
        self.star = await joins_relay(self.world, "star_points", (1, 1))
        self.sky = await joins_relay(self.world, "sky_miles", (2, 1))
        await takes_points_of(self.world, place, self.star, self.sky)

    @step("Doha joins, registers a real card, and links 20,000 points and 20,000 miles with it")
    async def joins(self) -> None:
        self.member = await join_in_full(self.world, "Doha")
        self.doha = await opens_wallet(self.world, self.member)
        self.real_card = await self.world.issue_real_card()
        self.card = await registers_real_card(self.doha, self.real_card)
        self.accounts = await self._link(self.star, POINTS), await self._link(self.sky, MILES)

    @step("The till's line breaks over 7,000 won in points: the VAN has heard the issuer's answer (PR-7)")
    async def line_breaks(self) -> None:
        shown = await looks(self.world, self.till, held_out(self.real_card))
        self.till.lose_line()
        try:
            await self._pay(FIRST, [Pick(1)], shown)
        except NoAnswer:
            self.world.tell(self.till.shop.name, "screen", "NO ANSWER")
        await self._van_knows(("approved", FIRST, 0))
        (self.heard,) = await self._ask_van()
        check("the VAN's answer", (self.heard["status"], self.heard["units"]), ("approved", FIRST))

    @step("The till asks Obverse again (0201): the approval that the VAN has, under the same reference")
    async def asks_again(self) -> None:
        self.receipt = await self.till.ask_again()
        prints(self.world, self.till, self.receipt)
        (part,) = self.receipt.points.parts
        found = (self.receipt.response_code, part.approval, self.receipt.reference)
        check("the receipt", found, ("00", self.heard["approval_code"], self.heard["rrn"]))
        check("their points", await units_of(self.world, *self.accounts), [POINTS - FIRST, MILES])

    @step("The cashier takes it back (0400): the points are there again, and the VAN hears that too")
    async def takes_back(self) -> None:
        check("the reversal", (await self.till.reverse(self.receipt)).response_code, "00")
        await self._van_knows(("cancelled", FIRST, FIRST))
        check("their points", await units_of(self.world, *self.accounts), [POINTS, MILES])

    @step("9,000 won by points and miles: the VAN hears of the points; Sky Miles is told of no terminal")
    async def pays(self) -> None:
        shown = await looks(self.world, self.till, held_out(self.real_card))
        self.receipt = await self._pay(PRICE, [Pick(1, BY_POINTS), Pick(2)], shown)
        expected = [("STAR POINTS", BY_POINTS, BY_POINTS), ("SKY MILES", BY_MILES * 2, BY_MILES)]
        check("the split", split_of(self.receipt), expected)
        await self._van_knows(("cancelled", FIRST, FIRST), ("approved", BY_POINTS, 0))

    @step("4,000 won come back, the miles' 3,000 before the points': the VAN hears how many points are back")
    async def brings_back(self) -> None:
        refund = await self.till.refund(self.receipt, BACK)
        prints(self.world, self.till, refund)
        check("the refund", refund.response_code, "00")
        await everything_is_told(self.world, *self.accounts)
        await self._van_knows(("cancelled", FIRST, FIRST), ("approved", BY_POINTS, BACK - BY_MILES))

    @step("Doha has spent points elsewhere meanwhile: the issuer declines, and tells the VAN")
    async def has_shrunk(self) -> None:
        shown = await looks(self.world, self.till, held_out(self.real_card))
        await spends_elsewhere(self.world, self.accounts[0], LEFT)
        declined = await self._pay(FIRST, [Pick(1)], shown)
        check("the answer", refused(declined), ("51", "insufficient_points"))
        kept = ("cancelled", FIRST, FIRST), ("approved", BY_POINTS, BACK - BY_MILES)
        await self._van_knows(*kept, ("declined", FIRST, 0))
        check("their points", await units_of(self.world, *self.accounts), [LEFT, MILES])

    @step("The day ends: the issuers' books agree with ours to the unit, they pay us, and the shop is paid")
    async def day_ends(self) -> None:
        await pays_up(self.world, self.shop, self.accounts, captured=FIRST + PRICE, refunded=BACK)

    @step("Everybody is paid: every account is at zero but for the fee, and nothing is left to reconcile")
    async def all_is_zero(self) -> None:
        await all_is_zero_but_fees(self.world, fee_of(PRICE))
        await nothing_is_left_to_reconcile(
            self.world, self.world.merchant("shop").id, self.star.id, self.sky.id
        )

    async def _link(self, issuer: Issuer, units: int) -> PointsAccount:
        return await links_account(self.world, self.member, self.doha, issuer, self.card, units)

    async def _pay(self, amount: int, picks: Sequence[Pick], shown: Receipt) -> Receipt:
        receipt = await self.till.pay(held_out(self.real_card), amount, picks, shown.points.quote)
        prints(self.world, self.till, receipt)
        return receipt

    async def _ask_van(self) -> Sequence[Mapping[str, Any]]:
        """What the VAN tells this till, oldest first."""
        shop = self.till.shop
        path = f"/points_results?terminal={shop.terminal}&merchant_no={shop.merchant_no}"
        told: Sequence[Mapping[str, Any]] = (await (await self.world.at_the_van()).get(path)).body["data"]
        return told

    async def _van_knows(self, *expected: tuple[str, int, int]) -> None:
        """Wait until the VAN knows of these and no others: what became of them, units, and units back."""

        shop = self.till.shop
        path = f"/van/points_results?terminal={shop.terminal}"

        async def known() -> object:
            results = (await self.world.back_office.get(path)).body["data"]
            names = ("issuer", "status", "units", "units_back")
            return [
                tuple(each[name] for name in names)
                for each in results
                if each["merchant_no"] == shop.merchant_no
            ]

        wanted = [(self.star.name, *each) for each in expected]
        check("what the VAN knows", await eventually(known, wanted), wanted)
