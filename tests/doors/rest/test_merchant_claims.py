"""Claim files and exceptions at the REST door: who may send, who may see, who decides."""

from typing import Any

import httpx
import pytest
from tests.factories.claims import a_file, a_line
from tests.factories.rest import RestHouse

from obverse.access import Scope
from obverse.authorization import EngineSettings
from obverse.doors.rest import claim_files
from obverse.kit.ids import ClaimFileId, from_text

pytestmark = pytest.mark.asyncio(loop_scope="module")

HOLD = EngineSettings(bin="941012").hold


async def approved(rest: RestHouse) -> dict[str, Any]:
    """A payment at the merchant, and how a claim names it."""
    member = await rest.member()
    face = await rest.face(member, await rest.card(member))
    payment = (await rest.pay(face)).json()
    assert payment["status"] == "approved", payment
    return {"id": payment["id"], "number": face["card_number"], "code": payment["approval_code"]}


def line(payment: dict[str, Any], **changes: Any) -> str:
    return a_line(**{"number": payment["number"], "code": payment["code"]} | changes)


async def send(
    rest: RestHouse,
    data: bytes,
    headers: dict[str, str] | None = None,
    media: str = "text/csv",
    **params: str,
) -> httpx.Response:
    sent = {**(headers or rest.merchant), "Content-Type": media}
    return await rest.client.post("/v1/claim_files", content=data, headers=sent, params=params)


async def get(rest: RestHouse, path: str, headers: dict[str, str] | None = None) -> Any:
    answer = await rest.client.get(path, headers=headers or rest.merchant)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def expired(rest: RestHouse) -> dict[str, Any]:
    """A payment whose hold is over."""
    payment = await approved(rest)
    clock = rest.house.clock
    clock.move_to(clock.offset + HOLD * 2)
    await rest.engine.expire()
    return payment


async def decide(
    rest: RestHouse, claim: str, how: str, reason: str = "The shop was closed."
) -> httpx.Response:
    path = f"/v1/claim_exceptions/{claim}/{how}"
    return await rest.client.post(path, json={"reason": reason}, headers=rest.operator)


async def test_a_merchant_sends_a_file_and_fetches_what_became_of_every_line(rest: RestHouse) -> None:
    payment = await approved(rest)
    data = a_file([line(payment, reference="ORDER-ONE"), a_line(reference="ORDER-TWO")])

    sent = await send(rest, data)
    await rest.claims.work.carry_out_due()
    again = await send(rest, data)
    file = await get(rest, f"/v1/claim_files/{sent.json()['id']}")
    claims = await get(rest, f"/v1/claim_files/{file['id']}/claims?limit=1")
    more = await get(rest, f"/v1/claim_files/{file['id']}/claims?after={claims['next_cursor']}")
    result = await rest.client.get(f"/v1/claim_files/{file['id']}/result", headers=rest.merchant)

    assert (sent.status_code, sent.json()["status"]) == (201, "processing")
    assert (again.json(), again.headers["idempotency-hit"]) == (file, "true")
    assert (file["status"], file["total"]) == ("done", {"claims": 2, "amount": 68_000})
    assert file["report"]["captured"] == {"claims": 1, "amount": 34_000}
    assert file["report"]["refused"] == {"claims": 1, "amount": 34_000}
    assert claims["data"][0] | {"created": "", "time": ""} == claims["data"][0] | {
        "created": "", "time": "", "line": 2, "status": "paid", "reason": None, "road": "file",
        "reference": "ORDER-ONE", "last_four": payment["number"][-4:], "authorization": payment["id"],
    }  # fmt: skip
    assert more["data"][0]["reason"]["code"] == "no_such_payment"
    assert result.headers["content-type"].startswith("text/csv")
    assert result.text.splitlines()[1:] == [
        f"2,capture,ORDER-ONE,{payment['number'][-4:]},{payment['code']},34000,paid,,,no",
        "3,capture,ORDER-TWO,7893,A2B3C4,34000,refused,no_such_payment,,no",
    ]
    assert payment["number"] not in result.text


async def test_a_file_whose_totals_are_wrong_is_refused_and_pays_nothing(rest: RestHouse) -> None:
    payment = await approved(rest)
    sent = await send(rest, a_file([line(payment)], trailer="trailer,1,33999"))
    await rest.claims.work.carry_out_due()

    assert (sent.status_code, sent.json()["status"], sent.json()["problem"]) == (201, "refused", "wrong_sum")
    assert (await get(rest, f"/v1/payments/{payment['id']}"))["captured"] == 0
    listed = await get(rest, "/v1/claim_files", rest.operator)
    assert sent.json()["id"] in [file["id"] for file in listed["data"]]


