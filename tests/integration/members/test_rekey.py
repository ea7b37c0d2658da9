"""Addresses follow when keys change."""

from tests.factories.wallet import House, a_member_with_credit_line

from obverse.kit.database import Connection
from obverse.kit.ids import MemberId
from obverse.kit.secret import Sealed
from obverse.members import AddressesRekey
from obverse.members.service import address_context
from obverse.vault.jobs import retire, rotate


async def address_of(house: House, conn: Connection, member_id: MemberId) -> tuple[int, str]:
    row = await conn.fetchrow("select address_key, address_sealed from members where id = $1", member_id)
    assert row is not None
    sealed = Sealed(row["address_key"], row["address_sealed"])
    return sealed.key_version, house.vault.open(sealed, address_context(member_id)).reveal()


async def test_a_rotation_seals_every_address_under_the_new_key(house: House) -> None:
    members = [(await a_member_with_credit_line(house))[0] for _ in range(5)]
    step = AddressesRekey(house.vault)
    await rotate(house.database, house.vault, [step], lambda name, done, total: None, batch=2)
    await retire(house.database, house.vault, [step])
    async with house.database.connection() as conn:
        for member in members:
            version, address = await address_of(house, conn, member.id)
            assert version == house.vault.active_encryption == 2
            assert address.startswith("12 Toegye-ro")
