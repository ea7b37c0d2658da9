"""Disputes through the REST door: the member, the merchant, the operator, and the recipient of a card."""

from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from tests.factories.rest import Member, RestHouse

pytestmark = pytest.mark.asyncio(loop_scope="module")
PDF = b"%PDF-1.7 signed for"
PRICE = 34_000


@dataclass
class Purchase:
    """A card, what was bought with it, and how its holder calls."""

    payment: str
    card: str
    member: Member
    holder: dict[str, str]
    base: str
    """Where its holder disputes."""


async def a_purchase(rest: RestHouse, **changes: Any) -> Purchase:
    member = await rest.member()
    card = await rest.card(member)
    bought = await rest.pay(await rest.face(member, card), **{"capture": True, **changes})
    return Purchase(bought.json()["id"], card["id"], member, member.headers, "/v1/disputes")


async def a_recipients_purchase(rest: RestHouse) -> Purchase:
    member = await rest.member()
    card = await rest.card(member)
    link = await rest.client.post(f"/v1/cards/{card['id']}/hand_over", headers=member.headers)
    claim = (await rest.client.post("/v1/claims", json={"token": link.json()["token"]})).json()
    holder = {"Authorization": f"Bearer {claim['holder_token']}"}
    face = (await rest.client.post("/v1/claims/current/reveal", headers=holder)).json()
    shown = {name: face[name] for name in ("exp_month", "exp_year", "cvv")}
    bought = await rest.pay({"card_number": face["number"], **shown}, capture=True)
    return Purchase(bought.json()["id"], card["id"], member, holder, "/v1/claims/current/disputes")


async def dispute(rest: RestHouse, bought: Purchase, key: str = "", **changes: Any) -> httpx.Response:
    body = {"payment": bought.payment, "reason": "not_received", "statement": "It never came.", **changes}
    headers = {**bought.holder, **({"Idempotency-Key": key} if key else {})}
    return await rest.client.post(bought.base, json=body, headers=headers)


async def attach(
    rest: RestHouse,
    id_: str,
    content: bytes = PDF,
    media_type: str = "application/pdf",
    name: str = "proof.pdf",
) -> httpx.Response:
    return await rest.client.post(
        f"/v1/disputes/{id_}/documents",
        params={"name": name},
        content=content,
        headers={**rest.merchant, "Content-Type": media_type},
    )


async def test_a_member_disputes_the_merchant_answers_and_the_operator_decides(rest: RestHouse) -> None:
    bought = await a_purchase(rest)
    opened = await dispute(rest, bought, amount=10_000)
    id_ = opened.json()["id"]

    assert opened.status_code == 201, opened.text
    assert (opened.json()["state"], opened.json()["amount"]) == ("open", 10_000)
    pending = await rest.client.post(
        f"/v1/disputes/{id_}/decide",
        json={"outcome": "member_pays", "reason": "Too early."},
        headers=rest.operator,
    )
    assert (pending.status_code, pending.json()["code"]) == (409, "answer_pending")

    attached = await attach(rest, id_)
    assert attached.json() == {
        "number": 1, "name": "proof.pdf", "media_type": "application/pdf", "size": len(PDF),
    }  # fmt: skip
    answer = {"text": "Signed for.\nSee the document."}
    answered = await rest.client.post(f"/v1/disputes/{id_}/answer", json=answer, headers=rest.merchant)
    assert (answered.json()["state"], answered.json()["answer"]) == ("answered", answer["text"])

    decision = {"outcome": "member_pays", "reason": "It was signed for."}
    for _ in range(2):
        decided = await rest.client.post(f"/v1/disputes/{id_}/decide", json=decision, headers=rest.operator)
        assert (decided.status_code, decided.json()["state"]) == (200, "closed")
    for headers in (bought.holder, rest.merchant, rest.operator):
        seen = await rest.client.get(f"/v1/disputes/{id_}", headers=headers)
        assert seen.json() == decided.json()
    log = (await rest.client.get(f"/v1/audit_log?subject={id_}", headers=rest.operator)).json()["data"]
    assert [(entry["action"], entry["reason"]) for entry in log] == [
        ("dispute.decided", "It was signed for.")
    ]


async def test_a_dispute_tells_nothing_of_the_card_or_of_who_holds_it(rest: RestHouse) -> None:
    bought = await a_purchase(rest)
    id_ = (await dispute(rest, bought)).json()["id"]

    seen = await rest.client.get(f"/v1/disputes/{id_}", headers=rest.merchant)
    events = await rest.client.get("/v1/events", headers=rest.operator)

    told = [event for event in events.json()["data"] if event["type"].startswith("dispute.")]
    assert told[0]["data"]["dispute"] == id_
    assert told[0]["data"]["merchant"] == rest.merchant_id
    for text in (seen.text, str(told)):
        assert bought.card not in text
        assert bought.member.id not in text


