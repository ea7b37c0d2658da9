"""Settling and reading what came of it, over REST; P12 for every route of it."""

import csv
import io
from datetime import date, timedelta
from typing import Any

import pytest
import pytest_asyncio
from pypdf import PdfReader
from tests.factories.merchants import BY_HAND, a_bank_account
from tests.factories.rest import RestHouse

from obverse.access import Scope
from obverse.kit.ids import MerchantId, from_text
from obverse.merchants import FeePlan, MerchantChange, Rhythm

pytestmark = pytest.mark.asyncio(loop_scope="module")
UNKNOWN = "01h455vb4pex5vsknk084sn02q"


async def a_paid_merchant(rest: RestHouse, name: str = "Mall & Söhne 한빛") -> tuple[str, dict[str, str]]:
    """A merchant with a fee, a bank account and a payment captured today; its id and its reports key."""
    merchant_id, headers = await rest.another_merchant()
    id_ = MerchantId(from_text("mer", merchant_id))
    await rest.house.merchants.change(id_, MerchantChange(name=name, fee_plan=FeePlan(100, 0)), BY_HAND)
    await rest.house.merchants.set_payout(id_, Rhythm.DAILY, a_bank_account(), BY_HAND)
    member = await rest.member()
    for _ in range(2):
        face = await rest.face(member, await rest.card(member))
        paid = await rest.pay(face, headers, capture=True)
        assert paid.json()["status"] == "approved", paid.text
    return merchant_id, await rest.key(Scope.REPORTS, merchant=merchant_id)


async def settle_today(rest: RestHouse) -> dict[str, Any]:
    """Let today be over, and settle it."""
    reports = rest.house.clock
    today = (reports.now() + timedelta(hours=9)).date()
    reports.move_to(reports.offset + timedelta(days=1))
    answer = await rest.client.post("/v1/settlements", json={"day": today.isoformat()}, headers=rest.operator)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def get(rest: RestHouse, path: str, headers: dict[str, str]) -> Any:
    answer = await rest.client.get(path, headers=headers)
    assert answer.status_code == 200, (path, answer.text)
    return answer.json()


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def settled(rest: RestHouse) -> dict[str, Any]:
    """A merchant whose day has been settled: its ids, its key and what it can read."""
    merchant_id, reports = await a_paid_merchant(rest)
    settlement = await settle_today(rest)
    (statement,) = (await get(rest, "/v1/statements", reports))["data"]
    (payout,) = (await get(rest, "/v1/payouts", reports))["data"]
    return {
        "mer": merchant_id,
        "key": reports,
        "settlement": settlement,
        "statement": statement,
        "payout": payout,
    }


async def test_an_operator_settles_a_day_and_reads_what_became_of_it(
    rest: RestHouse, settled: dict[str, Any]
) -> None:
    settlement = settled["settlement"]
    assert (settlement["state"], settlement["actions"]) == ("closed", 2)
    again = await rest.client.post("/v1/settlements", json={"day": settlement["day"]}, headers=rest.operator)
    assert again.json() == settlement
    assert await get(rest, f"/v1/settlements/{settlement['id']}", rest.operator) == settlement
    assert settlement in (await get(rest, "/v1/settlements", rest.operator))["data"]


async def test_a_merchant_reads_its_statement_and_its_payout(
    rest: RestHouse, settled: dict[str, Any]
) -> None:
    statement, payout = settled["statement"], settled["payout"]
    assert statement["settlement"] == settled["settlement"]["id"]
    assert (statement["captured"], statement["fees"], statement["paid"]) == (68_000, 680, 67_320)
    assert (statement["brought_forward"], statement["carried_forward"]) == (0, 0)
    assert (payout["statement"], payout["amount"]) == (statement["id"], 67_320)
    assert payout["state"] in ("ready", "scheduled")
    assert await get(rest, f"/v1/statements/{statement['id']}", settled["key"]) == statement
    assert await get(rest, f"/v1/payouts/{payout['id']}", settled["key"]) == payout


async def test_an_operator_finds_statements_by_merchant_and_settlement(
    rest: RestHouse, settled: dict[str, Any]
) -> None:
    for query in (f"?merchant={settled['mer']}", f"?settlement={settled['settlement']['id']}"):
        listed = (await get(rest, f"/v1/statements{query}", rest.operator))["data"]
        assert settled["statement"] in listed
    payouts = (await get(rest, f"/v1/payouts?merchant={settled['mer']}", rest.operator))["data"]
    assert payouts == [settled["payout"]]
    assert (await get(rest, f"/v1/statements?merchant=mer_{UNKNOWN}", rest.operator))["data"] == []


