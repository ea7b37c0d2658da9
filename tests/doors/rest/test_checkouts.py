"""Matched orders over REST (WA-7): what the wallet leaves here is paid once, and only as it was left."""

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx
import pytest
import pytest_asyncio
from tests.factories.merchants import a_merchant
from tests.factories.rest import Member, RestHouse
from tests.factories.stored_value import a_prepaid_card, available

from obverse.access import MERCHANT_SCOPES
from obverse.authorization import Authorization, AuthorizationRequest
from obverse.cards import Card
from obverse.checkouts import MISMATCHES_MAX, rules
from obverse.kit.errors import Unavailable
from obverse.kit.ids import from_text, to_text
from obverse.members import Member as HouseMember
from obverse.merchants import Terms

pytestmark = pytest.mark.asyncio(loop_scope="module")

ITEMS = [
    {"name": "Green tea", "quantity": 2, "unit_amount": 4_500},
    {"name": "Cup", "quantity": 1, "unit_amount": 12_000},
]
CART: dict[str, Any] = {"items": ITEMS, "total": 21_000, "currency": "KRW"}


@dataclass
class Mall:
    """An affiliated mall, and a member with a prepaid card in front of it."""

    rest: RestHouse
    merchant: str
    key: dict[str, str]
    member: Member
    card: Card
    references: list[str] = field(default_factory=list)

    def reference(self) -> str:
        self.references.append(f"{self.merchant} customer {len(self.references)}")
        return self.references[-1]

    async def keep(self, reference: str, **changes: Any) -> httpx.Response:
        body = CART | {"merchant": self.merchant, "reference": reference}
        body |= {"card": to_text("card", self.card.id)} | changes
        return await self.rest.client.post("/v1/checkouts", json=body, headers=self.member.headers)

    async def ask(
        self, reference: str, headers: dict[str, str] | None = None, key: str | None = None, **changes: Any
    ) -> httpx.Response:
        sent = dict(headers or self.key) | ({"Idempotency-Key": key} if key else {})
        body = CART | {"reference": reference} | changes
        return await self.rest.client.post("/v1/checkouts/matched_payments", json=body, headers=sent)

    async def follow(self, session: str, what: str = "") -> httpx.Response:
        headers = {"Authorization": f"Bearer {session}"}
        if what:
            return await self.rest.client.post(f"/v1/checkouts/current/{what}", headers=headers)
        return await self.rest.client.get("/v1/checkouts/current", headers=headers)

    async def left(self) -> int:
        return await available(self.rest.house, self.card)


async def a_wallet_member(rest: RestHouse) -> tuple[Member, HouseMember]:
    signed_in = await rest.member()
    member = await rest.house.members.get(from_text("mem", signed_in.id))
    return signed_in, member


@pytest_asyncio.fixture(loop_scope="module")
async def mall(rest: RestHouse) -> Mall:
    terms = Terms(accepts=frozenset({"one_time", "prepaid", "gift"}))
    merchant = await a_merchant(rest.house.merchants, terms=terms)
    id_ = to_text("mer", merchant.id)
    signed_in, member = await a_wallet_member(rest)
    card, _, _ = await a_prepaid_card(rest.house, member=member, balance_minor=50_000)
    return Mall(rest, id_, await rest.key(*MERCHANT_SCOPES, merchant=id_), signed_in, card)


async def test_an_order_that_is_kept_is_paid_once_and_asked_for_again_answered_alike(mall: Mall) -> None:
    reference = mall.reference()
    kept = await mall.keep(reference)
    assert kept.status_code == 201, kept.text
    assert (kept.json()["checkout"]["state"], kept.json()["session"][:6]) == ("kept", "ob_cs_")

    answers = [await mall.ask(reference) for _ in range(3)]

    assert answers[0].json()["status"] == "approved"
    assert (answers[0].json()["amount"], answers[0].json()["entry"]) == (21_000, "online")
    assert {answer.content for answer in answers} == {answers[0].content}
    assert [answer.headers.get("idempotency-hit") for answer in answers] == [None, "true", "true"]
    assert await mall.left() == 29_000
    followed = (await mall.follow(kept.json()["session"])).json()
    assert (followed["state"], followed["payment"]) == ("paid", answers[0].json()["id"])


