"""The questions. Each is one statement over the tables of many rooms, and reads only.

Reconciliation is the one room that looks into the tables of others: it has to hear from each what it has
written down, not what its code makes of it.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import asyncpg

from obverse.draws.rules import HOUSE_MERCHANT
from obverse.kit.database import Connection
from obverse.kit.ids import to_text
from obverse.kit.money import CurrencyCode
from obverse.ledger.model import HOUSE_ACCOUNTS, AccountKind
from obverse.reconciliation.model import BreakKind, Finding

_PATIENCE_S: Final = 3_600
"""The whole journal is read."""

# What the merchant was given for a payment, and what went back, by whatever leg.
PAYMENTS: Final = """
with moved as (
    select t.partition_id, t.subject_id, sum(case
        when t.kind in ('pending', 'void') then 0
        when t.credit_account_id = l.credit_account_id then t.amount_minor
        when t.debit_account_id = l.credit_account_id then -t.amount_minor
        else 0 end) as minor
    from transfers as t
    join legs as l on (l.partition_id, l.authorization_id, l.position) = (t.partition_id, t.subject_id, 0)
    group by 1, 2
)
select 'auth' as prefix, a.id, a.captured_minor - a.refunded_minor as expected,
    coalesce(m.minor, 0) as found, a.currency
from authorizations as a left join moved as m on (m.partition_id, m.subject_id) = (a.partition_id, a.id)
where coalesce(m.minor, 0) <> a.captured_minor - a.refunded_minor
"""

# What is not settled, what was gathered by a settlement that is not closed, what closed ones carried - and
# what left by another road: draws are paid out of the house merchant's payable, whose actions settlement only
# takes out of the way.
MERCHANTS: Final = """
with journal as (
    select side.account_id, t.currency,
        sum(case when side.is_debit then -t.amount_minor else t.amount_minor end) as minor
    from transfers as t cross join lateral (values (t.debit_account_id, true), (t.credit_account_id, false))
        as side (account_id, is_debit)
    where t.kind in ('posted', 'post') group by 1, 2
), signed as (
    select merchant_id, sum(case kind when 'capture' then amount_minor else -amount_minor end) as minor
    from actions where (settlement_id is null or merchant_id = $1)
        and kind in ('capture', 'refund', 'reversal', 'dispute_lost')
    group by 1
), gathered as (
    select l.merchant_id, sum(l.captured_minor - l.refunded_minor - l.reversed_minor - l.charged_back_minor)
        as minor
    from settlement_lines as l
    where not exists (select from merchant_statements as s
        where (s.settlement_id, s.merchant_id) = (l.settlement_id, l.merchant_id))
    group by 1
), drawn as (
    select $1::uuid as merchant_id, sum(amount_minor) as minor from draws where state = 'ordered'
)
select 'mer' as prefix, m.id, j.currency, coalesce(j.minor, 0) as found,
    coalesce(s.minor, 0) + coalesce(g.minor, 0) + coalesce(b.owed_minor, 0) - coalesce(d.minor, 0) as expected
from merchants as m
join journal as j on j.account_id = m.account_id
left join signed as s on s.merchant_id = m.id
left join gathered as g on g.merchant_id = m.id
left join settlement_balances as b on b.merchant_id = m.id
left join drawn as d on d.merchant_id = m.id
where coalesce(j.minor, 0) <> coalesce(s.minor, 0) + coalesce(g.minor, 0) + coalesce(b.owed_minor, 0)
    - coalesce(d.minor, 0)
"""

CREDIT_LINES: Final = """
with paid as (
    select partition_id, debit_account_id as account_id,
        sum(captured_minor - refunded_minor - disputed_minor) as minor
    from legs where kind = 'credit_line' group by 1, 2
), came_in as (
    select partition_id, account_id, sum(amount_minor) as minor from receipt_placements group by 1, 2
)
select 'src' as prefix, s.id, a.currency, coalesce(p.minor, 0) - coalesce(c.minor, 0) as expected,
    a.debits_posted_minor - a.credits_posted_minor as found
