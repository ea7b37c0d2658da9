"""Members' bank accounts in the database."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from obverse.kit.database import Connection
from obverse.kit.ids import MemberId, SourceId
from obverse.kit.secret import Sealed
from obverse.wallet.model import BankAccountState, LinkedAccount

_COLUMNS: Final = """
id, partition_id, member_id, bank_code, last_four, holder, transfer_id, code_hash, tries, state, expires_at,
created_at
"""

INSERT: Final = """
insert into bank_accounts (id, partition_id, member_id, bank_code, last_four, holder, transfer_id, code_hash,
    state, expires_at, created_at, account_hash, number_key, number_sealed)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
"""

ALIVE: Final = f"""
select {_COLUMNS} from bank_accounts
where member_id = $1 and account_hash = $2 and state in ('pending', 'proved') for update
"""

COUNT_SINCE: Final = "select count(*) from bank_accounts where member_id = $1 and created_at > $2"

LOAD: Final = f"select {_COLUMNS} from bank_accounts where id = any($1::uuid[])"

LOCK: Final = f"{LOAD} order by id for update"

OF_MEMBER: Final = f"""
select {_COLUMNS} from bank_accounts where member_id = $1 and state in ('pending', 'proved') order by id
"""

SAVE: Final = """
update bank_accounts set state = $2, tries = $3,
    number_key = case when $2 <> 'ended' then number_key end,
    number_sealed = case when $2 <> 'ended' then number_sealed end
where id = $1
"""

SET_REMOVED: Final = "update bank_accounts set state = 'removed' where id = $1 and state = 'proved'"

# Given up before they were proved: nothing of them is needed any more.
END_EXPIRED: Final = """
update bank_accounts set state = 'ended', number_key = null, number_sealed = null
where state = 'pending' and expires_at <= $1
"""

NUMBERS: Final = """
select id, bank_code, number_key, number_sealed, holder from bank_accounts
where id = any($1::uuid[]) and number_sealed is not null
"""

COUNT_STALE: Final = "select count(*) from bank_accounts where number_key <> $1"

LOCK_STALE: Final = """
select id, number_key, number_sealed from bank_accounts
where number_key <> $1 order by id limit $2 for update skip locked
"""

RESEAL: Final = """
update bank_accounts as b set number_key = n.key, number_sealed = n.sealed
from unnest($1::uuid[], $2::integer[], $3::bytea[]) as n (id, key, sealed) where b.id = n.id
"""


async def insert(conn: Connection, account: LinkedAccount, account_hash: bytes, number: Sealed) -> None:
    """Store a new one. Violates `bank_accounts_alive` where a twin was stored at the same moment."""
    await conn.execute(
        INSERT,
        account.id,
        account.partition_id,
        account.member_id,
        account.bank_code,
        account.last_four,
        account.holder,
        account.transfer_id,
        account.code_hash,
        account.state,
        account.expires_at,
        account.created_at,
        account_hash,
        number.key_version,
        number.ciphertext,
    )


async def lock_alive(conn: Connection, member_id: MemberId, account_hash: bytes) -> LinkedAccount | None:
    """This member's link of this very account, proved or not yet, locked."""
    row = await conn.fetchrow(ALIVE, member_id, account_hash)
    return _account(row) if row else None


async def count_since(conn: Connection, member_id: MemberId, since: datetime) -> int:
    """How many this member has begun to link since then."""
    count: int = await conn.fetchval(COUNT_SINCE, member_id, since)
    return count


async def load(conn: Connection, ids: Iterable[SourceId]) -> dict[SourceId, LinkedAccount]:
    return {row["id"]: _account(row) for row in await conn.fetch(LOAD, list(ids))}


async def lock(conn: Connection, ids: Iterable[SourceId]) -> dict[SourceId, LinkedAccount]:
    """The same, locked in id order until the commit."""
    return {row["id"]: _account(row) for row in await conn.fetch(LOCK, list(ids))}


async def of_member(conn: Connection, member_id: MemberId) -> list[LinkedAccount]:
    """What a member has linked or is about to, oldest first."""
    return [_account(row) for row in await conn.fetch(OF_MEMBER, member_id)]


async def save(conn: Connection, account: LinkedAccount) -> None:
    """Store state and tries of a locked one; one that has ended forgets its number."""
    await conn.execute(SAVE, account.id, account.state, account.tries)


async def set_removed(conn: Connection, id_: SourceId) -> None:
    """Its source was removed; the number stays, for collections that have begun."""
    await conn.execute(SET_REMOVED, id_)


async def end_expired(conn: Connection, now: datetime) -> None:
    await conn.execute(END_EXPIRED, now)


async def numbers(conn: Connection, ids: Iterable[SourceId]) -> Mapping[SourceId, tuple[str, Sealed, str]]:
    """Bank code, sealed number and holder of each."""
    rows = await conn.fetch(NUMBERS, list(ids))
    return {row[0]: (row[1], Sealed(row[2], row[3]), row[4]) for row in rows}


async def count_stale(conn: Connection, active: int) -> int:
    count: int = await conn.fetchval(COUNT_STALE, active)
    return count


async def lock_stale(conn: Connection, active: int, limit: int) -> list[tuple[SourceId, Sealed]]:
    """Some whose number is sealed under another key; what somebody else holds is left out."""
    rows = await conn.fetch(LOCK_STALE, active, limit)
    return [(row[0], Sealed(row[1], row[2])) for row in rows]


async def reseal(conn: Connection, fresh: Sequence[tuple[SourceId, Sealed]]) -> None:
    await conn.execute(
        RESEAL,
        [id_ for id_, _ in fresh],
        [sealed.key_version for _, sealed in fresh],
        [sealed.ciphertext for _, sealed in fresh],
    )


def _account(row: Any) -> LinkedAccount:
    id_, partition_id, member_id, bank_code, last_four, holder, transfer_id, code_hash, *rest = row
    tries, state, expires_at, created_at = rest
    return LinkedAccount(
        id=id_,
        partition_id=partition_id,
        member_id=member_id,
        bank_code=bank_code,
        last_four=last_four,
        holder=holder,
        transfer_id=transfer_id,
        code_hash=code_hash,
        tries=tries,
        state=BankAccountState(state),
        expires_at=expires_at,
        created_at=created_at,
    )
