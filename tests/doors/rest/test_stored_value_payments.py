"""Stored value over REST: PINs, parts, filled forms, balances, and an agent's counter."""

from datetime import timedelta
from typing import Any

import httpx
import pytest
import pytest_asyncio
from msgspec.structs import replace
from tests.factories.members import ANSWER, a_profile, an_application
from tests.factories.merchants import a_merchant
from tests.factories.rest import RestHouse
from tests.factories.stored_value import a_prepaid_card, available

from obverse.access import MERCHANT_SCOPES
from obverse.cards import CardState
from obverse.kit.ids import CardBatchId, from_text, to_text
from obverse.merchants import Terms

pytestmark = pytest.mark.asyncio(loop_scope="module")

TERMS = Terms(accepts=frozenset({"one_time", "prepaid", "gift"}))
WON = {"currency": "KRW"}


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def shop(rest: RestHouse) -> dict[str, str]:
    """The key of a shop that takes prepaid cards."""
    merchant = await a_merchant(rest.house.merchants, terms=TERMS)
    return await rest.key(*MERCHANT_SCOPES, merchant=to_text("mer", merchant.id))


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def agent(rest: RestHouse) -> dict[str, str]:
    """The key of a shop that sells cards."""
    merchant = await a_merchant(rest.house.merchants, terms=replace(TERMS, is_agent=True))
    return await rest.key(*MERCHANT_SCOPES, merchant=to_text("mer", merchant.id))


async def ask(
    rest: RestHouse, path: str, headers: dict[str, str], key: str | None = None, **body: Any
) -> httpx.Response:
    sent = headers | ({"Idempotency-Key": key} if key else {})
    return await rest.client.post(f"/v1/{path}", json=WON | body, headers=sent)


async def test_a_number_and_its_pin_pay_without_anything_else(rest: RestHouse, shop: dict[str, str]) -> None:
    card, face, _ = await a_prepaid_card(rest.house, pin="4829")
    number = face.number.reveal()
    paid = await ask(rest, "payments", shop, card_number=number, pin="4829", amount=20_000)
    assert paid.json()["status"] == "approved"
    assert paid.json()["balance"] is None, "the shop has not asked"
    assert await available(rest.house, card) == 30_000
    without = await ask(rest, "payments", shop, card_number=number, amount=1)
    assert (without.status_code, without.json()["param"]) == (400, "exp_month")


async def test_p12_who_claims_a_card_does_not_see_where_its_giver_has_tried_to_pay(
    rest: RestHouse, shop: dict[str, str]
) -> None:
    giver, taker = await rest.member(), await rest.member()
    house = rest.house
    member = await house.members.get(from_text("mem", giver.id))
    card, face, _ = await a_prepaid_card(house, member=member, pin="4829")
    tried = await ask(rest, "payments", shop, card_number=face.number.reveal(), pin="4829", amount=99_000)
    assert tried.json()["status"] == "declined"
    _, token = await house.cards.hand_over(card.id)
    claimed, _ = await house.cards.claim(token, member_id=from_text("mem", taker.id))
    face = house.cards.reveal(claimed)
    paid = await ask(
        rest, "payments", shop, card_number=face.number.reveal(), exp_month=int(face.expiry[2:]),
        exp_year=2000 + int(face.expiry[:2]), cvv=face.cvv.reveal(), amount=1_000,
    )  # fmt: skip

    path = f"/v1/payments?card={to_text('card', card.id)}"
    listed = (await rest.client.get(path, headers=taker.headers)).json()
    assert [payment["id"] for payment in listed["data"]] == [paid.json()["id"]]
    assert len((await rest.client.get(path, headers=rest.operator)).json()["data"]) == 2


async def test_wrong_pins_lock_and_the_right_one_is_too_late(rest: RestHouse, shop: dict[str, str]) -> None:
    card, face, _ = await a_prepaid_card(rest.house, pin="4829")
    number = face.number.reveal()
    for guess in range(5):
        answer = await ask(rest, "payments", shop, card_number=number, pin=f"000{guess}", amount=100)
        assert answer.json()["status"] == "declined"
    locked = await ask(rest, "payments", shop, card_number=number, pin="4829", amount=100)
    told = await rest.client.get(f"/v1/payments/{locked.json()['id']}", headers=rest.operator)
    assert told.json()["decline"]["code"] == "pin_locked"
    assert await available(rest.house, card) == 50_000


