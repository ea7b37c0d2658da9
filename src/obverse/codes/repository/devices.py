"""Devices in the database."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

import msgspec

from obverse.codes.making_model import Device, PublicKey
from obverse.kit.database import Connection
from obverse.kit.ids import DeviceId, MemberId

_COLUMNS: Final = "id, partition_id, member_id, name, public_key, created_at, removed_at"

# One registration of a member at a time: there is no row yet that could be locked.
LOCK_MEMBER: Final = "select pg_advisory_xact_lock(hashtextextended('devices:' || $1::uuid::text, 0))"

OF_MEMBER: Final = f"""
select {_COLUMNS} from devices where member_id = $1 and removed_at is null order by id desc
"""

LOCK: Final = f"select {_COLUMNS} from devices where id = any($1::uuid[]) order by id for update"

INSERT: Final = f"insert into devices ({_COLUMNS}) values ($1, $2, $3, $4, $5::text::jsonb, $6, $7)"

SET_REMOVED: Final = "update devices set removed_at = $2 where id = $1"

_CURVE: Final = {"kty": "EC", "crv": "P-256"}


async def lock_member(conn: Connection, member_id: MemberId) -> None:
    """Be the only one who registers a device of this member, until the commit."""
    await conn.execute(LOCK_MEMBER, member_id)


async def of_member(conn: Connection, member_id: MemberId) -> list[Device]:
    """A member's devices that were not removed, newest first."""
    return [_device(row) for row in await conn.fetch(OF_MEMBER, member_id)]


async def lock_devices(conn: Connection, ids: Iterable[DeviceId]) -> dict[DeviceId, Device]:
    """These devices, locked in id order until the commit; removed ones too."""
    return {device.id: device for device in map(_device, await conn.fetch(LOCK, list(ids)))}


async def insert_device(conn: Connection, device: Device) -> None:
    """Store a new device; the caller holds its member's lock and knows that its key is new."""
    await conn.execute(
        INSERT,
        device.id,
        device.partition_id,
        device.member_id,
        device.name,
        msgspec.json.encode(_CURVE | msgspec.to_builtins(device.public_key)).decode(),
        device.created_at,
        device.removed_at,
    )


async def set_removed(conn: Connection, id_: DeviceId, now: datetime) -> None:
    await conn.execute(SET_REMOVED, id_, now)


def _device(row: Any) -> Device:
    return Device(
        id=row["id"],
        partition_id=row["partition_id"],
        member_id=row["member_id"],
        name=row["name"],
        public_key=msgspec.json.decode(row["public_key"], type=PublicKey),
        created_at=row["created_at"],
        removed_at=row["removed_at"],
    )
