"""Devices that show payment codes, and the batches that were made for them.

Deploy: pre (nothing uses it yet).
"""

from obverse.kit.database.migrating import run_sql

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

SCHEMA = """
create table devices (
    id uuid primary key,
    partition_id smallint not null,
    member_id uuid not null references members,
    name text not null check (length(name) between 1 and 60),
    -- JWK, P-256: what is sealed to it can be read on that device alone.
    public_key jsonb not null,
    created_at timestamptz not null,
    removed_at timestamptz
);
-- One living device for each key of a member: registering it again is the same device.
create unique index devices_key on devices (member_id, (public_key->>'x'), (public_key->>'y'))
    where removed_at is null;

-- How often codes were made: for the limits on making them, and on telling of it.
create table code_batches (
    id uuid primary key,
    partition_id smallint not null,
    device_id uuid not null references devices,
    member_id uuid not null,
    card_id uuid not null,
    count int not null check (count > 0),
    created_at timestamptz not null,
    -- The day in the programme's time zone.
    made_on date not null
);
create index code_batches_device on code_batches (device_id, created_at);
create index code_batches_member on code_batches (member_id, made_on);
create index code_batches_created on code_batches (created_at);

-- Whose codes they are: a card that has another holder since is not paid with by the former one's phone.
alter table payment_codes add column member_id uuid;
drop index payment_codes_device;
-- Nobody asks for the codes of a card on all of its devices.
drop index payment_codes_card;
create index payment_codes_device on payment_codes (device_id, card_id, valid_from);

grant select, insert, update on devices to obverse_app;
grant select, insert, delete on code_batches to obverse_app;
"""


def upgrade() -> None:
    run_sql(SCHEMA)
