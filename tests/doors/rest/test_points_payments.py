"""Points on a mall's page and in payments over REST: what is shown to whom, picked, given back and told."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import httpx
import pytest
import pytest_asyncio
from tests.factories.points_accounts import QUOTE_LIFETIME, an_accepted_issuer, points_behind
from tests.factories.rest import Member, RestHouse

from obverse.authorization.ports import LegOutcome
from obverse.kit.ids import MerchantId, SourceId, from_text, to_text
from obverse.points import Issuer, Rate
from obverse.points.ports import Trouble

pytestmark = pytest.mark.asyncio(loop_scope="module")

PRICE: Final = 34_000
WON: Final = {"currency": "KRW"}


@dataclass
class Buyer:
    """A member with a number on their linked card, and points of two issuers behind it."""

    member: Member
    card: dict[str, Any]
    face: dict[str, Any]
    miles: SourceId
    stars: SourceId


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def issuers(rest: RestHouse) -> tuple[Issuer, Issuer]:
    """Miles at two for one, and stars at one for ten, at least 100 and in steps of 5."""
    shop = MerchantId(from_text("mer", rest.merchant_id))
    miles = await an_accepted_issuer(rest.points, shop, Rate(2, 1), short_name="MILES")
    steps = Rate(1, 10, minimum_units=100, step_units=5)
    stars = await an_accepted_issuer(rest.points, shop, steps, short_name="STARS", unit="stars")
    return miles, stars


@pytest_asyncio.fixture(loop_scope="module")
async def buyer(rest: RestHouse, issuers: tuple[Issuer, Issuer]) -> Buyer:
    member = await rest.member(linked=True)
    shown = await rest.card(member, controls={"uses": 9})
    card = await rest.house.cards.get(from_text("card", shown["id"]))
    miles, stars = [
        await points_behind(rest.points, rest.points_network, card, issuer, units)
        for issuer, units in zip(issuers, (8_000, 1_003), strict=True)
    ]
    return Buyer(member, shown, await rest.face(member, shown), miles, stars)


async def balances(rest: RestHouse, buyer: Buyer, **body: Any) -> httpx.Response:
    asked = WON | buyer.face | body
    return await rest.client.post("/v1/points_balances", json=asked, headers=rest.merchant)


async def pay(rest: RestHouse, buyer: Buyer, tender: list[dict[str, Any]], **body: Any) -> dict[str, Any]:
    answer = await rest.pay(buyer.face, amount=PRICE, tender=tender, **body)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def seen_by(rest: RestHouse, payment: dict[str, Any], headers: dict[str, str]) -> dict[str, Any]:
    return (await rest.client.get(f"/v1/payments/{payment['id']}", headers=headers)).json()


async def test_a_page_shows_what_points_are_worth_and_picks_them_by_their_numbers(
    rest: RestHouse, buyer: Buyer
) -> None:
    shown = (await balances(rest, buyer, amount=9_000)).json()
    assert shown["status"] == "approved"
    miles = {"number": 1, "issuer": "MILES", "unit": "miles", "units": 8_000, "worth": 4_000, "covers": 4_000}
    stars = {
        "number": 2,
        "issuer": "STARS",
        "unit": "stars",
        "units": 1_003,
        "worth": 10_000,
        "covers": 9_000,
    }
    assert shown["data"] == [
        miles | {"rate": "2", "minimum_units": 1, "step_units": 1, "trouble": None},
        stars | {"rate": "1/10", "minimum_units": 100, "step_units": 5, "trouble": None},
    ]
    picks = [{"number": 1, "amount": None}, {"number": 2, "amount": 5_000}]
    paid = await pay(rest, buyer, picks, quote=shown["quote"])
    assert paid["status"] == "approved", paid
    parts = [(leg["kind"], leg["amount"], leg["units"], leg["rate"]) for leg in paid["legs"]]
    assert parts == [
        ("issuer_points", 4_000, 8_000, "2"),
        ("issuer_points", 5_000, 500, "1/10"),
        ("card", 25_000, None, None),
    ]
    assert [leg["approval_code"] for leg in paid["legs"]] == ["P77001", "P77001", None]


async def test_pf11_a_merchant_sees_no_account_and_the_member_sees_all(rest: RestHouse, buyer: Buyer) -> None:
    paid = await pay(rest, buyer, [{"source": to_text("src", buyer.stars), "amount": 2_000}])
    assert {leg["source"] for leg in paid["legs"]} == {None}
    assert paid["rules"] is None
    told = await seen_by(rest, paid, buyer.member.headers)
    own, linked = told["legs"]
    assert (own["source"], own["units"], own["units_back"]) == (to_text("src", buyer.stars), 200, 0)
    assert (linked["kind"], linked["amount"]) == ("linked_card", 32_000)
    without = (await rest.pay(buyer.face, amount=1_000)).json()
    assert (without["status"], without["legs"]) == ("approved", None)


async def test_pf09_a_dry_run_shows_the_split_in_units_and_moves_nothing(
    rest: RestHouse, buyer: Buyer
) -> None:
    taken = len(rest.points_network.taken)
    asked = {**WON, "card": buyer.card["id"], "amount": PRICE, "merchant": rest.merchant_id}
    tender = [{"number": 1, "amount": 1_001}]
    answer = await rest.client.post(
        "/v1/payments/dry_run", json=asked | {"tender": tender}, headers=buyer.member.headers
    )
    assert answer.json()["status"] == "approved", answer.text
    points, linked = answer.json()["legs"]
    by_miles = {"source": to_text("src", buyer.miles), "kind": "issuer_points", "amount": 1_001}
    by_card = {"source": buyer.card["funding"][0]["source"], "kind": "linked_card", "amount": 32_999}
    assert points == by_miles | {"units": 2_002, "rate": "2"}
    assert linked == by_card | {"units": None, "rate": None}
    assert len(rest.points_network.taken) == taken


@pytest.mark.parametrize(
    ("tender", "body", "told", "exact"),
    [
        ([{"number": 3}], {}, "tender_invalid", "tender_invalid"),
        ([{"number": 1, "amount": PRICE + 1}], {}, "tender_too_large", "tender_too_large"),
        ([{"number": 2, "amount": 500}], {}, "points_not_approved", "points_below_minimum"),
        ([{"number": 1, "amount": 4_001}], {}, "points_not_approved", "insufficient_points"),
        ([{"number": 1, "amount": 100}], {"quote": "AAAABBBBCCCC"}, "quote_expired", "quote_expired"),
        ([{"source": "src_01h455vb4pex5vsknk084sn02q"}], {}, "tender_invalid", "tender_invalid"),
    ],
    ids=["no such account", "more than the price", "below the minimum", "more than there is", "no such quote",
         "somebody else's account"],
)  # fmt: skip
async def test_a_pick_that_cannot_be_paid_is_declined_with_its_reason(
    rest: RestHouse, buyer: Buyer, tender: list[dict[str, Any]], body: dict[str, Any], told: str, exact: str
) -> None:
    refused = await pay(rest, buyer, tender, **body)
    assert (refused["status"], refused["decline"]["code"]) == ("declined", told)
    assert (await seen_by(rest, refused, buyer.member.headers))["decline"]["code"] == exact


@pytest.mark.parametrize(
    "change", [{"tender": [{"number": 1, "amount": 101}]}, {"tender": []}, {"quote": "AAAABBBBCCCC"}]
)
async def test_p06_another_pick_under_the_same_key_is_another_request(
    rest: RestHouse, buyer: Buyer, change: dict[str, Any]
) -> None:
    body: dict[str, Any] = {"amount": PRICE, "tender": [{"number": 1, "amount": 100}]}
    key = f"{buyer.card['id']} {change}"
    first = await rest.pay(buyer.face, key=key, **body)
    again = await rest.pay(buyer.face, key=key, **body)
    other = await rest.pay(buyer.face, key=key, **body | change)
    assert (first.json()["status"], again.content) == ("approved", first.content)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


async def test_pr02_a_card_that_nobody_has_registered_is_told_apart_from_one_without_points(
    rest: RestHouse, buyer: Buyer
) -> None:
    stranger = (await balances(rest, buyer, card_number="9530109999999991")).json()
    assert stranger["decline"]["code"] == "card_not_registered"
    bare = await rest.card(buyer.member)
    asked = WON | await rest.face(buyer.member, bare)
    shown = await rest.client.post("/v1/points_balances", json=asked, headers=rest.merchant)
    assert (shown.json()["status"], shown.json()["data"]) == ("approved", [])


async def test_a_quote_whose_time_is_over_is_declined_and_a_balance_that_shrank_too(
    rest: RestHouse, buyer: Buyer
) -> None:
    shown = (await balances(rest, buyer)).json()
    rest.house.clock.move_to(rest.house.clock.offset + QUOTE_LIFETIME + timedelta(seconds=1))
    late = await pay(rest, buyer, [{"number": 1}], quote=shown["quote"])
    assert late["decline"]["code"] == "quote_expired"
    quote = (await balances(rest, buyer)).json()["quote"]
    rest.points_network.units[buyer.miles] = 2_000
    shrunk = await pay(rest, buyer, [{"number": 1, "amount": 1_001}], quote=quote)
    assert shrunk["decline"]["code"] == "points_not_approved"
    seen = await seen_by(rest, shrunk, buyer.member.headers)
    assert seen["decline"]["code"] == "insufficient_points"


@pytest.mark.parametrize(
    ("outcome", "told", "exact"),
    [(LegOutcome.DECLINED, "not_approved", "points_issuer_declined"),
     (LegOutcome.UNREACHABLE, "try_again_later", "points_issuer_unavailable"),
     (LegOutcome.NO_ANSWER, "try_again_later", "points_issuer_late")],
)  # fmt: skip
async def test_p09_where_an_issuer_does_not_approve_no_card_is_asked(
    rest: RestHouse,
    buyer: Buyer,
    outcome: LegOutcome,
    told: str,
    exact: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rest.points_network, "outcome", outcome)
    asked = len(rest.card_company.asked)
    refused = await pay(rest, buyer, [{"number": 1, "amount": 100}])
    assert (refused["status"], refused["decline"]["code"]) == ("declined", told)
    assert (await seen_by(rest, refused, buyer.member.headers))["decline"]["code"] == exact
    assert len(rest.card_company.asked) == asked


async def test_an_issuer_that_is_down_costs_its_own_row_only(rest: RestHouse, buyer: Buyer) -> None:
    rest.points_network.trouble[buyer.miles] = Trouble.SLOW
    shown = (await balances(rest, buyer)).json()
    assert [(row["number"], row["units"], row["trouble"]) for row in shown["data"]] == [
        (1, None, "slow"),
        (2, 1_003, None),
    ]


async def test_balances_are_told_to_nobody_who_cannot_pay_with_the_card(
    rest: RestHouse, buyer: Buyer
) -> None:
    wrong = (await balances(rest, buyer, cvv="000" if buyer.face["cvv"] != "000" else "001")).json()
    assert (wrong["status"], wrong["decline"]["code"]) == ("declined", "card_not_accepted")
    assert (wrong["data"], wrong["quote"]) == ([], None)
    bare = await rest.client.post("/v1/points_balances", json=WON, headers=rest.merchant)
    assert (bare.status_code, bare.json()["param"]) == (400, "card_number")


async def test_what_is_given_back_comes_back_in_units_and_is_told_and_sent_to_the_issuer(
    rest: RestHouse, buyer: Buyer
) -> None:
    paid = await pay(rest, buyer, [{"number": 1, "amount": 3_001}], capture=True)
    path = f"/v1/payments/{paid['id']}/refund"
    for amount in (20_000, None):
        body = {"amount": amount} if amount else {}
        refunded = await rest.client.post(path, json=body, headers=rest.merchant)
        assert refunded.status_code == 200, refunded.text
    leg = refunded.json()["legs"][0]
    assert (leg["units"], leg["units_back"]) == (6_002, 6_002)

    history = f"/v1/history?card={buyer.card['id']}"
    entries = (await rest.client.get(history, headers=buyer.member.headers)).json()["data"]
    units = [entry["units"] for entry in reversed(entries) if entry["paid_by"] == "issuer_points"]
    assert units[0] == -6_002
    assert sum(units) == 0
    assert {entry["units"] for entry in entries if entry["paid_by"] != "issuer_points"} == {None}

    path = "/v1/points_messages?state=pending&limit=100"
    messages = (await rest.client.get(path, headers=rest.operator)).json()["data"]
    own = [message for message in messages if message["payment"] == paid["id"]]
    assert {message["state"] for message in own} == {"pending"}
    given_back = sum(message["units"] for message in own if message["kind"] == "give_back")
    assert given_back == 6_002
    assert (own[-1]["kind"], own[-1]["units"], own[-1]["tries"], own[-1]["done"]) == (
        "confirm",
        None,
        0,
        None,
    )
    done = (await rest.client.get("/v1/points_messages?state=done", headers=rest.operator)).json()
    assert done["data"] == []
