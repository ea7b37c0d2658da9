"""What is done to a payment after its approval: captures, releases, refunds, disputes; what expires.

Deploy: stop the old processes first; they would capture without an action, and nobody would be paid.
Payments of before are brought along: their captures become actions.
"""

from obverse.kit.database.migrating import run_sql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

SCHEMA = """
-- authorizations: how much of the amount was released, refunded, is in dispute ------------------------------
alter table authorizations
    add column released_minor bigint not null default 0,
    add column refunded_minor bigint not null default 0,
    add column disputed_minor bigint not null default 0,
    -- What of the released part time has released.
    add column expired_minor bigint not null default 0,
    drop constraint authorizations_status_check,
    add constraint authorizations_status_check
        check (status in ('processing', 'approved', 'declined', 'reversed', 'expired')),
    add constraint authorizations_released
        check (released_minor >= 0 and captured_minor + released_minor <= amount_minor
            and expired_minor between 0 and released_minor),
    add constraint authorizations_refunded
        check (least(refunded_minor, disputed_minor) >= 0
            and refunded_minor + disputed_minor <= captured_minor);

alter table legs
    add column captured_minor bigint not null default 0,
    add column released_minor bigint not null default 0,
    add column refunded_minor bigint not null default 0,
    add column disputed_minor bigint not null default 0,
    -- The hold that keeps a provisional credit from being spent.
    add column dispute_hold_id uuid,
    add constraint legs_captured
        check (least(captured_minor, released_minor) >= 0
            and captured_minor + released_minor <= amount_minor),
    add constraint legs_refunded
        check (least(refunded_minor, disputed_minor) >= 0
            and refunded_minor + disputed_minor <= captured_minor);

-- Approved and not captured or released in full: what expiry looks through.
create index authorizations_open on authorizations (created_at)
    where status = 'approved' and captured_minor + released_minor < amount_minor;

-- actions ---------------------------------------------------------------------------------------------------
create table actions (
    partition_id smallint not null,
    id uuid not null,
    authorization_id uuid not null,
    merchant_id uuid not null,
    kind text not null check (kind in
        ('capture', 'release', 'refund', 'reversal', 'dispute', 'dispute_lost', 'dispute_won')),
    amount_minor bigint not null check (amount_minor > 0),
    -- How much of it each leg carries, in the order of the legs.
    parts bigint[] not null,
    currency char(3) not null,
    request_key text not null,
    -- What a repeat with this key has to ask for as well.
    asked text not null,
    -- Awaits being presented at the card companies of its linked legs.
    to_present boolean not null,
    settlement_id uuid,
    created_at timestamptz not null,
    primary key (id, partition_id)
) with (fillfactor = 90);
create unique index actions_request_key on actions (request_key, partition_id);
create index actions_authorization on actions (authorization_id, partition_id);
create index actions_to_settle on actions (id)
    where settlement_id is null and kind in ('capture', 'refund', 'reversal', 'dispute_lost');
create index actions_to_present on actions (id) where to_present;

grant select, insert, update on actions to obverse_app;

-- what was captured before ----------------------------------------------------------------------------------
update legs set captured_minor = done.part, released_minor = legs.amount_minor - done.part
from (
    select l.partition_id, l.authorization_id, l.position,
        greatest(0, least(l.amount_minor, a.captured_minor - coalesce(sum(l.amount_minor) over (
            partition by l.partition_id, l.authorization_id order by l.position
            rows between unbounded preceding and 1 preceding), 0))) as part
    from legs as l join authorizations as a on a.partition_id = l.partition_id and a.id = l.authorization_id
    where a.captured_minor > 0 and a.status = 'approved'
) as done
where legs.partition_id = done.partition_id and legs.authorization_id = done.authorization_id
    and legs.position = done.position;

update authorizations set released_minor = amount_minor - captured_minor
where captured_minor > 0 and status = 'approved';

insert into actions (partition_id, id, authorization_id, merchant_id, kind, amount_minor, parts, currency,
    request_key, asked, to_present, created_at)
select a.partition_id, a.id, a.id, a.merchant_id, 'capture', a.captured_minor,
    array(select l.captured_minor from legs as l where l.partition_id = a.partition_id
        and l.authorization_id = a.id order by l.position),
    a.currency, 'capture:' || a.id, '',
    exists (select from legs as l where l.partition_id = a.partition_id and l.authorization_id = a.id
        and l.kind = 'linked_card' and l.captured_minor > 0),
    a.created_at
from authorizations as a where a.captured_minor > 0 and a.status = 'approved';

-- A captured payment that was undone keeps no count of it: that sum is in its transfers.
update authorizations set captured_minor = 0 where status = 'reversed';
"""


def upgrade() -> None:
    run_sql(SCHEMA)
