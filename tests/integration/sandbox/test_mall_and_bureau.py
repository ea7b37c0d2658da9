"""The HTTP partners: mall, credit bureau, control; and all of them together."""

from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import httpx
import pytest
from litestar import Litestar, Request, post
from tests.factories.sandbox import FREE_PORTS, HOST, a_request, a_till
from tests.factories.waiting import eventually

from obverse.kit.clock import Clock
from obverse.kit.errors import CannotStart
from obverse.kit.http_server import HttpServer
from obverse.kit.secret import Secret
from obverse.sandbox import Sandbox, SandboxSettings
from obverse.sandbox.card_company.model import Item
from obverse.sandbox.listener import Caller, Listener
from obverse.sandbox.trace import Entry
from obverse.sandbox.wire import Frame, answer_to

Calls = list[tuple[str, str, dict[str, Any]]]


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    sandbox = Sandbox(FREE_PORTS, Clock())
    await sandbox.start()
    yield sandbox
    await sandbox.stop()


@pytest.fixture
async def control(sandbox: Sandbox) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"http://{HOST}:{sandbox.control.port}") as client:
        yield client


@pytest.fixture
async def mall(sandbox: Sandbox) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"http://{HOST}:{sandbox.mall.port}") as client:
        yield client


@pytest.fixture
async def provider() -> AsyncIterator[tuple[HttpServer, Calls]]:
    """A stand-in for the provider's REST door: it approves everything and remembers what it was told."""
    calls: Calls = []

    @post(["/v1/payments", "/v1/payments/{payment:str}/cancel"], status_code=200)
    async def approve(request: Request[Any, Any, Any]) -> dict[str, Any]:
        calls.append((request.url.path, request.headers["idempotency-key"], await request.json()))
        status = "reversed" if request.url.path.endswith("cancel") else "approved"
        return {"id": "pay_1", "status": status, "approval_code": "ABC123"}

    server = HttpServer(Litestar([approve]))
    await server.start(HOST)
    yield server, calls
    await server.stop()


async def open_mall(control: httpx.AsyncClient, rest_port: int = 1) -> None:
    merchant = {"acquirer_id": "123456", "merchant_no": "MALL1", "terminal": "WEB1", "name": "Big mall"}
    await control.put(
        "/mall",
        json=merchant
        | {"category": "5732", "rest_url": f"http://{HOST}:{rest_port}", "api_key": "ob_test_sk_x"},
    )


async def a_form(control: httpx.AsyncClient, road: str = "clearing_house") -> dict[str, Any]:
    card = (await control.post("/cards", json={})).json()
    shown = {name: card[name] for name in ("exp_month", "exp_year", "cvv")}
    return {"amount": 34_000, "card_number": card["number"], "road": road} | shown


async def test_the_page_has_a_form_a_browser_can_fill_and_nothing_from_elsewhere(
    mall: httpx.AsyncClient,
) -> None:
    page = await mall.get("/")
    for field in ("cc-number", "cc-exp-month", "cc-exp-year", "cc-csc"):
        assert f'autocomplete="{field}"' in page.text
    assert "http" not in page.text
    assert "unsafe-inline" not in page.headers["content-security-policy"]
    assert (await mall.get("/shop.js")).headers["content-type"].startswith("text/javascript")
    assert (await mall.get("/shop.css")).headers["content-type"].startswith("text/css")


async def test_an_order_is_paid_through_the_clearing_house_repeated_and_voided(
    mall: httpx.AsyncClient, control: httpx.AsyncClient
) -> None:
    await open_mall(control)
    form = await a_form(control)
    order = (await mall.post("/checkout", json=form)).json()
    assert (order["status"], order["code"], order["card"]) == (
        "paid",
        "00",
        f"ends in {form['card_number'][-4:]}",
    )
    again = (await mall.post("/checkout", json=form | {"order": order["id"]})).json()
    assert again == order
    voided = await mall.post(f"/orders/{order['id']}/void", json={"card_number": form["card_number"]})
    assert voided.json()["status"] == "voided"
    cards = (await control.get("/cards")).json()["data"]
    assert [card["held"] for card in cards] == [0] * len(cards)
    account = cards[-1]["billing_account"]
    statement = (await control.get(f"/cards/{account}/statement")).json()
    assert (statement["held"], statement["released"], len(statement["holds"])) == (0, 34_000, 1)


async def test_an_order_is_paid_directly_repeated_and_voided(
    mall: httpx.AsyncClient, control: httpx.AsyncClient, provider: tuple[HttpServer, Calls]
) -> None:
    server, calls = provider
    await open_mall(control, server.port)
    form = await a_form(control, "direct")
    order = (await mall.post("/checkout", json=form)).json()
    assert (order["status"], order["approval_code"], order["payment"]) == ("paid", "ABC123", "pay_1")
    await mall.post("/checkout", json=form | {"order": order["id"]})
    assert (await mall.post(f"/orders/{order['id']}/void", json={})).json()["status"] == "voided"
    assert calls[0] == calls[1]
    assert calls[0][1] == order["id"]
    assert calls[0][2]["card_number"] == form["card_number"]
    assert calls[2][0] == "/v1/payments/pay_1/cancel"


