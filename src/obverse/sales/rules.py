"""How stored value may be paid for, the merchant of the house where it is, and what came of it. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final
from uuid import UUID, uuid5

from msgspec.structs import replace

from obverse.authorization import Authorization, Decline, Status
from obverse.cards import CardKind, Controls, Order, RequestKey
from obverse.kit.errors import InvalidRequest
from obverse.kit.ids import AccountId, MerchantId, PartitionId, SaleId
from obverse.kit.money import CurrencyCode
from obverse.kit.references import reference_in
from obverse.ledger.model import Account, AccountKind
from obverse.merchants.model import Merchant, MerchantState, PayoutTerms, Rhythm
from obverse.sales.errors import GivesBackTooMuch, MeansNotOffered, SaleNotPaid
from obverse.sales.model import How, Means, Sale, SaleState, SubjectKind
from obverse.treasury import BankAccount, Receipt
from obverse.treasury.rules import check_bank_account
from obverse.wallet import Source, SourceKind, SourceNotActive, SourceNotFound, SourceState

_HOUSE: Final = UUID("6f627665-7273-4163-8000-73616c657321")
"""A namespace of our own for ids that are derived (RFC 9562, version 5)."""

SALES_MERCHANT: Final = MerchantId(uuid5(_HOUSE, "merchant"))
"""Where stored value is paid for. What it is owed goes into balances, never out by settlement."""

PAYABLE: Final = AccountId(uuid5(_HOUSE, "account"))
"""What was paid and not allocated yet; one account of this id in each partition."""

STORED_VALUE_CATEGORY: Final = "6540"
"""ISO 18245: stored value bought or loaded. No stored value pays here (PP-8)."""

TRANSFER_WITHIN: Final = timedelta(days=14)
"""How long a bank transfer is waited for. What comes later is an operator's to send back."""

_ASKED_WITHIN: Final = timedelta(hours=1)
"""How long one that was never asked for is kept: whoever wanted it has gone."""

PREFIXES: Final[Mapping[SubjectKind, str]] = {SubjectKind.ORDER: "OBV-O-", SubjectKind.CHARGE: "OBV-C-"}
"""What the references of bank transfers begin with."""

_REASONS: Final = {"AM04": "insufficient_funds", "AC04": "account_closed", "MD01": "no_mandate"}

_SOURCE_OF: Final = {Means.CARD: SourceKind.LINKED_CARD, Means.BANK_ACCOUNT: SourceKind.BANK_ACCOUNT}


def house_merchant(created_at: datetime) -> Merchant:
    """The merchant at which stored value is paid for by card.

    It is stored as closed, so that no door takes a payment for it; only this room's requests see it open.
    """
    return Merchant(
        id=SALES_MERCHANT,
        name="Obverse sales",
        category=STORED_VALUE_CATEGORY,
        acquirer_id="0",
        merchant_no="SALES",
        terminals=(),
        account_id=PAYABLE,
        state=MerchantState.ACTIVE,
        created_at=created_at,
        accepts=frozenset(kind.value for kind in CardKind),
        payout=PayoutTerms(rhythm=Rhythm.NEVER),
    )


def house_payables(partitions: Sequence[PartitionId], currency: CurrencyCode) -> list[Account]:
    """What was paid and is owed as stored value: rolled up like every merchant's, one per partition."""
    return [
        Account(
            partition_id=partition_id,
            id=PAYABLE,
            kind=AccountKind.MERCHANT_PAYABLE,
            owner_id=SALES_MERCHANT,
            currency=currency,
            floor_minor=None,
            rolled_up=True,
        )
        for partition_id in partitions
    ]


# how it is paid --------------------------------------------------------------------------------------------


def check_how(how: How, *, collects: bool) -> None:
    """Refuse a way to pay that does not say by what, or that the bank cannot be asked for.

    Raises `InvalidRequest`, `MeansNotOffered`.
    """
    if how.means is Means.BANK_ACCOUNT and not collects:
        raise MeansNotOffered
    named = (how.source_id is not None, how.card is not None)
    if how.means is Means.CARD and sum(named) != 1:
        raise InvalidRequest("Name a linked card or type one in, not both.", "source")
    if how.means is Means.BANK_ACCOUNT and named != (True, False):
        raise InvalidRequest("Name the linked bank account.", "source")
    if how.means is Means.BANK_TRANSFER and any(named):
        raise InvalidRequest("A bank transfer needs neither a source nor a card.", "source")


