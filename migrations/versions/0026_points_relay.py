"""Points relay: keys of issuers, what they look up.

Deploy: pre (nothing uses it yet).
"""

from obverse.kit.database.migrating import run_sql

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

SCHEMA = """
select 1;
"""


def upgrade() -> None:
    run_sql(SCHEMA)
