"""Billing: what members owe on credit lines, month by month, what they paid, and who is in arrears.

Deploy: pre (nothing uses it yet).
"""

from obverse.kit.database.migrating import run_sql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

SCHEMA = """
-- One run per month; what it has got to is kept, so that it goes on where it was killed.
create table bill_runs (
    month date primary key check (extract(day from month) = 1),
    state text not null check (state in ('collecting', 'drawing_up', 'done')),
    -- Actions created before `scans_from` were seen by earlier runs; when this run is done, so are
    -- those before `complete_before`. Whatever had written when the run was opened is below `horizon`. (The
    -- upper end of a snapshot would not do: transactions above it may be under way.)
    scans_from timestamptz not null,
    complete_before timestamptz not null,
    horizon xid8 not null default pg_current_xact_id(),
    -- The last action or credit line, by id, that has been gone through.
    at_id uuid not null,
    actions bigint not null default 0,
    lines bigint not null default 0,
    credit_lines bigint not null default 0,
    bills bigint not null default 0,
    started_at timestamptz not null,
    done_at timestamptz,
    check ((state = 'done') = (done_at is not null))
);

-- The primary key is the mark that no action is billed twice. A line belongs to the bill of its credit line's
-- account and month; it may be older than that month, where it was committed too late for its own.
create table bill_lines (
    partition_id smallint not null,
    action_id uuid not null,
    account_id uuid not null,
    month date not null,
    kind text not null,
    amount_minor bigint not null check (amount_minor <> 0),
    authorization_id uuid not null,
    merchant_id uuid not null,
    created_at timestamptz not null,
    primary key (action_id, partition_id)
);
create index bill_lines_bill on bill_lines (account_id, month, action_id);

create table bills (
    id uuid primary key,
    partition_id smallint not null,
    member_id uuid not null references members,
    source_id uuid not null references funding_sources,
    account_id uuid not null,
    month date not null references bill_runs,
    currency char(3) not null,
    previous_minor bigint not null,
    charges_minor bigint not null check (charges_minor >= 0),
    credits_minor bigint not null check (credits_minor >= 0),
    payments_minor bigint not null check (payments_minor >= 0),
    balance_minor bigint not null,
    -- Everything ever credited to the account, up to and with this bill: credits since then pay it.
    credited_minor bigint not null check (credited_minor >= credits_minor + payments_minor),
    reference text not null constraint bills_reference unique check (reference ~ '^OBV-B-[0-9A-Z]{10}$'),
    due_on date,
    state text not null check (state in ('issued', 'partly_paid', 'paid', 'overdue')),
    issued_at timestamptz not null,
    constraint bills_month unique (account_id, month),
    constraint bills_add_up
        check (balance_minor = previous_minor + charges_minor - credits_minor - payments_minor),
    check ((balance_minor > 0) = (due_on is not null)),
    check (state = 'paid' or balance_minor > 0)
) with (fillfactor = 85);
create index bills_member on bills (member_id, id);
create index bills_state on bills (state, id);
create index bills_open on bills (account_id) where state <> 'paid';

-- What came in for a bill. `month` is the bill that counts it, null until there is one.
create table bill_payments (
    receipt_id uuid not null,
    bill_id uuid not null references bills,
    account_id uuid not null,
    amount_minor bigint not null check (amount_minor > 0),
    month date references bill_runs,
    created_at timestamptz not null,
    primary key (receipt_id, bill_id)
);
create index bill_payments_account on bill_payments (account_id, month);

-- Two reasons why a credit line may not pay are two facts: a member's standing, and what they owe too long.
alter table funding_sources add column in_arrears boolean not null default false,
    add check (kind = 'credit_line' or not in_arrears);
create index funding_sources_credit_lines on funding_sources (account_id) where kind = 'credit_line';
create index funding_sources_in_arrears on funding_sources (account_id) where in_arrears;

-- What a bill says is never changed; only how much of it has been paid.
grant select, insert on bill_lines, bills, bill_payments, bill_runs to obverse_app;
grant update (state) on bills to obverse_app;
grant update (month) on bill_payments to obverse_app;
grant update (state, at_id, actions, lines, credit_lines, bills, done_at) on bill_runs to obverse_app;
"""


def upgrade() -> None:
    run_sql(SCHEMA)
