"""Accounts and transfers for tests."""

from datetime import UTC, datetime, time
from uuid import UUID, uuid4

from obverse.kit.calendar import Calendar
from obverse.kit.ids import AccountId, PartitionId, TransferId
from obverse.kit.money import KRW, CurrencyCode
from obverse.ledger import Account, AccountKind, Transfer, TransferKind

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
P0 = PartitionId(0)
MONTHS_ON = Calendar("Asia/Seoul", time(), "KR").months_on


def an_account(
    *,
    floor_minor: int | None = 0,
    rolled_up: bool = False,
    kind: AccountKind = AccountKind.STORED_BALANCE,
    currency: CurrencyCode = KRW,
    **balances: int,
) -> Account:
    return Account(P0, AccountId(uuid4()), kind, None, currency, floor_minor, rolled_up, **balances)


def a_source_of_money() -> Account:
    """An account that may be debited without limit, such as the bank."""
    return an_account(floor_minor=None, kind=AccountKind.BANK)


def a_transfer(
    debit: Account,
    credit: Account,
    amount_minor: int,
    kind: TransferKind = TransferKind.POSTED,
    pending: Transfer | None = None,
    subject: UUID | None = None,
) -> Transfer:
    return Transfer(
        id=TransferId(uuid4()),
        kind=kind,
        debit_account_id=debit.id,
        credit_account_id=credit.id,
        amount_minor=amount_minor,
        currency=debit.currency,
        subject_id=subject or uuid4(),
        created_at=NOON,
        pending_id=pending.id if pending else None,
    )
