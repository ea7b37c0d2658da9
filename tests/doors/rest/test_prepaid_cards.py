"""Programmes, prepaid cards, PINs, plastic and agents' batches over REST."""

import asyncio
import csv
import io
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from tests.factories.plastic import STREET
from tests.factories.programmes import DENOMINATIONS, a_programme
from tests.factories.rest import Member, RestHouse
from tests.factories.stored_value import a_prepaid_card

from obverse.cards import CardKind, CardState
from obverse.kit.ids import CardId, MemberId, from_text, to_text

pytestmark = pytest.mark.asyncio(loop_scope="module")

_keys = count(1)
TERMS = {
    "reason": "a new product",
    "name": "Everyday",
    "ceiling": 1_000_000,
    "validity_months": 12,
    "denominations": list(DENOMINATIONS),
    "charge_unit": 10_000,
    "giftable": True,
    "physical": True,
}
PIN = {"pin": "4821", "pin_again": "4821"}
PLASTIC = {
    "embossed_name": "Hong Gil-dong",
    "design": "silver",
    "place": "home",
    "address": {"recipient": "홍길동", "address": STREET, "postal_code": "04637"},
}


async def programme(rest: RestHouse, **changes: Any) -> dict[str, Any]:
    answer = await rest.client.post("/v1/programmes", json=TERMS | changes, headers=rest.operator)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def prepaid_card(rest: RestHouse, member: Member, **changes: Any) -> dict[str, Any]:
    product = (await programme(rest))["id"]
    body = {"programme": product, **PIN, "name": "Lunch", **changes}
    answer = await rest.client.post("/v1/prepaid_cards", json=body, headers=member.headers)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def a_gift(rest: RestHouse) -> str:
    """A claim token for a card with 50,000 won on it that somebody has bought."""
    card, _, _ = await a_prepaid_card(rest.house, kind=CardKind.GIFT, state=CardState.INACTIVE)
    _, token = await rest.house.cards.hand_over(card.id)
    return token.reveal()


# programmes ------------------------------------------------------------------------------------------------


async def test_a_programme_is_set_up_changed_and_closed_and_everybody_sees_what_is_on_sale(
    rest: RestHouse,
) -> None:
    made = await programme(rest, merchants=[rest.merchant_id], services=["goods"])
    path = f"/v1/programmes/{made['id']}"
    change = {"reason": "cheaper", "denominations": [5_000], "merchants": None}
    changed = (await rest.client.patch(path, json=change, headers=rest.operator)).json()
    assert changed == made | {"denominations": [5_000], "merchants": None}
    assert (await rest.client.get(path, headers=rest.operator)).json() == changed

    async def on_sale() -> list[dict[str, Any]]:
        return [
            e for e in (await rest.client.get("/v1/catalogue")).json()["data"] if e["programme"] == made["id"]
        ]

    (entry,) = await on_sale()
    assert (entry["denominations"], entry["charge_unit"], entry["ceiling"]) == ([5_000], 10_000, 1_000_000)
    assert "metadata" not in entry
    closed = await rest.client.post(f"{path}/close", json={"reason": "over"}, headers=rest.operator)
    again = await rest.client.patch(path, json=change, headers=rest.operator)
    assert (closed.json()["state"], await on_sale()) == ("closed", [])
    assert (again.status_code, again.json()["code"]) == (409, "programme_closed")
    told = await rest.client.get(f"/v1/audit_log?subject={made['id']}", headers=rest.operator)
    assert [entry["reason"] for entry in told.json()["data"]] == ["over", "cheaper", "a new product"]


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"denominations": [10_000, 5_000]}, "denominations"),
        ({"denominations": [0]}, "denominations"),
        ({"charge_unit": 2_000_000}, "charge_unit"),
        ({"validity_months": 37}, "validity_months"),
        ({"ceiling": "1000"}, "ceiling"),
        ({"services": ["weapons"]}, "services"),
        ({"categories": ["abc"]}, "categories"),
        ({"merchants": ["mer_01h455vb4pex5vsknk084sn02q"]}, "merchants"),
        ({"reason": ""}, "reason"),
        ({"currency": "USD"}, "currency"),
    ],
    ids=str,
)
async def test_what_cannot_be_sold_is_refused_with_its_field(
    rest: RestHouse, changes: dict[str, Any], param: str
) -> None:
    answer = await rest.client.post("/v1/programmes", json=TERMS | changes, headers=rest.operator)
    assert (answer.status_code, answer.json()["param"]) == (400, param)


# applying for a card ---------------------------------------------------------------------------------------