async def test_wa7_neither_number_nor_person_is_in_anything_the_mall_is_told(mall: Mall) -> None:
    reference = mall.reference()
    await mall.keep(reference)
    told = (await mall.ask(reference, total=1)).text + (await mall.ask(reference)).text
    face = mall.rest.house.cards.reveal(mall.card)
    assert face.number.reveal() not in told
    assert mall.member.id not in told
    assert mall.card.last_four not in told.replace(to_text("card", mall.card.id), "")


async def test_p01_32_requests_at_once_are_one_payment(mall: Mall) -> None:
    reference = mall.reference()
    await mall.keep(reference)
    answers = await asyncio.gather(*[mall.ask(reference) for _ in range(32)])
    assert {answer.content for answer in answers} == {answers[0].content}
    assert answers[0].json()["status"] == "approved"
    assert await mall.left() == 29_000


DIFFERENT = [
    pytest.param({"currency": "USD"}, "currency", id="currency"),
    pytest.param({"items": ITEMS[:1], "total": 9_000}, "items", id="a line less"),
    pytest.param({"items": [ITEMS[0] | {"name": "Black tea"}, ITEMS[1]]}, "items.name", id="name"),
    pytest.param(
        {"items": [ITEMS[0] | {"quantity": 3}, ITEMS[1]], "total": 25_500}, "items.quantity", id="quantity"
    ),
    pytest.param(
        {"items": [ITEMS[0], ITEMS[1] | {"unit_amount": 12_001}], "total": 21_001},
        "items.unit_amount",
        id="price",
    ),
]


@pytest.mark.parametrize(("changes", "param"), DIFFERENT)
async def test_a_request_that_differs_in_any_field_is_refused_and_moves_nothing(
    mall: Mall, changes: dict[str, Any], param: str
) -> None:
    reference = mall.reference()
    await mall.keep(reference)

    refused = await mall.ask(reference, **changes)

    assert (refused.status_code, refused.json()["code"], refused.json()["param"]) == (
        409,
        "checkout_mismatch",
        param,
    )
    assert await mall.left() == 50_000
    assert (await mall.ask(reference)).json()["status"] == "approved", "the kept order is still good"


async def test_the_same_cart_listed_and_written_otherwise_is_the_same(mall: Mall) -> None:
    reference = mall.reference()
    await mall.keep(reference)
    written = [ITEMS[1], ITEMS[0] | {"name": " Green  tea"}]
    assert (await mall.ask(reference, items=written)).json()["status"] == "approved"


async def test_after_some_wrong_requests_the_kept_order_is_void(mall: Mall) -> None:
    reference = mall.reference()
    kept = (await mall.keep(reference)).json()
    for _ in range(MISMATCHES_MAX):
        assert (await mall.ask(reference, total=1, items=[ITEMS[0]])).json()["code"] == "invalid_request"
    for _ in range(MISMATCHES_MAX):
        wrong = await mall.ask(reference, total=9_000, items=[ITEMS[0]])
        assert wrong.json()["code"] == "checkout_mismatch"
    assert (await mall.ask(reference)).json()["code"] == "checkout_void"
    assert (await mall.follow(kept["session"])).json()["state"] == "void"
    assert await mall.left() == 50_000
    assert (await mall.keep(reference)).status_code == 201
    assert (await mall.ask(reference)).json()["status"] == "approved"


async def test_p12_another_mall_finds_nothing_under_the_same_reference(mall: Mall) -> None:
    reference = mall.reference()
    await mall.keep(reference)
    _, other = await mall.rest.another_merchant()
    foreign, missing = await mall.ask(reference, other), await mall.ask("never heard of", other)
    assert (foreign.status_code, foreign.json()["code"]) == (404, "checkout_not_found")
    assert foreign.json() | {"request_id": ""} == missing.json() | {"request_id": ""}
    assert (await mall.ask(reference, other, merchant=mall.merchant)).status_code == 404


async def test_p12_a_card_or_a_session_of_somebody_elses_is_none(mall: Mall) -> None:
    _, member = await a_wallet_member(mall.rest)
    card, _, _ = await a_prepaid_card(mall.rest.house, member=member)
    foreign = await mall.keep(mall.reference(), card=to_text("card", card.id))
    assert (foreign.status_code, foreign.json()["code"]) == (404, "card_not_found")
    session = (await mall.keep(mall.reference())).json()["session"]
    for wrong in (session[:-1] + ("0" if session[-1] != "0" else "1"), "ob_cs_", mall.member.token):
        assert (await mall.follow(wrong)).status_code == 401


