"""A code pays once, within its time, with its proof; guesses shut the door they are tried at (P10)."""

from collections.abc import Mapping
from datetime import timedelta
from uuid import uuid4

import pytest
from msgspec.structs import replace
from tests.factories.authorization import (
    a_card,
    a_credit_line,
    a_linked_card,
    a_request,
    authorize_command,
    credit_of,
    decided,
)
from tests.factories.ledger import NOON
from tests.factories.mixed import SHOP, a_code, a_mixed_batch, a_registered_card

from obverse.authorization.batch import Batch
from obverse.authorization.commands import Authorize, ByKey, Capture, Conclude, Reverse, ReverseByKey, Shown
from obverse.authorization.model import Authorization, Decline, Entry, Purpose, Status
from obverse.authorization.ports import LegAnswer, LegOutcome
from obverse.cards.model import Card, CardState, Controls, SpentOn
from obverse.codes.model import Code, Guesses
from obverse.kit.errors import NotFound
from obverse.kit.ids import AuthorizationId
from obverse.kit.money import KRW, Money
from obverse.kit.secret import Secret

ACCOUNT = credit_of(1_000_000)
LINE = a_credit_line(ACCOUNT)
PIN = Secret("4821")


def a_fuel_card(**changes: object) -> Card:
    card = replace(a_registered_card(LINE), controls=Controls(spent_on=SpentOn.NEVER), **changes)
    return replace(card, pin_hash=f"{card.id}:4821".encode())


def shows(
    code_hash: bytes, amount_minor: int = 1_000, *, key: str | None = None, **more: object
) -> Authorize:
    request = a_request(amount_minor, SHOP, key=key, entry=Entry.BARCODE, expiry=None)
    request = replace(request, cvv=None, **more)  # type: ignore[arg-type]
    command = authorize_command(None, request, cvv_ok=None)
    return replace(command, number_hashes=(), code_hash=code_hash)


def a_batch(card: Card, *codes: Code, guesses: Guesses | None = None) -> Batch:
    return a_mixed_batch([card], [LINE], [ACCOUNT], codes=codes, guesses=guesses)


def pays(batch: Batch, command: Authorize) -> Authorization:
    return decided(batch.decide(command))


def test_p10_a_code_pays_once_however_often_it_is_scanned_in_one_batch() -> None:
    card = a_fuel_card()
    batch = a_batch(card, code := a_code(card))
    answers = [pays(batch, shows(code.hash)) for _ in range(64)]
    assert [a.decline for a in answers] == [None] + [Decline.CODE_USED] * 63
    assert answers[0].card_id == card.id
    assert batch.spent_codes[code.hash].used_by == answers[0].id
    assert len(batch.books.journal) == 1


def test_p06_a_repeat_of_the_scan_hears_the_first_answer() -> None:
    card = a_fuel_card()
    batch = a_batch(card, code := a_code(card))
    command = shows(code.hash, key="twice")
    assert pays(batch, command) == pays(batch, replace(command, id=AuthorizationId(uuid4())))


def test_asking_for_the_balance_leaves_the_code_for_the_payment() -> None:
    card = a_fuel_card()
    batch = a_batch(card, code := a_code(card))
    assert pays(batch, shows(code.hash, purpose=Purpose.INQUIRY)).status is Status.APPROVED
    assert pays(batch, shows(code.hash)).status is Status.APPROVED


@pytest.mark.parametrize(
    ("code", "decline"),
    [
        ({"used": True}, Decline.CODE_USED),
        ({"pin_tries": 3}, Decline.CODE_USED),
        ({"ends_s": 0}, Decline.CODE_EXPIRED),
        ({"begins_s": 1}, Decline.CODE_EXPIRED),
    ],
    ids=["paid already", "three wrong PINs", "an old photograph", "not yet"],
)
def test_p10_a_code_that_is_not_good_pays_nothing(code: Mapping[str, int], decline: Decline) -> None:
    card = a_fuel_card()
    shown = a_code(card, **code)  # type: ignore[arg-type]
    batch = a_batch(card, shown)
    assert pays(batch, shows(shown.hash)).decline is decline
    assert not batch.spent_codes
    assert not batch.guesses, "it was made, so nobody has guessed it"