async def test_p06_the_same_complaint_again_gets_the_same_answer(rest: RestHouse) -> None:
    bought = await a_purchase(rest)
    first = await dispute(rest, bought, "key")
    again = await dispute(rest, bought, "key")
    other = await dispute(rest, bought, "key", amount=1)

    assert (again.status_code, again.json()) == (201, first.json())
    assert "idempotency-hit" not in first.headers
    assert again.headers["idempotency-hit"] == "true"
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"amount": PRICE + 1}, 422, "dispute_too_large"),
        ({"amount": 0}, 400, "invalid_request"),
        ({"amount": "100"}, 400, "invalid_request"),
        ({"reason": "because"}, 400, "invalid_request"),
        ({"statement": ""}, 400, "invalid_request"),
        ({"statement": "   "}, 400, "invalid_request"),
        ({"statement": "x" * 2_001}, 400, "invalid_request"),
        ({"statement": "a\u0000b"}, 400, "invalid_request"),
        ({"payment": "auth_01h455vb4pex5vsknk084sn02q"}, 404, "not_found"),
        ({"payment": "nonsense"}, 404, "not_found"),
    ],
)
async def test_bad_complaints_are_refused(
    rest: RestHouse, changes: dict[str, Any], status: int, code: str
) -> None:
    answer = await dispute(rest, await a_purchase(rest), **changes)

    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


async def test_what_was_not_captured_is_not_disputed(rest: RestHouse) -> None:
    answer = await dispute(rest, await a_purchase(rest, capture=False))

    assert (answer.status_code, answer.json()["code"]) == (409, "not_disputable")


async def test_a_second_dispute_waits_for_the_first_to_be_withdrawn(rest: RestHouse) -> None:
    bought = await a_purchase(rest)
    id_ = (await dispute(rest, bought, amount=10_000)).json()["id"]
    second = await dispute(rest, bought, amount=10_000)
    assert (second.status_code, second.json()["code"]) == (409, "already_disputed")

    withdrawn = await rest.client.post(f"/v1/disputes/{id_}/withdraw", headers=bought.holder)
    assert (withdrawn.json()["outcome"], withdrawn.json()["ended_by"]) == ("member_pays", "holder")
    third = (await dispute(rest, bought, amount=10_000)).json()["id"]
    accepted = await rest.client.post(f"/v1/disputes/{third}/accept", headers=rest.merchant)
    assert (accepted.json()["outcome"], accepted.json()["ended_by"]) == ("merchant_pays", "merchant")

    fourth = await dispute(rest, bought, amount=10_000)
    late = await rest.client.post(f"/v1/disputes/{third}/withdraw", headers=bought.holder)
    assert (fourth.status_code, fourth.json()["code"]) == (409, "already_disputed")
    assert (late.status_code, late.json()["code"]) == (409, "dispute_closed")


async def test_a_refund_stops_at_what_is_in_dispute(rest: RestHouse) -> None:
    bought = await a_purchase(rest)
    await dispute(rest, bought, amount=30_000)
    refund = f"/v1/payments/{bought.payment}/refund"

    too_much = await rest.client.post(refund, json={"amount": 4_001}, headers=rest.merchant)
    the_rest = await rest.client.post(refund, headers=rest.merchant)

    assert (too_much.status_code, too_much.json()["code"]) == (422, "refund_too_large")
    assert (the_rest.json()["refunded"], the_rest.json()["disputed"]) == (4_000, 30_000)


# documents -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "media_type", "name", "status", "code"),
    [
        pytest.param(b"x" * (2**20 + 1), "text/plain", "a", 413, "body_too_large", id="1 MB and a byte"),
        pytest.param(b"<script>", "text/html", "a.html", 422, "document_not_accepted", id="HTML"),
        pytest.param(b"MZ", "application/pdf", "a.pdf", 422, "document_not_accepted", id="no PDF"),
        pytest.param(PDF, "", "a.pdf", 422, "document_not_accepted", id="no type"),
        pytest.param(b"", "text/plain", "a.txt", 400, "invalid_request", id="nothing"),
        pytest.param(PDF, "application/pdf", "a\r\nb", 400, "invalid_request", id="a name of two lines"),
        pytest.param(PDF, "application/pdf", "", 400, "invalid_request", id="no name"),
    ],
)  # fmt: skip
async def test_bad_documents_are_refused(
    rest: RestHouse, content: bytes, media_type: str, name: str, status: int, code: str
) -> None:
    id_ = (await dispute(rest, await a_purchase(rest))).json()["id"]

    answer = await attach(rest, id_, content, media_type, name)

    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


async def test_a_document_of_a_megabyte_is_taken_here_and_on_no_other_route(rest: RestHouse) -> None:
    id_ = (await dispute(rest, await a_purchase(rest))).json()["id"]
    large = b"%PDF-" + b"x" * (2**20 - 5)

    taken = await attach(rest, id_, large)
    elsewhere = await rest.client.post(
        f"/v1/disputes/{id_}/answer",
        content=b" " * 65_537,
        headers={**rest.merchant, "Content-Type": "application/json"},
    )

    assert (taken.status_code, taken.json()["size"]) == (201, 2**20)
    assert (elsewhere.status_code, elsewhere.json()["code"]) == (413, "body_too_large")


