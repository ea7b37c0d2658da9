"""Webhooks: endpoints and their secrets, what is owed to each endpoint, and how far events are handed on.

Deploy: pre (nothing uses it yet).

Events are handed on in the order of the transactions that wrote them, up to the oldest one still running, so
that none is missed that becomes visible late; hence the index on `events.txid`.
"""

from obverse.kit.database.migrating import run_sql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

SCHEMA = """
create table webhook_endpoints (
    id uuid primary key,
    merchant_id uuid,
    url text not null check (length(url) between 1 and 2000),
    event_types text[] check (cardinality(event_types) between 1 and 50),
    description text not null,
    state text not null check (state in ('enabled', 'disabled')),
    failing_since timestamptz,
    -- Events of transactions before this one are history to the endpoint.
    listens_from xid8 not null default pg_snapshot_xmin(pg_current_snapshot()),
    created_at timestamptz not null,
    deleted_at timestamptz,
    check (deleted_at is null or state = 'disabled')
);
create index webhook_endpoints_merchant on webhook_endpoints (merchant_id, id);

create table webhook_secrets (
    id uuid primary key,
    endpoint_id uuid not null references webhook_endpoints,
    ciphertext bytea not null,
    encryption_key smallint not null,
    expires_at timestamptz
);
create index webhook_secrets_endpoint on webhook_secrets (endpoint_id);
create unique index webhook_secrets_current on webhook_secrets (endpoint_id) where expires_at is null;

create table webhook_deliveries (
    id uuid primary key,
    endpoint_id uuid not null references webhook_endpoints,
    event_id uuid not null,
    state text not null check (state in ('pending', 'delivered', 'failed')),
    attempts smallint not null default 0 check (attempts >= 0),
    next_at timestamptz,
    last_at timestamptz,
    response_status int,
    problem text,
    duration_ms int,
    created_at timestamptz not null,
    constraint webhook_deliveries_once unique (event_id, endpoint_id),
    check ((state = 'pending') = (next_at is not null))
) with (fillfactor = 80);
create index webhook_deliveries_log on webhook_deliveries (endpoint_id, id);
create index webhook_deliveries_due on webhook_deliveries (endpoint_id, next_at) where state = 'pending';

create table webhook_replays (
    id uuid primary key,
    endpoint_id uuid not null references webhook_endpoints,
    state text not null check (state in ('running', 'done')),
    since timestamptz not null,
    until timestamptz not null,
    reached uuid not null,
    deliveries bigint not null default 0,
    created_at timestamptz not null,
    check (since < until)
);
create index webhook_replays_endpoint on webhook_replays (endpoint_id, id);
create unique index webhook_replays_running on webhook_replays (endpoint_id) where state = 'running';

create table webhook_fan_out (
    only_row boolean primary key default true check (only_row),
    txid xid8 not null,
    event_id uuid not null
);
insert into webhook_fan_out (txid, event_id)
values (pg_snapshot_xmin(pg_current_snapshot()), '00000000-0000-0000-0000-000000000000');

create index events_txid on events (txid);

grant select, insert, update, delete
    on webhook_endpoints, webhook_secrets, webhook_deliveries, webhook_replays to obverse_app;
grant select, update on webhook_fan_out to obverse_app;
"""


def upgrade() -> None:
    run_sql(SCHEMA)
