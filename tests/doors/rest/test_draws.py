"""Draws through the REST door: the recipient gets the money, and neither side learns of the other (OT-8)."""

import asyncio
import json
from collections import defaultdict
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
import pytest
from litestar.routes import HTTPRoute
from tests.factories.canaries import search
from tests.factories.members import PASSWORD
from tests.factories.rest import Member, RestHouse

from obverse.draws import HOUSE_MERCHANT
from obverse.kit.ids import to_text

pytestmark = pytest.mark.asyncio(loop_scope="module")
LIMIT = 20_000
ACCOUNT = {"bank_code": "004", "number": "110222333444", "holder": "Recipient"}
_keys = iter(range(1, 1_000_000))


@dataclass
class Given:
    """A card that one person gave to another."""

    giver: Member
    card: dict[str, Any]
    holder: dict[str, str]

    async def draw(self, rest: RestHouse, key: str | None = None, **body: Any) -> httpx.Response:
        headers = {**self.holder, "Idempotency-Key": key or f"draw {next(_keys)}"}
        return await rest.client.post(
            "/v1/claims/current/draws", json={"account": ACCOUNT, **body}, headers=headers
        )

    async def draws(self, rest: RestHouse) -> list[dict[str, Any]]:
        answer = await rest.client.get("/v1/claims/current/draws", headers=self.holder)
        listed: list[dict[str, Any]] = answer.json()["data"]
        return listed


async def a_given_card(rest: RestHouse, *, linked: bool = False, **controls: Any) -> Given:
    giver = await rest.member(linked=linked)
    card = await rest.card(giver, controls={"amount_limit": LIMIT, **controls}, metadata={"note": "to Ann"})
    link = await rest.client.post(f"/v1/cards/{card['id']}/hand_over", headers=giver.headers)
    claim = (await rest.client.post("/v1/claims", json={"token": link.json()["token"]})).json()
    return Given(giver, card, {"Authorization": f"Bearer {claim['holder_token']}"})


async def test_ot8_the_recipient_draws_to_an_account_of_their_own(rest: RestHouse) -> None:
    given = await a_given_card(rest)

    drawn = await given.draw(rest)

    assert drawn.status_code == 201, drawn.text
    assert (drawn.json()["status"], drawn.json()["amount"]) == ("on_its_way", LIMIT)
    assert drawn.json()["account"] == {"bank_code": "004", "holder": "Recipient", "last_four": "3444"}
    await rest.treasury.send()
    (paid,) = await given.draws(rest)
    assert paid == drawn.json() | {"status": "paid"}


async def test_p06_the_same_draw_again_gets_the_same_answer(rest: RestHouse) -> None:
    given = await a_given_card(rest)
    first = await given.draw(rest, "key")
    again = await given.draw(rest, "key")
    other = await given.draw(rest, "key", amount=1)

    assert (again.status_code, again.json()) == (201, first.json())
    assert "idempotency-hit" not in first.headers
    assert again.headers["idempotency-hit"] == "true"
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


async def test_p01_of_64_draws_at_once_one_is_paid(rest: RestHouse) -> None:
    given = await a_given_card(rest)

    answers = await asyncio.gather(*[given.draw(rest, amount=1_000) for _ in range(64)])

    statuses = [answer.json()["status"] for answer in answers]
    assert (statuses.count("on_its_way"), statuses.count("declined")) == (1, 63)


@pytest.mark.parametrize(
    ("controls", "body", "code"),
    [
        pytest.param({}, {"amount": LIMIT + 1}, "not_approved", id="more than is left"),
        pytest.param({"categories": ["5942"]}, {}, "card_not_accepted", id="for books only"),
        pytest.param({"merchant": "{shop}"}, {}, "card_not_accepted", id="for one shop only"),
    ],
)
async def test_a_decline_is_an_answer_that_tells_no_more_than_a_merchant_hears(
    rest: RestHouse, controls: dict[str, Any], body: dict[str, Any], code: str
) -> None:
    named = {k: rest.merchant_id if v == "{shop}" else v for k, v in controls.items()}
    given = await a_given_card(rest, **named)

    declined = await given.draw(rest, **body)

    assert (declined.status_code, declined.json()["status"]) == (201, "declined")
    assert declined.json()["decline"]["code"] == code
    assert declined.json()["account"] is None


