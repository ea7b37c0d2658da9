"""Metering, joined: sessions, tariffs, and the Diameter door where a port for it is set."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from obverse.bootstrap.money import Foundation
from obverse.doors.diameter import DiameterDoor, Identity
from obverse.kit.jobs import Chore
from obverse.metering import Grants, Metering, Tariffs, Terms

_CUT_EVERY: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class MeteringRooms:
    """What is charged by the second. `door` is None where nobody calls by Diameter."""

    sessions: Metering
    tariffs: Tariffs
    door: DiameterDoor | None


def join_metering_rooms(base: Foundation) -> MeteringRooms:
    """Make the rooms, and the door that opens onto them."""
    settings = base.settings
    sessions = Metering(
        base.database,
        Grants(base.database, base.engine, base.cards, base.merchants),
        base.vault,
        clock=base.clock,
        new_id=base.new_id,
        bin_=settings.bin,
        terms=Terms(
            validity=timedelta(seconds=settings.meter_validity_s),
            grace=timedelta(seconds=settings.meter_grace_s),
        ),
    )
    tariffs = Tariffs(base.database, clock=base.clock, new_id=base.new_id)
    door = None
    if settings.diameter_port is not None:
        door = DiameterDoor(
            sessions,
            tariffs,
            base.merchants,
            base.engine,
            identity=Identity(settings.diameter_identity),
            validity_s=settings.meter_validity_s,
            relays=settings.diameter_relays,
        )
    return MeteringRooms(sessions, tariffs, door)


def metering_chores(rooms: MeteringRooms) -> Sequence[Chore]:
    """What happens to sessions by itself."""
    return [Chore("cut silent sessions", _CUT_EVERY, rooms.sessions.sweep)]