def test_a_code_pays_and_takes_no_money_in() -> None:
    card = a_fuel_card()
    batch = a_batch(card, code := a_code(card))
    load = shows(code.hash, merchant=replace(SHOP, is_agent=True), purpose=Purpose.LOAD)
    assert pays(batch, load).decline is Decline.UNKNOWN_CARD


def test_every_rule_of_the_card_behind_the_code_applies() -> None:
    closed = a_fuel_card(state=CardState.SUSPENDED)
    batch = a_batch(closed, code := a_code(closed))
    assert pays(batch, shows(code.hash)).decline is Decline.CARD_SUSPENDED
    used = a_card(LINE, uses_left=0)
    batch = a_batch(used, code := a_code(used))
    assert pays(batch, shows(code.hash)).decline is Decline.CARD_USED
    assert not batch.spent_codes, "what is declined leaves the code as it was"


def test_a_form_that_names_somebody_else_is_no_companion_of_a_code() -> None:
    card = a_fuel_card()
    batch = a_batch(card, code := a_code(card))
    declined = pays(batch, shows(code.hash, holder_matches=False))
    assert declined.decline is Decline.WRONG_DETAILS
    assert pays(batch, shows(code.hash, holder_matches=True)).status is Status.APPROVED


def test_three_wrong_pins_spend_the_code_and_the_right_one_pays_before() -> None:
    card = a_fuel_card()
    batch = a_batch(card, spent := a_code(card), good := a_code(card))
    wrong = [pays(batch, shows(spent.hash, pin=Secret("0000"))).decline for _ in range(3)]
    assert wrong == [Decline.WRONG_PIN] * 3
    assert pays(batch, shows(spent.hash, pin=PIN)).decline is Decline.CODE_USED
    assert pays(batch, shows(good.hash, pin=PIN)).status is Status.APPROVED


def test_who_has_only_an_old_photograph_tries_no_pin_with_it() -> None:
    card = a_fuel_card()
    for code in (a_code(card, used=True), a_code(card, ends_s=0), a_code(card, begins_s=1)):
        batch = a_batch(card, code)
        for pin in (Secret("0000"), PIN):
            declined = pays(batch, shows(code.hash, pin=pin)).decline
            assert declined in (Decline.CODE_USED, Decline.CODE_EXPIRED)
        assert (batch.card_uses(), batch.spent_codes) == ([], {})


def test_behind_a_shut_door_only_proof_pays_and_pins_are_counted_as_everywhere() -> None:
    card = a_fuel_card()
    shut = Guesses({(SHOP.id, "TERM0001"): 10}, {SHOP.id: 10}, 10)
    batch = a_batch(card, code := a_code(card), other := a_code(card), guesses=shut)
    alone = [pays(batch, shows(hash_)).decline for hash_ in (code.hash, b"made up")]
    assert alone == [Decline.TOO_MANY_GUESSES] * 2, "nothing tells one from the other"
    wrong = [pays(batch, shows(code.hash, pin=Secret("0000"))).decline for _ in range(3)]
    assert wrong == [Decline.TOO_MANY_GUESSES] * 3
    assert batch.spent_codes[code.hash].pin_tries == 3
    assert [use.pin_failures for use in batch.card_uses()] == [3]
    assert pays(batch, shows(code.hash, pin=PIN)).decline is Decline.TOO_MANY_GUESSES, "it is spent"
    assert pays(batch, shows(other.hash, pin=PIN)).status is Status.APPROVED
    assert not batch.guesses


@pytest.mark.parametrize(
    ("amount", "agreed", "more", "decline"),
    [
        (49_999, None, {}, None),
        (50_000, None, {}, Decline.PROOF_NEEDED),
        (50_000, None, {"pin": PIN}, None),
        (50_000, None, {"holder_proved": True}, None),
        (50_000, 100_000, {}, None),
        (1_000, 0, {}, Decline.PROOF_NEEDED),
    ],
    ids=["below", "from it on", "with the PIN", "with a passkey", "as agreed: more", "as agreed: always"],
)
def test_from_an_amount_on_a_code_needs_proof(
    amount: int, agreed: int | None, more: dict[str, object], decline: Decline | None
) -> None:
    card = a_fuel_card()
    batch = a_batch(card, code := a_code(card))
    shop = replace(SHOP, code_proof_from_minor=agreed)
    assert pays(batch, shows(code.hash, amount, merchant=shop, **more)).decline is decline


