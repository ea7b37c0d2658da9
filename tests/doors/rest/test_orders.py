"""Orders through the REST door: anybody may buy, only the order's token shows it (PP-1 to PP-3)."""

from itertools import count
from typing import Any

import httpx
import pytest
from tests.factories.canaries import search
from tests.factories.programmes import a_programme
from tests.factories.rest import RestHouse, card_fields
from tests.factories.wallet import card_details

from obverse.kit.ids import to_text

pytestmark = pytest.mark.asyncio(loop_scope="module")
BUYER = {"name": "Canary Buyer", "phone": "010-1234-5678", "mail": "canary-buyer@example.com"}
GIFT = {
    "mail": "canary-friend@example.com",
    "sender": "A friend",
    "design": "birthday",
    "message": "For you",
}
TRANSFER = {"means": "bank_transfer"}
CURRENT = "/v1/orders/current"
_keys = count(1)


def by_card() -> dict[str, Any]:
    return {"means": "card", "card": card_fields(card_details())}


async def a_line(rest: RestHouse, denomination: int = 5_000, number: int = 1, **line: Any) -> dict[str, Any]:
    programme = await a_programme(rest.house)
    return {
        "programme": to_text("prog", programme.id),
        "denomination": denomination,
        "count": number,
        **line,
    }


async def order(
    rest: RestHouse, *lines: dict[str, Any], key: str | None = None, **changes: Any
) -> httpx.Response:
    body = {"buyer": BUYER, "lines": lines, "payment": by_card(), "language": "en", **changes}
    headers = {"Idempotency-Key": key or f"a key {next(_keys)}"}
    # One address may try thirty times an hour, and tests share one.
    async with rest.house.database.transaction() as conn:
        await conn.execute("delete from order_attempts")
    return await rest.client.post("/v1/orders", json=body, headers=headers)


