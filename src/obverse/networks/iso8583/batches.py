"""What a terminal sends at the end of its day: each sale once more (0320), and its totals (0500)."""

import re
from dataclasses import dataclass, field
from typing import Final

from obverse.clearing.claims import BatchTotals, ClaimKind, Count
from obverse.kit.money import Money
from obverse.kit.secret import Secret
from obverse.networks.iso8583.codec import Fields
from obverse.networks.iso8583.errors import FormatError
from obverse.networks.iso8583.fields import (
    DE3_PROCESSING_CODE,
    DE7_TRANSMITTED_AT,
    DE11_STAN,
    DE32_ACQUIRER,
    DE37_RRN,
    DE38_APPROVAL_CODE,
    DE41_TERMINAL,
    DE50_SETTLEMENT_CURRENCY,
    DE60_BATCH,
    DE74_CREDITS,
    DE75_CREDITS_REVERSED,
    DE76_DEBITS,
    DE77_DEBITS_REVERSED,
    DE86_CREDITED,
    DE87_CREDITED_REVERSED,
    DE88_DEBITED,
    DE89_DEBITED_REVERSED,
    DE97_NET,
)
from obverse.networks.iso8583.reading import (
    read_amount,
    read_currency,
    read_digits,
    read_merchant_no,
    read_number,
    read_text,
)

BATCH_UPLOADS: Final = frozenset({"0320", "0321"})
RECONCILIATIONS: Final = frozenset({"0500", "0501"})

IN_BALANCE: Final = "1"
"""DE 66."""
OUT_OF_BALANCE: Final = "2"

_KINDS: Final = {"00": ClaimKind.CAPTURE, "20": ClaimKind.REFUND}
"""DE 3, first two digits."""
_BATCH: Final = re.compile("[0-9]{6}")
_NET: Final = re.compile("[CD][0-9]{16}")


@dataclass(frozen=True, slots=True)
class UploadMessage:
    """0320: one sale or refund of the batch, claimed with its number and approval code (OT-16).

    The retrieval reference (DE 37) of the sale is the claim's own reference.
    """

    fields: Fields = field(repr=False)
    acquirer: str
    merchant_no: str
    terminal: str
    batch_no: str
    kind: ClaimKind
    number: Secret
    approval_code: str
    amount: Money
    reference: str


@dataclass(frozen=True, slots=True)
class ReconciliationMessage:
    """0500: what the terminal has in its batch; what was reversed of it is taken off."""

    fields: Fields = field(repr=False)
    acquirer: str
    merchant_no: str
    terminal: str
    batch_no: str
    totals: BatchTotals


def read_upload(fields: Fields) -> UploadMessage:
    """Read a 0320. Raises `FormatError`."""
    _read_trace(fields)
    kind = _KINDS.get(read_digits(fields, DE3_PROCESSING_CODE)[:2])
    if kind is None:
        raise FormatError(DE3_PROCESSING_CODE)
    return UploadMessage(
        fields=fields,
        acquirer=read_digits(fields, DE32_ACQUIRER),
        merchant_no=read_merchant_no(fields),
        terminal=read_text(fields, DE41_TERMINAL),
        batch_no=_read_batch(fields),
        kind=kind,
        number=read_number(fields),
        approval_code=read_text(fields, DE38_APPROVAL_CODE),
        amount=read_amount(fields),
        reference=read_text(fields, DE37_RRN),
    )


def read_reconciliation(fields: Fields) -> ReconciliationMessage:
    """Read a 0500. Raises `FormatError`."""
    _read_trace(fields)
    captures = Count(
        _less(fields, DE76_DEBITS, DE77_DEBITS_REVERSED), _less(fields, DE88_DEBITED, DE89_DEBITED_REVERSED)
    )
    refunds = Count(
        _less(fields, DE74_CREDITS, DE75_CREDITS_REVERSED),
        _less(fields, DE86_CREDITED, DE87_CREDITED_REVERSED),
    )
    if _read_net(fields) != captures.amount_minor - refunds.amount_minor:
        raise FormatError(DE97_NET)
    return ReconciliationMessage(
        fields=fields,
        acquirer=read_digits(fields, DE32_ACQUIRER),
        merchant_no=read_merchant_no(fields),
        terminal=read_text(fields, DE41_TERMINAL),
        batch_no=_read_batch(fields),
        totals=BatchTotals(read_currency(fields, DE50_SETTLEMENT_CURRENCY), captures, refunds),
    )


def _read_trace(fields: Fields) -> None:
    read_digits(fields, DE7_TRANSMITTED_AT)
    read_digits(fields, DE11_STAN)


def _read_batch(fields: Fields) -> str:
    batch = read_text(fields, DE60_BATCH)
    if not _BATCH.fullmatch(batch):
        raise FormatError(DE60_BATCH)
    return batch


def _less(fields: Fields, number: str, reversed_: str) -> int:
    """A total without what was reversed of it, where the terminal counts that."""
    undone = int(read_digits(fields, reversed_)) if reversed_ in fields else 0
    return int(read_digits(fields, number)) - undone


def _read_net(fields: Fields) -> int:
    """DE 97: `D` where cardholders were debited more than they were credited, which is the ordinary day."""
    net = read_text(fields, DE97_NET)
    if not _NET.fullmatch(net):
        raise FormatError(DE97_NET)
    return int(net[1:]) if net[0] == "D" else -int(net[1:])
