"""PR-J2: miles at two for a won, and what they do not cover on the card: both or neither."""

from datetime import timedelta
from typing import Final

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
    are_worth,
    everything_is_told,
    held_out,
    joins_relay,
    links_account,
    looks,
    pays_up,
    prints,
    refused,
    registers_real_card,
    rows,
    split_of,
    takes_points_of,
    units_of,
)
from obverse.cli.journeys.running import Journey, check, step
from obverse.cli.journeys.wallets import WalletMember, join_in_full, opens_wallet
from obverse.cli.journeys.world import Caller
from obverse.sandbox.terminal import Pick, Receipt, Till

MILES: Final = 12_000
CARD_LIMIT: Final = 3_500
PRICE: Final = 8_000
BY_POINTS: Final = 5_000
BY_CARD: Final = PRICE - BY_POINTS
LONGER_THAN_A_QUOTE: Final = timedelta(minutes=6)


class PointsAndCard(Journey):
    code = "PR-J2"
    title = "Miles at two for a won, and the rest on the card"

    shop: Caller
    till: Till
    sky: Issuer
    member: WalletMember
    juno: Caller
    real_card: LinkedCard
    card: str
    miles: PointsAccount
    receipt: Receipt

    @step("A shop joins whose till is ours; it takes Sky Miles, two of which pay for one won")
    async def opens(self) -> None:
        place = await becomes_merchant(self.world, "shop", "Corner Shop", "5411", accepts=REAL_CARDS)
        self.shop = self.world.person(place.name, place.api_key)
        self.till = self.world.till("shop", relay=True)
        self.sky = await joins_relay(self.world, "sky_miles", (2, 1))
        await takes_points_of(self.world, place, self.sky)

    @step("Juno joins, registers his real card, and links 12,000 miles with it")
    async def joins(self) -> None:
        self.member = await join_in_full(self.world, "Juno")
        self.juno = await opens_wallet(self.world, self.member)
        self.real_card = await self.world.issue_real_card(CARD_LIMIT)
        self.card = await registers_real_card(self.juno, self.real_card)
        self.miles = await links_account(self.world, self.member, self.juno, self.sky, self.card, MILES)

    @step("He swipes it, and takes six minutes to make up his mind: those rates are over")
    async def hesitates(self) -> None:
        shown = await self._look(MILES, MILES // 2)
        await self.world.let_pass(LONGER_THAN_A_QUOTE)
        late = await self._pay(PRICE, shown)
        check("the answer", refused(late), ("12", "quote_expired"))

    @step("The card's company declines the rest: his miles are given back, and nothing was bought (PR-8)")
    async def declined(self) -> None:
        shown = await self._look(MILES, MILES // 2)
        too_much = await self._pay(BY_POINTS + CARD_LIMIT + 1, shown)
        check("the answer", too_much.response_code, "05")
        await everything_is_told(self.world, self.miles)
        check("his miles", await units_of(self.world, self.miles), [MILES])
        check("on the card", await self.world.owed_to_card_company(self.real_card), (0, 0))

    @step("The operator makes miles dearer while he looks: his quote holds, two for a won, the rest on card")
    async def pays(self) -> None:
        shown = await self._look(MILES, MILES // 2)
        await are_worth(self.world, self.sky, (4, 1))
        self.receipt = await self._pay(PRICE, shown)
        check("the answer", self.receipt.response_code, "00")
        split = [("SKY MILES", BY_POINTS * 2, BY_POINTS), ("C", None, BY_CARD)]
        check("the split", split_of(self.receipt), split)
        approvals = {part.approval for part in self.receipt.points.parts} | {self.receipt.approval_code}
        check("approvals: the issuer's, the card company's and ours", len(approvals - {"", None}), 3)
        check("on the card", await self.world.owed_to_card_company(self.real_card), (BY_CARD, 0))

    @step("The next who looks sees the new rate; his history has the miles beside the won")
    async def looks_back(self) -> None:
        left = MILES - BY_POINTS * 2
        await self._look(left, left // 4)
        history = (await self.juno.get(f"/v1/history?card={self.card}")).body["data"]
        lines = sorted((entry["paid_by"], entry["amount"], entry["units"]) for entry in history)
        expected = [("issuer_points", -BY_POINTS, -BY_POINTS * 2), ("linked_card", -BY_CARD, None)]
        check("the history", lines, expected)

    @step("The day ends: the issuer's books agree with ours to the mile, it pays us, and the shop is paid")
    async def day_ends(self) -> None:
        await pays_up(self.world, self.shop, [self.miles], captured=PRICE)

    @step("So does the card's company: all is at zero but for the fee, and nothing is left to reconcile")
    async def all_is_zero(self) -> None:
        await all_is_zero_but_fees(self.world, fee_of(PRICE))
        check("owed", (await self.world.bill_of_card_company(self.real_card))["owed"], BY_CARD)
        await nothing_is_left_to_reconcile(self.world, self.world.merchant("shop").id, self.sky.id)

    async def _look(self, miles: int, worth: int) -> Receipt:
        shown = await looks(self.world, self.till, held_out(self.real_card))
        check("on the screen", rows(shown), [("SKY MILES", miles, worth, "")])
        return shown

    async def _pay(self, amount: int, shown: Receipt) -> Receipt:
        """Buy something: 5,000 won in miles of what the screen has shown, the rest on the card."""
        picks = [Pick(1, BY_POINTS)]
        receipt = await self.till.pay(held_out(self.real_card), amount, picks, shown.points.quote)
        prints(self.world, self.till, receipt)
        return receipt