async def test_a_document_comes_back_as_it_was_and_is_never_opened_in_place(rest: RestHouse) -> None:
    bought = await a_purchase(rest)
    id_ = (await dispute(rest, bought)).json()["id"]
    for _ in range(2):
        await attach(rest, id_, "배송 완료".encode(), "text/plain; charset=utf-8", "배송.txt")

    for headers in (bought.holder, rest.merchant, rest.operator):
        answer = await rest.client.get(f"/v1/disputes/{id_}/documents/1", headers=headers)
        assert answer.content == "배송 완료".encode()
        assert answer.headers["content-type"].startswith("text/plain")
        assert answer.headers["content-disposition"].startswith("attachment;")
        assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("number", [-1, 0, 2, 40_000, 2**31, 2**70])
async def test_p15_a_document_that_is_not_there_is_missing_whatever_its_number(
    rest: RestHouse, number: int
) -> None:
    bought = await a_recipients_purchase(rest)
    id_ = (await dispute(rest, bought)).json()["id"]
    await attach(rest, id_)

    for path, headers in (("/v1/disputes", rest.merchant), (bought.base, bought.holder)):
        missing = await rest.client.get(f"{path}/{id_}/documents/{number}", headers=headers)
        assert (missing.status_code, missing.json()["code"]) == (404, "not_found")


async def test_disputes_are_listed_by_merchant(rest: RestHouse) -> None:
    id_ = (await dispute(rest, await a_purchase(rest))).json()["id"]
    elsewhere, _ = await rest.another_merchant()

    async def listed(headers: dict[str, str], merchant: str) -> httpx.Response:
        return await rest.client.get(f"/v1/disputes?merchant={merchant}&limit=1", headers=headers)

    assert (await listed(rest.operator, rest.merchant_id)).json()["data"][0]["id"] == id_
    assert (await listed(rest.operator, elsewhere)).json()["data"] == []
    assert (await listed(rest.merchant, elsewhere)).status_code == 404


# cards that were handed over (OT-8) ------------------------------------------------------------------------


async def test_ot8_the_recipient_disputes_and_the_giver_neither_can_nor_sees_it(rest: RestHouse) -> None:
    bought = await a_recipients_purchase(rest)
    (payment,) = (await rest.client.get("/v1/claims/current/payments", headers=bought.holder)).json()["data"]
    assert (payment["id"], payment["merchant"]["id"]) == (bought.payment, rest.merchant_id)

    givers = Purchase(bought.payment, bought.card, bought.member, bought.member.headers, "/v1/disputes")
    refused = await dispute(rest, givers)
    opened = await dispute(rest, bought, "key")

    assert (refused.status_code, refused.json()["code"]) == (409, "card_handed_over")
    assert opened.status_code == 201, opened.text
    id_ = opened.json()["id"]
    listed = await rest.client.get("/v1/claims/current/disputes", headers=bought.holder)
    assert [each["id"] for each in listed.json()["data"]] == [id_]
    shown = await rest.client.get(f"/v1/claims/current/disputes/{id_}", headers=bought.holder)
    assert shown.json() == opened.json()
    giver = bought.member.headers
    (spent,) = (await rest.client.get(f"/v1/payments?card={bought.card}", headers=giver)).json()["data"]
    assert (spent["captured"], spent["refunded"], spent["disputed"]) == (PRICE, PRICE, 0)
    assert (await rest.client.get("/v1/disputes", headers=giver)).json()["data"] == []
    for method, path in (("GET", f"/v1/disputes/{id_}"), ("POST", f"/v1/disputes/{id_}/withdraw")):
        hidden = await rest.client.request(method, path, headers=giver)
        assert (hidden.status_code, hidden.json()["code"]) == (404, "dispute_not_found")
    assert bought.member.id not in opened.text + listed.text

    await attach(rest, id_)
    proof = await rest.client.get(f"/v1/claims/current/disputes/{id_}/documents/1", headers=bought.holder)
    assert proof.content == PDF
    withdrawn = await rest.client.post(f"/v1/claims/current/disputes/{id_}/withdraw", headers=bought.holder)
    assert withdrawn.json()["state"] == "closed"


async def test_p12_a_holder_token_is_good_for_its_own_card_only(rest: RestHouse) -> None:
    mine, theirs = await a_recipients_purchase(rest), await a_recipients_purchase(rest)
    opened = (await dispute(rest, theirs)).json()["id"]

    foreign = Purchase(theirs.payment, mine.card, mine.member, mine.holder, mine.base)
    refused = await dispute(rest, foreign)
    withdrawn = await rest.client.post(f"{mine.base}/{opened}/withdraw", headers=mine.holder)
    await attach(rest, opened)
    proof = await rest.client.get(f"{mine.base}/{opened}/documents/1", headers=mine.holder)
    shown = await rest.client.get(f"{mine.base}/{opened}", headers=mine.holder)

    assert (proof.status_code, proof.json()["code"]) == (404, "dispute_not_found")
    assert (shown.status_code, shown.json()["code"]) == (404, "dispute_not_found")
    assert (refused.status_code, refused.json()["code"]) == (404, "not_found")
    assert (withdrawn.status_code, withdrawn.json()["code"]) == (404, "dispute_not_found")
    assert (await rest.client.get(mine.base, headers=mine.holder)).json()["data"] == []
