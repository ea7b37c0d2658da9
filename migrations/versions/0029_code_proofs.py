"""Passkeys beside payment codes, and codes that are tried when they are over.

Deploy: pre (nothing uses it yet).
"""

from obverse.kit.database.migrating import run_sql

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

SCHEMA = """
-- Which request a challenge was answered for, as a keyed hash: its repeats are right, and nothing else is.
alter table passkey_challenges add column used_for bytea;

-- What members are told of: codes of theirs that somebody tries after they were used, or are over.
create index events_of_tried_codes on events (txid, id)
    where type = 'authorization.declined' and data->>'decline' in ('code_used', 'code_expired');
"""


def upgrade() -> None:
    run_sql(SCHEMA)
