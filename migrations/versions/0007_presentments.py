"""Presentments: what we claim from card companies for linked cards, file by file (OT-17).

Deploy: pre (nothing uses it yet).
"""

from obverse.kit.database.migrating import run_sql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

SCHEMA = """
create sequence presentment_numbers as bigint minvalue 1 maxvalue 99999999999 cycle;

create table presentment_files (
    id uuid primary key,
    -- What the card company puts on its bank transfer: OBV-P-...
    reference text not null unique,
    business_day date not null,
    sequence int not null check (sequence between 1 and 99999),
    currency char(3) not null,
    debit_count int not null check (debit_count >= 0),
    debit_minor bigint not null check (debit_minor >= 0),
    credit_count int not null check (credit_count >= 0),
    credit_minor bigint not null check (credit_minor >= 0),
    state text not null check (state in ('made', 'unknown', 'sent', 'acknowledged', 'refused')),
    -- Why it is not further yet, or was refused: a code for operators.
    problem text,
    -- Nobody tries again before this.
    next_try_at timestamptz not null,
    sha256 bytea,
    rejected_count int not null default 0 check (rejected_count >= 0),
    -- Debits less credits that the card company took, and what earlier files left over for it to deduct.
    accepted_minor bigint,
    carried_minor bigint not null default 0 check (carried_minor <= 0),
    received_minor bigint not null default 0 check (received_minor >= 0),
    created_at timestamptz not null,
    acknowledged_at timestamptz,
    check ((state = 'acknowledged') = (accepted_minor is not null)),
    unique (business_day, sequence)
);
create index presentment_files_open on presentment_files (id) where state in ('made', 'unknown', 'sent');

create table presentments (
    id uuid primary key,
    partition_id smallint not null,
    action_id uuid not null,
    position smallint not null,
    authorization_id uuid not null,
    direction text not null check (direction in ('debit', 'credit')),
    amount_minor bigint not null check (amount_minor > 0),
    currency char(3) not null,
    vault_card_id uuid not null references vault_cards,
    -- The acquirer reference data (DE 31) by which the card company names it.
    arn char(23) not null unique,
    network_ref text,
    approval_code text,
    is_final boolean not null,
    merchant_name text not null,
    category text,
    paid_at timestamptz not null,
    state text not null check (state in ('ready', 'presented', 'accepted', 'rejected', 'written_off')),
    -- Deferred: the members are counted while they are put in, and the file is written down after them.
    file_id uuid references presentment_files deferrable initially deferred,
    reject_reason text,
    created_at timestamptz not null,
    -- One leg of one action is presented once.
    unique (action_id, position),
    check ((state = 'ready') = (file_id is null)),
    check ((state in ('rejected', 'written_off')) = (reject_reason is not null))
) with (fillfactor = 85);
create index presentments_ready on presentments (id) where state = 'ready';
create index presentments_rejected on presentments (id) where state = 'rejected';
create index presentments_file on presentments (file_id, arn) where file_id is not null;

grant usage on sequence presentment_numbers to obverse_app;
grant select, insert, update on presentment_files, presentments to obverse_app;
"""


def upgrade() -> None:
    run_sql(SCHEMA)
