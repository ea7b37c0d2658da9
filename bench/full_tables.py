"""Fill the tables, set-based, as if the platform had run for years."""

from typing import Final

import asyncpg

from obverse.kit.secret import Secret

CARDS: Final = 1_000_000
AUTHORIZATIONS: Final = 10_000_000
_CHUNK: Final = 500_000

# Ids that sort by age, as UUIDv7 do, and before those of today; every other column as a payment leaves it.
_ID: Final = "(lpad(to_hex({kind} * 1000000000::bigint + n), 12, '0') || '7000' || substr(md5(n::text || '{kind}'), 1, 16))::uuid"

_FILL_CARDS: Final = f"""
insert into cards (partition_id, id, kind, state, bin, serial, last_four, number_hash, number_hash_key, member_id,
    held_by, currency, spent_on, uses, uses_left, spent_minor, expires_at, funding, created_at)
select 0, {_ID.format(kind=1)}, 'one_time', 'active', '941012', -n, '0000', sha256(n::text::bytea), 1,
    source.member_id, 'member', 'KRW', 'approval', 1, 0, 1000, now(), array[source.id], now() - interval '1 year'
from generate_series($1::bigint, $2::bigint) as n
join (select row_number() over (order by id) - 1 as number, id, member_id from funding_sources
      where kind = 'credit_line') as source
    on source.number = n % (select count(*) from funding_sources where kind = 'credit_line')
"""

_FILL_AUTHORIZATIONS: Final = f"""
insert into authorizations (partition_id, id, request_key, fingerprint, status, failed_rules, approval_code,
    card_id, merchant_id, terminal, entry, category, amount_minor, currency, captured_minor, captured_at_once,
    created_at)
select 0, {_ID.format(kind=2)}, 'old:' || n, substr(sha256(n::text::bytea), 1, 16), 'approved', 0, 'A2B3C4',
    {_ID.format(kind=1).replace("+ n)", f"+ n % {CARDS} + 1)").replace("md5(n::text", f"md5((n % {CARDS} + 1)::text")},
    merchant.id, 'T0000001', 'online', '5732', 1000, 'KRW', 1000, true, now() - interval '1 year'
from generate_series($1::bigint, $2::bigint) as n
join (select row_number() over (order by id) - 1 as number, id from merchants) as merchant
    on merchant.number = n % (select count(*) from merchants)
"""

_FILL_LEGS: Final = f"""
insert into legs (partition_id, authorization_id, position, source_id, kind, amount_minor, status,
    debit_account_id, credit_account_id)
select 0, {_ID.format(kind=2)}, 0, source.id, 'credit_line', 1000, 'approved', source.account_id, merchant.account_id
from generate_series($1::bigint, $2::bigint) as n
join (select row_number() over (order by id) - 1 as number, id, account_id from funding_sources
      where kind = 'credit_line') as source
    on source.number = n % (select count(*) from funding_sources where kind = 'credit_line')
join (select row_number() over (order by id) - 1 as number, account_id from merchants) as merchant
    on merchant.number = n % (select count(*) from merchants)
"""


async def fill(url: Secret) -> None:
    """1 million used cards, 10 million payments and their legs."""
    conn = await asyncpg.connect(url.reveal())
    try:
        for statement, total in (
            (_FILL_CARDS, CARDS),
            (_FILL_AUTHORIZATIONS, AUTHORIZATIONS),
            (_FILL_LEGS, AUTHORIZATIONS),
        ):
            for first in range(1, total, _CHUNK):
                await conn.execute(statement, first, first + _CHUNK - 1)
        await conn.execute("vacuum analyze")
        await conn.execute("checkpoint")
    finally:
        await conn.close()
