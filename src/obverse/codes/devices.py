"""Devices of members: registered with a key of their own, and removed when they are lost."""

from collections.abc import Sequence

from msgspec.structs import replace

from obverse.codes import making_rules, repository
from obverse.codes.errors import DeviceNotFound, TooManyDevices
from obverse.codes.making_model import Device, PublicKey
from obverse.kit import events
from obverse.kit.clock import Clock
from obverse.kit.database import Connection, Database
from obverse.kit.events import Event
from obverse.kit.ids import DeviceId, EventId, MemberId, NewId, to_text
from obverse.members import Members


class Devices:
    """The phones that members show codes on."""

    def __init__(self, database: Database, members: Members, *, clock: Clock, new_id: NewId) -> None:
        self._database = database
        self._members = members
        self._clock = clock
        self._new_id = new_id

    async def register(self, member_id: MemberId, name: str, key: PublicKey) -> Device:
        """Remember a device by its public key. With the key of a living device, that is the answer again.

        Raises `InvalidRequest`, `MemberNotFound`, `MemberSuspended`, `TooManyDevices`.
        """
        name = making_rules.check_name(name)
        making_rules.check_key(key)
        now = self._clock.now()
        async with self._database.transaction() as conn:
            member = await self._members.in_good_standing(conn, member_id)
            await repository.lock_member(conn, member_id)
            known = await repository.of_member(conn, member_id)
            for device in known:
                if device.public_key == key:
                    return device
            if len(known) >= making_rules.DEVICES_MAX:
                raise TooManyDevices(making_rules.DEVICES_MAX)
            device = Device(DeviceId(self._new_id()), member.partition_id, member_id, name, key, now)
            await repository.insert_device(conn, device)
            await self._announce(conn, "device.registered", device)
        return device

    async def list(self, member_id: MemberId) -> Sequence[Device]:
        """A member's devices, newest first; there are ten at most."""
        async with self._database.connection() as conn:
            return await repository.of_member(conn, member_id)

    async def remove(self, member_id: MemberId, device_id: DeviceId) -> Device:
        """Remove a device, and with it every code on it that has not paid, in one commit.

        Removing it twice is fine. Raises `DeviceNotFound`.
        """
        async with self._database.transaction() as conn:
            device = (await repository.lock_devices(conn, [device_id])).get(device_id)
            if device is None or device.member_id != member_id:
                raise DeviceNotFound
            if device.removed_at is not None:
                return device
            now = self._clock.now()
            device = replace(device, removed_at=now)
            await repository.delete_unused(conn, device_id)
            await repository.set_removed(conn, device_id, now)
            await self._announce(conn, "device.removed", device)
        return device

    async def _announce(self, conn: Connection, type_: str, device: Device) -> None:
        data = {"member": to_text("mem", device.member_id)}
        now = self._clock.now()
        await events.append(conn, [Event(EventId(self._new_id()), type_, device.id, data, now)])
