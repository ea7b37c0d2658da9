"""Letters: what is to be mailed or texted to people, and what became of it.

Deploy: pre (nothing uses it yet).
"""

from obverse.kit.database.migrating import run_sql

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

SCHEMA = """
select 1
"""


def upgrade() -> None:
    run_sql(SCHEMA)
