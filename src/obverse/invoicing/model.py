"""Invoices to points issuers, their lines, and what came in for them."""

from datetime import date, datetime
from enum import StrEnum

import msgspec

from obverse.authorization.model import ActionKind
from obverse.kit.ids import (
    ActionId,
    AuthorizationId,
    MerchantId,
    PartitionId,
    PointsInvoiceId,
    PointsInvoiceLineId,
    PointsIssuerId,
    ReceiptId,
)
from obverse.kit.money import CurrencyCode
from obverse.points import Rate


class Part(msgspec.Struct, frozen=True):
    """What one step of a payment did to one leg of an issuer's points, as it was loaded.

    `leg_units` are what the whole leg of `leg_minor` took; `invoiced_minor` is what lines before have of it.
    """

    partition_id: PartitionId
    action_id: ActionId
    position: int
    issuer_id: PointsIssuerId
    authorization_id: AuthorizationId
    merchant_id: MerchantId
    kind: ActionKind
    part_minor: int
    leg_minor: int
    leg_units: int
    rate: Rate
    reference: str | None
    approval_code: str | None
    invoiced_minor: int
    created_at: datetime


class Line(msgspec.Struct, frozen=True):
    """One step of a payment as its issuer owes it; amount and units are below zero where they went back.

    `reference` and `approval_code` are by what the issuer finds it in its own books, `rate` what the points
    were taken at. The units of all lines of a leg are what the issuer has of it for good.
    """

    id: PointsInvoiceLineId
    partition_id: PartitionId
    issuer_id: PointsIssuerId
    action_id: ActionId
    position: int
    authorization_id: AuthorizationId
    merchant_id: MerchantId
    kind: ActionKind
    amount_minor: int
    units: int
    rate: Rate
    reference: str | None
    approval_code: str | None
    created_at: datetime
    merchant_name: str = ""


class Sums(msgspec.Struct, frozen=True):
    """Lines added up, up to the one with the number `to_number`. Amounts in minor units."""

    to_number: int
    lines: int
    units: int
    charges_minor: int
    credits_minor: int


class InvoiceState(StrEnum):
    DUE = "due"
    PAID_IN_PART = "paid_in_part"
    PAID = "paid"
    CARRIED_OVER = "carried_over"
    """Nothing is to be paid on it: we owe the issuer, which the next one counts, or there is a next one."""


class Invoice(msgspec.Struct, frozen=True):
    """What an issuer owes when it is drawn up. Amounts in minor units.

    `balance = previous + charges - credits - payments`, below zero where more went back, or was paid, than
    was spent. Whatever earlier invoices left over is in `previous`, so paying the newest pays them all.
    `received_minor` is what came in while it was the newest; `due_on` is None where nothing was owed.
    """

    id: PointsInvoiceId
    issuer_id: PointsIssuerId
    currency: CurrencyCode
    above_number: int
    to_number: int
    lines: int
    units: int
    previous_minor: int
    charges_minor: int
    credits_minor: int
    payments_minor: int
    balance_minor: int
    reference: str
    due_on: date | None
    issued_at: datetime
    received_minor: int = 0
    is_newest: bool = True

    @property
    def open_minor(self) -> int:
        """What is left of it for the issuer to pay; below zero is what we owe the issuer."""
        return self.balance_minor - self.received_minor if self.is_newest else 0

    @property
    def state(self) -> InvoiceState:
        if not self.is_newest or self.open_minor < 0:
            return InvoiceState.CARRIED_OVER
        if not self.open_minor:
            return InvoiceState.PAID
        return InvoiceState.PAID_IN_PART if self.received_minor else InvoiceState.DUE


class InvoicePayment(msgspec.Struct, frozen=True):
    """Money that came in with an invoice's reference. Whichever it names, the issuer's newest counts it."""

    receipt_id: ReceiptId
    invoice_id: PointsInvoiceId
    newest_id: PointsInvoiceId
    amount_minor: int
    created_at: datetime
