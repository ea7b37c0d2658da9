"""What a step of a payment is to an issuer, and what an invoice says. No I/O, no clock."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final

from obverse.authorization.model import ActionKind
from obverse.invoicing.model import Invoice, Line, Part, Sums
from obverse.kit import references
from obverse.kit.calendar import Calendar
from obverse.kit.ids import AuthorizationId, NewId, PointsInvoiceId, PointsInvoiceLineId, PointsIssuerId
from obverse.kit.money import CurrencyCode
from obverse.points.rules import units_due_back

REFERENCE_PREFIX: Final = "OBV-I-"
EFFECTS: Final[Mapping[ActionKind, int]] = {
    ActionKind.CAPTURE: 1,
    ActionKind.REFUND: -1,
    ActionKind.REVERSAL: -1,
    ActionKind.DISPUTE_LOST: -1,
}
"""What the steps of a payment do to what an issuer owes: it has the units exactly as long as it owes for
them. An open dispute changes nothing for it, for no units go back before the merchant has lost."""


def new_reference(random_bytes: Callable[[int], bytes]) -> str:
    """The reference of a new invoice, which says nothing about issuer or amount."""
    return references.new_reference(REFERENCE_PREFIX, random_bytes)


def reference_in(text: str) -> str | None:
    """The invoice reference in what somebody wrote on a transfer, as it was issued; or None.

    >>> reference_in("points of may, obv-i-ol23456788")
    'OBV-I-0123456788'
    """
    return references.reference_in(REFERENCE_PREFIX, text)


def units_kept(units: int, amount_minor: int, kept_minor: int) -> int:
    """How many of a leg's units its issuer has for good when this much of its amount stays paid: the others
    went back, or are held (P16).

    >>> [units_kept(7, 3, kept) for kept in (0, 1, 2, 3)]
    [0, 3, 5, 7]
    """
    return units - units_due_back(units, amount_minor, amount_minor - kept_minor)


def lines_of(parts: Iterable[Part], new_id: NewId) -> list[Line]:
    """The lines that these parts become, in their order."""
    kept: dict[tuple[AuthorizationId, int], int] = {}
    lines = []
    for part in parts:
        leg = part.authorization_id, part.position
        before = kept.setdefault(leg, part.invoiced_minor)
        amount_minor = EFFECTS[part.kind] * part.part_minor
        kept[leg] = before + amount_minor
        units_before, units_after = (
            units_kept(part.leg_units, part.leg_minor, minor) for minor in (before, kept[leg])
        )
        lines.append(
            Line(
                id=PointsInvoiceLineId(new_id()),
                partition_id=part.partition_id,
                issuer_id=part.issuer_id,
                action_id=part.action_id,
                position=part.position,
                authorization_id=part.authorization_id,
                merchant_id=part.merchant_id,
                kind=part.kind,
                amount_minor=amount_minor,
                units=units_after - units_before,
                rate=part.rate,
                reference=part.reference,
                approval_code=part.approval_code,
                created_at=part.created_at,
            )
        )
    return lines


def draw_up(
    issuer_id: PointsIssuerId,
    currency: CurrencyCode,
    last: Invoice | None,
    sums: Sums,
    *,
    invoice_id: PointsInvoiceId,
    reference: str,
    now: datetime,
    due_days: int,
    calendar: Calendar,
) -> Invoice:
    """An issuer's next invoice after the `last` one. Due after `due_days`, on the next day that banks are
    open; a balance of zero or below needs no payment."""
    previous = last.balance_minor if last is not None else 0
    payments = last.received_minor if last is not None else 0
    balance = previous + sums.charges_minor - sums.credits_minor - payments
    due_on = calendar.next_banking_day(calendar.local_date(now) + timedelta(days=due_days))
    return Invoice(
        id=invoice_id,
        issuer_id=issuer_id,
        currency=currency,
        above_number=last.to_number if last is not None else 0,
        to_number=sums.to_number,
        lines=sums.lines,
        units=sums.units,
        previous_minor=previous,
        charges_minor=sums.charges_minor,
        credits_minor=sums.credits_minor,
        payments_minor=payments,
        balance_minor=balance,
        reference=reference,
        due_on=due_on if balance > 0 else None,
        issued_at=now,
    )


def month_begun(now: datetime, calendar: Calendar) -> datetime:
    """When the month began that it is; what was paid before is invoiced by now."""
    first = datetime.combine(calendar.local_date(now).replace(day=1), datetime.min.time(), calendar.zone)
    return first.astimezone(now.tzinfo)
