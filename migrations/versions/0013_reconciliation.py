"""Reconciliation: where our payments, our ledger and the partners' files do not tell the same.

Deploy: pre (nothing uses it yet).
"""

from obverse.kit.database.migrating import run_sql

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

SCHEMA = """
create table reconciliation_runs (
    id uuid primary key,
    ran_at timestamptz not null,
    -- The sums of each topic, three ways.
    comparisons jsonb not null,
    found int not null check (found >= 0),
    cleared int not null check (cleared >= 0)
);

create table breaks (
    id uuid primary key,
    kind text not null,
    -- What it is about, as the outside writes it: auth_01j..., pfile_01j..., mer_01j...
    subject text not null,
    expected_minor bigint not null,
    found_minor bigint not null,
    currency char(3) not null,
    state text not null check (state in ('open', 'resolved', 'cleared')),
    reason text,
    found_at timestamptz not null,
    ended_at timestamptz,
    check ((state = 'resolved') = (reason is not null)),
    check ((state = 'open') = (ended_at is null))
);
-- One break per fact: found again it is the same one, with other numbers it is another.
create unique index breaks_open on breaks (kind, subject) where state = 'open';
create index breaks_resolved on breaks (kind, subject) where state = 'resolved';
create index breaks_state on breaks (state, id);

grant select, insert on reconciliation_runs to obverse_app;
grant select, insert, update on breaks to obverse_app;
"""


def upgrade() -> None:
    run_sql(SCHEMA)
