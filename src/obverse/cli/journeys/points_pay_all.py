"""PR-J1: a card is swiped, three issuers' balances are on the till, and one of them pays all."""

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
    cannot_link_what_is_not_there,
    held_out,
    joins_relay,
    links_account,
    looks,
    misbehaves,
    pays_up,
    prints,
    refused,
    registers_real_card,
    rows,
    split_of,
    takes_of,
    takes_points_of,
    units_of,
)
from obverse.cli.journeys.running import Journey, check, step
from obverse.cli.journeys.wallets import WalletMember, join_in_full, opens_wallet
from obverse.cli.journeys.world import Caller
from obverse.sandbox.terminal import Pick, Receipt, Till

AMOUNT: Final = 12_000
SKY: Final = ("SKY MILES", 20_000, 10_000, "")
STAR: Final = ("STAR POINTS", 30_000, 30_000, "")
STAMPS: Final = ("CORNER STAMP", 340, 3_400, "")
"""What the till shows of each: units, and what they are worth in won."""


class PointsPayAll(Journey):
    code = "PR-J1"
    title = "Points of three issuers on the till, and one of them pays all"

    shop: Caller
    till: Till
    sky: Issuer
    star: Issuer
    stamps: Issuer
    member: WalletMember
    mina: Caller
    real_card: LinkedCard
    card: str
    accounts: tuple[PointsAccount, ...]
    quote: str | None
    receipt: Receipt

    @step("A shop joins whose till is ours; the operator takes in three issuers, each at its rate")
    async def opens(self) -> None:
        place = await becomes_merchant(self.world, "shop", "Corner Shop", "5411", accepts=REAL_CARDS)
        self.shop = self.world.person(place.name, place.api_key)
        self.till = self.world.till("shop", relay=True)
        self.sky = await joins_relay(self.world, "sky_miles", (2, 1))
        self.star = await joins_relay(self.world, "star_points", (1, 1))
        self.stamps = await joins_relay(self.world, "corner_stamps", (1, 10), step_units=10)
        await takes_points_of(self.world, place, self.sky, self.star, self.stamps)

    @step("A card that nobody has registered is told apart from Mina's, which has no points yet (PR-2)")
    async def without_points(self) -> None:
        self.real_card = await self.world.issue_real_card()
        stranger = await looks(self.world, self.till, held_out(self.real_card))
        check("nobody's", refused(stranger), ("56", "card_not_registered"))
        self.member = await join_in_full(self.world, "Mina")
        self.mina = await opens_wallet(self.world, self.member)
        self.card = await registers_real_card(self.mina, self.real_card)
        hers = await looks(self.world, self.till, held_out(self.real_card))
        check("hers", (hers.response_code, rows(hers)), ("00", []))

    @step("She links her account at each issuer with the code that it texts her; a wrong code proves nothing")
    async def links(self) -> None:
        await cannot_link_what_is_not_there(self.mina, self.sky, self.card)
        held = ((self.sky, SKY), (self.star, STAR), (self.stamps, STAMPS))
        self.accounts = tuple([await self._link(issuer, row[1]) for issuer, row in held])

    @step("One issuer is down: its row says so, and the others are there without it (PR-3)")
    async def one_is_down(self) -> None:
        await misbehaves(self.world, self.stamps, "connection", "refuse")
        shown = await looks(self.world, self.till, held_out(self.real_card))
        await misbehaves(self.world, self.stamps, "connection")
        check("on the screen", rows(shown), [SKY, STAR, ("CORNER STAMP", None, None, "down")])

    @step("It is back: swiped or not, her card shows three balances and what each is worth (PR-4, PR-12)")
    async def looks(self) -> None:
        for entry in ("chip", "contactless", "typed"):
            shown = await self.till.inquire(held_out(self.real_card), entry=entry)
            check(f"by {entry}", rows(shown), [SKY, STAR, STAMPS])
        shown = await looks(self.world, self.till, held_out(self.real_card))
        check("on the screen", rows(shown), [SKY, STAR, STAMPS])
        check("in all", shown.balance_minor, SKY[2] + STAR[2] + STAMPS[2])
        self.quote = shown.points.quote

    @step("More than the price, or more miles than she has, is refused before anybody is asked for points")
    async def too_much(self) -> None:
        beyond = await self._pay(Pick(2, AMOUNT + 1))
        check("more than the price", refused(beyond), ("13", "tender_too_large"))
        missing = await self._pay(Pick(1, AMOUNT))
        check("more than there is", refused(missing), ("51", "insufficient_points"))
        check("her points", await units_of(self.world, *self.accounts), [SKY[1], STAR[1], STAMPS[1]])

    @step("She picks Star Points: they pay all 12,000 won, and nobody asks the card's company (PR-5)")
    async def pays(self) -> None:
        self.receipt = await self._pay(Pick(2))
        check("the answer", self.receipt.response_code, "00")
        check("the split", split_of(self.receipt), [("STAR POINTS", AMOUNT, AMOUNT)])
        check("asked for money", await self.world.messages_to("Card company"), 0)
        check("her points", await units_of(self.world, *self.accounts), [SKY[1], STAR[1] - AMOUNT, STAMPS[1]])

    @step("The till repeats what it has sent (0201): the same answer, and no point is taken twice")
    async def repeats(self) -> None:
        again = await self.till.repeat()
        found = (again.response_code, again.approval_code, split_of(again))
        check("the answer", found, ("00", self.receipt.approval_code, split_of(self.receipt)))
        check("taken", len(await takes_of(self.world, self.accounts[1])), 1)

    @step("The day ends: the issuer's books agree with ours to the unit, it pays us, and the shop is paid")
    async def day_ends(self) -> None:
        await pays_up(self.world, self.shop, self.accounts, captured=AMOUNT)

    @step("Everybody is paid: every account is at zero but for the fee, and nothing is left to reconcile")
    async def all_is_zero(self) -> None:
        await all_is_zero_but_fees(self.world, fee_of(AMOUNT))
        await nothing_is_left_to_reconcile(self.world, self.world.merchant("shop").id, self.sky.id)

    async def _link(self, issuer: Issuer, units: int) -> PointsAccount:
        return await links_account(self.world, self.member, self.mina, issuer, self.card, units)

    async def _pay(self, pick: Pick) -> Receipt:
        receipt = await self.till.pay(held_out(self.real_card), AMOUNT, [pick], self.quote)
        prints(self.world, self.till, receipt)
        return receipt