async def test_one_order_is_kept_under_a_reference_at_a_time(mall: Mall) -> None:
    reference = mall.reference()
    first = (await mall.keep(reference)).json()
    again = await mall.keep(reference)
    assert (again.json(), again.headers["idempotency-hit"]) == (first, "true")

    stranger, member = await a_wallet_member(mall.rest)
    theirs, _, _ = await a_prepaid_card(mall.rest.house, member=member)
    other = Mall(mall.rest, mall.merchant, mall.key, stranger, theirs)
    assert (await other.keep(reference)).json()["code"] == "checkout_exists"

    newer = (await mall.keep(reference, total=9_000, items=[ITEMS[0]])).json()
    assert (await mall.follow(first["session"])).json()["state"] == "withdrawn"
    assert (await mall.ask(reference)).json()["code"] == "checkout_mismatch"
    assert (await mall.ask(reference, total=9_000, items=[ITEMS[0]])).json()["status"] == "approved"
    assert (await mall.follow(newer["session"])).json()["state"] == "paid"


async def test_p06_pressing_the_button_often_keeps_one_order(mall: Mall) -> None:
    reference = mall.reference()
    answers = await asyncio.gather(*[mall.keep(reference) for _ in range(16)])
    assert {answer.content for answer in answers} == {answers[0].content}
    assert sum("idempotency-hit" not in answer.headers for answer in answers) == 1


async def test_p06_an_answer_that_is_lost_in_the_middle_is_found_again(
    mall: Mall, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference = mall.reference()
    kept = (await mall.keep(reference)).json()
    decide = mall.rest.engine.authorize

    async def decide_and_die(asked: AuthorizationRequest) -> Authorization:
        await decide(asked)
        raise Unavailable

    monkeypatch.setattr(mall.rest.engine, "authorize", decide_and_die)
    assert (await mall.ask(reference)).status_code == 503
    assert (await mall.follow(kept["session"])).json()["state"] == "matched"
    monkeypatch.undo()
    assert (await mall.ask(reference)).json()["status"] == "approved"
    assert (await mall.follow(kept["session"])).json()["state"] == "paid"
    assert await mall.left() == 29_000


async def test_a_card_that_was_given_away_cannot_check_out(mall: Mall) -> None:
    card = await mall.rest.card(mall.member)
    link = await mall.rest.client.post(f"/v1/cards/{card['id']}/hand_over", headers=mall.member.headers)
    await mall.rest.client.post("/v1/claims", json={"token": link.json()["token"]})
    refused = await mall.keep(mall.reference(), card=card["id"])
    assert (refused.status_code, refused.json()["code"]) == (409, "card_handed_over")


async def test_what_another_member_has_claimed_since_pays_for_nothing_of_the_givers(mall: Mall) -> None:
    reference, cards = mall.reference(), mall.rest.house.cards
    _, taker = await a_wallet_member(mall.rest)
    assert (await mall.keep(reference)).status_code == 201
    _, token = await cards.hand_over(mall.card.id)
    await cards.claim(token, member_id=taker.id)

    refused = await mall.ask(reference)

    assert (refused.status_code, refused.json()["code"]) == (409, "checkout_void")
    assert await mall.left() == 50_000


async def test_a_customer_comes_back_and_a_lost_answer_is_still_that_of_its_own_order(mall: Mall) -> None:
    reference = mall.reference()
    await mall.keep(reference)
    first = await mall.ask(reference, key=f"{reference} 1")
    other, _, _ = await a_prepaid_card(
        mall.rest.house, member=await mall.rest.house.members.get(from_text("mem", mall.member.id))
    )
    assert (await mall.keep(reference, card=to_text("card", other.id))).status_code == 201

    again = await mall.ask(reference, key=f"{reference} 1")
    changed = await mall.ask(reference, key=f"{reference} 1", total=9_000, items=[ITEMS[0]])
    second = await mall.ask(reference, key=f"{reference} 2")

    assert again.content == first.content
    assert (changed.status_code, changed.json()["code"]) == (422, "idempotency_key_reused")
    assert second.json()["status"] == "approved"
    assert second.json()["id"] != first.json()["id"]
    assert await mall.left() == 29_000


async def test_a_decline_is_an_answer_and_the_member_may_pick_another_card(mall: Mall) -> None:
    reference = mall.reference()
    member = await mall.rest.house.members.get(from_text("mem", mall.member.id))
    empty, _, _ = await a_prepaid_card(mall.rest.house, member=member, balance_minor=100)
    await mall.keep(reference, card=to_text("card", empty.id))
    declined = [(await mall.ask(reference)).json() for _ in range(2)]
    assert declined[0] == declined[1]
    assert (declined[0]["status"], declined[0]["decline"]["code"]) == ("declined", "not_approved")
    await mall.keep(reference)
    assert (await mall.ask(reference)).json()["status"] == "approved"


async def test_a_one_time_number_pays_too_and_is_spent(mall: Mall) -> None:
    reference = mall.reference()
    card = await mall.rest.card(mall.member)
    await mall.keep(reference, card=card["id"])
    assert (await mall.ask(reference, capture=True)).json()["captured"] == 21_000
    shown = await mall.rest.client.get(f"/v1/cards/{card['id']}", headers=mall.member.headers)
    assert shown.json()["state"] == "used"


async def test_what_is_taken_back_is_not_found_by_the_mall(mall: Mall) -> None:
    reference = mall.reference()
    session = (await mall.keep(reference)).json()["session"]
    assert [(await mall.follow(session, "withdraw")).json()["state"] for _ in range(2)] == ["withdrawn"] * 2
    assert (await mall.ask(reference)).json()["code"] == "checkout_not_found"


async def test_what_is_paid_cannot_be_taken_back(mall: Mall) -> None:
    reference = mall.reference()
    session = (await mall.keep(reference)).json()["session"]
    await mall.ask(reference)
    assert (await mall.follow(session, "withdraw")).json()["state"] == "paid"


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"total": 20_999}, "total"),
        ({"items": []}, "items"),
        ({"items": [ITEMS[0] | {"quantity": 0}]}, "items"),
        ({"reference": ""}, "reference"),
        ({"currency": "XXX1"}, "currency"),
    ],
    ids=["does not add up", "nothing", "none of it", "no reference", "no currency"],
)
async def test_what_is_no_order_is_refused(mall: Mall, changes: dict[str, Any], param: str) -> None:
    refused = await mall.keep(**{"reference": mall.reference()} | changes)
    assert refused.status_code == 400
    assert refused.json()["param"].startswith(param)


