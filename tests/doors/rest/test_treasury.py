"""The bank account through the front door: operators see, correct, assign, place and send back."""

from typing import Any
from uuid import uuid4

import httpx
import pytest
from tests.factories.rest import RestHouse
from tests.factories.treasury import a_bank_account, a_statement, an_entry

from obverse.access import Scope
from obverse.kit.ids import BankTransferId, PartitionId, to_text
from obverse.kit.money import KRW, Money
from obverse.treasury import TransferOrder

pytestmark = pytest.mark.asyncio(loop_scope="module")
ACCOUNT = {"bank_code": "004", "number": "110222333444", "holder": "Hanbit Mall"}
XML = {"Content-Type": "application/xml"}


async def upload(rest: RestHouse, content: bytes, headers: dict[str, str] = XML) -> httpx.Response:
    return await rest.client.post("/v1/bank_statements", content=content, headers=rest.operator | headers)


async def a_receipt(rest: RestHouse, **changes: Any) -> dict[str, Any]:
    """Money that has just come in."""
    answer = await upload(rest, a_statement(an_entry(ref=uuid4().hex, **changes), id_=uuid4().hex))
    assert answer.status_code == 200, answer.text
    newest = await rest.client.get("/v1/receipts", params={"limit": 1}, headers=rest.operator)
    receipt: dict[str, Any] = newest.json()["data"][0]
    return receipt


async def a_refused_transfer(rest: RestHouse, number: str) -> str:
    rest.bank.refuses.add(number)
    id_ = BankTransferId(rest.house.new_id())
    order = TransferOrder(
        id_, PartitionId(0), Money(50_000, KRW), a_bank_account(number), "Settlement", uuid4(), None
    )
    async with rest.house.database.transaction() as conn:
        await rest.treasury.order(conn, [order])
    await rest.treasury.send()
    return to_text("bank", id_)


async def post(
    rest: RestHouse, path: str, body: dict[str, Any], key: str | None = None, **headers: str
) -> httpx.Response:
    sent = rest.operator | ({"Idempotency-Key": key} if key else {}) | headers
    return await rest.client.post(path, json=body, headers=sent)


async def test_a_statement_is_read_in_and_says_what_was_new(rest: RestHouse) -> None:
    content = a_statement(an_entry(ref="upload 1", text="OBV-B-7G2K1X9M4Q"), id_="upload")
    first, second = await upload(rest, content), await upload(rest, content, {"Content-Type": "text/xml"})
    assert (first.status_code, first.json()) == (
        200,
        {"object": "imported_statement", "receipts": 1, "confirmed": 0, "refused": 0, "known": 0},
    )
    assert second.json()["known"] == 1


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        pytest.param(b"", 422, "statement_unreadable", id="nothing"),
        pytest.param(b"<html/>", 422, "statement_unreadable", id="a page"),
        pytest.param(
            b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', 422, "statement_unreadable", id="an entity"
        ),
        pytest.param(a_statement(account="999888777666"), 422, "statement_not_ours", id="another account"),
        pytest.param(a_statement(currency="USD"), 422, "statement_not_ours", id="another currency"),
        pytest.param(b" " * 10_000_001, 413, "body_too_large", id="too large"),
    ],
)
async def test_p15_a_statement_that_is_none_is_refused(
    rest: RestHouse, content: bytes, status: int, code: str
) -> None:
    answer = await upload(rest, content)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert "999888777666" not in answer.text


async def test_a_statement_has_to_be_declared_as_xml(rest: RestHouse) -> None:
    answer = await upload(rest, a_statement(), {"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["param"]) == (400, "Content-Type")


async def test_a_refused_transfer_is_sent_again_to_a_corrected_account(rest: RestHouse) -> None:
    id_ = await a_refused_transfer(rest, "555666777888")
    listed = await rest.client.get("/v1/bank_transfers?status=refused", headers=rest.operator)
    shown = next(each for each in listed.json()["data"] if each["id"] == id_)
    assert (shown["status"], shown["reason"]) == ("refused", "no such account")
    assert shown["account"] == {"bank_code": "004", "holder": "Hanbit Mall", "last_four": "7888"}
    assert "555666777888" not in listed.text
    body = {"account": ACCOUNT, "reason": "told on the phone"}
    first = await post(rest, f"/v1/bank_transfers/{id_}/retry", body, "retry 1")
    assert (first.status_code, first.json()["status"]) == (200, "ready")
    await rest.treasury.send()
    again = await post(rest, f"/v1/bank_transfers/{id_}/retry", body, "retry 1")
    assert (again.status_code, again.json()["status"]) == (200, "done")
    other = await post(rest, f"/v1/bank_transfers/{id_}/retry", body | {"reason": "another"}, "retry 1")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    late = await post(rest, f"/v1/bank_transfers/{id_}/retry", body, "retry 2")
    assert (late.status_code, late.json()["code"]) == (409, "bank_transfer_not_refused")
    logged = await rest.client.get("/v1/audit_log", params={"subject": id_}, headers=rest.operator)
    (entry,) = logged.json()["data"]
    assert (entry["action"], entry["reason"]) == ("bank_transfer.retried", "told on the phone")
    assert entry["actor"].startswith("key_")


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"account": ACCOUNT | {"number": "1"}}, "account.number"),
        ({"account": ACCOUNT | {"bank_code": "4"}}, "account.bank_code"),
        ({"reason": ""}, "reason"),
        ({"reason": None}, "reason"),
        ({"more": 1}, "more"),
    ],
)
async def test_a_retry_that_cannot_be_is_refused(rest: RestHouse, changes: dict, param: str) -> None:
    id_ = await a_refused_transfer(rest, "555666777889")
    body = {"account": ACCOUNT, "reason": "told on the phone"} | changes
    answer = await post(rest, f"/v1/bank_transfers/{id_}/retry", body)
    assert (answer.status_code, answer.json()["param"]) == (400, param)


