"""Programmes in the database."""

import json
from collections.abc import Iterable
from typing import Any, Final

from obverse.kit.database import Connection
from obverse.kit.ids import ProgrammeId
from obverse.kit.paging import NEWEST, Page, PageRequest, cut
from obverse.programmes.errors import ProgrammeClosed, ProgrammeNotFound
from obverse.programmes.model import Programme, ProgrammeState

_COLUMNS: Final = """
    id, name, state, currency, denominations, charge_unit_minor, ceiling_minor, validity_months, services,
    categories, merchants, giftable, refundable, physical, created_at, metadata::text
"""

LOAD: Final = f"select {_COLUMNS} from programmes where id = any($1::uuid[])"

LOCK: Final = f"{LOAD} order by id for no key update"

ACTIVE: Final = f"select {_COLUMNS} from programmes where state = 'active' order by id"

PAGE: Final = f"select {_COLUMNS} from programmes where id < coalesce($1, {NEWEST}) order by id desc limit $2"

INSERT: Final = """
insert into programmes (
    id, name, state, currency, denominations, charge_unit_minor, ceiling_minor, validity_months, services,
    categories, merchants, giftable, refundable, physical, created_at, metadata
)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16::text::jsonb)
"""

UPDATE: Final = """
update programmes
set name = $2, state = $3, denominations = $4, charge_unit_minor = $5, ceiling_minor = $6,
    validity_months = $7, services = $8, categories = $9, merchants = $10, giftable = $11, refundable = $12,
    physical = $13, metadata = $14::text::jsonb
where id = $1
"""


async def load(conn: Connection, ids: Iterable[ProgrammeId]) -> dict[ProgrammeId, Programme]:
    """The programmes with these ids. Unknown ids are simply absent."""
    return {p.id: p for p in map(_programme, await conn.fetch(LOAD, list(ids)))}


async def load_open(conn: Connection, programme_id: ProgrammeId) -> Programme:
    """One that still sells and issues. Raises `ProgrammeNotFound`, `ProgrammeClosed`."""
    programme = (await load(conn, [programme_id])).get(programme_id)
    if programme is None:
        raise ProgrammeNotFound("programme")
    if programme.state is ProgrammeState.CLOSED:
        raise ProgrammeClosed(programme_id)
    return programme


async def lock(conn: Connection, ids: Iterable[ProgrammeId]) -> dict[ProgrammeId, Programme]:
    """The same, held in id order until the commit."""
    return {p.id: p for p in map(_programme, await conn.fetch(LOCK, list(ids)))}


async def find_active(conn: Connection) -> list[Programme]:
    """Every programme that sells or charges, oldest first."""
    return [_programme(row) for row in await conn.fetch(ACTIVE)]


async def find_page(conn: Connection, page: PageRequest) -> Page[Programme]:
    """All programmes, newest first, closed ones included."""
    rows = await conn.fetch(PAGE, page.after, page.limit + 1)
    return cut([_programme(row) for row in rows], page, lambda programme: programme.id)


async def insert(conn: Connection, programme: Programme) -> None:
    await conn.execute(
        INSERT,
        programme.id,
        programme.name,
        programme.state,
        programme.currency,
        programme.denominations,
        programme.charge_unit_minor,
        programme.ceiling_minor,
        programme.validity_months,
        programme.services,
        programme.categories,
        programme.merchants,
        programme.giftable,
        programme.refundable,
        programme.physical,
        programme.created_at,
        json.dumps(dict(programme.metadata)),
    )


async def update(conn: Connection, programme: Programme) -> None:
    """Store what may change of a programme, which the caller holds."""
    await conn.execute(
        UPDATE,
        programme.id,
        programme.name,
        programme.state,
        programme.denominations,
        programme.charge_unit_minor,
        programme.ceiling_minor,
        programme.validity_months,
        programme.services,
        programme.categories,
        programme.merchants,
        programme.giftable,
        programme.refundable,
        programme.physical,
        json.dumps(dict(programme.metadata)),
    )


def _programme(row: Any) -> Programme:
    return Programme(
        id=row["id"],
        name=row["name"],
        state=ProgrammeState(row["state"]),
        currency=row["currency"],
        denominations=tuple(row["denominations"]),
        charge_unit_minor=row["charge_unit_minor"],
        ceiling_minor=row["ceiling_minor"],
        validity_months=row["validity_months"],
        services=_tuple(row["services"]),
        categories=_tuple(row["categories"]),
        merchants=_tuple(row["merchants"]),
        giftable=row["giftable"],
        refundable=row["refundable"],
        physical=row["physical"],
        created_at=row["created_at"],
        metadata=json.loads(row["metadata"]),
    )


def _tuple(values: list[Any] | None) -> tuple[Any, ...] | None:
    return tuple(values) if values is not None else None
