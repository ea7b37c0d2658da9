"""The card company's book: every payment once, every release once, whatever comes first."""

from datetime import timedelta
from itertools import permutations
from random import Random

import pytest
from tests.factories.sandbox import CARD_NUMBER, a_card, a_request

from obverse.kit.clock import Clock
from obverse.sandbox.card_company import Book, make_cards
from obverse.sandbox.luhn import check_digit


@pytest.fixture
def book() -> Book:
    return Book([a_card()], Clock(), Random(1))


def test_an_approval_holds_its_amount(book: Book) -> None:
    answer = book.authorize(a_request())
    assert (answer.code, book.statement(CARD_NUMBER).held_minor) == ("00", 34_000)
    assert answer.approval_code is not None
    assert len(answer.approval_code) == 6


def test_a_repeat_gets_the_same_answer_and_holds_nothing_more(book: Book) -> None:
    assert book.authorize(a_request()) == book.authorize(a_request())
    assert book.statement(CARD_NUMBER).held_minor == 34_000


def test_a_declined_payment_stays_declined_when_repeated_under_a_higher_limit(book: Book) -> None:
    over = a_request(amount_minor=100_001)
    assert book.authorize(over).code == "51"
    book.add(a_card(limit_minor=200_000))
    assert book.authorize(over).code == "51"


def test_the_same_key_for_another_payment_is_refused(book: Book) -> None:
    book.authorize(a_request())
    assert book.authorize(a_request(amount_minor=1)).code == "94"
    assert book.statement(CARD_NUMBER).held_minor == 34_000


def test_a_reversal_releases_once(book: Book) -> None:
    book.authorize(a_request())
    for _ in range(3):
        book.reverse(a_request().key)
    statement = book.statement(CARD_NUMBER)
    assert (statement.held_minor, statement.released_minor, len(statement.holds)) == (0, 34_000, 1)


def test_a_repeated_reversal_leaves_the_moment_of_release_as_it_was() -> None:
    clock = Clock()
    book = Book([a_card()], clock, Random(1))
    book.authorize(a_request())
    book.reverse(a_request().key)
    released = book.statement(CARD_NUMBER).holds[0].released_at
    clock.move_to(timedelta(days=1))
    book.reverse(a_request().key)
    assert book.statement(CARD_NUMBER).holds[0].released_at == released


def test_an_early_reversal_declines_the_late_original(book: Book) -> None:
    book.reverse(a_request().key)
    assert book.authorize(a_request()).code == "21"
    assert not book.statement(CARD_NUMBER).holds


@pytest.mark.parametrize("order", sorted(set(permutations("PPRR"))), ids="".join)
def test_p08_in_every_order_of_payment_and_reversal_nothing_stays_held(
    book: Book, order: tuple[str, ...]
) -> None:
    for step in order:
        if step == "P":
            book.authorize(a_request())
        else:
            book.reverse(a_request().key)
    assert book.statement(CARD_NUMBER).held_minor == 0


def test_a_check_holds_nothing(book: Book) -> None:
    check = a_request(is_check=True, amount_minor=0, cvv="123", birth_date="900101")
    assert book.authorize(check).code == "00"
    assert not book.statement(CARD_NUMBER).holds


def test_a_reversed_payment_makes_room_for_another(book: Book) -> None:
    book.authorize(a_request(amount_minor=100_000))
    assert book.authorize(a_request(key=("2",))).code == "51"
    book.reverse(a_request().key)
    assert book.authorize(a_request(key=("3",))).code == "00"


def test_the_same_seed_makes_the_same_cards() -> None:
    now = Clock().now()
    first, second = (make_cards(Random(7), 5, now) for _ in range(2))
    assert first == second
    assert len({card.number for card in first}) == 5


def test_every_card_has_the_companys_first_digits_and_a_luhn_digit() -> None:
    for card in make_cards(Random(7), 50, Clock().now()):
        number = card.number.reveal()
        assert number.startswith("953010")
        assert (len(number), check_digit(number[:-1])) == (16, number[-1])
