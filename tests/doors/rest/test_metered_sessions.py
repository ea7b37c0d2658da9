"""Metered sessions over REST: a calling service with its own key, and whoever is not it."""

from dataclasses import dataclass
from itertools import count
from typing import Any

import httpx
import pytest
import pytest_asyncio
from tests.factories.metering import a_calling_service
from tests.factories.rest import RestHouse
from tests.factories.stored_value import a_prepaid_card

from obverse.access import MERCHANT_SCOPES
from obverse.kit.ids import to_text
from obverse.kit.secret import Secret
from obverse.sandbox.calling import CallingServer, Card, NoCall, RestLine

pytestmark = pytest.mark.asyncio(loop_scope="module")

PRICES: dict[str, Any] = {
    "reason": "as agreed",
    "currency": "KRW",
    "first": {"seconds": 30, "price": 100},
    "next": {"seconds": 10, "price": 18},
}


@dataclass
class Service:
    """A calling service and somebody's card."""

    rest: RestHouse
    id: str
    headers: dict[str, str]
    number: str

    async def post(
        self, path: str, body: Any = None, key: str | None = None, headers: dict[str, str] | None = None
    ) -> httpx.Response:
        sent = (headers or self.headers) | ({"Idempotency-Key": key} if key else {})
        return await self.rest.client.post(f"/v1/metered_sessions{path}", json=body, headers=sent)

    async def open(self, key: str | None = None, **changes: Any) -> httpx.Response:
        return await self.post("", {"card_number": self.number, "pin": "2580"} | changes, key)


@pytest_asyncio.fixture(loop_scope="module")
async def service(rest: RestHouse) -> Service:
    merchant = await a_calling_service(rest.house)
    id_ = to_text("mer", merchant.id)
    key = await rest.key(*MERCHANT_SCOPES, merchant=id_)
    added = await rest.client.post(f"/v1/merchants/{id_}/tariffs", json=PRICES, headers=rest.operator)
    assert added.status_code == 201, added.text
    _, face, _ = await a_prepaid_card(rest.house, balance_minor=1_000, pin="2580")
    return Service(rest, id_, key, face.number.reveal())


async def test_a_call_is_opened_extended_and_closed(service: Service) -> None:
    opened = await service.open("call 1", seconds=60, reference="line 7")
    assert (opened.status_code, opened.json()["status"]) == (201, "open"), opened.text
    again = await service.open("call 1", seconds=60, reference="line 7")
    assert (again.content, again.headers["idempotency-hit"]) == (opened.content, "true")
    other = await service.open("call 1", seconds=90, reference="line 7")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    id_ = opened.json()["id"]

    consumed = (await service.post(f"/{id_}/consume", {"used": 45})).json()
    assert (consumed["used"], consumed["granted_until"], consumed["cost"]) == (45, 60, 136)
    extended = (await service.post(f"/{id_}/extend", {"used": 60, "until": 120})).json()
    assert (extended["granted_until"], extended["balance"]) == (120, "enough")
    last = (await service.post(f"/{id_}/extend", {"used": 120, "until": 3_600})).json()
    assert (last["granted_until"], last["balance"]) == (530, "last"), "1,000 won buy 530 seconds"
    closed = (await service.post(f"/{id_}/close", {"used": 530})).json()
    assert (closed["status"], closed["cost"]) == ("closed", 1_000)
    late = await service.post(f"/{id_}/extend", {"used": 530, "until": 600})
    assert (late.status_code, late.json()["code"]) == (409, "metered_session_over")

    found = await service.rest.client.get("/v1/metered_sessions?reference=line%207", headers=service.headers)
    assert [each["id"] for each in found.json()["data"]] == [id_]
    declined = (await service.open("call 2")).json()
    assert (declined["status"], declined["decline"]["code"]) == ("declined", "not_approved")


async def test_p12_a_session_is_its_merchants(service: Service) -> None:
    id_ = (await service.open("call 1")).json()["id"]
    for path, body in (("consume", {"used": 30}), ("extend", {"used": 1, "until": 9}), ("close", None)):
        answer = await service.post(f"/{id_}/{path}", body, headers=service.rest.merchant)
        assert (answer.status_code, answer.json()["code"]) == (404, "metered_session_not_found"), path
    stranger = await service.rest.client.get(f"/v1/metered_sessions/{id_}", headers=service.rest.merchant)
    assert stranger.status_code == 404
    own = await service.rest.client.get(f"/v1/metered_sessions/{id_}", headers=service.headers)
    assert (own.json()["status"], own.json()["used"]) == ("open", 0)


