"""What is over is deleted."""

from datetime import timedelta

from tests.factories.authenticator import Authenticator
from tests.factories.members import PASSWORD
from tests.factories.wallet import House, a_wallet_member

from obverse.kit.ids import to_text
from obverse.kit.secret import Secret
from obverse.members import ContactKind, sweep
from obverse.members.rules import CHALLENGE_LIFETIME, HISTORY_KEPT

ENDS = ("member_changes", "member_recoveries", "passkey_challenges", "member_sessions", "sign_in_attempts")


async def test_codes_tokens_challenges_sessions_and_old_history_are_swept(house: House) -> None:
    member, device = await a_wallet_member(house, mail=Secret("gildong@mail.example")), Authenticator()
    await house.members.sign_in(to_text("mem", member.id), PASSWORD)
    await house.members.profiles.propose(member.id, ContactKind.MAIL, Secret("new@mail.example"))
    await house.members.recovery.request(Secret("gildong@mail.example"), "192.0.2.1")
    await house.members.recovery.write_letters()
    options = dict(await house.members.passkeys.registration_options(member.id, "me"))
    await house.members.passkeys.add(member.id, "phone", device.create(options))

    async def left() -> list[int]:
        await sweep(house.database, house.clock)
        async with house.database.connection() as conn:
            return [await conn.fetchval(f"select count(*) from {table}") for table in (*ENDS, "sign_ins")]

    before = await left()
    house.clock.move_to(CHALLENGE_LIFETIME)
    after_five_minutes = await left()
    house.clock.move_to(timedelta(days=1))
    after_a_day = await left()
    house.clock.move_to(HISTORY_KEPT)

    assert all(before)
    assert after_five_minutes == [1, 1, 0, *before[3:]]
    assert after_a_day == [0] * len(ENDS) + [1]
    assert await left() == [0] * (len(ENDS) + 1)