@pytest.mark.parametrize(
    ("body", "status", "code", "param"),
    [
        ({"amount": 0}, 400, "invalid_request", "amount"),
        ({"amount": "100"}, 400, "invalid_request", "amount"),
        ({"account": ACCOUNT | {"number": "12345"}}, 400, "invalid_request", "account.number"),
        ({"account": ACCOUNT | {"number": "1" * 17}}, 400, "invalid_request", "account.number"),
        ({"account": ACCOUNT | {"bank_code": "04"}}, 400, "invalid_request", "account.bank_code"),
        ({"account": ACCOUNT | {"holder": ""}}, 400, "invalid_request", "account.holder"),
        ({"account": ACCOUNT | {"holder": "a\u0000b"}}, 400, "invalid_request", "account.holder"),
        ({"account": None}, 400, "invalid_request", "account"),
        ({"reference": "from your friend"}, 400, "invalid_request", "reference"),
    ],
)
async def test_bad_draws_are_refused_with_the_field_and_without_its_value(
    rest: RestHouse, body: dict[str, Any], status: int, code: str, param: str
) -> None:
    given = await a_given_card(rest)
    answer = await given.draw(rest, **body)

    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert answer.json()["param"] == param
    assert "1" * 17 not in answer.text
    assert await given.draws(rest) == []


async def test_a_card_without_limit_needs_an_amount_and_one_without_rest_has_nothing(rest: RestHouse) -> None:
    unlimited = await a_given_card(rest, amount_limit=None)
    missing = await unlimited.draw(rest)
    given = await a_given_card(rest, uses=2)
    await given.draw(rest)
    nothing = await given.draw(rest)

    assert (missing.status_code, missing.json()["param"]) == (400, "amount")
    assert (await unlimited.draw(rest, amount=LIMIT)).json()["status"] == "on_its_way"
    assert (nothing.status_code, nothing.json()["code"]) == (409, "nothing_to_draw")


async def test_a_refused_account_is_corrected_by_the_holder_of_that_card_only(rest: RestHouse) -> None:
    given, other = await a_given_card(rest), await a_given_card(rest)
    rest.bank.refuses = {"110222333445"}
    id_ = (await given.draw(rest, account=ACCOUNT | {"number": "110222333445"})).json()["id"]
    path = f"/v1/claims/current/draws/{id_}/account"
    early = await rest.client.put(path, json=ACCOUNT, headers=given.holder)
    await rest.treasury.send()
    assert [draw["status"] for draw in await given.draws(rest)] == ["account_refused"]

    foreign = await rest.client.put(path, json=ACCOUNT, headers=other.holder)
    missing = await rest.client.put(
        "/v1/claims/current/draws/draw_01h455vb4pex5vsknk084sn02q/account", json=ACCOUNT, headers=given.holder
    )
    corrected = await rest.client.put(path, json=ACCOUNT, headers=given.holder)
    await rest.treasury.send()

    assert (early.status_code, early.json()["code"]) == (409, "account_not_refused")
    assert (foreign.status_code, missing.status_code) == (404, 404)
    assert foreign.json()["code"] == missing.json()["code"] == "draw_not_found"
    assert (corrected.status_code, corrected.json()["status"]) == (200, "on_its_way")
    assert [draw["status"] for draw in await given.draws(rest)] == ["paid"]