async def test_p06_another_pin_under_the_same_key_is_another_request(
    rest: RestHouse, shop: dict[str, str]
) -> None:
    _, face, _ = await a_prepaid_card(rest.house, pin="4829")
    body = {"card_number": face.number.reveal(), "amount": 100}
    first = await ask(rest, "payments", shop, "pin 1", pin="4829", **body)
    again = await ask(rest, "payments", shop, "pin 1", pin="4829", **body)
    other = await ask(rest, "payments", shop, "pin 1", pin="4820", **body)
    assert again.content == first.content
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


async def test_less_is_taken_where_the_shop_says_that_less_will_do(
    rest: RestHouse, shop: dict[str, str]
) -> None:
    card, face, _ = await a_prepaid_card(rest.house, pin="4829", balance_minor=12_000)
    body = {"card_number": face.number.reveal(), "pin": "4829", "amount": 20_000}
    whole = (await ask(rest, "payments", shop, **body)).json()
    part = (await ask(rest, "payments", shop, partial=True, **body)).json()
    assert (whole["status"], whole["requested"]) == ("declined", None)
    assert (part["status"], part["amount"], part["requested"]) == ("approved", 12_000, 20_000)
    assert await available(rest.house, card) == 0


# -- a filled form (WA-8) -----------------------------------------------------------------------------------

RIGHT = {"name": "홍길동", "phone": None, "mail": None}


@pytest.mark.parametrize(
    ("form", "status"),
    [
        (RIGHT, "approved"),
        ({"name": "hong gil-dong"}, "approved"),
        ({"name": "김철수"}, "declined"),
        (RIGHT | {"phone": "+821099999999"}, "declined"),
        (RIGHT | {"mail": "another@mail.example"}, "declined"),
    ],
    ids=["theirs", "in Latin letters", "another name", "another telephone", "another mail"],
)
async def test_a_filled_form_has_to_name_the_cards_member(
    rest: RestHouse, shop: dict[str, str], form: dict[str, Any], status: str
) -> None:
    somebody = an_application(profile=a_profile(), address=None, answer=ANSWER)
    member, _ = await rest.house.wallet.register(somebody, None, credit=False)
    _, face, _ = await a_prepaid_card(rest.house, member=member, pin="4829")
    paid = await ask(
        rest, "payments", shop, card_number=face.number.reveal(), pin="4829", amount=1_000, holder=form
    )
    assert paid.json()["status"] == status
    if status == "declined":
        assert paid.json()["decline"]["code"] == "card_not_accepted"
        assert "홍" not in paid.text


async def test_a_card_of_nobody_is_compared_with_nobody(rest: RestHouse, shop: dict[str, str]) -> None:
    _, face, _ = await a_prepaid_card(rest.house, pin="4829")
    paid = await ask(
        rest, "payments", shop, card_number=face.number.reveal(), pin="4829", amount=1, holder=RIGHT
    )
    assert paid.json()["status"] == "approved"


# -- balances -----------------------------------------------------------------------------------------------


async def test_a_balance_is_told_to_who_has_the_pin_and_moves_nothing(
    rest: RestHouse, shop: dict[str, str]
) -> None:
    card, face, _ = await a_prepaid_card(rest.house, pin="4829", balance_minor=12_300)
    asked = {"card_number": face.number.reveal(), "pin": "4829"}
    first = await ask(rest, "balance_inquiries", shop, "balance 1", **asked)
    assert first.status_code == 201, first.text
    assert (first.json()["status"], first.json()["balance"]) == ("approved", 12_300)
    again = await ask(rest, "balance_inquiries", shop, "balance 1", **asked)
    assert (again.content, again.headers["idempotency-hit"]) == (first.content, "true")
    wrong = (await ask(rest, "balance_inquiries", shop, **asked | {"pin": "0000"})).json()
    assert (wrong["status"], wrong["balance"]) == ("declined", None)
    assert await available(rest.house, card) == 12_300


