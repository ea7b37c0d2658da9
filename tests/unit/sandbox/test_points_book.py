"""A points issuer's books: each take once, every unit back at most once, whatever the order."""

from collections.abc import Sequence
from itertools import permutations
from random import Random
from typing import Any

import pytest

from obverse.sandbox.points_issuer.book import Book, ReferenceReused, Refusal
from obverse.sandbox.points_issuer.wire import TakeAsk

NUMBER = "770012345678"


def a_book(units: int = 1_000, *, two_phase: bool = True) -> Book:
    book = Book(Random(1), two_phase=two_phase)
    book.open(NUMBER, "+821012345678", units)
    return book


def an_ask(book: Book, reference: str = "r1", units: int = 600, **changes: Any) -> TakeAsk:
    account = book.account(NUMBER)
    assert account is not None
    fields = {"account": account.handle, "merchant": "A shop", "amount": 300, "currency": "KRW"}
    return TakeAsk(reference=reference, units=units, terminal=None, **(fields | changes))  # type: ignore[arg-type]


def left(book: Book) -> int:
    account = book.account(NUMBER)
    assert account is not None
    return account.units


@pytest.mark.parametrize(("two_phase", "state"), [(True, "held"), (False, "spent")])
def test_a_take_is_gone_from_the_balance_once_however_often_it_is_asked(two_phase: bool, state: str) -> None:
    book = a_book(two_phase=two_phase)

    takes = [take for _ in range(2) for take in book.take_all([an_ask(book), an_ask(book)])]

    assert left(book) == 400
    assert {(take.state, take.approval_code) for take in takes} == {(state, takes[0].approval_code)}
    assert book.confirm("r1")
    assert takes[0].state == "spent"


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"units": 1_001}, Refusal.INSUFFICIENT),
        ({"units": 901}, Refusal.LIMIT),
        ({"account": "acc_none"}, Refusal.UNKNOWN),
    ],
    ids=["too much", "above the limit", "nobody's"],
)
def test_what_cannot_be_taken_is_refused_and_stays_so(changes: dict[str, Any], refusal: Refusal) -> None:
    book = a_book()
    book.units_max = 900 if refusal is Refusal.LIMIT else None
    ask = an_ask(book, **changes)

    (take,) = book.take_all([ask])
    book.open(NUMBER, "+821012345678", 10_000)
    book.units_max = None

    assert (take.refusal, book.take_all([ask]), book.confirm("r1")) == (refusal, [take], False)
    assert left(book) == 10_000


def test_a_blocked_account_gives_nothing_but_gets_back() -> None:
    book = a_book()
    book.take_all([an_ask(book)])
    handle = book.open(NUMBER, "+821012345678", 400, blocked=True).handle

    (take,) = book.take_all([an_ask(book, "r2", 1)])

    assert (take.refusal, book.balance(handle)) == (Refusal.BLOCKED, Refusal.BLOCKED)
    assert book.give_back("r1") == 600
    assert left(book) == 1_000


def test_a_reference_that_comes_with_other_content_takes_nothing_of_its_whole_set() -> None:
    book = a_book()
    book.take_all([an_ask(book, units=100)])

    with pytest.raises(ReferenceReused):
        book.take_all([an_ask(book, "r2", 100), an_ask(book, units=101)])
    with pytest.raises(ReferenceReused):
        book.take_all([an_ask(book, "r3", 100), an_ask(book, "r3", 101)])

    assert left(book) == 900


def test_what_was_called_off_before_it_came_is_never_taken() -> None:
    book = a_book()

    assert [book.give_back("r1") for _ in range(2)] == [0, 0]
    (take,) = book.take_all([an_ask(book)])

    assert (take.refusal, left(book)) == (Refusal.CANCELLED, 1_000)
    assert [book.give_back("r1"), book.give_back("r1", 5, 0)] == [0, 0]
    assert left(book) == 1_000


PARTS = [(100, 0), (250, 100), (200, 350)]
"""Three give-backs of a take of 600 units: 550 in all."""


@pytest.mark.parametrize("order", list(permutations(PARTS)), ids=str)
def test_parts_go_back_in_any_order_and_twice_and_sum_to_the_same(order: Sequence[tuple[int, int]]) -> None:
    book = a_book()
    book.take_all([an_ask(book)])

    for units, before in (*order, *order):
        book.give_back("r1", units, before)

    assert left(book) == 400 + 550
    assert book.confirm("r1"), "it works before and after confirmation"
    assert [book.give_back("r1"), book.give_back("r1")] == [50, 0]
    take = book.taken("r1")
    assert take is not None
    assert (take.state, take.units_kept, left(book), book.confirm("r1")) == ("cancelled", 0, 1_000, False)


def test_no_more_goes_back_than_was_taken() -> None:
    book = a_book()
    book.take_all([an_ask(book)])

    assert book.give_back("r1", 500, 300) == 600
    assert left(book) == 1_000


def test_an_account_that_is_changed_keeps_its_handle() -> None:
    book = a_book()
    before = book.account(NUMBER)

    after = book.open(NUMBER, "+821099999999", 5)

    assert before is not None
    assert (after.handle, after.units, len(book.accounts)) == (before.handle, 5, 1)
    assert book.balance(after.handle) == 5
