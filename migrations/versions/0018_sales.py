"""Sales: how stored value is paid for; charges of cards; bank accounts in wallets.

Deploy: pre (nothing uses it yet).
"""

from obverse.kit.database.migrating import run_sql

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

SCHEMA = """
select 1
"""


def upgrade() -> None:
    run_sql(SCHEMA)
