"""Cards and claims over REST."""

import asyncio
from datetime import timedelta

import pytest
from tests.factories.rest import RestHouse

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_card_shows_its_controls_and_never_its_number(rest: RestHouse) -> None:
    member = await rest.member()

    card = await rest.card(
        member,
        controls={"amount_limit": 50_000, "merchant": rest.merchant_id, "categories": ["5732"]},
        metadata={"order": "1"},
    )

    assert card["object"] == "card"
    assert card["kind"] == "one_time"
    assert card["member"] == member.id
    assert card["controls"]["amount_limit"] == 50_000
    assert card["controls"]["per_payment_limit"] is None
    assert card["controls"]["merchant"] == rest.merchant_id
    assert (card["controls"]["uses"], card["controls"]["uses_left"], card["spent"]) == (1, 1, 0)
    assert [source["order"] for source in card["funding"]] == [1]
    assert card["metadata"] == {"order": "1"}
    assert "number" not in card
    face = await rest.face(member, card)
    assert face["card_number"][-4:] == card["last_four"]


async def test_p06_64_parallel_orders_with_one_key_issue_one_card(rest: RestHouse) -> None:
    member = await rest.member()
    headers = {**member.headers, "Idempotency-Key": "one card"}

    answers = await asyncio.gather(
        *[rest.client.post("/v1/cards", json={"currency": "KRW"}, headers=headers) for _ in range(64)]
    )
    changed = await rest.client.post("/v1/cards", json={"controls": {"uses": 2}}, headers=headers)

    assert {answer.content for answer in answers} == {answers[0].content}
    assert sum("idempotency-hit" in answer.headers for answer in answers) == 63
    assert (changed.status_code, changed.json()["code"]) == (422, "idempotency_key_reused")


async def test_a_key_issues_for_a_member_it_names_but_never_sees_the_number(rest: RestHouse) -> None:
    member = await rest.member()

    unnamed = await rest.client.post("/v1/cards", json={}, headers=rest.operator)
    card = await rest.client.post("/v1/cards", json={"member": member.id}, headers=rest.operator)
    reveal = await rest.client.post(f"/v1/cards/{card.json()['id']}/reveal", headers=rest.operator)

    assert (unnamed.status_code, unnamed.json()["param"]) == (400, "member")
    assert card.status_code == 201
    assert (reveal.status_code, reveal.json()["code"]) == (403, "not_permitted")


async def test_a_card_with_no_use_left_is_shown_as_used(rest: RestHouse) -> None:
    member = await rest.member()
    card = await rest.card(member)
    assert (await rest.pay(await rest.face(member, card))).json()["status"] == "approved"
    shown = (await rest.client.get(f"/v1/cards/{card['id']}", headers=member.headers)).json()
    assert (shown["state"], shown["controls"]["uses_left"]) == ("used", 0)


async def test_a_card_is_suspended_resumed_and_closed_for_good(rest: RestHouse) -> None:
    member = await rest.member()
    card = await rest.card(member)

    async def do(action: str) -> tuple[int, str]:
        answer = await rest.client.post(f"/v1/cards/{card['id']}/{action}", headers=member.headers)
        return answer.status_code, answer.json().get("state") or answer.json()["code"]

    assert await do("suspend") == (200, "suspended")
    assert (await rest.pay(await rest.face(member, card))).json()["status"] == "declined"
    assert await do("resume") == (200, "active")
    assert await do("close") == (200, "closed")
    assert await do("close") == (200, "closed")
    assert await do("resume") == (409, "card_closed")


async def test_cards_are_listed_newest_first_in_pages(rest: RestHouse) -> None:
    member = await rest.member()
    ids = [(await rest.card(member))["id"] for _ in range(5)]
    seen: list[str] = []
    after = ""
    while True:
        page = (await rest.client.get(f"/v1/cards?limit=2{after}", headers=member.headers)).json()
        seen += [card["id"] for card in page["data"]]
        if not page["has_more"]:
            break
        after = f"&after={page['next_cursor']}"

    assert seen == ids[::-1]


