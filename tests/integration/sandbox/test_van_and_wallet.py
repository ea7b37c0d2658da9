"""The VAN between a mall and a provider that may be away; the till's pad; the mall's wallet button."""

import json
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from litestar import Litestar, Request, post
from tests.factories.sandbox import FREE_PORTS, HOST, a_till
from tests.factories.waiting import eventually

from obverse.kit.clock import Clock
from obverse.kit.http_server import HttpServer
from obverse.kit.secret import Secret
from obverse.networks.iso8583.pin_blocks import PinBlock, PinFormat, PinKeys
from obverse.sandbox import Sandbox
from obverse.sandbox.listener import Caller, Listener
from obverse.sandbox.terminal import PARTLY, CardEntry, PinPad
from obverse.sandbox.terminal.pin_pad import SANDBOX_KEY, SANDBOX_KEY_AES
from obverse.sandbox.wire import Frame, Message, answer_to

PREPAID = "9410121234567893"
KEYS = PinKeys(SANDBOX_KEY, SANDBOX_KEY_AES)


class Provider:
    """A provider's door that approves what it hears, and remembers it."""

    def __init__(self) -> None:
        self.heard: list[Message] = []
        self.extra: dict[str, str] = {"38": "OURS01"}
        self.code = "00"
        self.door = Listener(self._answer)

    async def _answer(self, caller: Caller, frame: Frame) -> None:
        self.heard.append(frame.message)
        await caller.send(answer_to(frame, self.code, self.extra))


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    sandbox = Sandbox(FREE_PORTS, Clock())
    await sandbox.start()
    yield sandbox
    await sandbox.stop()


@pytest.fixture
async def provider(sandbox: Sandbox) -> AsyncIterator[Provider]:
    provider = Provider()
    await provider.door.start(HOST)
    await sandbox.clearing_house.route_to("Obverse", HOST, provider.door.port)
    yield provider
    await provider.door.stop()


@pytest.fixture
async def control(sandbox: Sandbox) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"http://{HOST}:{sandbox.control.port}") as client:
        yield client


@pytest.fixture
async def mall(sandbox: Sandbox, control: httpx.AsyncClient) -> AsyncIterator[httpx.AsyncClient]:
    await open_mall(control)
    async with httpx.AsyncClient(base_url=f"http://{HOST}:{sandbox.mall.port}") as client:
        yield client


async def open_mall(control: httpx.AsyncClient, rest_port: int = 1) -> None:
    merchant = {"acquirer_id": "123456", "merchant_no": "MALL1", "terminal": "WEB1", "name": "Big mall"}
    merchant |= {"category": "5732", "rest_url": f"http://{HOST}:{rest_port}", "api_key": "ob_test_sk_x"}
    await control.put("/mall", json=merchant | {"id": "mer_1"})


TYPED = {"amount": 34_000, "card_number": PREPAID, "pin": "4829", "road": "van"}


async def test_a_mall_without_any_protocol_pays_with_number_and_pin(
    sandbox: Sandbox, provider: Provider, mall: httpx.AsyncClient
) -> None:
    order = (await mall.post("/checkout", json=TYPED)).json()
    assert (order["status"], order["approval_code"]) == ("paid", "OURS01")
    asked = provider.heard[0]
    assert (asked["t"], asked["2"], asked["4"], asked["22"]) == ("0100", PREPAID, "000000034000", "010")
    block = PinBlock(PinFormat.TDES, Secret(asked["52"]))
    assert KEYS.open(block, Secret(PREPAID)) == Secret("4829")
    again = (await mall.post("/checkout", json=TYPED | {"order": order["id"]})).json()
    assert again == order
    assert provider.heard[1] == asked | {"t": "0101"}
    voided = await mall.post(f"/orders/{order['id']}/void", json={"card_number": PREPAID})
    assert voided.json()["status"] == "voided"
    assert provider.heard[2]["t"] == "0400"
    seen = repr(sandbox.trace.since(0)) + repr(sandbox.mall.mall.orders)
    assert PREPAID not in seen
    # As a number of its own: times and trace numbers are digits too.
    assert "4829" not in re.split(r"\D+", seen)
    assert asked["52"] not in seen


