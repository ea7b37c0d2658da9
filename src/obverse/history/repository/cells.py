"""Cells of counted purchases in the database."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Final

from obverse.history.model import Cell, Month
from obverse.kit.database import Connection
from obverse.kit.ids import IDS_STRAY, MerchantId, first_id_of
from obverse.kit.money import CurrencyCode, Money

_PATIENCE_S: Final = 600
"""A whole month of payments is read."""
_TURN: Final = (0x0B5E, 23)

TAKE_TURN: Final = "select pg_try_advisory_xact_lock($1, $2)"

LAST_COUNTED: Final = "select max(month) from purchase_months"

INSERT_MONTH: Final = "insert into purchase_months (month, members_min, counted_at) values ($1, $2, $3)"

# What was bought in the month and not given back since, by members whose consent was given before and was not
# taken back since. What handed-over cards bought is not the member's.
COUNT: Final = """
insert into purchase_cells
    (month, merchant_id, category, denomination_minor, currency, purchases, amount_minor)
select $1, a.merchant_id, a.category, c.face_value_minor, a.currency, count(*),
    sum(a.captured_minor - a.refunded_minor - a.disputed_minor)
from authorizations as a
join cards as c on c.id = a.card_id and c.partition_id = a.partition_id and c.held_by = 'member'
join purchase_consents as given on given.member_id = c.member_id and given.withdrawn_at is null
    and given.given_at <= a.created_at
join merchants as m on m.id = a.merchant_id and m.payout_rhythm <> 'never'
where a.id > $2 and a.id < $3 and a.created_at >= $4 and a.created_at < $5 and a.purpose = 'purchase'
    and a.status = 'approved' and a.captured_minor - a.refunded_minor - a.disputed_minor > 0
    and a.category is not null
group by 2, 3, 4, 5
having count(distinct c.member_id) >= $6
"""

READ: Final = """
select month, merchant_id, category, denomination_minor, currency, purchases, amount_minor from purchase_cells
where month between $1 and $2 and ($3::uuid is null or merchant_id = $3)
"""


async def take_turn(conn: Connection) -> bool:
    """Whether this transaction may count; False while another does."""
    taken: bool = await conn.fetchval(TAKE_TURN, *_TURN)
    return taken


async def last_counted(conn: Connection) -> Month | None:
    found: date | None = await conn.fetchval(LAST_COUNTED)
    return Month.of(found) if found is not None else None


async def count(
    conn: Connection, month: Month, begins: datetime, ends: datetime, members_min: int, now: datetime
) -> None:
    """Count one month for good: of cells with fewer members than that nothing is stored."""
    await conn.execute(INSERT_MONTH, month.first, members_min, now)
    await conn.execute(
        COUNT,
        month.first,
        first_id_of(begins - IDS_STRAY),
        first_id_of(ends + IDS_STRAY),
        begins,
        ends,
        members_min,
        timeout=_PATIENCE_S,
    )


async def read(
    conn: Connection, since: Month, until: Month, merchant_id: MerchantId | None
) -> Sequence[Cell]:
    """The cells of these months, both included; with `merchant_id`, of that merchant."""
    return [
        Cell(
            month=Month.of(row["month"]),
            merchant_id=row["merchant_id"],
            category=row["category"],
            denomination_minor=row["denomination_minor"],
            amount=Money(row["amount_minor"], CurrencyCode(row["currency"])),
            purchases=row["purchases"],
        )
        for row in await conn.fetch(READ, since.first, until.first, merchant_id)
    ]
