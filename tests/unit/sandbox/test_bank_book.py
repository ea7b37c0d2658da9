"""The sandbox bank's books: one id, one transfer; refusals; statements that add up."""

from datetime import date, timedelta
from random import Random

import pytest
from msgspec.structs import astuple

from obverse.kit.clock import Clock
from obverse.networks.bank import read_document
from obverse.sandbox.bank import BankAccount, BankBook, Order, Status
from obverse.sandbox.bank.statement import write
from obverse.treasury import Direction, Statement

PROVIDER = "100200300400"
MALL = "110222333444"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def book(clock: Clock) -> BankBook:
    provider = BankAccount("090", PROVIDER, "Obverse", may_overdraw=True)
    return BankBook(provider, "KRW", "Asia/Seoul", clock, Random(1))


def an_order(**changes) -> Order:
    given = {
        "payer": PROVIDER,
        "payee_bank": "004",
        "payee": MALL,
        "payee_holder": "Hanbit Mall",
        "amount_minor": 50_000,
        "currency": "KRW",
        "reference": "Settlement",
        "end_to_end_id": "e2e",
    } | changes
    return Order(**given)


def balance(book: BankBook, number: str) -> int:
    account = book.account(number)
    assert account is not None
    return account.balance_minor


def test_one_id_is_carried_out_once_and_gets_one_answer(book: BankBook) -> None:
    assert [book.carry_out("1", an_order()).status for _ in range(3)] == [Status.BOOKED] * 3
    assert (balance(book, PROVIDER), balance(book, MALL)) == (-50_000, 50_000)
    assert book.carry_out("1", an_order(amount_minor=1)).status is Status.CONFLICT
    assert (book.outcome("1").status, book.outcome("2").status) == (Status.BOOKED, Status.UNKNOWN)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param({"payee_bank": "999"}, "RC01", id="no such bank"),
        pytest.param({"payee": "555"}, "AC04", id="closed"),
        pytest.param({"payer": "nobody"}, "AC04", id="no such payer"),
        pytest.param({"currency": "USD"}, "AM03", id="other money"),
        pytest.param({"payer": "333"}, "AM04", id="not enough"),
    ],
)
def test_a_refusal_is_remembered_and_moves_nothing(book: BankBook, changes: dict, reason: str) -> None:
    book.open(BankAccount("004", "555", "Gone", closed=True))
    book.open(BankAccount("004", "333", "Poor", 49_999))
    first = book.carry_out("1", an_order(**changes))
    assert (first.status, first.reason[:4]) == (Status.REFUSED, reason)
    book.open(BankAccount("004", "555", "Back again"))
    book.open(BankAccount("004", "333", "Rich", 10**9))
    assert book.carry_out("1", an_order(**changes)) == first == book.outcome("1")
    assert balance(book, PROVIDER) == 0


def test_statements_of_all_days_add_up(book: BankBook, clock: Clock) -> None:
    days: list[date] = []
    for n in range(3):
        book.carry_out(str(n), an_order(amount_minor=1_000 * (n + 1)))
        days.append(book.today())
        clock.move_to(clock.offset + timedelta(days=1))
    openings = [book.opening(PROVIDER, day) for day in [*days, book.today()]]
    assert openings == [0, -1_000, -3_000, -6_000]


def test_references_of_two_runs_differ(clock: Clock) -> None:
    seen = set()
    for seed in (1, 2):
        provider = BankAccount("090", PROVIDER, "Obverse", may_overdraw=True)
        book = BankBook(provider, "KRW", "Asia/Seoul", clock, Random(seed))
        book.carry_out("1", an_order())
        seen |= {entry.reference for entry in book.entries(PROVIDER, book.today())}
    assert len(seen) == 2


def test_the_platform_reads_what_the_bank_writes(book: BankBook, clock: Clock) -> None:
    book.open(BankAccount("004", "333444555666", "A <member> & co", 100_000))
    book.carry_out("1", an_order(end_to_end_id="ab" * 16))
    book.pay(an_order(payer="333444555666", payee=PROVIDER, payee_bank="090", reference="OBV-B-7G2K1X9M4Q"))
    entries = book.entries(PROVIDER, book.today())
    content = write(book.provider, "KRW", book.today(), 0, entries, clock.now(), "S1")
    (statement,) = read_document(content)
    assert isinstance(statement, Statement)
    assert (statement.opening_minor, statement.closing_minor, statement.day) == (0, 0, book.today())
    out, came = statement.entries
    assert (out.direction, out.amount_minor, out.end_to_end_id) == (Direction.DEBIT, 50_000, "ab" * 16)
    assert (came.direction, came.counterparty, came.text) == (
        Direction.CREDIT,
        "A <member> & co",
        "OBV-B-7G2K1X9M4Q",
    )
    assert came.account is not None
    assert astuple(came.account)[0] == "004"
