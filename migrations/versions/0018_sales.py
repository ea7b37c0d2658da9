"""Sales: how stored value is paid for; charges of cards; bank accounts in wallets.

Deploy: pre (nothing uses it yet).
"""

from obverse.kit.database.migrating import run_sql

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

SCHEMA = """
-- sales: what is paid for stored value, before any of it is allocated ---------------------------------------
create table sales (
    id uuid primary key,
    partition_id smallint not null,
    subject_kind text not null check (subject_kind in ('order', 'charge')),
    subject_id uuid not null,
    member_id uuid,
    amount_minor bigint not null check (amount_minor > 0),
    currency char(3) not null,
    means text not null check (means in ('card', 'bank_transfer', 'bank_account')),
    state text not null check (state in ('open', 'paying', 'paid', 'done', 'declined', 'cancelled',
        'given_back')),
    source_id uuid,
    -- What a transfer has to carry, or a collection will.
    reference text unique,
    authorization_id uuid,
    decline text,
    -- What of the payable account has become stored value.
    allocated_minor bigint not null default 0 check (allocated_minor between 0 and amount_minor),
    given_back_minor bigint not null default 0 check (given_back_minor between 0 and amount_minor),
    -- The account that a bank transfer came from, sealed: the way back.
    payer_key integer,
    payer_sealed bytea,
    -- How often the bank was asked to collect, and when to ask next.
    asked integer not null default 0,
    ask_at timestamptz,
    -- Whether its subject's room was told that it came to nothing.
    ended_told boolean not null default false,
    created_at timestamptz not null,
    expires_at timestamptz not null,
    check ((payer_sealed is null) = (payer_key is null)),
    check ((reference is null) = (means = 'card')),
    check ((decline is not null) = (state = 'declined'))
) with (fillfactor = 80);
create unique index sales_live on sales (subject_kind, subject_id)
    where state in ('open', 'paying', 'paid', 'done');
create index sales_subject on sales (subject_kind, subject_id, id);
create index sales_to_allocate on sales (subject_kind, id) where state = 'paid';
create index sales_ended on sales (subject_kind, id)
    where not ended_told and state in ('declined', 'cancelled');
create index sales_paying on sales (id) where state = 'paying';
create index sales_to_collect on sales (ask_at) where ask_at is not null;
create index sales_expiring on sales (expires_at) where state = 'open';
create index sales_state on sales (state, id);
create index sales_source on sales (source_id) where source_id is not null;
-- Cards that were typed in for one sale.
create index funding_sources_of_nobody on funding_sources (id)
    where member_id is null and kind = 'linked_card' and state = 'active';

create table sale_refunds (
    -- Also its bank transfer's id, where it has one.
    id uuid primary key,
    sale_id uuid not null references sales,
    partition_id smallint not null,
    amount_minor bigint not null check (amount_minor > 0),
    currency char(3) not null,
    state text not null check (state in ('asked', 'waiting', 'done', 'refused')),
    created_at timestamptz not null
);
create index sale_refunds_sale on sale_refunds (sale_id);
create index sale_refunds_asked on sale_refunds (id) where state = 'asked';

-- charging: money paid into cards later ---------------------------------------------------------------------
create table charges (
    id uuid primary key,
    partition_id smallint not null,
    card_id uuid not null,
    -- The card's balance.
    source_id uuid not null,
    member_id uuid,
    amount_minor bigint not null check (amount_minor > 0),
    currency char(3) not null,
    kind text not null check (kind in ('asked', 'automatic', 'given')),
    state text not null check (state in ('open', 'done', 'declined', 'cancelled', 'given_back')),
    -- Why it was declined, or given back.
    reason text,
    request_key text not null unique,
    fingerprint bytea not null,
    created_at timestamptz not null,
    ended_at timestamptz,
    check ((state = 'open') = (ended_at is null))
);
create index charges_card on charges (card_id, id);
create index charges_automatic on charges (card_id, created_at) where kind = 'automatic';
create index charges_open on charges (card_id) where state = 'open';

-- Real cards typed in to charge a card: whoever tries out stolen ones gets not far with one card of ours.
create table typed_cards (
    card_id uuid not null,
    tried_at timestamptz not null
);
create index typed_cards_card on typed_cards (card_id, tried_at);

create table automatic_charges (
    card_id uuid primary key,
    partition_id smallint not null,
    source_id uuid not null,
    member_id uuid not null,
    threshold_minor bigint not null check (threshold_minor > 0),
    amount_minor bigint not null check (amount_minor > 0),
    -- What pays; null means the first of the member's own that can.
    paid_by uuid,
    state text not null check (state in ('active', 'paused')),
    pause_reason text,
    -- The charge under way: never two for one shortage.
    charge_id uuid references charges,
    created_at timestamptz not null,
    check ((pause_reason is not null) = (state = 'paused'))
);
create index automatic_charges_idle on automatic_charges (card_id)
    where state = 'active' and charge_id is null;
create index automatic_charges_charge on automatic_charges (charge_id) where charge_id is not null;
create index automatic_charges_member on automatic_charges (member_id, card_id);

-- refunds of the rest (PP-13) -------------------------------------------------------------------------------
create table balance_refunds (
    -- Also its bank transfer's id.
    id uuid primary key,
    partition_id smallint not null,
    card_id uuid not null,
    member_id uuid,
    amount_minor bigint not null check (amount_minor > 0),
    currency char(3) not null,
    closed_card boolean not null,
    request_key text not null unique,
    fingerprint bytea not null,
    created_at timestamptz not null
);
create index balance_refunds_card on balance_refunds (card_id, id);

-- bank accounts in wallets (WA-5) ---------------------------------------------------------------------------
create table bank_accounts (
    -- Also its funding source's id, once it is proved.
    id uuid primary key,
    partition_id smallint not null,
    member_id uuid not null,
    bank_code text not null,
    number_key integer,
    number_sealed bytea,
    -- Keyed, to find the same account again.
    account_hash bytea not null,
    last_four text not null,
    holder text not null,
    -- The transfer of one won whose text carries the code.
    transfer_id uuid not null unique,
    code_hash bytea not null,
    tries smallint not null default 0 check (tries >= 0),
    state text not null check (state in ('pending', 'proved', 'removed', 'ended')),
    expires_at timestamptz not null,
    created_at timestamptz not null,
    check ((number_sealed is null) = (number_key is null)),
    check ((number_sealed is null) = (state = 'ended'))
);
create unique index bank_accounts_alive on bank_accounts (member_id, account_hash)
    where state in ('pending', 'proved');
create index bank_accounts_member on bank_accounts (member_id, id);

-- The order in which a member wants sources to pay; those without a place come last.
alter table funding_sources add column place smallint;

grant select, insert, update on sales, sale_refunds, charges, automatic_charges, bank_accounts to obverse_app;
grant delete on automatic_charges to obverse_app;
grant select, insert on balance_refunds to obverse_app;
grant select, insert, delete on typed_cards to obverse_app;
"""


def upgrade() -> None:
    run_sql(SCHEMA)
