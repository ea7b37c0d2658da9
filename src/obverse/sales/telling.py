"""What events tell of sales: that they were paid, came to nothing, or were given back; never by whom."""

from collections.abc import Sequence
from datetime import datetime

from obverse.kit import events
from obverse.kit.database import Connection
from obverse.kit.events import Event
from obverse.kit.ids import EventId, NewId, to_text
from obverse.sales.model import Sale, SubjectKind

_PREFIX = {SubjectKind.ORDER: "ord", SubjectKind.CHARGE: "chg"}


async def tell(conn: Connection, sales: Sequence[Sale], new_id: NewId, now: datetime) -> None:
    """One event for each, named after the state it has come to: `sale.paid`, `sale.declined`, ..."""
    await events.append(
        conn,
        [
            Event(
                EventId(new_id()),
                f"sale.{sale.state}",
                sale.id,
                {
                    "sale": to_text("sale", sale.id),
                    sale.subject_kind.value: to_text(_PREFIX[sale.subject_kind], sale.subject_id),
                    "means": sale.means,
                    "amount": sale.amount.amount_minor,
                    "currency": sale.amount.currency,
                    "decline": sale.decline,
                },
                now,
            )
            for sale in sales
        ],
    )
