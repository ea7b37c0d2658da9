"""Registering, signing in, and who is signed in."""

from collections.abc import Callable
from typing import Final

from obverse.kit.clock import Clock
from obverse.kit.database import Connection, Database
from obverse.kit.errors import NotFound
from obverse.kit.ids import MemberId, NewId, from_text
from obverse.kit.secret import Secret, new_token
from obverse.members import repository, rules
from obverse.members.errors import MemberNotFound, MemberSuspended, WrongCredentials
from obverse.members.model import Applicant, Application, Member, Session, Standing
from obverse.members.passwords import Passwords
from obverse.members.ports import IdentityVault

SESSION_PREFIX: Final = "ob_ms_"


class Members:
    """The members of this programme.

    What takes a connection is a piece for a larger commit, made by the wallet: a member and the first
    funding source are stored together or not at all.
    """

    def __init__(
        self,
        database: Database,
        vault: IdentityVault,
        passwords: Passwords,
        *,
        clock: Clock,
        random_bytes: Callable[[int], bytes],
        new_id: NewId,
        partitions: int = 1,
    ) -> None:
        self._database = database
        self._vault = vault
        self._passwords = passwords
        self._clock = clock
        self._random_bytes = random_bytes
        self._new_id = new_id
        self._partitions = partitions

    # registration, in pieces -------------------------------------------------------------------------------

    async def prepare(self, application: Application) -> Applicant:
        """Turn an application into what may be stored of it. Raises `InvalidRequest`, `Unavailable`."""
        rules.check_application(application)
        with self._passwords.slot():
            password_hash = await self._passwords.hash(application.password)
        identity = rules.identity_number(application.identity_number)
        return Applicant(self._vault.identity_hash(identity), password_hash, application.address)

    async def is_registered(self, conn: Connection, applicant: Applicant) -> bool:
        """Whether this person is a member already (OT-2)."""
        return await repository.identity_exists(conn, applicant.identity_hash)

    async def register(self, conn: Connection, applicant: Applicant) -> Member:
        """Store the member in the caller's commit (OT-3).

        Raises `AlreadyRegistered` where a twin of the same application was faster.
        """
        member_id = MemberId(self._new_id())
        member = Member(
            id=member_id,
            partition_id=rules.partition_for(member_id, self._partitions),
            standing=Standing.GOOD,
            created_at=self._clock.now(),
        )
        await self._vault.pin_keys(conn)
        address = self._vault.seal(applicant.address, address_context(member_id))
        await repository.insert(conn, member, applicant, address)
        return member

    # standing ----------------------------------------------------------------------------------------------

    async def get(self, member_id: MemberId) -> Member:
        """Raises `MemberNotFound`."""
        async with self._database.connection() as conn:
            members = await repository.load(conn, [member_id])
        if member_id not in members:
            raise MemberNotFound
        return members[member_id]

    async def in_good_standing(self, conn: Connection, member_id: MemberId) -> Member:
        """The member, whose standing stays good until the caller's commit.

        Raises `MemberNotFound`, `MemberSuspended`.
        """
        member = (await repository.share(conn, [member_id])).get(member_id)
        if member is None:
            raise MemberNotFound
        if member.standing is not Standing.GOOD:
            raise MemberSuspended(member_id)
        return member

    async def set_standing(self, conn: Connection, member_id: MemberId, standing: Standing) -> Member:
        """Suspend or reinstate in the caller's commit; the wallet takes the funding sources along.

        Raises `MemberNotFound`.
        """
        members = await repository.set_standing(conn, [member_id], standing)
        if not members:
            raise MemberNotFound
        return members[0]

    # signing in --------------------------------------------------------------------------------------------

    async def sign_in(self, member_id_text: str, password: Secret) -> tuple[Session, Secret]:
        """Open a session; returns it with its token, which is not shown again (OT-5).

        An ID that does not exist is treated in every way, time and lock-out included, like one with a wrong
        password. Raises `WrongCredentials`, `SignInLocked`, `Unavailable`.
        """
        subject = self._vault.token_hash(Secret(f"sign_in:{member_id_text!a}"))
        member_id = _member_id(member_id_text)
        with self._passwords.slot():
            password_hash = await self._count_attempt(subject, member_id)
            right = await self._passwords.matches(password, password_hash)
        if not right or member_id is None:
            raise WrongCredentials
        now = self._clock.now()
        token = new_token(SESSION_PREFIX, self._random_bytes)
        session = Session(member_id, now + rules.SESSION_LIFETIME)
        async with self._database.transaction() as conn:
            await repository.forget_attempts(conn, subject)
            await repository.insert_session(conn, self._vault.token_hash(token), session, now)
        return session, token

    async def _count_attempt(self, subject: bytes, member_id: MemberId | None) -> str | None:
        # Committed before the password is looked at, so that parallel guesses see each other; and no
        # connection is held while argon2 works.
        now = self._clock.now()
        async with self._database.transaction() as conn:
            attempts = await repository.lock_attempts(conn, subject, now)
            await repository.save_attempts(conn, subject, rules.count_attempt(attempts, now))
            # An ID that is none costs the same look-up as one that is.
            return await repository.password_hash(conn, member_id or MemberId(self._new_id()))

    async def session(self, token: Secret) -> Session | None:
        """The session behind this token, unless it is over."""
        async with self._database.connection() as conn:
            return await repository.find_session(conn, self._vault.token_hash(token), self._clock.now())

    async def sign_out(self, token: Secret) -> None:
        """End the session; a token of no session is fine too."""
        async with self._database.transaction() as conn:
            await repository.delete_session(conn, self._vault.token_hash(token))


def address_context(member_id: MemberId) -> bytes:
    """What binds a sealed address to its row."""
    return f"member_address:{member_id}".encode()


def _member_id(text: str) -> MemberId | None:
    try:
        return MemberId(from_text("mem", text))
    except NotFound:
        return None