async def test_wa3_a_member_applies_and_has_a_card_with_an_empty_balance(rest: RestHouse) -> None:
    member = await rest.member()
    card = await prepaid_card(rest, member, tell_of_use=True)
    assert (card["kind"], card["state"], card["name"], card["tell_of_use"]) == (
        "prepaid",
        "active",
        "Lunch",
        True,
    )
    assert card["programme"].startswith("prog_")
    shown = await rest.client.get(f"/v1/cards/{card['id']}/balance", headers=member.headers)
    assert shown.json() == {
        "object": "balance",
        "card": card["id"],
        "currency": "KRW",
        "available": 0,
        "held": 0,
        "lots": [],
    }
    assert (await rest.face(member, card))["card_number"][-4:] == card["last_four"]
    change = {"name": "점심값"}
    changed = await rest.client.patch(f"/v1/cards/{card['id']}", json=change, headers=member.headers)
    assert changed.json() == card | change


async def test_p06_32_parallel_applications_with_one_key_make_one_card(rest: RestHouse) -> None:
    member = await rest.member()
    body = {"programme": (await programme(rest))["id"], **PIN}
    headers = {**member.headers, "Idempotency-Key": "a card"}
    answers = await asyncio.gather(
        *(rest.client.post("/v1/prepaid_cards", json=body, headers=headers) for _ in range(32))
    )
    other = await rest.client.post(
        "/v1/prepaid_cards", json=body | {"pin": "9053", "pin_again": "9053"}, headers=headers
    )
    assert {answer.content for answer in answers} == {answers[0].content}
    assert sum("idempotency-hit" in answer.headers for answer in answers) == 31
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


@pytest.mark.parametrize(
    ("changes", "status", "param"),
    [
        ({"name": "x" * 16}, 400, "name"),
        ({"name": "🍕🍕"}, 400, "name"),
        ({"name": "<svg onload=x>"}, 400, "name"),
        ({"pin": "1234", "pin_again": "1234"}, 400, "pin"),
        ({"pin": "12a4", "pin_again": "12a4"}, 400, "pin"),
        ({"pin_again": "4812"}, 400, "pin_again"),
        ({"pin_hint": "4821"}, 400, "pin_hint"),
        ({"pin": 4821}, 400, "pin"),
        ({"programme": "prog_01h455vb4pex5vsknk084sn02q"}, 404, "programme"),
        ({"balance": 1_000_000}, 400, "balance"),
    ],
    ids=str,
)
async def test_what_cannot_be_issued_is_refused_with_its_field(
    rest: RestHouse, changes: dict[str, Any], status: int, param: str
) -> None:
    member = await rest.member()
    product = to_text("prog", (await a_programme(rest.house)).id)
    body = {"programme": product, **PIN, **changes}
    answer = await rest.client.post("/v1/prepaid_cards", json=body, headers=member.headers)
    assert (answer.status_code, answer.json()["param"]) == (status, param), answer.text
    assert "4821" not in answer.text


# PINs ------------------------------------------------------------------------------------------------------


async def test_a_pin_is_changed_with_the_old_one_or_right_after_signing_in(rest: RestHouse) -> None:
    member = await rest.member()
    card = await prepaid_card(rest, member, pin_hint="our first flat")
    path, body = f"/v1/cards/{card['id']}/pin", {"pin": "90210", "pin_again": "90210"}
    status = (await rest.client.get(path, headers=member.headers)).json()
    assert (status["is_set"], status["locked"], status["hint"]) == (True, False, "our first flat")
    fresh = await rest.client.put(path, json=body, headers=member.headers)
    assert (fresh.status_code, fresh.json()["hint"]) == (200, None)
    rest.house.clock.move_to(rest.house.clock.offset + timedelta(minutes=11))
    wrong = [
        await rest.client.put(path, json={**body, "old_pin": "0000"}, headers=member.headers)
        for _ in range(6)
    ]
    assert [answer.json()["code"] for answer in wrong] == ["wrong_pin"] * 5 + ["pin_locked"]
    locked = await rest.client.put(path, json={**body, "old_pin": "90210"}, headers=member.headers)
    assert (locked.status_code, locked.json()["code"]) == (409, "pin_locked")
    assert (await rest.client.get(path, headers=member.headers)).json()["locked"] is True
    for answer in (status, fresh, *wrong, locked):
        assert "90210" not in str(getattr(answer, "text", answer))


# gifts -----------------------------------------------------------------------------------------------------


