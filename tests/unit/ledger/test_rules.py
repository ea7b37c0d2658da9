"""What transfers do to balances."""

import pytest
from tests.factories.ledger import a_source_of_money, a_transfer, an_account

from obverse.kit.ids import PartitionId
from obverse.kit.money import KRW, CurrencyCode
from obverse.ledger import AccountKind, Books, TransferKind
from obverse.ledger.rules import Delta, deltas, house_account, house_accounts


@pytest.mark.parametrize(
    ("kind", "pending", "posted"),
    [
        (TransferKind.POSTED, 0, 70),
        (TransferKind.PENDING, 70, 0),
        (TransferKind.POST, -70, 70),
        (TransferKind.VOID, -70, 0),
    ],
)
def test_both_sides_change_by_the_same_amount(kind: TransferKind, pending: int, posted: int) -> None:
    debit, credit = an_account(), an_account()
    changed = deltas([a_transfer(debit, credit, 70, kind)])
    assert changed[debit.id] == Delta(debits_pending_minor=pending, debits_posted_minor=posted)
    assert changed[credit.id] == Delta(credits_pending_minor=pending, credits_posted_minor=posted)


def test_a_hold_is_left_out_of_what_is_available() -> None:
    account, shop = an_account(credits_posted_minor=100), a_source_of_money()
    books = Books([account])
    books.enter(a_transfer(account, shop, 60, TransferKind.PENDING))
    assert books.available_minor(account.id) == 40


def test_posting_a_hold_leaves_what_is_available_as_it_is() -> None:
    account, shop = an_account(credits_posted_minor=100, debits_pending_minor=60), a_source_of_money()
    books = Books([account])
    books.enter(a_transfer(account, shop, 60, TransferKind.POST))
    assert books.available_minor(account.id) == 40


def test_voiding_a_hold_gives_it_back() -> None:
    account, shop = an_account(credits_posted_minor=100, debits_pending_minor=60), a_source_of_money()
    books = Books([account])
    books.enter(a_transfer(account, shop, 60, TransferKind.VOID))
    assert books.available_minor(account.id) == 100


def test_a_pending_credit_cannot_be_spent_yet() -> None:
    bank, account = a_source_of_money(), an_account()
    books = Books([account])
    books.enter(a_transfer(bank, account, 50, TransferKind.PENDING))
    assert books.available_minor(account.id) == 0
    books.enter(a_transfer(bank, account, 50, TransferKind.POST))
    assert books.available_minor(account.id) == 50


def test_a_credit_line_may_go_down_to_its_limit() -> None:
    line = an_account(floor_minor=-500, debits_posted_minor=200)
    assert line.available_minor == 300


def test_an_account_without_a_floor_is_not_limited() -> None:
    bank = a_source_of_money()
    assert bank.available_minor is None
    assert Books([bank]).available_minor(bank.id) is None


def test_entering_more_than_is_available_is_a_defect() -> None:
    account, shop = an_account(credits_posted_minor=10), a_source_of_money()
    with pytest.raises(AssertionError, match="more than was available"):
        Books([account]).enter(a_transfer(account, shop, 11))


def test_every_house_account_has_an_id_of_its_own_that_never_changes() -> None:
    partitions = [PartitionId(p) for p in range(3)]
    accounts = [a for c in (KRW, CurrencyCode("USD")) for a in house_accounts(partitions, c)]
    assert len({account.id for account in accounts}) == len(accounts) == 60
    receivable = house_account(AccountKind.CARD_COMPANY_RECEIVABLE, PartitionId(0), KRW)
    assert str(receivable.id) == "8c464d06-6786-57a6-8d5b-ef2353b19a62"
