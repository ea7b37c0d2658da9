"""Orders, joined: cards sold to people without an account, and what happens to orders by itself."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from obverse.bootstrap.money import Foundation
from obverse.cards import Pins
from obverse.kit.jobs import Chore
from obverse.kit.secret import Secret
from obverse.orders import Allocation, Around, Orders
from obverse.sales import Sales
from obverse.treasury import BankAccount

_ALLOCATE_EVERY: Final = timedelta(milliseconds=500)
_END_UNPAID_EVERY: Final = timedelta(seconds=5)
_NOTE_BOUNCES_EVERY: Final = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class OrderRooms:
    """Orders as buyers see them, and what makes their cards."""

    service: Orders
    allocation: Allocation


def join_orders(base: Foundation, sales: Sales, pins: Pins) -> OrderRooms:
    """Make the room's two halves."""
    settings = base.settings
    around = Around(
        database=base.database,
        vault=base.vault,
        sales=sales,
        balances=base.balances,
        stored_cards=base.stored_cards,
        cards=base.cards,
        pins=pins,
        letters=base.letters,
        calendar=base.calendar,
        clock=base.clock,
        new_id=base.new_id,
        random_bytes=os.urandom,
        own=BankAccount(settings.bank_code, Secret(settings.bank_account), settings.bank_account_holder),
        partitions=len(base.partitions),
    )
    return OrderRooms(Orders(around), Allocation(around))


def order_chores(rooms: OrderRooms) -> Sequence[Chore]:
    """What happens to orders by itself, again and again."""
    return [
        Chore("allocate orders", _ALLOCATE_EVERY, rooms.allocation.allocate),
        Chore("end unpaid orders", _END_UNPAID_EVERY, rooms.allocation.end_unpaid),
        Chore("note bounced gifts", _NOTE_BOUNCES_EVERY, rooms.service.note_bounces),
    ]
