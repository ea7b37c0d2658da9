"""Programmes for tests."""

from uuid import UUID

from tests.factories.wallet import House

from obverse.kit.ids import ProgrammeId
from obverse.kit.money import KRW
from obverse.programmes import Programme, ProgrammeState, repository

DENOMINATIONS = (5_000, 10_000, 20_000, 30_000, 50_000, 100_000)
"""PP-1."""


def some_terms(**changes) -> Programme:
    """A programme that is nowhere stored, for rules: everything is allowed of it that can be (PP-1, PP-9)."""
    given = {
        "id": ProgrammeId(UUID(int=7)),
        "name": "Everyday",
        "state": ProgrammeState.ACTIVE,
        "currency": KRW,
        "denominations": DENOMINATIONS,
        "charge_unit_minor": 10_000,
        "ceiling_minor": 1_000_000,
        "validity_months": 12,
        "services": None,
        "categories": None,
        "merchants": None,
        "giftable": True,
        "refundable": True,
        "physical": True,
        "created_at": None,
    } | changes
    return Programme(**given)


async def a_programme(house: House, **changes) -> Programme:
    """A stored programme with these terms."""
    programme = some_terms(**{"id": ProgrammeId(house.new_id()), "created_at": house.clock.now()} | changes)
    async with house.database.transaction() as conn:
        await repository.insert(conn, programme)
    return programme
