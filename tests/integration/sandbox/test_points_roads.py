"""The mall's roads with points and codes, against a relay that says what it is told to; the control app."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from litestar import Litestar, Request, Response, post
from tests.factories.points_issuers import SECRET, a_take, ask
from tests.factories.sandbox import FREE_PORTS, HOST

from obverse.kit.clock import Clock
from obverse.kit.http_server import HttpServer
from obverse.sandbox import Sandbox

CARD = "9530101234567896"
CODE = "9410121234567890128"
TYPED = {"amount": 4_000, "card_number": CARD, "road": "points_issuer"}
SCANNED = {"amount": 4_000, "code": CODE, "pin": "482913"}
APPROVED = {"id": "auth_1", "status": "approved", "approval_code": "ABC123"}
DECLINED = {"id": "auth_1", "status": "declined", "decline": {"code": "card_not_valid"}}


@dataclass
class Relay:
    """Answers by path, in order, the last one for good; and what it was asked."""

    answers: dict[str, list[tuple[int, Any]]] = field(default_factory=dict)
    heard: list[dict[str, Any]] = field(default_factory=list)

    def say(self, path: str, *answers: tuple[int, Any]) -> None:
        self.answers[path] = list(answers)

    def answer(self, path: str) -> tuple[int, Any]:
        left = self.answers[path]
        return left.pop(0) if len(left) > 1 else left[0]


@dataclass
class Town:
    """All partners, the relay's address, and who asks them."""

    sandbox: Sandbox
    relay: Relay
    mall: httpx.AsyncClient
    control: httpx.AsyncClient

    async def miles(self, units: int = 10_000) -> str:
        """The handle of an account at Sky Miles, set by way of the control app."""
        account = {"number": "770012345678", "units": units, "phone": "+821012345678"}
        answer = await self.control.put("/points_issuers/sky_miles/accounts", json=account)
        handle: str = answer.json()["handle"]
        return handle

    async def balance(self) -> int:
        accounts = (await self.control.get("/points_issuers/sky_miles/accounts")).json()["data"]
        units: int = accounts[0]["units"]
        return units

    def traced(self) -> str:
        return repr(self.sandbox.trace.since(0)) + repr(self.sandbox.mall.mall.orders)


@pytest.fixture
async def town() -> AsyncIterator[Town]:
    relay = Relay()

    @post(["/v1/payments", "/v1/payments/{payment:str}/cancel", "/v1/points_lookups"])
    async def answer(request: Request[Any, Any, Any]) -> Response[Any]:
        return await _answer(request)

    @post(["/v1/points_balances", "/v1/code_challenges"])
    async def tell(request: Request[Any, Any, Any]) -> Response[Any]:
        return await _answer(request)

    async def _answer(request: Request[Any, Any, Any]) -> Response[Any]:
        path = request.url.path
        head = {name: request.headers.get(name) for name in ("authorization", "idempotency-key")}
        relay.heard.append({"path": path} | head | await request.json())
        status, body = relay.answer(path)
        return Response(body, status_code=status)

    server, sandbox = HttpServer(Litestar([answer, tell])), Sandbox(FREE_PORTS, Clock())
    await server.start(HOST)
    await sandbox.start()
    url = f"http://{HOST}:{server.port}"
    async with (
        httpx.AsyncClient(base_url=f"http://{HOST}:{sandbox.mall.port}") as mall,
        httpx.AsyncClient(base_url=f"http://{HOST}:{sandbox.control.port}") as control,
    ):
        merchant = {"acquirer_id": "123456", "merchant_no": "MALL1", "terminal": "WEB1", "name": "Big mall"}
        merchant |= {"category": "5732", "rest_url": url, "api_key": "ob_test_sk_mall"}
        await control.put("/mall", json=merchant)
        known = {"secret": SECRET.reveal(), "relay_url": url, "api_key": "ob_test_sk_miles"}
        introduced = await control.put("/points_issuers/sky_miles", json=known)
        assert introduced.status_code == 200, introduced.text
        yield Town(sandbox, relay, mall, control)
    await sandbox.stop()
    await server.stop()


# -- an issuer that asks the relay (PR-9) -------------------------------------------------------------------


def _found(*handles: str, registered: bool = True) -> tuple[int, Any]:
    return 200, {
        "registered": registered,
        "accounts": [{"account": handle, "last_four": "5678"} for handle in handles],
    }


