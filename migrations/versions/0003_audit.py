"""The audit log: what people decided, who, when and why.

Deploy: pre (nothing uses it yet).
"""

from obverse.kit.database.migrating import run_sql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

SCHEMA = """
create table audit_log (
    id uuid primary key,
    actor text not null,
    action text not null,
    subject text not null,
    reason text not null check (length(reason) between 1 and 500),
    data jsonb not null default '{}',
    created_at timestamptz not null
);
create index audit_log_subject on audit_log (subject, id);

-- append-only, like the journal and the outbox (P3)
grant select, insert on audit_log to obverse_app;
"""


def upgrade() -> None:
    run_sql(SCHEMA)