@pytest.mark.parametrize(
    ("query", "accept", "kind"),
    [
        ("", "en", "capture"),
        ("", "ko-KR,ko;q=0.9", "매입"),
        ("?language=ko", "en", "매입"),
        ("", "fr", "capture"),
    ],
    ids=["by header", "by header in Korean", "the query wins", "a language we do not speak"],
)
async def test_the_csv_has_every_action_and_adds_up_to_the_statement(
    rest: RestHouse, settled: dict[str, Any], query: str, accept: str, kind: str
) -> None:
    path = f"/v1/statements/{settled['statement']['id']}/statement.csv{query}"
    answer = await rest.client.get(path, headers=settled["key"] | {"Accept-Language": accept})
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"].endswith('.csv"')
    _, *rows = csv.reader(io.StringIO(answer.content.decode("utf-8-sig")))
    assert [row[3] for row in rows] == [kind, kind]
    assert {row[1] for row in rows} == {"Mall & Söhne 한빛"}
    assert sum(int(row[8]) for row in rows) == settled["statement"]["paid"]


@pytest.mark.parametrize(
    ("language", "title"), [("en", "Settlement statement"), ("ko", "정산 명세서")], ids=["en", "ko"]
)
async def test_the_pdf_can_be_read_in_both_languages(
    rest: RestHouse, settled: dict[str, Any], language: str, title: str
) -> None:
    path = f"/v1/statements/{settled['statement']['id']}/statement.pdf?language={language}"
    answer = await rest.client.get(path, headers=settled["key"])
    assert answer.headers["content-type"] == "application/pdf"
    text = "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(answer.content)).pages)
    for part in (title, "67,320", "Mall & Söhne 한빛", settled["statement"]["id"]):
        assert part in text
    assert (await rest.client.get(path, headers=settled["key"])).content == answer.content


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"day": "2999-01-01"}, 409, "day_not_over"),
        ({"day": "0001-01-01"}, 400, "invalid_request"),
        ({"day": "1926-11-19"}, 400, "invalid_request"),
        ({"day": "2021-01-01"}, 409, "day_passed"),
        ({"day": "2026-02-30"}, 400, "invalid_request"),
        ({"day": 20261119}, 400, "invalid_request"),
        ({}, 400, "invalid_request"),
        ({"day": "2026-11-19", "force": True}, 400, "invalid_request"),
    ],
    ids=[
        "not over",
        "a slip",
        "a century ago",
        "passed",
        "no such day",
        "a number",
        "nothing",
        "an unknown field",
    ],
)
async def test_a_day_that_cannot_be_settled_is_refused_with_the_reason(
    rest: RestHouse, settled: dict[str, Any], body: dict[str, Any], status: int, code: str
) -> None:
    assert settled
    answer = await rest.client.post("/v1/settlements", json=body, headers=rest.operator)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


ROUTES = (
    "/v1/statements/{stm}",
    "/v1/statements/{stm}/statement.csv",
    "/v1/statements/{stm}/statement.pdf",
    "/v1/payouts/{bank}",
    "/v1/statements?merchant={mer}",
    "/v1/payouts?merchant={mer}",
)


@pytest.mark.parametrize("route", ROUTES)
async def test_p12_another_merchants_reports_look_missing(
    rest: RestHouse, settled: dict[str, Any], route: str
) -> None:
    ids = {"{stm}": settled["statement"]["id"], "{bank}": settled["payout"]["id"], "{mer}": settled["mer"]}
    foreign, missing = route, route
    for name, id_ in ids.items():
        foreign = foreign.replace(name, id_)
        missing = missing.replace(name, f"{name[1:-1]}_{UNKNOWN}")
    other, _ = await rest.another_merchant()
    stranger = await rest.key(Scope.REPORTS, merchant=other)
    answer, nothing = [await rest.client.get(path, headers=stranger) for path in (foreign, missing)]
    assert (answer.status_code, nothing.status_code) == (404, 404)
    assert answer.json()["code"] == nothing.json()["code"]
    assert settled["mer"] not in answer.text


async def test_p12_lists_hold_nothing_of_another_merchant(rest: RestHouse, settled: dict[str, Any]) -> None:
    assert settled
    other, _ = await rest.another_merchant()
    stranger = await rest.key(Scope.REPORTS, merchant=other)
    for path in ("/v1/statements", f"/v1/statements?settlement={settled['settlement']['id']}", "/v1/payouts"):
        assert (await get(rest, path, stranger))["data"] == []


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_p12_settlements_are_for_operators_only(
    rest: RestHouse, settled: dict[str, Any], method: str
) -> None:
    member = await rest.member()
    body = {"day": date(2026, 11, 19).isoformat()} if method == "POST" else None
    for headers in (settled["key"], member.headers, await rest.key(Scope.PAYMENTS)):
        answer = await rest.client.request(method, "/v1/settlements", json=body, headers=headers)
        assert answer.status_code == 403
        one = f"/v1/settlements/{settled['settlement']['id']}"
        assert (await rest.client.get(one, headers=headers)).status_code == 403


async def test_p12_payments_keys_and_members_read_no_reports(
    rest: RestHouse, settled: dict[str, Any]
) -> None:
    member = await rest.member()
    for headers in (await rest.key(Scope.PAYMENTS, merchant=settled["mer"]), member.headers):
        for path in ("/v1/statements", "/v1/payouts"):
            assert (await rest.client.get(path, headers=headers)).status_code == 403
