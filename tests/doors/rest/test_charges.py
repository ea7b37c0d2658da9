"""Charges, automatic charges, refunds of what is left, bank accounts and sales over REST."""

from typing import Any

import pytest
from tests.factories.rest import Member, RestHouse
from tests.factories.stored_value import a_prepaid_card
from tests.factories.wallet import a_wallet_member, card_details

from obverse.cards import Card
from obverse.kit.ids import MemberId, from_text, to_text
from obverse.wallet import CardDetails

pytestmark = pytest.mark.asyncio(loop_scope="module")
ACCOUNT = {"bank_code": "004", "number": "777888999000", "holder": "A holder"}
BY_TRANSFER = {"amount": 20_000, "means": "bank_transfer"}


def typed(details: CardDetails) -> dict[str, Any]:
    return {
        "card_number": details.number.reveal(),
        "exp_month": details.exp_month,
        "exp_year": details.exp_year,
        "cvv": details.cvv.reveal(),
        "birth_date": details.birth_date.reveal(),
    }


async def a_card_of(rest: RestHouse, member: Member) -> Card:
    owner = await rest.house.members.get(MemberId(from_text("mem", member.id)))
    card, _, _ = await a_prepaid_card(rest.house, member=owner)
    return card


async def source_of(rest: RestHouse, member: Member) -> str:
    sources = await rest.client.get("/v1/funding_sources", headers=member.headers)
    id_: str = sources.json()["data"][0]["id"]
    return id_


async def test_pp9_a_member_charges_a_card_by_their_linked_card(rest: RestHouse) -> None:
    member = await rest.member(linked=True)
    card = await a_card_of(rest, member)
    path = f"/v1/cards/{to_text('card', card.id)}/charges"
    body = {"amount": 20_000, "means": "card", "source": await source_of(rest, member)}
    headers = member.headers | {"Idempotency-Key": "charge 1"}

    charged = await rest.client.post(path, json=body, headers=headers)
    again = await rest.client.post(path, json=body, headers=headers)
    listed = await rest.client.get(path, headers=member.headers)
    other = await rest.client.post(path, json=body | {"amount": 30_000}, headers=headers)

    assert charged.status_code == 201, charged.text
    told = charged.json()
    assert (told["status"], told["amount"], told["means"]) == ("done", 20_000, "card")
    assert (again.json(), again.headers["idempotency-hit"]) == (told, "true")
    assert listed.json()["data"] == [told]
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    shown = await rest.client.get(f"/v1/charges/{told['id']}", headers=member.headers)
    assert shown.json() == told


async def test_a_transfer_is_told_where_to_go_and_can_be_given_up(rest: RestHouse) -> None:
    member = await rest.member()
    card = await a_card_of(rest, member)
    path = f"/v1/cards/{to_text('card', card.id)}/charges"

    charged = (await rest.client.post(path, json=BY_TRANSFER, headers=member.headers)).json()
    cancelled = await rest.client.post(f"/v1/charges/{charged['id']}/cancel", headers=member.headers)
    sales = await rest.client.get("/v1/sales", headers=rest.operator, params={"status": "cancelled"})

    assert charged["status"] == "open"
    assert charged["pay_to"]["reference"].startswith("OBV-C-")
    assert charged["pay_to"]["number"] == "100200300400"
    assert (cancelled.json()["status"], cancelled.json()["pay_to"]) == ("cancelled", None)
    (sale,) = [sale for sale in sales.json()["data"] if sale["subject"] == charged["id"]]
    assert (sale["status"], sale["reference"]) == ("cancelled", charged["pay_to"]["reference"])