async def test_members_have_no_way_to_draw_their_own_card(rest: RestHouse) -> None:
    member = await rest.member()
    await rest.card(member, controls={"amount_limit": LIMIT})

    answer = await rest.client.post(
        "/v1/claims/current/draws", json={"account": ACCOUNT}, headers=member.headers
    )

    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


async def test_a_link_that_was_withdrawn_or_has_expired_draws_nothing(rest: RestHouse) -> None:
    giver = await rest.member()
    card = await rest.card(giver, controls={"amount_limit": LIMIT})
    link = (await rest.client.post(f"/v1/cards/{card['id']}/hand_over", headers=giver.headers)).json()
    await rest.client.post(f"/v1/cards/{card['id']}/withdraw", headers=giver.headers)

    claim = await rest.client.post("/v1/claims", json={"token": link["token"]})
    drawn = await rest.client.post(
        "/v1/claims/current/draws",
        json={"account": ACCOUNT},
        headers={"Authorization": f"Bearer {link['token']}"},
    )

    assert (claim.status_code, drawn.status_code) == (404, 401)


async def test_money_that_left_for_a_bank_account_is_neither_refunded_nor_disputed(rest: RestHouse) -> None:
    given = await a_given_card(rest)
    await given.draw(rest)
    (payment,) = (await rest.client.get("/v1/claims/current/payments", headers=given.holder)).json()["data"]
    path = f"/v1/payments/{payment['id']}"

    refund = await rest.client.post(f"{path}/refund", headers=rest.operator)
    cancel = await rest.client.post(f"{path}/cancel", headers=rest.operator)
    dispute = await rest.client.post(
        "/v1/claims/current/disputes",
        json={"payment": payment["id"], "reason": "not_received", "statement": "It never came."},
        headers=given.holder,
    )

    assert payment["merchant"]["category"] == "6010"
    assert [(a.status_code, a.json()["code"]) for a in (refund, cancel)] == [(409, "not_refundable")] * 2
    assert (dispute.status_code, dispute.json()["code"]) == (409, "not_disputable")


async def test_no_key_takes_payments_for_the_house(rest: RestHouse) -> None:
    member = await rest.member()
    face = await rest.face(member, await rest.card(member))

    answer = await rest.pay(face, rest.operator, merchant=to_text("mer", HOUSE_MERCHANT))

    assert answer.json()["decline"]["code"] == "unknown_merchant"


# neither side learns of the other --------------------------------------------------------------------------


@pytest.mark.parametrize("linked", [False, True])
async def test_ot8_neither_side_learns_the_others_account_card_or_identity(
    rest: RestHouse, linked: bool
) -> None:
    given = await a_given_card(rest, linked=linked)
    recipient = {
        "account number": f"77008812349{linked:d}",
        "holder": "Canary Recipient",
        "holder token": given.holder["Authorization"][7:],
    }
    account = {"bank_code": "020", "number": recipient["account number"], "holder": recipient["holder"]}
    drawn = await given.draw(rest, account=account)
    assert drawn.json()["status"] == "on_its_way"
    await rest.treasury.send()
    face = (await rest.client.post("/v1/claims/current/reveal", headers=given.holder)).json()
    giver = {
        "member": given.giver.id,
        "source": given.card["funding"][0]["source"],
        "note": "to Ann",
    }

    heard_by_giver = await everything_a_member_can_ask(rest, given)
    heard_by_recipient = await everything_a_holder_can_ask(rest, given)
    (order,) = [o for o in rest.bank.orders if o.to.number.reveal() == recipient["account number"]]
    heard_by_bank = f"{order.wire_id} {order.reference}".encode()
    events = (await rest.client.get("/v1/events?limit=100", headers=rest.operator)).json()["data"]
    told_of_draws = json.dumps([e for e in events if e["type"].split(".")[0] in ("draw", "bank_transfer")])

    draw = {"draw": drawn.json()["id"], "number": face["number"], "reference": order.reference}
    assert search(heard_by_giver, recipient | draw) == []
    assert b'"6010"' not in heard_by_giver
    assert to_text("mer", HOUSE_MERCHANT).encode() not in heard_by_giver
    assert b'"020"' not in heard_by_giver
    assert search(heard_by_recipient, giver) == []
    linking = giver | {"card": given.card["id"], "card's bare id": given.card["id"][5:]}
    assert search(heard_by_bank, linking | {"number": face["number"]}) == []
    assert search(told_of_draws.encode(), linking | recipient | {"number": face["number"]}) == []
    shown = await rest.client.get(f"/v1/cards/{given.card['id']}", headers=given.giver.headers)
    assert (shown.json()["state"], shown.json()["spent"]) == ("drawn", LIMIT)


