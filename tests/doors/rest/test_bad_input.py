"""Promise P15 over REST: hostile JSON gets a clear answer, never a 5xx, and never itself back."""

import json
from typing import Any, Final

import pytest
from tests.factories.rest import RestHouse

from obverse.kit.errors import Unavailable

pytestmark = pytest.mark.asyncio(loop_scope="module")
CANARY: Final = "4111111111111111"
PAYMENT: Final = {
    "card_number": CANARY,
    "exp_month": 12,
    "exp_year": 2030,
    "cvv": "987",
    "amount": 34_000,
    "currency": "KRW",
}
MISSING: Final = object()


def changed(**changes: Any) -> bytes:
    body = {k: v for k, v in {**PAYMENT, **changes}.items() if v is not MISSING}
    return json.dumps(body).encode()


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        pytest.param(changed(amount=0), 400, "amount", id="zero"),
        pytest.param(changed(amount=-1), 400, "amount", id="negative"),
        pytest.param(changed(amount=1.5), 400, "amount", id="fraction"),
        pytest.param(changed(amount=34000.0), 400, "amount", id="whole number as float"),
        pytest.param(changed(amount="34000"), 400, "amount", id="amount as text"),
        pytest.param(changed(amount=True), 400, "amount", id="amount as boolean"),
        pytest.param(changed(amount=None), 400, "amount", id="amount null"),
        pytest.param(changed(amount=1_000_000_000_000), 400, "amount", id="amount of 13 digits"),
        pytest.param(changed(amount=10**400), 400, "amount", id="amount beyond 64 bits"),
        pytest.param(changed(amount=[CANARY]), 400, "amount", id="amount as list"),
        pytest.param(changed(amount=MISSING), 400, "amount", id="no amount"),
        pytest.param(changed(currency="WON"), 400, "currency", id="unknown currency"),
        pytest.param(changed(currency="krw"), 400, "currency", id="currency in lower case"),
        pytest.param(changed(currency=CANARY), 400, "currency", id="currency is something else"),
        pytest.param(changed(card_number=int(CANARY)), 400, "card_number", id="card number as integer"),
        pytest.param(changed(card_number=CANARY + "x"), 400, "card_number", id="letters in card number"),
        pytest.param(changed(card_number=CANARY + CANARY), 400, "card_number", id="card number too long"),
        pytest.param(changed(cvv="98"), 400, "cvv", id="cvv too short"),
        pytest.param(changed(cvv=MISSING), 400, "cvv", id="no cvv online"),
        pytest.param(changed(exp_month=13), 400, "exp_month", id="month 13"),
        pytest.param(changed(exp_year=30), 400, "exp_year", id="year of two digits"),
        pytest.param(changed(entry="magic"), 400, "entry", id="unknown entry"),
        pytest.param(changed(terminal="T\u0000"), 400, "terminal", id="NUL in text"),
        pytest.param(changed(terminal="T1\n"), 400, "terminal", id="line break at the end of a text"),
        pytest.param(changed(merchant="mer_x"), 404, "merchant", id="malformed merchant"),
        pytest.param(changed(merchant=CANARY), 404, "merchant", id="merchant is something else"),
        pytest.param(changed(pan=CANARY), 400, "pan", id="unknown field"),
        pytest.param(changed(**{CANARY: 1}), 400, None, id="a number as field name"),
        pytest.param(b"{", 400, None, id="half an object"),
        pytest.param(b"", 400, None, id="nothing"),
        pytest.param(b"null", 400, None, id="null"),
        pytest.param(b"[]", 400, None, id="a list"),
        pytest.param(f'"{CANARY}"'.encode(), 400, None, id="a text"),
        pytest.param(CANARY.encode(), 400, None, id="a number"),
        pytest.param(b"[" * 60_000, 400, None, id="deep nesting"),
        pytest.param(b'{"a":' * 10_000, 400, "a", id="deep objects"),
        pytest.param(b"\xff\xfe{}", 400, None, id="not UTF-8"),
        pytest.param(b'{"terminal": "\xff"}', 400, None, id="text that is not UTF-8"),
        pytest.param(b'{"terminal": "\\ud800"}', 400, None, id="half a surrogate pair"),
        pytest.param(b"<xml/>", 400, None, id="XML"),
        pytest.param(b" " * 65_537, 413, None, id="64 KB and a byte"),
        pytest.param(b"x" * 1_000_000, 413, None, id="a megabyte"),
    ],
)
async def test_p15_a_bad_payment_is_refused_with_its_field_and_not_echoed(
    rest: RestHouse, body: bytes, status: int, param: str | None
) -> None:
    answer = await rest.client.post(
        "/v1/payments", content=body, headers={**rest.merchant, "Content-Type": "application/json"}
    )

    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert set(problem) == {
        "type", "title", "status", "detail", "code", "param", "request_id", "doc_url",
    }  # fmt: skip
    assert problem["param"] == param
    assert problem["status"] == status
    assert problem["request_id"] == answer.headers["request-id"]
    assert CANARY not in answer.text
    assert "987" not in problem["detail"]


