"""Payments over REST: approved, declined, repeated, cancelled, captured, thought through."""

import asyncio
from typing import Any

import pytest
from tests.factories.rest import RestHouse

from obverse.access import Scope
from obverse.authorization.ports import LegOutcome

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_one_time_number_pays_once_and_is_declined_the_second_time(rest: RestHouse) -> None:
    member = await rest.member()
    face = await rest.face(member, await rest.card(member))

    first = await rest.pay(face)
    second = await rest.pay(face)

    assert first.status_code == 201, first.text
    assert first.json()["status"] == "approved"
    assert len(first.json()["approval_code"]) == 6
    assert second.status_code == 201
    assert second.json()["status"] == "declined"
    assert second.json()["decline"]["code"] == "card_not_accepted"


async def test_p06_a_repeat_gets_the_same_answer_and_says_so(rest: RestHouse) -> None:
    member = await rest.member()
    face = await rest.face(member, await rest.card(member))

    first = await rest.pay(face, key=f"{member.id} 1")
    again = await rest.pay(face, key=f"{member.id} 1")

    assert "idempotency-hit" not in first.headers
    assert again.headers["idempotency-hit"] == "true"
    assert (again.status_code, again.content) == (first.status_code, first.content)


@pytest.mark.parametrize(
    "change", [{"amount": 34_001}, {"currency": "USD"}, {"terminal": "T2"}, {"cvv": "000"}]
)
async def test_p06_a_changed_body_under_the_same_key_is_refused(
    rest: RestHouse, change: dict[str, Any]
) -> None:
    member = await rest.member()
    face = await rest.face(member, await rest.card(member))
    await rest.pay(face, key=f"{member.id} 1")

    changed = await rest.pay(face, key=f"{member.id} 1", **change)

    assert changed.status_code == 422
    assert changed.json()["code"] == "idempotency_key_reused"


async def test_p06_a_key_belongs_to_its_holder(rest: RestHouse) -> None:
    member = await rest.member()
    (_, one), (_, other) = [await rest.another_merchant() for _ in range(2)]
    first, second = [await rest.face(member, await rest.card(member)) for _ in range(2)]

    assert (await rest.pay(first, one, key="1")).json()["status"] == "approved"
    assert (await rest.pay(second, other, key="1")).json()["status"] == "approved"


async def test_p01_64_parallel_twins_are_one_payment(rest: RestHouse) -> None:
    member = await rest.member()
    face = await rest.face(member, await rest.card(member))

    answers = await asyncio.gather(*[rest.pay(face, key=f"{member.id} twins") for _ in range(64)])

    assert {answer.content for answer in answers} == {answers[0].content}
    assert answers[0].json()["status"] == "approved"
    assert sum("idempotency-hit" in answer.headers for answer in answers) == 63


async def test_p01_64_parallel_strangers_get_one_approval(rest: RestHouse) -> None:
    member = await rest.member()
    face = await rest.face(member, await rest.card(member))

    answers = await asyncio.gather(*[rest.pay(face) for _ in range(64)])

    assert sorted(answer.json()["status"] for answer in answers) == ["approved"] + ["declined"] * 63


async def test_without_a_key_every_request_is_a_payment_of_its_own(rest: RestHouse) -> None:
    member = await rest.member()
    face = await rest.face(member, await rest.card(member, controls={"uses": 2}))
    body = {**face, "amount": 100, "currency": "KRW"}

    ids = [
        (await rest.client.post("/v1/payments", json=body, headers=rest.merchant)).json() for _ in range(2)
    ]

    assert [answer["status"] for answer in ids] == ["approved", "approved"]
    assert ids[0]["id"] != ids[1]["id"]


async def test_a_platform_key_names_the_merchant(rest: RestHouse) -> None:
    member = await rest.member()
    face = await rest.face(member, await rest.card(member))

    without = await rest.pay(face, rest.operator)
    unknown = await rest.pay(face, rest.operator, merchant="mer_01h455vb4pex5vsknk084sn02q")
    named = await rest.pay(face, rest.operator, merchant=rest.merchant_id)

    assert (without.status_code, without.json()["param"]) == (400, "merchant")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "merchant_not_found")
    assert named.json()["status"] == "approved"
    assert named.json()["merchant"]["id"] == rest.merchant_id


