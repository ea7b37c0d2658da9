"""Points issuers in the database; their secrets are sealed."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from obverse.kit.database import Connection
from obverse.kit.ids import PointsIssuerId
from obverse.kit.paging import NEWEST, Page, PageRequest, cut
from obverse.kit.secret import Sealed
from obverse.points.model import Issuer, IssuerState

_COLUMNS: Final = """
id, name, short_name, unit, url, secret_key, secret_sealed, two_phase, tells_van, units_max, currency, state,
created_at
"""

INSERT: Final = f"""
insert into points_issuers ({_COLUMNS}) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
"""

LOAD: Final = f"select {_COLUMNS} from points_issuers where id = any($1::uuid[])"

LOCK: Final = f"{LOAD} order by id for no key update"

PAGE: Final = f"""
select {_COLUMNS} from points_issuers where id < coalesce($1, {NEWEST}) order by id desc limit $2
"""

UPDATE: Final = """
update points_issuers
set name = $2, short_name = $3, unit = $4, url = $5, secret_key = $6, secret_sealed = $7, tells_van = $8,
    units_max = $9, state = $10
where id = $1
"""

COUNT_STALE: Final = "select count(*) from points_issuers where secret_key < $1"

LOCK_STALE: Final = """
select id, secret_key, secret_sealed from points_issuers
where secret_key < $1 order by id limit $2 for update skip locked
"""

RESEAL: Final = """
update points_issuers as i set secret_key = n.key, secret_sealed = n.sealed
from unnest($1::uuid[], $2::integer[], $3::bytea[]) as n (id, key, sealed) where i.id = n.id
"""


async def insert(conn: Connection, issuer: Issuer) -> None:
    await conn.execute(
        INSERT,
        issuer.id,
        issuer.name,
        issuer.short_name,
        issuer.unit,
        issuer.url,
        issuer.secret.key_version,
        issuer.secret.ciphertext,
        issuer.two_phase,
        issuer.tells_van,
        issuer.units_max,
        issuer.currency,
        issuer.state,
        issuer.created_at,
    )


async def load(conn: Connection, ids: Iterable[PointsIssuerId]) -> dict[PointsIssuerId, Issuer]:
    """Issuers by id, suspended ones included; unknown ones are absent."""
    return {row["id"]: _issuer(row) for row in await conn.fetch(LOAD, list(ids))}


async def lock(conn: Connection, ids: Iterable[PointsIssuerId]) -> dict[PointsIssuerId, Issuer]:
    """The same, locked in id order until the commit."""
    return {row["id"]: _issuer(row) for row in await conn.fetch(LOCK, list(ids))}


async def find_page(conn: Connection, page: PageRequest) -> Page[Issuer]:
    """Issuers, newest first."""
    rows = await conn.fetch(PAGE, page.after, page.limit + 1)
    return cut([_issuer(row) for row in rows], page, lambda issuer: issuer.id)


async def update(conn: Connection, issuer: Issuer) -> None:
    """Store what may change of a locked one."""
    await conn.execute(
        UPDATE,
        issuer.id,
        issuer.name,
        issuer.short_name,
        issuer.unit,
        issuer.url,
        issuer.secret.key_version,
        issuer.secret.ciphertext,
        issuer.tells_van,
        issuer.units_max,
        issuer.state,
    )


async def count_stale(conn: Connection, key_version: int) -> int:
    count: int = await conn.fetchval(COUNT_STALE, key_version)
    return count


async def lock_stale(conn: Connection, key_version: int, limit: int) -> list[tuple[PointsIssuerId, Sealed]]:
    """Some whose secret is sealed under an older key; what somebody else holds is left out."""
    rows = await conn.fetch(LOCK_STALE, key_version, limit)
    return [(row[0], Sealed(row[1], row[2])) for row in rows]


async def reseal(conn: Connection, fresh: Sequence[tuple[PointsIssuerId, Sealed]]) -> None:
    await conn.execute(
        RESEAL,
        [id_ for id_, _ in fresh],
        [sealed.key_version for _, sealed in fresh],
        [sealed.ciphertext for _, sealed in fresh],
    )


def _issuer(row: Any) -> Issuer:
    id_, name, short_name, unit, url, key, sealed, two_phase, tells_van, units_max, currency, *rest = row
    state, created_at = rest
    return Issuer(
        id=id_,
        name=name,
        short_name=short_name,
        unit=unit,
        url=url,
        secret=Sealed(key, sealed),
        two_phase=two_phase,
        tells_van=tells_van,
        units_max=units_max,
        currency=currency,
        state=IssuerState(state),
        created_at=created_at,
    )
