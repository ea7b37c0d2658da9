"""The wallet's roads from the partners' side through our real doors: WA-7, WA-8 and WA-9 end to end."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.factories.iso8583 import PIN_KEY, PIN_KEY_AES
from tests.factories.members import ANSWER, PASSWORD, a_profile, an_application
from tests.factories.merchants import a_merchant
from tests.factories.rest import RestHouse, open_rest_house
from tests.factories.sandbox import FREE_PORTS, HOST
from tests.factories.stored_value import a_prepaid_card, available
from tests.factories.waiting import eventually

from obverse.access import MERCHANT_SCOPES, Access
from obverse.cards import Card
from obverse.doors.acquirer import AcquirerDoor
from obverse.doors.rest.server import RestDoor
from obverse.kit.clock import Clock
from obverse.kit.database import Database
from obverse.kit.ids import NewId, to_text
from obverse.kit.paging import PageRequest
from obverse.kit.secret import Secret
from obverse.merchants import Terms
from obverse.networks.iso8583.pin_blocks import PinKeys
from obverse.sandbox import Sandbox

TERMS = Terms(accepts=frozenset({"one_time", "prepaid", "gift"}))
PIN = "4829"


@dataclass
class Town:
    """Both doors on real sockets, the partners around them, and a member with 50,000 won on a card."""

    rest: RestHouse
    mall: httpx.AsyncClient
    control: httpx.AsyncClient
    card: Card
    number: str
    session: dict[str, str]
    sandbox: Sandbox

    async def check_out(self, **form: Any) -> dict[str, Any]:
        typed = {"card_number": self.number, "pin": PIN, "amount": 20_000}
        answer: dict[str, Any] = (await self.mall.post("/checkout", json=typed | form)).json()
        return answer

    async def left(self) -> int:
        return await available(self.rest.house, self.card)


@pytest.fixture
async def town(
    database: Database, tmp_path: Path, clock: Clock, new_id: NewId, random_bytes: Callable[[int], bytes]
) -> AsyncIterator[Town]:
    sandbox = Sandbox(FREE_PORTS, clock)
    await sandbox.start()
    async with (
        open_rest_house(database, tmp_path, clock, new_id, random_bytes) as rest,
        httpx.AsyncClient(base_url=f"http://{HOST}:{sandbox.mall.port}") as mall,
        httpx.AsyncClient(base_url=f"http://{HOST}:{sandbox.control.port}") as control,
    ):
        keys = PinKeys(Secret(PIN_KEY), Secret(PIN_KEY_AES))
        merchants = rest.house.merchants
        acquirer = AcquirerDoor(rest.engine, rest.claims.service, merchants, now=clock.now, pin_keys=keys)
        await acquirer.start(HOST, 0)
        door = RestDoor(rest.app)
        await door.start(HOST, 0)
        await control.put("/provider", json={"host": HOST, "port": acquirer.port})
        await open_mall(control, rest.house.merchants, rest.access, door.port)
        somebody = an_application(profile=a_profile(), address=None, answer=ANSWER)
        member, _ = await rest.house.wallet.register(somebody, None, credit=False)
        _, token = await rest.house.members.sign_in(to_text("mem", member.id), PASSWORD)
        card, face, _ = await a_prepaid_card(rest.house, member=member, pin=PIN)
        session = {"Authorization": f"Bearer {token.reveal()}"}
        yield Town(rest, mall, control, card, face.number.reveal(), session, sandbox)
        await door.stop()
        await acquirer.stop(grace_s=1)
    await sandbox.stop()


async def open_mall(control: httpx.AsyncClient, merchants: Any, access: Access, rest_port: int) -> None:
    merchant = await a_merchant(merchants, terms=TERMS)
    _, key = await access.create("mall", frozenset(MERCHANT_SCOPES), merchant_id=merchant.id)
    shop = {"acquirer_id": merchant.acquirer_id, "merchant_no": merchant.merchant_no, "name": merchant.name}
    shop |= {"terminal": merchant.terminals[0], "category": merchant.category, "api_key": key.reveal()}
    shop |= {"rest_url": f"http://{HOST}:{rest_port}", "id": to_text("mer", merchant.id)}
    assert (await control.put("/mall", json=shop)).status_code == 200


async def test_wa7_a_matched_order_is_paid_and_no_number_passes_the_mall(town: Town) -> None:
    items = [{"name": "녹차", "quantity": 2, "unit_amount": 4_500}]
    order = (await town.mall.post("/carts", json={"items": items})).json()
    too_early = (await town.mall.post(f"/orders/{order['order']}/collect")).json()
    assert (too_early["status"], too_early["code"]) == ("declined", "checkout_not_found")
    wish = {name: order[name] for name in ("merchant", "reference", "items", "total", "currency")}
    wish["card"] = to_text("card", town.card.id)
    kept = await town.rest.client.post("/v1/checkouts", json=wish, headers=town.session)
    assert kept.status_code == 201, kept.text

    paid = [(await town.mall.post(f"/orders/{order['order']}/collect")).json() for _ in range(2)]

    assert paid[0] == paid[1]
    assert paid[0]["status"] == "paid"
    assert await town.left() == 41_000
    assert town.number not in repr(town.sandbox.trace.since(0)) + repr(town.sandbox.mall.mall.orders)
    voided = await town.mall.post(f"/orders/{order['order']}/void", json={})
    assert voided.json()["status"] == "voided"
    assert await town.left() == 50_000


async def test_wa8_a_filled_form_is_compared_with_what_we_know(town: Town) -> None:
    wrong = await town.check_out(road="direct", holder={"name": "김철수"})
    right = await town.check_out(road="direct", holder={"name": "홍길동"})
    assert (wrong["status"], right["status"]) == ("declined", "paid")
    assert await town.left() == 30_000


async def test_wa9_another_mall_pays_through_the_van_and_what_it_decides_alone_enters_history(
    town: Town,
) -> None:
    asked = await town.check_out(road="van")
    assert (asked["status"], await town.left()) == ("paid", 30_000)
    assert (await town.check_out(road="van", pin="0000"))["code"] == "14"
    await town.control.put("/van", json={"floor_limit": 20_000, "line_down": True})
    alone = await town.check_out(road="van")
    assert (alone["status"], await town.left()) == ("paid", 30_000)
    await town.control.put("/van", json={"floor_limit": 20_000})

    async def told() -> bool:
        return await town.left() == 10_000

    while not await told():
        await town.mall.get("/orders")
    stand_in = town.sandbox.clearing_house.stand_in
    assert stand_in is not None
    await eventually(lambda: not stand_in.waiting)
    newest = (await town.rest.engine.list(PageRequest(1), card_id=town.card.id)).items[0]
    assert (newest.reported, newest.approval_code) == (True, alone["approval_code"])
    voided = await town.mall.post(f"/orders/{alone['id']}/void", json={"card_number": town.number})
    assert voided.json()["status"] == "voided"
    assert await town.left() == 30_000