async def test_pr9_a_malls_issuer_asks_the_relay_deducts_once_and_gives_back(town: Town) -> None:
    handle = await town.miles()
    town.relay.say("/v1/points_lookups", _found("acc_other", handle))

    order = (await town.mall.post("/checkout", json=TYPED)).json()
    again = (await town.mall.post("/checkout", json=TYPED | {"order": order["id"]})).json()

    assert order == again
    assert (order["status"], order["card"], await town.balance()) == ("paid", "ends in 7896", 2_000)
    (asked,) = town.relay.heard
    assert (asked["card_number"], asked["authorization"]) == (CARD, "Bearer ob_test_sk_miles")
    (take,) = (await town.control.get("/points_issuers/sky_miles/takes")).json()["data"]
    assert (take["units"], take["amount"], take["state"], take["merchant"]) == (
        8_000,
        4_000,
        "spent",
        "Big mall",
    )
    assert take["approval_code"] == order["approval_code"]
    for _ in range(2):
        voided = await town.mall.post(f"/orders/{order['id']}/void", json={})
        assert (voided.json()["status"], await town.balance()) == ("voided", 10_000)
    assert CARD not in town.traced()
    assert "953010******7896" in town.traced()


WHY_NOT = {
    "card_not_registered": _found(registered=False),
    "no_account": _found(),
    "insufficient_points": _found("acc_other"),
    "too_many_lookups": (429, {"code": "too_many_requests"}),
    "relay_refused": (503, {"code": "unavailable"}),
}


async def test_a_mall_hears_why_no_points_were_taken(town: Town) -> None:
    await town.miles()
    for code, answer in WHY_NOT.items():
        town.relay.say("/v1/points_lookups", answer)
        order = (await town.mall.post("/checkout", json=TYPED)).json()
        assert (order["status"], order["code"], await town.balance()) == ("declined", code, 10_000)


async def test_an_issuer_without_a_relay_fails_and_one_that_is_away_leaves_it_open(town: Town) -> None:
    nowhere = {"relay_url": f"http://{HOST}:1"}
    await town.control.put("/points_issuers/sky_miles", json=nowhere)
    failed = (await town.mall.post("/checkout", json=TYPED)).json()
    away = {"kind": "connection", "fault": "refuse"}
    await town.control.put("/points_issuers/sky_miles/faults", json=away)
    unknown = (await town.mall.post("/checkout", json=TYPED)).json()
    assert (failed["status"], failed["code"], unknown["status"]) == (
        "declined",
        "relay_unreachable",
        "unknown",
    )


# -- a code off a phone (PC-6) ------------------------------------------------------------------------------


async def test_pc6_a_scanned_code_pays_and_neither_code_nor_pin_is_kept(town: Town) -> None:
    town.relay.say("/v1/payments", (409, {"code": "still_running"}), (201, APPROVED))
    town.relay.say("/v1/payments/auth_1/cancel", (200, {"id": "auth_1", "status": "reversed"}))

    order = (await town.mall.post("/scans", json=SCANNED)).json()
    voided = (await town.mall.post(f"/orders/{order['id']}/void", json={})).json()

    assert (order["status"], order["card"], order["payment"]) == ("paid", "on a phone", "auth_1")
    assert voided["status"] == "voided"
    first, second, _ = town.relay.heard
    assert first == second, "asked again under the same key until it is known"
    assert (first["code"], first["pin"], first["amount"], first["idempotency-key"]) == (
        CODE,
        "482913",
        4_000,
        order["id"],
    )
    assert CODE not in town.traced()
    assert "482913" not in re.split(r"\D+", town.traced())


async def test_pc6_a_purchase_that_is_not_paid_is_called_off_for_good(town: Town) -> None:
    town.relay.say("/v1/payments", (201, DECLINED), (201, APPROVED))

    order = (await town.mall.post("/scans", json=SCANNED)).json()
    again = (await town.mall.post("/scans", json=SCANNED | {"order": order["id"]})).json()

    assert (order["status"], order["code"]) == ("cancelled", "card_not_valid")
    assert again == order
    assert len(town.relay.heard) == 1


async def test_pc6_an_outcome_that_nobody_tells_stays_open_and_can_be_asked_for(town: Town) -> None:
    town.relay.say("/v1/payments", *[(503, {})] * 3, (201, APPROVED))

    order = (await town.mall.post("/scans", json=SCANNED)).json()
    again = (await town.mall.post("/scans", json=SCANNED | {"order": order["id"]})).json()
    other = await town.mall.post("/scans", json=SCANNED | {"order": order["id"], "amount": 1})

    assert (order["status"], again["status"], other.status_code) == ("unknown", "paid", 409)


