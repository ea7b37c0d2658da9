"""Who is told what, when it is tried again, and where nothing is sent."""

import json
import random
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest
from tests.factories.webhooks import DECLINE_CODES, URL, a_due, payment_event

from obverse.authorization.model import Decline
from obverse.doors.rest.declines import FOR_MERCHANTS
from obverse.kit.errors import InvalidRequest
from obverse.kit.events import Event
from obverse.kit.ids import DeliveryId, EndpointId, EventId, MerchantId, to_text, uuid7_source
from obverse.notifications import rules
from obverse.notifications.model import (
    Attempt,
    DeliveryState,
    Endpoint,
    EndpointState,
    Listener,
    News,
    Problem,
    Progress,
)

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
SHOP, OTHER = MerchantId(UUID(int=10)), MerchantId(UUID(int=11))
new_id = uuid7_source(lambda: 1_770_000_000_000, random.Random(1).randbytes)

OK = Attempt(None, 200, 12)
BROKEN = Attempt(Problem.STATUS, 500, 12)
SILENT = Attempt(Problem.TIMEOUT, None, 15_000)
GONE = Attempt(Problem.STATUS, 410, 12)


# Who is told what


def news(type_: str = "authorization.approved", merchant: MerchantId | None = SHOP, txid: int = 100) -> News:
    return News(txid, EventId(new_id()), type_, to_text("mer", merchant) if merchant else None)


def listener(
    merchant: MerchantId | None = None, types: frozenset[str] | None = None, listens_from: int = 100
) -> Listener:
    return Listener(EndpointId(new_id()), to_text("mer", merchant) if merchant else None, types, listens_from)


@pytest.mark.parametrize(
    ("event", "who", "told"),
    [
        pytest.param(news(), listener(), True, id="the platform hears of payments"),
        pytest.param(news("card.issued", None), listener(), True, id="and of everything else"),
        pytest.param(news(), listener(SHOP), True, id="a merchant hears of its own payments"),
        pytest.param(news(), listener(OTHER), False, id="but not of another's"),
        pytest.param(news(merchant=None), listener(SHOP), False, id="nor of those without a merchant"),
        pytest.param(news("card.closed"), listener(SHOP), False, id="nor what merchants are not told"),
        pytest.param(
            news(), listener(types=frozenset({"authorization.approved"})), True, id="a type asked for"
        ),
        pytest.param(news(), listener(types=frozenset({"card.issued"})), False, id="a type not asked for"),
        pytest.param(news(txid=99), listener(listens_from=100), False, id="from before it listened"),
        pytest.param(news(rules.TEST_TYPE), listener(), False, id="a test is for one endpoint only"),
    ],
)
def test_an_event_is_owed_to_those_who_may_and_want_to_hear_it(
    event: News, who: Listener, told: bool
) -> None:
    assert rules.wanted([event], [who]) == ([(event.event_id, who.id)] if told else [])


def test_each_event_is_owed_once_to_each_of_many() -> None:
    events = [news(merchant=SHOP), news(merchant=OTHER), news("card.issued", None)]
    listeners = [listener(), listener(SHOP), listener(SHOP), listener(OTHER)]
    owed = rules.wanted(events, listeners)
    assert len(owed) == len(set(owed)) == 3 + 2 + 1


def test_a_merchant_is_told_what_it_may_know_of_an_approval() -> None:
    event = payment_event(new_id, NOON, SHOP, member="mem_x", holder="secret", captured=5)
    told = rules.told_to_merchant(event, DECLINE_CODES)
    assert "member" not in told
    assert "holder" not in told
    assert (told["card"], told["captured"]) == (event.data["card"], 5)


@pytest.mark.parametrize("decline", list(Decline))
def test_pf_11_a_merchant_is_told_the_generic_reason_of_a_decline_and_no_card(decline: Decline) -> None:
    event = payment_event(new_id, NOON, SHOP, type_="authorization.declined", decline=decline.value)
    told = rules.told_to_merchant(event, DECLINE_CODES)
    assert told["decline"] == FOR_MERCHANTS[decline].code
    assert "card" not in told