async def test_p11_the_mall_keeps_no_number_and_repeats_none_back(
    sandbox: Sandbox, mall: httpx.AsyncClient, control: httpx.AsyncClient, provider: tuple[HttpServer, Calls]
) -> None:
    await open_mall(control, provider[0].port)
    forms = [await a_form(control, road) for road in ("clearing_house", "direct")]
    answers = [(await mall.post("/checkout", json=form)).text for form in forms]
    wrong = await mall.post("/checkout", json=forms[0] | {"card_number": forms[0]["card_number"] + "x"})
    assert wrong.status_code == 400
    kept = repr(sandbox.mall.mall.orders) + (await mall.get("/orders")).text + "".join(answers) + wrong.text
    kept += repr(sandbox.trace.since(0)) + (await control.get("/messages")).text
    for form in forms:
        assert form["card_number"] not in kept


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"amount": 0}, 400),
        ({"amount": -1}, 400),
        ({"amount": 1.5}, 400),
        ({"exp_month": 13}, 400),
        ({"road": "by_post"}, 400),
        ({"surprise": 1}, 400),
        ({"order": "ord_none"}, 404),
    ],
    ids=["zero", "negative", "fraction", "month 13", "unknown road", "unknown field", "unknown order"],
)
async def test_a_wrong_form_is_refused(
    mall: httpx.AsyncClient, control: httpx.AsyncClient, change: dict[str, Any], status: int
) -> None:
    await open_mall(control)
    form = await a_form(control)
    assert (await mall.post("/checkout", json=form | change)).status_code == status


async def test_a_closed_mall_and_a_changed_repeat_are_refused(
    mall: httpx.AsyncClient, control: httpx.AsyncClient
) -> None:
    form = await a_form(control)
    assert (await mall.post("/checkout", json=form)).status_code == 409
    await open_mall(control)
    order = (await mall.post("/checkout", json=form)).json()["id"]
    assert (await mall.post("/checkout", json=form | {"order": order, "amount": 1})).status_code == 409
    assert (await mall.post(f"/orders/{order}/void", json={})).status_code == 409


async def test_an_unreachable_provider_leaves_the_order_open(
    mall: httpx.AsyncClient, control: httpx.AsyncClient
) -> None:
    await open_mall(control, rest_port=1)
    form = await a_form(control, "direct")
    assert (await mall.post("/checkout", json=form)).json()["status"] == "unknown"


async def test_a_silent_card_company_leaves_the_order_open_until_it_is_voided(
    sandbox: Sandbox, mall: httpx.AsyncClient, control: httpx.AsyncClient
) -> None:
    sandbox.clearing_house.timeout_s = 0.1
    await open_mall(control)
    form = await a_form(control)
    await control.put("/faults", json={"kind": "authorization", "fault": "silent", "times": 1})
    order = (await mall.post("/checkout", json=form)).json()
    assert (order["status"], order["code"]) == ("unknown", "68")
    voided = await mall.post(f"/orders/{order['id']}/void", json={"card_number": form["card_number"]})
    assert voided.json()["status"] == "voided"


async def test_cards_are_listed_masked_blocked_and_given_other_limits(
    mall: httpx.AsyncClient, control: httpx.AsyncClient
) -> None:
    await open_mall(control)
    form = await a_form(control)
    listed = (await control.get("/cards")).json()["data"][-1]
    assert listed["number"] == f"953010******{form['card_number'][-4:]}"
    account = listed["billing_account"]
    await control.put(f"/cards/{account}", json={"blocked": True})
    assert (await mall.post("/checkout", json=form)).json()["code"] == "62"
    await control.put(f"/cards/{account}", json={"blocked": False, "limit": 33_999})
    assert (await mall.post("/checkout", json=form)).json()["code"] == "51"
    assert (await control.put("/cards/BA0", json={})).status_code == 404


async def test_a_card_of_an_earlier_sandbox_is_taken_back(
    mall: httpx.AsyncClient, control: httpx.AsyncClient
) -> None:
    card = (await control.post("/cards", json={})).json()
    remembered = card | {"billing_account": "BA1", "cvv": "321"}
    assert (await control.put("/cards", json=remembered)).json()["billing_account"] == "BA1"
    await open_mall(control)
    form = {name: card[name] for name in ("exp_month", "exp_year")} | {"amount": 1, "road": "clearing_house"}
    paid = await mall.post("/checkout", json=form | {"card_number": card["number"], "cvv": "321"})
    assert paid.json()["status"] == "paid"


