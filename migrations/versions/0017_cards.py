"""Physical cards to make and post; agents' batches.

Deploy: pre (nothing uses it yet).
"""

from obverse.kit.database.migrating import run_sql

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

SCHEMA = """
select 1
"""


def upgrade() -> None:
    run_sql(SCHEMA)
