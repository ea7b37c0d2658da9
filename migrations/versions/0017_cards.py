"""Physical cards to make and post; agents' batches.

Deploy: pre (nothing uses it yet).
"""

from obverse.kit.database.migrating import run_sql

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

SCHEMA = """
-- Cards to be made of plastic and posted (WA-4). The address is forgotten once the card has arrived.
create sequence fulfilment_runs as bigint;
create table fulfilments (
    id uuid primary key,
    partition_id smallint not null,
    card_id uuid not null,
    member_id uuid not null references members,
    state text not null check (state in ('ordered', 'making', 'posted', 'delivered', 'returned')),
    design text not null,
    embossed_name text not null check (length(embossed_name) between 1 and 26),
    place text not null check (place in ('home', 'office')),
    -- Recipient and address, in one seal.
    address_sealed bytea,
    address_key smallint,
    -- The maker gets cards in runs.
    run bigint,
    tracking text,
    created_at timestamptz not null,
    moved_at timestamptz not null,
    constraint fulfilments_address check ((address_sealed is null) = (address_key is null)),
    constraint fulfilments_run check ((state = 'ordered') = (run is null)),
    constraint fulfilments_tracking check (state in ('ordered', 'making') or tracking is not null)
);
-- One is under way at a time.
create unique index fulfilments_live on fulfilments (card_id) where state in ('ordered', 'making', 'posted');
create index fulfilments_state on fulfilments (state, id);
create index fulfilments_card on fulfilments (card_id, id);
create index fulfilments_run on fulfilments (run, id) where run is not null;
create index fulfilments_address_key on fulfilments (address_key) where address_key is not null;

-- Cards that an agent sells (PP-4). Their PINs are drawn from a seed, which is forgotten with the one list.
create table card_batches (
    id uuid primary key,
    partition_id smallint not null,
    programme_id uuid not null references programmes,
    merchant_id uuid not null references merchants,
    state text not null check (state in ('open', 'closed')),
    count int not null check (count between 1 and 100000),
    face_value_minor bigint not null check (face_value_minor > 0),
    currency char(3) not null,
    seed_sealed bytea,
    seed_key smallint,
    exported_at timestamptz,
    request_key text unique,
    request_fingerprint bytea,
    created_at timestamptz not null,
    constraint card_batches_seed check ((seed_sealed is null) = (seed_key is null)),
    constraint card_batches_exported check ((seed_sealed is null) = (exported_at is not null))
);
create index card_batches_seed_key on card_batches (seed_key) where seed_key is not null;

grant select, insert, update on fulfilments, card_batches to obverse_app;
grant usage, select on fulfilment_runs to obverse_app;
"""


def upgrade() -> None:
    run_sql(SCHEMA)
