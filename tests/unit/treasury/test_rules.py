"""What may be ordered, what answers mean, and which entry is what."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from tests.factories.treasury import DAY, OWN, a_bank_account

from obverse.kit.errors import InvalidRequest
from obverse.kit.ids import AccountId, BankTransferId, PartitionId
from obverse.kit.money import KRW, CurrencyCode, Money
from obverse.kit.secret import Secret
from obverse.treasury import (
    BankAccount,
    Direction,
    Statement,
    StatementEntry,
    StatementNotOurs,
    StatementUnreadable,
    TransferOrder,
    TransferState,
    rules,
)
from obverse.treasury.ports import Answer, Verdict

NOW = datetime(2026, 11, 20, 3, tzinfo=UTC)


def an_order(**changes) -> TransferOrder:
    given = {
        "id": BankTransferId(uuid4()),
        "partition_id": PartitionId(0),
        "amount": Money(1, KRW),
        "to": a_bank_account(),
        "reference": "Settlement",
        "subject_id": uuid4(),
        "debit_account_id": AccountId(uuid4()),
    } | changes
    return TransferOrder(**given)


@pytest.mark.parametrize(
    ("account", "param"),
    [
        pytest.param(BankAccount("04", Secret("110222333444"), "A"), "account.bank_code", id="short code"),
        pytest.param(BankAccount("٠٠٤", Secret("110222333444"), "A"), "account.bank_code", id="other digits"),
        pytest.param(BankAccount("004", Secret("110-222-333444"), "A"), "account.number", id="hyphens"),
        pytest.param(BankAccount("004", Secret("12345"), "A"), "account.number", id="short number"),
        pytest.param(BankAccount("004", Secret("1" * 17), "A"), "account.number", id="long number"),
        pytest.param(BankAccount("004", Secret("110222333444"), "  "), "account.holder", id="nobody"),
        pytest.param(BankAccount("004", Secret("110222333444"), "A\nB"), "account.holder", id="two lines"),
        pytest.param(BankAccount("004", Secret("110222333444"), "A" * 71), "account.holder", id="long name"),
    ],
)
def test_an_account_that_no_bank_could_pay_to_is_refused_without_repeating_it(
    account: BankAccount, param: str
) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        rules.check_bank_account(account)
    assert refusal.value.param == param
    assert account.number.reveal() not in str(refusal.value)


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        pytest.param({"amount": Money(0, KRW)}, "amount", id="nothing"),
        pytest.param({"amount": Money(-1, KRW)}, "amount", id="less than nothing"),
        pytest.param({"amount": Money(10**12, KRW)}, "amount", id="more than twelve digits"),
        pytest.param({"amount": Money(1, CurrencyCode("USD"))}, "currency", id="another currency"),
        pytest.param({"reference": ""}, "reference", id="no reference"),
        pytest.param({"reference": "x" * 71}, "reference", id="a long reference"),
        pytest.param(
            {"to": BankAccount("4", Secret("110222333444"), "A")}, "account.bank_code", id="account"
        ),
    ],
)
def test_an_order_that_the_bank_could_not_carry_out_is_refused(changes: dict, param: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        rules.check_order(an_order(**changes), KRW)
    assert refusal.value.param == param


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("OBV-B-7G2K1X9M4Q", "OBV-B-7G2K1X9M4Q"),
        ("obv-b-7g2k1x9m4q", "OBV-B-7G2K1X9M4Q"),
        ("thanks, bill OBV-P-7G2K1X9M4Q.", "OBV-P-7G2K1X9M4Q"),
        ("OBV-B-7G2K1X9M4Q OBV-B-0000000000", "OBV-B-7G2K1X9M4Q"),
        ("OBV-B-7G2K1X9M4", None),
        ("OBV-B-7G2K1X9M4QZ", None),
        ("XOBV-B-7G2K1X9M4Q", None),
        ("", None),
    ],
)
def test_a_reference_is_found_in_what_people_write(text: str, found: str | None) -> None:
    assert rules.reference_in(text) == found


def a_sent(amount_minor: int = 50_000, **changes) -> rules.Sent:
    given = {
        "id": BankTransferId(uuid4()),
        "wire_id": uuid4(),
        "amount_minor": amount_minor,
        "state": TransferState.SENT,
        "asked": 0,
    } | changes
    return rules.Sent(**given)


@pytest.mark.parametrize(
    ("answer", "state", "reason", "asked_again"),
    [
        (Answer(Verdict.DONE), TransferState.DONE, None, False),
        (Answer(Verdict.REFUSED, "AC04 closed"), TransferState.REFUSED, "AC04 closed", False),
        (Answer(Verdict.REFUSED, "\n\x00"), TransferState.REFUSED, "no reason given", False),
        (Answer(Verdict.UNKNOWN_ID), TransferState.READY, None, False),
        (Answer(Verdict.ACCEPTED), TransferState.SENT, None, True),
        (Answer(Verdict.NO_ANSWER), TransferState.UNKNOWN, None, True),
    ],
)
def test_every_answer_means_one_thing(
    answer: Answer, state: TransferState, reason: str | None, asked_again: bool
) -> None:
    change = rules.after_answer(a_sent(asked=3), answer, NOW)
    assert (change.state, change.reason) == (state, reason)
    assert change.ask_at == (NOW + timedelta(seconds=8) if asked_again else None)


def an_entry(reference: str = "E1", direction: Direction = Direction.DEBIT, **changes) -> StatementEntry:
    given = {
        "reference": reference,
        "direction": direction,
        "amount_minor": 50_000,
        "booked_on": DAY,
        "end_to_end_id": None,
        "text": "",
        "counterparty": "",
        "account": None,
    } | changes
    return StatementEntry(**given)


def booked_as(entries: list[StatementEntry], sent: rules.Sent, **changes) -> list[tuple[str, bool]]:
    given = {"orders": {sent.wire_id: sent}, "confirmed": [], "known": []} | changes
    return [(each.entry.reference, each.transfer_id == sent.id) for each in rules.sort_out(entries, **given)]


def test_a_debit_with_an_orders_id_and_amount_confirms_it() -> None:
    sent = a_sent()
    assert booked_as([an_entry(end_to_end_id=sent.wire_id.hex)], sent) == [("E1", True)]
    assert booked_as([an_entry(end_to_end_id=sent.wire_id.hex.upper())], sent) == [("E1", True)]


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"direction": Direction.CREDIT}, id="it came in: a return"),
        pytest.param({"amount_minor": 49_999}, id="another amount"),
        pytest.param({"end_to_end_id": uuid4().hex}, id="another order"),
        pytest.param({"end_to_end_id": "NOTPROVIDED"}, id="no id"),
        pytest.param({"end_to_end_id": None}, id="none at all"),
    ],
)
def test_anything_else_is_a_receipt(changes: dict) -> None:
    sent = a_sent()
    entry = an_entry(**({"end_to_end_id": sent.wire_id.hex} | changes))
    assert booked_as([entry], sent) == [("E1", False)]


def test_a_second_booking_of_one_order_is_money_that_nobody_ordered() -> None:
    sent = a_sent()
    first, second = (an_entry(ref, end_to_end_id=sent.wire_id.hex) for ref in ("E1", "E2"))
    assert booked_as([first, second], sent) == [("E1", True), ("E2", False)]
    assert booked_as([second], sent, confirmed=[sent.id]) == [("E2", False)]


def test_an_entry_counts_once_in_a_statement_and_over_all_statements() -> None:
    sent = a_sent()
    entry = an_entry(end_to_end_id=sent.wire_id.hex)
    assert booked_as([entry, entry], sent) == [("E1", True)]
    assert booked_as([entry], sent, known=["E1"]) == []


def a_statement(*entries: StatementEntry, **changes) -> Statement:
    given = {
        "id": "S1",
        "account_number": OWN.number,
        "currency": KRW,
        "day": DAY,
        "opening_minor": 0,
        "closing_minor": 0,
        "entries": entries,
    } | changes
    return Statement(**given)


@pytest.mark.parametrize(
    "changes", [{"account_number": Secret("999888777666")}, {"currency": CurrencyCode("USD")}]
)
def test_a_statement_of_somebody_else_or_of_other_money_is_refused(changes: dict) -> None:
    with pytest.raises(StatementNotOurs) as refusal:
        rules.check_statement(a_statement(**changes), OWN, KRW)
    assert "999888777666" not in str(refusal.value)


def test_two_different_entries_under_one_reference_are_refused() -> None:
    with pytest.raises(StatementUnreadable):
        rules.check_statement(a_statement(an_entry(), an_entry(amount_minor=1)), OWN, KRW)
    rules.check_statement(a_statement(an_entry(), an_entry()), OWN, KRW)


def test_an_entry_that_has_changed_since_is_refused() -> None:
    known = {"E1": (Direction.DEBIT, 50_000)}
    rules.check_known([an_entry()], known)
    with pytest.raises(StatementUnreadable):
        rules.check_known([an_entry(amount_minor=1)], known)
    with pytest.raises(StatementUnreadable):
        rules.check_known([an_entry(direction=Direction.CREDIT)], known)


def test_only_hexadecimal_ids_of_debits_can_be_orders_of_ours() -> None:
    id_ = UUID("0193f0a1-7c00-7abc-8def-0123456789ab")
    entries = [
        an_entry("1", end_to_end_id=id_.hex),
        an_entry("2", end_to_end_id=str(id_)),
        an_entry("3", Direction.CREDIT, end_to_end_id=id_.hex),
        an_entry("4", end_to_end_id="x" * 32),
    ]
    assert rules.wire_ids(entries) == [id_]
