"""Recovering a forgotten ID or password, without telling who is a member and past no second factor (WA-2)."""

from typing import Final

from obverse.kit.database import Connection
from obverse.kit.ids import MemberId
from obverse.kit.secret import Secret, new_token
from obverse.letters.rules import check_mail_address
from obverse.members import profile_rules, rules
from obverse.members.errors import RecoveryInvalid, TooManyAttempts, WrongAnswer
from obverse.members.means import Means
from obverse.members.model import Method, Outcome, Profile, Recoverable
from obverse.members.profiles import Profiles
from obverse.members.repository import profiles as stored_profiles
from obverse.members.repository import recoveries, registry, sign_ins
from obverse.members.second_factor import SecondFactor
from obverse.members.sessions import Sessions

RECOVERY_PREFIX: Final = "ob_rec_"
_REQUESTS_AT_ONCE: Final = 100


class Recovery:
    """Forgotten IDs and passwords.

    Whoever asks is answered alike and at once, because nobody has looked yet: the request is written down,
    and who has that mail address is found in the background. The letter goes to the address that was kept,
    never to the one that was typed, and its token opens nothing without the answer to the member's question
    and the second factor of who has one.
    """

    def __init__(self, means: Means, profiles: Profiles, codes: SecondFactor, sessions: Sessions) -> None:
        self._means = means
        self._profiles = profiles
        self._codes = codes
        self._sessions = sessions

    # asking ------------------------------------------------------------------------------------------------

    async def request(self, mail: Secret, origin: str) -> None:
        """Somebody with this mail address wants back in. Raises `InvalidRequest`, `TooManyAttempts`."""
        mail = check_mail_address(mail, "mail")
        means = self._means
        await means.count_origin("recovery", origin, rules.RECOVERIES)
        async with means.database.transaction() as conn:
            await recoveries.request(conn, means.new_id(), self._profiles.mail_hash(mail))

    async def write_letters(self) -> int:
        """Send a token to everybody who asked and is a member with a question; returns to how many.

        Several members may share a mailbox: each gets a letter of their own.
        """
        means = self._means
        async with means.database.transaction() as conn:
            asked = await recoveries.take_requests(conn, _REQUESTS_AT_ONCE)
            if not asked:
                return 0
            # In one order everywhere, because each of them locks a row.
            wanted = [hash_ for hash_ in sorted(set(asked)) if await self._may_write(conn, hash_)]
            members = [member_id for member_id, _ in await recoveries.recoverable(conn, wanted)]
            tokens = {each: new_token(RECOVERY_PREFIX, means.random_bytes) for each in members}
            await recoveries.insert(
                conn,
                [means.vault.token_hash(token) for token in tokens.values()],
                members,
                means.clock.now() + rules.RECOVERY_LIFETIME,
            )
            for member_id, profile in (await self._profiles.find_all(conn, members)).items():
                await self._write(conn, member_id, profile, tokens[member_id])
        return len(members)

    async def _may_write(self, conn: Connection, mail_hash: bytes) -> bool:
        try:
            await self._means.count_in(conn, f"recovery to:{mail_hash.hex()}", rules.RECOVERY_LETTERS)
        except TooManyAttempts:
            return False
        return True

    async def _write(self, conn: Connection, member_id: MemberId, profile: Profile, token: Secret) -> None:
        data = {
            # Behind the #, so that no server on the way writes it into a log.
            "link": Secret(f"/recover#{token.reveal()}"),
            "minutes": rules.minutes(rules.RECOVERY_LIFETIME),
        }
        await self._means.write(conn, member_id, profile, "recovery", data)

    # redeeming ---------------------------------------------------------------------------------------------

    async def open(self, token: Secret) -> Recoverable:
        """What whoever holds this token will be asked. Raises `RecoveryInvalid`."""
        async with self._means.database.connection() as conn:
            member_id = await self._member_of(conn, token)
            profile = await self._profiles.find(conn, member_id)
            second_factor = await self._codes.is_active(conn, member_id)
        if profile is None or profile.person.question is None:
            raise RecoveryInvalid
        return Recoverable(profile.person.question, second_factor)

    async def redeem(
        self, token: Secret, answer: Secret, otp: Secret | None, password: Secret | None, origin: str
    ) -> tuple[MemberId, Profile]:
        """Give the ID back, and with a new `password` end every session of the member.

        The token is used up by that. Every attempt counts against the member, whatever token it comes with.
        Raises `RecoveryInvalid`, `WrongAnswer`, `SecondFactorRequired`, `WrongCode`, `InvalidRequest`,
        `TooManyAttempts`, `Unavailable`.
        """
        means = self._means
        if password is not None:
            rules.check_password(password)
        one_form = profile_rules.answer(answer)
        with means.passwords.slot():
            async with means.database.transaction() as conn:
                member_id = await self._member_of(conn, token)
                await means.count_in(conn, _about(member_id), rules.ANSWERS)
                attempt = await self._sessions.note(conn, member_id, Method.RECOVERY, origin)
                answer_hash = await stored_profiles.answer_hash(conn, member_id)
            if not await means.passwords.matches(one_form, answer_hash):
                raise WrongAnswer
            password_hash = None if password is None else await means.passwords.hash(password)
        async with means.database.transaction() as conn:
            if await recoveries.lock(conn, means.vault.token_hash(token), means.clock.now()) is None:
                raise RecoveryInvalid
            await self._codes.demand(conn, member_id, otp)
            await sign_ins.settle_sign_in(conn, attempt, Method.RECOVERY, Outcome.OK)
            return member_id, await self._finish(conn, member_id, password_hash)

    async def _finish(self, conn: Connection, member_id: MemberId, password_hash: str | None) -> Profile:
        means = self._means
        await recoveries.delete_of(conn, member_id)
        await means.forget(conn, _about(member_id))
        profile = await self._profiles.find(conn, member_id)
        if profile is None:
            raise RecoveryInvalid
        if password_hash is not None:
            await registry.set_password(conn, member_id, password_hash)
            await sign_ins.end_sessions(conn, member_id)
            await means.write(conn, member_id, profile, "password_changed", {})
        await means.announce(conn, "member.recovered", member_id)
        return profile

    async def _member_of(self, conn: Connection, token: Secret) -> MemberId:
        hash_ = self._means.vault.token_hash(token)
        member_id = await recoveries.find(conn, hash_, self._means.clock.now())
        if member_id is None:
            raise RecoveryInvalid
        return member_id


def _about(member_id: MemberId) -> str:
    return f"recovery of:{member_id}"
