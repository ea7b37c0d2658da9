"""Registered cards and the order of a card's funding over REST: PR-1, PR-11, PP-8."""

from typing import Any

import pytest
from tests.factories.programmes import a_programme
from tests.factories.registered_cards import points_of
from tests.factories.rest import Member, RestHouse
from tests.factories.stored_value import a_prepaid_card
from tests.factories.wallet import card_details

from obverse.access import Scope
from obverse.kit.ids import MemberId, from_text, to_text
from obverse.wallet import CardDetails

pytestmark = pytest.mark.asyncio(loop_scope="module")


def typed(details: CardDetails, **changes: Any) -> dict[str, Any]:
    return {
        "card_number": details.number.reveal(),
        "exp_month": details.exp_month,
        "exp_year": details.exp_year,
        "cvv": details.cvv.reveal(),
        "birth_date": details.birth_date.reveal(),
    } | changes


async def register(rest: RestHouse, member: Member, **body: Any) -> dict[str, Any]:
    answer = await rest.client.post("/v1/registered_cards", json=body, headers=member.headers)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def sources(rest: RestHouse, member: Member) -> list[dict[str, Any]]:
    answer = await rest.client.get("/v1/funding_sources", headers=member.headers)
    return answer.json()["data"]


async def with_points(rest: RestHouse, member: Member) -> str:
    """The id of a proved points account of this member's."""
    found = await rest.house.members.get(MemberId(from_text("mem", member.id)))
    return to_text("src", (await points_of(rest.house, found)).id)


async def test_pr1_a_member_registers_a_card_typed_in_and_sees_all_of_it_but_the_number(
    rest: RestHouse,
) -> None:
    member, details = await rest.member(), card_details(exp_month=2, exp_year=2031)
    card = await register(rest, member, card=typed(details), name="Everyday")
    number = details.number.reveal()
    assert (card["kind"], card["state"], card["name"]) == ("registered", "active", "Everyday")
    assert (card["bin"], card["last_four"]) == (number[:6], number[-4:])
    assert (card["exp_month"], card["exp_year"], card["programme"]) == (2, 2031, None)
    linked = next(source for source in await sources(rest, member) if source["kind"] == "linked_card")
    assert card["funding"] == [{"source": linked["id"], "order": 1}]

    path = f"/v1/cards/{card['id']}"
    assert (await rest.client.get(path, headers=member.headers)).json() == card
    listed = (await rest.client.get("/v1/cards", headers=member.headers)).json()["data"]
    assert card in listed
    again = await rest.client.post(
        "/v1/registered_cards", json={"source": linked["id"]}, headers=member.headers
    )
    assert (again.json(), again.headers.get("idempotency-hit")) == (card, "true")
    for method, route, code in (
        ("POST", f"{path}/reveal", "card_not_shown"),
        ("POST", f"{path}/hand_over", "card_not_giveable"),
        ("GET", f"{path}/preview.svg", "card_not_physical"),
    ):
        refused = await rest.client.request(method, route, headers=member.headers)
        assert (refused.status_code, refused.json()["code"]) == (409, code)
        assert number not in refused.text


async def test_a_registered_card_is_stopped_given_a_pin_and_closed_by_its_member(rest: RestHouse) -> None:
    member = await rest.member(linked=True)
    (linked,) = await sources(rest, member)
    card = await register(rest, member, source=linked["id"])
    path = f"/v1/cards/{card['id']}"
    pin = {"pin": "4821", "pin_again": "4821"}
    set_ = await rest.client.put(f"{path}/pin", json=pin, headers=member.headers)
    assert (set_.status_code, set_.json()["is_set"]) == (200, True)
    states = [
        (await rest.client.post(f"{path}/{step}", headers=member.headers)).json()["state"]
        for step in ("suspend", "resume", "close")
    ]
    assert states == ["suspended", "active", "closed"]
    assert (await register(rest, member, source=linked["id"]))["id"] != card["id"]