@pytest.mark.parametrize(
    "proof",
    [{}, {"pin": "12"}, {"cvv": "123"}, {"pin": 4829}],
    ids=["nothing", "half a PIN", "a CVV without expiry", "a number"],
)
async def test_a_balance_is_not_told_to_who_only_knows_a_number(
    rest: RestHouse, shop: dict[str, str], proof: dict[str, Any]
) -> None:
    _, face, _ = await a_prepaid_card(rest.house, pin="4829")
    asked = await ask(rest, "balance_inquiries", shop, card_number=face.number.reveal(), **proof)
    assert asked.status_code == 400
    assert "4829" not in asked.text


# -- an agent's counter -------------------------------------------------------------------------------------


async def test_an_agents_card_is_good_once_it_is_sold_for_what_is_printed_on_it(
    rest: RestHouse, agent: dict[str, str], shop: dict[str, str]
) -> None:
    card, face, _ = await a_prepaid_card(
        rest.house,
        balance_minor=0,
        pin="4829",
        state=CardState.INACTIVE,
        batch_id=CardBatchId(rest.house.new_id()),
        face_value_minor=50_000,
    )
    number = face.number.reveal()
    pay = {"card_number": number, "pin": "4829", "amount": 100}
    assert (await ask(rest, "payments", shop, **pay)).json()["status"] == "declined"
    wrong = await ask(rest, "card_activations", agent, card_number=number, amount=10_000)
    assert wrong.json()["status"] == "declined"
    sold = await ask(rest, "card_activations", agent, "sold 1", card_number=number, amount=50_000)
    assert (sold.json()["status"], sold.json()["purpose"]) == ("approved", "activation")
    again = await ask(rest, "card_activations", agent, "sold 1", card_number=number, amount=50_000)
    assert again.content == sold.content
    twice = await ask(rest, "card_activations", agent, card_number=number, amount=50_000)
    assert twice.json()["status"] == "declined"
    assert (await ask(rest, "payments", shop, **pay)).json()["status"] == "approved"
    assert await available(rest.house, card) == 49_900


async def test_cash_goes_into_a_card_and_comes_out_when_the_agent_takes_it_back(
    rest: RestHouse, agent: dict[str, str]
) -> None:
    card, face, _ = await a_prepaid_card(rest.house, balance_minor=5_000)
    loaded = await ask(rest, "loads", agent, card_number=face.number.reveal(), amount=20_000)
    assert (loaded.json()["status"], loaded.json()["purpose"]) == ("approved", "load")
    assert loaded.json()["balance"] == await available(rest.house, card) == 25_000
    undone = await rest.client.post(f"/v1/payments/{loaded.json()['id']}/cancel", headers=agent)
    assert undone.json()["status"] == "reversed", undone.text
    assert await available(rest.house, card) == 5_000


@pytest.mark.parametrize(
    ("amount", "balance", "code"),
    [(15_000, 0, "charge_unit"), (20_000, 990_000, "balance_ceiling")],
    ids=["no multiple of the unit", "beyond the ceiling"],
)
async def test_cash_that_the_programme_does_not_take_is_declined(
    rest: RestHouse, agent: dict[str, str], amount: int, balance: int, code: str
) -> None:
    card, face, _ = await a_prepaid_card(rest.house, balance_minor=balance)
    refused = (await ask(rest, "loads", agent, card_number=face.number.reveal(), amount=amount)).json()
    assert (refused["status"], refused["decline"]["code"]) == ("declined", code)
    assert await available(rest.house, card) == balance


async def test_cash_for_a_card_that_has_expired_is_declined(rest: RestHouse, agent: dict[str, str]) -> None:
    clock = rest.house.clock
    ends = clock.now() + timedelta(seconds=1)
    _, face, _ = await a_prepaid_card(rest.house, balance_minor=0, expires_at=ends)
    clock.move_to(clock.offset + timedelta(seconds=2))
    refused = (await ask(rest, "loads", agent, card_number=face.number.reveal(), amount=10_000)).json()
    assert (refused["status"], refused["decline"]["code"]) == ("declined", "card_not_accepted")


@pytest.mark.parametrize("path", ["card_activations", "loads"])
async def test_only_agents_take_money_for_cards(rest: RestHouse, shop: dict[str, str], path: str) -> None:
    _, face, _ = await a_prepaid_card(rest.house)
    refused = (await ask(rest, path, shop, card_number=face.number.reveal(), amount=10_000)).json()
    assert (refused["status"], refused["decline"]["code"]) == ("declined", "not_an_agent")
