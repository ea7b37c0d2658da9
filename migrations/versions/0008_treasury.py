"""Treasury: transfers through the bank, its statements, and what came in.

Deploy: pre (nothing uses it yet).
"""

from obverse.kit.database.migrating import run_sql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

SCHEMA = """
create table bank_transfers (
    id uuid primary key,
    partition_id smallint not null,
    -- What the bank knows it by; a refused transfer gets a new one when it goes out again.
    wire_id uuid not null unique,
    amount_minor bigint not null check (amount_minor > 0),
    currency char(3) not null,
    bank_code text not null,
    -- The number, sealed; forgotten when the money has arrived.
    number_key_version integer,
    number_sealed bytea,
    last_four text not null,
    holder text not null,
    reference text not null,
    subject_id uuid not null,
    state text not null check (state in ('ready', 'sent', 'unknown', 'done', 'refused')),
    reason text,
    -- The batch it was last given to the bank in, and when.
    batch_id uuid,
    sent_at timestamptz,
    -- How often the bank was asked about it, and when to ask next.
    asked integer not null default 0,
    ask_at timestamptz,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    check ((number_sealed is null) = (state = 'done')),
    check ((number_sealed is null) = (number_key_version is null)),
    check ((reason is not null) = (state = 'refused')),
    check ((ask_at is not null) = (state in ('sent', 'unknown'))),
    check (state in ('ready', 'refused', 'done') or (batch_id is not null and sent_at is not null))
) with (fillfactor = 70);
create index bank_transfers_ready on bank_transfers (id) where state = 'ready';
create index bank_transfers_to_ask on bank_transfers (ask_at) where ask_at is not null;
create index bank_transfers_state on bank_transfers (state, id);
create index bank_transfers_batch on bank_transfers (batch_id);
create index bank_transfers_subject on bank_transfers (subject_id);

-- Every entry that the bank has booked on the programme's account, once.
create table bank_entries (
    entry_reference text primary key,
    direction text not null check (direction in ('credit', 'debit')),
    amount_minor bigint not null check (amount_minor > 0),
    currency char(3) not null,
    booked_on date not null,
    -- The order of ours that it confirms: one entry for each, a second is a receipt to be explained.
    bank_transfer_id uuid unique references bank_transfers,
    created_at timestamptz not null
);
create index bank_entries_day on bank_entries (booked_on);

create table receipts (
    id uuid primary key,
    entry_reference text not null unique references bank_entries,
    direction text not null check (direction in ('credit', 'debit')),
    amount_minor bigint not null check (amount_minor > 0),
    placed_minor bigint not null default 0 check (placed_minor between 0 and amount_minor),
    currency char(3) not null,
    reference text,
    text text not null,
    counterparty text not null,
    bank_code text,
    number_key_version integer,
    number_sealed bytea,
    last_four text,
    booked_on date not null,
    created_at timestamptz not null,
    check ((number_sealed is null) = (number_key_version is null)),
    -- The sender's number is kept for sending back what could not be placed, and no longer.
    check (number_sealed is null or placed_minor < amount_minor)
) with (fillfactor = 70);
create index receipts_unplaced on receipts (id) where placed_minor < amount_minor;
create index receipts_unplaced_reference on receipts (reference text_pattern_ops, id)
    where placed_minor < amount_minor and direction = 'credit';

create table receipt_placements (
    receipt_id uuid not null references receipts,
    subject_id uuid not null,
    partition_id smallint not null,
    account_id uuid not null,
    amount_minor bigint not null check (amount_minor > 0),
    created_at timestamptz not null,
    primary key (receipt_id, subject_id, partition_id, account_id)
);

-- The latest reading of each statement: a day's statement grows until the day is over.
create table bank_statements (
    day date not null,
    statement_id text not null,
    currency char(3) not null,
    opening_minor bigint not null,
    closing_minor bigint not null,
    entries integer not null,
    imported_at timestamptz not null,
    primary key (day, statement_id)
);

-- Operators' commands by their idempotency key: the same key gets the same answer.
create table treasury_commands (
    request_key text primary key,
    fingerprint bytea not null,
    created_at timestamptz not null
);

grant select, insert, update on bank_transfers, receipts, bank_statements to obverse_app;
-- What the bank has said, and what was decided about it, is not changed afterwards.
grant select, insert on bank_entries, receipt_placements, treasury_commands to obverse_app;
"""


def upgrade() -> None:
    run_sql(SCHEMA)