async def everything_a_member_can_ask(rest: RestHouse, given: Given) -> bytes:
    """Every answer that a giver gets about the card and what became of it, refusals included."""
    card, headers = given.card["id"], given.giver.headers
    listed = await rest.client.get(f"/v1/payments?card={card}", headers=headers)
    (payment,) = [each["id"] for each in listed.json()["data"]]
    known = {"card_id": card, "payment_id": payment, "member_id": given.giver.id}
    answers = [listed.content]
    for path in sorted(get_routes(rest)):
        asked = path.format_map(defaultdict(lambda: "unknown", known)) + f"?card={card}"
        answers.append((await rest.client.get(asked, headers=headers)).content)
    for path, body in (
        (f"/v1/cards/{card}/reveal", None),
        (f"/v1/cards/{card}/withdraw", None),
        ("/v1/payments/dry_run", {"card": card, "amount": 1, "currency": "KRW"}),
        ("/v1/disputes", {"payment": payment, "reason": "not_recognised", "statement": "Who?"}),
    ):
        answer = await rest.client.post(path, json=body, headers=headers)
        assert answer.status_code >= 400, path
        answers.append(answer.content)
    return b"\n".join(answers)


def get_routes(rest: RestHouse) -> set[str]:
    """Every address under /v1 that answers GET, also those that somebody adds later."""
    return {
        route.path_format
        for route in rest.app.routes
        if isinstance(route, HTTPRoute) and "GET" in route.methods and "/v1/openapi" not in route.path_format
        if route.path_format.startswith("/v1/")
    }


async def everything_a_holder_can_ask(rest: RestHouse, given: Given) -> bytes:
    """Every answer that a recipient gets."""
    asked = ["", "/payments", "/draws", "/disputes"]
    answers = [
        (await rest.client.get(f"/v1/claims/current{path}", headers=given.holder)).content for path in asked
    ]
    again = await given.draw(rest, amount=1)
    assert again.json()["status"] == "declined"
    return b"\n".join([*answers, again.content])


async def test_ot8_the_givers_bill_shows_the_amount_and_not_where_it_went(rest: RestHouse) -> None:
    given = await a_given_card(rest)
    id_ = (await given.draw(rest)).json()["id"]
    clock = rest.house.clock
    clock.move_to(clock.offset + timedelta(days=32))
    _, token = await rest.house.members.sign_in(given.giver.id, PASSWORD)
    giver = {"Authorization": f"Bearer {token.reveal()}"}

    await rest.app.state.services.issuing.issue_due()
    (bill,) = (await rest.client.get("/v1/bills", headers=giver)).json()["data"]
    lines = await rest.client.get(f"/v1/bills/{bill['id']}/lines", headers=giver)
    csv = await rest.client.get(f"/v1/bills/{bill['id']}/bill.csv", headers=giver)

    assert bill["balance"] == LIMIT
    (line,) = lines.json()["data"]
    assert (line["amount"], line["merchant"], line["merchant_name"]) == (LIMIT, None, None)
    for text in (lines.text, csv.text):
        assert to_text("mer", HOUSE_MERCHANT) not in text
        assert "draw" not in text.lower()
        assert id_ not in text
