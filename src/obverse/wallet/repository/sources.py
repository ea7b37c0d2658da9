"""Funding sources in the database."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from obverse.kit.database import Connection
from obverse.kit.ids import AccountId, MemberId, SourceId, VaultCardId
from obverse.wallet.model import Source, SourceKind, SourceState

_COLUMNS: Final = "id, partition_id, member_id, kind, currency, account_id, vault_card_id, state, created_at"

# A standing and arrears are two reasons for one state, and each comes and goes without the other.
_SEEN: Final = """
    id, partition_id, member_id, kind, currency, account_id, vault_card_id,
    case when in_arrears and state = 'active' then 'suspended' else state end, created_at
"""

# Read without a lock: a source that is suspended while a batch decides counts from the next batch on.
LOAD_SOURCES: Final = f"select {_SEEN} from funding_sources where id = any($1::uuid[])"

LOCK_SOURCES: Final = LOAD_SOURCES + " order by id for update"

SOURCES_OF_MEMBER: Final = f"""
select {_SEEN} from funding_sources
where member_id = $1
order by place nulls last, id
"""

# A source that is not named any more loses its place.
SET_PLACES: Final = """
update funding_sources as f set place = array_position($2::uuid[], f.id) where f.member_id = $1
"""

# A removed source counts too: the same card linked again becomes the same source again.
SOURCES_OF_VAULT_CARD: Final = f"""
select {_SEEN} from funding_sources where vault_card_id = any($1::uuid[]) order by id for update
"""

# Alive before removed, so that the conflict the caller has to hear of is the one that comes first.
INSERT_SOURCES: Final = f"""
insert into funding_sources ({_COLUMNS})
select * from unnest($1::uuid[], $2::smallint[], $3::uuid[], $4::text[], $5::text[], $6::uuid[], $7::uuid[],
                     $8::text[], $9::timestamptz[])
"""

SET_STATE: Final = "update funding_sources set state = $2 where id = any($1::uuid[])"

# A member's standing takes every living source along, in one statement (OT-13).
SET_STATE_OF_MEMBERS: Final = f"""
update funding_sources set state = $2
where member_id = any($1::uuid[]) and state <> 'removed' and state <> $2
returning {_SEEN}
"""

# What was suspended with its giver is not the next holder's trouble, and the other way round (OT-13).
SET_MEMBER: Final = """
update funding_sources set member_id = $2, state = case when state = 'removed' then state
    when exists (select from members where id = $2 and standing = 'suspended') then 'suspended'
    else 'active' end
where id = any($1::uuid[])
"""

LOCK_CREDIT_LINES: Final = f"""
select {_SEEN} from funding_sources
where account_id = any($1::uuid[]) and kind = 'credit_line' and in_arrears <> $2 order by id for update
"""

SET_ARREARS: Final = "update funding_sources set in_arrears = $2 where id = any($1::uuid[])"


async def load_sources(conn: Connection, ids: Iterable[SourceId]) -> dict[SourceId, Source]:
    """The sources with these ids, without locking them. Unknown ids are simply absent."""
    rows = await conn.fetch(LOAD_SOURCES, list(ids))
    return {source.id: source for source in map(_source, rows)}


async def lock_sources(conn: Connection, ids: Iterable[SourceId]) -> dict[SourceId, Source]:
    """The same, locked in id order until the commit."""
    rows = await conn.fetch(LOCK_SOURCES, list(ids))
    return {source.id: source for source in map(_source, rows)}


async def sources_of_member(conn: Connection, member_id: MemberId) -> list[Source]:
    """What a member has or has had, in the order in which the member wants it to pay, then oldest first."""
    return [_source(row) for row in await conn.fetch(SOURCES_OF_MEMBER, member_id)]


async def lock_sources_of_vault_cards(conn: Connection, ids: Sequence[VaultCardId]) -> list[Source]:
    """Every source that ever stood for one of these real cards, removed ones included."""
    return [_source(row) for row in await conn.fetch(SOURCES_OF_VAULT_CARD, ids)]


async def insert_sources(conn: Connection, sources: Sequence[Source]) -> None:
    """Store new sources. Violates `funding_sources_*` keys where a member already has one like it."""
    await conn.execute(
        INSERT_SOURCES,
        [source.id for source in sources],
        [source.partition_id for source in sources],
        [source.member_id for source in sources],
        [source.kind for source in sources],
        [source.currency for source in sources],
        [source.account_id for source in sources],
        [source.vault_card_id for source in sources],
        [source.state for source in sources],
        [source.created_at for source in sources],
    )


async def set_places(conn: Connection, member_id: MemberId, ids: Sequence[SourceId]) -> None:
    """Give a member's sources their places; those that are not named have none."""
    await conn.execute(SET_PLACES, member_id, ids)


async def set_state(conn: Connection, ids: Sequence[SourceId], state: SourceState) -> None:
    await conn.execute(SET_STATE, ids, state)


async def set_member(conn: Connection, ids: Sequence[SourceId], member_id: MemberId | None) -> None:
    """Make balances somebody else's, or nobody's we know."""
    await conn.execute(SET_MEMBER, ids, member_id)


async def set_state_of_members(
    conn: Connection, members: Sequence[MemberId], state: SourceState
) -> list[Source]:
    """Bring every living source of these members to `state`; returns those that changed."""
    return [_source(row) for row in await conn.fetch(SET_STATE_OF_MEMBERS, members, state)]


async def set_arrears(conn: Connection, accounts: Sequence[AccountId], *, in_arrears: bool) -> list[Source]:
    """Stop the credit lines with these accounts from paying, or let them pay again.

    A member's standing is another matter: it stops them on its own, and neither lifts the other. Returns
    the lines that this changed, as they were.
    """
    changed = [_source(row) for row in await conn.fetch(LOCK_CREDIT_LINES, accounts, in_arrears)]
    await conn.execute(SET_ARREARS, [source.id for source in changed], in_arrears)
    return changed


_KIND: Final = {kind.value: kind for kind in SourceKind}
_STATE: Final = {state.value: state for state in SourceState}


def _source(row: Any) -> Source:
    # By position and through dictionaries: this runs for every source of every payment.
    id_, partition_id, member_id, kind, currency, account_id, vault_card_id, state, created_at = row
    return Source(
        id_,
        partition_id,
        member_id,
        _KIND[kind],
        currency,
        account_id,
        vault_card_id,
        _STATE[state],
        created_at,
    )
