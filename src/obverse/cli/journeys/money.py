"""What happens to the money after a purchase: the merchant is paid, somebody is billed, all is zero."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any, Final

from obverse.cli.journeys.people import Member
from obverse.cli.journeys.places import MerchantPlace
from obverse.cli.journeys.running import check
from obverse.cli.journeys.world import Caller, Number, World, bank_account_of, check_status, eventually

FEE_BASIS_POINTS: Final = 250
_ACQUIRER: Final = "620001"


def fee_of(amount: int) -> int:
    """The programme's fee of a capture: 2.5 %, half up."""
    return (amount * FEE_BASIS_POINTS + 5_000) // 10_000


async def becomes_merchant(
    world: World, role: str, name: str, category: str, *, accepts: Sequence[str] = ("one_time",)
) -> MerchantPlace:
    """Apply, be approved by the operator on terms, fetch the first key, open for business (PF-4).

    `accepts` are kinds of cards.
    """
    place = MerchantPlace(
        id="",
        name=name,
        category=category,
        acquirer_id=_ACQUIRER,
        merchant_no=f"J{world.rng.getrandbits(48):012X}",
        terminals=["TILL0001"],
        api_key="",
        bank_account=f"{world.rng.randrange(10**11, 10**12)}",
    )
    form = {
        "name": name,
        "category": category,
        "acquirer_id": place.acquirer_id,
        "merchant_no": place.merchant_no,
        "terminals": place.terminals,
        "contact": "the owner, by telephone",
        "payout": {"account": bank_account_of(place), "rhythm": "daily"},
    }
    applied = await world.person(name).post("/v1/merchant_applications", form)
    check("applying", (applied.status, applied.body.get("state")), (201, "submitted"))
    applicant = world.person(name, applied.body["token"])
    early = await applicant.post("/v1/merchant_applications/current/key")
    check("a key before the approval", early.status, 409)
    decision = {
        "reason": "A shop we know.",
        "fee_plan": {"basis_points": FEE_BASIS_POINTS, "fixed": 0},
        "accepts": accepts,
    }
    approved = await world.operator.post(f"/v1/merchant_applications/{applied.body['id']}/approve", decision)
    check("the approval", (approved.status, approved.body.get("state")), (200, "approved"))
    key = await applicant.post("/v1/merchant_applications/current/key")
    check("the first key", key.status, 201)
    place = replace(place, id=key.body["merchant"], api_key=key.body["token"])
    await world.open_for_business(role, place)
    return place


def claim_file(*claims: tuple[str, Number, str, int]) -> str:
    """A claim file of captures: each with its reference, number, approval code and amount."""
    lines = [
        f"capture,{reference},{number.number.reveal()},{code},{amount},,,final"
        for reference, number, code, amount in claims
    ]
    total = sum(amount for *_, amount in claims)
    return "\n".join(["header,1,KRW", *lines, f"trailer,{len(claims)},{total}", ""])


async def send_claims(merchant: Caller, content: str) -> Mapping[str, Any]:
    """Send a claim file and wait until all of it is done; the file with its report."""
    sent = await merchant.send_file("/v1/claim_files", content)
    check("the claim file", sent.status, 201)

    async def done() -> object:
        return (await merchant.untold().get(f"/v1/claim_files/{sent.body['id']}")).body["status"]

    check("the claim file", await eventually(done, "done"), "done")
    return (await merchant.get(f"/v1/claim_files/{sent.body['id']}")).body


async def day_is_settled(world: World, merchant: Caller) -> Mapping[str, Any]:
    """Let the business day end; it is settled by itself. The merchant's statement."""
    day = world.today()
    await world.wait_until(day + timedelta(days=1))
    return await statement_of(merchant, day)


