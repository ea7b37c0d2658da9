"""Histories, daily statements, consent and figures through the REST door."""

import csv
import io
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
from tests.factories.merchants import a_merchant
from tests.factories.rest import Member, RestHouse

from obverse.access import Scope
from obverse.kit.ids import from_text, to_text

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass
class Told:
    """A member with two cards of their own, of which one was handed over, and what they bought."""

    member: Member
    card: str
    given: str
    holder: dict[str, str]
    payment: str


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def told(rest: RestHouse) -> Told:
    member = await rest.member()
    evil = await a_merchant(rest.house.merchants, name="=HYPERLINK(1)")
    shop = await rest.key(Scope.PAYMENTS, merchant=to_text("mer", evil.id))
    card = await rest.card(member)
    paid = await rest.pay(await rest.face(member, card), shop, amount=12_000, capture=True)
    refund = {"amount": 2_000}
    await rest.client.post(f"/v1/payments/{paid.json()['id']}/refund", json=refund, headers=shop)
    given = await rest.card(member)
    link = (await rest.client.post(f"/v1/cards/{given['id']}/hand_over", headers=member.headers)).json()
    claim = (await rest.client.post("/v1/claims", json={"token": link["token"]})).json()
    holder = {"Authorization": f"Bearer {claim['holder_token']}"}
    face = (await rest.client.post("/v1/claims/current/reveal", headers=holder)).json()
    fields = {"card_number": face["number"], **{k: face[k] for k in ("exp_month", "exp_year", "cvv")}}
    await rest.pay(fields, shop, amount=3_000)
    return Told(member, card["id"], given["id"], holder, paid.json()["id"])


async def read(rest: RestHouse, headers: dict[str, str], query: str = "") -> list[dict[str, Any]]:
    answer = await rest.client.get(f"/v1/history{query}", headers=headers)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["data"]
    return found


async def test_members_read_their_own_without_where_a_given_card_is_spent(
    rest: RestHouse, told: Told
) -> None:
    entries = await read(rest, told.member.headers)
    assert [(e["kind"], e["amount"], e["pending"], e["merchant_name"], e["card"]) for e in entries] == [
        ("payment", -3_000, True, None, told.given),
        ("refund", 2_000, False, "=HYPERLINK(1)", told.card),
        ("payment", -12_000, False, "=HYPERLINK(1)", told.card),
    ]
    assert entries[2]["payment"] == told.payment
    assert {e["paid_by"] for e in entries} == {"credit_line"}
    assert {e["balance"] for e in entries} == {None}
    seen = await read(rest, rest.operator, f"?member={told.member.id}&card={told.given}")
    assert [e["merchant_name"] for e in seen] == ["=HYPERLINK(1)"]


async def test_a_page_a_kind_a_card_and_a_period_narrow_it(rest: RestHouse, told: Told) -> None:
    headers = told.member.headers
    newest = (await rest.client.get("/v1/history?limit=1", headers=headers)).json()
    assert newest["has_more"] is True
    rest_of_it = await read(rest, headers, f"?after={newest['next_cursor']}")
    assert [e["amount"] for e in newest["data"] + rest_of_it] == [-3_000, 2_000, -12_000]
    assert [e["amount"] for e in await read(rest, headers, "?kind=refund")] == [2_000]
    assert [e["amount"] for e in await read(rest, headers, f"?card={told.given}")] == [-3_000]
    at = rest_of_it[0]["at"]
    assert [e["amount"] for e in await read(rest, headers, f"?since={at}")] == [-3_000, 2_000]
    assert [e["amount"] for e in await read(rest, headers, f"?until={at}")] == [-12_000]


async def test_the_holder_of_a_given_card_reads_it_without_who_pays(rest: RestHouse, told: Told) -> None:
    answer = await rest.client.get("/v1/claims/current/history", headers=told.holder)
    (entry,) = answer.json()["data"]
    assert (entry["amount"], entry["merchant_name"]) == (-3_000, "=HYPERLINK(1)")
    assert (entry["funding_source"], entry["paid_by"]) == (None, None)
    assert told.member.id not in answer.text
    file = await rest.client.get("/v1/claims/current/history.csv", headers=told.holder)
    assert len(file.text.splitlines()) == 2


@pytest.mark.parametrize(
    ("language", "headings", "kinds"),
    [
        ("en", ["Date", "Card", "Merchant", "Kind", "Purchases"], ["payment", "refund", "payment"]),
        ("ko", ["일시", "카드", "가맹점", "구분", "구매"], ["결제", "환불", "결제"]),
    ],
)
async def test_the_file_has_a_column_for_each_kind_and_runs_nothing(
    rest: RestHouse, told: Told, language: str, headings: list[str], kinds: list[str]
) -> None:
    answer = await rest.client.get(f"/v1/history.csv?language={language}", headers=told.member.headers)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    head, *rows = csv.reader(io.StringIO(answer.text.removeprefix("\ufeff")))
    assert head[:5] == headings
    assert [row[3] for row in rows] == kinds
    assert rows[1][2] == "'=HYPERLINK(1)"
    payments, refunds = head.index("Payments" if language == "en" else "결제"), 7
    assert [(row[payments], row[refunds]) for row in rows] == [("-3000", ""), ("", "2000"), ("-12000", "")]


