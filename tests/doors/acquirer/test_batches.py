"""A terminal's batch at the door: uploads (0320), totals (0500), and who hears of refused completions."""

import pytest
from tests.doors.acquirer.conftest import Door
from tests.factories.acquirer import MERCHANT
from tests.factories.iso8583 import NUMBER, capture, purchase, reconciliation, upload

from obverse.clearing.claims import BatchTotals, ClaimKind, Count, Outcome, Reason, Verdict
from obverse.kit.errors import Unavailable
from obverse.kit.money import KRW, Money
from obverse.networks.iso8583 import response_codes

TOTALS = BatchTotals(KRW, captures=Count(2, 78_000), refunds=Count(1, 4_000))


async def test_an_upload_is_a_claim_with_number_and_approval_code(door: Door) -> None:
    answer = await (await door.caller()).ask(upload())

    ((claim, batch),) = door.claims.uploaded
    assert (claim.merchant_id, claim.kind) == (MERCHANT.id, ClaimKind.CAPTURE)
    assert (claim.number.reveal(), claim.approval_code) == (NUMBER, "A1B2C3")
    assert (claim.amount, claim.reference) == (Money(34_000, KRW), "000000000001")
    assert tuple(batch) == (MERCHANT.id, "TERM0001", "000017")
    assert (answer["t"], answer["39"], answer["60"], answer["37"]) == (
        "0330", "00", "000017", "000000000001",
    )  # fmt: skip


async def test_goods_that_came_back_are_uploaded_as_a_refund(door: Door) -> None:
    await (await door.caller()).ask(upload("0321", DE3="200000"))
    ((claim, _),) = door.claims.uploaded
    assert claim.kind is ClaimKind.REFUND


@pytest.mark.parametrize(
    ("verdict", "code"),
    [
        (Verdict(Outcome.PAID, repeated=True), "00"),
        (Verdict(Outcome.REFUSED, Reason.NO_SUCH_PAYMENT), "25"),
        (Verdict(Outcome.REFUSED, Reason.WRONG_MERCHANT), "25"),
        (Verdict(Outcome.REFUSED, Reason.ALREADY_CAPTURED), "94"),
        (Verdict(Outcome.REFUSED, Reason.CAPTURE_TOO_LARGE), "13"),
        (Verdict(Outcome.REFUSED, Reason.BATCH_CLOSED), "80"),
        (Verdict(Outcome.EXCEPTION, Reason.EXPIRED), "54"),
    ],
    ids=["again", "unknown", "elsewhere", "captured", "too much", "closed", "late"],
)
async def test_a_claim_is_answered_by_its_verdict(door: Door, verdict: Verdict, code: str) -> None:
    door.claims.verdict = verdict
    assert (await (await door.caller()).ask(upload()))["39"] == code


def test_every_reason_that_a_terminal_can_get_has_a_response_code() -> None:
    never = {Reason.BROKEN_LINE, Reason.WRONG_MERCHANT}
    assert set(Reason) - never == response_codes.CLAIMS.keys()
    for reason in set(Reason) - {Reason.BROKEN_LINE}:
        assert response_codes.of_claim(Verdict(Outcome.REFUSED, reason)) != "00"


@pytest.mark.parametrize("message", [upload, reconciliation])
async def test_a_strangers_terminal_is_told_there_is_no_such_merchant(door: Door, message) -> None:
    caller = await door.caller()
    assert (await caller.ask(message(DE41="STRANGER")))["39"] == "03"
    assert (await caller.ask(message(DE42="NOBODY".ljust(15))))["39"] == "03"
    assert door.claims.uploaded == []


async def test_a_database_that_is_gone_is_a_system_malfunction(door: Door) -> None:
    door.claims.fails_with = Unavailable()
    assert (await (await door.caller()).ask(upload()))["39"] == "96"


@pytest.mark.parametrize(
    "changes",
    [
        {"DE2": None}, {"DE3": "300000"}, {"DE3": None}, {"DE4": None}, {"DE37": None}, {"DE37": " " * 12},
        {"DE38": None}, {"DE49": "000"}, {"DE60": None}, {"DE60": "1"}, {"DE60": "ABCDEF"},
    ],
    ids=str,
)  # fmt: skip
async def test_an_upload_without_what_it_needs_is_a_format_error(door: Door, changes: dict) -> None:
    assert (await (await door.caller()).ask(upload(**changes)))["39"] == "30"
    assert door.claims.uploaded == []


async def test_totals_in_balance_close_the_batch(door: Door) -> None:
    door.claims.balance = TOTALS
    answer = await (await door.caller()).ask(reconciliation())
    assert (answer["t"], answer["39"], answer["66"], answer["50"], answer["60"]) == (
        "0510", "00", "1", "410", "000017",
    )  # fmt: skip


async def test_totals_out_of_balance_are_told_so(door: Door) -> None:
    door.claims.balance = replace_captures(TOTALS, Count(3, 112_000))
    answer = await (await door.caller()).ask(reconciliation())
    assert (answer["39"], answer["66"]) == ("95", "2")


async def test_what_a_terminal_reversed_is_taken_off_its_totals(door: Door) -> None:
    door.claims.balance = replace_captures(TOTALS, Count(1, 44_000))
    reversed_ = {"DE77": "0000000001", "DE89": "0000000000034000", "DE97": "D0000000000040000"}
    assert (await (await door.caller()).ask(reconciliation(**reversed_)))["39"] == "00"


async def test_more_refunds_than_sales_are_a_net_credit(door: Door) -> None:
    door.claims.balance = replace_captures(TOTALS, Count(0, 0))
    changes = {"DE76": "0" * 10, "DE88": "0" * 16, "DE97": "C0000000000004000"}
    assert (await (await door.caller()).ask(reconciliation(**changes)))["39"] == "00"


@pytest.mark.parametrize(
    "changes",
    [
        {"DE97": "D0000000000074001"}, {"DE97": "C0000000000074000"}, {"DE97": "X0000000000074000"},
        {"DE97": None}, {"DE50": None}, {"DE50": "000"}, {"DE60": None}, {"DE74": None},
        {"DE76": "000000000A"}, {"DE86": None}, {"DE88": None}, {"DE89": "ABCDEFGHIJKLMNOP"},
    ],
    ids=str,
)  # fmt: skip
async def test_totals_that_contradict_themselves_are_a_format_error(door: Door, changes: dict) -> None:
    door.claims.balance = TOTALS
    assert (await (await door.caller()).ask(reconciliation(**changes)))["39"] == "30"


async def test_a_completion_that_is_refused_is_noted_for_an_operator(door: Door) -> None:
    caller = await door.caller()
    assert (await caller.ask(capture(purchase())))["39"] == "25"
    ((attempt, refused),) = door.claims.noted
    assert refused.code == "not_found"
    assert (attempt.amount_minor, attempt.last_four, attempt.terminal) == (34_000, NUMBER[-4:], "TERM0001")
    assert NUMBER not in repr(attempt)


def replace_captures(totals: BatchTotals, captures: Count) -> BatchTotals:
    return BatchTotals(totals.currency, captures, totals.refunds)