def test_p17_every_guess_at_a_number_is_told_alike() -> None:
    guesses = (Decline.UNKNOWN_CARD, Decline.WRONG_DETAILS, Decline.CARD_USED, Decline.CARD_EXPIRED)
    told = []
    for guess in guesses:
        event = payment_event(new_id, NOON, SHOP, type_="authorization.declined", decline=guess.value)
        told.append({**rules.told_to_merchant(event, DECLINE_CODES), "authorization": "auth"})
    assert all(each == told[0] for each in told)


def test_an_operators_endpoint_is_told_everything() -> None:
    event = payment_event(new_id, NOON, SHOP, type_="authorization.declined", decline=Decline.CARD_USED.value)
    assert json.loads(rules.body(a_due(event), DECLINE_CODES))["data"] == event.data


def test_the_body_is_what_the_events_list_shows_and_the_same_at_every_attempt() -> None:
    event = payment_event(new_id, NOON, SHOP)
    first, later = (rules.body(a_due(event, SHOP, attempts), DECLINE_CODES) for attempts in (0, 7))
    assert first == later
    shown = json.loads(first)
    assert list(shown) == ["id", "type", "created", "data"]
    assert (shown["id"], shown["type"]) == (to_text("evt", event.id), "authorization.approved")
    assert shown["created"] == "2026-03-02T12:00:00Z"


# When it is tried again

STANDARD = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400]


def test_a_delivery_is_tried_ten_times_in_three_days_and_then_given_up() -> None:
    event = payment_event(new_id, NOON, SHOP)
    now, waits, attempts = NOON, [], 0
    while (after := rules.after(a_due(event, attempts=attempts), BROKEN, now)).next_at is not None:
        assert after.state is DeliveryState.PENDING
        waits.append(int((after.next_at - now).total_seconds()))
        now, attempts = after.next_at, after.attempts
    assert waits == STANDARD
    assert (after.state, after.attempts) == (DeliveryState.FAILED, 10)
    assert timedelta(days=3) <= now - NOON < timedelta(days=4)


@pytest.mark.parametrize(
    ("attempt", "state"),
    [(OK, "delivered"), (BROKEN, "pending"), (SILENT, "pending"), (GONE, "failed")],
    ids=["2xx", "5xx", "no answer", "410"],
)
def test_what_comes_of_an_attempt(attempt: Attempt, state: str) -> None:
    after = rules.after(a_due(payment_event(new_id, NOON, SHOP)), attempt, NOON)
    assert after.state == state
    assert (after.next_at is None) == (state != "pending")


def progress(endpoint: int, attempt: Attempt, state: DeliveryState) -> Progress:
    return Progress(DeliveryId(new_id()), EndpointId(UUID(int=endpoint)), state, 1, None, attempt)


def test_an_endpoint_is_well_if_anything_got_through() -> None:
    tried = [
        progress(2, BROKEN, DeliveryState.PENDING),
        progress(1, BROKEN, DeliveryState.PENDING),
        progress(1, OK, DeliveryState.DELIVERED),
    ]
    assert rules.reached(tried) == {EndpointId(UUID(int=1)): True, EndpointId(UUID(int=2)): False}


def test_those_that_are_gone_and_those_that_ran_out_of_attempts_are_given_up() -> None:
    tried = [
        progress(1, GONE, DeliveryState.FAILED),
        progress(2, SILENT, DeliveryState.FAILED),
        progress(3, BROKEN, DeliveryState.PENDING),
    ]
    gone, failed = rules.given_up(tried)
    assert (gone, failed) == ([EndpointId(UUID(int=1))], [EndpointId(UUID(int=2))])


# What an endpoint may be