@pytest.mark.parametrize(
    "type_", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""]
)
async def test_a_body_that_is_not_declared_as_json_is_refused(rest: RestHouse, type_: str) -> None:
    answer = await rest.client.post(
        "/v1/payments", content=changed(), headers={**rest.merchant, "Content-Type": type_}
    )

    assert (answer.status_code, answer.json()["code"]) == (415, "wrong_content_type")


async def test_json_with_a_charset_is_json(rest: RestHouse) -> None:
    answer = await rest.client.post(
        "/v1/payments",
        content=changed(),
        headers={**rest.merchant, "Content-Type": "Application/JSON; charset=utf-8"},
    )

    assert answer.status_code == 201


async def test_a_body_in_many_pieces_counts_as_one(rest: RestHouse) -> None:
    async def pieces(count: int, size: int) -> Any:
        for _ in range(count):
            yield b" " * size

    headers = {**rest.merchant, "Content-Type": "application/json"}
    too_much = await rest.client.post("/v1/payments", content=pieces(100, 1_000), headers=headers)
    spaces = await rest.client.post("/v1/payments", content=pieces(10, 1_000), headers=headers)

    assert (too_much.status_code, spaces.status_code) == (413, 400)


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/nothing", 404, "not_found"),
        ("POST", "/v2/payments", 404, "not_found"),
        ("GET", "/v1/payments/auth_x", 404, "not_found"),
        ("GET", f"/v1/payments/{CANARY}", 404, "not_found"),
        ("GET", "/v1/payments/%00", 404, "not_found"),
        ("GET", "/v1/payments/%ff%fe", 404, "not_found"),
        ("GET", "/v1/payments/card_01h455vb4pex5vsknk084sn02q", 404, "not_found"),
        ("PUT", "/v1/payments", 405, "method_not_allowed"),
        ("DELETE", "/v1/cards", 405, "method_not_allowed"),
        ("GET", "/v1/payments?limit=0", 400, "invalid_request"),
        ("GET", "/v1/payments?limit=101", 400, "invalid_request"),
        ("GET", f"/v1/payments?limit={CANARY}", 400, "invalid_request"),
        ("GET", f"/v1/payments?limit=x{CANARY}", 400, "invalid_request"),
        ("GET", f"/v1/payments?after={CANARY}", 400, "invalid_request"),
        ("GET", f"/v1/payments?status={CANARY}", 400, "invalid_request"),
        ("GET", f"/v1/payments?card={CANARY}", 404, "not_found"),
    ],
)
async def test_p15_unknown_addresses_methods_and_parameters_are_problems_too(
    rest: RestHouse, method: str, path: str, status: int, code: str
) -> None:
    answer = await rest.client.request(method, path, headers=rest.operator)

    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert CANARY not in answer.text


@pytest.mark.parametrize(
    ("method", "path", "param"),
    [
        ("GET", f"/v1/payments?status={CANARY}", "status"),
        ("GET", f"/v1/disputes?state={CANARY}", "state"),
        ("GET", "/v1/disputes?limit=0", "limit"),
        ("POST", "/v1/disputes/dis_x/documents", "name"),
    ],
)
async def test_a_parameter_that_is_missing_or_wrong_is_named_as_the_caller_knows_it(
    rest: RestHouse, method: str, path: str, param: str
) -> None:
    answer = await rest.client.request(method, path, headers=rest.operator)

    assert (answer.status_code, answer.json()["param"]) == (400, param)
    assert answer.json()["detail"] == f"{param} is missing or not valid."


@pytest.mark.parametrize("key", ["", "x" * 256, "caf\u00e9", "tab\there"])
async def test_an_idempotency_key_is_printable_ascii(rest: RestHouse, key: str) -> None:
    answer = await rest.client.post(
        "/v1/payments",
        content=changed(),
        headers={
            **{k.encode(): v.encode() for k, v in rest.merchant.items()},
            b"Content-Type": b"application/json",
            b"Idempotency-Key": key.encode("latin-1"),
        },
    )

    assert (answer.status_code, answer.json()["param"]) == (400, "Idempotency-Key")


async def test_p11_a_defect_of_ours_is_a_500_that_tells_nothing(
    rest: RestHouse, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    async def break_(*_: Any) -> Any:
        raise ValueError(f"cannot handle {CANARY}")

    monkeypatch.setattr(type(rest.engine), "authorize", break_)

    answer = await rest.client.post(
        "/v1/payments", content=changed(), headers={**rest.merchant, "Content-Type": "application/json"}
    )

    out, err = capfd.readouterr()
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert CANARY not in answer.text + out + err
    assert answer.json()["request_id"] in out + err


async def test_a_database_that_is_gone_is_a_503_with_when_to_try_again(
    rest: RestHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def gone(*_: Any) -> Any:
        raise Unavailable

    monkeypatch.setattr(type(rest.engine), "authorize", gone)

    answer = await rest.client.post(
        "/v1/payments", content=changed(), headers={**rest.merchant, "Content-Type": "application/json"}
    )

    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert answer.headers["retry-after"] == "1"
