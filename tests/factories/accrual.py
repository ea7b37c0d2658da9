"""The points room, for tests."""

from tests.factories.billing import SEOUL
from tests.factories.wallet import House

from obverse.accrual import Accrual, Points
from obverse.kit.money import KRW


def points_room(house: House) -> Points:
    return Points(house.database, house.balances, clock=house.clock, new_id=house.new_id, currency=KRW)


def an_accrual(house: House) -> Accrual:
    return Accrual(
        house.database,
        house.balances,
        clock=house.clock,
        new_id=house.new_id,
        calendar=SEOUL,
        currency=KRW,
    )
