"""The load `statements`: 100,000 members hear of their day: gathered, posted, and sent to a local mail relay.

It has a database of its own. Every round adds a day; members and the days before stay where they are.
"""

import asyncio
import sys
from datetime import UTC, date, timedelta
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from bench.aside import Aside, peak_bytes, resident_bytes, rooms_aside
from bench.errors import BenchFailed
from bench.processes import free_port, running, wait_until_open
from bench.results import Measured
from obverse.bootstrap import Rooms
from obverse.kit.clock import Clock
from obverse.kit.database import Database
from obverse.kit.ids import MemberId
from obverse.kit.secret import Secret
from obverse.letters import Language
from obverse.members import BirthCalendar, Person, Profile, Statements
from obverse.notifications.statements import rules

if TYPE_CHECKING:
    import asyncpg

MEMBERS: Final = 100_000
_PAYMENTS: Final = 2
"""Of each member, on each day; both captured."""
_DATABASE: Final = "statements"
_ZONE: Final = ZoneInfo("Asia/Seoul")
_PATIENCE_S: Final = 600
_AT_ONCE: Final = 4
_POLL_S: Final = 0.02
_DAY: Final = timedelta(days=1)

_ADD_MEMBERS: Final = """
with new as (
    insert into members (id, partition_id, identity_hash, password_hash, standing, created_at)
    select gen_random_uuid(), 0, decode(md5('member' || n), 'hex'), '', 'good', now()
    from generate_series(1, $1) as n returning id
)
insert into cards (partition_id, id, kind, state, bin, serial, last_four, number_hash, number_hash_key,
    member_id, held_by, currency, spent_on, uses, uses_left, expires_at, funding, created_at)
select 0, gen_random_uuid(), 'one_time', 'active', '941012', row_number() over () * 100, '0000',
    decode(md5('card' || id), 'hex'), 1, id, 'member', 'KRW', 'approval', 1, 0, now() + interval '1 day',
    array[gen_random_uuid()], now()
from new
"""

# Ids that sort by time, as UUIDv7 do; every card has its share of the day.
_FILL: Final = """
with paid as materialized (
    select c.id as card_id, at,
        (lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0') || '7000'
            || substr(md5(c.id::text || n || $1), 1, 16))::uuid as id,
        (1 + abs(hashtext(c.id::text || n)) % 100) * 1000 as minor
    from cards as c cross join generate_series(1, $2) as n
    cross join lateral (
        select $1::timestamptz + make_interval(secs => abs(hashtext(c.id::text || n || 'at')) % 80000) as at
    ) as moment
), payments as (
    insert into authorizations (partition_id, id, request_key, fingerprint, status, failed_rules,
        approval_code, card_id, merchant_id, terminal, entry, category, amount_minor, currency,
        captured_minor, captured_at_once, created_at)
    select 0, id, 'rest:' || id, '', 'approved', 0, 'A1B2C3', card_id, $3, 'T1', 'online', '5732', minor,
        'KRW', minor, true, at from paid
), their_legs as (
    insert into legs (partition_id, authorization_id, position, source_id, kind, amount_minor, status,
        debit_account_id, credit_account_id, transfer_id, captured_minor)
    select 0, id, 0, card_id, 'credit_line', minor, 'approved', card_id, $3, id, minor from paid
), moved as (
    insert into transfers (partition_id, id, kind, debit_account_id, credit_account_id, amount_minor,
        currency, subject_id, created_at)
    select 0, id, 'posted', card_id, $3, minor, 'KRW', id, at from paid
)
insert into actions (partition_id, id, authorization_id, merchant_id, kind, amount_minor, parts, currency,
    request_key, asked, to_present, created_at)
select 0, id, id, $3, 'capture', minor, array[minor], 'KRW', 'at once:' || id, '', false, at from paid
"""

_SENT: Final = "select count(*) from letters where state = 'sent'"
_LEFT: Final = "select count(*) from letters where next_at is not null"


