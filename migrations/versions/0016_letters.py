"""Letters: what is to be mailed or texted to people, and what became of it.

Deploy: pre (nothing uses it yet).
"""

from obverse.kit.database.migrating import run_sql

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

SCHEMA = """
-- Address and contents are sealed together; both are forgotten some time after a letter is over. The row
-- stays, because `once` promises for ever.
create table letters (
    id uuid primary key,
    channel text not null check (channel in ('mail', 'sms')),
    template text not null,
    language text not null check (language in ('ko', 'en')),
    member_id uuid,
    subject_id uuid not null,
    once text unique,
    state text not null check (state in ('ready', 'sending', 'sent', 'bounced', 'failed')),
    attempts smallint not null check (attempts >= 0),
    next_at timestamptz,
    problem text check (problem in ('refused', 'postponed', 'unreachable', 'not_written')),
    reply smallint,
    sealed bytea,
    sealed_key smallint,
    created_at timestamptz not null,
    over_at timestamptz,
    check ((sealed is null) = (sealed_key is null)),
    check ((next_at is not null) = (state in ('ready', 'sending'))),
    check ((over_at is null) = (next_at is not null)),
    check (sealed is not null or next_at is null)
) with (fillfactor = 70);

create index letters_due on letters (channel, next_at) where next_at is not null;
create index letters_state on letters (state, id);
create index letters_kept on letters (over_at) where sealed is not null;
create index letters_by_key on letters (sealed_key) where sealed_key is not null;

grant select, insert, update on letters to obverse_app;
"""


def upgrade() -> None:
    run_sql(SCHEMA)
