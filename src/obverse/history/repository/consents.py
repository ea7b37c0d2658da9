"""Consents in the database."""

from datetime import datetime
from typing import Any, Final

from obverse.history.model import Consent
from obverse.kit.database import Connection
from obverse.kit.ids import ConsentId, MemberId

_COLUMNS: Final = "id, member_id, given_at, withdrawn_at"

LATEST: Final = f"""
select {_COLUMNS} from purchase_consents where member_id = $1 order by given_at desc, id desc limit 1
"""

# Where one is given already, it stays as it is.
GIVE: Final = """
insert into purchase_consents (id, member_id, given_at) values ($1, $2, $3)
on conflict (member_id) where withdrawn_at is null do nothing
"""

WITHDRAW: Final = """
update purchase_consents set withdrawn_at = greatest($2, given_at)
where member_id = $1 and withdrawn_at is null
"""

FIRST: Final = "select min(given_at) from purchase_consents"


async def latest(conn: Connection, member_id: MemberId) -> Consent | None:
    """The newest consent of this member, withdrawn or not."""
    row = await conn.fetchrow(LATEST, member_id)
    return _consent(row) if row else None


async def give(conn: Connection, id_: ConsentId, member_id: MemberId, now: datetime) -> None:
    await conn.execute(GIVE, id_, member_id, now)


async def withdraw(conn: Connection, member_id: MemberId, now: datetime) -> None:
    await conn.execute(WITHDRAW, member_id, now)


async def first_given_at(conn: Connection) -> datetime | None:
    """When anybody first consented."""
    found: datetime | None = await conn.fetchval(FIRST)
    return found


def _consent(row: Any) -> Consent:
    return Consent(row["id"], row["member_id"], row["given_at"], row["withdrawn_at"])
