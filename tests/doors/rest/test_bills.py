"""Bills through the REST door: a member's own, an operator's view, CSV, and nothing of anybody else's."""

import csv
import io
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
import pytest_asyncio
from tests.factories.billing import SEOUL, turn_to
from tests.factories.members import PASSWORD
from tests.factories.merchants import a_merchant
from tests.factories.rest import Member, RestHouse
from tests.factories.treasury import a_statement, an_entry

from obverse.access import Scope
from obverse.billing import Billing, Issuing, Month
from obverse.kit.ids import to_text

pytestmark = pytest.mark.asyncio(loop_scope="module")
_entries = count(1)
UNKNOWN = "bill_01h455vb4pex5vsknk084sn02q"


@dataclass
class Billed:
    """A member who bought three times and was billed, and another one who was too."""

    member: Member
    other: Member
    month: str
    shop: str
    given: str
    """The card that was handed over."""
    payments: list[str]
    begun: dict[str, Any]
    """What the operator was told who had the month billed."""


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def billed(rest: RestHouse) -> Billed:
    clock = rest.house.clock
    today = SEOUL.local_date(clock.now())
    member, other = await rest.member(), await rest.member()
    evil = await a_merchant(rest.house.merchants, name="=HYPERLINK(1)")
    shop_key = await rest.key(Scope.PAYMENTS, merchant=to_text("mer", evil.id))
    payments = [await _buy(rest, member, amount, shop_key) for amount in (10_000, 20_000)]
    card = await rest.card(member)
    link = (await rest.client.post(f"/v1/cards/{card['id']}/hand_over", headers=member.headers)).json()
    claim = (await rest.client.post("/v1/claims", json={"token": link["token"]})).json()
    holder = {"Authorization": f"Bearer {claim['holder_token']}"}
    face = (await rest.client.post("/v1/claims/current/reveal", headers=holder)).json()
    fields = {"card_number": face["number"], **{k: face[k] for k in ("exp_month", "exp_year", "cvv")}}
    bought = await rest.pay(fields, shop_key, amount=3_000, capture=True)
    assert bought.json()["status"] == "approved", bought.text
    payments.append(bought.json()["id"])
    await _buy(rest, other, 7_000, shop_key)
    month = Month.of(today)
    turn_to(clock, month.next().begins(SEOUL.zone) + timedelta(minutes=1))
    for each in (member, other):
        _, token = await rest.house.members.sign_in(each.id, PASSWORD)
        each.token = token.reveal()
    begun = await rest.client.post("/v1/bills", json={"month": str(month)}, headers=rest.operator)
    await issuing(rest).issue_due()
    return Billed(member, other, str(month), to_text("mer", evil.id), card["id"], payments, begun.json())


async def _buy(rest: RestHouse, member: Member, amount: int, shop_key: dict[str, str]) -> str:
    bought = await rest.pay(
        await rest.face(member, await rest.card(member)), shop_key, amount=amount, capture=True
    )
    id_: str = bought.json()["id"]
    return id_


async def get(rest: RestHouse, path: str, headers: dict[str, str], status: int = 200) -> Any:
    answer = await rest.client.get(path, headers=headers)
    assert answer.status_code == status, answer.text
    return answer.json()


async def bill_of(rest: RestHouse, member: Member) -> dict[str, Any]:
    (bill,) = (await get(rest, "/v1/bills", member.headers))["data"]
    found: dict[str, Any] = bill
    return found


def issuing(rest: RestHouse) -> Issuing:
    room: Issuing = rest.app.state.services.issuing
    return room


def billing(rest: RestHouse) -> Billing:
    room: Billing = rest.app.state.services.billing
    return room