async def test_pp2_anybody_charges_a_card_by_its_number_and_pin(rest: RestHouse) -> None:
    card, face, _ = await a_prepaid_card(rest.house, pin="4711")
    body = {
        "card_number": face.number.reveal(),
        "pin": "4711",
        "amount": 10_000,
        "means": "card",
        "card": typed(card_details()),
    }

    charged = await rest.client.post("/v1/charges", json=body, headers={"Idempotency-Key": "k"})
    again = await rest.client.post("/v1/charges", json=body, headers={"Idempotency-Key": "k"})
    wrong = await rest.client.post("/v1/charges", json=body | {"pin": "0000"})
    unknown = await rest.client.post("/v1/charges", json=body | {"card_number": "9410120000000000"})

    assert (charged.status_code, charged.json()["status"]) == (201, "done"), charged.text
    assert again.json() == charged.json()
    assert charged.json()["source"] is None
    assert charged.json()["card"] == to_text("card", card.id)
    assert (wrong.status_code, wrong.json()["code"]) == (422, "card_not_in_hand")
    alike = ("code", "detail", "param", "status", "title")
    assert [unknown.json()[field] for field in alike] == [wrong.json()[field] for field in alike]


async def test_p17_pins_are_not_guessed_by_charging(rest: RestHouse) -> None:
    _, face, _ = await a_prepaid_card(rest.house, pin="4711")
    body = {"card_number": face.number.reveal(), "pin": "0000", **BY_TRANSFER}
    for _ in range(5):
        assert (await rest.client.post("/v1/charges", json=body)).status_code == 422

    right = await rest.client.post("/v1/charges", json=body | {"pin": "4711"})

    assert (right.status_code, right.json()["code"]) == (422, "card_not_in_hand")


async def test_pp8_prepaid_does_not_buy_prepaid(rest: RestHouse) -> None:
    member = await rest.member()
    card = await a_card_of(rest, member)
    _, face, _ = await a_prepaid_card(rest.house)
    own = typed(card_details(number=face.number))

    refused = await rest.client.post(
        f"/v1/cards/{to_text('card', card.id)}/charges",
        json={"amount": 10_000, "means": "card", "card": own},
        headers=member.headers,
    )

    assert (refused.status_code, refused.json()["param"]) == (400, "card.card_number")
    assert face.number.reveal() not in refused.text


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"amount": 15_000}, 422, "charge_unit"),
        ({"amount": 1_000_000}, 409, "balance_ceiling"),
        ({"amount": 0}, 400, "invalid_request"),
        ({"amount": "10000"}, 400, "invalid_request"),
        ({"means": "cheque"}, 400, "invalid_request"),
        ({"means": "bank_account", "source": "src_01h455vb4pex5vsknk084sn02q"}, 404, "source_not_found"),
        ({"source": "card_01h455vb4pex5vsknk084sn02q"}, 404, "not_found"),
        ({"surprise": 1}, 400, "invalid_request"),
    ],
)
async def test_bad_charges_get_a_clear_answer(
    rest: RestHouse, change: dict[str, Any], status: int, code: str
) -> None:
    member = await rest.member()
    card = await a_card_of(rest, member)

    refused = await rest.client.post(
        f"/v1/cards/{to_text('card', card.id)}/charges", json=BY_TRANSFER | change, headers=member.headers
    )

    assert (refused.status_code, refused.json()["code"]) == (status, code), refused.text


async def test_wa6_a_card_is_told_to_charge_itself(rest: RestHouse) -> None:
    member = await rest.member(linked=True)
    card = await a_card_of(rest, member)
    path = f"/v1/automatic_charges/{to_text('card', card.id)}"

    unset = await rest.client.get(path, headers=member.headers)
    body = {"threshold": 5_000, "amount": 10_000}
    told = await rest.client.put(path, json=body, headers=member.headers)
    listed = await rest.client.get("/v1/automatic_charges", headers=member.headers)
    wrong = await rest.client.put(path, json=body | {"threshold": 20_000}, headers=member.headers)
    await rest.client.post(f"{path}/remove", headers=member.headers)

    assert (unset.status_code, unset.json()["code"]) == (404, "automatic_charge_not_found")
    assert (told.status_code, told.json()["status"]) == (200, "active")
    assert listed.json()["data"] == [told.json()]
    assert (wrong.status_code, wrong.json()["param"]) == (400, "amount")
    assert (await rest.client.get(path, headers=member.headers)).status_code == 404


