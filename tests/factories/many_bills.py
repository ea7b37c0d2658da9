"""Members, credit lines and captured payments by the thousand, put into the database in a few statements."""

from datetime import datetime
from typing import Final

import asyncpg

# An id that sorts by time, as the platform makes them.
_ID: Final = """
create function pg_temp.id_at(at timestamptz, salt text) returns uuid language sql immutable as $$
    select (lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0') || '7' || substr(md5(salt), 1, 3)
        || '8' || substr(md5(salt), 4, 15))::uuid
$$
"""

_MEMBERS: Final = """
insert into members (id, partition_id, identity_hash, password_hash, address_sealed, address_key, standing,
    created_at)
select pg_temp.id_at($2, 'member' || n), 0, decode(md5('member' || n), 'hex'), '', '', 1, 'good', $2
from generate_series(1, $1::int) as n
"""

_SOURCES: Final = """
insert into funding_sources (id, partition_id, member_id, kind, currency, account_id, state, created_at)
select pg_temp.id_at($2, 'source' || n), 0, pg_temp.id_at($2, 'member' || n), 'credit_line', 'KRW',
    pg_temp.id_at($2, 'account' || n), 'active', $2
from generate_series(1, $1::int) as n
"""

_ACCOUNTS: Final = """
insert into accounts (partition_id, id, kind, owner_id, currency, floor_minor, rolled_up,
    debits_posted_minor, created_at)
select 0, pg_temp.id_at($2, 'account' || n), 'member_receivable', pg_temp.id_at($2, 'member' || n), 'KRW',
    -100000000, false, 1000 * $3::int, $2
from generate_series(1, $1::int) as n
"""

# The payments of a member are spread over the time from `$2` to `$4`.
_PAYMENTS: Final = """
create temp table payments as
select n, k, $2::timestamptz
    + ($4::timestamptz - $2::timestamptz) * ((n * 7919 + k * 104729) % 100000) / 100000 as at
from generate_series(1, $1::int) as n, generate_series(1, $3::int) as k
"""

_AUTHORIZATIONS: Final = """
insert into authorizations (partition_id, id, request_key, fingerprint, status, failed_rules, approval_code,
    merchant_id, entry, amount_minor, currency, captured_minor, captured_at_once, created_at)
select 0, pg_temp.id_at(at, n || ':' || k), 'many:' || n || ':' || k, '', 'approved', 0, 'A1B2C3',
    pg_temp.id_at($1, 'merchant'), 'online', 1000, 'KRW', 1000, true, at
from payments
"""

_LEGS: Final = """
insert into legs (partition_id, authorization_id, position, source_id, kind, amount_minor, status,
    debit_account_id, credit_account_id, captured_minor)
select 0, pg_temp.id_at(at, n || ':' || k), 0, pg_temp.id_at($1, 'source' || n), 'credit_line', 1000,
    'approved', pg_temp.id_at($1, 'account' || n), pg_temp.id_at($1, 'payable'), 1000
from payments
"""

_ACTIONS: Final = """
insert into actions (partition_id, id, authorization_id, merchant_id, kind, amount_minor, parts, currency,
    request_key, asked, to_present, created_at)
select 0, pg_temp.id_at(at, 'action' || n || ':' || k), pg_temp.id_at(at, n || ':' || k),
    pg_temp.id_at($1, 'merchant'), 'capture', 1000, '{1000}', 'KRW', 'many:' || n || ':' || k, 'all', false,
    at
from payments
"""


async def many_payments(url: str, members: int, each: int, since: datetime, until: datetime) -> None:
    """`members` with a credit line, each of whom has paid 1,000 won `each` times in this time."""
    conn = await asyncpg.connect(url)
    await conn.execute(_ID)
    await conn.execute(_MEMBERS, members, since)
    await conn.execute(_SOURCES, members, since)
    await conn.execute(_ACCOUNTS, members, since, each)
    await conn.execute(_PAYMENTS, members, since, each, until)
    for statement in (_AUTHORIZATIONS, _LEGS, _ACTIONS):
        await conn.execute(statement, since)
    await conn.execute("analyze")
    await conn.close()
