"""Merchants, their bank accounts and their applications in the database."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import asyncpg
import msgspec

from obverse.kit.database import Connection
from obverse.kit.ids import ApiKeyId, ApplicationId, MerchantId
from obverse.kit.paging import NEWEST, Page, PageRequest, cut
from obverse.kit.secret import Sealed
from obverse.merchants.errors import MerchantNumberTaken
from obverse.merchants.model import (
    Application,
    ApplicationState,
    Details,
    FeePlan,
    Merchant,
    MerchantState,
    PayoutTerms,
    Rhythm,
    SealedAccount,
)

_ACCOUNT: Final = "bank_code, holder, last_four, number_key, number_sealed"

_COLUMNS: Final = f"""
id, name, category, acquirer_id, merchant_no, terminals, account_id, state, created_at, metadata::text,
accepts, fee_basis_points, fee_fixed_minor, payout_rhythm, is_agent, accepts_points, code_proof_from_minor,
{_ACCOUNT}
"""

_MERCHANTS: Final = "merchants left join payout_accounts on payout_accounts.merchant_id = merchants.id"

INSERT: Final = """
insert into merchants (id, name, category, acquirer_id, merchant_no, terminals, account_id, state, created_at,
                       metadata, accepts, fee_basis_points, fee_fixed_minor, payout_rhythm, is_agent,
                       accepts_points, code_proof_from_minor)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10::text::jsonb, $11, $12, $13, $14, $15, $16, $17)
"""

LOAD: Final = f"select {_COLUMNS} from {_MERCHANTS} where id = any($1::uuid[])"

LOCK: Final = f"{LOAD} order by id for no key update of merchants"

FIND: Final = f"select {_COLUMNS} from {_MERCHANTS} where acquirer_id = $1 and merchant_no = $2"

PAGE: Final = f"""
select {_COLUMNS} from {_MERCHANTS} where id < coalesce($1, {NEWEST}) order by id desc limit $2
"""

UPDATE: Final = """
update merchants
set name = $2, category = $3, terminals = $4, state = $5, accepts = $6, fee_basis_points = $7,
    fee_fixed_minor = $8, payout_rhythm = $9, is_agent = $10, accepts_points = $11,
    code_proof_from_minor = $12
where id = $1
"""

SAVE_ACCOUNT: Final = f"""
insert into payout_accounts (merchant_id, {_ACCOUNT}) values ($1, $2, $3, $4, $5, $6)
on conflict (merchant_id) do update
set bank_code = excluded.bank_code, holder = excluded.holder, last_four = excluded.last_four,
    number_key = excluded.number_key, number_sealed = excluded.number_sealed
"""

FORGET_ACCOUNTS: Final = "delete from payout_accounts where merchant_id = any($1::uuid[])"

# Not `<>`, which no index serves; there is never a newer version than the active one.
COUNT_STALE: Final = "select count(*) from payout_accounts where number_key < $1"

LOCK_STALE: Final = """
select merchant_id, number_key, number_sealed from payout_accounts where number_key < $1
order by merchant_id limit $2 for update skip locked
"""

RESEAL: Final = """
update payout_accounts set number_sealed = fresh.sealed, number_key = fresh.key_version
from unnest($1::uuid[], $2::bytea[], $3::smallint[]) as fresh (merchant_id, sealed, key_version)
where payout_accounts.merchant_id = fresh.merchant_id
"""

QUEUE_UP: Final = "select pg_advisory_xact_lock($1, $2)"
_APPLICANTS: Final = (0x0B5E, 4)
"""Advisory lock (two-int space): whoever applies counts and is counted, one after the other."""

COUNT_APPLICATIONS: Final = """
select (select count(*) from merchant_applications where state = 'submitted'),
    (select count(*) from merchant_applications where origin_hash = $1 and created_at > $2)