async def test_ot8_a_recipient_claims_reveals_and_learns_nothing_of_the_member(rest: RestHouse) -> None:
    member = await rest.member()
    card = await rest.card(member, metadata={"for": "a friend"})
    old = await rest.face(member, card)
    link = (await rest.client.post(f"/v1/cards/{card['id']}/hand_over", headers=member.headers)).json()

    claim = await rest.client.post("/v1/claims", json={"token": link["token"]})
    again = await rest.client.post("/v1/claims", json={"token": link["token"]})
    holder = {"Authorization": f"Bearer {claim.json()['holder_token']}"}
    seen = await rest.client.get("/v1/claims/current", headers=holder)
    face = await rest.client.post("/v1/claims/current/reveal", headers=holder)

    assert claim.status_code == 201
    assert (again.status_code, again.json()["code"]) == (404, "claim_link_invalid")
    assert seen.json() == claim.json()["card"]
    assert {name: seen.json()[name] for name in ("member", "funding", "metadata")} == dict.fromkeys(
        ("member", "funding", "metadata")
    )
    assert member.id not in claim.text + seen.text + face.text
    assert face.json()["number"] != old["card_number"]


async def test_ot8_the_giver_cannot_reveal_stop_or_take_back_what_was_claimed(rest: RestHouse) -> None:
    member = await rest.member()
    card = await rest.card(member)
    link = (await rest.client.post(f"/v1/cards/{card['id']}/hand_over", headers=member.headers)).json()
    await rest.client.post("/v1/claims", json={"token": link["token"]})

    for action in ("reveal", "suspend", "close", "withdraw", "hand_over"):
        answer = await rest.client.post(f"/v1/cards/{card['id']}/{action}", headers=member.headers)
        assert (answer.status_code, answer.json()["code"]) == (409, "card_handed_over"), action
    seen = (await rest.client.get(f"/v1/cards/{card['id']}", headers=member.headers)).json()
    assert (seen["held_by"], seen["last_four"]) == ("recipient", None)


async def test_a_withdrawn_link_cannot_be_claimed(rest: RestHouse) -> None:
    member = await rest.member()
    card = await rest.card(member)
    link = (await rest.client.post(f"/v1/cards/{card['id']}/hand_over", headers=member.headers)).json()

    withdrawn = await rest.client.post(f"/v1/cards/{card['id']}/withdraw", headers=member.headers)
    claim = await rest.client.post("/v1/claims", json={"token": link["token"]})

    assert withdrawn.json()["held_by"] == "member"
    assert claim.status_code == 404


async def test_pf10_an_advanced_clock_expires_cards(rest: RestHouse) -> None:
    member = await rest.member()
    card = await rest.card(member)
    face = await rest.face(member, card)

    moved = await rest.client.post(
        "/v1/simulate/advance_clock",
        json={"seconds": int(timedelta(days=2).total_seconds())},
        headers=rest.operator,
    )
    answer = (await rest.pay(face, rest.operator, merchant=rest.merchant_id)).json()

    assert moved.status_code == 200
    assert answer["decline"]["code"] == "card_expired"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"controls": {"uses": 0}}, "controls.uses"),
        ({"controls": {"amount_limit": -1}}, "controls.amount_limit"),
        ({"controls": {"amount_limit": 1.5}}, "controls.amount_limit"),
        ({"controls": {"categories": ["abc"]}}, "controls.categories"),
        ({"controls": {"categories": []}}, "controls.categories"),
        ({"controls": {"expires_at": "2020-01-01T00:00:00Z"}}, "controls.expires_at"),
        ({"controls": {"expires_at": "0001-01-01T00:00:00+10:00"}}, "controls.expires_at"),
        ({"controls": {"expires_at": "2030-01-01T00:00:00"}}, "controls.expires_at"),
        ({"controls": {"merchant": "mer_01h455vb4pex5vsknk084sn02q"}}, "controls.merchant"),
        ({"controls": {"limit": 1}}, "controls.limit"),
        ({"currency": "ZZZ"}, "currency"),
        ({"currency": "USD"}, "currency"),
        ({"funding": []}, "funding"),
        ({"funding": ["src_01h455vb4pex5vsknk084sn02q"]}, "funding"),
        ({"metadata": {"a\u0000": "b"}}, "metadata"),
        ({"metadata": {"a": 1}}, "metadata"),
        ({"kind": "one_time"}, "kind"),
    ],
    ids=str,
)
async def test_what_cannot_be_issued_is_refused_with_its_field(
    rest: RestHouse, body: dict[str, object], param: str
) -> None:
    member = await rest.member()

    answer = await rest.client.post("/v1/cards", json=body, headers=member.headers)

    assert answer.status_code in (400, 404), answer.text
    assert answer.json()["param"] == param
