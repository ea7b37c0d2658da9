"""The bank account as operators see it: transfers, receipts, statements. Operators only; docs/bank.md."""

from datetime import date, datetime
from typing import Annotated, Final, Literal

from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery, JSONBody
from msgspec import Meta

from obverse.access.model import Scope
from obverse.doors.rest.answer import Repeatable
from obverse.doors.rest.auth import Allow, caller_of
from obverse.doors.rest.merchant_shapes import BankAccountBody, BankAccountView
from obverse.doors.rest.request import BODY_OPTION, raw_header
from obverse.doors.rest.services import HttpRequest, services
from obverse.doors.rest.shapes import (
    After,
    Body,
    Limit,
    ListView,
    Reason,
    View,
    list_view,
    page_request,
)
from obverse.kit.errors import InvalidRequest
from obverse.kit.ids import (
    BankTransferId,
    PartitionId,
    ReceiptId,
    from_text,
    to_text,
)
from obverse.kit.secret import Secret
from obverse.ledger import AccountKind
from obverse.ledger.rules import house_account
from obverse.treasury import (
    BankAccount,
    BankTransfer,
    Decision,
    Direction,
    Imported,
    Receipt,
    TransferState,
)

STATEMENT_BYTES_MAX: Final = 10_000_000

_OPERATORS: Final = Allow(Scope.OPERATE)
_TAGS: Final = ["bank"]
_FIRST: Final = PartitionId(0)

Reference = Annotated[str, Meta(pattern="^OBV-[A-Z]-[0-9A-Z]{10}$", max_length=16)]


class BankTransferView(View, frozen=True):
    """`reason` is the bank's, when it refused."""

    id: str
    object: str
    status: TransferState
    amount: int
    currency: str
    account: BankAccountView
    reference: str
    reason: str | None
    created: datetime
    updated: datetime


class Retry(Body, frozen=True):
    """The account to which the transfer goes now: another one, or the same once more."""

    account: BankAccountBody
    reason: Reason


class ReceiptView(View, frozen=True):
    """`open` is what has not been placed yet. A `debit` is money that left without an order of ours."""

    id: str
    object: str
    direction: Direction
    amount: int
    open: int
    currency: str
    reference: str | None
    text: str
    counterparty: str
    bank_code: str | None
    account_last_four: str | None
    entry_reference: str
    booked_on: date
    created: datetime


class Assignment(Body, frozen=True):
    """The reference that the sender should have written."""

    reference: Reference
    reason: Reason


class HandPlacement(Body, frozen=True):
    """What all that is open was for. What merchants are owed is settlement's alone: a payout that came back
    is sent out again with `return`, naming the right account."""

    reason: Reason
    house_account: Literal["fee_income", "card_company_receivable"]


class SendingBack(Body, frozen=True):
    """Without an `account`, back to where it came from."""

    reason: Reason
    account: BankAccountBody | None = None


class ImportedView(View, frozen=True):
    """What was new in a statement: receipts, confirmed and refused orders; `known` entries were not."""

    object: str
    receipts: int
    confirmed: int
    refused: int
    known: int


# transfers


@get("/v1/bank_transfers", before_request=_OPERATORS, tags=_TAGS)
async def list_bank_transfers(
    request: HttpRequest,
    limit: Limit = 20,
    after: After = None,
    status: FromQuery[TransferState | None] = None,
) -> ListView[BankTransferView]:
    """Transfers out, newest first."""
    page = await services(request).bank_desk.transfers(page_request("bank", limit, after), status)
    return list_view("bank", page, _transfer_view)


@get("/v1/bank_transfers/{bank_transfer_id:str}", before_request=_OPERATORS, tags=_TAGS)
async def get_bank_transfer(request: HttpRequest, bank_transfer_id: FromPath[str]) -> BankTransferView:
    """One transfer."""
    return _transfer_view(await services(request).bank_desk.transfer(_transfer_id(bank_transfer_id)))


@post(
    "/v1/bank_transfers/{bank_transfer_id:str}/retry",
    before_request=_OPERATORS,
    operation_class=Repeatable,
    status_code=200,
    tags=_TAGS,
)
async def retry_bank_transfer(
    request: HttpRequest, bank_transfer_id: FromPath[str], data: JSONBody[Retry]
) -> BankTransferView:
    """Send what the bank has refused again, to a corrected account."""
    transfer = await services(request).bank_desk.retry(
        _transfer_id(bank_transfer_id), _account(data.account), _decision(request, data.reason)
    )
    return _transfer_view(transfer)


# receipts


@get("/v1/receipts", before_request=_OPERATORS, tags=_TAGS)
async def list_receipts(
    request: HttpRequest, limit: Limit = 20, after: After = None, unplaced: FromQuery[bool] = False
) -> ListView[ReceiptView]:
    """Money that came in, newest first; `unplaced=true` for what waits to be placed."""
    page = await services(request).bank_desk.receipts(
        page_request("rcpt", limit, after), unplaced_only=unplaced
    )
    return list_view("rcpt", page, _receipt_view)