async def test_pp3_a_gift_is_claimed_with_a_pin_looked_into_and_kept_by_who_registers(
    rest: RestHouse,
) -> None:
    token = await a_gift(rest)
    claim = await rest.client.post("/v1/claims", json={"token": token, **PIN, "pin_hint": "the dog"})
    assert claim.status_code == 201, claim.text
    card, holder = claim.json()["card"], {"Authorization": f"Bearer {claim.json()['holder_token']}"}
    assert (card["kind"], card["state"], card["held_by"]) == ("gift", "active", "recipient")
    balance = (await rest.client.get("/v1/claims/current/balance", headers=holder)).json()
    assert (balance["available"], [lot["kind"] for lot in balance["lots"] if lot["available"]]) == (
        50_000,
        ["given"],
    )
    pin = (await rest.client.get("/v1/claims/current/pin", headers=holder)).json()
    assert (pin["is_set"], pin["hint"]) == (True, "the dog")
    named = await rest.client.patch("/v1/claims/current", json={"name": "From aunt"}, headers=holder)
    assert named.json()["name"] == "From aunt"
    again = await rest.client.post("/v1/claims", json={"token": token})
    assert (again.status_code, again.json()["code"]) == (404, "claim_link_invalid")

    member = await rest.member()
    body = {"holder_token": claim.json()["holder_token"]}
    kept = await rest.client.post("/v1/adopted_cards", json=body, headers=member.headers)
    assert (kept.json()["member"], kept.json()["held_by"]) == (member.id, "member")
    assert (await rest.client.get("/v1/claims/current", headers=holder)).status_code == 401
    twice = await rest.client.post("/v1/adopted_cards", json=body, headers=member.headers)
    assert (twice.status_code, twice.json()["code"]) == (404, "holder_unknown")


async def test_a_member_who_is_signed_in_claims_for_themselves(rest: RestHouse) -> None:
    member = await rest.member()
    body = {"token": await a_gift(rest), "as_member": True}
    anonymous = await rest.client.post("/v1/claims", json=body)
    claim = await rest.client.post("/v1/claims", json=body, headers=member.headers)
    assert (anonymous.status_code, claim.json()["holder_token"]) == (401, None)
    assert claim.json()["card"]["member"] == member.id
    own = await rest.client.get("/v1/cards", headers=member.headers)
    assert [card["id"] for card in own.json()["data"]] == [claim.json()["card"]["id"]]


async def test_ot8_who_gave_a_prepaid_card_away_sees_it_no_more(rest: RestHouse) -> None:
    member = await rest.member()
    card = await prepaid_card(rest, member)
    link = (await rest.client.post(f"/v1/cards/{card['id']}/hand_over", headers=member.headers)).json()
    claim = await rest.client.post("/v1/claims", json={"token": link["token"]})
    assert member.id not in claim.text
    for path in ("", "/balance", "/pin"):
        answer = await rest.client.get(f"/v1/cards/{card['id']}{path}", headers=member.headers)
        assert (answer.status_code, answer.json()["code"]) == (404, "card_not_found")


async def test_pp11_who_has_number_and_pin_in_hand_holds_the_card(rest: RestHouse) -> None:
    card, face, _ = await a_prepaid_card(rest.house, pin="4821")
    mine, my_face, _ = await a_prepaid_card(rest.house, pin="4821", member=await _member(rest))
    body = {"card_number": face.number.reveal(), "pin": "4821"}
    held = await rest.client.post("/v1/held_cards", json=body)
    assert held.status_code == 201, held.text
    holder = {"Authorization": f"Bearer {held.json()['holder_token']}"}
    balance = await rest.client.get("/v1/claims/current/balance", headers=holder)
    assert balance.json()["available"] == 50_000
    refused = [
        await rest.client.post("/v1/held_cards", json=each)
        for each in (
            body | {"pin": "9053"},
            body | {"card_number": "9410120000000000"},
            {"card_number": my_face.number.reveal(), "pin": "4821"},
        )
    ]
    assert {(answer.status_code, answer.json()["code"]) for answer in refused} == {(422, "card_not_in_hand")}
    assert (await rest.house.cards.get(card.id)).pin_failures == 1
    assert (await rest.house.cards.get(mine.id)).is_held is False


async def _member(rest: RestHouse) -> Any:
    return await rest.house.members.get(MemberId(from_text("mem", (await rest.member()).id)))


# plastic ---------------------------------------------------------------------------------------------------