def endpoint(**changes: Any) -> Endpoint:
    made = Endpoint(EndpointId(UUID(int=1)), SHOP, URL, None, "", EndpointState.ENABLED, None, NOON)
    return msgspec.structs.replace(made, **changes)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "shop.example/hooks",
        "http://shop.example/hooks",
        "ftp://shop.example",
        "file:///etc/passwd",
        "https://",
        "https:///hooks",
        "https://user@shop.example/",
        "https://user:password@shop.example/",
        "https://shop.example/#part",
        "https://shop.example:99999/",
        "https://shop.example:port/",
        "https://[::1/",
        "https://shop.example/a b",
        "https://shop.example/\r\nX-Injected: 1",
        "https://sh\u00f6p.example/",
        "https://shop.example/" + "a" * 2_000,
    ],
)
def test_a_url_that_could_not_or_must_not_be_used_is_refused(url: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        rules.check_endpoint(endpoint(url=url), private=False)
    assert refusal.value.param == "url"


def test_plain_http_is_for_the_sandbox() -> None:
    rules.check_url("http://127.0.0.1:8080/hooks", private=True)
    rules.check_url("https://shop.example:8443/hooks?a=b", private=False)


@pytest.mark.parametrize(
    "types",
    [(), ("authorization.approved",) * 2, ("card.issued",), ("authorization.aproved",)],
    ids=["none", "twice", "not for merchants", "misspelt"],
)
def test_a_merchant_asks_for_types_that_it_is_told(types: tuple[str, ...]) -> None:
    with pytest.raises(InvalidRequest):
        rules.check_endpoint(endpoint(event_types=types), private=False)


def test_an_operator_may_ask_for_any_type() -> None:
    rules.check_endpoint(endpoint(merchant_id=None, event_types=("card.issued",)), private=False)


INSIDE = [
    "127.0.0.1",
    "127.8.8.8",
    "0.0.0.0",  # noqa: S104 - an address to be refused
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.0.1",
    "169.254.169.254",
    "100.64.0.1",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "192.0.2.1",
    "198.18.0.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "fe80::1",
    "fe80::1%eth0",
    "fc00::1",
    "fd00:ec2::254",
    "fec0::1",
    "ff02::1",
    "2001:db8::1",
    "2001::1",
    "2002:7f00:1::",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:a00:1",
    "::127.0.0.1",
    "64:ff9b::127.0.0.1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "not an address",
    "",
]


@pytest.mark.parametrize("address", INSIDE)
def test_nothing_is_sent_to_an_address_that_leads_inside(address: str) -> None:
    assert not rules.is_public(address)


@pytest.mark.parametrize(
    "address",
    ["93.184.215.14", "172.32.0.1", "2606:4700::1111", "::ffff:93.184.215.14", "64:ff9b::5db8:d70e"],
)
def test_public_addresses_are_fine(address: str) -> None:
    assert rules.is_public(address)


def test_a_type_that_merchants_are_not_told_has_no_words_for_them() -> None:
    with pytest.raises(KeyError):
        rules.told_to_merchant(Event(EventId(new_id()), "card.issued", new_id(), {}, NOON), DECLINE_CODES)


def test_the_catalogue_lists_every_type_and_field_that_merchants_are_told() -> None:
    page = (Path(__file__).parents[3] / "docs" / "webhooks.md").read_text()
    rows = [line.split("|") for line in page.splitlines() if line.startswith("| `")]
    listed = set()
    for _, types, *_ in rows:
        noun = ""
        for type_ in re.findall(r"`([a-z_]*\.[a-z_]+)`", types):
            noun = type_.partition(".")[0] or noun
            listed.add(f"{noun}.{type_.partition('.')[2]}")
    assert set(rules.TOLD_TO_MERCHANTS) == listed
    fields = {field for fields in rules.TOLD_TO_MERCHANTS.values() for field in fields}
    # Both sides' counts and sums are named as such.
    named = {field for field in fields if not field.startswith(("stated_", "ours_"))}
    assert not {field for field in named if not re.search(rf"\b{field}\b", page)}
