"""The sandbox bank collects once per id, by a mandate that is good for one account."""

from random import Random

import pytest

from obverse.kit.clock import Clock
from obverse.sandbox.bank import BankAccount, BankBook, Order, Status


def a_book() -> BankBook:
    provider = BankAccount("090", "100200300400", "Obverse")
    book = BankBook(provider, "KRW", "Asia/Seoul", Clock(), Random(1))
    book.open(BankAccount("004", "111222333444", "Kim", 50_000))
    book.open(BankAccount("004", "555666777888", "Lee", 50_000))
    return book


def an_order(payer: str = "111222333444", amount: int = 30_000) -> Order:
    return Order(payer, "090", "100200300400", "Obverse", amount, "KRW", "OBV-C-0123456788", "id")


def test_the_same_collection_again_takes_nothing_more() -> None:
    book = a_book()

    for _ in range(3):
        assert book.collect("id", an_order(), "src_1").status is Status.BOOKED

    assert book.provider.balance_minor == 30_000
    assert book.collect("id", an_order(amount=1), "src_1").status is Status.CONFLICT


@pytest.mark.parametrize(
    ("order", "mandate", "reason"),
    [
        (an_order("555666777888"), "src_1", "MD01 no mandate"),
        (an_order(), "", "MD01 no mandate"),
        (an_order(amount=50_001), "src_1", "AM04 insufficient funds"),
        (an_order("999999999999"), "src_2", "AC04 account closed"),
    ],
    ids=["another account", "none", "too much", "no such account"],
)
def test_what_is_not_collected(order: Order, mandate: str, reason: str) -> None:
    book = a_book()
    book.collect("first", an_order(amount=1), "src_1")

    refused = book.collect("second", order, mandate)

    assert (refused.status, refused.reason) == (Status.REFUSED, reason)
    assert book.provider.balance_minor == 1
