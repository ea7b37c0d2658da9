"""Everything that is sealed here follows when keys change."""

from tests.factories.members import letters_in
from tests.factories.wallet import House, a_member_with_credit_line, a_wallet_member

from obverse.kit.secret import Sealed, Secret
from obverse.members import ContactKind, rekeys
from obverse.members.repository.seals import ADDRESSES, PLACES
from obverse.vault.jobs import retire, rotate


async def test_a_rotation_seals_everything_of_every_member_under_the_new_key(house: House) -> None:
    for _ in range(3):
        member, _ = await a_member_with_credit_line(house)
        wallet_member = await a_wallet_member(house)
        await house.members.profiles.propose(wallet_member.id, ContactKind.MAIL, Secret("new@mail.example"))
        await house.members.codes.enrol(wallet_member.id, "me", "Obverse")
    steps = rekeys(house.vault)
    async with house.database.connection() as conn:
        before = [await step.count(conn) for step in steps]
        code = (await letters_in(conn, house.vault))[-1].data["code"]

    await rotate(house.database, house.vault, steps, lambda name, done, total: None, batch=2)
    await retire(house.database, house.vault, steps)

    assert before == [0] * len(PLACES)
    async with house.database.connection() as conn:
        for place in PLACES:
            rows = await conn.fetch(
                f"select {place.id}, {place.column}_key, {place.column}_sealed from {place.table}"
            )
            sealed = [(id_, Sealed(key, text)) for id_, key, text in rows if text is not None]
            assert len(sealed) == 3
            for id_, seal in sealed:
                assert seal.key_version == house.vault.active_encryption == 2
                assert house.vault.open(seal, place.context_of(id_))
        address = await conn.fetchrow(
            "select address_key, address_sealed from members where id = $1", member.id
        )
    opened = house.vault.open(Sealed(*address.values()), ADDRESSES.context_of(member.id))
    assert opened.reveal().startswith("12 Toegye-ro")
    profile = await house.members.profiles.confirm(wallet_member.id, ContactKind.MAIL, Secret(code))
    assert profile.person.mail == Secret("new@mail.example")
