"""Fill the tables, set-based, as if the platform had run for years."""

from typing import Final

import asyncpg

from obverse.kit.secret import Secret

CARDS: Final = 1_000_000
AUTHORIZATIONS: Final = 10_000_000
_CHUNK: Final = 500_000

# Ids that sort by age, as UUIDv7 do, and before those of today.
_FUNCTIONS: Final = """
create function pg_temp.old_id(kind int, n bigint) returns uuid language sql immutable as $$
    select (lpad(to_hex(kind * 1000000000::bigint + n), 12, '0') || '7000'
        || substr(md5(kind || ':' || n), 1, 16))::uuid
$$;
create temp table payer as
    select row_number() over (order by id) - 1 as number, id, member_id, account_id
    from funding_sources where kind = 'credit_line';
create temp table payee as
    select row_number() over (order by id) - 1 as number, id, account_id from merchants;
analyze payer, payee
"""

_CARDS: Final = """
insert into cards (partition_id, id, kind, state, bin, serial, last_four, number_hash, number_hash_key,
    member_id, held_by, currency, spent_on, uses, uses_left, spent_minor, expires_at, funding, created_at)
select 0, pg_temp.old_id(1, n), 'one_time', 'active', '941012', -n, '0000', sha256(n::text::bytea), 1,
    payer.member_id, 'member', 'KRW', 'approval', 1, 0, 1000, now(), array[payer.id],
    now() - interval '1 year'
from generate_series($1::bigint, $2::bigint) as n
join payer on payer.number = n % (select count(*) from payer)
"""

_AUTHORIZATIONS: Final = f"""
insert into authorizations (partition_id, id, request_key, fingerprint, status, failed_rules, approval_code,
    card_id, merchant_id, terminal, entry, category, amount_minor, currency, captured_minor,
    captured_at_once, created_at)
select 0, pg_temp.old_id(2, n), 'iso:2025' || n, substr(sha256(n::text::bytea), 1, 16), 'approved', 0,
    'A2B3C4', pg_temp.old_id(1, n % {CARDS} + 1), payee.id, 'T0000001', 'online', '5732', 1000, 'KRW', 1000,
    true, now() - interval '1 year'
from generate_series($1::bigint, $2::bigint) as n
join payee on payee.number = n % (select count(*) from payee)
"""

_LEGS: Final = """
insert into legs (partition_id, authorization_id, position, source_id, kind, amount_minor, status,
    debit_account_id, credit_account_id)
select 0, pg_temp.old_id(2, n), 0, payer.id, 'credit_line', 1000, 'approved', payer.account_id,
    payee.account_id
from generate_series($1::bigint, $2::bigint) as n
join payer on payer.number = n % (select count(*) from payer)
join payee on payee.number = n % (select count(*) from payee)
"""


async def fill(url: Secret) -> None:
    """Add 1 million used cards, and 10 million payments with their legs."""
    conn = await asyncpg.connect(url.reveal())
    try:
        await conn.execute(_FUNCTIONS)
        for statement, total in ((_CARDS, CARDS), (_AUTHORIZATIONS, AUTHORIZATIONS), (_LEGS, AUTHORIZATIONS)):
            for first in range(1, total, _CHUNK):
                await conn.execute(statement, first, first + _CHUNK - 1)
        await conn.execute("vacuum analyze")
        await conn.execute("checkpoint")
    finally:
        await conn.close()
