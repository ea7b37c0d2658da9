"""WA-J3: any other mall: number and PIN typed by hand, a VAN in between that once decides by itself."""

from collections.abc import Mapping
from typing import Any, Final

from obverse.cli.journeys.money import (
    all_is_zero_but_fees,
    claim_file,
    day_is_settled,
    fee_of,
    nothing_is_left_to_reconcile,
    payout_arrives,
    send_claims,
)
from obverse.cli.journeys.people import only_payment
from obverse.cli.journeys.running import Journey, check, step
from obverse.cli.journeys.wallets import (
    WalletMember,
    apply_for_card,
    balance_of,
    charge,
    charge_arrives,
    join_in_full,
    opens_wallet,
    pays_with_pin,
    programme_on_sale,
    takes_prepaid_cards,
)
from obverse.cli.journeys.world import Caller, Number, eventually

PIN: Final = "6194"
FLOOR_LIMIT: Final = 20_000


class ThroughVan(Journey):
    code = "WA-J3"
    title = "Another mall through the VAN: number and PIN typed by hand, and a decision made elsewhere"

    mall: Caller
    programme: str
    member: WalletMember
    bora: Caller
    browser: Caller
    account: Mapping[str, Any]
    linked: str
    card: Number
    order: Mapping[str, Any]
    unreached: Mapping[str, Any]
    statement: Mapping[str, Any]

    @step("A mall that has no wallet button joins; the operator puts the wallet's card on sale")
    async def opens(self) -> None:
        place = await takes_prepaid_cards(self.world, "mall", "Far Away Mall", "5651")
        self.mall = self.world.person(place.name, place.api_key)
        self.programme = await programme_on_sale(self.world, "Wallet card", charge_unit=1_000)

    @step("Bora joins and applies for a prepaid card")
    async def joins(self) -> None:
        self.member = await join_in_full(self.world, "Bora")
        self.bora = await opens_wallet(self.world, self.member)
        self.browser = self.world.at_the_mall("Bora")
        self.card = await apply_for_card(self.bora, self.programme, PIN, name="Anywhere")

    @step("She links her bank account: one won comes with a code, and a wrong code does not prove it")
    async def links(self) -> None:
        self.account = await self.world.open_bank_account("Bora", 100_000)
        linked = await self.bora.post("/v1/bank_accounts", {"account": self.account})
        check("linking", (linked.status, linked.body.get("status")), (201, "pending"))
        self.linked = linked.body["id"]
        code = await self._code_on_the_statement()
        prove = f"/v1/bank_accounts/{self.linked}/prove"
        wrong = await self.bora.post(prove, {"code": f"{(int(code) + 1) % 10**6:06d}"})
        check("a wrong code", wrong.status, 422)
        proved = await self.bora.post(prove, {"code": code})
        check("the right one", (proved.status, proved.body.get("status")), (200, "proved"))

    @step("She charges the card with 50,000 won from her account: the bank collects it")
    async def charges(self) -> None:
        charged = await charge(self.bora, self.card.card, 50_000, "bank_account", source=self.linked)
        await charge_arrives(self.bora, charged)
        check("the balance", await balance_of(self.bora, self.card.card), (50_000, 0))
        check("her account", await self.world.balance_of(self.account["number"]), 100_001 - 50_000)

    @step("At the mall she types number and PIN by hand: mall, VAN, Obverse; a wrong PIN is declined")
    async def pays(self) -> None:
        wrong = await self._pay(30_000, PIN[::-1])
        check("a wrong PIN", (wrong["status"], wrong["code"]), ("declined", "14"))
        self.order = await self._pay(30_000)
        check("the order", self.order["status"], "paid")
        payment = await only_payment(self.bora, self.card.card)
        found = (payment["approval_code"], payment["entry"])
        check("the payment", found, (self.order["approval_code"], "typed"))

    @step("Obverse's door is away: the VAN declines much, and decides by itself up to its limit")
    async def door_away(self) -> None:
        await self.world.set_van(floor_limit=FLOOR_LIMIT, line_down=True)
        large = await self._pay(FLOOR_LIMIT + 1)
        check("above its limit", (large["status"], large["code"]), ("declined", "91"))
        self.unreached = await self._pay(FLOOR_LIMIT)
        found = (self.unreached["status"], self.unreached["approval_code"][:3])
        check("up to its limit", found, ("paid", "VAN"))
        check("Obverse has heard", await self.world.messages_to("Obverse"), 0)
        check("the balance", await balance_of(self.bora, self.card.card), (20_000, 30_000))

    @step("The line is back: the VAN reports what it has decided (0220), and it is in Bora's history")
    async def reports(self) -> None:
        await self.world.set_van()
        check("not reported yet", await eventually(self.world.not_reported_yet, 0), 0)
        check("the balance", await balance_of(self.bora, self.card.card), (0, 30_000))
        history = (await self.bora.get(f"/v1/history?card={self.card.card}")).body["data"]
        lines = [(entry["kind"], entry["amount"], entry["pending"]) for entry in history]
        reported, held = ("payment", -20_000, False), ("payment", -30_000, True)
        check("the history", lines, [reported, held, ("charge", 50_000, False)])
        payments = (await self.bora.get(f"/v1/payments?card={self.card.card}")).body["data"]
        codes = [p["approval_code"] for p in payments if p["status"] == "approved"]
        check("under the VAN's code", codes, [self.unreached["approval_code"], self.order["approval_code"]])

    @step("The mall claims its first sale; the second is paid for with the report, and only once")
    async def claims(self) -> None:
        order, reported = self.order, self.unreached
        content = claim_file(
            ("first", self.card, order["approval_code"], 30_000),
            ("second", self.card, reported["approval_code"], FLOOR_LIMIT),
        )
        report = (await send_claims(self.mall, content))["report"]
        found = {bucket: counted["claims"] for bucket, counted in report.items() if counted["claims"]}
        check("the report", found, {"captured": 1, "repeated": 1})

    @step("The day ends, and the bank pays the mall both sales less the fee")
    async def day_ends(self) -> None:
        self.statement = await day_is_settled(self.world, self.mall)
        check("captured", self.statement["captured"], 50_000)
        await payout_arrives(self.world, self.mall, self.statement)
        paid = await self.world.bank_balance(self.world.merchant("mall"))
        check("the mall's account", paid, 50_000 - self._fees())

    @step("Every account is at zero but for the fees and one won given away; nothing is left to reconcile")
    async def all_is_zero(self) -> None:
        await all_is_zero_but_fees(self.world, self._fees(), given=1)
        await nothing_is_left_to_reconcile(self.world, self.world.merchant("mall").id, self.linked)

    async def _pay(self, amount: int, pin: str = PIN) -> Mapping[str, Any]:
        return await pays_with_pin(self.browser, self.card, pin, amount, "van")

    async def _code_on_the_statement(self) -> str:
        """What Bora reads beside the won on her bank's statement."""

        async def booked() -> object:
            return [line["amount"] for line in await self.world.booked_today(self.account)]

        check("on her statement", await eventually(booked, [1]), [1])
        (line,) = await self.world.booked_today(self.account)
        code: str = line["text"].split()[-1]
        return code

    @staticmethod
    def _fees() -> int:
        return fee_of(30_000) + fee_of(FLOOR_LIMIT)
