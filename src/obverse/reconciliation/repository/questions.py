"""The questions. Each is one statement over the tables of many rooms, and reads only.

Reconciliation is the one room that looks into the tables of others: it has to hear from each what it has
written down, not what its code makes of it.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from obverse.draws.rules import HOUSE_MERCHANT
from obverse.kit.database import Connection
from obverse.kit.ids import to_text
from obverse.kit.money import CurrencyCode
from obverse.reconciliation.model import BreakKind, Finding
from obverse.reconciliation.repository.parts import (
    JOURNAL,
    PATIENCE_S,
    PLACED,
    PRESENTED_MINOR,
    TO_PRESENT,
)
from obverse.sales import SALES_MERCHANT


@dataclass(frozen=True, slots=True)
class Question:
    """A row of the answer is a finding: `prefix` and `id` of what it is about, `expected` and `found`.

    One that is `late` takes the moment since when silence is too long as its only parameter.
    """

    kind: BreakKind
    sql: str
    late: bool = False


# our payments, our ledger ----------------------------------------------------------------------------------

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
select 'auth' as prefix, a.id, a.captured_minor - a.refunded_minor as expected, coalesce(m.minor, 0) as found
from authorizations as a left join moved as m on (m.partition_id, m.subject_id) = (a.partition_id, a.id)
where coalesce(m.minor, 0) <> a.captured_minor - a.refunded_minor
"""

# What no settlement has taken, what one has gathered and not closed, what the last statement carried, what it
# pays and has not ordered yet, what was placed by hand. Settlement only takes the actions of the programme's
# own merchants out of the way: draws are paid out of what the house's is owed, and what was paid at the sales
# merchant becomes stored value, or goes back through the bank.
MERCHANTS: Final = f"""
with {JOURNAL}, {PLACED}, parts as (
    select a.merchant_id,
        case when a.kind in ('capture', 'load_reversal') then a.amount_minor else -a.amount_minor end as minor
    from actions as a join merchants as m on m.id = a.merchant_id
    where a.kind in ('capture', 'refund', 'reversal', 'dispute_lost', 'load', 'load_reversal')
        and (a.settlement_id is null or m.payout_rhythm = 'never')
    union all
    select merchant_id, captured_minor - refunded_minor - reversed_minor - charged_back_minor - loaded_minor
    from settlement_lines as l
    where not exists (select from merchant_statements as s
        where (s.settlement_id, s.merchant_id) = (l.settlement_id, l.merchant_id))
    union all
    select merchant_id, owed_minor from settlement_balances
    union all
    select merchant_id, amount_minor from payouts where ordered_at is null
    union all
    select '{HOUSE_MERCHANT}'::uuid, -amount_minor from draws where state = 'ordered'
    union all
    select '{SALES_MERCHANT}'::uuid, -allocated_minor from sales where allocated_minor > 0
    union all
    select '{SALES_MERCHANT}'::uuid, -r.amount_minor
    from sale_refunds as r join sales as s on s.id = r.sale_id
    where r.state = 'done' and s.means <> 'card'
    union all
    select m.id, p.minor from placed as p join merchants as m on m.account_id = p.account_id
), owed as (
    select merchant_id, sum(minor) as minor from parts group by 1
), booked as (
    select account_id, -sum(minor) as minor from journal group by 1
)
select 'mer' as prefix, m.id, coalesce(o.minor, 0) as expected, coalesce(b.minor, 0) as found
from merchants as m
left join owed as o on o.merchant_id = m.id
left join booked as b on b.account_id = m.account_id
where coalesce(o.minor, 0) <> coalesce(b.minor, 0)
"""