async def bought(rest: RestHouse, *lines: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """An allocated order and the headers of its buyer."""
    answer = await order(rest, *lines)
    assert answer.status_code == 201, answer.text
    await rest.allocation.allocate()
    buyer = {"Authorization": f"Bearer {answer.json()['token']}"}
    return (await rest.client.get(CURRENT, headers=buyer)).json(), buyer


async def test_pp1_anybody_gets_a_quote_and_a_line_that_cannot_be_is_named(rest: RestHouse) -> None:
    line = await a_line(rest, 5_000, 3)

    quoted = await rest.client.post("/v1/orders/quote", json={"lines": [line]})
    assert (quoted.status_code, quoted.json()["total"], quoted.json()["pieces"]) == (200, 15_000, 3)
    for wrong, param in (
        ({"count": 0}, "lines[1].count"),
        ({"count": 100}, "lines[1].count"),
        ({"denomination": 7_000}, "lines[1].denomination"),
        ({"programme": "prog_01h455vb4pex5vsknk084sn02q"}, "lines[1].programme"),
    ):
        refused = await rest.client.post("/v1/orders/quote", json={"lines": [line, line | wrong]})
        assert refused.status_code in (400, 422), refused.text
        assert refused.json()["param"] == param


async def test_pp2_an_order_is_paid_followed_and_its_cards_are_revealed_and_set_up(rest: RestHouse) -> None:
    placed, buyer = await bought(rest, await a_line(rest, 5_000, 2))

    assert (placed["status"], placed["done"], placed["token"]) == ("allocated", 2, None)
    pieces = (await rest.client.get(f"{CURRENT}/pieces?limit=1", headers=buyer)).json()
    assert (pieces["has_more"], pieces["next_cursor"]) == (True, "1")
    revealed = await rest.client.post(f"{CURRENT}/reveal", headers=buyer)
    assert revealed.headers["cache-control"] == "no-store"
    first, second = revealed.json()["cards"]
    assert first["number"][-4:] == pieces["data"][0]["card"]["number"][-4:]
    assert search(str(pieces).encode(), {"number": first["number"]}) == []
    pin = {"pin": "482913", "pin_again": "482913", "pin_hint": "the usual"}
    own = await rest.client.post(f"{CURRENT}/pieces/1/set_up", json=pin, headers=buyer)
    assert own.json()["piece"]["state"] == "set_up"
    holder = {"Authorization": f"Bearer {own.json()['holder_token']}"}
    assert (await rest.client.get("/v1/claims/current", headers=holder)).json()["state"] == "active"
    again = (await rest.client.post(f"{CURRENT}/reveal", headers=buyer)).json()["cards"]
    assert [card["pin"] for card in again] == [None, second["pin"]]


async def test_pp2_a_bank_transfer_is_told_where_to_go(rest: RestHouse) -> None:
    answer = (await order(rest, await a_line(rest), payment=TRANSFER)).json()
    buyer = {"Authorization": f"Bearer {answer['token']}"}

    assert answer["status"] == "unpaid"
    assert answer["payment"]["pay_to"]["reference"].startswith("OBV-O-")
    assert answer["payment"]["pay_to"]["number"] == "100200300400"
    for path, body in (("reveal", None), ("pieces/1/set_up", {"pin": "482913", "pin_again": "482913"})):
        early = await rest.client.post(f"{CURRENT}/{path}", json=body, headers=buyer)
        assert (early.status_code, early.json()["code"]) == (409, "order_not_open")
    cancelled = await rest.client.post(f"{CURRENT}/cancel", json={}, headers=buyer)
    assert (cancelled.json()["status"], cancelled.json()["payment"]["pay_to"]) == ("cancelled", None)


async def test_p06_the_same_key_gets_the_same_answer_and_another_body_is_refused(rest: RestHouse) -> None:
    line, payment = await a_line(rest), by_card()

    first = await order(rest, line, key="once", payment=payment)
    again = await order(rest, line, key="once", payment=payment)
    other = await order(rest, line, key="once", payment=payment, language="ko")

    assert again.json() == first.json()
    assert again.headers["idempotency-hit"] == "true"
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


async def test_pp8_an_order_is_not_paid_with_one_of_our_own_numbers(rest: RestHouse) -> None:
    _, buyer = await bought(rest, await a_line(rest))
    (card,) = (await rest.client.post(f"{CURRENT}/reveal", headers=buyer)).json()["cards"]
    own = by_card()["card"] | {"card_number": card["number"]}

    answer = await order(rest, await a_line(rest), payment={"means": "card", "card": own})

    assert (answer.status_code, answer.json()["param"]) == (400, "payment.card.card_number")
    assert card["number"] not in answer.text


async def test_pp3_a_card_is_given_not_sent_twice_in_a_minute_and_taken_back(
    rest: RestHouse,
) -> None:
    _, buyer = await bought(rest, await a_line(rest, 10_000), await a_line(rest, 20_000))
    gift = f"{CURRENT}/pieces/2/gift"

    given = await rest.client.put(gift, json=GIFT, headers=buyer)
    assert (given.json()["state"], given.json()["gift"]["mail"]) == ("given", GIFT["mail"])
    assert (await rest.client.put(gift, json=GIFT, headers=buyer)).json() == given.json()
    soon = await rest.client.post(f"{gift}/resend", headers=buyer)
    assert (soon.status_code, soon.json()["code"]) == (429, "gift_sent_just_now")
    withdrawn = await rest.client.post(f"{gift}/withdraw", headers=buyer)
    assert (withdrawn.json()["state"], withdrawn.json()["card"]["state"]) == ("cancelled", "closed")
    assert (await rest.client.get(CURRENT, headers=buyer)).json()["back"] == 20_000
    late = await rest.client.post(f"{gift}/resend", headers=buyer)
    assert (late.status_code, late.json()["code"]) == (409, "piece_not_open")


async def test_every_wrong_line_of_a_list_is_named_and_a_right_list_is_taken(rest: RestHouse) -> None:
    line = await a_line(rest)
    body = {
        "buyer": BUYER,
        "sender": "A Company",
        "programme": line["programme"],
        "payment": by_card(),
        "file": "mail,amount\na@example.com,5000\nnowhere,5000\nb@example.com,1\n",
    }

    refused = await rest.client.post("/v1/bulk_orders", json=body)
    taken = await rest.client.post(
        "/v1/bulk_orders", json=body | {"file": "mail,amount\na@example.com,5000\n"}
    )

    assert (refused.status_code, refused.json()["code"]) == (422, "bulk_file_refused")
    assert [(each["line"], each["column"]) for each in refused.json()["lines"]] == [
        (3, "mail"),
        (4, "amount"),
    ]
    assert (taken.status_code, taken.json()["kind"], taken.json()["total"]) == (201, "bulk", 5_000)


async def test_p12_buyers_see_their_own_orders_and_operators_no_buyers(rest: RestHouse) -> None:
    placed, buyer = await bought(rest, await a_line(rest, gift=GIFT))
    _, stranger = await bought(rest, await a_line(rest))

    seen = await rest.client.get(CURRENT, headers=stranger)
    assert seen.json()["id"] != placed["id"]
    assert (await rest.client.get(f"/v1/orders/{placed['id']}", headers=stranger)).status_code == 401
    own = await rest.client.get(f"{CURRENT}/pieces/1", headers=buyer)
    assert own.json()["gift"]["mail"] == GIFT["mail"]
    missing = await rest.client.get(f"{CURRENT}/pieces/2", headers=buyer)
    assert (missing.status_code, missing.json()["code"]) == (404, "piece_not_found")
    for path in (f"/v1/orders/{placed['id']}", "/v1/orders?status=allocated"):
        told = await rest.client.get(path, headers=rest.operator)
        assert told.status_code == 200, told.text
        assert placed["id"] in told.text
        assert "anary" not in told.text
