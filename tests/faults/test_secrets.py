"""P11: no real card number, CVV, identity number or password outside the vault and the wire.

Nor numbers of points accounts, payment codes, and what lies between us and points issuers.
"""

import asyncio
import base64
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import asyncpg
import pytest
from tests.factories.callers import HOST, AcquirerLine
from tests.factories.canaries import search
from tests.factories.canary_points import use_points_and_codes
from tests.factories.estate import Estate
from tests.factories.iso8583 import PIN_KEY, purchase, wire, with_pin
from tests.factories.overheard import Caller
from tests.factories.platform import running
from tests.factories.scripted_issuer import ScriptedIssuer
from tests.factories.waiting import eventually
from tests.factories.webhooks import Receiver

from obverse.access import Access, Scope
from obverse.cards import CardFace
from obverse.kit.clock import Clock
from obverse.kit.database.system_user import SystemUser, postgres_binaries
from obverse.kit.secret import Secret
from obverse.networks.iso8583.codec import encode
from obverse.networks.iso8583.framing import frame
from obverse.sandbox.card_company.cards import make_card
from obverse.sandbox.card_company.model import RealCard
from obverse.sandbox.credit_bureau import CreditBureau
from obverse.sandbox.faults import Fault, FaultMenu, FaultRule, MessageKind
from obverse.sandbox.trace import Trace

CANARY = "4000009530107777"
PASSWORD = "canary in the coal mine 58"
WRONG_PASSWORD = "another canary that sings 59"
IDENTITY = "9001011234567"
CVV = "7391"
PIN = "8264"
CARD_PIN = "640851"


@pytest.mark.parametrize(
    ("form", "planted"),
    [
        ("plain", CANARY.encode()),
        ("hex", CANARY.encode().hex().encode()),
        ("hex", CANARY.encode().hex().upper().encode()),
        ("BCD", bytes.fromhex(CANARY)),
        ("plain", b"\\\\x" + bytes.fromhex(CANARY).hex().encode()),
        ("grouped", b"4000 0095 3010 7777"),
        ("grouped", b"4000-0095-3010-7777"),
        ("base64 at 0", base64.b64encode(CANARY.encode())),
        ("base64 at 1", base64.b64encode(b"x" + CANARY.encode() + b"yz")),
        ("base64 at 2", base64.b64encode(b"xy" + CANARY.encode() + b"z")),
        ("utf-16 hex", CANARY.encode("utf-16-be").hex().encode()),
    ],
)
def test_p11_the_search_finds_a_planted_number_in_every_form(form: str, planted: bytes) -> None:
    haystack = b'{"event": "something", "value": "' + planted + b'"}'
    assert form in [found.form for found in search(haystack, {"number": CANARY})]
    assert search(haystack.replace(planted, b"400000******7777"), {"number": CANARY}) == []


@pytest.mark.parametrize(
    "planted", [b'"cvv": "7391"', b"cvv=7391", b"'cvv2': '7391'", b"92047391", b'cvv\\": \\"7391\\"']
)
def test_p11_the_search_finds_a_labelled_cvv(planted: bytes) -> None:
    assert search(b"2026-11-20 " + planted + b" ok", {"cvv": CVV}) != []
    assert search(b"2026-11-20T10:12:40.7391Z 57391", {"cvv": CVV}) == []


@pytest.fixture
async def bureau() -> AsyncIterator[CreditBureau]:
    bureau = CreditBureau(FaultMenu(Random(1)), Trace(Clock()))
    await bureau.start(HOST)
    yield bureau
    await bureau.stop()


@pytest.fixture
def real(estate: Estate) -> RealCard:
    """The member's real card, with a CVV of four digits that can be told from other numbers."""
    made = make_card(Random(11), datetime.now(UTC))
    card = RealCard(made.number, made.expiry, Secret(CVV), made.birth_date, 10**9, made.billing_account)
    estate.card_company.book.add(card)
    return card


