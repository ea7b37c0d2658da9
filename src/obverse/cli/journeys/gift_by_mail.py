"""PP-J2: a card given by mail: paid by transfer, claimed, registered, spent; its use earns points."""

from collections.abc import Mapping
from typing import Any, Final

from obverse.cli.journeys.money import (
    all_is_zero_but_fees,
    day_is_settled,
    fee_of,
    nothing_is_left_to_reconcile,
    payout_arrives,
)
from obverse.cli.journeys.people import check_out, number_of
from obverse.cli.journeys.prepaid import (
    GIFTS,
    TRANSFER,
    cards_on_sale,
    left_on,
    line,
    mailbox,
    order_becomes,
    place_order,
    random_key,
    token_in,
)
from obverse.cli.journeys.running import Journey, check, step
from obverse.cli.journeys.wallets import (
    WalletMember,
    balance_of,
    join_in_full,
    letter_to,
    opens_wallet,
    pays_with_pin,
    takes_prepaid_cards,
)
from obverse.cli.journeys.world import Caller, Number, eventually
from obverse.kit.secret import Secret

PIN: Final = "4068"
POINTS: Final = 20_000 * 5 // 100


class GiftByMail(Journey):
    code = "PP-J2"
    title = "A gift by mail: claimed, registered, spent; its points"

    mall: Caller
    programme: str
    mail: str
    buyer: Caller
    order: Mapping[str, Any]
    claim_token: Secret
    token: Secret
    holder: Caller
    number: Number
    member: WalletMember
    lena: Caller
    payments: list[str]
    statement: Mapping[str, Any]

    @step("A mall that takes prepaid cards joins; the operator puts gift cards on sale, and has use earn 5 %")
    async def opens(self) -> None:
        place = await takes_prepaid_cards(self.world, "mall", "Hanbit Mall", "5732")
        self.mall = self.world.person(place.name, place.api_key)
        self.programme = await cards_on_sale(self.world, "Gift card", giftable=True)
        rule = {"basis_points": 500, "validity_months": 12, "programme": self.programme, "reason": "Season."}
        check("the rule", (await self.world.operator.post("/v1/points_rules", rule)).status, 201)

    @step("Kim orders a card of 20,000 won for Lena, to be paid by bank transfer: nothing is sent yet")
    async def orders(self) -> None:
        self.mail, kim = mailbox(self.world, "lena"), mailbox(self.world, "kim")
        gift = {"mail": self.mail, "sender": "Kim", "design": "birthday", "message": "Many happy returns"}
        lines = [line(self.programme, 20_000, gift=gift)]
        site, key = self.world.person("Kim"), random_key(self.world)
        placed = await place_order(site, kim, lines, TRANSFER, key=key)
        check("the order", (placed.status, placed.body.get("status")), (201, "unpaid"))
        self.order = placed.body
        self.buyer = self.world.person("Kim", placed.body["token"])
        letter = await letter_to(self.world, kim, "waits for")
        check("the reference in the mail", self._pay_to()["reference"] in letter["text"], True)
        piece = (await self.buyer.get("/v1/orders/current/pieces/1")).body
        check("the card", (piece["state"], piece["card"]), ("ordered", None))
        check("letters to Lena", len(await self.world.letters_to(self.mail)), 0)

    @step("The money arrives: Lena gets a mail with Kim's words and a link, and no number")
    async def pays(self) -> None:
        await self.world.pay_by_bank("Kim", 20_000, self._pay_to()["reference"])
        await order_becomes(self.buyer, "allocated")
        letter = await letter_to(self.world, self.mail, "Kim has sent you a gift card")
        missing = [
            part for part in ("Many happy returns", "Happy birthday", "20,000") if part not in letter["text"]
        ]
        check("missing from the mail", missing, [])
        self.claim_token = Secret(token_in(letter, GIFTS))
        shown = await self.buyer.post("/v1/orders/current/reveal")
        check("what Kim sees of the card", shown.body["cards"], [])

    @step("Lena claims it with a PIN of her own: it has a new number, and the link works only once")
    async def claims(self) -> None:
        lena = self.world.person("Lena")
        form = {"token": self.claim_token.reveal(), "pin": PIN, "pin_again": PIN}
        claimed = await lena.post("/v1/claims", form)
        check("claiming", (claimed.status, claimed.body["card"]["kind"]), (201, "gift"))
        again = await lena.post("/v1/claims", form)
        check("once more", (again.status, again.body["code"]), (404, "claim_link_invalid"))
        self.token = Secret(claimed.body["holder_token"])
        self.holder = self.world.person("Lena", self.token.reveal())
        self.number = number_of(await self.holder.post("/v1/claims/current/reveal"))
        check("the balance", await left_on(self.holder), (20_000, 0))

    @step("Kim sees that it was claimed, and can neither take it back nor look at it")
    async def is_gone(self) -> None:
        piece = (await self.buyer.get("/v1/orders/current/pieces/1")).body
        check("the piece", (piece["state"], piece["card"]), ("claimed", None))
        back = await self.buyer.post("/v1/orders/current/pieces/1/gift/withdraw")
        check("taking it back", (back.status, back.body["code"]), (409, "piece_not_open"))

    @step("Lena joins and registers the card: it is among her cards, and the holder token is over")
    async def registers(self) -> None:
        self.member = await join_in_full(self.world, "Lena")
        self.lena = await opens_wallet(self.world, self.member)
        adopted = await self.lena.post("/v1/adopted_cards", {"holder_token": self.token.reveal()})
        check("registering", (adopted.status, adopted.body.get("id")), (201, self.number.card))
        check("the holder token", (await self.holder.get("/v1/claims/current")).status, 401)
        check("the balance", await balance_of(self.lena, self.number.card), (20_000, 0))

    @step("She pays 15,000 won with it at the mall; the rest was given to her, and is not paid out")
    async def spends(self) -> None:
        self.payments = [await self._pay(15_000)]
        account = await self.world.open_bank_account("Lena")
        wish = {"account": account, "close": True}
        refund = await self.lena.post(f"/v1/cards/{self.number.card}/balance_refunds", wish, key="the rest")
        check("a refund of the rest", (refund.status, refund.body["code"]), (409, "gift_not_refundable"))

    @step("She spends the rest as well: the mall has claimed both, and Lena has 5 % in points")
    async def earns(self) -> None:
        self.payments.append(await self._pay(5_000))
        check("the balance", await balance_of(self.lena, self.number.card), (0, 0))

        async def points() -> object:
            return (await self.lena.untold().get("/v1/points")).body["points"]

        check("Lena's points", await eventually(points, POINTS), POINTS)

    @step("Points pay like money: she takes a one-time number on them, and buys for 1,000 won")
    async def spends_points(self) -> None:
        sources = (await self.lena.get("/v1/funding_sources")).body["data"]
        (source,) = [each["id"] for each in sources if each["kind"] == "points"]
        issued = await self.lena.post("/v1/cards", {"funding": [source]})
        check("issuing", issued.status, 201)
        number = number_of(await self.lena.post(f"/v1/cards/{issued.body['id']}/reveal"))
        order = await check_out(self.world.at_the_mall("Lena"), number, POINTS, road="direct")
        check("the order", order["status"], "paid")
        await self._claim(order, POINTS)
        check("what is left", (await self.lena.get("/v1/points")).body["points"], 0)

    @step("The day ends, and the bank pays the mall 21,000 won less the fees")
    async def day_ends(self) -> None:
        self.statement = await day_is_settled(self.world, self.mall)
        due = 20_000 + POINTS - self._fees()
        found = [self.statement[name] for name in ("captured", "paid")]
        check("the statement", found, [20_000 + POINTS, due])
        await payout_arrives(self.world, self.mall, self.statement)

    @step("Every account is at zero but for the fees and what points have cost; nothing is left to reconcile")
    async def all_is_zero(self) -> None:
        await all_is_zero_but_fees(self.world, self._fees(), points=POINTS)
        await nothing_is_left_to_reconcile(self.world, *self.payments, self.world.merchant("mall").id)

    async def _pay(self, amount: int) -> str:
        """Pay with number and PIN at the mall, which claims it at once; the payment's id."""
        order = await pays_with_pin(self.world.at_the_mall("Lena"), self.number, PIN, amount, "direct")
        check("the order", order["status"], "paid")
        await self._claim(order, amount)
        payment: str = order["payment"]
        return payment

    async def _claim(self, order: Mapping[str, Any], amount: int) -> None:
        claim = await self.mall.post(f"/v1/payments/{order['payment']}/capture")
        check("the claim", (claim.status, claim.body.get("captured")), (200, amount))

    def _pay_to(self) -> Mapping[str, Any]:
        pay_to: Mapping[str, Any] = self.order["payment"]["pay_to"]
        return pay_to

    @staticmethod
    def _fees() -> int:
        return fee_of(15_000) + fee_of(5_000) + fee_of(POINTS)
