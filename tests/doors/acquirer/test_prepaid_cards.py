"""A till with a pad in front of the real engine: prepaid cards from the swipe to the ledger (WA-9, WA-10)."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pytest
from msgspec.structs import replace
from tests.factories.iso8583 import PIN_KEY, PIN_KEY_AES
from tests.factories.merchants import a_merchant
from tests.factories.rest import RestHouse, open_rest_house
from tests.factories.stored_value import a_prepaid_card, available

from obverse.authorization.errors import AlreadyCaptured
from obverse.cards import Card, CardFace, CardState
from obverse.clearing.claims import Outcome, Reason
from obverse.doors.acquirer import AcquirerDoor
from obverse.kit.clock import Clock
from obverse.kit.database import Database
from obverse.kit.ids import CardBatchId, NewId
from obverse.kit.paging import PageRequest
from obverse.kit.secret import Secret
from obverse.merchants import Merchant, Terms
from obverse.networks.iso8583.pin_blocks import PinKeys
from obverse.sandbox.link import Link
from obverse.sandbox.terminal import PARTLY, CardEntry, PinPad, Shop, Till
from obverse.sandbox.terminal.messages import DEPOSIT, report

TERMS = Terms(accepts=frozenset({"one_time", "prepaid", "gift"}))
PIN = Secret("4829")


@dataclass
class Counter:
    """A till at our door, and the house behind it."""

    rest: RestHouse
    door: AcquirerDoor
    till: Till
    agents: Till

    async def card(self, **wish: Any) -> tuple[Card, CardFace]:
        card, face, _ = await a_prepaid_card(self.rest.house, pin=PIN.reveal(), **wish)
        return card, face

    async def left(self, card: Card) -> int:
        return await available(self.rest.house, card)


def a_till(merchant: Merchant, port: int, clock: Clock, *, aes: bool = False) -> Till:
    shop = Shop(merchant.acquirer_id, merchant.merchant_no, merchant.terminals[0], merchant.name)
    return Till("127.0.0.1", port, shop, clock=clock, rng=Random(3), pad=PinPad(aes=aes))


@pytest.fixture
async def counter(
    database: Database, tmp_path: Path, clock: Clock, new_id: NewId, random_bytes: Callable[[int], bytes]
) -> AsyncIterator[Counter]:
    async with open_rest_house(database, tmp_path, clock, new_id, random_bytes) as rest:
        keys = PinKeys(Secret(PIN_KEY), Secret(PIN_KEY_AES))
        merchants = rest.house.merchants
        door = AcquirerDoor(rest.engine, rest.claims.service, merchants, now=clock.now, pin_keys=keys)
        await door.start("127.0.0.1", 0)
        shop = await a_merchant(merchants, terms=TERMS)
        agent = await a_merchant(merchants, terms=replace(TERMS, is_agent=True))
        async with (
            a_till(shop, door.port, clock) as till,
            a_till(agent, door.port, clock, aes=True) as agents,
        ):
            yield Counter(rest, door, till, agents)
        await door.stop(grace_s=1)


async def test_wa10_a_swiped_card_pays_with_its_pin_and_tells_its_balance(counter: Counter) -> None:
    card, face = await counter.card(balance_minor=50_000)
    pay = {"entry": "swipe", "pin": PIN}
    paid = await counter.till.purchase(face.number, face.expiry, None, 20_000, **pay)
    assert paid.approved
    again = await counter.till.repeat()
    assert (again.response_code, again.approval_code) == ("00", paid.approval_code)
    told = await counter.till.inquire(CardEntry(face.number, face.expiry, pin=PIN))
    assert (told.response_code, told.balance_minor) == ("00", 30_000)
    part = await counter.till.purchase(face.number, face.expiry, None, 40_000, partial=True, **pay)
    assert (part.response_code, part.amount_minor, part.balance_minor) == (PARTLY, 30_000, 0)
    assert (await counter.till.reverse()).approved
    assert await counter.left(card) == 30_000
    assert (await counter.till.purchase(face.number, face.expiry, None, 40_000, **pay)).response_code == "51"


async def test_wrong_pins_are_counted_at_the_till_until_the_card_says_no(counter: Counter) -> None:
    card, face = await counter.card()
    tries = [
        await counter.till.purchase(
            face.number, face.expiry, None, 100, entry="swipe", pin=Secret(f"000{guess}")
        )
        for guess in range(5)
    ]
    assert [answer.response_code for answer in tries] == ["55"] * 5
    late = await counter.till.purchase(face.number, face.expiry, None, 100, entry="swipe", pin=PIN)
    assert late.response_code == "75"
    assert await counter.left(card) == 50_000


async def test_pp4_an_agents_card_is_sold_charged_and_taken_back(counter: Counter) -> None:
    card, face = await counter.card(
        balance_minor=0,
        state=CardState.INACTIVE,
        batch_id=CardBatchId(counter.rest.house.new_id()),
        face_value_minor=50_000,
    )
    entry = CardEntry(face.number, face.expiry)
    swiped = {"entry": "swipe", "pin": PIN}
    unsold = await counter.till.purchase(face.number, face.expiry, None, 100, **swiped)
    assert unsold.response_code == "78"
    assert (await counter.till.activate(entry, 50_000)).response_code == "58", "no agent"
    assert (await counter.agents.activate(entry, 10_000)).response_code == "57", "another price"
    sold = await counter.agents.activate(entry, 50_000)
    assert (sold.response_code, sold.balance_minor) == ("00", 50_000)
    assert (await counter.agents.activate(entry, 50_000)).response_code == "57", "sold already"
    assert (await counter.agents.deposit(entry, 15_000)).response_code == "13"
    loaded = await counter.agents.deposit(entry, 20_000)
    assert (loaded.response_code, loaded.balance_minor) == ("00", 70_000)
    again = await counter.agents.repeat()
    assert (again.approval_code, again.balance_minor) == (loaded.approval_code, 70_000)
    assert await counter.left(card) == 70_000
    assert (await counter.agents.reverse(loaded, advice=True)).approved
    assert await counter.left(card) == 50_000
    repeat = await counter.agents.repeat()
    assert repeat.response_code == "21"
    asked = await counter.agents.inquire(CardEntry(face.number, face.expiry, pin=PIN))
    assert asked.balance_minor == 50_000


async def test_p08_cash_that_was_taken_back_before_it_came_never_comes(counter: Counter) -> None:
    card, face = await counter.card(balance_minor=0)
    deposit = counter.agents._request(
        CardEntry(face.number, face.expiry), 10_000, "swipe", capture=True, code=DEPOSIT
    )
    counter.agents._last = deposit
    assert (await counter.agents.reverse(advice=True)).approved
    assert (await counter.agents.repeat()).response_code == "21"
    assert await counter.left(card) == 0


async def test_wa9_what_the_van_has_decided_is_taken_and_what_is_missing_waits_for_an_operator(
    counter: Counter,
) -> None:
    card, face = await counter.card(balance_minor=20_000)
    line = Link("127.0.0.1", counter.door.port)
    requests = [
        counter.till._request(CardEntry(face.number, None, pin=PIN), amount, "typed")
        for amount in (15_000, 12_000)
    ]
    advices = [report(request, f"VAN00{n}") for n, request in enumerate(requests)]
    first = [await line.ask(advices[0] | {"t": mti}, 5) for mti in ("0220", "0221")]
    assert [(answer["t"], answer["39"]) for answer in first] == [("0230", "00")] * 2
    assert await counter.left(card) == 5_000
    short = [await line.ask(advices[1] | {"t": mti}, 5) for mti in ("0220", "0221")]
    assert [(answer["t"], answer["39"]) for answer in short] == [("0230", "00")] * 2
    assert await counter.left(card) == 0

    payments = (await counter.rest.engine.list(PageRequest(10), card_id=card.id)).items
    assert [(p.reported, p.approval_code, p.captured_minor) for p in payments] == [
        (True, "VAN001", 5_000),
        (True, "VAN000", 15_000),
    ]
    (waiting,) = (await counter.rest.claims.service.exceptions(PageRequest(10))).items
    assert (waiting.outcome, waiting.reason) == (Outcome.EXCEPTION, Reason.NOT_COVERED)
    assert (waiting.amount_minor, waiting.approval_code) == (7_000, "VAN001")
    assert waiting.authorization_id == payments[0].id
    said = {"actor": "key_1", "reason": "the VAN has paid the shop"}
    with pytest.raises(AlreadyCaptured):
        await counter.rest.claims.service.pay(waiting.id, **said)
    ended = await counter.rest.claims.service.refuse(waiting.id, **said)
    assert (ended.outcome, ended.reason) == (Outcome.REFUSED, Reason.REFUSED_BY_OPERATOR)

    assert (await line.ask(requests[0], 5))["39"] == "94", "it reached us after all: not paid twice"
    counter.till._last = requests[0]
    assert (await counter.till.reverse()).approved
    assert await counter.left(card) == 15_000
    await line.close()