CREDIT_LINES: Final = f"""
with {PLACED}, parts as (
    select partition_id, debit_account_id as account_id,
        captured_minor - refunded_minor - disputed_minor as minor
    from legs where kind = 'credit_line'
    union all
    select partition_id, account_id, -minor from placed
), owed as (
    select partition_id, account_id, sum(minor) as minor from parts group by 1, 2
)
select 'src' as prefix, s.id, coalesce(o.minor, 0) as expected,
    a.debits_posted_minor - a.credits_posted_minor as found
from funding_sources as s
join accounts as a on (a.partition_id, a.id) = (s.partition_id, s.account_id)
left join owed as o on (o.partition_id, o.account_id) = (s.partition_id, s.account_id)
where s.kind = 'credit_line' and a.debits_posted_minor - a.credits_posted_minor <> coalesce(o.minor, 0)
"""

# our payments, the points issuers --------------------------------------------------------------------------

# Until a dispute is decided its provisional credit lowers what the issuer owes.
POINTS_ISSUERS: Final = f"""
with {JOURNAL}, {PLACED}, receivables as (
    select partition_id, id, owner_id from accounts where kind = 'points_issuer_receivable'
), parts as (
    select partition_id, debit_account_id as account_id,
        captured_minor - refunded_minor - disputed_minor as minor, 0 as booked
    from legs where kind = 'issuer_points'
    union all
    select partition_id, account_id, -minor, 0 from placed
    union all
    select partition_id, account_id, 0, minor from journal
)
select 'pis' as prefix, r.owner_id as id, sum(p.minor) as expected, sum(p.booked) as found
from receivables as r join parts as p on (p.partition_id, p.account_id) = (r.partition_id, r.id)
group by r.owner_id having sum(p.minor) <> sum(p.booked)
"""

INVOICED: Final = """
with parts as (
    select i.partition_id, i.authorization_id, 0 as taken, i.amount_minor as invoiced
    from points_invoice_lines as i
    union all
    select a.partition_id, a.authorization_id, 0, a.parts[l.position + 1]
        * case a.kind when 'capture' then 1 when 'refund' then -1 when 'reversal' then -1
            when 'dispute_lost' then -1 else 0 end
    from actions as a
    join legs as l on (l.partition_id, l.authorization_id) = (a.partition_id, a.authorization_id)
    where a.to_invoice and l.kind = 'issuer_points'
    union all
    select partition_id, authorization_id, captured_minor - refunded_minor, 0
    from legs where kind = 'issuer_points'
)
select 'auth' as prefix, authorization_id as id, sum(taken) as expected, sum(invoiced) as found
from parts group by partition_id, authorization_id having sum(taken) <> sum(invoiced)
"""

# Whatever the ones before have left over is on the newest.
INVOICES_PAID: Final = """
select 'pinv' as prefix, i.id, i.balance_minor as expected, coalesce(p.minor, 0) as found
from points_invoices as i
left join (
    select newest_id, sum(amount_minor) as minor from points_invoice_payments group by 1
) as p on p.newest_id = i.id
where i.due_on < $1::timestamptz::date and coalesce(p.minor, 0) < i.balance_minor and not exists (
    select from points_invoices as n where n.issuer_id = i.issuer_id and n.to_number > i.to_number
)
"""

# our payments, the card companies --------------------------------------------------------------------------

PRESENTED: Final = f"""
with {TO_PRESENT}, parts as (
    select * from to_present
    union all
    select partition_id, authorization_id, {PRESENTED_MINOR} from presentments
), told as (
    select partition_id, authorization_id, sum(minor) as minor from parts group by 1, 2
), taken as (
    select partition_id, authorization_id, sum(captured_minor - refunded_minor - disputed_minor) as minor
    from legs where kind = 'linked_card' group by 1, 2
)
select 'auth' as prefix, authorization_id as id, taken.minor as expected, coalesce(told.minor, 0) as found
from taken left join told using (partition_id, authorization_id)
where taken.minor <> coalesce(told.minor, 0)
"""

NOT_PRESENTED: Final = """
select 'act' as prefix, id, amount_minor as expected, 0 as found from actions
where to_present and created_at < $1
"""

REJECTED: Final = f"""
select 'pres' as prefix, id, {PRESENTED_MINOR} as expected, 0 as found from presentments
where state = 'rejected'
"""

