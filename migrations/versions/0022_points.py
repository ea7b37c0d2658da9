"""Points that accrue with use.

Deploy: pre (nothing uses it yet).
"""

from obverse.kit.database.migrating import run_sql

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

SCHEMA = """
create table points_rules (
    id uuid primary key,
    -- Null means every programme, every merchant.
    programme_id uuid references programmes,
    merchant_id uuid references merchants,
    -- Hundredths of a percent of what is paid.
    basis_points int not null check (basis_points between 1 and 10000),
    amount_min_minor bigint not null check (amount_min_minor >= 0),
    validity_months smallint not null check (validity_months between 1 and 60),
    starts_at timestamptz not null,
    ends_at timestamptz check (ends_at >= starts_at),
    created_at timestamptz not null
);

-- What one capture earned, or one refund took back: once for each action.
create table points_movements (
    action_id uuid not null,
    partition_id smallint not null,
    authorization_id uuid not null,
    member_id uuid not null,
    kind text not null check (kind in ('earned', 'taken_back')),
    rule_id uuid,
    -- What it comes to, whether or not it was all there to be taken back.
    points bigint not null check (points >= 0),
    -- What a taking back could not take, and an earning made good.
    owed bigint not null,
    created_at timestamptz not null,
    primary key (action_id, partition_id),
    check (case kind when 'earned' then owed between -points and 0 else owed between 0 and points end)
);
create index points_movements_payment on points_movements (authorization_id);
create index points_movements_member on points_movements (member_id, action_id);

grant select, insert, update on points_rules to obverse_app;
grant select, insert on points_movements to obverse_app;
"""


def upgrade() -> None:
    run_sql(SCHEMA)
