"""Devices that show payment codes.

Deploy: pre (nothing uses it yet).
"""

from obverse.kit.database.migrating import run_sql

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

SCHEMA = """
select 1;
"""


def upgrade() -> None:
    run_sql(SCHEMA)
