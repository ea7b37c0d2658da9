"""The questions. Each is one statement over the tables of many rooms, and reads only.

Reconciliation is the one room that looks into the tables of others: it has to hear from each what it has
written down, not what its code makes of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from obverse.draws.rules import HOUSE_MERCHANT
from obverse.kit.database import Connection
from obverse.kit.ids import to_text
from obverse.kit.money import CurrencyCode
from obverse.ledger.model import HOUSE_ACCOUNTS, AccountKind
from obverse.ledger.repository.entries import ENTRIES
from obverse.reconciliation.model import BreakKind, Finding
from obverse.sales import SALES_MERCHANT

PATIENCE_S: Final = 3_600
"""The whole journal is read."""


@dataclass(frozen=True, slots=True)
class Question:
    """A row of the answer is a finding: `prefix` and `id` of what it is about, `expected` and `found`.

    One that is `late` takes the moment since when silence is too long as its only parameter.
    """

    kind: BreakKind
    sql: str
    late: bool = False


# parts of questions ----------------------------------------------------------------------------------------

# What every account holds, debits less credits, for good: what is held is nobody's yet.
_JOURNAL: Final = f"""{ENTRIES}, journal as (
    select partition_id, account_id, sum(case when is_debit then posted_minor else -posted_minor end) as minor
    from entries group by 1, 2
)"""

# What came in for an account, less what went out for it, by whosever hand. What is sent back is placed on its
# way out, where it counts as the transfer that it has become.
_PLACED: Final = """placed as (
    select p.partition_id, p.account_id,
        sum(case r.direction when 'credit' then p.amount_minor else -p.amount_minor end) as minor
    from receipt_placements as p join receipts as r on r.id = p.receipt_id
    where not exists (select from bank_transfers as t where t.id = p.subject_id)
    group by 1, 2
)"""

# What card companies have still to be told of, leg by leg.
_TO_PRESENT: Final = """to_present as (
    select a.partition_id, a.authorization_id, a.parts[l.position + 1]
        * case when a.kind in ('capture', 'dispute_won') then 1 else -1 end as minor
    from actions as a
    join legs as l on (l.partition_id, l.authorization_id) = (a.partition_id, a.authorization_id)
    where a.to_present and l.kind = 'linked_card'
)"""

_PRESENTED_MINOR: Final = "case direction when 'debit' then amount_minor else -amount_minor end"

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
with {_JOURNAL}, {_PLACED}, parts as (
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
with {_PLACED}, parts as (
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

# our payments, the card companies --------------------------------------------------------------------------

PRESENTED: Final = f"""
with {_TO_PRESENT}, parts as (
    select * from to_present
    union all
    select partition_id, authorization_id, {_PRESENTED_MINOR} from presentments
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
select 'pres' as prefix, id, {_PRESENTED_MINOR} as expected, 0 as found from presentments
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
    select file_id, sum({_PRESENTED_MINOR}) as minor from presentments where state = 'accepted' group by 1
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
    Question(BreakKind.NOT_PRESENTED, NOT_PRESENTED, late=True),
    Question(BreakKind.PRESENTMENT_REJECTED, REJECTED),
    Question(BreakKind.FILE_NOT_ACKNOWLEDGED, NOT_ACKNOWLEDGED, late=True),
    Question(BreakKind.FILE_TOTALS_DIFFER, FILE_TOTALS),
    Question(BreakKind.FILE_PAID_DIFFERENTLY, FILES_PAID, late=True),
    Question(BreakKind.RECEIPT_UNPLACED, RECEIPTS, late=True),
    Question(BreakKind.UNKNOWN_BANK_DEBIT, BANK_DEBITS),
    Question(BreakKind.TRANSFER_NOT_ON_STATEMENT, OFF_STATEMENT, late=True),
)

# house accounts, three ways --------------------------------------------------------------------------------

LEDGER: Final = f"""
with {_JOURNAL}
select a.kind, sum(j.minor)::bigint as minor
from journal as j join accounts as a on (a.partition_id, a.id) = (j.partition_id, j.account_id)
where a.kind = any($1) group by 1
"""