async def test_p12_no_merchant_sees_or_sends_the_files_of_another(rest: RestHouse) -> None:
    file = (await send(rest, a_file([line(await approved(rest))]))).json()
    await rest.claims.work.carry_out_due()
    claim = (await get(rest, f"/v1/claim_files/{file['id']}/claims"))["data"][0]
    _, stranger = await rest.another_merchant()
    member = await rest.member()

    for path in ("", "/claims", "/result"):
        answer = await rest.client.get(f"/v1/claim_files/{file['id']}{path}", headers=stranger)
        assert (answer.status_code, answer.json()["code"]) == (404, "claim_file_not_found")
    answer = await rest.client.get(f"/v1/merchant_claims/{claim['id']}", headers=stranger)
    assert (answer.status_code, answer.json()["code"]) == (404, "claim_not_found")
    for path in ("/v1/claim_files", "/v1/merchant_claims"):
        assert (await get(rest, path, stranger))["data"] == []
        asked = await rest.client.get(f"{path}?merchant={rest.merchant_id}", headers=stranger)
        assert asked.status_code == 404
        assert (await rest.client.get(path, headers=member.headers)).status_code == 403
    assert (await send(rest, b"", stranger, merchant=rest.merchant_id)).status_code == 404
    assert (await send(rest, b"", member.headers)).status_code == 403


async def test_p12_a_claim_for_anothers_payment_looks_like_one_for_none(rest: RestHouse) -> None:
    payment = await approved(rest)
    _, stranger = await rest.another_merchant()
    file = (await send(rest, a_file([line(payment), a_line()]), stranger)).json()
    await rest.claims.work.carry_out_due()

    foreign, unknown = (await get(rest, f"/v1/claim_files/{file['id']}/claims", stranger))["data"]
    result = await rest.client.get(f"/v1/claim_files/{file['id']}/result", headers=stranger)
    seen = await get(rest, f"/v1/claim_files/{file['id']}/claims", rest.operator)

    assert foreign["reason"] == unknown["reason"]
    assert (foreign["authorization"], unknown["authorization"]) == (None, None)
    assert "wrong_merchant" not in result.text
    assert seen["data"][0]["reason"]["code"] == "wrong_merchant", "the operator sees what it was"
    assert seen["data"][0]["authorization"] == payment["id"]
    events = (await get(rest, "/v1/events?limit=20", rest.operator))["data"]
    assert not [event for event in events if "wrong_merchant" in str(event)]


@pytest.mark.parametrize(
    ("media", "merchant", "code"),
    [("application/json", True, "invalid_request"), ("text/csv", False, "invalid_request")],
    ids=["not CSV", "no merchant"],
)
async def test_how_to_send_a_file(rest: RestHouse, media: str, merchant: bool, code: str) -> None:
    params = {"merchant": rest.merchant_id} if merchant else {}
    answer = await send(rest, a_file([]), rest.operator, media, **params)
    assert (answer.status_code, answer.json()["code"]) == (400, code)


