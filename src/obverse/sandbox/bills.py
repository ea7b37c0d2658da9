"""The card company's counter for its own cardholders: what they are billed, and paying it (OT-18)."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Any

import msgspec
from litestar import get, post
from litestar.exceptions import ClientException
from litestar.params import FromPath, JSONBody
from msgspec import Meta

from obverse.sandbox.card_company import Bill, Book, RealCard


class BillLineView(msgspec.Struct, frozen=True):
    """Credits are negative."""

    amount: int
    merchant: str
    approval_code: str
    at: datetime


class BillView(msgspec.Struct, frozen=True):
    total: int
    paid: int
    owed: int
    lines: Sequence[BillLineView]


class BillPayment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`amount` null pays all that is owed."""

    amount: Annotated[int, Meta(ge=1)] | None = None


def bill_routes(book: Book, find: Callable[[str], RealCard]) -> list[Any]:
    """`find` looks a card up by its billing account."""

    @get("/cards/{billing_account:str}/bill")
    async def bill(billing_account: FromPath[str]) -> BillView:
        return _view(book.bill(find(billing_account).number.reveal()))

    @post("/cards/{billing_account:str}/bill/pay", status_code=200)
    async def pay(billing_account: FromPath[str], data: JSONBody[BillPayment]) -> BillView:
        number = find(billing_account).number.reveal()
        owed = max(0, book.bill(number).owed_minor)
        amount = owed if data.amount is None else data.amount
        if amount > owed:
            raise ClientException(detail="More than is owed.")
        return _view(book.pay(number, amount))

    return [bill, pay]


def _view(bill: Bill) -> BillView:
    lines = [
        BillLineView(line.amount_minor, line.merchant, line.approval_code, line.at) for line in bill.lines
    ]
    return BillView(bill.total_minor, bill.paid_minor, bill.owed_minor, lines)
