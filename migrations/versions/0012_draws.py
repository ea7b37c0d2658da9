"""Draws: what the holders of handed-over cards take to bank accounts of their own.

Deploy: pre (nothing uses it yet).
"""

from obverse.kit.database.migrating import run_sql

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

SCHEMA = """
create table draws (
    id uuid primary key,
    partition_id smallint not null,
    card_id uuid not null,
    amount_minor bigint not null check (amount_minor > 0),
    currency char(3) not null,
    state text not null check (state in ('asked', 'declined', 'ordered')),
    decline text,
    transfer_id uuid not null unique,
    -- The recipient's account, until the treasury keeps it or nobody needs it.
    account_sealed bytea,
    account_key smallint,
    -- A keyed hash of the account, by which a repeat is known.
    account_hash bytea not null,
    request_key text not null unique,
    fingerprint bytea not null,
    created_at timestamptz not null,
    check ((state = 'asked') = (account_sealed is not null)),
    check ((account_sealed is null) = (account_key is null)),
    check ((state = 'declined') = (decline is not null))
);
create index draws_card on draws (card_id, id);
create index draws_asked on draws (id) where state = 'asked';
create index draws_account_key on draws (account_key) where account_key is not null;

grant select, insert, update on draws to obverse_app;
"""


def upgrade() -> None:
    run_sql(SCHEMA)