from funding_sources as s
join accounts as a on (a.partition_id, a.id) = (s.partition_id, s.account_id)
left join paid as p on (p.partition_id, p.account_id) = (s.partition_id, s.account_id)
left join came_in as c on (c.partition_id, c.account_id) = (s.partition_id, s.account_id)
where s.kind = 'credit_line'
    and a.debits_posted_minor - a.credits_posted_minor <> coalesce(p.minor, 0) - coalesce(c.minor, 0)
"""

NOT_PRESENTED: Final = """
select 'act' as prefix, id, amount_minor as expected, 0 as found, currency from actions
where to_present and created_at < $1
"""

REJECTED: Final = """
select 'pres' as prefix, id, currency, 0 as found,
    case direction when 'debit' then amount_minor else -amount_minor end as expected
from presentments where state = 'rejected'
"""

NOT_ACKNOWLEDGED: Final = """
select 'pfile' as prefix, id, debit_minor - credit_minor as expected, 0 as found, currency
from presentment_files
where state = 'refused' or (state in ('made', 'unknown', 'sent') and created_at < $1)
"""

FILE_TOTALS: Final = """
select 'pfile' as prefix, f.id, f.currency, f.accepted_minor as found, coalesce(p.minor, 0) as expected
from presentment_files as f
left join (
    select file_id, sum(case direction when 'debit' then amount_minor else -amount_minor end) as minor
    from presentments where state = 'accepted' group by 1
) as p on p.file_id = f.id
where f.state = 'acknowledged' and f.accepted_minor <> coalesce(p.minor, 0)
"""

FILES_PAID: Final = """
select 'pfile' as prefix, id, greatest(accepted_minor + carried_minor, 0) as expected,
    received_minor as found, currency
from presentment_files
where state = 'acknowledged' and received_minor <> greatest(accepted_minor + carried_minor, 0)
    and (acknowledged_at < $1 or received_minor > 0)
"""

RECEIPTS: Final = """
select 'rcpt' as prefix, id, 0 as expected, amount_minor - placed_minor as found, currency from receipts
where placed_minor < amount_minor and direction = 'credit' and created_at < $1
"""

BANK_DEBITS: Final = """
select 'rcpt' as prefix, id, 0 as expected, amount_minor - placed_minor as found, currency from receipts
where placed_minor < amount_minor and direction = 'debit'
"""

OFF_STATEMENT: Final = """
select 'bank' as prefix, t.id, t.amount_minor as expected, 0 as found, t.currency from bank_transfers as t
where t.state = 'done' and t.updated_at < $1
    and not exists (select from bank_entries as e where e.bank_transfer_id = t.id)
"""

_QUESTIONS: Final = {
    BreakKind.PAYMENT_DIFFERS_FROM_LEDGER: PAYMENTS,
    BreakKind.MERCHANT_DIFFERS_FROM_LEDGER: MERCHANTS,
    BreakKind.CREDIT_LINE_DIFFERS_FROM_LEDGER: CREDIT_LINES,
    BreakKind.NOT_PRESENTED: NOT_PRESENTED,
    BreakKind.PRESENTMENT_REJECTED: REJECTED,
    BreakKind.FILE_NOT_ACKNOWLEDGED: NOT_ACKNOWLEDGED,
    BreakKind.FILE_TOTALS_DIFFER: FILE_TOTALS,
    BreakKind.FILE_PAID_DIFFERENTLY: FILES_PAID,
    BreakKind.RECEIPT_UNPLACED: RECEIPTS,
    BreakKind.UNKNOWN_BANK_DEBIT: BANK_DEBITS,
    BreakKind.TRANSFER_NOT_ON_STATEMENT: OFF_STATEMENT,
}

# Debits less credits, for good: what is held is nobody's yet.
HOUSE: Final = """
select a.kind, sum(case when side.is_debit then t.amount_minor else -t.amount_minor end)::bigint as minor
from transfers as t
cross join lateral (values (t.debit_account_id, true), (t.credit_account_id, false))
    as side (account_id, is_debit)