async def test_an_operator_has_a_month_billed_and_asks_how_far_it_is(rest: RestHouse, billed: Billed) -> None:
    assert (billed.begun["month"], billed.begun["state"]) == (billed.month, "collecting")
    done = await rest.client.post("/v1/bills", json={"month": billed.month}, headers=rest.operator)
    assert done.status_code == 200
    assert done.json() | {"started": None, "done": None} == {
        "object": "bill_run",
        "month": billed.month,
        "state": "done",
        "actions": 4,
        "lines": 4,
        "bills": 2,
        "started": None,
        "done": None,
    }


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"month": "2026-13"}, 400, "invalid_request"),
        ({"month": "now"}, 400, "invalid_request"),
        ({"month": 202611}, 400, "invalid_request"),
        ({}, 400, "invalid_request"),
        ({"month": "2199-01"}, 409, "month_not_over"),
        ({"month": "2020-01"}, 409, "month_passed"),
    ],
)
async def test_a_month_that_cannot_be_billed_is_refused(
    rest: RestHouse, billed: Billed, body: dict[str, Any], status: int, code: str
) -> None:
    answer = await rest.client.post("/v1/bills", json=body, headers=rest.operator)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_a_member_sees_their_bill_and_its_lines_page_by_page(rest: RestHouse, billed: Billed) -> None:
    bill = await bill_of(rest, billed.member)
    assert {name: bill[name] for name in ("previous", "charges", "credits", "payments", "balance")} == {
        "previous": 0,
        "charges": 33_000,
        "credits": 0,
        "payments": 0,
        "balance": 33_000,
    }
    assert (bill["state"], bill["member"], bill["month"]) == ("issued", billed.member.id, billed.month)
    detail = await get(rest, f"/v1/bills/{bill['id']}", billed.member.headers)
    assert detail == {"bill": bill, "received": []}
    lines, after = [], ""
    while True:
        page = await get(rest, f"/v1/bills/{bill['id']}/lines?limit=2{after}", billed.member.headers)
        lines += page["data"]
        if not page["has_more"]:
            break
        after = f"&after={page['next_cursor']}"
    assert [(line["payment"], line["amount"]) for line in lines] == [
        *zip(billed.payments[::-1], (3_000, 20_000, 10_000), strict=True)
    ]


async def test_ot8_the_giver_of_a_card_sees_the_amount_and_not_the_place(
    rest: RestHouse, billed: Billed
) -> None:
    bill = await bill_of(rest, billed.member)
    path = f"/v1/bills/{bill['id']}/lines"
    givers = {line["card"]: line for line in (await get(rest, path, billed.member.headers))["data"]}
    hidden = givers.pop(billed.given)
    assert (hidden["amount"], hidden["merchant"], hidden["merchant_name"]) == (3_000, None, None)
    assert hidden["kind"] == "charge"
    assert {line["merchant"] for line in givers.values()} == {billed.shop}
    operators = {line["card"]: line for line in (await get(rest, path, rest.operator))["data"]}
    assert (operators[billed.given]["merchant"], operators[billed.given]["kind"]) == (billed.shop, "capture")
    written = await rest.client.get(f"/v1/bills/{bill['id']}/bill.csv", headers=billed.member.headers)
    (row,) = [row for row in csv.DictReader(io.StringIO(written.text)) if row["card"] == billed.given]
    assert (row["amount"], row["merchant"]) == ("3000", "")


async def test_a_bill_is_downloaded_as_csv_that_no_spreadsheet_runs(rest: RestHouse, billed: Billed) -> None:
    bill = await bill_of(rest, billed.member)
    answer = await rest.client.get(f"/v1/bills/{bill['id']}/bill.csv", headers=rest.operator)
    assert answer.headers["content-type"].startswith("text/csv")
    assert f"obverse-bill-{billed.month}.csv" in answer.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert sum(int(row["amount"]) for row in rows) == bill["charges"]
    assert {row["merchant"] for row in rows} == {"'=HYPERLINK(1)"}


async def test_operators_find_bills_by_member_and_state(rest: RestHouse, billed: Billed) -> None:
    everybody = await get(rest, "/v1/bills", rest.operator)
    assert {bill["member"] for bill in everybody["data"]} == {billed.member.id, billed.other.id}
    of_one = await get(rest, f"/v1/bills?member={billed.other.id}&state=issued", rest.operator)
    assert [bill["balance"] for bill in of_one["data"]] == [7_000]
    assert (await get(rest, "/v1/bills?state=overdue", rest.operator))["data"] == []
    first = await get(rest, "/v1/bills?limit=1", rest.operator)
    rest_of_them = await get(rest, f"/v1/bills?limit=1&after={first['next_cursor']}", rest.operator)
    assert (first["has_more"], rest_of_them["has_more"]) == (True, False)
    await get(rest, "/v1/bills?state=lost", rest.operator, 400)