async def test_p11_no_secret_gets_into_database_logs_answers_or_webhooks(
    estate: Estate,
    real: RealCard,
    bureau: CreditBureau,
    tmp_path: Path,
    cut_connections: Callable[[], Awaitable[None]],
) -> None:
    house = estate.house
    access = Access(house.database, house.vault, house.clock, house.new_id, house.random_bytes)
    _, operator = await access.create("operator", frozenset(Scope))
    settings = estate.settings(
        tmp_path / "data",
        log_level="DEBUG",
        credit_bureau_url=f"http://{HOST}:{bureau.port}",
        webhooks_to_private_addresses=True,
        pin_key=PIN_KEY,
    )
    async with (
        ScriptedIssuer() as issuer,
        running(tmp_path / "platform", settings) as platform,
        Receiver() as receiver,
    ):
        caller = Caller(estate, platform, operator.reveal())
        endpoint = {"url": receiver.url}
        hook = (await caller.rest("POST", "/v1/webhook_endpoints", endpoint, status=201)).body
        session = await register_and_sign_in(caller, real)
        faces = [await a_card(caller, session) for _ in range(6)]
        await set_pins(caller, session)
        await pay_at_both_doors(caller, real, faces)
        await ask_wrongly(caller, real, faces[0])
        points = await use_points_and_codes(caller, session, card_form(real), PASSWORD, issuer)
        await break_things(caller, faces, cut_connections)
        await eventually(lambda: len(receiver.received) >= 2 * len(faces))
        await caller.rest("GET", "/metrics", status=200)

    secrets = {
        "card number": real.number.reveal(),
        "CVV": CVV,
        "PIN": PIN,
        "card PIN": CARD_PIN,
        "password": PASSWORD,
        "wrong password": WRONG_PASSWORD,
        "identity number": IDENTITY,
    } | points.nowhere
    stand_ins = {f"one-time number {i}": face["number"] for i, face in enumerate(faces)}
    tokens = {
        "operator's key": operator.reveal(),
        "shop's key": estate.token,
        "session": session,
        "webhook secret": hook["secret"],
    } | points.told_once
    dump = await asyncio.to_thread(dumped, estate.database_url)
    assert b"vault_cards" in dump
    assert b"authorizations" in dump
    assert b"points_accounts" in dump
    written = platform.written()
    assert b'"level": "debug"' in written
    assert b"Traceback" in written
    nowhere = secrets | stand_ins | tokens
    assert search(dump, nowhere) == []
    assert search(written, nowhere) == []
    assert search(b"\n".join(caller.answers), secrets | stand_ins) == []
    assert search(b"\n".join([each.body for each in receiver.received]), nowhere) == []


def card_form(real: RealCard) -> dict[str, Any]:
    return {
        "card_number": real.number.reveal(),
        "exp_month": int(real.expiry[2:]),
        "exp_year": 2000 + int(real.expiry[:2]),
        "cvv": CVV,
        "birth_date": real.birth_date,
    }


async def register_and_sign_in(caller: Caller, real: RealCard) -> str:
    """A member registers, and is refused when registering again; the session's token."""
    card = card_form(real)
    person = {"identity_number": IDENTITY, "address": "12 Toegye-ro, Seoul", "password": PASSWORD}
    wrong_cvv = await caller.rest("POST", "/v1/members", person | card | {"cvv": "9999"})
    assert 400 <= wrong_cvv.status < 500
    member = (await caller.rest("POST", "/v1/members", person | card, status=201)).body
    assert (await caller.rest("POST", "/v1/members", person | card)).status == 409
    bad_person = {**person, "identity_number": "9001011230000"}
    assert (await caller.rest("POST", "/v1/members", bad_person | card)).status >= 400
    for password in (WRONG_PASSWORD, PASSWORD + " "):
        await caller.rest("POST", "/v1/sessions", {"member": member["id"], "password": password}, status=401)
    sign_in = {"member": member["id"], "password": PASSWORD}
    token: str = (await caller.untold("POST", "/v1/sessions", sign_in, caller.operator, 201))["token"]
    assert (await caller.rest("POST", "/v1/linked_cards", card, token)).status == 409
    return token