async def tell_a_day(scratch: Path) -> Measured:
    """One more day of all members, told and sent; only that is timed."""
    port, clock = free_port(), Clock()
    sink = [sys.executable, "-m", "bench.mail_sink", str(port)]
    with running(sink, scratch / "mail_sink.log", {}):
        await asyncio.to_thread(wait_until_open, port)
        async with rooms_aside(scratch, _DATABASE, clock, smtp_port=port, smtp_tls="none") as world:
            rooms, _, conn = world
            day = await _prepare(world, clock)
            clock.move_to(clock.offset + (rules.told_at(day, _ZONE) - clock.now()))
            sent_before = await conn.fetchval(_SENT)
            memory = asyncio.create_task(peak_bytes())
            before, began = resident_bytes(), perf_counter()
            posted = await _tell_and_send(rooms, conn)
            seconds = perf_counter() - began
            memory.cancel()
            grown_mib = max(0, await memory - before) / 2**20
            if posted != MEMBERS or await conn.fetchval(_SENT) - sent_before != MEMBERS:
                raise BenchFailed(f"{posted:,} of {MEMBERS:,} statements were posted.")
            await conn.execute("checkpoint", timeout=_PATIENCE_S)
            return Measured(per_second=MEMBERS / seconds, rows=MEMBERS * _PAYMENTS, grown_mib=grown_mib)


async def _tell_and_send(rooms: Rooms, conn: "asyncpg.Connection[asyncpg.Record]") -> int:
    """As the platform does it: the courier sends what is posted while the rest is still being posted."""
    courier, _ = rooms.letters.couriers
    await courier.start()
    try:
        posted = await rooms.telling.statements.tell_due()
        while True:
            if not await conn.fetchval(_LEFT):
                return posted
            await asyncio.sleep(_POLL_S)
    finally:
        await courier.stop()
        await rooms.letters.mail.close()


async def _prepare(world: Aside, clock: Clock) -> date:
    """The next day with its payments; members, the first time. Analysed, and written to disk."""
    rooms, _, conn = world
    day: date | None = await conn.fetchval("select next_day from statement_zones")
    if day is None:
        await _add_members(world)
        day = clock.now().astimezone(_ZONE).date() + _DAY
    begins = rules.begins(day, _ZONE)
    clock.move_to(clock.offset + max(begins - clock.now(), timedelta()))
    await rooms.telling.statements.tell_due()
    merchant = await conn.fetchval("select id from merchants limit 1")
    await conn.execute(_FILL, begins.astimezone(UTC), _PAYMENTS, merchant, timeout=_PATIENCE_S)
    await conn.execute("vacuum analyze", timeout=_PATIENCE_S)
    await conn.execute("checkpoint", timeout=_PATIENCE_S)
    return day


async def _add_members(world: Aside) -> None:
    rooms, database, conn = world
    await rooms.merchants.onboard("Bookshop", "5942", "410001", "SHOP00000000001")
    await conn.execute(_ADD_MEMBERS, MEMBERS, timeout=_PATIENCE_S)
    ids = [MemberId(row["id"]) for row in await conn.fetch("select id from members order by id")]
    parts = [range(first, MEMBERS, _AT_ONCE) for first in range(_AT_ONCE)]
    await asyncio.gather(*[_add_profiles(rooms, database, [(n, ids[n]) for n in part]) for part in parts])


async def _add_profiles(rooms: Rooms, database: Database, members: list[tuple[int, MemberId]]) -> None:
    async with database.transaction() as conn:
        for number, id_ in members:
            await rooms.members.profiles.store(conn, id_, _profile(number), None)


def _profile(number: int) -> Profile:
    return Profile(
        chosen_id=f"m{number:08d}",
        nickname=f"member{number}"[:12],
        person=Person(
            name=Secret("홍길동"),
            latin_name=Secret("Hong Gil-dong"),
            birth_date=Secret("1990-05-17"),
            calendar=BirthCalendar.SOLAR,
            mail=Secret(f"member{number}@mail.example"),
            mobile=Secret(f"+8210{number:08d}"),
        ),
        language=Language.KOREAN,
        time_zone=str(_ZONE),
        statements=Statements.MAIL,
    )