async def test_the_clearing_house_finds_a_provider_that_has_moved(
    sandbox: Sandbox, control: httpx.AsyncClient
) -> None:
    async def approve(caller: Caller, frame: Frame) -> None:
        await caller.send(answer_to(frame, "00"))

    door = Listener(approve)
    await door.start(HOST)
    async with a_till(sandbox.clearing_house.port) as till:
        pay = partial(till.purchase, Secret("9410121234567893"), "2906", None, 1)
        await control.put("/provider", json={"host": HOST, "port": 1})
        assert (await pay()).response_code == "91"
        await control.put("/provider", json={"host": HOST, "port": door.port})
        assert (await pay()).approved
    await door.stop()


async def test_faults_are_set_seen_and_taken_off(control: httpx.AsyncClient) -> None:
    setting = {"kind": "reversal", "fault": "silent", "delay_ms": 0, "times": 3, "chance": 1.0}
    assert (await control.put("/faults", json=setting)).json() == setting
    assert (await control.get("/faults")).json() == {"data": [setting]}
    await control.put("/faults", json={"kind": "reversal"})
    assert (await control.get("/faults")).json() == {"data": []}
    assert (await control.put("/faults", json={"kind": "reversal", "fault": "sing"})).status_code == 400


async def test_the_bureau_answers_and_misbehaves_on_request(
    sandbox: Sandbox, control: httpx.AsyncClient
) -> None:
    url = f"http://{HOST}:{sandbox.credit_bureau.port}/v1/standing"
    async with httpx.AsyncClient(timeout=1) as client:

        async def ask(identity_number: str) -> httpx.Response:
            return await client.post(url, json={"identity_number": identity_number})

        assert (await ask("900101-1234567")).json() == {"standing": "good"}
        assert (await ask("900101-1230000")).json() == {"standing": "bad"}
        assert (await ask("x")).status_code == 400
        for fault, status in (("close", 503), ("garbage", 200)):
            await control.put("/faults", json={"kind": "standing", "fault": fault, "times": 1})
            answer = await ask("900101-1234567")
            assert (answer.status_code, answer.text.startswith("{")) == (status, status == 503)
        await control.put("/faults", json={"kind": "standing", "fault": "silent", "times": 1})
        with pytest.raises(httpx.ReadTimeout):
            await ask("900101-1234567")
    assert "1234567" not in repr(sandbox.trace.since(0))


async def test_messages_are_told_once_and_in_order(
    mall: httpx.AsyncClient, control: httpx.AsyncClient
) -> None:
    await open_mall(control)
    await mall.post("/checkout", json=await a_form(control))
    told = (await control.get("/messages")).json()["data"]
    assert [(entry["from"], entry["to"], entry["kind"][:4]) for entry in told] == [
        ("Big mall", "Clearing house", "0100"),
        ("Clearing house", "Card company", "0100"),
        ("Card company", "Clearing house", "0110"),
        ("Clearing house", "Big mall", "0110"),
    ]
    assert (await control.get("/messages", params={"after": told[-1]["number"]})).json() == {"data": []}


async def test_a_listener_hears_each_message_as_it_passes() -> None:
    heard: list[Entry] = []
    sandbox = Sandbox(FREE_PORTS, Clock(), heard.append)
    await sandbox.start()
    sandbox.trace.http("a", "b", "GET /", {})
    await eventually(lambda: [entry.kind for entry in heard] == ["GET /"])
    await sandbox.stop()


async def test_a_taken_port_leaves_nothing_listening(sandbox: Sandbox) -> None:
    taken = SandboxSettings(
        clearing_house_port=0,
        card_company_port=0,
        card_company_files_port=0,
        bank_port=0,
        mall_port=0,
        credit_bureau_port=0,
        mail_port=0,
        sms_port=0,
        van_port=0,
        points_issuers_port=0,
        control_port=sandbox.control.port,
    )
    second = Sandbox(taken, Clock())
    with pytest.raises(CannotStart, match="sandbox control cannot listen"):
        await second.start()
    with pytest.raises(httpx.ConnectError):
        async with httpx.AsyncClient() as client:
            await client.get(f"http://{HOST}:{second.mall.port}/")


async def test_a_cardholder_sees_and_pays_the_bill(sandbox: Sandbox, control: httpx.AsyncClient) -> None:
    card = (await control.get("/cards")).json()["data"][0]
    path = f"/cards/{card['billing_account']}/bill"
    book = sandbox.card_company.book
    real = next(each for each in book.cards if each.billing_account == card["billing_account"])
    request = a_request(number=real.number.reveal(), expiry=real.expiry, amount_minor=30_000)
    approval = book.authorize(request).approval_code
    item = Item(2, real.number.reveal(), False, 30_000, "410", approval or "", "1" * 23, "A shop", True)
    assert book.present(item) is None
    bill = (await control.get(path)).json()
    assert (bill["total"], bill["owed"], bill["lines"][0]["merchant"]) == (30_000, 30_000, "A shop")
    assert (await control.post(f"{path}/pay", json={"amount": 40_000})).status_code == 400
    assert (await control.post(f"{path}/pay", json={"amount": 10_000})).json()["owed"] == 20_000
    assert (await control.post(f"{path}/pay", json={})).json()["owed"] == 0
    assert (await control.get("/cards/BA1/bill")).status_code == 404
