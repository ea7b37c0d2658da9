"""The events that tell of bills and of the credit lines behind them."""

from datetime import datetime

from obverse.billing.model import Bill
from obverse.kit.events import Event
from obverse.kit.ids import EventId, NewId, to_text
from obverse.wallet.model import Source


def bill_news(type_: str, bill: Bill, new_id: NewId, now: datetime) -> Event:
    """What became of a bill, with what its member has to know to pay it."""
    data = {
        "bill": to_text("bill", bill.id),
        "member": to_text("mem", bill.member_id),
        "month": str(bill.month),
        "balance": bill.balance_minor,
        "due": bill.due_minor,
        "currency": bill.currency,
        "due_on": bill.due_on.isoformat() if bill.due_on is not None else None,
        "reference": bill.reference,
    }
    return Event(EventId(new_id()), type_, bill.id, data, now)


def source_news(type_: str, source: Source, new_id: NewId, now: datetime) -> Event:
    """A credit line stopped paying because of unpaid bills, or pays again."""
    assert source.member_id is not None, "credit is given to members"
    data = {"member": to_text("mem", source.member_id), "reason": "arrears"}
    return Event(EventId(new_id()), type_, source.id, data, now)