async def test_what_a_session_has_reserved_is_captured_by_the_session_alone(service: Service) -> None:
    await service.open("call 1", seconds=60)
    client = service.rest.client
    (payment,) = (await client.get("/v1/payments", headers=service.headers)).json()["data"]
    assert (payment["entry"], payment["amount"]) == ("metered", 154)
    captured = await client.post(f"/v1/payments/{payment['id']}/capture", headers=service.headers)
    assert (captured.status_code, captured.json()["code"]) == (409, "metered_payment")


async def test_the_sandboxs_calling_server_lets_people_talk(service: Service) -> None:
    names = (f"call {number}" for number in count(1))
    token = service.headers["Authorization"].removeprefix("Bearer ")
    server = CallingServer(RestLine(service.rest.client, token, names, "default"))
    card = Card(Secret(service.number), Secret("2580"))
    short = await server.call(card, 95)
    assert (short.seconds, short.cost, short.ended_by_balance) == (95, 226, False)
    long = await server.call(card, 3_600)
    assert (long.seconds, long.cost, long.ended_by_balance) == (400, 766, True)
    with pytest.raises(NoCall, match="not_approved"):
        await server.call(card, 60)


@pytest.mark.parametrize(
    ("changes", "status", "param"),
    [
        pytest.param({"pin": None}, 400, "pin", id="nothing shown"),
        pytest.param({"pin": "12a4"}, 400, "pin", id="no PIN"),
        pytest.param({"seconds": 0}, 400, "seconds", id="no time"),
        pytest.param({"seconds": 86_401}, 400, "seconds", id="more than a day"),
        pytest.param({"tariff": "abroad"}, 404, "tariff", id="no such tariff"),
        pytest.param({"reference": "a\u0000b"}, 400, "reference", id="unprintable"),
    ],
)
async def test_what_cannot_be_opened_says_what_to_change(
    service: Service, changes: dict[str, Any], status: int, param: str
) -> None:
    answer = await service.open(**changes)
    assert (answer.status_code, answer.json()["param"]) == (status, param), answer.text


@pytest.mark.parametrize(
    ("changes", "status", "param"),
    [
        pytest.param({"next": {"seconds": 10, "price": 0}}, 400, "next.price", id="for nothing"),
        pytest.param({"first": {"seconds": 0, "price": 1}}, 400, "first.seconds", id="no interval"),
        pytest.param({"effective_from": "2020-01-01T00:00:00Z"}, 400, "effective_from", id="in the past"),
        pytest.param({"effective_from": "9999-12-31T23:59:59-23:00"}, 400, "effective_from", id="no date"),
        pytest.param({"effective_from": "2030-01-01T00:00:00"}, 400, "effective_from", id="nowhere's time"),
        pytest.param({"name": "x" * 41}, 400, "name", id="a long name"),
    ],
)
async def test_a_tariff_that_means_nothing_is_refused(
    service: Service, changes: dict[str, Any], status: int, param: str
) -> None:
    answer = await service.rest.client.post(
        f"/v1/merchants/{service.id}/tariffs", json=PRICES | changes, headers=service.rest.operator
    )
    assert (answer.status_code, answer.json()["param"]) == (status, param), answer.text


async def test_a_calling_servers_name_is_one_merchants(service: Service) -> None:
    client, operator = service.rest.client, service.rest.operator
    path = "/v1/merchants/{}/calling_server"
    body = {"reason": "as agreed", "origin_host": "Calls.Example.com"}
    for _ in range(2):
        answer = await client.put(path.format(service.id), json=body, headers=operator)
        assert (answer.status_code, answer.json()["origin_host"]) == (200, "calls.example.com")
    taken = await client.put(path.format(service.rest.merchant_id), json=body, headers=operator)
    assert (taken.status_code, taken.json()["code"]) == (409, "calling_server_taken")
    wrong = await client.put(
        path.format(service.id), json=body | {"origin_host": "no.-name"}, headers=operator
    )
    assert (wrong.status_code, wrong.json()["param"]) == (400, "origin_host")
    listed = await client.get(f"/v1/merchants/{service.id}/tariffs", headers=service.headers)
    assert [each["next"] for each in listed.json()["data"]] == [{"seconds": 10, "price": 18}]