async def test_a_file_that_is_too_large_is_refused_and_leaves_nothing(
    rest: RestHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    route = next(each for each in rest.app.routes if each.path == "/v1/claim_files")
    for handler in route.route_handlers:
        if "POST" in handler.http_methods:
            monkeypatch.setitem(handler.opt, claim_files.BODY_OPTION, 2_000)
    before = await get(rest, "/v1/claim_files")

    answer = await send(rest, a_file([a_line() for _ in range(100)]))

    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
    await rest.claims.work.sweep()
    assert await get(rest, "/v1/claim_files") == before


async def test_a_refused_capture_and_refund_over_rest_are_seen_by_merchant_and_operator(
    rest: RestHouse,
) -> None:
    payment = await approved(rest)
    path = f"/v1/payments/{payment['id']}"
    capture = await rest.client.post(f"{path}/capture", json={"amount": 34_001}, headers=rest.merchant)
    refund = await rest.client.post(f"{path}/refund", json={"amount": 1}, headers=rest.merchant)
    await rest.claims.service.stop()

    seen = (await get(rest, "/v1/merchant_claims?status=refused&limit=2", rest.operator))["data"]
    own = (await get(rest, "/v1/merchant_claims?limit=2"))["data"]

    assert (capture.status_code, refund.status_code) == (422, 409)
    assert [(each["road"], each["kind"], each["reason"]["code"]) for each in seen] == [
        ("rest", "refund", "not_refundable"),
        ("rest", "capture", "capture_too_large"),
    ]
    assert own == seen


async def test_a_late_capture_over_rest_waits_for_an_operator_who_pays_it(rest: RestHouse) -> None:
    payment = await expired(rest)
    path = f"/v1/payments/{payment['id']}/capture"
    sent = {**rest.merchant, "Idempotency-Key": "late capture"}
    late = await rest.client.post(path, json={"amount": 30_000}, headers=sent)
    again = await rest.client.post(path, json={"amount": 30_000}, headers=sent)
    (waiting,) = (await get(rest, "/v1/claim_exceptions", rest.operator))["data"]

    paid = await decide(rest, waiting["id"], "pay")
    once_more = await decide(rest, waiting["id"], "pay")
    answered = await rest.client.post(path, json={"amount": 30_000}, headers=sent)

    assert (late.status_code, late.json()["code"]) == (409, "authorization_expired")
    assert again.json()["code"] == "authorization_expired"
    assert waiting["reason"]["code"] == "authorization_expired"
    assert (paid.status_code, paid.json()["status"], once_more.json()) == (200, "paid", paid.json())
    assert (answered.status_code, answered.json()["captured"]) == (200, 30_000)
    assert (await get(rest, f"/v1/merchant_claims/{waiting['id']}"))["status"] == "paid"
    assert (await get(rest, "/v1/claim_exceptions", rest.operator))["data"] == []
    log = (await get(rest, f"/v1/audit_log?subject={waiting['id']}", rest.operator))["data"]
    assert [(entry["action"], entry["reason"]) for entry in log] == [("claim.paid", "The shop was closed.")]
    refused = await decide(rest, waiting["id"], "refuse")
    assert (refused.status_code, refused.json()["code"]) == (409, "claim_decided")


async def test_a_late_claim_of_a_file_is_refused_by_an_operator_and_the_merchant_sees_it(
    rest: RestHouse,
) -> None:
    payment = await expired(rest)
    file = (await send(rest, a_file([line(payment)]))).json()
    await rest.claims.work.carry_out_due()
    assert (await get(rest, f"/v1/claim_files/{file['id']}"))["report"]["exception"]["claims"] == 1
    (waiting,) = (await get(rest, "/v1/claim_exceptions", rest.operator))["data"]

    refused = await decide(rest, waiting["id"], "refuse")

    assert refused.json()["reason"]["code"] == "refused_by_operator"
    report = (await get(rest, f"/v1/claim_files/{file['id']}"))["report"]
    assert (report["exception"]["claims"], report["refused"]["claims"]) == (0, 1)
    assert (await get(rest, f"/v1/payments/{payment['id']}"))["captured"] == 0


async def test_only_operators_decide_exceptions_and_only_with_a_reason(rest: RestHouse) -> None:
    payment = await expired(rest)
    await rest.client.post(f"/v1/payments/{payment['id']}/capture", headers=rest.merchant)
    (waiting,) = (await get(rest, "/v1/claim_exceptions", rest.operator))["data"]
    path = f"/v1/claim_exceptions/{waiting['id']}/pay"
    member = await rest.member()
    platform = await rest.key(Scope.PAYMENTS)

    for headers in (rest.merchant, member.headers, platform):
        answer = await rest.client.post(path, json={"reason": "Because."}, headers=headers)
        assert answer.status_code == 403
        assert (await rest.client.get("/v1/claim_exceptions", headers=headers)).status_code == 403
    assert (await decide(rest, waiting["id"], "pay", reason="")).status_code == 400
    assert (await decide(rest, "claim_00000000000000000000000000", "pay")).status_code == 404
    assert (await decide(rest, waiting["id"], "refuse")).status_code == 200


async def test_every_file_id_that_is_not_one_looks_the_same(rest: RestHouse) -> None:
    for id_ in ("cfile_00000000000000000000000000", "nonsense", rest.merchant_id):
        answer = await rest.client.get(f"/v1/claim_files/{id_}", headers=rest.operator)
        assert answer.status_code == 404
    assert ClaimFileId(from_text("cfile", "cfile_00000000000000000000000000")).int == 0