async def test_an_operator_registers_for_a_member_and_a_key_without_the_scope_does_not(
    rest: RestHouse,
) -> None:
    member = await rest.member(linked=True)
    (linked,) = await sources(rest, member)
    body = {"source": linked["id"], "member": member.id}
    for scopes, status in ((Scope.CARDS, 403), (Scope.MEMBERS, 201)):
        answer = await rest.client.post("/v1/registered_cards", json=body, headers=await rest.key(scopes))
        assert answer.status_code == status, answer.text
    other = await rest.member()
    foreign = await rest.client.post(
        "/v1/registered_cards", json={"source": linked["id"]}, headers=other.headers
    )
    assert (foreign.status_code, foreign.json()["code"]) == (404, "source_not_found")


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "source"),
        ({"source": "src_01h455vb4pex5vsknk084sn02q", "card": {}}, None),
        ({"card": {"card_number": "9530100000000006"}}, "card.card_number"),
        ({"card": {"card_number": "9410120000000000"}}, "card.card_number"),
        ({"card": {"exp_year": 2020}}, "card.exp_year"),
        ({"card": {"cvv": "12"}}, "card.cvv"),
        ({"card": {}, "name": "x" * 16}, "name"),
    ],
    ids=["nothing", "both", "no card number", "one of ours", "expired", "no CVV", "a long name"],
)
async def test_what_is_no_card_to_register_is_refused_with_its_field(
    rest: RestHouse, body: dict[str, Any], param: str | None
) -> None:
    member = await rest.member()
    if "card" in body:
        body = body | {"card": typed(card_details(), **body["card"])}
    answer = await rest.client.post("/v1/registered_cards", json=body, headers=member.headers)
    assert answer.status_code == 400, answer.text
    assert param is None or answer.json()["param"] == param


async def test_a_member_orders_what_pays_behind_a_card_and_only_what_is_theirs(rest: RestHouse) -> None:
    member, stranger = await rest.member(linked=True), await rest.member()
    (linked,) = await sources(rest, member)
    points = await with_points(rest, member)
    shown = {source["id"]: (source["kind"], source["state"]) for source in await sources(rest, member)}
    assert shown[points] == ("issuer_points", "active")
    owner = await rest.house.members.get(MemberId(from_text("mem", member.id)))
    prepaid, _, _ = await a_prepaid_card(rest.house, member=owner, programme=await a_programme(rest.house))
    own = to_text("src", prepaid.own_source)
    path = f"/v1/cards/{to_text('card', prepaid.id)}/funding"

    wanted = [points, own, linked["id"]]
    ordered = await rest.client.put(path, json={"sources": wanted}, headers=member.headers)

    assert ordered.status_code == 200, ordered.text
    assert [entry["source"] for entry in ordered.json()["funding"]] == wanted
    foreign = (await sources(rest, stranger))[0]["id"]
    for body, status, code in (
        ([points, linked["id"]], 400, "invalid_request"),
        ([own, own], 400, "invalid_request"),
        ([own, foreign], 404, "source_not_found"),
        ([own, "src_01h455vb4pex5vsknk084sn02q"], 404, "source_not_found"),
        ([], 400, "invalid_request"),
    ):
        refused = await rest.client.put(path, json={"sources": body}, headers=member.headers)
        assert (refused.status_code, refused.json()["code"]) == (status, code), body
    operator = await rest.client.put(path, json={"sources": [own]}, headers=rest.operator)
    assert operator.status_code == 403
    named = await rest.card(member, funding=[points])
    assert [entry["source"] for entry in named["funding"]] == [points]
    by_currency = await rest.card(member, currency="KRW")
    assert [entry["source"] for entry in by_currency["funding"]] == [linked["id"]]


async def test_a_merchant_says_that_it_takes_registered_cards(rest: RestHouse) -> None:
    merchant, _ = await rest.another_merchant()
    change = {"accepts": ["one_time", "registered"], "reason": "points"}
    changed = await rest.client.patch(f"/v1/merchants/{merchant}", json=change, headers=rest.operator)
    assert sorted(changed.json()["accepts"]) == ["one_time", "registered"]