GUESSES = [
    pytest.param({"card_number": "9410129999999995"}, id="unknown number"),
    pytest.param({"card_number": "9410129999999999"}, id="wrong check digit"),
    pytest.param({"cvv": "not-it"}, id="wrong cvv"),
    pytest.param({"exp_year": 2040}, id="wrong expiry"),
]


@pytest.mark.parametrize("guess", GUESSES)
async def test_p17_to_a_merchant_every_guess_looks_alike(rest: RestHouse, guess: dict[str, Any]) -> None:
    member = await rest.member()
    face = await rest.face(member, await rest.card(member))
    if guess.get("cvv"):
        guess = {"cvv": f"{(int(face['cvv']) + 1) % 1000:03d}"}

    answer = (await rest.pay({**face, **guess}, key=f"{member.id} guess")).json()

    assert {
        name: answer[name] for name in ("status", "decline", "card", "legs", "rules", "approval_code")
    } == {
        "status": "declined",
        "decline": {
            "code": "card_not_accepted",
            "message": "This card cannot pay here. Ask for another one.",
        },
        "card": None,
        "legs": None,
        "rules": None,
        "approval_code": None,
    }


@pytest.mark.parametrize(
    ("controls", "payment", "decline", "failed"),
    [
        ({"amount_limit": 1_000}, {}, "amount_limit", "amount_limit"),
        ({"per_payment_limit": 0}, {}, "per_payment_limit", "per_payment_limit"),
        ({"categories": ["0001"]}, {}, "wrong_category", "category_lock"),
        ({}, {"currency": "USD"}, "wrong_currency", "currency"),
        ({}, {"amount": 2_000_000}, "insufficient_funds", "funds"),
        ({}, {"exp_month": 1, "exp_year": 2040}, "wrong_details", "card_details"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_operators_and_members_are_told_the_rule(
    rest: RestHouse, controls: dict[str, Any], payment: dict[str, Any], decline: str, failed: str
) -> None:
    """PF-11."""
    member = await rest.member()
    card = await rest.card(member, controls=controls)
    face = await rest.face(member, card)

    told_merchant = (await rest.pay(face, **payment)).json()
    for reader in (rest.operator, member.headers):
        told = (await rest.client.get(f"/v1/payments/{told_merchant['id']}", headers=reader)).json()
        assert told["decline"]["code"] == decline
        assert {rule["rule"]: rule["result"] for rule in told["rules"]}[failed] == "fail"
    assert told_merchant["rules"] is None
    assert told_merchant["decline"]["code"] != decline


async def test_a_platform_key_that_does_not_operate_is_told_no_more_than_a_merchant(rest: RestHouse) -> None:
    member = await rest.member()
    face = await rest.face(member, await rest.card(member, controls={"amount_limit": 1}))
    key = await rest.key(Scope.PAYMENTS)

    told = (await rest.pay(face, key, merchant=rest.merchant_id)).json()

    assert told["decline"]["code"] == "not_approved"
    assert told["rules"] is None


async def test_legs_show_who_pays_to_those_who_may_see_the_reverse(rest: RestHouse) -> None:
    member = await rest.member(linked=True)
    face = await rest.face(member, await rest.card(member))
    asked = len(rest.card_company.asked)

    paid = (await rest.pay(face)).json()
    seen = (await rest.client.get(f"/v1/authorizations/{paid['id']}", headers=member.headers)).json()

    assert paid["legs"] is None
    assert [(leg["kind"], leg["amount"], leg["status"]) for leg in seen["legs"]] == [
        ("linked_card", 34_000, "approved")
    ]
    assert len(rest.card_company.asked) == asked + 1


async def test_a_card_company_that_is_unreachable_is_a_decline_to_try_again(
    rest: RestHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rest.card_company, "outcome", LegOutcome.UNREACHABLE)
    member = await rest.member(linked=True)
    face = await rest.face(member, await rest.card(member))

    answer = (await rest.pay(face)).json()

    assert (answer["status"], answer["decline"]["code"]) == ("declined", "try_again_later")


async def test_a_dry_run_shows_rules_and_split_and_moves_nothing(rest: RestHouse) -> None:
    """PF-9."""
    member = await rest.member()
    card = await rest.card(member)
    face = await rest.face(member, card)
    body = {"amount": 34_000, "currency": "KRW", "merchant": rest.merchant_id}

    as_member = await rest.client.post(
        "/v1/payments/dry_run", json={**body, "card": card["id"]}, headers=member.headers
    )
    as_operator = await rest.client.post("/v1/payments/dry_run", json={**body, **face}, headers=rest.operator)
    as_merchant = await rest.client.post("/v1/payments/dry_run", json={**body, **face}, headers=rest.merchant)

    assert as_member.status_code == as_operator.status_code == as_merchant.status_code == 200
    assert as_member.json() == as_operator.json()
    assert as_member.json()["legs"][0]["amount"] == 34_000
    assert {rule["result"] for rule in as_member.json()["rules"]} == {"pass"}
    assert (as_merchant.json()["status"], as_merchant.json()["legs"]) == ("approved", None)
    assert (await rest.pay(face)).json()["status"] == "approved"


async def test_a_member_cannot_try_numbers_in_a_dry_run(rest: RestHouse) -> None:
    member, other = await rest.member(), await rest.member()
    card = await rest.card(other)
    face = await rest.face(other, card)
    body = {"amount": 1, "currency": "KRW", "merchant": rest.merchant_id}

    by_number = await rest.client.post("/v1/payments/dry_run", json={**body, **face}, headers=member.headers)
    by_id = await rest.client.post(
        "/v1/payments/dry_run", json={**body, "card": card["id"]}, headers=member.headers
    )

    assert (by_number.status_code, by_number.json()["param"]) == (400, "card")
    assert (by_id.status_code, by_id.json()["code"]) == (404, "card_not_found")


async def test_a_cancelled_payment_is_reversed_and_cancelling_again_changes_nothing(rest: RestHouse) -> None:
    member = await rest.member()
    face = await rest.face(member, await rest.card(member))
    paid = (await rest.pay(face)).json()

    once, twice = [
        await rest.client.post(f"/v1/payments/{paid['id']}/cancel", headers=rest.merchant) for _ in range(2)
    ]

    assert once.json()["status"] == "reversed"
    assert twice.json() == once.json()


async def test_a_capture_may_be_partial_but_never_more_than_was_authorized(rest: RestHouse) -> None:
    member = await rest.member()
    cards = [await rest.face(member, await rest.card(member)) for _ in range(2)]
    whole, part = [(await rest.pay(face)).json()["id"] for face in cards]

    async def capture(payment: str, body: dict[str, Any] | None) -> Any:
        return await rest.client.post(f"/v1/payments/{payment}/capture", json=body, headers=rest.merchant)

    bare = await rest.client.post(f"/v1/payments/{whole}/capture", headers=rest.merchant)
    too_much = await capture(part, {"amount": 34_001})
    some = await capture(part, {"amount": 10_000})

    assert (bare.status_code, bare.json()["captured"]) == (200, 34_000)
    assert (too_much.status_code, too_much.json()["code"]) == (422, "capture_too_large")
    assert some.json()["captured"] == 10_000


async def test_what_was_captured_part_by_part_is_refunded_part_by_part(rest: RestHouse) -> None:
    member = await rest.member()
    payment = (await rest.pay(await rest.face(member, await rest.card(member)))).json()["id"]

    async def step(what: str, amount: int | None, key: str) -> Any:
        return await rest.client.post(
            f"/v1/payments/{payment}/{what}",
            json={"amount": amount},
            headers={**rest.merchant, "Idempotency-Key": key},
        )

    first, again = await step("capture", 10_000, "1"), await step("capture", 10_000, "1")
    second = await step("capture", 14_000, "2")
    released = await step("cancel", 4_000, "1")
    refunded, too_much = await step("refund", 20_000, "1"), await step("refund", 4_001, "2")
    changed = await step("refund", 1_000, "1")

    assert (first.json(), "Idempotency-Hit" in first.headers) == (again.json(), False)
    assert again.headers["Idempotency-Hit"] == "true"
    assert second.json()["captured"] == 24_000
    assert released.json()["released"] == 4_000
    assert (refunded.json()["refunded"], refunded.json()["status"]) == (20_000, "approved")
    assert (too_much.status_code, too_much.json()["code"]) == (422, "refund_too_large")
    assert (changed.status_code, changed.json()["code"]) == (422, "idempotency_key_reused")
    actions = (await rest.client.get(f"/v1/payments/{payment}/actions", headers=member.headers)).json()
    assert [(a["kind"], a["amount"], a["parts"]) for a in actions["data"]] == [
        ("capture", 10_000, [10_000]),
        ("capture", 14_000, [14_000]),
        ("release", 4_000, [4_000]),
        ("refund", 20_000, [20_000]),
    ]


async def test_a_final_capture_releases_the_rest(rest: RestHouse) -> None:
    member = await rest.member()
    payment = (await rest.pay(await rest.face(member, await rest.card(member)))).json()["id"]
    url = f"/v1/payments/{payment}/capture"
    final = await rest.client.post(url, json={"amount": 30_000, "final": True}, headers=rest.merchant)
    more = await rest.client.post(url, json={"amount": 1}, headers=rest.merchant)
    assert (final.json()["captured"], final.json()["released"]) == (30_000, 4_000)
    assert (more.status_code, more.json()["code"]) == (409, "already_captured")


async def test_lists_page_newest_first_and_filter(rest: RestHouse) -> None:
    member = await rest.member()
    _, shop = await rest.another_merchant()
    card = await rest.card(member, controls={"uses": 5})
    face = await rest.face(member, card)
    ids = [(await rest.pay(face, shop)).json()["id"] for _ in range(5)]
    declined = (await rest.pay(face, shop)).json()["id"]

    first = (await rest.client.get("/v1/payments?limit=4", headers=shop)).json()
    rest_of_it = (
        await rest.client.get(f"/v1/payments?limit=4&after={first['next_cursor']}", headers=shop)
    ).json()
    approved = (await rest.client.get("/v1/payments?status=approved", headers=shop)).json()
    of_card = (await rest.client.get(f"/v1/payments?card={card['id']}", headers=member.headers)).json()

    assert [p["id"] for p in first["data"] + rest_of_it["data"]] == [declined, *reversed(ids)]
    assert (first["has_more"], rest_of_it["has_more"], rest_of_it["next_cursor"]) == (True, False, None)
    assert [p["id"] for p in approved["data"]] == [*reversed(ids)]
    assert len(of_card["data"]) == 6


async def test_the_giver_of_a_card_sees_what_was_spent_but_not_where(rest: RestHouse) -> None:
    """OT-8."""
    member = await rest.member()
    card = await rest.card(member)
    link = (await rest.client.post(f"/v1/cards/{card['id']}/hand_over", headers=member.headers)).json()
    claim = (await rest.client.post("/v1/claims", json={"token": link["token"]})).json()
    holder = {"Authorization": f"Bearer {claim['holder_token']}"}
    face = (await rest.client.post("/v1/claims/current/reveal", headers=holder)).json()
    body = {"card_number": face["number"], **{k: face[k] for k in ("exp_month", "exp_year", "cvv")}}
    paid = (await rest.pay(body, terminal="TILL01")).json()
    assert paid["status"] == "approved"

    seen = (await rest.client.get(f"/v1/payments/{paid['id']}", headers=member.headers)).json()

    assert (seen["status"], seen["amount"]) == ("approved", 34_000)
    assert {name: seen[name] for name in ("merchant", "terminal", "entry", "legs", "rules")} == dict.fromkeys(
        ("merchant", "terminal", "entry", "legs", "rules")
    )
    shop = f"/v1/payments?card={card['id']}&merchant={rest.merchant_id}"
    by_shop = await rest.client.get(shop, headers=member.headers)
    assert (by_shop.status_code, by_shop.json()["code"]) == (409, "card_handed_over")


async def test_p11_no_answer_of_a_payment_carries_its_number(rest: RestHouse) -> None:
    member = await rest.member()
    card = await rest.card(member)
    face = await rest.face(member, card)
    paid = await rest.pay(face)
    pages = ("/v1/payments", "/v1/events", f"/v1/cards/{card['id']}", "/metrics")
    texts = [paid.text] + [(await rest.client.get(page, headers=rest.operator)).text for page in pages]

    assert not [text for text in texts if face["card_number"] in text]
