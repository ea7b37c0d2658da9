"""Claims that merchants make: their files, every claim and what became of it, batches of terminals.

Deploy: pre (nothing uses it yet).
"""

from obverse.kit.database.migrating import run_sql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

SCHEMA = """
-- claim files -----------------------------------------------------------------------------------------------
create table claim_files (
    id uuid primary key,
    merchant_id uuid not null references merchants,
    state text not null check (state in ('receiving', 'refused', 'processing', 'done', 'discarded')),
    problem text,
    -- A keyed hash of the whole file: the same file again gets the first one's report.
    digest bytea,
    currency char(3),
    size_bytes bigint not null default 0,
    lines int not null default 0,
    amount_minor bigint not null default 0,
    captured_lines int not null default 0,
    captured_minor bigint not null default 0,
    refunded_lines int not null default 0,
    refunded_minor bigint not null default 0,
    repeated_lines int not null default 0,
    repeated_minor bigint not null default 0,
    refused_lines int not null default 0,
    refused_minor bigint not null default 0,
    exception_lines int not null default 0,
    exception_minor bigint not null default 0,
    -- How far its lines are carried out, told and counted: each exactly once.
    lines_done int not null default 0,
    -- Whoever works on it says until when nobody else should; null once there is nothing left to do.
    leased_until timestamptz,
    created_at timestamptz not null,
    done_at timestamptz,
    check (state in ('receiving', 'discarded') or digest is not null)
);
create unique index claim_files_digest on claim_files (merchant_id, digest) where digest is not null;
create index claim_files_merchant on claim_files (merchant_id, id);
create index claim_files_open on claim_files (leased_until) where leased_until is not null;

grant select, insert, update, delete on claim_files to obverse_app;

-- claims ----------------------------------------------------------------------------------------------------
-- No card number is kept: a claim is matched as it comes in (P11).
create table claims (
    id uuid primary key,
    merchant_id uuid,
    file_id uuid,
    line int,
    road text not null check (road in ('file', 'batch', 'rest', 'iso8583')),
    batch_no text,
    kind text not null check (kind in ('capture', 'refund')),
    request_key text,
    reference text,
    terminal text,
    last_four text check (length(last_four) = 4),
    approval_code text,
    amount_minor bigint check (amount_minor >= 0),
    currency char(3),
    claimed_at timestamptz,
    final boolean not null,
    -- Where its payment is; none where no payment was found.
    partition_id smallint,
    authorization_id uuid,
    outcome text not null check (outcome in ('matched', 'paid', 'refused', 'exception')),
    reason text,
    broken_column text,
    repeated boolean not null,
    -- An operator has said to pay what waited, and nobody knows yet whether the money has moved.
    being_paid boolean not null default false,
    created_at timestamptz not null,
    -- Its answer is the answer of whatever comes later with the same key.
    standing boolean generated always as (
        case when not repeated
            and (outcome in ('paid', 'exception') or reason = 'refused_by_operator') then true end
    ) stored,
    check ((file_id is null) = (line is null)),
    check ((outcome in ('refused', 'exception')) = (reason is not null)),
    check (outcome = 'refused' or authorization_id is not null),
    check (outcome = 'exception' or not being_paid)
) with (fillfactor = 85);
create unique index claims_request_key on claims (request_key) where standing;
create index claims_waiting on claims (request_key) where outcome = 'exception';
create unique index claims_line on claims (file_id, line) where file_id is not null;
-- With its payment: a sale that was captured at once is counted, and leaves its reference to others.
create unique index claims_batch on claims (merchant_id, terminal, batch_no, request_key, authorization_id)
    where batch_no is not null and outcome = 'paid';
create index claims_merchant on claims (merchant_id, id);
create index claims_unpaid on claims (outcome, id) where outcome in ('refused', 'exception');
create index claims_unpaid_merchant on claims (merchant_id, outcome, id)
    where outcome in ('refused', 'exception');

-- Deleted are only the lines of a file that was refused or discarded as a whole: nothing of it was paid.
grant select, insert, update, delete on claims to obverse_app;

-- batches that terminals have closed ------------------------------------------------------------------------
create table claim_batches (
    merchant_id uuid not null references merchants,
    terminal text not null,
    batch_no text not null,
    currency char(3) not null,
    captures int not null,
    captured_minor bigint not null,
    refunds int not null,
    refunded_minor bigint not null,
    closed_at timestamptz not null,
    primary key (merchant_id, terminal, batch_no)
);

grant select, insert on claim_batches to obverse_app;
"""


def upgrade() -> None:
    run_sql(SCHEMA)