"""

_APPLICATION: Final = f"""
select id, a.merchant_id, details::text, state, created_at, reason, decided_at, key_id, {_ACCOUNT}
from merchant_applications as a left join payout_accounts on payout_accounts.merchant_id = a.merchant_id
"""

APPLY: Final = """
insert into merchant_applications (id, token_hash, origin_hash, merchant_id, details, state, created_at)
values ($1, $2, $3, $4, $5::text::jsonb, $6, $7)
"""

LOAD_APPLICATIONS: Final = f"{_APPLICATION} where id = any($1::uuid[])"

LOCK_APPLICATIONS: Final = f"{LOAD_APPLICATIONS} order by id for no key update of a"

FIND_APPLICATION: Final = f"{_APPLICATION} where token_hash = $1"

PAGE_OF_APPLICATIONS: Final = f"""
{_APPLICATION} where id < coalesce($1, {NEWEST}) and state = any($3::text[]) order by id desc limit $2
"""

DECIDE: Final = """
update merchant_applications set state = $2, reason = $3, decided_at = $4, key_id = $5 where id = $1
"""


# merchants --------------------------------------------------------------------------------------------------


async def insert(conn: Connection, merchant: Merchant) -> None:
    """Store a new merchant; its bank account is stored apart. Raises `MerchantNumberTaken`."""
    try:
        await conn.execute(
            INSERT,
            merchant.id,
            merchant.name,
            merchant.category,
            merchant.acquirer_id,
            merchant.merchant_no,
            merchant.terminals,
            merchant.account_id,
            merchant.state,
            merchant.created_at,
            json.dumps(dict(merchant.metadata)),
            sorted(merchant.accepts),
            merchant.fee_plan.basis_points,
            merchant.fee_plan.fixed_minor,
            merchant.payout.rhythm,
            merchant.is_agent,
            sorted(merchant.accepts_points),
            merchant.code_proof_from_minor,
        )
    except asyncpg.UniqueViolationError as violation:
        raise MerchantNumberTaken from violation


async def load(conn: Connection, ids: Sequence[MerchantId]) -> dict[MerchantId, Merchant]:
    """The merchants with these ids. Unknown ids are simply absent."""
    return {merchant.id: merchant for merchant in map(_merchant, await conn.fetch(LOAD, ids))}


async def lock(conn: Connection, ids: Sequence[MerchantId]) -> dict[MerchantId, Merchant]:
    """The same, held in id order until the commit."""
    return {merchant.id: merchant for merchant in map(_merchant, await conn.fetch(LOCK, ids))}


async def find(conn: Connection, acquirer_id: str, merchant_no: str) -> Merchant | None:
    row = await conn.fetchrow(FIND, acquirer_id, merchant_no)
    return _merchant(row) if row else None


async def find_page(conn: Connection, page: PageRequest) -> Page[Merchant]:
    """All merchants, newest first, closed ones included."""
    rows = await conn.fetch(PAGE, page.after, page.limit + 1)
    return cut([_merchant(row) for row in rows], page, lambda merchant: merchant.id)


async def update(conn: Connection, merchant: Merchant) -> None:
    """Store what may change of a merchant; its bank account is stored apart."""
    await conn.execute(
        UPDATE,
        merchant.id,
        merchant.name,
        merchant.category,
        merchant.terminals,
        merchant.state,
        sorted(merchant.accepts),
        merchant.fee_plan.basis_points,
        merchant.fee_plan.fixed_minor,
        merchant.payout.rhythm,
        merchant.is_agent,
        sorted(merchant.accepts_points),
        merchant.code_proof_from_minor,
    )


# bank accounts ----------------------------------------------------------------------------------------------


async def save_account(conn: Connection, merchant_id: MerchantId, account: SealedAccount) -> None:
    """Keep where this merchant, or who may become it, is paid; in place of what was before."""
    await conn.execute(
        SAVE_ACCOUNT,
        merchant_id,
        account.bank_code,
        account.holder,
        account.last_four,
        account.number.key_version,
        account.number.ciphertext,
    )


async def forget_accounts(conn: Connection, ids: Sequence[MerchantId]) -> None:
    await conn.execute(FORGET_ACCOUNTS, ids)


async def count_stale(conn: Connection, key_version: int) -> int:
    """How many account numbers are sealed under an older key."""
    count: int = await conn.fetchval(COUNT_STALE, key_version)
    return count


async def lock_stale(conn: Connection, key_version: int, limit: int) -> list[tuple[MerchantId, Sealed]]:
    """Up to `limit` of them in id order, passing over what others hold."""
    rows = await conn.fetch(LOCK_STALE, key_version, limit)
    return [(id_, Sealed(version, ciphertext)) for id_, version, ciphertext in rows]


async def reseal(conn: Connection, numbers: Sequence[tuple[MerchantId, Sealed]]) -> None:
    await conn.execute(
        RESEAL,
        [id_ for id_, _ in numbers],
        [sealed.ciphertext for _, sealed in numbers],
        [sealed.key_version for _, sealed in numbers],
    )


# applications -----------------------------------------------------------------------------------------------


async def count_applications(conn: Connection, origin_hash: bytes, since: datetime) -> tuple[int, int]:
    """How many wait for a decision, and how many came from this origin; true until the commit."""
    await conn.execute(QUEUE_UP, *_APPLICANTS)
    [(waiting, from_origin)] = await conn.fetch(COUNT_APPLICATIONS, origin_hash, since)
    return waiting, from_origin


async def insert_application(
    conn: Connection, application: Application, token_hash: bytes, origin_hash: bytes
) -> None:
    """Store a new application; its bank account is stored apart."""
    await conn.execute(
        APPLY,
        application.id,
        token_hash,
        origin_hash,
        application.merchant_id,
        msgspec.json.encode(application.details).decode(),
        application.state,
        application.created_at,
    )


async def load_applications(
    conn: Connection, ids: Sequence[ApplicationId]
) -> dict[ApplicationId, Application]:
    """The applications with these ids. Unknown ids are simply absent."""
    return {found.id: found for found in map(_application, await conn.fetch(LOAD_APPLICATIONS, ids))}


async def lock_applications(
    conn: Connection, ids: Sequence[ApplicationId]
) -> dict[ApplicationId, Application]:
    """The same, held in id order until the commit."""
    return {found.id: found for found in map(_application, await conn.fetch(LOCK_APPLICATIONS, ids))}


async def find_application(conn: Connection, token_hash: bytes) -> Application | None:
    row = await conn.fetchrow(FIND_APPLICATION, token_hash)
    return _application(row) if row else None


async def find_application_page(
    conn: Connection, page: PageRequest, states: Sequence[ApplicationState]
) -> Page[Application]:
    """Applications in these states, newest first."""
    rows = await conn.fetch(PAGE_OF_APPLICATIONS, page.after, page.limit + 1, states)
    return cut([_application(row) for row in rows], page, lambda application: application.id)


async def decide(conn: Connection, application: Application) -> None:
    """Store what was decided on an application, and whether the first key was fetched."""
    await conn.execute(
        DECIDE,
        application.id,
        application.state,
        application.reason,
        application.decided_at,
        application.key_id,
    )


# rows -------------------------------------------------------------------------------------------------------


def _merchant(row: Any) -> Merchant:
    id_, name, category, acquirer_id, merchant_no, terminals, account_id, state, *rest = row
    created_at, metadata, accepts, basis_points, fixed_minor, rhythm, is_agent, *rest = rest
    accepts_points, code_proof_from_minor, *account = rest
    return Merchant(
        id=id_,
        name=name,
        category=category,
        acquirer_id=acquirer_id,
        merchant_no=merchant_no,
        terminals=tuple(terminals),
        account_id=account_id,
        state=MerchantState(state),
        created_at=created_at,
        metadata=json.loads(metadata),
        accepts=frozenset(accepts),
        fee_plan=FeePlan(basis_points, fixed_minor),
        payout=PayoutTerms(Rhythm(rhythm), _account(account)),
        is_agent=is_agent,
        accepts_points=frozenset(accepts_points),
        code_proof_from_minor=code_proof_from_minor,
    )


def _application(row: Any) -> Application:
    id_, merchant_id, details, state, created_at, reason, decided_at, key_id, *account = row
    return Application(
        id=ApplicationId(id_),
        merchant_id=MerchantId(merchant_id),
        details=msgspec.json.decode(details, type=Details),
        state=ApplicationState(state),
        created_at=created_at,
        account=_account(account),
        reason=reason,
        decided_at=decided_at,
        key_id=ApiKeyId(key_id) if key_id is not None else None,
    )


def _account(columns: Sequence[Any]) -> SealedAccount | None:
    bank_code, holder, last_four, key_version, sealed = columns
    return (
        None if sealed is None else SealedAccount(bank_code, holder, last_four, Sealed(key_version, sealed))
    )
