"""WA-J4: the card in plastic: ordered, made and posted, charged with cash, used at ordinary terminals."""

from datetime import date
from typing import Any, Final

from obverse.cli.journeys.money import (
    all_is_zero_but_fees,
    day_is_settled,
    fee_of,
    nothing_is_left_to_reconcile,
    payout_arrives,
    statement_of,
)
from obverse.cli.journeys.running import Journey, check, step
from obverse.cli.journeys.wallets import (
    WalletMember,
    apply_for_card,
    balance_of,
    becomes_agent,
    charge,
    charge_arrives,
    join_in_full,
    opens_wallet,
    programme_on_sale,
    takes_prepaid_cards,
)
from obverse.cli.journeys.world import Caller, Number
from obverse.kit.secret import Secret
from obverse.sandbox.terminal import PARTLY, CardEntry, Receipt, Till

PIN: Final = "2739"
LOOK: Final = "design=silver&embossed_name=Dana"


class PlasticCard(Journey):
    code = "WA-J4"
    title = "Physical card: made and posted, charged with cash, swiped at ordinary terminals"

    shop: Caller
    kiosk: Caller
    programme: str
    member: WalletMember
    dana: Caller
    card: Number
    fulfilment: str
    at_shop: Till
    at_kiosk: Till
    receipt: Receipt
    day: date

    @step("A shop and a kiosk join, which is made an agent: it takes cash for cards; cards may be of plastic")
    async def opens(self) -> None:
        shop = await takes_prepaid_cards(self.world, "shop", "Corner Shop", "5411")
        kiosk = await takes_prepaid_cards(self.world, "kiosk", "Station Kiosk", "5994")
        await becomes_agent(self.world, kiosk)
        self.shop, self.kiosk = [self.world.person(each.name, each.api_key) for each in (shop, kiosk)]
        self.programme = await programme_on_sale(self.world, "Wallet card", charge_unit=1_000, physical=True)

    @step("Dana joins, applies for a prepaid card, and looks at what it would be like in plastic")
    async def previews(self) -> None:
        self.member = await join_in_full(self.world, "Dana")
        self.dana = await opens_wallet(self.world, self.member)
        self.card = await apply_for_card(self.dana, self.programme, PIN, name="Everyday")
        designs = (await self.dana.get("/v1/card_designs")).body["data"]
        check("silver is among the designs", "silver" in [design["id"] for design in designs], True)
        drawing = (await self.dana.get(f"/v1/cards/{self.card.card}/preview.svg?{LOOK}")).text
        number = self.card.number.reveal()
        shown = [what in drawing for what in ("<svg", "DANA", number[-4:], number[4:12])]
        check("a drawing with name and last digits, not all of them", shown, [True, True, True, False])

    @step("She orders it to her office; the operator has it made, and posts it: it carries the same number")
    async def is_made(self) -> None:
        address = {"recipient": "Dana", "address": "1 Sejong-daero, Seoul", "postal_code": "04524"}
        wish = {"embossed_name": "Dana", "design": "silver", "place": "office", "address": address}
        for _ in range(2):  # asking again for the same changes nothing
            asked = await self.dana.post(f"/v1/cards/{self.card.card}/plastic", wish)
            check("the order", (asked.status, asked.body.get("state")), (201, "ordered"))
        self.fulfilment = asked.body["id"]
        operator, because = self.world.operator, {"reason": "As every day."}
        run = (await operator.post("/v1/fulfilment_runs", {"count": 100})).body
        check("in the maker's run", self.fulfilment in [each["id"] for each in run["fulfilments"]], True)
        maker = await operator.post(f"/v1/fulfilment_runs/{run['run']}/export", because)
        (line,) = [line for line in maker.text.splitlines() if line.startswith(self.fulfilment)]
        check("the same number", self.card.number.reveal() in line, True)
        await self._moves("post", because | {"tracking": "6001234567"}, "posted")
        await self._moves("deliver", because, "delivered")

    @step("At the kiosk she pays 20,000 won in cash into it, and 30,000 come from her bank by transfer")
    async def charges(self) -> None:
        self.at_kiosk, self.at_shop = self.world.till("kiosk"), self.world.till("shop")
        refused = await self.at_shop.deposit(self._swiped(), 20_000)
        check("where nobody is an agent", refused.response_code, "58")
        loaded = await self.at_kiosk.deposit(self._swiped(), 20_000)
        check("the kiosk's answer", (loaded.response_code, loaded.balance_minor), ("00", 20_000))
        charged = await charge(self.dana, self.card.card, 30_000, "bank_transfer")
        await self.world.pay_by_bank("Dana", 30_000, charged["pay_to"]["reference"])
        await charge_arrives(self.dana, charged)

    @step("In the shop she swipes it and types her PIN for 20,000 won; a wrong PIN is declined")
    async def pays(self) -> None:
        check("a wrong PIN", (await self._pay(self.at_shop, 20_000, PIN[::-1])).response_code, "55")
        self.receipt = await self._pay(self.at_shop, 20_000, capture=True)
        check("the answer", self.receipt.response_code, "00")
        again = await self.at_shop.repeat()
        check("the same once more", (again.response_code, again.approval_code), self._approved())
        check("the balance", await balance_of(self.dana, self.card.card), (30_000, 0))

    @step("She brings back what cost 5,000 won; the till's balance inquiry says 35,000 won")
    async def brings_back(self) -> None:
        self.at_shop.claim(self.receipt, 5_000, refund=True)
        check("the upload", [receipt.response_code for receipt in await self.at_shop.upload()], ["00"])
        left = await self.at_shop.inquire(self._swiped(PIN))
        check("the balance", (left.response_code, left.balance_minor), ("00", 35_000))

    @step("At the kiosk 40,000 won are too much: it gets 35,000 from the card, and takes the rest in cash")
    async def pays_in_part(self) -> None:
        whole = await self._pay(self.at_kiosk, 40_000)
        check("all or nothing", whole.response_code, "51")
        part = await self._pay(self.at_kiosk, 40_000, partial=True)
        found = (part.response_code, part.amount_minor, part.balance_minor)
        check("the answer", found, (PARTLY, 35_000, 0))
        self.at_kiosk.claim(part, 35_000)

    @step("Both tills close their day: their totals agree with Obverse's")
    async def close(self) -> None:
        for till in (self.at_shop, self.at_kiosk):
            check(f"totals of {till.shop.name}", (await till.close_day()).response_code, "00")

    @step("Dana's history: cash, transfer, two payments and a refund, with a running balance")
    async def looks_back(self) -> None:
        history = (await self.dana.get(f"/v1/history?card={self.card.card}")).body["data"]
        lines = [(entry["kind"], entry["amount"], entry["balance"]) for entry in reversed(history)]
        expected = [
            ("load", 20_000, 20_000),
            ("charge", 30_000, 50_000),
            ("payment", -20_000, 30_000),
            ("refund", 5_000, 35_000),
            ("payment", -35_000, 0),
        ]
        check("the history", lines, expected)

    @step("The day is settled: the kiosk keeps the cash it has taken, and is paid the rest")
    async def day_ends(self) -> None:
        self.day = self.world.today()
        of_shop = await day_is_settled(self.world, self.shop)
        of_kiosk = await statement_of(self.kiosk, self.day)
        names = ("captured", "refunded", "loaded", "fees", "paid")
        found = [of_shop[name] for name in names]
        check("the shop", found, [20_000, 5_000, 0, fee_of(20_000), 15_000 - fee_of(20_000)])
        found = [of_kiosk[name] for name in names]
        check("the kiosk", found, [35_000, 0, 20_000, fee_of(35_000), 15_000 - fee_of(35_000)])
        await payout_arrives(self.world, self.shop, of_shop)
        await payout_arrives(self.world, self.kiosk, of_kiosk)

    @step("Everybody is paid: every account is at zero but for the fees, and nothing is left to reconcile")
    async def all_is_zero(self) -> None:
        await all_is_zero_but_fees(self.world, fee_of(20_000) + fee_of(35_000))
        merchants = [self.world.merchant(role).id for role in ("shop", "kiosk")]
        await nothing_is_left_to_reconcile(self.world, *merchants)

    async def _pay(self, till: Till, amount: int, pin: str = PIN, **how: bool) -> Receipt:
        """Swipe, and type the PIN; `capture` at once, or take a part (`partial`)."""
        number, expiry = self.card.number, self.card.expiry
        return await till.purchase(number, expiry, None, amount, entry="swipe", pin=Secret(pin), **how)

    def _swiped(self, pin: str | None = None) -> CardEntry:
        secret = Secret(pin) if pin is not None else None
        return CardEntry(self.card.number, self.card.expiry, pin=secret)

    def _approved(self) -> tuple[str, str | None]:
        return "00", self.receipt.approval_code

    async def _moves(self, step_: str, body: dict[str, Any], state: str) -> None:
        moved = await self.world.operator.post(f"/v1/fulfilments/{self.fulfilment}/{step_}", body)
        check(f"to {step_} it", (moved.status, moved.body.get("state")), (200, state))
