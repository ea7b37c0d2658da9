"""Merchants on terms of their own: what they accept, fees, payouts; applications; keys that are rotated.

Deploy: pre. Merchants of before accept one-time numbers, pay no fee and have no account to be paid to yet.
"""

from obverse.kit.database.migrating import run_sql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

SCHEMA = """
-- merchants -------------------------------------------------------------------------------------------------
alter table merchants
    drop constraint merchants_state_check,
    add constraint merchants_state_check check (state in ('active', 'suspended', 'closed')),
    add column accepts text[] not null default '{one_time}' check (cardinality(accepts) > 0),
    add column fee_basis_points int not null default 0 check (fee_basis_points between 0 and 10000),
    add column fee_fixed_minor bigint not null default 0 check (fee_fixed_minor >= 0),
    add column payout_rhythm text not null default 'daily'
        check (payout_rhythm in ('daily', 'weekly', 'monthly', 'never'));

-- Where a merchant's money goes. No reference: an applicant gives the account before there is a merchant.
create table payout_accounts (
    merchant_id uuid primary key,
    bank_code text not null,
    holder text not null,
    last_four text not null check (length(last_four) <= 4),
    number_sealed bytea not null,
    number_key smallint not null
);
create index payout_accounts_number_key on payout_accounts (number_key);

create table merchant_applications (
    id uuid primary key,
    token_hash bytea not null unique,
    -- A keyed hash of where it came from, to count by.
    origin_hash bytea not null,
    merchant_id uuid not null unique,
    details jsonb not null,
    state text not null check (state in ('submitted', 'approved', 'rejected')),
    reason text,
    key_id uuid,
    created_at timestamptz not null,
    decided_at timestamptz,
    check ((state = 'submitted') = (decided_at is null)),
    check ((state = 'rejected') = (reason is not null)),
    check (key_id is null or state = 'approved')
);
create index merchant_applications_state on merchant_applications (state, id);
create index merchant_applications_origin on merchant_applications (origin_hash, created_at);

grant select, insert, update, delete on payout_accounts to obverse_app;
grant select, insert, update on merchant_applications to obverse_app;

-- access: a rotated key works until its overlap is over -----------------------------------------------------
alter table api_keys
    add column ends_at timestamptz,
    -- The first of the keys that this one succeeds: its requests are known as repeats of theirs.
    add column first_id uuid;
"""


def upgrade() -> None:
    run_sql(SCHEMA)