join accounts as a on a.partition_id = t.partition_id and a.id = side.account_id
where t.kind in ('posted', 'post') and a.kind = any($1)
group by 1
"""

# The same accounts as the rooms that use them would have them.
ROOMS: Final = """
select
    (select coalesce(sum(captured_minor - refunded_minor - disputed_minor), 0)
        from legs where kind = 'linked_card')
    - (select coalesce(sum(p.amount_minor), 0) from receipt_placements as p
        join accounts as a on (a.partition_id, a.id) = (p.partition_id, p.account_id)
        where a.kind = 'card_company_receivable')
    - (select coalesce(sum(case direction when 'debit' then amount_minor else -amount_minor end), 0)
        from presentments where state = 'written_off') as card_company_receivable,
    (select coalesce(sum(case direction when 'credit' then amount_minor else -amount_minor end), 0)
        from receipts)
    - (select coalesce(sum(amount_minor), 0) from bank_transfers where state = 'done') as bank,
    (select coalesce(sum(case direction when 'credit' then placed_minor - amount_minor
        else amount_minor - placed_minor end), 0) from receipts) as suspense,
    (select -coalesce(sum(amount_minor), 0) from bank_transfers where state <> 'done') as in_transit,
    (select -coalesce(sum(fees_minor), 0) from merchant_statements) as fee_income,
    (select coalesce(sum(disputed_minor), 0) from authorizations) as disputed,
    (select coalesce(sum(case direction when 'debit' then amount_minor else -amount_minor end), 0)
        from presentments where state = 'written_off') as written_off
"""

CARD_COMPANIES: Final = """
select (select coalesce(sum(accepted_minor - received_minor), 0) from presentment_files
        where state = 'acknowledged')
    + (select coalesce(sum(case direction when 'debit' then amount_minor else -amount_minor end), 0)
        from presentments where state in ('ready', 'presented', 'rejected'))
    + (select coalesce(sum(case when a.kind in ('capture', 'dispute_won') then part else -part end), 0)
        from actions as a
        cross join lateral unnest(a.parts) with ordinality as share (part, number)
        join legs as l on (l.partition_id, l.authorization_id) = (a.partition_id, a.authorization_id)
            and l.position = share.number - 1
        where a.to_present and l.kind = 'linked_card') as minor
"""

# A statement's opening balance is what was there before we began to keep books.
CLOSING: Final = """
select last.currency, last.day, last.closing_minor - first.opening_minor as moved
from (select * from bank_statements order by day desc, statement_id desc limit 1) as last
cross join (select * from bank_statements order by day, statement_id limit 1) as first
"""


async def ask(conn: Connection, silent_since: datetime) -> list[Finding]:
    """Everything that differs, in the caller's snapshot. Partners silent since then are late."""
    findings: list[Finding] = []
    for kind, question in _QUESTIONS.items():
        argument = HOUSE_MERCHANT if "$1::uuid" in question else silent_since
        arguments = [argument] if "$1" in question else []
        rows = await conn.fetch(question, *arguments, timeout=_PATIENCE_S)
        findings += [_finding(kind, row) for row in rows]
    return findings


async def house_positions(conn: Connection) -> Mapping[AccountKind, int]:
    """What the programme's own accounts hold according to the journal, debits less credits."""
    kinds = [kind.value for kind in HOUSE_ACCOUNTS]
    rows = await conn.fetch(HOUSE, kinds, timeout=_PATIENCE_S)
    return {AccountKind(row["kind"]): row["minor"] for row in rows}


async def house_positions_of_rooms(conn: Connection) -> Mapping[AccountKind, int]:
    """The same as the rooms that use them have it in their own tables."""
    row = await conn.fetchrow(ROOMS, timeout=_PATIENCE_S)
    assert row is not None
    return {AccountKind(kind): int(minor) for kind, minor in row.items()}


async def owed_by_card_companies(conn: Connection) -> int:
    """What card companies have taken and not paid, and what is on its way to them."""
    return int(await conn.fetchval(CARD_COMPANIES, timeout=_PATIENCE_S))


async def closing_balance(conn: Connection) -> int | None:
    """How much the bank's own balance has moved since our first statement; None before there is one."""
    row = await conn.fetchrow(CLOSING)
    return None if row is None else int(row["moved"])


def _finding(kind: BreakKind, row: asyncpg.Record) -> Finding:
    subject = to_text(row["prefix"], row["id"])
    currency = CurrencyCode(row["currency"])
    return Finding(kind, subject, int(row["expected"]), int(row["found"]), currency)
