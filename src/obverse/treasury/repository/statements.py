"""What the bank has said: statements and their entries, each entry once; and operators' commands."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Final

from obverse.kit.database import Connection
from obverse.kit.ids import BankTransferId
from obverse.treasury.model import Direction, Statement, StatementEntry
from obverse.treasury.rules import Booked

KNOWN: Final = """
select entry_reference, direction, amount_minor from bank_entries where entry_reference = any($1::text[])
"""

CONFIRMED: Final = "select bank_transfer_id from bank_entries where bank_transfer_id = any($1::uuid[])"

# In order of reference: two processes that read the same statement wait for one another, never both.
BOOK: Final = """
insert into bank_entries (entry_reference, direction, amount_minor, currency, booked_on, bank_transfer_id,
    created_at)
select e.reference, e.direction, e.amount_minor, $6, e.booked_on, e.transfer_id, $7
from unnest($1::text[], $2::text[], $3::bigint[], $4::date[], $5::uuid[])
    as e (reference, direction, amount_minor, booked_on, transfer_id)
order by e.reference
on conflict (entry_reference) do nothing
returning entry_reference
"""

# Of two readings of one day the longer one is the later, in whatever order they come.
KEEP: Final = """
insert into bank_statements as kept
    (day, statement_id, currency, opening_minor, closing_minor, entries, imported_at)
values ($1, $2, $3, $4, $5, $6, $7)
on conflict (day, statement_id) do update
set opening_minor = excluded.opening_minor, closing_minor = excluded.closing_minor,
    entries = excluded.entries, imported_at = excluded.imported_at
where excluded.entries >= kept.entries
"""

LAST_DAY: Final = "select max(day) from bank_statements"

REMEMBER: Final = """
insert into treasury_commands (request_key, fingerprint, created_at) values ($1, $2, $3)
on conflict (request_key) do nothing
returning true
"""

FINGERPRINT: Final = "select fingerprint from treasury_commands where request_key = $1"


async def known(conn: Connection, entries: Sequence[StatementEntry]) -> dict[str, tuple[Direction, int]]:
    """Direction and amount of those of these entries that were booked before, by reference."""
    rows = await conn.fetch(KNOWN, [entry.reference for entry in entries])
    return {row[0]: (Direction(row[1]), row[2]) for row in rows}


async def confirmed(conn: Connection, ids: Sequence[BankTransferId]) -> set[BankTransferId]:
    """Those of these transfers that an entry has confirmed."""
    return {row[0] for row in await conn.fetch(CONFIRMED, ids)}


async def book(conn: Connection, booked: Sequence[Booked], currency: str, now: datetime) -> set[str]:
    """Store entries; returns the references of those that were not there before."""
    rows = await conn.fetch(
        BOOK,
        [each.entry.reference for each in booked],
        [each.entry.direction for each in booked],
        [each.entry.amount_minor for each in booked],
        [each.entry.booked_on for each in booked],
        [each.transfer_id for each in booked],
        currency,
        now,
    )
    return {row[0] for row in rows}


async def keep(conn: Connection, statement: Statement, now: datetime) -> None:
    """Remember a statement's balances, for reconciliation."""
    await conn.execute(
        KEEP,
        statement.day,
        statement.id,
        statement.currency,
        statement.opening_minor,
        statement.closing_minor,
        len(statement.entries),
        now,
    )


async def last_day(conn: Connection) -> date | None:
    """The latest day of which a statement was read."""
    day: date | None = await conn.fetchval(LAST_DAY)
    return day


async def remember_command(
    conn: Connection, request_key: str, fingerprint: bytes, now: datetime
) -> bytes | None:
    """Store a command's key, or return the fingerprint of the command that came with it before."""
    if await conn.fetchval(REMEMBER, request_key, fingerprint, now):
        return None
    earlier: bytes = await conn.fetchval(FINGERPRINT, request_key)
    return earlier
