"""Three points issuers on their ports: the protocol, signatures, faults, links, and what the VAN is told."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from typing import Any

import httpx
import pytest
from tests.factories.mailbox import HOST
from tests.factories.points_issuers import PHONE, PointsIssuers, a_take, ask, points_issuers
from tests.factories.waiting import eventually

from obverse.kit.clock import Clock
from obverse.kit.secret import Secret
from obverse.sandbox.faults import Fault, MessageKind
from obverse.sandbox.points_issuer import PointsIssuer

TERMINAL = {"acquirer": "123456", "merchant_no": "M1", "terminal": "T0000001", "rrn": "632419000001"}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def issuers(clock: Clock) -> AsyncIterator[PointsIssuers]:
    async with points_issuers(clock) as issuers:
        yield issuers


async def test_units_are_held_confirmed_and_given_back_in_parts(issuers: PointsIssuers) -> None:
    miles = issuers.sky_miles
    account = issuers.account(miles, 5_000)
    takes = [a_take(account, 3_000), a_take(account, 2_500), a_take("acc_none", 1)]
    first, second, third = [take["reference"] for take in takes]

    held = [(await ask(miles, "/holds", {"takes": takes})).json() for _ in range(2)]
    confirmed = await ask(
        miles, "/confirmations", {"confirmations": [{"reference": first}, {"reference": second}]}
    )
    back = {"reference": first, "units": 1_000, "units_before": 0}
    cancelled = [(await ask(miles, "/cancellations", {"cancellations": [back]})).json() for _ in range(2)]
    balances = await ask(miles, "/balances", {"accounts": ["acc_none", account.handle]})

    assert held[0] == held[1]
    taken = miles.book.taken(first)
    assert taken is not None
    assert held[0]["results"] == [
        {"reference": first, "status": "approved", "approval_code": taken.approval_code},
        {"reference": second, "status": "declined", "reason": "insufficient_points"},
        {"reference": third, "status": "declined", "reason": "account_unknown"},
    ]
    assert confirmed.json()["results"] == [
        {"reference": first, "status": "confirmed"},
        {"reference": second, "status": "unknown"},
    ]
    assert cancelled == [{"results": [{"reference": first, "status": "cancelled"}]}] * 2
    assert balances.json()["balances"] == [
        {"account": "acc_none", "error": "account_unknown"},
        {"account": account.handle, "units": 3_000},
    ]
    assert (taken.state, taken.units_kept) == ("spent", 2_000)


async def test_one_that_only_deducts_knows_nothing_of_holds_and_remembers_what_was_called_off(
    issuers: PointsIssuers,
) -> None:
    stamps = issuers.corner_stamps
    account = issuers.account(stamps, 100)
    take, late = a_take(account, 40), a_take(account, 50)
    off = {"reference": late["reference"], "units": None, "units_before": None}

    assert (await ask(stamps, "/holds", {"takes": [take]})).status_code == 404
    assert (await ask(stamps, "/confirmations", {"confirmations": []})).status_code == 404
    done = (await ask(stamps, "/deductions", {"takes": [take]})).json()
    await ask(stamps, "/cancellations", {"cancellations": [off]})
    declined = (await ask(stamps, "/deductions", {"takes": [late]})).json()

    assert done["results"][0]["status"] == "approved"
    assert declined["results"][0] | {"reference": ""} == {
        "reference": "",
        "status": "declined",
        "reason": "cancelled",
    }
    deducted = stamps.book.taken(take["reference"])
    assert deducted is not None
    assert (deducted.state, account.units) == ("spent", 60)


async def test_a_repeat_of_what_was_called_off_later_is_declined(issuers: PointsIssuers) -> None:
    account = issuers.account(issuers.sky_miles, 100)
    take = a_take(account, 40)
    all_of_it = {"reference": take["reference"], "units": None, "units_before": None}

    await ask(issuers.sky_miles, "/holds", {"takes": [take]})
    await ask(issuers.sky_miles, "/cancellations", {"cancellations": [all_of_it]})
    again = (await ask(issuers.sky_miles, "/holds", {"takes": [take]})).json()["results"][0]

    assert (again["status"], again["reason"], account.units) == ("declined", "cancelled", 100)


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({"secret": Secret("whsec_" + "A" * 32)}, 401),
        ({"ahead": timedelta(minutes=-6)}, 401),
        ({"ahead": timedelta(minutes=6)}, 401),
        ({"body": {"takes": []}}, 400),
        ({"body": {"takes": [a_take("acc_1") | {"units": 0}]}}, 400),
        ({"body": {"takes": [a_take("acc_1")] * 201}}, 400),
        ({"body": {"takes": [a_take("acc_1", reference="r"), a_take("acc_1", 2, reference="r")]}}, 409),
        ({"path": "/transfers"}, 404),
    ],
    ids=[
        "another's secret",
        "an old signature",
        "one from the future",
        "nothing",
        "no units",
        "too many",
        "one reference for two",
        "no such call",
    ],
)
async def test_what_is_wrong_is_refused_and_changes_nothing(
    issuers: PointsIssuers, asked: Mapping[str, Any], status: int
) -> None:
    request = {"path": "/holds", "body": {"takes": [a_take("acc_1")]}} | dict(asked)

    answer = await ask(issuers.sky_miles, **request)

    assert answer.status_code == status
    assert issuers.sky_miles.book.takes == []


async def test_without_a_signature_or_a_secret_nobody_is_believed(issuers: PointsIssuers) -> None:
    account = issuers.account(issuers.sky_miles)
    async with httpx.AsyncClient(base_url=issuers.sky_miles.url) as client:
        plain = await client.post("/balances", json={"accounts": [account.handle]})
        assert (await client.get("/balances")).status_code == 404
    issuers.sky_miles.secret = None
    signed = await ask(issuers.sky_miles, "/balances", {"accounts": [account.handle]})
    assert (plain.status_code, signed.status_code) == (401, 401)
    assert issuers.trace.since(0)[-1].fields == {"signature": "wrong"}


# -- faults -------------------------------------------------------------------------------------------------


async def _hold(issuer: PointsIssuer, take: Mapping[str, Any], timeout_s: float = 5.0) -> int | str:
    """The status of an answer that can be read, or what there was instead."""
    try:
        answer = await ask(issuer, "/holds", {"takes": [take]}, timeout_s=timeout_s)
    except httpx.ConnectError:
        return "not connected"
    except httpx.TimeoutException:
        return "no answer"
    except httpx.HTTPError:
        return "hung up"
    return "garbage" if answer.text.startswith("<") else answer.status_code


@pytest.mark.parametrize(
    ("fault", "kind", "told", "is_done"),
    [
        (Fault.SILENT, MessageKind.POINTS_TAKES, "no answer", True),
        (Fault.LOST, MessageKind.POINTS_TAKES, "no answer", False),
        (Fault.LATE, MessageKind.POINTS_TAKES, "no answer", True),
        (Fault.SLOW, MessageKind.POINTS_TAKES, "no answer", False),
        (Fault.CLOSE, MessageKind.POINTS_TAKES, "hung up", True),
        (Fault.BREAK, MessageKind.POINTS_TAKES, 500, True),
        (Fault.REFUSE, MessageKind.POINTS_TAKES, 503, False),
        (Fault.GARBAGE, MessageKind.POINTS_TAKES, "garbage", True),
        (Fault.DUPLICATE, MessageKind.POINTS_TAKES, 200, True),
        (Fault.REFUSE, MessageKind.CONNECTION, "not connected", False),
        (Fault.SILENT, MessageKind.POINTS_BALANCES, 200, True),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
async def test_it_misbehaves_as_told_and_the_same_request_again_finds_what_was_done(
    issuers: PointsIssuers, fault: Fault, kind: MessageKind, told: int | str, is_done: bool
) -> None:
    miles = issuers.sky_miles
    account = issuers.account(miles, 100)
    take = a_take(account, 30)
    await issuers.misbehave(miles, fault, kind, delay_ms=5_000)

    seen = await _hold(miles, take, timeout_s=0.3 if told == "no answer" else 5)

    assert seen == told
    if is_done:
        await eventually(lambda: account.units == 70)
    assert account.units == (70 if is_done else 100)
    await miles.set_fault(kind, None)
    assert await _hold(miles, take) == 200
    assert account.units == 70
    assert miles.faults.rules() == {}


async def test_what_comes_slowly_is_taken_all_the_same(issuers: PointsIssuers) -> None:
    account = issuers.account(issuers.sky_miles, 100)
    await issuers.misbehave(issuers.sky_miles, Fault.SLOW, delay_ms=150)

    assert await _hold(issuers.sky_miles, a_take(account, 30), timeout_s=0.05) == "no answer"

    await eventually(lambda: account.units == 70)


async def test_a_wrong_balance_is_more_than_there_is_and_counted_faults_end(issuers: PointsIssuers) -> None:
    account = issuers.account(issuers.sky_miles, 100)
    await issuers.misbehave(issuers.sky_miles, Fault.WRONG_BALANCE, MessageKind.POINTS_BALANCES, times=1)

    told = [
        (await ask(issuers.sky_miles, "/balances", {"accounts": [account.handle]})).json()["balances"][0]
        for _ in range(2)
    ]

    assert told[0]["units"] > 100
    assert told[1]["units"] == 100


async def test_one_that_misbehaves_does_not_drag_the_others_down(issuers: PointsIssuers) -> None:
    await issuers.misbehave(issuers.sky_miles, Fault.SILENT, MessageKind.POINTS_BALANCES)
    silent = asyncio.create_task(ask(issuers.sky_miles, "/balances", {"accounts": ["acc_1"]}))
    for issuer in (issuers.star_points, issuers.corner_stamps):
        assert (await ask(issuer, "/balances", {"accounts": ["acc_1"]})).status_code == 200
    assert not silent.done()
    silent.cancel()
    await asyncio.gather(silent, return_exceptions=True)


# -- links --------------------------------------------------------------------------------------------------


async def test_a_link_is_proved_by_the_code_that_went_to_the_owners_telephone(
    issuers: PointsIssuers,
) -> None:
    stars = issuers.star_points
    account = issuers.account(stars, number="880012345678")
    begun = await ask(stars, "/links", {"account": "8800-1234 5678"})
    path = f"/links/{begun.json()['link']}/proof"
    code = issuers.code()
    wrong = f"{(int(code) + 1) % 1_000_000:06d}"

    answers = [await ask(stars, path, {"code": each}) for each in (wrong, code, code)]

    assert [answer.status_code for answer in (begun, *answers)] == [201, 422, 200, 200]
    assert answers[1].json() == {"account": account.handle}
    assert issuers.mailbox.letters_to(PHONE)[-1].text.startswith("Star Points: ")
    heard = repr(issuers.trace.since(0))
    assert "ends in 5678" in heard
    assert not any(each in heard for each in (code, "8800-1234 5678", account.handle))


@pytest.mark.parametrize("ending", ["three wrong codes", "its time", "no such link"])
async def test_a_link_is_over(issuers: PointsIssuers, clock: Clock, ending: str) -> None:
    stars = issuers.star_points
    issuers.account(stars, number="880012345678")
    link = (await ask(stars, "/links", {"account": "880012345678"})).json()["link"]
    if ending == "three wrong codes":
        for _ in range(3):
            assert (await ask(stars, f"/links/{link}/proof", {"code": "?"})).status_code == 422
    elif ending == "its time":
        clock.move_to(timedelta(minutes=11))
    else:
        link = "lnk_none"
    assert (await ask(stars, f"/links/{link}/proof", {"code": issuers.code()})).status_code == 410


async def test_no_link_without_an_account_or_without_a_message(issuers: PointsIssuers) -> None:
    stars = issuers.star_points
    issuers.account(stars, number="880012345678")
    assert (await ask(stars, "/links", {"account": "880000000000"})).status_code == 404
    issuers.mailbox.misbehave(Fault.REFUSE, MessageKind.SMS)
    assert (await ask(stars, "/links", {"account": "880012345678"})).status_code == 503


# -- the VAN (PR-7) -----------------------------------------------------------------------------------------


async def test_pr7_results_reach_the_tills_van_once_and_as_they_stand_in_the_end(
    issuers: PointsIssuers,
) -> None:
    stars = issuers.star_points
    account = issuers.account(stars, 100)
    paid = a_take(account, 30, terminal=TERMINAL)
    undone = a_take(account, 40, terminal=TERMINAL | {"rrn": "632419000002"})
    declined = a_take(account, 999, terminal=TERMINAL | {"rrn": "632419000003"})
    await ask(stars, "/holds", {"takes": [paid, undone, declined, a_take(account, 1)]})
    back = {"reference": undone["reference"], "units": None, "units_before": None}
    part = {"reference": paid["reference"], "units": 10, "units_before": 0}
    for _ in range(2):
        await ask(stars, "/cancellations", {"cancellations": [back, part]})
    results = issuers.van.results
    await eventually(lambda: [row.units_back for row in results.at("T0000001")] == [10, 40, 0])

    async with httpx.AsyncClient(base_url=f"http://{HOST}:{issuers.van.port}") as till:

        async def seen(**query: str) -> list[dict[str, Any]]:
            answer = await till.get("/points_results", params={"terminal": "T0000001"} | query)
            results: list[dict[str, Any]] = answer.json()["data"]
            return results

        rows = await seen()
        assert [row["status"] for row in rows] == ["approved", "cancelled", "declined"]
        taken = stars.book.taken(paid["reference"])
        assert taken is not None
        assert rows[0]["approval_code"] == taken.approval_code
        assert rows[2]["reason"] == "insufficient_points"
        assert [row["rrn"] for row in await seen(rrn="632419000002", merchant_no="M1")] == ["632419000002"]
        assert await seen(merchant_no="M2") == []
        # Told again, and told late: nothing comes back to life.
        late = {"issuer": "Star Points", "results": [_as_told(rows[1]) | {"units_back": 0}]}
        assert (await till.post("/points_results", json=late)).status_code == 200
        assert (await seen())[1] == rows[1]
        assert (await till.post("/points_results", json={"issuer": "x", "results": []})).status_code == 400
    told = [entry.fields for entry in issuers.trace.since(0) if entry.kind == "POST /points_results"]
    assert {fields["terminal"] for fields in told} == {"T0000001"}
    answered = [entry.fields for entry in issuers.trace.since(0) if entry.receiver == "Till T0000001"]
    assert answered[0] == {"statuses": "approved, cancelled, declined"}


async def test_a_van_that_is_away_is_told_when_it_is_back(issuers: PointsIssuers) -> None:
    stars = issuers.star_points
    account = issuers.account(stars, 100)
    port = issuers.van.port
    await issuers.van.stop()
    await ask(stars, "/holds", {"takes": [a_take(account, 30, terminal=TERMINAL)]})
    assert issuers.van.results.at("T0000001") == []
    await issuers.van.start(HOST, port)
    await eventually(lambda: len(issuers.van.results.at("T0000001")) == 1)


async def test_only_one_that_tells_the_van_does(issuers: PointsIssuers) -> None:
    account = issuers.account(issuers.sky_miles, 100)
    await ask(issuers.sky_miles, "/holds", {"takes": [a_take(account, 30, terminal=TERMINAL)]})
    assert issuers.sky_miles.van_line is None


def _as_told(row: Mapping[str, Any]) -> dict[str, Any]:
    names = ("reference", "amount", "units", "units_back", "approval_code", "reason")
    terminal = {"acquirer": "123456"} | {name: row[name] for name in ("merchant_no", "terminal", "rrn")}
    return {name: row[name] for name in names} | {"terminal": terminal}