def check_source(source: Source | None, wish_member: object, partition_id: PartitionId, means: Means) -> None:
    """Only the payer's own, active source of the right kind pays. Raises `SourceNotFound`, `SourceNotActive`,
    `InvalidRequest`: a balance, above all, does not buy balance (PP-8)."""
    if (
        source is None
        or source.member_id is None
        or source.member_id != wish_member
        or source.partition_id != partition_id
        or source.state is SourceState.REMOVED
    ):
        raise SourceNotFound("source")
    if source.kind is not _SOURCE_OF[means]:
        raise InvalidRequest(f"That source is not a {_SOURCE_OF[means].replace('_', ' ')}.", "source")
    if source.state is not SourceState.ACTIVE:
        raise SourceNotActive


def patience(means: Means) -> timedelta:
    """How long a sale stays open."""
    return TRANSFER_WITHIN if means is Means.BANK_TRANSFER else _ASKED_WITHIN


def stand_in_for(sale: Sale) -> Order:
    """The one-time number that a card payment is made with: nobody's, good once, here, for this amount."""
    assert sale.source_id is not None, "a card payment names its source"
    controls = Controls(amount_limit_minor=sale.amount.amount_minor, merchant_id=SALES_MERCHANT)
    return Order(sale.partition_id, None, sale.amount.currency, controls, (sale.source_id,))


def request_key(sale_id: SaleId) -> str:
    """The key of a sale's one card payment, and of the stand-in that makes it."""
    return f"sale:{sale_id}"


def stand_in_request(sale: Sale) -> RequestKey:
    return RequestKey(request_key(sale.id), sha256(sale.id.bytes).digest())


def conclude(sale: Sale, payment: Authorization) -> Sale:
    """The sale as its card payment leaves it; one that still waits for a card company stays as it is."""
    if payment.status is Status.PROCESSING:
        return sale
    if payment.status is Status.APPROVED and payment.refundable_minor == sale.amount.amount_minor:
        return replace(sale, state=SaleState.PAID, authorization_id=payment.id)
    decline = payment.decline or Decline.REVERSED
    return replace(sale, state=SaleState.DECLINED, authorization_id=payment.id, decline=decline)


# receipts --------------------------------------------------------------------------------------------------


def reference_of(written: str) -> str | None:
    """The sale's reference as it was issued, from what a transfer carried; None where it is none."""
    found = (reference_in(prefix, written) for prefix in PREFIXES.values())
    return next((reference for reference in found if reference is not None), None)


def parts(sale: Sale, receipts: Iterable[Receipt]) -> list[tuple[Receipt, int]]:
    """How much of which receipts pays the sale; nothing as long as they do not pay all of it.

    Too little waits, to be topped up or sent back; what is too much stays a receipt, for an operator.
    """
    taken: list[tuple[Receipt, int]] = []
    rest = sale.amount.amount_minor
    for receipt in receipts:
        minor = min(rest, receipt.open_minor)
        if minor and receipt.amount.currency == sale.amount.currency:
            taken.append((receipt, minor))
            rest -= minor
    return taken if rest == 0 else []


def way_back(payer: BankAccount | None) -> BankAccount | None:
    """The account that a bank has named, if money can be sent there: how a bank writes is its own affair."""
    try:
        return check_bank_account(payer) if payer is not None else None
    except InvalidRequest:
        return None


def decline_of(reason: str) -> str:
    """A bank's ISO 20022 reason as a stable code.

    >>> decline_of("AM04 insufficient funds"), decline_of("AC04 account closed"), decline_of("")
    ('insufficient_funds', 'account_closed', 'bank_refused')
    """
    return _REASONS.get(reason[:4], "bank_refused")


# giving back -----------------------------------------------------------------------------------------------


def give_back(sale: Sale, amount_minor: int) -> Sale:
    """The sale after this much of it was given back. Raises `SaleNotPaid`, `GivesBackTooMuch`."""
    if sale.state not in (SaleState.PAID, SaleState.DONE):
        raise SaleNotPaid
    given_back_minor = sale.given_back_minor + amount_minor
    if amount_minor < 1 or given_back_minor > sale.amount.amount_minor:
        raise GivesBackTooMuch
    whole = given_back_minor == sale.amount.amount_minor
    return replace(
        sale, given_back_minor=given_back_minor, state=SaleState.GIVEN_BACK if whole else sale.state
    )