@get("/v1/receipts/{receipt_id:str}", before_request=_OPERATORS, tags=_TAGS)
async def get_receipt(request: HttpRequest, receipt_id: FromPath[str]) -> ReceiptView:
    """One receipt."""
    return _receipt_view(await services(request).bank_desk.receipt(_receipt_id(receipt_id)))


@post(
    "/v1/receipts/{receipt_id:str}/assign",
    before_request=_OPERATORS,
    operation_class=Repeatable,
    status_code=200,
    tags=_TAGS,
)
async def assign_receipt(
    request: HttpRequest, receipt_id: FromPath[str], data: JSONBody[Assignment]
) -> ReceiptView:
    """Give a receipt the reference of a bill or a presentment file; it is then placed there by itself."""
    receipt = await services(request).bank_desk.assign(
        _receipt_id(receipt_id), data.reference, _decision(request, data.reason)
    )
    return _receipt_view(receipt)


@post(
    "/v1/receipts/{receipt_id:str}/place",
    before_request=_OPERATORS,
    operation_class=Repeatable,
    status_code=200,
    tags=_TAGS,
)
async def place_receipt(
    request: HttpRequest, receipt_id: FromPath[str], data: JSONBody[HandPlacement]
) -> ReceiptView:
    """Place all that is open of a receipt by hand: interest, or a payment without a reference."""
    desk, id_ = services(request).bank_desk, _receipt_id(receipt_id)
    currency = (await desk.receipt(id_)).amount.currency
    account_id = house_account(AccountKind(data.house_account), _FIRST, currency).id
    return _receipt_view(await desk.place(id_, _FIRST, account_id, _decision(request, data.reason)))


@post(
    "/v1/receipts/{receipt_id:str}/return",
    before_request=_OPERATORS,
    operation_class=Repeatable,
    status_code=200,
    tags=_TAGS,
)
async def return_receipt(
    request: HttpRequest, receipt_id: FromPath[str], data: JSONBody[SendingBack]
) -> ReceiptView:
    """Send back all that is open of a receipt."""
    to = _account(data.account) if data.account is not None else None
    receipt = await services(request).bank_desk.send_back(
        _receipt_id(receipt_id), to, _decision(request, data.reason)
    )
    return _receipt_view(receipt)


# statements


@post(
    "/v1/bank_statements",
    before_request=_OPERATORS,
    opt={BODY_OPTION: STATEMENT_BYTES_MAX},
    status_code=200,
    tags=_TAGS,
)
async def import_bank_statement(request: HttpRequest) -> ImportedView:
    """Read a camt.053 statement or a pain.002 report: the body, `Content-Type: application/xml`, up to 10 MB.

    What was read before changes nothing; of a file that is refused nothing is stored.
    """
    content_type = raw_header(request, b"content-type") or b""
    if content_type.split(b";")[0].strip().lower() not in (b"application/xml", b"text/xml"):
        raise InvalidRequest("Send the file as application/xml.", "Content-Type")
    return _imported_view(await services(request).treasury.import_statement(await request.body()))


def _decision(request: HttpRequest, reason: str) -> Decision:
    caller = caller_of(request)
    return Decision(caller.actor, reason, caller.request_key(request))


def _account(body: BankAccountBody) -> BankAccount:
    return BankAccount(body.bank_code, Secret(body.number), body.holder)


def _transfer_id(text: str) -> BankTransferId:
    return BankTransferId(from_text("bank", text))


def _receipt_id(text: str) -> ReceiptId:
    return ReceiptId(from_text("rcpt", text))


def _transfer_view(transfer: BankTransfer) -> BankTransferView:
    return BankTransferView(
        id=to_text("bank", transfer.id),
        object="bank_transfer",
        status=transfer.state,
        amount=transfer.amount.amount_minor,
        currency=transfer.amount.currency,
        account=BankAccountView(transfer.bank_code, transfer.holder, transfer.last_four),
        reference=transfer.reference,
        reason=transfer.reason,
        created=transfer.created_at,
        updated=transfer.updated_at,
    )


def _receipt_view(receipt: Receipt) -> ReceiptView:
    return ReceiptView(
        id=to_text("rcpt", receipt.id),
        object="receipt",
        direction=receipt.direction,
        amount=receipt.amount.amount_minor,
        open=receipt.open_minor,
        currency=receipt.amount.currency,
        reference=receipt.reference,
        text=receipt.text,
        counterparty=receipt.counterparty,
        bank_code=receipt.bank_code,
        account_last_four=receipt.last_four,
        entry_reference=receipt.entry_reference,
        booked_on=receipt.booked_on,
        created=receipt.created_at,
    )


def _imported_view(imported: Imported) -> ImportedView:
    return ImportedView(
        "imported_statement", imported.receipts, imported.confirmed, imported.refused, imported.known
    )


ROUTES: Final[list[HTTPRouteHandler]] = [
    list_bank_transfers,
    get_bank_transfer,
    retry_bank_transfer,
    list_receipts,
    get_receipt,
    assign_receipt,
    place_receipt,
    return_receipt,
    import_bank_statement,
]