async def test_pp13_what_is_left_is_refunded_by_member_and_by_number(rest: RestHouse) -> None:
    member = await rest.member()
    card = await a_card_of(rest, member)
    path = f"/v1/cards/{to_text('card', card.id)}/balance_refunds"
    body = {"account": ACCOUNT, "close": True}
    headers = member.headers | {"Idempotency-Key": "rest"}
    _, face, _ = await a_prepaid_card(rest.house, pin="4711")

    refunded = await rest.client.post(path, json=body, headers=headers)
    again = await rest.client.post(path, json=body, headers=headers)
    fresh = await rest.client.post(path, json=body, headers=member.headers)
    in_hand = {"card_number": face.number.reveal(), "pin": "4711", "account": ACCOUNT}
    by_number = await rest.client.post("/v1/balance_refunds", json=in_hand)
    listed = await rest.client.get(path, headers=member.headers)

    assert refunded.status_code == 201, refunded.text
    told = refunded.json()
    assert (told["status"], told["amount"], told["card_closed"]) == ("on_its_way", 50_000, True)
    assert (told["account"]["last_four"], again.json()) == ("9000", told)
    assert (fresh.status_code, fresh.json()["code"]) == (409, "nothing_to_refund")
    assert (by_number.status_code, by_number.json()["amount"]) == (201, 50_000)
    assert listed.json()["data"] == [told]


async def test_wa5_a_bank_account_is_linked_and_proved(rest: RestHouse) -> None:
    member = await rest.member()
    await rest.treasury.send()
    rest.bank.orders.clear()
    linked = (
        await rest.client.post("/v1/bank_accounts", json={"account": ACCOUNT}, headers=member.headers)
    ).json()
    await rest.treasury.send()
    (won,) = rest.bank.orders
    code = won.reference.removeprefix("Obverse code ")
    path = f"/v1/bank_accounts/{linked['id']}"
    wrong = {"code": f"{(int(code) + 1) % 1_000_000:06d}"}

    refused = await rest.client.post(f"{path}/prove", json=wrong, headers=member.headers)
    proved = await rest.client.post(f"{path}/prove", json={"code": code}, headers=member.headers)
    sources = await rest.client.get("/v1/funding_sources", headers=member.headers)
    ids = [source["id"] for source in sources.json()["data"]]
    order = {"sources": [linked["id"]]}
    ordered = await rest.client.put("/v1/funding_sources/order", json=order, headers=member.headers)
    removed = await rest.client.post(f"{path}/remove", headers=member.headers)

    assert (linked["status"], won.amount.amount_minor) == ("pending", 1)
    assert (refused.status_code, refused.json()["code"]) == (422, "bank_code_wrong")
    assert (proved.json()["status"], proved.json()["account"]["last_four"]) == ("proved", "9000")
    assert [source["id"] for source in ordered.json()["data"]] == ids[::-1]
    assert removed.json()["status"] == "removed"
    assert (await rest.client.get("/v1/bank_accounts", headers=member.headers)).json()["data"] == []


async def test_an_operator_gives_value_with_a_reason(rest: RestHouse) -> None:
    card, _, _ = await a_prepaid_card(rest.house, member=await a_wallet_member(rest.house))
    path = f"/v1/cards/{to_text('card', card.id)}/given_value"
    headers = rest.operator | {"Idempotency-Key": "gift"}

    given = await rest.client.post(path, json={"amount": 1_500, "reason": "sorry"}, headers=headers)
    nameless = await rest.client.post(path, json={"amount": 1_500}, headers=rest.operator)

    assert (given.status_code, given.json()["kind"], given.json()["status"]) == (201, "given", "done")
    assert nameless.status_code == 400
