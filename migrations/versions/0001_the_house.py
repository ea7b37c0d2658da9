"""The house: members, merchants, vault, ledger, cards, funding sources, authorizations, events.

Deploy: pre (nothing uses it yet).

Hot tables carry `partition_id` in their keys, always last: with it in front, a plan made while a table is
small may look for one row by reading a whole partition, and sessions keep their plans. They have no foreign
keys: a foreign key would take a lock on the row it points to, and a popular merchant's row would then be
shared by every payment. What a key would have promised, `obverse ledger check` proves instead.

The application connects as a member of `obverse_app`, which owns nothing and gets only the rights listed at
the end.
"""

from obverse.kit.database.migrating import run_sql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SCHEMA = """
create table platform_clock (
    only_row boolean primary key default true check (only_row),
    offset_us bigint not null default 0 check (offset_us >= 0)
);
insert into platform_clock default values;

-- What may never change once there are cards: every number depends on it.
create table platform_constants (
    only_row boolean primary key default true check (only_row),
    bin char(6) not null,
    partitions smallint not null check (partitions between 1 and 100),
    currency char(3) not null
);

-- members ---------------------------------------------------------------------------------------------------
create table members (
    id uuid primary key,
    partition_id smallint not null,
    identity_hash bytea not null unique,
    password_hash text not null,
    address_sealed bytea not null,
    address_key smallint not null,
    standing text not null check (standing in ('good', 'suspended')),
    created_at timestamptz not null
);
create index members_address_key on members (address_key);

create table member_sessions (
    token_hash bytea primary key,
    member_id uuid not null references members,
    created_at timestamptz not null,
    expires_at timestamptz not null
);
create index member_sessions_member on member_sessions (member_id);

create table sign_in_attempts (
    subject_hash bytea primary key,
    failures int not null check (failures >= 0),
    locked_until timestamptz,
    last_at timestamptz not null
);

-- merchants -------------------------------------------------------------------------------------------------
create table merchants (
    id uuid primary key,
    name text not null,
    category text not null check (category ~ '^[0-9]{4}$'),
    acquirer_id text not null check (acquirer_id ~ '^[0-9]{1,11}$'),
    merchant_no text not null check (length(merchant_no) between 1 and 15),
    terminals text[] not null,
    account_id uuid not null,
    state text not null check (state in ('active', 'closed')),
    metadata jsonb not null default '{}',
    created_at timestamptz not null,
    unique (acquirer_id, merchant_no)
);

-- access ----------------------------------------------------------------------------------------------------
create table api_keys (
    id uuid primary key,
    token_hash bytea not null unique,
    last_four char(4) not null,
    name text not null,
    merchant_id uuid,
    scopes text[] not null,
    live boolean not null,
    created_at timestamptz not null,
    revoked_at timestamptz
);

-- vault -----------------------------------------------------------------------------------------------------
create table vault_cards (
    id uuid primary key,
    ciphertext bytea not null,
    encryption_key smallint not null,
    fingerprint bytea not null unique,
    fingerprint_key smallint not null,
    first_six char(6) not null,
    last_four char(4) not null,
    exp_month smallint not null check (exp_month between 1 and 12),
    exp_year smallint not null,
    created_at timestamptz not null
);
create index vault_cards_encryption_key on vault_cards (encryption_key);
create index vault_cards_fingerprint_version on vault_cards (fingerprint_key);

-- ledger ----------------------------------------------------------------------------------------------------
create table accounts (
    partition_id smallint not null,
    id uuid not null,
    kind text not null,
    owner_id uuid,
    currency char(3) not null,
    floor_minor bigint,
    rolled_up boolean not null,
    debits_pending_minor bigint not null default 0 check (debits_pending_minor >= 0),
    debits_posted_minor bigint not null default 0 check (debits_posted_minor >= 0),
    credits_pending_minor bigint not null default 0 check (credits_pending_minor >= 0),
    credits_posted_minor bigint not null default 0 check (credits_posted_minor >= 0),
    created_at timestamptz not null,
    primary key (id, partition_id),
    constraint accounts_floor check (
        floor_minor is null
        or credits_posted_minor - debits_posted_minor - debits_pending_minor >= floor_minor
    ),
    constraint accounts_rolled_up_without_floor check (not rolled_up or floor_minor is null)
) with (fillfactor = 70);

create table transfers (
    partition_id smallint not null,
    id uuid not null,
    kind text not null check (kind in ('posted', 'pending', 'post', 'void')),
    debit_account_id uuid not null,
    credit_account_id uuid not null,
    amount_minor bigint not null check (amount_minor > 0),
    currency char(3) not null,
    pending_id uuid,
    pending_minor bigint,
    resolved_before_minor bigint check (resolved_before_minor >= 0),
    subject_id uuid not null,
    created_at timestamptz not null,
    txid xid8 not null default pg_current_xact_id(),
    primary key (id, partition_id),
    check (debit_account_id <> credit_account_id),
    check ((kind in ('post', 'void')) = (pending_id is not null)),
    check ((pending_id is null) = (pending_minor is null)),
    check ((pending_id is null) = (resolved_before_minor is null)),
    constraint transfers_resolved_once
        check (pending_id is null or resolved_before_minor + amount_minor <= pending_minor)
);
-- Two resolutions that both believe the same part is still open collide here.
create unique index transfers_resolution on transfers (pending_id, resolved_before_minor, partition_id)
    where pending_id is not null;
create index transfers_txid on transfers (txid);

create table ledger_rollups (
    partition_id smallint primary key,
    rolled_up_to xid8 not null
);

-- cards -----------------------------------------------------------------------------------------------------
create sequence card_serials as bigint minvalue 0 start 0;

create table cards (
    partition_id smallint not null,
    id uuid not null,
    kind text not null check (kind in ('one_time')),
    state text not null check (state in ('active', 'suspended', 'closed')),
    bin char(6) not null,
    serial bigint not null,
    last_four char(4) not null,
    number_hash bytea not null,
    number_hash_key smallint not null,
    member_id uuid not null,
    held_by text not null check (held_by in ('member', 'recipient')),
    holder_token_hash bytea,
    currency char(3) not null,
    amount_limit_minor bigint check (amount_limit_minor >= 0),
    per_payment_limit_minor bigint check (per_payment_limit_minor >= 0),
    merchant_id uuid,
    categories text[],
    spent_on text not null check (spent_on in ('approval', 'capture')),
    uses int not null default 1 check (uses between 1 and 1000),
    uses_left int not null,
    spent_minor bigint not null default 0 check (spent_minor >= 0),
    expires_at timestamptz not null,
    funding uuid[] not null,
    metadata jsonb not null default '{}',
    request_key text,
    request_fingerprint bytea,
    created_at timestamptz not null,
    primary key (id, partition_id),
    constraint cards_uses_left check (uses_left >= 0)
) with (fillfactor = 80);
create unique index cards_number_hash on cards (number_hash, partition_id);
create unique index cards_request_key on cards (request_key, partition_id) where request_key is not null;
create unique index cards_holder_token on cards (holder_token_hash) where holder_token_hash is not null;
create index cards_member on cards (member_id, id);
create index cards_number_hash_key on cards (number_hash_key);

create table claim_links (
    token_hash bytea primary key,
    partition_id smallint not null,
    card_id uuid not null,
    created_at timestamptz not null,
    expires_at timestamptz not null,
    claimed_at timestamptz,
    withdrawn_at timestamptz
);
create index claim_links_card on claim_links (card_id, partition_id);

-- wallet ----------------------------------------------------------------------------------------------------
create table funding_sources (
    id uuid primary key,
    partition_id smallint not null,
    member_id uuid not null references members,
    kind text not null check (kind in ('linked_card', 'credit_line')),
    currency char(3) not null,
    account_id uuid not null,
    vault_card_id uuid references vault_cards,
    state text not null check (state in ('active', 'suspended', 'removed')),
    created_at timestamptz not null,
    check ((kind = 'linked_card') = (vault_card_id is not null))
);
create index funding_sources_member on funding_sources (member_id, id);
-- A real card stands behind one member at a time, and a member has one credit line per currency.
create unique index funding_sources_vault_card on funding_sources (vault_card_id) where state <> 'removed';
create unique index funding_sources_credit_line on funding_sources (member_id, currency)
    where kind = 'credit_line' and state <> 'removed';

-- authorization ---------------------------------------------------------------------------------------------
create table authorizations (
    partition_id smallint not null,
    id uuid not null,
    request_key text not null,
    fingerprint bytea not null,
    status text not null check (status in ('processing', 'approved', 'declined', 'reversed')),
    decline text,
    failed_rules int not null,
    approval_code text,
    card_id uuid,
    merchant_id uuid,
    terminal text,
    entry text not null,
    category text,
    amount_minor bigint not null check (amount_minor >= 0),
    currency char(3) not null,
    captured_minor bigint not null default 0 check (captured_minor between 0 and amount_minor),
    captured_at_once boolean not null,
    answered_again boolean not null default false,
    deadline_at timestamptz,
    created_at timestamptz not null,
    primary key (id, partition_id),
    check ((status = 'declined') <= (decline is not null)),
    check (status <> 'approved' or approval_code is not null),
    check ((status = 'processing') = (deadline_at is not null))
) with (fillfactor = 85);
create unique index authorizations_request_key on authorizations (request_key, partition_id);
create index authorizations_card on authorizations (card_id, id);
create index authorizations_merchant on authorizations (merchant_id, id);
create index authorizations_processing on authorizations (deadline_at) where status = 'processing';

create table legs (
    partition_id smallint not null,
    authorization_id uuid not null,
    position smallint not null,
    source_id uuid not null,
    kind text not null check (kind in ('linked_card', 'credit_line')),
    amount_minor bigint not null check (amount_minor >= 0),
    status text not null
        check (status in ('held', 'sent', 'approved', 'declined', 'unknown', 'reversing', 'reversed')),
    debit_account_id uuid not null,
    credit_account_id uuid not null,
    transfer_id uuid,
    network_ref text,
    response_code text,
    network_approval text,
    primary key (authorization_id, position, partition_id)
) with (fillfactor = 85);

-- events: the outbox ----------------------------------------------------------------------------------------
create table events (
    id uuid primary key,
    type text not null,
    subject_id uuid not null,
    data jsonb not null,
    created_at timestamptz not null,
    txid xid8 not null default pg_current_xact_id()
);

-- rights: the journal and the outbox are append-only (P3) ---------------------------------------------------
grant usage on schema public to obverse_app;
grant select, insert, update, delete on all tables in schema public to obverse_app;
grant usage, select on all sequences in schema public to obverse_app;
revoke update, delete, truncate on transfers, events, platform_constants from obverse_app;
revoke delete on accounts, authorizations, legs, cards, members, merchants, vault_cards from obverse_app;
revoke all on alembic_version from obverse_app;
grant select on alembic_version to obverse_app;
"""


def upgrade() -> None:
    run_sql(SCHEMA)