async def a_card(caller: Caller, session: str) -> dict[str, Any]:
    card = (await caller.rest("POST", "/v1/cards", {}, session, status=201)).body
    answer = await caller.rest("POST", f"/v1/cards/{card['id']}/reveal", None, session, status=200)
    face: dict[str, Any] = answer.body
    return face


async def set_pins(caller: Caller, session: str) -> None:
    """A prepaid card whose PIN is set, changed, mistyped and given away in its own hint."""
    terms = {"name": "Everyday", "ceiling": 100_000, "validity_months": 12, "charge_unit": 10_000}
    programme = (await caller.rest("POST", "/v1/programmes", terms | {"reason": "to try"}, status=201)).body
    pin = {"pin": CARD_PIN, "pin_again": CARD_PIN}
    wish = {"programme": programme["id"], **pin}
    card = (await caller.rest("POST", "/v1/prepaid_cards", wish, session, status=201)).body
    path = f"/v1/cards/{card['id']}/pin"
    await caller.rest("PUT", path, pin | {"old_pin": CARD_PIN}, session, status=200)
    for wrong in ({"pin_hint": f"it is {CARD_PIN}"}, {"pin_again": CARD_PIN[::-1]}, {"pin": int(CARD_PIN)}):
        await caller.rest("PUT", path, pin | wrong, session, status=400)
    await caller.rest("PUT", path, {**pin, "old": CARD_PIN}, session, status=400)


