"""Any mix: points of several issuers as legs, registered cards, and payment codes that stand for cards.

Deploy: pre (nothing uses it yet).
"""

from obverse.kit.database.migrating import run_sql

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

SCHEMA = """
-- points issuers, and the accounts that members have with them ----------------------------------------------
create table points_issuers (
    id uuid primary key,
    name text not null check (length(name) between 1 and 60),
    -- On tills: ASCII, for they know no other letters.
    short_name text not null check (length(short_name) between 1 and 12),
    unit text not null check (length(unit) between 1 and 12),
    url text not null,
    secret_key smallint not null,
    secret_sealed bytea not null,
    -- Holds and confirms; else it can only deduct and cancel.
    two_phase boolean not null,
    -- It sends its results to the terminal's VAN besides (PR-7).
    tells_van boolean not null,
    units_max bigint check (units_max > 0),
    currency char(3) not null,
    state text not null check (state in ('active', 'suspended')),
    created_at timestamptz not null
);
create index points_issuers_secret_key on points_issuers (secret_key);

-- The id is that of the funding source which an account becomes once it is proved.
create table points_accounts (
    id uuid primary key,
    partition_id smallint not null,
    member_id uuid not null references members,
    issuer_id uuid not null references points_issuers,
    -- Keyed hash over issuer and account: one account stands behind one member.
    account_hash bytea not null,
    last_four text not null,
    -- The card that it will stand behind once it is proved.
    card_id uuid,
    -- How the issuer names the link while its code is under way.
    link text,
    -- How it names the account to us, sealed; null until it is proved.
    handle_key smallint,
    handle_sealed bytea,
    tries smallint not null default 0,
    state text not null check (state in ('pending', 'proved', 'removed', 'ended')),
    created_at timestamptz not null,
    -- When the code is over.
    expires_at timestamptz not null,
    check (state <> 'proved' or handle_sealed is not null)
);
create index points_accounts_member on points_accounts (member_id, id);
create index points_accounts_handle_key on points_accounts (handle_key) where handle_key is not null;
create unique index points_accounts_account on points_accounts (issuer_id, account_hash)
    where state = 'proved';

-- Units per minor unit of money; null for a merchant means every one. A new rate ends the one before.
create table points_rates (
    id uuid primary key,
    issuer_id uuid not null references points_issuers,
    merchant_id uuid references merchants,
    numerator bigint not null check (numerator > 0),
    denominator bigint not null check (denominator > 0),
    minimum_units bigint not null check (minimum_units > 0),
    step_units bigint not null check (step_units > 0),
    starts_at timestamptz not null,
    ends_at timestamptz,
    check (ends_at > starts_at)
);
create unique index points_rates_in_force on points_rates (issuer_id, merchant_id)
    nulls not distinct where ends_at is null;
create index points_rates_issuer on points_rates (issuer_id, starts_at);

-- What a till or a page was shown: accounts, balances and rates, good until their time is over.
create table points_quotes (
    reference text primary key,
    partition_id smallint not null,
    card_id uuid not null,
    merchant_id uuid not null,
    lines jsonb not null,
    created_at timestamptz not null,
    expires_at timestamptz not null
);
create index points_quotes_expires on points_quotes (expires_at);

-- What issuers are still to be told of legs that they have approved, or may have: sent until acknowledged.
create table points_messages (
    partition_id smallint not null,
    id uuid not null,
    source_id uuid not null,
    authorization_id uuid not null,
    position smallint not null,
    -- The leg's `network_ref`, under which its issuer knows it.
    reference text not null,
    kind text not null check (kind in ('confirm', 'cancel', 'give_back')),
    -- What is to be given back, and how much was before: together they name this message to the issuer.
    units bigint,
    units_before bigint,
    created_at timestamptz not null,
    tries int not null default 0,
    next_at timestamptz not null,
    done_at timestamptz,
    primary key (id, partition_id),
    check ((kind = 'give_back') = (units is not null))
);
create index points_messages_due on points_messages (next_at, id) where done_at is null;
create index points_messages_leg on points_messages (authorization_id, position);

-- cards: real ones that members have registered -------------------------------------------------------------
alter table cards
    drop constraint cards_kind_check,
    add constraint cards_kind_check check (kind in ('one_time', 'prepaid', 'gift', 'registered')),
    drop constraint cards_programme,
    add constraint cards_programme check ((kind in ('one_time', 'registered')) = (programme_id is null)),
    -- The real card whose number it goes by; it has none of its own.
    add column vault_card_id uuid references vault_cards,
    add constraint cards_registered check ((kind = 'registered') = (vault_card_id is not null));

-- payments --------------------------------------------------------------------------------------------------
alter table funding_sources
    drop constraint funding_sources_kind_check,
    add constraint funding_sources_kind_check check (kind in
        ('linked_card', 'credit_line', 'stored_balance', 'points', 'bank_account', 'issuer_points'));
alter table legs
    drop constraint legs_kind_check,
    add constraint legs_kind_check
        check (kind in ('linked_card', 'credit_line', 'stored_balance', 'points', 'issuer_points')),
    -- Of points: how many units the amount took, at which rate, and how many of them went back.
    add column units bigint,
    add column rate_numerator bigint,
    add column rate_denominator bigint,
    add column units_back bigint not null default 0,
    add constraint legs_units check ((kind = 'issuer_points') = (units is not null)),
    add constraint legs_units_back check (units_back between 0 and coalesce(units, 0));

alter table merchants
    -- The points issuers whose points it takes (PR-10).
    add column accepts_points uuid[] not null default '{}',
    -- From this amount on a code alone does not pay: a PIN or a passkey has to come with it.
    add column code_proof_from_minor bigint check (code_proof_from_minor >= 0);

-- payment codes ---------------------------------------------------------------------------------------------
create table payment_codes (
    partition_id smallint not null,
    code_hash bytea not null,
    card_id uuid not null,
    device_id uuid not null,
    batch_id uuid not null,
    valid_from timestamptz not null,
    expires_at timestamptz not null,
    -- The payment that it was good for.
    used_by uuid,
    pin_tries smallint not null default 0,
    primary key (code_hash, partition_id)
) with (fillfactor = 80);
create index payment_codes_card on payment_codes (card_id);
create index payment_codes_device on payment_codes (device_id);
create index payment_codes_expires on payment_codes (expires_at);

-- Codes that were never made, as they are tried at tills: by the hour, terminal and merchant.
create table code_guesses (
    partition_id smallint not null,
    hour timestamptz not null,
    merchant_id uuid not null,
    terminal text not null,
    count int not null,
    primary key (hour, merchant_id, terminal, partition_id)
);

grant select, insert, update on points_issuers, points_accounts, points_rates, points_messages, payment_codes,
    code_guesses to obverse_app;
grant select, insert on points_quotes to obverse_app;
grant delete on points_quotes, points_messages, payment_codes, code_guesses to obverse_app;
"""


def upgrade() -> None:
    run_sql(SCHEMA)
