"""Registered cards; which of a card's sources is its own, now that others may pay before it.

Deploy: stop the old processes first; cards that they made would have no source of their own.
"""

from obverse.kit.database.migrating import run_sql

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

SCHEMA = """
alter table cards
    -- A balance of its own, or the real card that a registered one is: what stays with it in any order.
    add column own_source_id uuid,
    -- Null where it goes by no number any more: a registered card that was closed, and registered again.
    alter column number_hash_key drop not null;
update cards set own_source_id = funding[1] where kind in ('prepaid', 'gift');
alter table cards
    add constraint cards_own_source check ((kind = 'one_time') = (own_source_id is null));

-- A real card is registered once, and found by claims also after it was closed.
create unique index cards_registered on cards (vault_card_id)
    where vault_card_id is not null and state <> 'closed';
create index cards_vault_card on cards (vault_card_id) where vault_card_id is not null;

-- Behind which card a balance stands: not every card that it may pay for.
drop index cards_balance;
create index cards_own_source on cards (own_source_id) where own_source_id is not null;
"""


def upgrade() -> None:
    run_sql(SCHEMA)