async def statement_of(merchant: Caller, day: date) -> Mapping[str, Any]:
    """The merchant's statement of a day that has just ended, once it is settled."""

    async def settled() -> object:
        page = await merchant.untold().get("/v1/statements?limit=1")
        return [line["day"] for line in page.body["data"]]

    check("the statement", await eventually(settled, [day.isoformat()]), [day.isoformat()])
    statement: Mapping[str, Any] = (await merchant.get("/v1/statements?limit=1")).body["data"][0]
    return statement


async def payout_arrives(world: World, merchant: Caller, statement: Mapping[str, Any]) -> Mapping[str, Any]:
    """Wait for the next banking day, on which the bank pays; the payout."""
    payouts = (await merchant.untold().get("/v1/payouts")).body["data"]
    (payout,) = [each for each in payouts if each["statement"] == statement["id"]]
    await world.wait_until(date.fromisoformat(payout["pay_on"]))

    async def state() -> object:
        return (await merchant.untold().get(f"/v1/payouts/{payout['id']}")).body["state"]

    check("the payout", await eventually(state, "done"), "done")
    return (await merchant.get(f"/v1/payouts/{payout['id']}")).body


async def bill_of(world: World, member: Member, month: date) -> tuple[Caller, Mapping[str, Any]]:
    """Wait for the month to end; the member, signed in again, and the bill for it."""
    await world.wait_until((month.replace(day=1) + timedelta(days=32)).replace(day=1))
    caller = await signs_in_again(world, member)

    async def months() -> object:
        bills = (await caller.untold().get("/v1/bills")).body["data"]
        return any(bill["month"] == f"{month:%Y-%m}" for bill in bills)

    check("the bill", await eventually(months, True), True)
    bills = (await caller.get("/v1/bills")).body["data"]
    return caller, next(bill for bill in bills if bill["month"] == f"{month:%Y-%m}")


async def bill_is_paid(
    world: World, member: Caller, bill: Mapping[str, Any], amount: int, state: str = "paid"
) -> None:
    """Pay so much of a bill by bank transfer, with its reference, and wait until it has been placed."""
    await world.pay_by_bank("the member", amount, bill["reference"])

    async def now() -> object:
        return (await member.untold().get(f"/v1/bills/{bill['id']}")).body["bill"]["state"]

    check("the bill", await eventually(now, state), state)


async def signs_in_again(world: World, member: Member) -> Caller:
    """Sessions end with time, and time has passed."""
    stranger = world.person(member.name)
    session = await stranger.post("/v1/sessions", {"member": member.id, "password": member.password})
    check("signing in", session.status, 201)
    return world.person(member.name, session.body["token"])


async def all_is_zero_but_fees(
    world: World, fees: int, *, given: int = 0, points: int = 0, expired: int = 0
) -> None:
    """Everybody who is owed is paid: what is left is the programme's fee, and it lies in the bank (OT-18).

    `given` is what the programme has given away itself, `points` what it has paid for points, `expired` what
    nobody has spent in time.
    """

    async def left() -> object:
        return {line.kind: (line.posted_minor, line.pending_minor) for line in await world.books()}

    kept = {
        "bank": fees + expired - given - points,
        "fee_income": -fees,
        "expired_value": -expired,
        "given_value": given,
        "points_expense": points,
    }
    expected = {kind: (minor, 0) for kind, minor in kept.items() if minor}
    check("what is left in the ledger", await eventually(left, expected), expected)
    balance = await world.operator.get("/v1/ledger/trial_balance")
    check("the trial balance", balance.body["balanced"], True)


async def nothing_is_left_to_reconcile(world: World, *about: str) -> None:
    """Payments, ledger and partners tell the same (OT-18); what others have left open is not ours."""
    run = await world.operator.post("/v1/reconciliation_runs")
    check_status(run)
    breaks = (await world.operator.get("/v1/breaks?state=open&limit=100")).body["data"]
    check("breaks", [b["kind"] for b in breaks if b["subject"] in about], [])
    topics = {c["topic"]: (c["ours"], c["ledger"]) for c in run.body["comparisons"]}
    check("ours and the ledger", [t for t, (ours, ledger) in topics.items() if ours != ledger], [])