async def test_pc6_a_passkey_answers_a_challenge_for_just_this_payment(town: Town) -> None:
    town.relay.say(
        "/v1/code_challenges", (200, {"object": "code_challenge", "public_key": {"challenge": "x"}})
    )
    town.relay.say("/v1/payments", (201, APPROVED))
    scan = {"amount": 4_000, "code": "hQVDUFYwMWEa"}

    options = (await town.mall.post("/code_challenges", json=scan)).json()
    order = (await town.mall.post("/scans", json=scan | {"passkey": {"id": "key", "response": {}}})).json()

    assert (options["public_key"], order["status"]) == ({"challenge": "x"}, "paid")
    challenged, paid = town.relay.heard
    assert (challenged["code"], challenged["amount"], challenged["currency"]) == (scan["code"], 4_000, "KRW")
    assert (paid["passkey"], "pin" in paid) == ({"credential": {"id": "key", "response": {}}}, False)


# -- points with a card, at the provider's own door (PR-4, PR-5) --------------------------------------------


async def test_the_page_shows_points_and_sends_what_was_picked_of_their_quote(town: Town) -> None:
    shown = {"status": "approved", "quote": "7Q2KMX4TZ9AB", "data": [{"number": 1, "worth": 2_000}]}
    town.relay.say("/v1/points_balances", (200, shown))
    town.relay.say("/v1/payments", (201, APPROVED))
    card = {"card_number": CARD, "pin": "482913", "amount": 4_000}
    picked = {"tender": [{"number": 1, "amount": 1_500}, {"source": "src_1"}], "quote": shown["quote"]}

    told = (await town.mall.post("/points", json=card)).json()
    order = (await town.mall.post("/checkout", json=card | picked | {"road": "direct"})).json()
    repeated = card | {"road": "direct", "order": order["id"]}
    again = (await town.mall.post("/checkout", json=repeated)).json()

    assert (told, order["status"], again) == (shown, "paid", order)
    question, first, second = town.relay.heard
    assert (question["card_number"], question["currency"], question["entry"]) == (CARD, "KRW", "online")
    assert first == second, "a repeat picks what was picked before"
    assert (first["quote"], first["tender"]) == (
        "7Q2KMX4TZ9AB",
        [
            {"source": None, "number": 1, "amount": 1_500},
            {"source": "src_1", "number": None, "amount": None},
        ],
    )
    elsewhere = await town.mall.post("/checkout", json=card | picked | {"road": "van"})
    assert elsewhere.status_code == 409


# -- the control app ----------------------------------------------------------------------------------------


async def test_the_control_app_shows_and_sets_accounts_faults_and_what_the_van_knows(town: Town) -> None:
    issuers = (await town.control.get("/points_issuers")).json()["data"]
    assert [(each["id"], each["two_phase"], each["tells_van"]) for each in issuers] == [
        ("sky_miles", True, False),
        ("star_points", True, True),
        ("corner_stamps", False, False),
    ]
    ports = town.sandbox.ports()
    assert [each["url"] for each in issuers] == [f"http://{HOST}:{ports[each['id']]}" for each in issuers]
    handle = await town.miles(100)
    assert await town.miles(30) == handle, "a balance that shrinks"
    miles = town.sandbox.points_issuers[0]
    declined = await ask(miles, "/holds", {"takes": [a_take(handle, 40)]})
    assert declined.json()["results"][0]["reason"] == "insufficient_points"
    await town.control.put("/points_issuers/sky_miles", json={"units_max": 5})
    declined = await ask(miles, "/holds", {"takes": [a_take(handle, 6)]})
    assert declined.json()["results"][0]["reason"] == "limit"

    fault = {"kind": "points_takes", "fault": "break", "times": 1}
    path = "/points_issuers/sky_miles/faults"
    assert (await town.control.put(path, json=fault)).status_code == 200
    (set_,) = (await town.control.get(path)).json()["data"]
    assert fault.items() <= set_.items()
    assert (await ask(miles, "/holds", {"takes": [a_take(handle, 1)]})).status_code == 500
    assert (await town.control.get(path)).json()["data"] == []
    assert (await town.control.get("/van/points_results?terminal=T1")).json() == {"data": []}


NOT_TAKEN = {
    "nobody": ("nobody", {}, 404),
    "no secret": ("sky_miles", {"secret": "whsec_short"}, 400),
    "no number": ("sky_miles/accounts", {"number": "77", "units": 1, "phone": "1"}, 400),
    "less than nothing": ("sky_miles/accounts", {"number": "7700", "units": -1, "phone": "1"}, 400),
    "no such fault": ("sky_miles/faults", {"kind": "points_takes", "fault": "explode"}, 400),
}


async def test_what_the_counter_does_not_take(town: Town) -> None:
    for what, (path, body, status) in NOT_TAKEN.items():
        answer = await town.control.put(f"/points_issuers/{path}", json=body)
        assert answer.status_code == status, what