async def test_wa4_a_card_is_drawn_asked_for_exported_and_posted(rest: RestHouse) -> None:
    member = await rest.member()
    card = await prepaid_card(rest, member)
    designs = (await rest.client.get("/v1/card_designs")).json()["data"]
    assert {design["id"] for design in designs} >= {"gold", "silver"}
    preview = f"/v1/cards/{card['id']}/preview.svg?design=gold&embossed_name=Hong"
    drawn = await rest.client.get(preview, headers=member.headers)
    assert drawn.headers["content-type"].startswith("image/svg+xml")
    assert drawn.headers["content-security-policy"] == "default-src 'none'"
    number = (await rest.face(member, card))["card_number"]
    assert "HONG" in drawn.text
    assert number[6:12] not in drawn.text

    asked = await rest.client.post(f"/v1/cards/{card['id']}/plastic", json=PLASTIC, headers=member.headers)
    assert (asked.status_code, asked.json()["state"]) == (201, "ordered")
    assert STREET not in asked.text
    run = await rest.client.post("/v1/fulfilment_runs", json={"count": 1}, headers=rest.operator)
    export = f"/v1/fulfilment_runs/{run.json()['run']}/export"
    file = await rest.client.post(export, json={"reason": "to the maker"}, headers=rest.operator)
    (line,) = csv.DictReader(io.StringIO(file.text))
    assert (line["number"], line["name"], line["address"]) == (number, "HONG GIL-DONG", STREET)
    path = f"/v1/fulfilments/{asked.json()['id']}"
    posting = {"tracking": "KR123", "reason": "left today"}
    posted = await rest.client.post(f"{path}/post", json=posting, headers=rest.operator)
    returned = await rest.client.post(f"{path}/return", json={"reason": "moved"}, headers=rest.operator)
    assert (posted.json()["tracking"], returned.json()["state"]) == ("KR123", "returned")
    assert (await rest.client.get(f"/v1/cards/{card['id']}", headers=member.headers)).json()[
        "state"
    ] == "suspended"
    own = await rest.client.get("/v1/fulfilments?state=returned", headers=member.headers)
    assert [found["card"] for found in own.json()["data"]] == [card["id"]]


# agents ----------------------------------------------------------------------------------------------------


async def a_batch(rest: RestHouse, **changes: Any) -> Any:
    agent = {"is_agent": True, "reason": "sells our cards"}
    await rest.client.patch(f"/v1/merchants/{rest.merchant_id}", json=agent, headers=rest.operator)
    body = {
        "programme": (await programme(rest))["id"],
        "merchant": rest.merchant_id,
        "count": 3,
        "denomination": 10_000,
        "reason": "for the corner shop",
    }
    headers = {**rest.operator, "Idempotency-Key": f"batch {next(_keys)}"}
    return await rest.client.post("/v1/card_batches", json=body | changes, headers=headers)


async def test_pp4_a_batch_is_listed_once_sold_at_the_till_and_reconciled(rest: RestHouse) -> None:
    batch = (await a_batch(rest)).json()
    path = f"/v1/card_batches/{batch['id']}"
    file = await rest.client.post(f"{path}/export", json={"reason": "print"}, headers=rest.operator)
    lines = list(csv.DictReader(io.StringIO(file.text)))
    assert len({line["number"] for line in lines}) == len({line["card"] for line in lines}) == 3
    again = await rest.client.post(f"{path}/export", json={"reason": "print"}, headers=rest.operator)
    assert (again.status_code, again.json()["code"]) == (409, "card_batch_exported")

    sold = {"card_number": lines[0]["number"], "amount": 10_000, "currency": "KRW"}
    headers = {**rest.merchant, "Idempotency-Key": f"sale {next(_keys)}"}
    answer = await rest.client.post("/v1/card_activations", json=sold, headers=headers)
    assert answer.json()["status"] == "approved", answer.text
    counts = (await rest.client.get(path, headers=rest.operator)).json()["counts"]
    assert counts == {
        "made": 3,
        "unsold": 2,
        "activated": 1,
        "voided": 0,
        "activated_value": 10_000,
        "ledger_value": 10_000,
        "agrees": True,
    }
    cancel = f"/v1/payments/{answer.json()['id']}/cancel"
    undone = await rest.client.post(cancel, headers=rest.merchant)
    assert undone.status_code == 200, undone.text
    counts = (await rest.client.get(path, headers=rest.operator)).json()["counts"]
    assert (counts["unsold"], counts["ledger_value"], counts["agrees"]) == (3, 0, True)
    for line in lines:
        card = await rest.house.cards.get(CardId(from_text("card", line["card"])))
        assert card.state is CardState.INACTIVE
    closed = await rest.client.post(f"{path}/close", json={"reason": "stolen"}, headers=rest.operator)
    late = await rest.client.post(
        "/v1/card_activations",
        json=sold | {"card_number": lines[1]["number"]},
        headers={**rest.merchant, "Idempotency-Key": f"sale {next(_keys)}"},
    )
    assert (closed.json()["state"], late.json()["status"]) == ("closed", "declined")


@pytest.mark.parametrize(
    ("changes", "param"),
    [({"count": 0}, "count"), ({"count": 100_001}, "count"), ({"denomination": 7_000}, "denomination")],
    ids=str,
)
async def test_what_no_batch_can_be_is_refused(rest: RestHouse, changes: dict[str, Any], param: str) -> None:
    answer = await a_batch(rest, **changes)
    assert (answer.status_code, answer.json()["param"]) == (400, param)


async def test_a_shop_that_is_no_agent_gets_no_cards(rest: RestHouse) -> None:
    shop, _ = await rest.another_merchant()
    answer = await a_batch(rest, merchant=shop)
    assert (answer.status_code, answer.json()["code"]) == (409, "no_agent")
