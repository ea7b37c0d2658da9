"""What was moved on a balance, what members are told of it, and what may be counted with their consent.

Deploy: stop the old processes first; how far events were handed on moves to another table.
"""

from obverse.kit.database.migrating import run_sql

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

SCHEMA = """
-- history ---------------------------------------------------------------------------------------------------
-- What came into a balance or left it by other hands than a payment's: bought, charged, given, earned, paid
-- out, expired. The amounts stand in the journal, which has no index by account: payments are found by their
-- cards, and this finds the rest.
create table balance_entries (
    partition_id smallint not null,
    transfer_id uuid not null,
    -- The lot.
    account_id uuid not null,
    source_id uuid not null,
    primary key (transfer_id, account_id, partition_id)
);
create index balance_entries_source on balance_entries (source_id, transfer_id);
create index lots_of_source on lots (source_id);
-- Behind which card a balance stands.
create index cards_balance on cards using gin (funding) where kind <> 'one_time';
create index cards_tell_of_use on cards (id) where tell_of_use;

-- the daily statement ---------------------------------------------------------------------------------------
create index member_profiles_time_zone on member_profiles (time_zone, member_id);

create table statement_zones (
    time_zone text primary key,
    next_day date not null,
    -- Nothing of before is told.
    begins_at timestamptz not null
);

-- What a day that is over means to each member, until it is told. A member has one at a time.
create table statements_due (
    member_id uuid primary key,
    time_zone text not null,
    day date not null,
    until timestamptz not null,
    entries int not null,
    spent_minor bigint not null,
    received_minor bigint not null,
    -- As many of them as a letter lists.
    lines jsonb not null
);
create index statements_due_zone on statements_due (time_zone, member_id);

create table member_statements (
    member_id uuid not null,
    day date not null,
    -- What happened from then on is told with the next one.
    told_until timestamptz not null,
    entries int not null,
    -- Null where the member wants no statements, or cannot be reached.
    letter_id uuid,
    primary key (member_id, day)
);

-- notices ---------------------------------------------------------------------------------------------------
-- How far each reader of the outbox has come.
create table event_readers (
    name text primary key,
    txid xid8 not null,
    event_id uuid not null
);
insert into event_readers (name, txid, event_id) select 'webhooks', txid, event_id from webhook_fan_out;
insert into event_readers (name, txid, event_id)
values ('notices', pg_snapshot_xmin(pg_current_snapshot()), '00000000-0000-0000-0000-000000000000');
drop table webhook_fan_out;
-- While nobody wants to hear of payments, these few are all that is looked for.
create index events_of_charges on events (txid, id) where type = 'charge.done';

-- Up to which lot it has been said, so many days before, that it will expire.
create table expiry_notices (
    days smallint primary key,
    expires_at timestamptz not null,
    account_id uuid not null
);
insert into expiry_notices (days, expires_at, account_id)
select days, '-infinity', '00000000-0000-0000-0000-000000000000' from unnest(array[30, 7]) as days;
-- In the order in which lots are announced, and expire.
drop index lots_expiring;
create index lots_expiring on lots (expires_at, account_id) where closed_at is null;

-- consent, and what is counted with it ----------------------------------------------------------------------
create table purchase_consents (
    id uuid primary key,
    member_id uuid not null references members,
    given_at timestamptz not null,
    withdrawn_at timestamptz,
    check (withdrawn_at >= given_at)
);
create unique index purchase_consents_given on purchase_consents (member_id) where withdrawn_at is null;
create index purchase_consents_member on purchase_consents (member_id, given_at);

-- Months that have been counted, once and for good, and by how many members a cell has to be made up.
create table purchase_months (
    month date primary key check (extract(day from month) = 1),
    members_min smallint not null,
    counted_at timestamptz not null
);

-- The cells of those months that enough members are behind. Of the others nothing is kept.
create table purchase_cells (
    month date not null references purchase_months,
    merchant_id uuid not null,
    category text not null,
    -- What the cards were bought for; null for numbers of one use.
    denomination_minor bigint,
    currency char(3) not null,
    purchases bigint not null check (purchases > 0),
    amount_minor bigint not null check (amount_minor >= 0),
    unique nulls not distinct (month, merchant_id, category, denomination_minor, currency)
);
create index purchase_cells_merchant on purchase_cells (merchant_id, month);

grant select, insert on balance_entries, purchase_months, purchase_cells, member_statements to obverse_app;
grant select, insert, update on statement_zones, purchase_consents to obverse_app;
grant select, insert, update, delete on statements_due to obverse_app;
grant select, update on event_readers, expiry_notices to obverse_app;
"""


def upgrade() -> None:
    run_sql(SCHEMA)
