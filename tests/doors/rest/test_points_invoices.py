"""Points invoices through the REST door: an operator asks for one, reads it, and sends its lines as CSV."""

import csv
import io
from uuid import UUID

import pytest
from tests.factories.rest import RestHouse

from obverse.kit.ids import from_text, to_text

pytestmark = pytest.mark.asyncio(loop_scope="module")
UNKNOWN = "pinv_01h455vb4pex5vsknk084sn02q"
LINE = """
insert into points_invoice_lines (partition_id, id, issuer_id, action_id, position, authorization_id,
    merchant_id, kind, amount_minor, units, rate_numerator, rate_denominator, reference, approval_code,
    created_at)
values (0, $1, $2, $3, 0, $4, $5, $6, $7, $8, 2, 1, 'take-7', '=P1', '2026-11-20 12:00+09')
"""


async def _line(rest: RestHouse, issuer: UUID, kind: str, minor: int) -> None:
    new_id = rest.house.new_id
    merchant = from_text("mer", rest.merchant_id)
    async with rest.house.database.transaction() as conn:
        await conn.execute(LINE, new_id(), issuer, new_id(), new_id(), merchant, kind, minor, 2 * minor)


async def test_an_operator_invoices_an_issuer_and_reads_what_it_owes(rest: RestHouse) -> None:
    issuer = (await rest.points.issuer()).id
    wish = {"issuer": to_text("pis", issuer), "reason": "asked for by telephone"}
    refused = await rest.client.post("/v1/points_invoices", json=wish, headers=rest.operator)
    assert (refused.status_code, refused.json()["code"]) == (409, "nothing_to_invoice")

    await _line(rest, issuer, "capture", 4_000)
    await _line(rest, issuer, "refund", -1_500)
    asked = [await rest.client.post("/v1/points_invoices", json=wish, headers=rest.operator) for _ in "12"]
    assert [each.status_code for each in asked] == [200, 200]
    first, second = (each.json() for each in asked)
    assert first == second
    assert (first["charges"], first["credits"], first["balance"], first["open"]) == (
        4_000,
        1_500,
        2_500,
        2_500,
    )
    assert (first["units"], first["lines"], first["state"]) == (5_000, 2, "due")

    path = f"/v1/points_invoices/{first['id']}"
    detail = (await rest.client.get(path, headers=rest.operator)).json()
    assert detail == {"invoice": first, "received": []}
    listed = await rest.client.get(f"/v1/points_invoices?issuer={wish['issuer']}", headers=rest.operator)
    assert listed.json()["data"] == [first]
    pages, cursor = [], ""
    for _ in range(2):
        page = (await rest.client.get(f"{path}/lines?limit=1{cursor}", headers=rest.operator)).json()
        pages += page["data"]
        cursor = f"&after={page['next_cursor']}"
    assert [(each["kind"], each["units"], each["rate"]) for each in pages] == [
        ("refund", -3_000, "2"),
        ("capture", 8_000, "2"),
    ]

    answer = await rest.client.get(f"{path}/invoice.csv", headers=rest.operator)
    assert first["reference"].lower() in answer.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff"))))
    assert [(row["reference"], row["units"], row["amount"]) for row in rows] == [
        ("take-7", "-3000", "-1500"),
        ("take-7", "8000", "4000"),
    ]
    assert rows[0]["approval_code"] == "'=P1", "no text is taken for a formula"


@pytest.mark.parametrize("path", ["", "/lines", "/invoice.csv"])
async def test_an_invoice_that_is_none_is_not_found(rest: RestHouse, path: str) -> None:
    answer = await rest.client.get(f"/v1/points_invoices/{UNKNOWN}{path}", headers=rest.operator)
    assert (answer.status_code, answer.json()["code"]) == (404, "points_invoice_not_found")


async def test_an_issuer_that_is_none_is_not_invoiced(rest: RestHouse) -> None:
    wish = {"issuer": "pis_01h455vb4pex5vsknk084sn02q", "reason": "a try"}
    answer = await rest.client.post("/v1/points_invoices", json=wish, headers=rest.operator)
    assert (answer.status_code, answer.json()["code"]) == (404, "points_issuer_not_found")
