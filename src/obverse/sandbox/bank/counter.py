"""The bank's counter: accounts, balances and payments, as people see and make them."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

import msgspec
from litestar import get, post, put
from litestar.params import FromPath, JSONBody
from msgspec import Meta

from obverse.sandbox.bank.book import BankBook
from obverse.sandbox.bank.model import BankAccount, Order, Status

_WITH_A_FULL_PURSE: Final = 100_000_000
"""What somebody has whose account is not known yet, in minor units."""

Amount = Annotated[int, Meta(ge=1, le=999_999_999_999)]
Number = Annotated[str, Meta(pattern="^[0-9]{6,16}$")]
BankCode = Annotated[str, Meta(pattern="^[0-9]{3}$")]


class AccountView(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An account as it stands, or as it shall stand."""

    bank_code: BankCode
    number: Number
    holder: str
    balance: int = 0
    closed: bool = False


class Payment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody pays the provider, or whoever `to` is; a payer who is not known yet has money enough."""

    payer: AccountView
    amount: Amount
    reference: str
    to: AccountView | None = None


class EntryView(msgspec.Struct, frozen=True):
    """One line of an account's statement, as its holder reads it; `amount` above zero came in."""

    amount: int
    text: str
    other: str


class PaymentView(msgspec.Struct, frozen=True):
    status: Status
    reason: str


def routes(book: BankBook) -> list[Any]:
    """The counter's part of the control app."""

    @get("/bank/accounts")
    async def accounts() -> Mapping[str, Sequence[AccountView]]:
        return {"data": [_view(account) for account in book.accounts]}

    @put("/bank/accounts")
    async def set_account(data: JSONBody[AccountView]) -> AccountView:
        """Open an account, or change its holder, balance or whether it is closed."""
        overdraws = data.number == book.provider.number
        account = BankAccount(
            data.bank_code, data.number, data.holder, data.balance, data.closed, may_overdraw=overdraws
        )
        return _view(book.open(account))

    @get("/bank/accounts/{number:str}/entries")
    async def entries(number: FromPath[str]) -> Mapping[str, Sequence[EntryView]]:
        """What was booked on an account today, oldest first."""
        found = book.entries(number, book.today())
        return {"data": [EntryView(e.amount_minor, e.text, e.other.holder) for e in found]}

    @post("/bank/transfers")
    async def pay(data: JSONBody[Payment]) -> PaymentView:
        payer, to = data.payer, data.to or _view(book.provider)
        if book.account(payer.number) is None:
            book.open(BankAccount(payer.bank_code, payer.number, payer.holder, _WITH_A_FULL_PURSE))
        outcome = book.pay(
            Order(
                payer=payer.number,
                payee_bank=to.bank_code,
                payee=to.number,
                payee_holder=to.holder,
                amount_minor=data.amount,
                currency=book.currency,
                reference=data.reference,
            )
        )
        return PaymentView(outcome.status, outcome.reason)

    return [accounts, set_account, entries, pay]


def _view(account: BankAccount) -> AccountView:
    return AccountView(
        account.bank_code, account.number, account.holder, account.balance_minor, account.closed
    )
