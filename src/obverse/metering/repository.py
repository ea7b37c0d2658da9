"""Tariffs, calling servers, sessions and their grants in the database."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Final

import asyncpg

from obverse.authorization import Decline
from obverse.kit.database import Connection
from obverse.kit.ids import CardId, MerchantId, MeterSessionId
from obverse.kit.money import CurrencyCode
from obverse.kit.paging import NEWEST, Page, PageRequest, cut
from obverse.metering.errors import CallingServerTaken
from obverse.metering.model import (
    CallingServer,
    Grant,
    GrantState,
    Report,
    Session,
    SessionState,
    Tariff,
)

_TARIFF: Final = """
t.id, t.merchant_id, t.name, t.currency, t.connection_minor, t.first_seconds, t.first_minor, t.next_seconds,
t.next_minor, t.grant_seconds, t.effective_from, t.created_at
"""

INSERT_TARIFF: Final = """
insert into tariffs values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
on conflict (merchant_id, name, effective_from) do nothing returning id
"""

TARIFF_OF_MOMENT: Final = f"""
select {_TARIFF} from tariffs as t where merchant_id = $1 and name = $2 and effective_from = $3
"""

TARIFF_IN_EFFECT: Final = f"""
select {_TARIFF} from tariffs as t where merchant_id = $1 and name = $2 and effective_from <= $3
order by effective_from desc limit 1
"""

PAGE_OF_TARIFFS: Final = f"""
select {_TARIFF} from tariffs as t where merchant_id = $1 and id < coalesce($2, {NEWEST})
order by id desc limit $3
"""

SET_SERVER: Final = """
insert into calling_servers (merchant_id, origin_host, created_at) values ($1, $2, $3)
on conflict (merchant_id) do update set origin_host = excluded.origin_host
"""

SERVER_OF_HOST: Final = "select merchant_id, origin_host from calling_servers where origin_host = $1"

SERVER_OF_MERCHANT: Final = "select merchant_id, origin_host from calling_servers where merchant_id = $1"

_COLUMNS: Final = """
s.id, s.partition_id, s.merchant_id, s.card_id, s.reference, s.state, s.used_seconds, s.is_last, s.decline,
s.valid_until, s.due_at, s.request_key, s.fingerprint, s.created_at, s.ended_at
"""

_SESSIONS: Final = f"""
select {_COLUMNS}, t.name, t.currency, t.connection_minor, t.first_seconds, t.first_minor, t.next_seconds,
    t.next_minor, t.grant_seconds, t.effective_from, t.id as tariff_id, t.created_at as tariff_created_at