async def test_while_the_provider_is_away_the_van_decides_up_to_its_limit_and_tells_it_later(
    provider: Provider, mall: httpx.AsyncClient, control: httpx.AsyncClient
) -> None:
    away = {"floor_limit": 34_000, "line_down": True}
    assert (await control.put("/van", json=away)).json() == away
    small = (await mall.post("/checkout", json=TYPED)).json()
    large = (await mall.post("/checkout", json=TYPED | {"amount": 34_001})).json()
    assert (small["status"], small["approval_code"][:3]) == ("paid", "VAN")
    assert (large["status"], large["code"]) == ("declined", "91")
    assert provider.heard == []
    van = (await control.get("/van")).json()
    assert van == away | {"waiting": 1, "url": van["url"]}
    results = await mall.get(f"{van['url']}/points_results", params={"terminal": "TILL0001"})
    assert results.json() == {"data": []}
    provider.code = "96"
    await control.put("/van", json={"floor_limit": 34_000})
    await eventually(lambda: len(provider.heard) > 1)
    provider.code = "00"
    count = len(provider.heard)
    await eventually(lambda: len(provider.heard) > count)

    async def told() -> int:
        return (await control.get("/van")).json()["waiting"]

    while await told():
        await mall.get("/orders")
    advice = provider.heard[-1]
    assert (advice["t"], advice["38"], advice["39"]) == ("0221", small["approval_code"], "00")
    assert (advice["2"], advice["4"]) == (PREPAID, "000000034000")
    assert not {"52", "53", "90", "48"} & advice.keys()
    assert len({(message["7"], message["11"], message["37"]) for message in provider.heard}) == 1


async def test_without_a_limit_nobody_stands_in(
    provider: Provider, mall: httpx.AsyncClient, control: httpx.AsyncClient
) -> None:
    await control.put("/van", json={"line_down": True})
    assert (await mall.post("/checkout", json=TYPED)).json()["code"] == "91"


@pytest.mark.parametrize("aes", [False, True], ids=["format 0", "format 4"])
async def test_a_tills_pad_enciphers_what_is_typed(sandbox: Sandbox, provider: Provider, aes: bool) -> None:
    till = a_till(sandbox.clearing_house.port)
    till._pad = PinPad(aes=aes)
    card = CardEntry(Secret(PREPAID), "2911", pin=Secret("482913"))
    provider.extra = {"54": "0002410C000000012300"}
    answer = await till.inquire(card)
    assert (answer.approved, answer.balance_minor) == (True, 12_300)
    heard = provider.heard[0]
    field, format_ = ("110", PinFormat.AES) if aes else ("52", PinFormat.TDES)
    assert KEYS.open(PinBlock(format_, Secret(heard[field])), card.number) == card.pin
    assert (heard["t"], heard["3"], heard["4"]) == ("0100", "310000", "0" * 12)
    await till.close()


async def test_a_till_that_can_take_less_is_given_less(sandbox: Sandbox, provider: Provider) -> None:
    provider.code = PARTLY
    provider.extra = {"38": "OURS01", "4": "000000010000", "54": "0057410C000000034000"}
    async with a_till(sandbox.clearing_house.port) as till:
        paid = await till.purchase(Secret(PREPAID), "2911", None, 34_000, partial=True)
        assert (paid.response_code, paid.amount_minor, paid.approved) == (PARTLY, 10_000, False)
    assert provider.heard[0]["60"] == "000000000001"


