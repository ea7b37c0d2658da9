"""Matched orders at affiliated malls.

Deploy: pre (nothing uses it yet).
"""

from obverse.kit.database.migrating import run_sql

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

SCHEMA = """
create table checkouts (
    id uuid primary key,
    merchant_id uuid not null references merchants,
    -- The mall's own word for its customer; to us it means nothing.
    reference text not null check (length(reference) between 1 and 100),
    member_id uuid not null,
    card_id uuid not null,
    currency char(3) not null,
    total_minor bigint not null check (total_minor > 0),
    -- In canonical form, as the mall's request is before it is compared.
    items jsonb not null,
    state text not null
        check (state in ('kept', 'matched', 'paid', 'declined', 'withdrawn', 'expired', 'void')),
    mismatches smallint not null default 0 check (mismatches >= 0),
    authorization_id uuid,
    -- Of the mall's request that has matched.
    request_key text,
    created_at timestamptz not null,
    expires_at timestamptz not null,
    check ((state in ('paid', 'declined')) = (authorization_id is not null))
);
-- One at a time: the mall has no other word for the one that it means.
create unique index checkouts_live on checkouts (merchant_id, reference) where state in ('kept', 'matched');
create unique index checkouts_request_key on checkouts (request_key) where request_key is not null;
create index checkouts_reference on checkouts (merchant_id, reference, id);

grant select, insert, update on checkouts to obverse_app;
"""


def upgrade() -> None:
    run_sql(SCHEMA)
