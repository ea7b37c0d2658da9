"""What the engine decides over cards with balances of their own: lots, PINs, partial approvals, loads."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from msgspec.structs import replace
from tests.factories.authorization import a_card, a_merchant, a_request, makers
from tests.factories.ledger import NOON, P0, an_account

from obverse.authorization.batch import Batch
from obverse.authorization.commands import Authorize, Capture, Refund, Release, Reverse
from obverse.authorization.errors import LoadSpent, NotRefundable
from obverse.authorization.inputs import Loaded
from obverse.authorization.model import (
    ActionKind,
    Authorization,
    AuthorizationRequest,
    Decline,
    Entry,
    Purpose,
    Rule,
    Status,
)
from obverse.cards.model import Card, CardKind, CardState, Controls, Service, SpentOn
from obverse.kit.errors import ObverseError
from obverse.kit.ids import AuthorizationId, CardBatchId, ProgrammeId, SourceId
from obverse.kit.money import KRW
from obverse.ledger import Account
from obverse.merchants.model import Merchant
from obverse.programmes.model import Programme, ProgrammeState
from obverse.wallet.model import Lot, LotKind, Source, SourceKind, SourceState

TAKES_ALL = frozenset({"one_time", "prepaid", "gift"})
SHOP = a_merchant(accepts=TAKES_ALL)
AGENT = a_merchant("Kiosk", "6540", is_agent=True, accepts=TAKES_ALL)
PIN = b"the right hash"
PROGRAMME = Programme(
    id=ProgrammeId(uuid4()),
    name="Coin",
    state=ProgrammeState.ACTIVE,
    currency=KRW,
    denominations=(10_000,),
    charge_unit_minor=10_000,
    ceiling_minor=100_000,
    validity_months=12,
    services=None,
    categories=None,
    merchants=None,
    giftable=True,
    refundable=True,
    physical=True,
    created_at=NOON,
)


@dataclass
class Purse:
    """A prepaid card, its balance, and the lots that it is made of."""

    balance: Source
    card: Card
    lots: list[Lot] = field(default_factory=list)
    accounts: list[Account] = field(default_factory=list)

    def batch(self) -> Batch:
        loaded = Loaded(
            cards={self.card.number_hash: self.card},
            sources={self.balance.id: self.balance},
            lots={self.balance.id: self.lots},
            programmes={PROGRAMME.id: PROGRAMME},
            accounts=self.accounts,
        )
        return Batch(P0, loaded, now=NOON, makers=makers())

    def ask(self, request: AuthorizationRequest, **changes: Any) -> Authorize:
        return Authorize(
            id=AuthorizationId(uuid4()),
            request=request,
            **{"number_hashes": [self.card.number_hash], "cvv_ok": True, "fingerprint": b"", "pin_hash": None}
            | changes,
        )


def a_purse(*amounts: int, **card: Any) -> Purse:
    """A card with one lot for each amount, the first of which ends first."""
    source = Source(
        SourceId(uuid4()), P0, None, SourceKind.STORED_BALANCE, KRW, None, None, SourceState.ACTIVE, NOON
    )
    accounts = [an_account(credits_posted_minor=amount) for amount in amounts]
    lots = [
        Lot(account.id, P0, source.id, LotKind.BOUGHT, KRW, NOON + timedelta(days=30 * at))
        for at, account in enumerate(accounts, 1)
    ]
    changes: dict[str, Any] = {
        "kind": CardKind.PREPAID,
        "programme_id": PROGRAMME.id,
        "pin_hash": PIN,
        "controls": Controls(spent_on=SpentOn.NEVER),
    }
    stored = replace(a_card(source), **changes | card)
    return Purse(source, stored, lots, accounts)


def paid(answer: Authorization | ObverseError) -> Authorization:
    assert isinstance(answer, Authorization), answer
    return answer


def test_what_ends_first_is_spent_first_and_each_lot_is_a_leg_of_its_own() -> None:
    purse = a_purse(4_000, 10_000)
    batch = purse.batch()
    payment = paid(batch.decide(purse.ask(a_request(6_000, SHOP))))
    assert [(leg.debit_account_id, leg.amount_minor) for leg in payment.legs] == [
        (purse.lots[0].account_id, 4_000),
        (purse.lots[1].account_id, 2_000),
    ]
    assert payment.balance_minor == 8_000


def test_p16_a_refund_in_parts_goes_back_to_the_lots_it_came_from() -> None:
    purse = a_purse(4_000, 10_000)
    batch = purse.batch()
    payment = paid(batch.decide(purse.ask(a_request(6_000, SHOP, capture=True))))
    first = paid(batch.decide(Refund(payment.id, 3_000, "one")))
    assert [leg.refunded_minor for leg in first.legs] == [1_000, 2_000]
    paid(batch.decide(Refund(payment.id, None, "two")))
    assert [batch.books.available_minor(lot.account_id) for lot in purse.lots] == [4_000, 10_000]


def test_p04_twenty_withdrawals_of_one_batch_on_funds_for_ten_are_exactly_ten() -> None:
    purse = a_purse(3_000, 7_000)
    batch = purse.batch()
    answers = [paid(batch.decide(purse.ask(a_request(1_000, SHOP)))) for _ in range(20)]
    assert [a.status for a in answers].count(Status.APPROVED) == 10
    assert answers[-1].decline is Decline.INSUFFICIENT_FUNDS


def test_a_terminal_that_can_gets_what_there_is() -> None:
    purse = a_purse(4_000, 1_000)
    batch = purse.batch()
    payment = paid(batch.decide(purse.ask(replace(a_request(8_000, SHOP), partial=True))))
    assert (payment.amount.amount_minor, payment.requested_minor, payment.balance_minor) == (5_000, 8_000, 0)
    again = paid(batch.decide(purse.ask(replace(a_request(1, SHOP), partial=True))))
    assert again.decline is Decline.INSUFFICIENT_FUNDS
    released = paid(batch.decide(Release(payment.id, None, "gone")))
    assert released.status is Status.REVERSED
    assert batch.books.available_minor(purse.lots[0].account_id) == 4_000


@dataclass(frozen=True)
class Row:
    card: dict[str, Any] = field(default_factory=dict)
    merchant: Merchant = SHOP
    request: dict[str, Any] = field(default_factory=dict)
    asked: dict[str, Any] = field(default_factory=dict)
    decline: Decline | None = None


BY_PIN: dict[str, Any] = {"cvv_ok": None, "pin_hash": PIN}
NO_EXPIRY = {"expiry": None, "cvv": None}
TABLE = {
    "with the CVV": Row(),
    "with the PIN alone": Row(request=NO_EXPIRY, asked=BY_PIN),
    "with neither": Row(asked={"cvv_ok": None}, decline=Decline.WRONG_DETAILS),
    "a wrong PIN": Row(asked=BY_PIN | {"pin_hash": b"?"}, decline=Decline.WRONG_PIN),
    "a wrong PIN though the CVV is right": Row(asked={"pin_hash": b"?"}, decline=Decline.WRONG_PIN),
    "the right PIN and a wrong CVV": Row(asked=BY_PIN | {"cvv_ok": False}, decline=Decline.WRONG_DETAILS),
    "the right PIN and a wrong expiry": Row(
        request={"expiry": "0101"}, asked=BY_PIN, decline=Decline.WRONG_DETAILS
    ),
    "a PIN where none is set": Row(card={"pin_hash": None}, asked=BY_PIN, decline=Decline.WRONG_PIN),
    "a card that is locked": Row(card={"pin_failures": 5}, asked=BY_PIN, decline=Decline.PIN_LOCKED),
    "a form that names somebody else": Row(request={"holder_matches": False}, decline=Decline.WRONG_DETAILS),
    "a form that fits": Row(request={"holder_matches": True}),
    "not set up yet": Row(card={"state": CardState.INACTIVE}, decline=Decline.CARD_INACTIVE),
    "expired": Row(card={"expires_at": NOON}, decline=Decline.CARD_EXPIRED),
    "by a meter, with the PIN": Row(request=NO_EXPIRY | {"entry": Entry.METERED}, asked=BY_PIN),
    "by a meter, with nothing": Row(
        request={"entry": Entry.METERED}, asked={"cvv_ok": None}, decline=Decline.WRONG_DETAILS
    ),
    "for calls only, at a bookshop": Row(
        card={"controls": Controls(spent_on=SpentOn.NEVER, services=(Service.CALLS,))},
        decline=Decline.WRONG_SERVICE,
    ),
    "for calls only, at a telephone company": Row(
        card={"controls": Controls(spent_on=SpentOn.NEVER, services=(Service.CALLS,))},
        merchant=a_merchant(category="4814", accepts=TAKES_ALL),
    ),
    "for other shops": Row(
        card={"controls": Controls(spent_on=SpentOn.NEVER, merchants=(AGENT.id,))},
        decline=Decline.WRONG_MERCHANT,
    ),
    "where only one-time numbers are taken": Row(merchant=a_merchant(), decline=Decline.NOT_ACCEPTED_HERE),
    "PP-8, buying stored value": Row(merchant=AGENT, decline=Decline.STORED_VALUE_NOT_ALLOWED),
    "P1, a report about a number of one use that was used": Row(
        card={"uses_left": 0, "controls": Controls()},
        request={"reported": True},
        decline=Decline.CARD_USED,
    ),
    "a report of what was decided elsewhere, whatever the rules say": Row(
        card={"state": CardState.SUSPENDED, "expires_at": NOON},
        request=NO_EXPIRY | {"reported": True},
        asked={"cvv_ok": None},
    ),
}


@pytest.mark.parametrize("row", TABLE.values(), ids=TABLE)
def test_a_prepaid_card_is_decided_by_all_its_rules(row: Row) -> None:
    purse = a_purse(10_000, **row.card)
    request = replace(a_request(4_000, row.merchant), **row.request)
    answer = paid(purse.batch().decide(purse.ask(request, **row.asked)))
    assert answer.decline is row.decline


def test_p17_a_guessed_pin_locks_the_card_even_for_the_right_one() -> None:
    purse = a_purse(10_000)
    batch = purse.batch()
    guesses = [
        paid(batch.decide(purse.ask(a_request(1_000, SHOP), cvv_ok=None, pin_hash=bytes([guess]))))
        for guess in range(7)
    ]
    assert [g.decline for g in guesses] == [Decline.WRONG_PIN] * 5 + [Decline.PIN_LOCKED] * 2
    right = paid(batch.decide(purse.ask(a_request(1_000, SHOP), **BY_PIN)))
    assert right.decline is Decline.PIN_LOCKED
    assert [use.pin_failures for use in batch.card_uses()] == [5]


def test_a_right_pin_forgets_the_wrong_ones_before_it() -> None:
    purse = a_purse(10_000, pin_failures=4)
    batch = purse.batch()
    paid(batch.decide(purse.ask(a_request(1_000, SHOP), **BY_PIN)))
    assert [use.pin_failures for use in batch.card_uses()] == [0]


def test_an_inquiry_tells_the_balance_and_moves_nothing() -> None:
    purse = a_purse(4_000, 10_000)
    batch = purse.batch()
    asked = replace(a_request(0, SHOP), purpose=Purpose.INQUIRY)
    answer = paid(batch.decide(purse.ask(asked)))
    assert (answer.status, answer.balance_minor, batch.books.journal) == (Status.APPROVED, 14_000, [])


# loads -----------------------------------------------------------------------------------------------------


def a_load(amount_minor: int, merchant: Merchant = AGENT, **changes: Any) -> AuthorizationRequest:
    request = a_request(amount_minor, merchant, entry=Entry.SWIPE, capture=True)
    return replace(request, **{"purpose": Purpose.LOAD, "expiry": None, "cvv": None} | changes)


LOADS = {
    "in units": (a_load(20_000), {}, None),
    "up to the ceiling": (a_load(90_000), {}, None),
    "beyond the ceiling": (a_load(100_000), {}, Decline.BALANCE_CEILING),
    "not in units": (a_load(15_000), {}, Decline.CHARGE_UNIT),
    "nothing": (a_load(0), {}, Decline.CHARGE_UNIT),
    "at a shop that is no agent": (a_load(20_000, SHOP), {}, Decline.NOT_AN_AGENT),
    "an expired card": (a_load(20_000), {"expires_at": NOON}, Decline.CARD_EXPIRED),
    "a card that is closed": (a_load(20_000), {"state": CardState.CLOSED}, Decline.CARD_CLOSED),
    "without a programme": (a_load(20_000), {"programme_id": None}, Decline.NOT_CHARGEABLE),
}


@pytest.mark.parametrize(("request_", "card", "decline"), LOADS.values(), ids=LOADS)
def test_an_agent_pays_money_in(
    request_: AuthorizationRequest, card: dict[str, Any], decline: Decline | None
) -> None:
    purse = a_purse(10_000, **card)
    batch = purse.batch()
    answer = paid(batch.decide(purse.ask(request_, cvv_ok=None)))
    assert answer.decline is decline
    expected = 10_000 + (request_.amount.amount_minor if decline is None else 0)
    held = sum(batch.books.available_minor(lot.account_id) or 0 for lot in batch._lots[purse.balance.id])
    assert held == expected
    assert [a.kind for a in batch.actions] == ([ActionKind.LOAD] if decline is None else [])


def test_p04_what_is_held_for_a_payment_counts_towards_the_ceiling() -> None:
    purse = a_purse(60_000)
    batch = purse.batch()
    held = paid(batch.decide(purse.ask(a_request(50_000, SHOP))))
    assert paid(batch.decide(purse.ask(a_load(50_000), cvv_ok=None))).decline is Decline.BALANCE_CEILING
    load = paid(batch.decide(purse.ask(a_load(40_000), cvv_ok=None)))
    assert (load.decline, load.balance_minor) == (None, 50_000)
    paid(batch.decide(Reverse(held.id)))
    assert sum(batch.books.available_minor(lot.account_id) or 0 for lot in batch._lots[purse.balance.id]) == (
        PROGRAMME.ceiling_minor
    )


def test_a_programme_that_was_closed_takes_no_more_money_in() -> None:
    purse = a_purse(10_000)
    batch = purse.batch()
    batch._programmes = {PROGRAMME.id: replace(PROGRAMME, state=ProgrammeState.CLOSED)}
    assert paid(batch.decide(purse.ask(a_load(20_000), cvv_ok=None))).decline is Decline.NOT_CHARGEABLE


def test_p17_a_shop_that_is_no_agent_learns_of_no_number_by_loads() -> None:
    purse = a_purse(10_000)
    batch = purse.batch()
    real = purse.ask(a_load(20_000, SHOP), cvv_ok=None)
    guessed = purse.ask(a_load(20_000, SHOP), cvv_ok=None, number_hashes=[b"nobody's"])
    answers = [paid(batch.decide(ask)) for ask in (real, guessed)]
    assert [(a.decline, a.failed_rules) for a in answers] == [(Decline.NOT_AN_AGENT, Rule.AGENT)] * 2


def test_what_was_paid_in_can_be_spent_at_once_and_only_what_is_left_is_taken_back() -> None:
    purse = a_purse(0)
    batch = purse.batch()
    load = paid(batch.decide(purse.ask(a_load(20_000), cvv_ok=None)))
    bought = paid(batch.decide(purse.ask(a_request(5_000, SHOP))))
    assert bought.status is Status.APPROVED
    assert isinstance(batch.decide(Reverse(load.id)), LoadSpent)
    paid(batch.decide(Reverse(bought.id)))
    undone = paid(batch.decide(Reverse(load.id)))
    assert (undone.status, batch.actions[-1].kind) == (Status.REVERSED, ActionKind.LOAD_REVERSAL)
    assert isinstance(batch.decide(Refund(load.id, None, "no")), NotRefundable)


AGENTS_CARD: dict[str, Any] = {
    "state": CardState.INACTIVE,
    "batch_id": CardBatchId(uuid4()),
    "face_value_minor": 30_000,
}


def test_an_agents_card_is_worthless_until_it_is_sold_and_once_more_after_its_return() -> None:
    purse = a_purse(**AGENTS_CARD)
    batch = purse.batch()
    assert paid(batch.decide(purse.ask(a_request(1_000, SHOP)))).decline is Decline.CARD_INACTIVE
    sale = paid(batch.decide(purse.ask(a_load(30_000, purpose=Purpose.ACTIVATION), cvv_ok=None)))
    assert (sale.status, sale.balance_minor) == (Status.APPROVED, 30_000)
    again = paid(batch.decide(purse.ask(a_load(30_000, purpose=Purpose.ACTIVATION), cvv_ok=None)))
    assert again.decline is Decline.NOT_ACTIVATABLE
    paid(batch.decide(Reverse(sale.id)))
    assert batch.card_uses() == [], "it is as it was"


@pytest.mark.parametrize(
    ("card", "amount_minor"),
    [(AGENTS_CARD, 20_000), (AGENTS_CARD | {"batch_id": None}, 30_000), ({}, 30_000)],
    ids=["for another amount", "of no batch", "in use"],
)
def test_only_an_unsold_agents_card_is_activated(card: dict[str, Any], amount_minor: int) -> None:
    purse = a_purse(**card)
    asked = a_load(amount_minor, purpose=Purpose.ACTIVATION)
    assert paid(purse.batch().decide(purse.ask(asked, cvv_ok=None))).decline is Decline.NOT_ACTIVATABLE


def test_a_load_is_not_captured_twice() -> None:
    purse = a_purse(0)
    batch = purse.batch()
    load = paid(batch.decide(purse.ask(a_load(20_000), cvv_ok=None)))
    assert paid(batch.decide(Capture(load.id, None, "again"))).repeated
    assert len(batch.actions) == 1