@pytest.mark.parametrize(
    ("query", "status", "param"),
    [
        ("?kind=everything", 400, "kind"),
        ("?since=yesterday", 400, "since"),
        ("?since=2027-01-02T00:00:00Z&until=2027-01-01T00:00:00Z", 400, "until"),
        ("?after=card_01h455vb4pex5vsknk084sn02q", 400, "after"),
        ("?card=card_01h455vb4pex5vsknk084sn02q", 404, None),
        ("?limit=0", 400, "limit"),
    ],
    ids=["kind", "moment", "period", "cursor", "card", "limit"],
)
@pytest.mark.parametrize("path", ["/v1/history", "/v1/history.csv"])
async def test_what_cannot_be_asked_is_refused_before_anything_is_sent(
    rest: RestHouse, told: Told, path: str, query: str, status: int, param: str | None
) -> None:
    if path.endswith("csv") and param in ("after", "limit"):
        return  # a file has no pages
    answer = await rest.client.get(path + query, headers=told.member.headers)
    assert answer.status_code == status, answer.text
    if param is not None:
        assert answer.json()["param"] == param


async def test_only_members_themselves_give_consent_and_may_take_it_back(rest: RestHouse) -> None:
    member = await rest.member()
    path = f"/v1/members/{member.id}/consent"
    before = (await rest.client.get(path, headers=member.headers)).json()
    assert (before["given"], before["since"]) == (False, None)
    for given in (True, True, False, False, True):
        answer = await rest.client.put(path, json={"given": given}, headers=member.headers)
        assert answer.json()["given"] is given
        assert answer.json()["since"] is not None
    assert (await rest.client.get(path, headers=rest.operator)).json()["given"] is True
    refused = await rest.client.put(path, json={"given": False}, headers=rest.operator)
    assert refused.status_code == 403
    assert (await rest.client.put(path, json={}, headers=member.headers)).status_code == 400


async def test_merchants_read_figures_of_their_own_and_operators_all(rest: RestHouse) -> None:
    await _cells(rest)
    query = "?by=merchant&since=2026-01&until=2026-02"
    own = await rest.client.get("/v1/aggregates" + query, headers=rest.merchant)
    assert own.json()["data"] == [
        {"key": rest.merchant_id, "currency": "KRW", "purchases": 7, "amount": 10_000, "average": 1_428}
    ]
    everybodys = await rest.client.get("/v1/aggregates" + query, headers=rest.operator)
    assert sum(figure["purchases"] for figure in everybodys.json()["data"]) == 16
    by = {
        dimension: (
            await rest.client.get(
                f"/v1/aggregates?by={dimension}&since=2026-01&until=2026-12", headers=rest.operator
            )
        ).json()["data"]
        for dimension in ("month", "category", "denomination")
    }
    assert [figure["key"] for figure in by["month"]] == ["2026-01", "2026-02"]
    assert [figure["key"] for figure in by["category"]] == ["5732", "5942"]
    assert [(figure["key"], figure["purchases"]) for figure in by["denomination"]] == [("", 7), ("5000", 9)]
    for bad in (
        "?by=member&since=2026-01&until=2026-02",
        "?by=month&since=2026-13&until=2027-01",
        "?by=month",
    ):
        assert (await rest.client.get("/v1/aggregates" + bad, headers=rest.operator)).status_code == 400
    wrong_way = await rest.client.get(
        "/v1/aggregates?by=month&since=2026-03&until=2026-02", headers=rest.operator
    )
    assert wrong_way.json()["param"] == "until"


async def _cells(rest: RestHouse) -> None:
    """Two counted months: what is shown of them."""
    other, _ = await rest.another_merchant()
    own_id, other_id = from_text("mer", rest.merchant_id), from_text("mer", other)
    async with rest.house.database.transaction() as conn:
        await conn.execute(
            "insert into purchase_months select month, 5, now()"
            " from unnest(array['2026-01-01'::date, '2026-02-01']) as month"
        )
        await conn.execute(
            "insert into purchase_cells values ('2026-01-01', $1, '5732', null, 'KRW', 7, 10000),"
            " ('2026-02-01', $2, '5942', 5000, 'KRW', 9, 45000)",
            own_id,
            other_id,
        )


async def test_members_see_of_which_days_they_were_told(rest: RestHouse, told: Told) -> None:
    answer = await rest.client.get("/v1/daily_statements", headers=told.member.headers)
    assert answer.json() == {"data": [], "has_more": False}, "nobody is told who has no profile"
