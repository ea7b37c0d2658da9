"""Stored value: programmes, cards of the kinds prepaid and gift, balances in lots, what they add to payments.

Deploy: pre. What was there before stays as it is: cards of one use keep their kind, and no balance is stored.
"""

from obverse.kit.database.migrating import run_sql

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

SCHEMA = """
-- programmes: the products that cards are issued under ------------------------------------------------------
create table programmes (
    id uuid primary key,
    name text not null check (length(name) between 1 and 60),
    state text not null check (state in ('active', 'closed')),
    currency char(3) not null,
    -- What cards can be bought for; empty where none are sold.
    denominations bigint[] not null,
    -- Charges come in multiples of this, up to the ceiling; null where cards are not charged.
    charge_unit_minor bigint check (charge_unit_minor > 0),
    ceiling_minor bigint not null check (ceiling_minor > 0),
    -- How long what is paid in may be spent.
    validity_months smallint not null check (validity_months between 1 and 36),
    -- Null means all of them.
    services text[],
    categories text[],
    merchants uuid[],
    giftable boolean not null,
    refundable boolean not null,
    physical boolean not null,
    metadata jsonb not null default '{}',
    created_at timestamptz not null
);

-- cards: stored value behind them, a PIN, and perhaps nobody's name -----------------------------------------
alter table cards
    drop constraint cards_kind_check,
    add constraint cards_kind_check check (kind in ('one_time', 'prepaid', 'gift')),
    drop constraint cards_state_check,
    add constraint cards_state_check check (state in ('inactive', 'active', 'suspended', 'closed')),
    drop constraint cards_spent_on_check,
    add constraint cards_spent_on_check check (spent_on in ('approval', 'capture', 'never')),
    alter column member_id drop not null,
    add column programme_id uuid,
    add column batch_id uuid,
    -- What it was bought for; of an agent's card, what it will be sold for.
    add column face_value_minor bigint check (face_value_minor > 0),
    add column name text not null default '',
    add column pin_hash bytea,
    add column pin_failures smallint not null default 0 check (pin_failures >= 0),
    add column pin_hint text,
    add column tell_of_use boolean not null default false,
    add column services text[],
    add column merchants uuid[],
    add constraint cards_programme check ((kind = 'one_time') = (programme_id is null));
create index cards_batch on cards (batch_id, id) where batch_id is not null;

-- funding sources: balances, points, bank accounts; some of nobody we know ----------------------------------
alter table funding_sources
    drop constraint funding_sources_kind_check,
    add constraint funding_sources_kind_check
        check (kind in ('linked_card', 'credit_line', 'stored_balance', 'points', 'bank_account')),
    alter column member_id drop not null,
    alter column account_id drop not null,
    add constraint funding_sources_account
        check ((account_id is null) = (kind in ('stored_balance', 'points', 'bank_account')));
-- Somebody without an account may pay by a card that is a member's elsewhere.
drop index funding_sources_vault_card;
create unique index funding_sources_vault_card on funding_sources (vault_card_id)
    where state <> 'removed' and member_id is not null;
create unique index funding_sources_points on funding_sources (member_id, currency)
    where kind = 'points' and state <> 'removed';

-- What a balance is made of: each lot is an account of its own, which is spent until its own date.
create table lots (
    partition_id smallint not null,
    account_id uuid not null,
    source_id uuid not null,
    kind text not null check (kind in ('bought', 'charged', 'given', 'earned')),
    currency char(3) not null,
    expires_at timestamptz not null,
    -- Expired, swept, and without anything held that could still come back.
    closed_at timestamptz,
    created_at timestamptz not null,
    primary key (account_id, partition_id)
);
create index lots_source on lots (source_id, expires_at) where closed_at is null;
create index lots_expiring on lots (expires_at) where closed_at is null;

-- payments --------------------------------------------------------------------------------------------------
alter table authorizations
    add column purpose text not null default 'purchase'
        check (purpose in ('purchase', 'load', 'activation', 'inquiry')),
    -- What was asked for, where less was approved.
    add column requested_minor bigint check (requested_minor > amount_minor),
    -- What the card had left when it was decided, for those who are told.
    add column balance_minor bigint,
    -- Decided by somebody else on our behalf, and reported.
    add column reported boolean not null default false;
alter table legs
    drop constraint legs_kind_check,
    add constraint legs_kind_check
        check (kind in ('linked_card', 'credit_line', 'stored_balance', 'points'));

alter table actions
    drop constraint actions_kind_check,
    add constraint actions_kind_check check (kind in ('capture', 'release', 'refund', 'reversal', 'dispute',
        'dispute_lost', 'dispute_won', 'load', 'load_reversal'));
drop index actions_to_settle;
create index actions_to_settle on actions (id) where settlement_id is null
    and kind in ('capture', 'refund', 'reversal', 'dispute_lost', 'load', 'load_reversal');

-- merchants: some sell cards and take cash for them ---------------------------------------------------------
alter table merchants add column is_agent boolean not null default false;

-- Less than nothing where more was undone on a day than was taken.
alter table settlement_lines
    add column loaded_minor bigint not null default 0;
alter table merchant_statements
    add column loaded_minor bigint not null default 0,
    drop constraint merchant_statements_add_up,
    add constraint merchant_statements_add_up check (
        brought_minor + captured_minor - refunded_minor - reversed_minor - charged_back_minor - fees_minor
        - loaded_minor = paid_minor + carried_minor);

-- disputes: the holder of a card that is no member's may contest a payment too ------------------------------
alter table disputes alter column member_id drop not null;

grant select, insert, update on programmes, lots to obverse_app;
"""


def upgrade() -> None:
    run_sql(SCHEMA)
