"""Metered sessions: tariffs, who calls by Diameter, sessions with their grants, and what was reported.

Deploy: pre (nothing uses it yet).
"""

from obverse.kit.database.migrating import run_sql

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

SCHEMA = """
-- Never changed: a session pays what held when it was opened, and a later price is a later row.
create table tariffs (
    id uuid primary key,
    merchant_id uuid not null,
    name text not null check (length(name) between 1 and 40),
    currency char(3) not null,
    connection_minor bigint not null check (connection_minor >= 0),
    first_seconds int not null check (first_seconds > 0),
    first_minor bigint not null check (first_minor >= 0 and connection_minor + first_minor > 0),
    next_seconds int not null check (next_seconds > 0),
    next_minor bigint not null check (next_minor > 0),
    -- How much time is reserved at once where nobody says how much.
    grant_seconds int not null check (grant_seconds > 0),
    effective_from timestamptz not null,
    created_at timestamptz not null,
    unique (merchant_id, name, effective_from)
);

-- A merchant's calling server, as it names itself in Diameter (Origin-Host, lower case).
create table calling_servers (
    merchant_id uuid primary key,
    origin_host text not null unique check (origin_host = lower(origin_host)),
    created_at timestamptz not null
);

create table metered_sessions (
    id uuid primary key,
    partition_id smallint not null,
    merchant_id uuid not null,
    -- Null where no card has the number that was shown.
    card_id uuid,
    tariff_id uuid not null references tariffs (id),
    -- The merchant's own name for it; in Diameter the Session-Id.
    reference text check (length(reference) between 1 and 255),
    state text not null
        check (state in ('opening', 'open', 'declined', 'closing', 'cutting', 'closed', 'cut')),
    used_seconds int not null check (used_seconds >= 0),
    -- The last grant took all there was, or there was nothing.
    is_last boolean not null,
    decline text,
    valid_until timestamptz not null,
    -- When somebody has to look after it, if nothing comes; null once it is over.
    due_at timestamptz,
    request_key text not null unique,
    fingerprint bytea not null,
    created_at timestamptz not null,
    ended_at timestamptz,
    check ((due_at is null) = (state in ('declined', 'closed', 'cut')))
);
create unique index metered_sessions_reference on metered_sessions (merchant_id, reference)
    where reference is not null;
create index metered_sessions_merchant on metered_sessions (merchant_id, id);
create index metered_sessions_card on metered_sessions (card_id, created_at) where card_id is not null;
create index metered_sessions_due on metered_sessions (due_at) where due_at is not null;

-- What a session has reserved, piece by piece: each is one payment of the engine.
create table metered_grants (
    session_id uuid not null references metered_sessions (id),
    number int not null,
    asked_minor bigint not null check (asked_minor > 0),
    -- What was approved of it; null while nobody knows.
    amount_minor bigint check (amount_minor between 0 and asked_minor),
    authorization_id uuid,
    -- `settling`: what is captured is decided, and may not be done yet.
    state text not null check (state in ('asked', 'held', 'settling', 'settled', 'declined')),
    captured_minor bigint not null check (captured_minor >= 0),
    created_at timestamptz not null,
    primary key (session_id, number),
    check ((state = 'asked') = (amount_minor is null)),
    check (captured_minor <= coalesce(amount_minor, 0))
);

-- Reports that come with a number of their own (Diameter), each with its answer for whoever asks again.
create table metered_reports (
    session_id uuid not null references metered_sessions (id),
    number bigint not null,
    used_seconds int not null check (used_seconds >= 0),
    -- How far the session was to be granted; null where nothing more was asked for.
    until_seconds int,
    granted_seconds int,
    is_last boolean,
    created_at timestamptz not null,
    primary key (session_id, number)
);

grant select, insert on tariffs to obverse_app;
grant select, insert, update on calling_servers, metered_sessions, metered_grants, metered_reports
    to obverse_app;
"""


def upgrade() -> None:
    run_sql(SCHEMA)