from metered_sessions as s join tariffs as t on t.id = s.tariff_id
"""

INSERT_SESSION: Final = """
insert into metered_sessions (id, partition_id, merchant_id, card_id, tariff_id, reference, state,
    used_seconds, is_last, decline, valid_until, due_at, request_key, fingerprint, created_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
on conflict do nothing returning id
"""

LOCK: Final = f"{_SESSIONS} where s.id = any($1::uuid[]) order by s.id for no key update of s"

LOAD: Final = f"{_SESSIONS} where s.id = any($1::uuid[])"

BY_KEY: Final = f"{_SESSIONS} where s.request_key = $1"

BY_REFERENCE: Final = f"{_SESSIONS} where s.merchant_id = $1 and s.reference = $2"

GRANTS: Final = """
select session_id, number, asked_minor, amount_minor, authorization_id, state, captured_minor, created_at
from metered_grants where session_id = any($1::uuid[]) order by session_id, number
"""

SAVE: Final = """
update metered_sessions set state = $2, used_seconds = $3, is_last = $4, decline = $5, valid_until = $6,
    due_at = $7, ended_at = $8
where id = $1
"""

SAVE_GRANTS: Final = """
insert into metered_grants (session_id, number, asked_minor, amount_minor, authorization_id, state,
    captured_minor, created_at)
select $1, * from unnest($2::int[], $3::bigint[], $4::bigint[], $5::uuid[], $6::text[], $7::bigint[],
    $8::timestamptz[])
on conflict (session_id, number) do update set amount_minor = excluded.amount_minor,
    authorization_id = excluded.authorization_id, state = excluded.state,
    captured_minor = excluded.captured_minor
"""

DUE: Final = "select id from metered_sessions where due_at < $1 order by due_at limit $2"

OF_CARDS: Final = f"""
{_SESSIONS} where s.card_id = any($1::uuid[]) and s.created_at >= $2 and s.created_at < $3
    and s.state <> 'declined'
order by s.created_at desc, s.id desc
"""

PAGE: Final = f"""
{_SESSIONS} where s.merchant_id = $1 and s.id < coalesce($2, {NEWEST})
    and ($4::text is null or s.reference = $4)
order by s.id desc limit $3
"""

NOTE_REPORT: Final = """
insert into metered_reports (session_id, number, used_seconds, until_seconds, created_at)
values ($1, $2, $3, $4, $5) on conflict do nothing returning number
"""

FIND_REPORT: Final = """
select until_seconds, granted_seconds, is_last from metered_reports where session_id = $1 and number = $2
"""

# Whoever answers first has answered; a second answer to the same report would be another one.
ANSWER_REPORT: Final = """
update metered_reports
set granted_seconds = coalesce(granted_seconds, $3), is_last = coalesce(is_last, $4)
where session_id = $1 and number = $2 returning granted_seconds, is_last
"""


# tariffs and calling servers -------------------------------------------------------------------------------


async def insert_tariff(conn: Connection, tariff: Tariff) -> bool:
    """Store a tariff; False where there is one of that name from that moment on."""
    values = [getattr(tariff, field) for field in Tariff.__struct_fields__]
    return await conn.fetchval(INSERT_TARIFF, *values) is not None


async def find_tariff(
    conn: Connection, merchant_id: MerchantId, name: str, effective_from: datetime
) -> Tariff | None:
    row = await conn.fetchrow(TARIFF_OF_MOMENT, merchant_id, name, effective_from)
    return Tariff(*row.values()) if row else None


async def tariff_in_effect(
    conn: Connection, merchant_id: MerchantId, name: str, now: datetime
) -> Tariff | None:
    """The tariff of this name whose time has come, the latest of them."""
    row = await conn.fetchrow(TARIFF_IN_EFFECT, merchant_id, name, now)
    return Tariff(*row.values()) if row else None


async def tariff_page(conn: Connection, page: PageRequest, merchant_id: MerchantId) -> Page[Tariff]:
    """A merchant's tariffs, newest first, past and future ones included."""
    rows = await conn.fetch(PAGE_OF_TARIFFS, merchant_id, page.after, page.limit + 1)
    return cut([Tariff(*row.values()) for row in rows], page, lambda tariff: tariff.id)


async def set_server(conn: Connection, server: CallingServer, now: datetime) -> None:
    """Store how a merchant's calling server names itself. Raises `CallingServerTaken`."""
    try:
        async with conn.transaction():
            await conn.execute(SET_SERVER, server.merchant_id, server.origin_host, now)
    except asyncpg.UniqueViolationError:
        raise CallingServerTaken from None


async def server_of_host(conn: Connection, origin_host: str) -> CallingServer | None:
    row = await conn.fetchrow(SERVER_OF_HOST, origin_host)
    return CallingServer(*row.values()) if row else None


async def server_of_merchant(conn: Connection, merchant_id: MerchantId) -> CallingServer | None:
    row = await conn.fetchrow(SERVER_OF_MERCHANT, merchant_id)
    return CallingServer(*row.values()) if row else None


# sessions --------------------------------------------------------------------------------------------------


async def insert(conn: Connection, session: Session) -> bool:
    """Store a new session; False where an earlier one has its key or its reference."""
    stored = await conn.fetchval(
        INSERT_SESSION,
        session.id,
        session.partition_id,
        session.merchant_id,
        session.card_id,
        session.tariff.id,
        session.reference,
        session.state,
        session.used_seconds,
        session.is_last,
        session.decline,
        session.valid_until,
        session.due_at,
        session.request_key,
        session.fingerprint,
        session.created_at,
    )
    if stored is None:
        return False
    await _save_grants(conn, session)
    return True


async def lock(conn: Connection, ids: Sequence[MeterSessionId]) -> dict[MeterSessionId, Session]:
    """These sessions, locked in id order until the commit; unknown ids are simply absent."""
    return {session.id: session for session in await _with_grants(conn, await conn.fetch(LOCK, ids))}


async def load(conn: Connection, ids: Sequence[MeterSessionId]) -> dict[MeterSessionId, Session]:
    """The same without locking them."""
    return {session.id: session for session in await _with_grants(conn, await conn.fetch(LOAD, ids))}


async def find_by_key(conn: Connection, request_key: str) -> Session | None:
    return _first(await _with_grants(conn, await conn.fetch(BY_KEY, request_key)))


async def find_by_reference(conn: Connection, merchant_id: MerchantId, reference: str) -> Session | None:
    return _first(await _with_grants(conn, await conn.fetch(BY_REFERENCE, merchant_id, reference)))


async def find_page(
    conn: Connection, page: PageRequest, merchant_id: MerchantId, reference: str | None = None
) -> Page[Session]:
    """A merchant's sessions, newest first; with a reference, the one it names."""
    rows = await conn.fetch(PAGE, merchant_id, page.after, page.limit + 1, reference)
    return cut(await _with_grants(conn, rows), page, lambda session: session.id)


async def sessions_of_cards(
    conn: Connection, card_ids: Sequence[CardId], since: datetime, until: datetime
) -> list[Session]:
    """What these cards were used for by the second, from `since` on and before `until`, newest first."""
    return await _with_grants(conn, await conn.fetch(OF_CARDS, card_ids, since, until))


async def find_due(conn: Connection, now: datetime, limit: int) -> list[MeterSessionId]:
    """Sessions that somebody has to look after, the longest due first."""
    return [row["id"] for row in await conn.fetch(DUE, now, limit)]


async def save(conn: Connection, session: Session) -> None:
    """Store what has become of a session and its grants; the caller holds its lock."""
    await conn.execute(
        SAVE,
        session.id,
        session.state,
        session.used_seconds,
        session.is_last,
        session.decline,
        session.valid_until,
        session.due_at,
        session.ended_at,
    )
    await _save_grants(conn, session)


# reports ---------------------------------------------------------------------------------------------------


async def note_report(
    conn: Connection, session_id: MeterSessionId, report: Report, until_seconds: int | None, now: datetime
) -> bool:
    """Store a numbered report; False where that number has come before."""
    stored = await conn.fetchval(
        NOTE_REPORT, session_id, report.number, report.used_seconds, until_seconds, now
    )
    return stored is not None


async def find_report(
    conn: Connection, session_id: MeterSessionId, number: int
) -> tuple[int | None, int | None, bool | None] | None:
    """How far that report wanted the session granted, and its answer if there was one."""
    row = await conn.fetchrow(FIND_REPORT, session_id, number)
    return (row["until_seconds"], row["granted_seconds"], row["is_last"]) if row else None


async def answer_report(
    conn: Connection, session_id: MeterSessionId, number: int, granted_seconds: int, *, is_last: bool
) -> tuple[int, bool]:
    """Store the answer to a report, and return the first that was."""
    row = await conn.fetchrow(ANSWER_REPORT, session_id, number, granted_seconds, is_last)
    assert row is not None, "a report is noted before it is answered"
    return row["granted_seconds"], row["is_last"]


# rows ------------------------------------------------------------------------------------------------------


async def _save_grants(conn: Connection, session: Session) -> None:
    grants = session.grants
    await conn.execute(
        SAVE_GRANTS,
        session.id,
        [grant.number for grant in grants],
        [grant.asked_minor for grant in grants],
        [grant.amount_minor for grant in grants],
        [grant.authorization_id for grant in grants],
        [grant.state for grant in grants],
        [grant.captured_minor for grant in grants],
        [grant.created_at for grant in grants],
    )


async def _with_grants(conn: Connection, rows: Sequence[asyncpg.Record]) -> list[Session]:
    grants: dict[MeterSessionId, list[Grant]] = defaultdict(list)
    for row in await conn.fetch(GRANTS, [row["id"] for row in rows]) if rows else ():
        session_id, number, asked, amount, authorization_id, state, captured, created_at = row.values()
        grants[session_id].append(
            Grant(number, asked, amount, authorization_id, GrantState(state), captured, created_at)
        )
    return [_session(row, grants[row["id"]]) for row in rows]


def _first(sessions: Sequence[Session]) -> Session | None:
    return sessions[0] if sessions else None


def _session(row: asyncpg.Record, grants: Sequence[Grant]) -> Session:
    tariff = Tariff(
        id=row["tariff_id"],
        merchant_id=row["merchant_id"],
        name=row["name"],
        currency=CurrencyCode(row["currency"]),
        connection_minor=row["connection_minor"],
        first_seconds=row["first_seconds"],
        first_minor=row["first_minor"],
        next_seconds=row["next_seconds"],
        next_minor=row["next_minor"],
        grant_seconds=row["grant_seconds"],
        effective_from=row["effective_from"],
        created_at=row["tariff_created_at"],
    )
    return Session(
        id=row["id"],
        partition_id=row["partition_id"],
        merchant_id=row["merchant_id"],
        card_id=row["card_id"],
        tariff=tariff,
        reference=row["reference"],
        state=SessionState(row["state"]),
        used_seconds=row["used_seconds"],
        is_last=row["is_last"],
        decline=Decline(row["decline"]) if row["decline"] else None,
        valid_until=row["valid_until"],
        due_at=row["due_at"],
        request_key=row["request_key"],
        fingerprint=row["fingerprint"],
        created_at=row["created_at"],
        ended_at=row["ended_at"],
        grants=grants,
    )