def payment(face: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    shown = {"card_number": face["number"], "cvv": face["cvv"]}
    dates = {"exp_month": face["exp_month"], "exp_year": face["exp_year"]}
    return {**shown, **dates, "amount": 1_000, "currency": "KRW", **changes}


def card_face(face: Mapping[str, Any]) -> CardFace:
    expiry = f"{face['exp_year'] % 100:02d}{face['exp_month']:02d}"
    return CardFace(Secret(face["number"]), expiry, Secret(face["cvv"]))


async def pay_at_both_doors(caller: Caller, real: RealCard, faces: list[dict[str, Any]]) -> None:
    """Approvals and declines; and a shop that sends the real card, as shops do."""
    shop = caller.estate.token
    paid = await caller.rest("POST", "/v1/payments", payment(faces[0]), shop, status=201)
    assert paid.body["status"] == "approved"
    for changes in ({}, {"cvv": "000"}, {"pin": PIN}, {"card_number": real.number.reveal(), "cvv": CVV}):
        refused = await caller.rest("POST", "/v1/payments", payment(faces[0], **changes), shop, status=201)
        assert refused.body["status"] == "declined"
    line = await AcquirerLine.open(caller.platform.acquirer_port)
    assert (await line.ask(caller.estate.purchase(card_face(faces[1]))))["39"] == "00"
    assert (await line.ask(caller.estate.purchase(card_face(faces[1]))))["39"] == "57"
    stranger = CardFace(real.number, real.expiry, Secret(CVV))
    assert (await line.ask(caller.estate.purchase(stranger, DE48=f"9204{CVV}")))["39"] == "56"
    line.close()


async def ask_wrongly(caller: Caller, real: RealCard, face: dict[str, Any]) -> None:
    """Requests that are refused, with secrets where they do and where they do not belong."""
    number = real.number.reveal()
    good = payment(face, card_number=number, cvv=CVV)
    for changes in (
        {"card_number": int(number)},
        {"card_number": number + "x"},
        {"cvv": int(CVV)},
        {"pin": int(PIN)},
        {"pin": PIN + "x"},
        {"amount": number},
        {"currency": number},
        {number: 1},
        {"entry": number},
        {"merchant": number},
    ):
        answer = await caller.rest("POST", "/v1/payments", {**good, **changes}, caller.estate.token)
        assert 400 <= answer.status < 500
    await caller.rest("POST", "/v1/payments", f'{{"card_number": "{number}", '.encode(), caller.estate.token)
    await caller.rest("GET", f"/v1/cards/{number}", status=404)
    await caller.rest("GET", f"/v1/payments?card={number}&limit={number}")
    await caller.rest("GET", f"/v1/{number}", status=404)
    await caller.rest("GET", "/v1/payments", token=number, status=401)
    await caller.rest("POST", "/v1/sessions", {"member": number, "password": PASSWORD})
    await caller.rest("POST", "/v1/sessions", {"member": 1, "password": PASSWORD})
    good_iso = purchase(DE2=number, DE48=f"9204{CVV}")
    for bent in (
        with_pin(good_iso, PIN),
        {**with_pin(good_iso, PIN), "53": "0" * 16},
        {**with_pin(good_iso, PIN), "52": "0" * 16},
        {**good_iso, "3": "990000"},
        {**good_iso, "49": "999"},
        {**good_iso, "48": f"9299{CVV}"},
        {k: v for k, v in good_iso.items() if k != "11"},
        {**good_iso, "t": "0900"},
    ):
        await caller.till(wire(bent))
    cut = encode(good_iso)[:60]
    await caller.till(frame(cut))
    await caller.till(number.encode() * 10)


async def break_things(
    caller: Caller, faces: list[dict[str, Any]], cut_connections: Callable[[], Awaitable[None]]
) -> None:
    """A card company that talks nonsense, then none; a database that drops everybody in mid-payment."""
    estate = caller.estate
    company = estate.card_company
    for face, fault in zip(faces[2:4], (Fault.GARBAGE, Fault.SILENT), strict=True):
        await company.set_fault(MessageKind.AUTHORIZATION, FaultRule(fault))
        answer = await caller.rest("POST", "/v1/payments", payment(face), estate.token, status=201)
        assert answer.body["status"] == "declined"
    await company.set_fault(MessageKind.AUTHORIZATION, FaultRule(Fault.SLOW, delay_ms=300))
    line = await AcquirerLine.open(caller.platform.acquirer_port)
    asked = [asyncio.ensure_future(line.ask(estate.purchase(card_face(face)))) for face in faces[4:]]
    while not await estate.fetch("select 1 from legs where status = 'sent'"):
        # While the line to the card company is down after the garbage, they are declined at once.
        if all(question.done() for question in asked):
            asked = [asyncio.ensure_future(line.ask(estate.purchase(card_face(face)))) for face in faces[4:]]
        await asyncio.sleep(0.005)
    await cut_connections()
    await asyncio.wait(asked)
    await a_defect(caller, faces[2])
    await company.set_fault(MessageKind.CONNECTION, FaultRule(Fault.REFUSE))
    answer = await caller.rest("POST", "/v1/payments", payment(faces[2]), estate.token)
    assert answer.status in (201, 503)
    line.close()


async def a_defect(caller: Caller, face: dict[str, Any]) -> None:
    """With a table gone both doors break down in the middle of a payment, and log where."""
    conn = await asyncpg.connect(caller.estate.database_url)
    await conn.execute("alter table legs rename to legs_elsewhere")
    answer = await caller.rest("POST", "/v1/payments", payment(face), caller.estate.token)
    assert answer.status == 500
    line = await AcquirerLine.open(caller.platform.acquirer_port)
    assert (await line.ask(caller.estate.purchase(card_face(face))))["39"] == "96"
    line.close()
    await conn.execute("alter table legs_elsewhere rename to legs")
    await conn.close()


def dumped(database_url: str) -> bytes:
    """The whole database as text, the job queue's tables included."""
    pg_dump = postgres_binaries(SystemUser.for_server()) / "pg_dump"
    return subprocess.run([pg_dump, "--dbname", database_url], capture_output=True, check=True).stdout