async def test_a_receipt_is_assigned_by_its_reference(rest: RestHouse) -> None:
    receipt = await a_receipt(rest, text="thanks")
    body = {"reference": "OBV-B-7G2K1X9M4Q", "reason": "asked the sender"}
    answer = await post(rest, f"/v1/receipts/{receipt['id']}/assign", body, "assign 1")
    assert (answer.status_code, answer.json()["reference"]) == (200, "OBV-B-7G2K1X9M4Q")
    assert answer.json()["open"] == 34_000
    waiting = await rest.client.get("/v1/receipts?unplaced=true", headers=rest.operator)
    assert receipt["id"] in [each["id"] for each in waiting.json()["data"]]
    wrong = await post(rest, f"/v1/receipts/{receipt['id']}/assign", body | {"reference": "bill 7"})
    assert (wrong.status_code, wrong.json()["param"]) == (400, "reference")


@pytest.mark.parametrize("to", ["fee_income", "card_company_receivable"])
async def test_a_receipt_is_placed_by_hand(rest: RestHouse, to: str) -> None:
    receipt = await a_receipt(rest)
    body = {"house_account": to, "reason": "interest of the year"}
    path = f"/v1/receipts/{receipt['id']}/place"
    answer = await post(rest, path, body, f"place {to}")
    assert (answer.status_code, answer.json()["open"]) == (200, 0)
    assert (await post(rest, path, body, f"place {to}")).json() == answer.json()
    again = await post(rest, path, body, f"place {to} again")
    assert (again.status_code, again.json()["code"]) == (409, "receipt_placed")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"merchant": "{mer}"}, 400),
        ({"merchant": "{mer}", "house_account": "fee_income"}, 400),
        ({"house_account": "bank"}, 400),
    ],
)
async def test_a_placement_names_one_account_that_exists(rest: RestHouse, body: dict, status: int) -> None:
    receipt = await a_receipt(rest)
    named = {k: v.replace("{mer}", rest.merchant_id) for k, v in body.items()}
    answer = await post(rest, f"/v1/receipts/{receipt['id']}/place", named | {"reason": "a try"})
    assert answer.status_code == status


async def test_a_receipt_is_sent_back(rest: RestHouse) -> None:
    receipt = await a_receipt(rest)
    path, body = f"/v1/receipts/{receipt['id']}/return", {"reason": "nobody we know"}
    answer = await post(rest, path, body, "return 1")
    assert (answer.status_code, answer.json()["open"]) == (200, 0)
    assert (await post(rest, path, body, "return 1")).status_code == 200
    await rest.treasury.send()
    assert rest.bank.orders[-1].to.number.reveal() == "333444555666"
    assert sum(order.to.number.reveal() == "333444555666" for order in rest.bank.orders) == 1


async def test_where_the_sender_is_not_known_an_account_is_asked_for(rest: RestHouse) -> None:
    receipt = await a_receipt(rest, account=None)
    path = f"/v1/receipts/{receipt['id']}/return"
    answer = await post(rest, path, {"reason": "nobody we know"})
    assert (answer.status_code, answer.json()["code"]) == (409, "sender_unknown")
    answer = await post(rest, path, {"reason": "nobody we know", "account": ACCOUNT})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "path",
    ["/v1/bank_transfers/{}", "/v1/receipts/{}", "/v1/receipts/{}/place", "/v1/bank_transfers/{}/retry"],
)
@pytest.mark.parametrize("id_", ["x", "bank_01h455vb4pex5vsknk084sn02q", "rcpt_01h455vb4pex5vsknk084sn02q"])
async def test_what_does_not_exist_is_not_found(rest: RestHouse, path: str, id_: str) -> None:
    body = {"account": ACCOUNT} if "retry" in path else {"house_account": "fee_income"}
    if path.count("/") == 3:
        answer = await rest.client.get(path.format(id_), headers=rest.operator)
    else:
        answer = await post(rest, path.format(id_), body | {"reason": "a try"})
    assert answer.status_code == 404


async def test_p12_only_operators_keys_open_this_door(rest: RestHouse) -> None:
    key = await rest.key(Scope.PAYMENTS, Scope.MERCHANTS, Scope.MEMBERS)
    for path in ("/v1/bank_transfers", "/v1/receipts"):
        for headers in (key, rest.merchant, (await rest.member()).headers):
            assert (await rest.client.get(path, headers=headers)).status_code == 403
    sent = key | XML
    assert (await rest.client.post("/v1/bank_statements", content=b"", headers=sent)).status_code == 403