# What the programme has paid for itself: value on cards, the won that proves a bank account, points; less
# points that were taken back. What has expired is what the wallet has noted of it, lot by lot.
_GIVEN: Final = """given as (
    select 'given_value' as kind, amount_minor as minor from charges where kind = 'given' and state = 'done'
    union all
    select 'given_value', t.amount_minor
    from bank_accounts as b join bank_transfers as t on t.id = b.transfer_id
    union all
    select 'points_expense', case kind when 'earned' then points + owed else owed - points end
    from points_movements
    union all
    select case l.kind when 'earned' then 'points_expense' else 'expired_value' end, -t.amount_minor
    from balance_entries as e
    join lots as l on (l.account_id, l.partition_id) = (e.account_id, e.partition_id)
    join transfers as t on (t.id, t.partition_id) = (e.transfer_id, e.partition_id)
    where t.debit_account_id = e.account_id and t.subject_id = e.source_id
)"""

# The same accounts as the rooms that use them would have them.
ROOMS: Final = f"""
with {_PLACED}, {_GIVEN}, parts as (
    select 'card_company_receivable' as kind, captured_minor - refunded_minor - disputed_minor as minor
    from legs where kind = 'linked_card'
    union all
    select 'card_company_receivable', -{_PRESENTED_MINOR} from presentments where state = 'written_off'
    union all
    select 'written_off', {_PRESENTED_MINOR} from presentments where state = 'written_off'
    union all
    select 'bank', case direction when 'credit' then amount_minor else -amount_minor end from receipts
    union all
    select 'suspense', case direction when 'credit' then -1 else 1 end * (amount_minor - placed_minor)
    from receipts
    union all
    select case state when 'done' then 'bank' else 'in_transit' end, -amount_minor from bank_transfers
    union all
    select 'fee_income', -fees_minor from merchant_statements
    union all
    select 'disputed', disputed_minor from authorizations
    union all
    select * from given
    union all
    select a.kind, -p.minor
    from placed as p join accounts as a on (a.partition_id, a.id) = (p.partition_id, p.account_id)
)
select kind, sum(minor)::bigint as minor from parts where kind = any($1) group by 1
"""

# What they have taken over, what is on its way to them or has come back, less what came in from them.
CARD_COMPANIES: Final = f"""
with {_PLACED}, {_TO_PRESENT}, parts as (
    select accepted_minor as minor from presentment_files where state = 'acknowledged'
    union all
    select {_PRESENTED_MINOR} from presentments where state in ('ready', 'presented', 'rejected')
    union all
    select minor from to_present
    union all
    select -p.minor
    from placed as p join accounts as a on (a.partition_id, a.id) = (p.partition_id, p.account_id)
    where a.kind = 'card_company_receivable'
)
select coalesce(sum(minor), 0)::bigint from parts
"""

# The first opening balance is what was there before we began to keep books. What the bank calls paid comes
# with its next statement.
BANK: Final = """
select last.closing_minor - first.opening_minor - (
    select coalesce(sum(amount_minor), 0) from bank_transfers as t
    where state = 'done' and not exists (select from bank_entries as e where e.bank_transfer_id = t.id)
)::bigint
from (select closing_minor from bank_statements order by day desc, statement_id desc limit 1) as last
cross join (select opening_minor from bank_statements order by day, statement_id limit 1) as first
"""

_HOUSE_KINDS: Final = [kind.value for kind in HOUSE_ACCOUNTS]


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


async def house_by_ledger(conn: Connection) -> Mapping[AccountKind, int]:
    """What the programme's own accounts hold according to the journal, debits less credits."""
    return await _positions(conn, LEDGER)


async def house_by_rooms(conn: Connection) -> Mapping[AccountKind, int]:
    """The same as the rooms that use them have it in their own tables."""
    return await _positions(conn, ROOMS)


async def house_by_partners(conn: Connection) -> Mapping[AccountKind, int]:
    """The same as card companies and the bank have it; without the bank before its first statement."""
    said = {
        AccountKind.CARD_COMPANY_RECEIVABLE: await conn.fetchval(CARD_COMPANIES, timeout=PATIENCE_S),
        AccountKind.BANK: await conn.fetchval(BANK, timeout=PATIENCE_S),
    }
    return {kind: minor for kind, minor in said.items() if minor is not None}


async def _positions(conn: Connection, statement: str) -> Mapping[AccountKind, int]:
    rows = await conn.fetch(statement, _HOUSE_KINDS, timeout=PATIENCE_S)
    return {AccountKind(row["kind"]): row["minor"] for row in rows}
