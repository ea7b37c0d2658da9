"""Points read the outbox too.

Deploy: pre (nothing uses it yet).
"""

from obverse.kit.database.migrating import run_sql

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

SCHEMA = """
insert into event_readers (name, txid, event_id)
values ('points', pg_snapshot_xmin(pg_current_snapshot()), '00000000-0000-0000-0000-000000000000');
"""


def upgrade() -> None:
    run_sql(SCHEMA)
