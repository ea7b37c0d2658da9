"""The programme's own accounts three ways: as the ledger, the rooms that use them and partners have them."""

from collections.abc import Mapping
from typing import Final

from obverse.kit.database import Connection
from obverse.ledger.model import HOUSE_ACCOUNTS, AccountKind
from obverse.reconciliation.repository.parts import (
    JOURNAL,
    PATIENCE_S,
    PLACED,
    PRESENTED_MINOR,
    TO_PRESENT,
)

LEDGER: Final = f"""
with {JOURNAL}
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
with {PLACED}, {_GIVEN}, parts as (
    select 'card_company_receivable' as kind, captured_minor - refunded_minor - disputed_minor as minor
    from legs where kind = 'linked_card'
    union all
    select 'card_company_receivable', -{PRESENTED_MINOR} from presentments where state = 'written_off'
    union all
    select 'written_off', {PRESENTED_MINOR} from presentments where state = 'written_off'
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
with {PLACED}, {TO_PRESENT}, parts as (
    select accepted_minor as minor from presentment_files where state = 'acknowledged'
    union all
    select {PRESENTED_MINOR} from presentments where state in ('ready', 'presented', 'rejected')
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
