"""Stored value, joined: balances, and the rooms that sell, charge, give, meter and count it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from obverse.accrual import Accrual, Points
from obverse.bootstrap.card_rooms import CardRooms, join_card_rooms
from obverse.bootstrap.metering import MeteringRooms, join_metering_rooms, metering_chores
from obverse.bootstrap.money import Foundation, MoneyRooms
from obverse.bootstrap.ordering import OrderRooms, join_orders, order_chores
from obverse.bootstrap.selling import SellingRooms, join_selling_rooms, selling_chores
from obverse.checkouts import Checkouts
from obverse.kit.jobs import Chore
from obverse.kit.money import CurrencyCode
from obverse.wallet import Balances

_EXPIRE_BALANCES_EVERY: Final = timedelta(seconds=5)
_ACCRUE_EVERY: Final = timedelta(milliseconds=500)


@dataclass(frozen=True, slots=True)
class StoredValueRooms:
    """The rooms around cards with balances of their own."""

    balances: Balances
    cards: CardRooms
    selling: SellingRooms
    orders: OrderRooms
    points: Points
    accrual: Accrual
    checkouts: Checkouts
    metering: MeteringRooms


def join_stored_value_rooms(base: Foundation, money: MoneyRooms) -> StoredValueRooms:
    """Make each room and hand it what it needs of the others."""
    currency = CurrencyCode(base.settings.currency)
    cards, selling = join_card_rooms(base), join_selling_rooms(base, money)
    return StoredValueRooms(
        balances=base.balances,
        cards=cards,
        selling=selling,
        orders=join_orders(base, selling.sales, cards.pins),
        points=Points(base.database, base.balances, clock=base.clock, new_id=base.new_id, currency=currency),
        accrual=Accrual(
            base.database,
            base.balances,
            clock=base.clock,
            new_id=base.new_id,
            calendar=base.calendar,
            currency=currency,
        ),
        checkouts=Checkouts(
            base.database, base.engine, base.cards, base.vault, clock=base.clock, new_id=base.new_id
        ),
        metering=join_metering_rooms(base),
    )


def stored_value_chores(rooms: StoredValueRooms) -> Sequence[Chore]:
    """What happens to stored value by itself, again and again."""
    return [
        *selling_chores(rooms.selling),
        *order_chores(rooms.orders),
        *metering_chores(rooms.metering),
        Chore("expire balances", _EXPIRE_BALANCES_EVERY, rooms.balances.expire),
        Chore("accrue points", _ACCRUE_EVERY, rooms.accrual.run),
    ]