def test_p10_guesses_shut_the_terminal_then_the_merchant_then_ask_everybody_for_proof() -> None:
    card = a_fuel_card()
    batch = a_batch(card, *(codes := [a_code(card) for _ in range(3)]))
    answers = [pays(batch, shows(f"made up {n}".encode())).decline for n in range(12)]
    assert answers == [Decline.UNKNOWN_CODE] * 10 + [Decline.TOO_MANY_GUESSES] * 2
    assert batch.guesses == {(SHOP.id, "TERM0001"): 10}, "one till behind a shut door shuts no other"
    assert batch.guessed_too_often() == [(SHOP.id, "TERM0001", 10)]
    assert pays(batch, shows(codes[0].hash)).decline is Decline.TOO_MANY_GUESSES
    next_till = shows(codes[0].hash, terminal="TERM0002")
    assert pays(batch, next_till).status is Status.APPROVED
    all_tills = Guesses({(SHOP.id, "T9"): 50}, {SHOP.id: 50}, 50)
    batch = a_batch(card, codes[1], guesses=all_tills)
    assert pays(batch, shows(codes[1].hash)).decline is Decline.TOO_MANY_GUESSES
    everywhere = Guesses({}, {}, 1_000)
    batch = a_batch(card, codes[2], guesses=everywhere)
    assert pays(batch, shows(codes[2].hash)).decline is Decline.PROOF_NEEDED
    assert pays(batch, shows(codes[2].hash, pin=PIN)).status is Status.APPROVED


def test_p17_guesses_that_wander_from_till_to_till_are_noticed_too() -> None:
    card = a_fuel_card()
    batch = a_batch(card, code := a_code(card))
    for n in range(50):
        pays(batch, shows(f"made up {n}".encode(), terminal=f"TILL{n % 6}"))
    assert batch.guessed_too_often() == [(SHOP.id, None, 50)]
    assert pays(batch, shows(code.hash, terminal="TILL99")).decline is Decline.TOO_MANY_GUESSES


def test_p08_a_payment_by_code_is_undone_by_who_shows_that_code_and_stays_spent() -> None:
    card = a_fuel_card()
    batch = a_batch(card, code := a_code(card), other := a_code(card))
    paid = pays(batch, shows(code.hash, key="lost line"))
    with_another = batch.decide(undo("lost line", other.hash))
    assert isinstance(with_another, NotFound), "another code of the same card proves nothing"
    assert isinstance(batch.decide(Capture(ByKey("lost line", Shown(card.serial)), None, "s")), NotFound)
    assert decided(batch.decide(undo("lost line", code.hash))).status is Status.REVERSED
    assert pays(batch, shows(code.hash)).decline is Decline.CODE_USED
    assert paid.status is Status.APPROVED


def test_a_code_is_spent_while_a_card_company_is_asked_and_after_its_no() -> None:
    linked = a_linked_card()
    card = replace(a_registered_card(linked), expires_at=NOON + timedelta(days=90))
    batch = a_mixed_batch([card], [linked], codes=[code := a_code(card)])
    waiting = pays(batch, shows(code.hash))
    assert waiting.status is Status.PROCESSING
    assert pays(batch, shows(code.hash)).decline is Decline.CODE_USED
    refused = batch.decide(Conclude(waiting.id, {0: LegAnswer(LegOutcome.DECLINED, "51")}))
    assert decided(refused).decline is Decline.CARD_COMPANY_DECLINED
    assert pays(batch, shows(code.hash)).decline is Decline.CODE_USED
    assert decided(batch.decide(Reverse(waiting.id))).status is Status.DECLINED


def undo(key: str, code_hash: bytes) -> ReverseByKey:
    shown = Shown(code_hash=code_hash)
    return ReverseByKey(AuthorizationId(uuid4()), key, shown, Money(1_000, KRW), SHOP.id, "TERM0001")
