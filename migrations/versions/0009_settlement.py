"""Settlement: business days, what each merchant is owed of them, and what is paid out.

Deploy: pre (nothing uses it yet).
"""

from obverse.kit.database.migrating import run_sql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

SCHEMA = """
-- actions: what the platform keeps of each, written when it is settled -------------------------------------
alter table actions
    add column fee_minor bigint,
    add constraint actions_fee check ((fee_minor is null) = (settlement_id is null));
create index actions_settled on actions (settlement_id, merchant_id, id) where settlement_id is not null;

-- settlements: one business day each ------------------------------------------------------------------------
create table settlements (
    id uuid primary key,
    day date not null unique,
    cut_off_at timestamptz not null,
    pay_on date not null check (pay_on > day),
    state text not null check (state in ('gathering', 'closing', 'closed')),
    -- How far it has come: the last action gathered, then the last merchant closed.
    gathered_to uuid not null default '00000000-0000-0000-0000-000000000000',
    closed_to uuid not null default '00000000-0000-0000-0000-000000000000',
    actions bigint not null default 0,
    opened_at timestamptz not null,
    closed_at timestamptz,
    check ((state = 'closed') = (closed_at is not null))
);
create index settlements_open on settlements (day) where state <> 'closed';

create table settlement_lines (
    settlement_id uuid not null references settlements,
    merchant_id uuid not null,
    partition_id smallint not null,
    captured_minor bigint not null,
    refunded_minor bigint not null,
    reversed_minor bigint not null,
    charged_back_minor bigint not null,
    fees_minor bigint not null,
    actions bigint not null check (actions > 0),
    primary key (settlement_id, merchant_id, partition_id),
    check (least(captured_minor, refunded_minor, reversed_minor, charged_back_minor) >= 0)
) with (fillfactor = 50);

-- merchant statements: what one settlement means to one merchant (P14) -------------------------------------
create table merchant_statements (
    id uuid primary key,
    settlement_id uuid not null references settlements,
    merchant_id uuid not null references merchants,
    brought_minor bigint not null,
    captured_minor bigint not null,
    refunded_minor bigint not null,
    reversed_minor bigint not null,
    charged_back_minor bigint not null,
    fees_minor bigint not null,
    paid_minor bigint not null check (paid_minor >= 0),
    carried_minor bigint not null,
    actions bigint not null check (actions >= 0),
    created_at timestamptz not null,
    unique (settlement_id, merchant_id),
    constraint merchant_statements_add_up check (
        brought_minor + captured_minor - refunded_minor - reversed_minor - charged_back_minor - fees_minor
        = paid_minor + carried_minor)
);
create index merchant_statements_merchant on merchant_statements (merchant_id, id);
create index merchant_statements_settlement on merchant_statements (settlement_id, id);

-- What the last statement carried: what the next one brings forward.
create table settlement_balances (
    merchant_id uuid primary key,
    owed_minor bigint not null
) with (fillfactor = 80);
create index settlement_balances_owed on settlement_balances (merchant_id) where owed_minor > 0;

-- payouts: at most one of a statement; its id is its bank transfer's, so nothing goes out twice ------------
create table payouts (
    id uuid primary key,
    statement_id uuid not null unique references merchant_statements,
    merchant_id uuid not null,
    amount_minor bigint not null check (amount_minor > 0),
    currency char(3) not null,
    pay_on date not null,
    ordered_at timestamptz,
    -- When the bank paid it, and when it last would not: what the merchant has been told of.
    paid_at timestamptz,
    refused_at timestamptz,
    created_at timestamptz not null,
    check (ordered_at is not null or (paid_at is null and refused_at is null))
);
create index payouts_merchant on payouts (merchant_id, id);
create index payouts_to_order on payouts (id) where ordered_at is null;
create index payouts_on_the_way on payouts (id) where ordered_at is not null and paid_at is null;

grant select, insert, update on settlements, settlement_lines, settlement_balances to obverse_app;
grant select, insert on merchant_statements, payouts to obverse_app;
grant update (ordered_at, paid_at, refused_at) on payouts to obverse_app;
"""


def upgrade() -> None:
    run_sql(SCHEMA)