async def test_p06_what_was_paid_is_not_void_because_its_answer_was_lost_for_long(
    mall: Mall, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference, key = mall.reference(), "asked once more after the next order"
    kept = (await mall.keep(reference)).json()
    decide = mall.rest.engine.authorize

    async def decide_and_die(asked: AuthorizationRequest) -> Authorization:
        await decide(asked)
        raise Unavailable

    monkeypatch.setattr(mall.rest.engine, "authorize", decide_and_die)
    assert (await mall.ask(reference, key=key)).status_code == 503
    monkeypatch.undo()
    clock = mall.rest.house.clock
    clock.move_to(clock.offset + rules.LIFETIME + timedelta(seconds=1))
    cheaper = {"total": 12_000, "items": [ITEMS[1]]}
    assert (await mall.keep(reference, **cheaper)).status_code == 201

    assert (await mall.follow(kept["session"])).json()["state"] == "paid"
    assert (await mall.ask(reference, key=key)).json()["status"] == "approved"
    assert await mall.left() == 29_000
    assert (await mall.ask(reference, **cheaper)).json()["amount"] == 12_000


async def test_after_a_quarter_of_an_hour_the_kept_order_has_expired(mall: Mall) -> None:
    """Last in this module: the clock only moves forward."""
    reference = mall.reference()
    session = (await mall.keep(reference)).json()["session"]
    clock = mall.rest.house.clock
    clock.move_to(clock.offset + rules.LIFETIME + timedelta(seconds=1))
    assert (await mall.ask(reference)).json()["code"] == "checkout_expired"
    assert (await mall.follow(session)).json()["state"] == "expired"
    assert (await mall.keep(reference)).json()["checkout"]["state"] == "kept"
    assert (await mall.ask(reference)).json()["status"] == "approved"
