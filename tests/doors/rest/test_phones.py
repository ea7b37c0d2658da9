"""Phones at the REST door: registered with a key, given codes that they alone can open, read by scanners."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from tests.factories.codes import a_key, jwk_of
from tests.factories.members import PASSWORD
from tests.factories.rest import Member, RestHouse

from obverse.kit.secret import Secret
from obverse.sandbox.phone import NoCode, NoNetwork, NotMine, Phone, Refused, Scanner

pytestmark = pytest.mark.asyncio(loop_scope="module")

INTERVAL = timedelta(seconds=180)


def slow_by(rest: RestHouse, by: timedelta) -> Callable[[], datetime]:
    """The clock of a phone that nobody has set for long."""
    return lambda: rest.house.clock.now() - by


async def a_phone(rest: RestHouse, member: Member, *, slow: timedelta = timedelta()) -> Phone:
    phone = Phone(rest.client, "Phone", slow_by(rest, slow))
    await phone.set_up(member.id, PASSWORD)
    return phone


def later(rest: RestHouse, by: timedelta) -> None:
    rest.house.clock.move_to(rest.house.clock.offset + by)


async def paid(rest: RestHouse, code: str) -> str:
    """`approved`, or why a payment with this code was declined."""
    answer = (await rest.pay({"code": code})).json()
    return answer["status"] if answer["status"] == "approved" else answer["decline"]["code"]


async def test_a_code_pays_once_whether_it_is_read_as_bars_or_as_a_square(rest: RestHouse) -> None:
    member = await rest.member()
    phone, scanner = await a_phone(rest, member), Scanner()
    for picture in ("barcode", "qr_code"):
        card = await rest.card(member)
        await phone.fetch(card["id"])
        phone.pick(card["id"])
        screen = phone.show()
        drawn = getattr(screen, picture)
        assert drawn.svg.startswith("<?xml")
        assert scanner.digits(drawn) == screen.digits.reveal()
        scanned = scanner.read(drawn)
        assert await paid(rest, scanned) == "approved"
        assert await paid(rest, scanned) == "card_not_accepted"


async def test_a_phone_without_a_network_shows_code_after_code_until_they_end(rest: RestHouse) -> None:
    member = await rest.member()
    card = await rest.card(member, controls={"uses": 5})
    phone = await a_phone(rest, member, slow=timedelta(hours=9))
    await phone.fetch(card["id"], 3)
    phone.has_network = False
    shown = []
    for _ in range(3):
        shown.append(phone.show().digits.reveal())
        assert await paid(rest, shown[-1]) == "approved"
        await phone.paid()
        with pytest.raises(NoCode):
            phone.show()
        later(rest, INTERVAL)
    assert len(set(shown)) == 3
    with pytest.raises(NoNetwork):
        await phone.fetch(card["id"])
    phone.has_network = True
    await phone.renew_due()
    assert await paid(rest, phone.show().digits.reveal()) == "approved"


async def test_codes_renew_themselves_and_what_was_for_later_pays_no_more(rest: RestHouse) -> None:
    member = await rest.member()
    card = await rest.card(member, controls={"uses": 5})
    phone = await a_phone(rest, member)
    await phone.fetch(card["id"], 2)
    photographed = phone.show().digits.reveal()
    await phone.renew_due()
    assert phone.show().digits.reveal() == photographed, "it is not time yet"
    later(rest, INTERVAL)
    await phone.renew_due()
    assert phone.show().digits.reveal() != photographed
    later(rest, timedelta(seconds=31))
    assert await paid(rest, photographed) == "card_not_accepted", "an old photograph"
    assert await paid(rest, phone.show().digits.reveal()) == "approved"


async def test_one_phone_shows_the_card_that_is_picked(rest: RestHouse) -> None:
    member = await rest.member()
    phone = await a_phone(rest, member)
    cards = [(await rest.card(member))["id"] for _ in range(2)]
    for card in cards:
        await phone.fetch(card)
    assert phone.cards == tuple(cards)
    codes = []
    for card in cards:
        phone.pick(card)
        codes.append(phone.show().digits.reveal())
    assert len(set(codes)) == 2
    for card, code in zip(cards, codes, strict=True):
        answer = await rest.pay({"code": code})
        told = await rest.client.get(f"/v1/payments/{answer.json()['id']}", headers=rest.operator)
        assert told.json()["card"] == card
    with pytest.raises(NoCode):
        phone.pick("card_of_somebody")


async def test_p10_codes_of_another_device_cannot_be_opened_and_a_removed_ones_do_not_pay(
    rest: RestHouse,
) -> None:
    member = await rest.member()
    card = (await rest.card(member, controls={"uses": 5}))["id"]
    lost, other = await a_phone(rest, member), await a_phone(rest, member)
    own = lost.device
    lost._device = other.device
    with pytest.raises(NotMine):
        await lost.fetch(card)
    lost._device = own
    await lost.fetch(card, 5)
    code = lost.show().digits.reveal()
    removed = await rest.client.post(f"/v1/devices/{own}/remove", headers=member.headers)
    assert removed.json()["removed"] is not None
    assert await paid(rest, code) == "card_not_accepted"
    with pytest.raises(Refused) as refused:
        await lost.fetch(card)
    assert refused.value.code == "device_not_found"
    listed = await rest.client.get("/v1/devices", headers=member.headers)
    assert [device["id"] for device in listed.json()["data"]] == [other.device]


async def test_a_card_that_was_handed_over_is_not_paid_with_from_its_givers_phone(rest: RestHouse) -> None:
    member = await rest.member()
    card = (await rest.card(member))["id"]
    phone = await a_phone(rest, member)
    await phone.fetch(card)
    link = await rest.client.post(f"/v1/cards/{card}/hand_over", headers=member.headers)
    claimed = await rest.client.post("/v1/claims", json={"token": link.json()["token"]})
    assert claimed.status_code == 201
    assert await paid(rest, phone.show().digits.reveal()) == "card_not_accepted"


async def test_a_wrong_pin_three_times_spends_the_code_and_the_member_sees_why(rest: RestHouse) -> None:
    member = await rest.member(linked=True)
    accepts = {"accepts": ["one_time", "registered"], "reason": "It takes both."}
    shop = f"/v1/merchants/{rest.merchant_id}"
    assert (await rest.client.patch(shop, json=accepts, headers=rest.operator)).status_code == 200
    (linked,) = (await rest.client.get("/v1/funding_sources", headers=member.headers)).json()["data"]
    registered = {"source": linked["id"]}
    card = (await rest.client.post("/v1/registered_cards", json=registered, headers=member.headers)).json()
    pin = {"pin": "4821", "pin_again": "4821"}
    await rest.client.put(f"/v1/cards/{card['id']}/pin", json=pin, headers=member.headers)
    phone = await a_phone(rest, member)
    await phone.fetch(card["id"])
    phone.pick(card["id"])
    code = phone.show().digits.reveal()
    answers = [(await rest.pay({"code": code, "pin": typed})).json() for typed in ("4822",) * 3 + ("4821",)]
    assert [answer["decline"]["code"] for answer in answers] == ["card_not_accepted"] * 4
    listed = await rest.client.get(f"/v1/payments?card={card['id']}", headers=member.headers)
    seen = [payment["decline"]["code"] for payment in listed.json()["data"]]
    assert seen == ["code_used", *["wrong_pin"] * 3]


async def test_a_session_that_was_found_registers_no_phone(rest: RestHouse) -> None:
    member = await rest.member()
    body = {"name": "Thief's", "public_key": jwk_of(a_key())}
    for proof in ({}, {"current_password": "a guess"}):
        answer = await rest.client.post("/v1/devices", json=body | proof, headers=member.headers)
        assert (answer.status_code, answer.json()["code"]) == (422, "wrong_password")


GOOD = jwk_of(a_key())


@pytest.mark.parametrize(
    ("key", "param"),
    [
        pytest.param(GOOD | {"d": GOOD["x"]}, "public_key", id="a private key"),
        pytest.param(GOOD | {"crv": "P-384"}, "public_key.crv", id="another curve"),
        pytest.param(GOOD | {"kty": "RSA"}, "public_key.kty", id="another kind"),
        pytest.param(GOOD | {"y": GOOD["x"]}, "public_key", id="no point of the curve"),
        pytest.param(GOOD | {"x": GOOD["x"] + "="}, "public_key.x", id="padded"),
    ],
)
async def test_a_key_that_is_none_is_refused_by_its_field(
    rest: RestHouse, key: dict[str, Any], param: str
) -> None:
    member = await rest.member()
    body = {"name": "Phone", "public_key": key, "current_password": PASSWORD.reveal()}
    answer = await rest.client.post("/v1/devices", json=body, headers=member.headers)
    assert answer.status_code == 400
    assert answer.json()["param"].startswith(param)
    assert GOOD["x"] not in answer.text


async def test_too_many_codes_at_once_and_cards_that_pay_nothing_are_refused(rest: RestHouse) -> None:
    member = await rest.member()
    phone = await a_phone(rest, member)
    card = (await rest.card(member))["id"]
    path = f"/v1/devices/{phone.device}/code_batches"

    async def refusal(**body: Any) -> tuple[int, str]:
        answer: httpx.Response = await rest.client.post(path, json=body, headers=member.headers)
        assert isinstance(answer.json(), dict)
        return answer.status_code, answer.json().get("param") or answer.json()["code"]

    assert await refusal(card=card, count=51) == (400, "count")
    assert await refusal(card=card, count=0) == (400, "count")
    assert await refusal(card="card_x") == (404, "card")
    await rest.client.post(f"/v1/cards/{card}/suspend", headers=member.headers)
    assert await refusal(card=card) == (409, "card")


async def test_wrong_passwords_set_up_no_phone(rest: RestHouse) -> None:
    member = await rest.member()
    phone = Phone(rest.client, "Phone", rest.house.clock.now)
    with pytest.raises(Refused) as refused:
        await phone.set_up(member.id, Secret("a guess"))
    assert refused.value.code == "wrong_credentials"
