"""A charge is disputed: the member has the money back at once, the merchant answers, the operator decides."""

from datetime import date

from obverse.cli.journeys.money import (
    all_is_zero_but_fees,
    becomes_merchant,
    bill_is_paid,
    bill_of,
    day_is_settled,
    fee_of,
    nothing_is_left_to_reconcile,
    payout_arrives,
)
from obverse.cli.journeys.people import Member, check_out, only_payment, register, sign_in, take_number
from obverse.cli.journeys.running import Journey, check, step
from obverse.cli.journeys.world import Caller

SLIP = "Delivered: three parcels. Signature: ____"


class Dispute(Journey):
    code = "Dispute"
    title = "A charge is disputed, answered and decided"

    member: Member
    hana: Caller
    mall: Caller
    payment: str
    dispute: str
    bought_on: date

    @step("Hana buys for 30,000 won on the provider's credit, and the mall captures it")
    async def buys(self) -> None:
        place = await becomes_merchant(self.world, "mall", "Hanbit Mall", "5732")
        self.mall = self.world.person(place.name, place.api_key)
        self.member = await register(self.world, "Hana")
        self.hana = await sign_in(self.world, self.member)
        number = await take_number(self.hana)
        order = await check_out(self.world.at_the_mall("Hana"), number, 30_000)
        check("the order", order["status"], "paid")
        payment = await only_payment(self.hana, number.card)
        self.payment = payment["id"]
        captured = await self.mall.post(f"/v1/payments/{self.payment}/capture", key="all of it")
        check("the capture", captured.body["captured"], 30_000)
        self.bought_on = self.world.today()

    @step("A third of it never came: she disputes 10,000 won, is credited, but cannot spend it meanwhile")
    async def disputes(self) -> None:
        body = {
            "payment": self.payment,
            "reason": "not_received",
            "statement": "One of three parcels never came.",
            "amount": 10_000,
        }
        for _ in range(2):
            opened = await self.hana.post("/v1/disputes", body, key="parcel")
            check("the dispute", (opened.status, opened.body["state"]), (201, "open"))
        self.dispute = opened.body["id"]
        held = {line.kind: line.pending_minor for line in await self.world.books() if line.pending_minor}
        check("held", held, {"member_receivable": 10_000, "disputed": -10_000})

    @step("What is in dispute cannot be refunded besides")
    async def not_twice(self) -> None:
        refund = await self.mall.post(f"/v1/payments/{self.payment}/refund", {"amount": 20_001})
        check("the refund", (refund.status, refund.body["code"]), (422, "refund_too_large"))

    @step("The mall answers with a delivery slip")
    async def answers(self) -> None:
        url = f"/v1/disputes/{self.dispute}"
        slip = await self.mall.send_file(f"{url}/documents?name=slip.txt", SLIP, "text/plain")
        check("the slip", slip.status, 201)
        answer = await self.mall.post(f"{url}/answer", {"text": "All three parcels were sent."})
        check("the answer", (answer.status, answer.body["state"]), (200, "answered"))

    @step("The slip has no signature: the operator decides that the merchant pays, and says why")
    async def decides(self) -> None:
        decision = {"outcome": "merchant_pays", "reason": "The slip is not signed."}
        decided = await self.world.operator.post(f"/v1/disputes/{self.dispute}/decide", decision)
        check("the decision", (decided.status, decided.body["outcome"]), (200, "merchant_pays"))
        log = await self.world.operator.get(f"/v1/audit_log?subject={self.dispute}")
        check("the audit log", [entry["reason"] for entry in log.body["data"]], ["The slip is not signed."])

    @step("The day ends: the mall is paid 30,000 less 10,000, less its fee")
    async def mall_is_paid(self) -> None:
        statement = await day_is_settled(self.world, self.mall)
        paid = 20_000 - fee_of(30_000)
        check(
            "the statement",
            [statement[n] for n in ("captured", "charged_back", "paid")],
            [30_000, 10_000, paid],
        )
        await payout_arrives(self.world, self.mall, statement)

    @step("The month ends: Hana is billed 20,000 won and pays; every account is at zero but for the fee")
    async def all_is_zero(self) -> None:
        self.hana, bill = await bill_of(self.world, self.member, self.bought_on)
        check("the bill", bill["balance"], 20_000)
        await bill_is_paid(self.world, self.hana, bill, 20_000)
        await all_is_zero_but_fees(self.world, fee_of(30_000))
        await nothing_is_left_to_reconcile(self.world, self.payment, *self.member.sources)
