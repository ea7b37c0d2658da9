"""The money chain, joined: what happens to a payment's money after its approval."""

from collections.abc import Sequence
from dataclasses import dataclass

from obverse.authorization import Engine
from obverse.kit.clock import Clock
from obverse.kit.database import Database
from obverse.kit.ids import NewId, PartitionId
from obverse.kit.jobs import Chore
from obverse.kit.settings import Settings
from obverse.merchants import Merchants
from obverse.vault import Vault


@dataclass(frozen=True, slots=True)
class Foundation:
    """What the rooms of the money chain stand on."""

    settings: Settings
    database: Database
    vault: Vault
    clock: Clock
    new_id: NewId
    engine: Engine
    merchants: Merchants
    partitions: Sequence[PartitionId]


@dataclass(frozen=True, slots=True)
class MoneyRooms:
    """The rooms between an approval and everybody's being paid."""


def join_money_rooms(base: Foundation) -> MoneyRooms:
    """Make each room and hand it what it needs of the others."""
    return MoneyRooms()


def money_chores(rooms: MoneyRooms) -> Sequence[Chore]:
    """What the money chain does by itself, again and again."""
    return []