async def test_a_till_sells_a_card_and_takes_cash_for_one(sandbox: Sandbox, provider: Provider) -> None:
    card = CardEntry(Secret(PREPAID), None)
    async with a_till(sandbox.clearing_house.port) as till:
        assert (await till.activate(card, 50_000)).approved
        assert (await till.deposit(card, 10_000)).approved
        assert (await till.reverse()).approved
    assert [(message["t"], message["3"]) for message in provider.heard] == [
        ("0200", "280000"),
        ("0200", "210000"),
        ("0400", "210000"),
    ]


# -- the two roads of an affiliated mall --------------------------------------------------------------------


@pytest.fixture
async def rest(control: httpx.AsyncClient, mall: httpx.AsyncClient) -> AsyncIterator[list[dict[str, Any]]]:
    """A provider's REST door that approves everything; what it was told, call by call."""
    calls: list[dict[str, Any]] = []

    @post(["/v1/payments", "/v1/checkouts/matched_payments"], status_code=201)
    async def approve(request: Request[Any, Any, Any]) -> dict[str, Any]:
        key = {"path": request.url.path, "key": request.headers["idempotency-key"]}
        calls.append(key | await request.json())
        return {"id": "auth_1", "status": "approved", "approval_code": "ABC123"}

    server = HttpServer(Litestar([approve]))
    await server.start(HOST)
    await open_mall(control, server.port)
    yield calls
    await server.stop()


async def test_the_wallet_button_hands_over_an_order_and_the_mall_names_it_without_any_card(
    sandbox: Sandbox, rest: list[dict[str, Any]], mall: httpx.AsyncClient
) -> None:
    items = [{"name": "Tea", "quantity": 2, "unit_amount": 4_500}]
    cart = (await mall.post("/carts", json={"items": items})).json()
    assert (cart["merchant"], cart["total"], cart["currency"], cart["items"]) == (
        "mer_1",
        9_000,
        "KRW",
        items,
    )
    paid = [(await mall.post(f"/orders/{cart['order']}/collect")).json() for _ in range(2)]
    assert paid[0] == paid[1]
    assert (paid[0]["status"], paid[0]["card"], paid[0]["payment"]) == ("paid", "in the wallet", "auth_1")
    assert rest[0] == rest[1]
    named = {"reference": cart["reference"], "items": items, "total": 9_000, "currency": "KRW"}
    assert rest[0] == {"path": "/v1/checkouts/matched_payments", "key": cart["order"]} | named
    asked, answered = [json.loads(entry.fields["whole"]) for entry in sandbox.trace.since(0)][:2]
    assert (asked, answered["id"]) == (named, "auth_1"), "anybody may see all of it"


async def test_a_filled_form_goes_to_the_provider_and_stays_nowhere(
    sandbox: Sandbox, rest: list[dict[str, Any]], mall: httpx.AsyncClient
) -> None:
    holder = {"name": "Kim Sora", "phone": "+821012345678", "mail": "sora@mail.example"}
    order = (await mall.post("/checkout", json=TYPED | {"road": "direct", "holder": holder})).json()
    assert order["status"] == "paid"
    assert (rest[0]["holder"], rest[0]["pin"], rest[0]["cvv"]) == (holder, "4829", None)
    kept = repr(sandbox.mall.mall.orders) + repr(sandbox.trace.since(0)) + str(order)
    assert not any(value in kept for value in (*holder.values(), PREPAID))


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/carts", {"items": []}, 400),
        ("/carts", {"items": [{"name": "Tea", "quantity": 0, "unit_amount": 1}]}, 400),
        ("/orders/ord_none/collect", {}, 404),
        ("/checkout", TYPED | {"road": "matched"}, 400),
        ("/checkout", TYPED | {"pin": "12"}, 400),
    ],
    ids=["nothing", "none of it", "no such order", "a card on the wallet's road", "half a PIN"],
)
async def test_what_is_no_order_is_refused(
    mall: httpx.AsyncClient, path: str, body: dict[str, Any], status: int
) -> None:
    assert (await mall.post(path, json=body)).status_code == status