async def test_p12_a_foreign_bill_answers_like_one_that_does_not_exist(
    rest: RestHouse, billed: Billed
) -> None:
    bill = await bill_of(rest, billed.member)
    stranger = billed.other.headers
    for path in ("/v1/bills/{}", "/v1/bills/{}/lines", "/v1/bills/{}/bill.csv"):
        foreign = await get(rest, path.format(bill["id"]), stranger, 404)
        missing = await get(rest, path.format(UNKNOWN), stranger, 404)
        assert foreign["code"] == "bill_not_found"
        assert foreign | {"request_id": ""} == missing | {"request_id": ""}
        await get(rest, path.format(bill["id"]), rest.merchant, 403)
    assert (await get(rest, f"/v1/bills?member={billed.member.id}", stranger, 404))[
        "code"
    ] == "member_not_found"
    foreign = await get(rest, f"/v1/members/{billed.member.id}/credit", stranger, 404)
    missing = await get(rest, "/v1/members/mem_01h455vb4pex5vsknk084sn02q/credit", stranger, 404)
    assert foreign | {"request_id": ""} == missing | {"request_id": ""}


async def test_a_member_sees_what_their_credit_line_stands_at(rest: RestHouse, billed: Billed) -> None:
    held = await rest.pay(await rest.face(billed.member, await rest.card(billed.member)), amount=500)
    assert held.json()["status"] == "approved", held.text
    path = f"/v1/members/{billed.member.id}/credit"
    seen = await get(rest, path, billed.member.headers)
    amounts = {n: seen[n] for n in ("limit", "owed", "held", "available", "due", "overdue", "unbilled")}
    assert amounts == {
        "limit": 1_000_000,
        "owed": 33_000,
        "held": 500,
        "available": 966_500,
        "due": 33_000,
        "overdue": 0,
        "unbilled": 0,
    }
    assert seen["next_bill_on"] == str(Month.parse(billed.month).next().next().first)
    assert (seen["state"], seen["in_arrears"]) == ("active", False)
    assert await get(rest, path, rest.operator) == seen
    linked = await rest.member(linked=True)
    assert (await get(rest, f"/v1/members/{linked.id}/credit", linked.headers, 404))["code"] == (
        "credit_line_not_found"
    )


async def test_money_that_comes_in_is_on_the_members_bill_and_the_next_one_counts_it(
    rest: RestHouse, billed: Billed
) -> None:
    bill = await bill_of(rest, billed.other)
    entry = an_entry("7000", ref=f"R{next(_entries)}", text=f"{bill['reference'].lower()} thanks")
    await rest.treasury.import_statement(a_statement(entry, id_="bills"))
    assert await billing(rest).take_payments() == 1
    paid = await bill_of(rest, billed.other)
    assert (paid["state"], paid["due"], paid["balance"]) == ("paid", 0, 7_000)
    month = Month.parse(billed.month).next()
    turn_to(rest.house.clock, month.next().begins(SEOUL.zone) + timedelta(minutes=1))
    await issuing(rest).issue_due()
    _, token = await rest.house.members.sign_in(billed.other.id, PASSWORD)
    headers = {"Authorization": f"Bearer {token.reveal()}"}
    newest, _ = (await get(rest, "/v1/bills", headers))["data"]
    assert (newest["previous"], newest["payments"], newest["balance"]) == (7_000, 7_000, 0)
    (received,) = (await get(rest, f"/v1/bills/{newest['id']}", headers))["received"]
    assert (received["amount"], received["bill"]) == (7_000, bill["id"])
    written = await rest.client.get(f"/v1/bills/{newest['id']}/bill.csv", headers=headers)
    (row,) = csv.DictReader(io.StringIO(written.text))
    assert (row["kind"], row["amount"], row["id"]) == ("payment", "-7000", received["receipt"])