NOT_ACKNOWLEDGED: Final = """
select 'pfile' as prefix, id, debit_minor - credit_minor as expected, 0 as found from presentment_files
where state = 'refused' or (state in ('made', 'unknown', 'sent') and created_at < $1)
"""

FILE_TOTALS: Final = f"""
select 'pfile' as prefix, f.id, coalesce(p.minor, 0) as expected, f.accepted_minor as found
from presentment_files as f
left join (
    select file_id, sum({PRESENTED_MINOR}) as minor from presentments where state = 'accepted' group by 1
) as p on p.file_id = f.id
where f.state = 'acknowledged' and f.accepted_minor <> coalesce(p.minor, 0)
"""

FILES_PAID: Final = """
select 'pfile' as prefix, id, greatest(accepted_minor + carried_minor, 0) as expected, received_minor as found
from presentment_files
where state = 'acknowledged' and received_minor <> greatest(accepted_minor + carried_minor, 0)
    and (acknowledged_at < $1 or received_minor > 0)
"""

# the bank --------------------------------------------------------------------------------------------------

RECEIPTS: Final = """
select 'rcpt' as prefix, id, 0 as expected, amount_minor - placed_minor as found from receipts
where placed_minor < amount_minor and direction = 'credit' and created_at < $1
"""

BANK_DEBITS: Final = """
select 'rcpt' as prefix, id, 0 as expected, amount_minor - placed_minor as found from receipts
where placed_minor < amount_minor and direction = 'debit'
"""

OFF_STATEMENT: Final = """
select 'bank' as prefix, t.id, t.amount_minor as expected, 0 as found from bank_transfers as t
where t.state = 'done' and t.updated_at < $1
    and not exists (select from bank_entries as e where e.bank_transfer_id = t.id)
"""

_QUESTIONS: Final = (
    Question(BreakKind.PAYMENT_DIFFERS_FROM_LEDGER, PAYMENTS),
    Question(BreakKind.PAYMENT_DIFFERS_FROM_PRESENTMENTS, PRESENTED),
    Question(BreakKind.MERCHANT_DIFFERS_FROM_LEDGER, MERCHANTS),
    Question(BreakKind.CREDIT_LINE_DIFFERS_FROM_LEDGER, CREDIT_LINES),
    Question(BreakKind.POINTS_ISSUER_DIFFERS_FROM_LEDGER, POINTS_ISSUERS),
    Question(BreakKind.PAYMENT_DIFFERS_FROM_INVOICES, INVOICED),
    Question(BreakKind.POINTS_INVOICE_OVERDUE, INVOICES_PAID, late=True),
    Question(BreakKind.NOT_PRESENTED, NOT_PRESENTED, late=True),
    Question(BreakKind.PRESENTMENT_REJECTED, REJECTED),
    Question(BreakKind.FILE_NOT_ACKNOWLEDGED, NOT_ACKNOWLEDGED, late=True),
    Question(BreakKind.FILE_TOTALS_DIFFER, FILE_TOTALS),
    Question(BreakKind.FILE_PAID_DIFFERENTLY, FILES_PAID, late=True),
    Question(BreakKind.RECEIPT_UNPLACED, RECEIPTS, late=True),
    Question(BreakKind.UNKNOWN_BANK_DEBIT, BANK_DEBITS),
    Question(BreakKind.TRANSFER_NOT_ON_STATEMENT, OFF_STATEMENT, late=True),
)


async def ask(conn: Connection, silent_since: datetime, currency: CurrencyCode) -> list[Finding]:
    """Everything that differs, in the caller's snapshot. Partners silent since then are late."""
    findings: list[Finding] = []
    for question in _QUESTIONS:
        arguments = [silent_since] if question.late else []
        rows = await conn.fetch(question.sql, *arguments, timeout=PATIENCE_S)
        findings += [
            Finding(
                question.kind,
                to_text(row["prefix"], row["id"]),
                int(row["expected"]),
                int(row["found"]),
                currency,
            )
            for row in rows
        ]
    return findings
