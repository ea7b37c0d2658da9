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
    -- When a run did not see it any more: from then on an explanation explains nothing.
    gone_at timestamptz,
    check ((state = 'resolved') = (reason is not null)),
    check ((state = 'open') = (ended_at is null)),
    check (case state when 'open' then gone_at is null when 'cleared' then gone_at is not null else true end)
);
-- One break per fact for as long as it is seen; found again later, or with another difference, it is another.
create unique index breaks_known on breaks (kind, subject) where gone_at is null;
create index breaks_state on breaks (state, id);

grant select, insert on reconciliation_runs to obverse_app;
grant select, insert on breaks to obverse_app;
grant update (state, reason, ended_at, gone_at) on breaks to obverse_app;
"""


def upgrade() -> None:
    run_sql(SCHEMA)
