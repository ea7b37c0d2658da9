"""Registering, signing in, and who is signed in."""

from collections.abc import Callable, Mapping, Sequence

from obverse.kit.clock import Clock
from obverse.kit.database import Connection, Database
from obverse.kit.errors import NotFound, NotPermitted
from obverse.kit.ids import MemberId, NewId, SignInId, from_text
from obverse.kit.secret import Secret
from obverse.members import profile_rules, rules
from obverse.members.errors import (
    LastMeansOfSignIn,
    MemberNotFound,
    MemberSuspended,
    SecondFactorRequired,
    WrongCode,
    WrongCredentials,
    WrongPassword,
)
from obverse.members.means import Means
from obverse.members.model import (
    Applicant,
    Application,
    Credentials,
    Member,
    Method,
    Outcome,
    RelyingParty,
    Session,
    Standing,
)
from obverse.members.passkeys import Passkeys
from obverse.members.passwords import Passwords
from obverse.members.ports import IdentityVault, Post
from obverse.members.profiles import Profiles
from obverse.members.recovery import Recovery
from obverse.members.repository import factors, registry, sign_ins
from obverse.members.repository.seals import ADDRESSES
from obverse.members.second_factor import SecondFactor
from obverse.members.sessions import Sessions


class Members:
    """The members of this programme; what belongs to each is in `profiles`, `sessions`, `passkeys`, `codes`
    and `recovery`.

    What takes a connection is a piece for a larger commit, made by the wallet: a member and the first
    funding source are stored together or not at all.
    """

    def __init__(
        self,
        database: Database,
        vault: IdentityVault,
        passwords: Passwords,
        letters: Post,
        *,
        clock: Clock,
        random_bytes: Callable[[int], bytes],
        new_id: NewId,
        partitions: int = 1,
        party: RelyingParty | None = None,
        time_zone: str = "Asia/Seoul",
    ) -> None:
        """`time_zone` is the programme's, for members who name none of their own."""
        self._means = means = Means(database, vault, passwords, letters, clock, random_bytes, new_id)
        self._partitions = partitions
        self.party = party or RelyingParty()
        self.time_zone = time_zone
        self.profiles = Profiles(means)
        self.sessions = Sessions(means)
        self.codes = SecondFactor(means)
        self.passkeys = Passkeys(means, self.sessions, self.party)
        self.recovery = Recovery(means, self.profiles, self.codes, self.sessions)

    # registration, in pieces -------------------------------------------------------------------------------

    async def prepare(self, application: Application) -> Applicant:
        """Turn an application into what may be stored of it. Raises `InvalidRequest`, `Unavailable`."""
        rules.check_application(application)
        profile, answer_hash = application.profile, None
        if profile is not None:
            profile, answer_hash = await self.profiles.prepare(profile, application.answer)
        password_hash = await self._hash(application.password)
        identity = rules.identity_number(application.identity_number)
        hashed = self._means.vault.identity_hash(identity)
        return Applicant(hashed, password_hash, application.address, profile, answer_hash)

    async def is_registered(self, conn: Connection, applicant: Applicant) -> bool:
        """Whether this person is a member already (OT-2). Raises `MemberIdTaken`, `NicknameTaken`."""
        if await registry.identity_exists(conn, applicant.identity_hash):
            return True
        if applicant.profile is not None:
            await self.profiles.refuse_taken(conn, applicant.profile)
        return False

    async def register(self, conn: Connection, applicant: Applicant) -> Member:
        """Store the member in the caller's commit (OT-3), with the profile of who joins with one (WA-1).

        Raises `AlreadyRegistered`, `MemberIdTaken`, `NicknameTaken` where a twin was faster.
        """
        member_id = MemberId(self._means.new_id())
        member = Member(
            id=member_id,
            partition_id=rules.partition_for(member_id, self._partitions),
            standing=Standing.GOOD,
            created_at=self._means.clock.now(),
        )
        address = None
        if applicant.address is not None:
            address = await self._means.seal(conn, applicant.address, ADDRESSES.context_of(member_id))
        await registry.insert(conn, member, applicant, address)
        if applicant.profile is not None:
            await self.profiles.store(conn, member_id, applicant.profile, applicant.answer_hash)
        return member

    # standing ----------------------------------------------------------------------------------------------

    async def get(self, member_id: MemberId) -> Member:
        """Raises `MemberNotFound`."""
        async with self._means.database.connection() as conn:
            members = await registry.load(conn, [member_id])
        if member_id not in members:
            raise MemberNotFound
        return members[member_id]

    async def in_good_standing(self, conn: Connection, member_id: MemberId) -> Member:
        """The member, whose standing stays good until the caller's commit.

        Raises `MemberNotFound`, `MemberSuspended`.
        """
        member = (await self.share(conn, [member_id])).get(member_id)
        if member is None:
            raise MemberNotFound
        if member.standing is not Standing.GOOD:
            raise MemberSuspended(member_id)
        return member

    async def share(self, conn: Connection, ids: Sequence[MemberId]) -> Mapping[MemberId, Member]:
        """Those of these who are members; their standing stays as it is until the caller's commit."""
        return await registry.share(conn, ids)

    async def set_standing(self, conn: Connection, member_id: MemberId, standing: Standing) -> Member:
        """Suspend or reinstate in the caller's commit; the wallet takes the funding sources along.

        Raises `MemberNotFound`.
        """
        members = await registry.set_standing(conn, [member_id], standing)
        if not members:
            raise MemberNotFound
        return members[0]

    # signing in --------------------------------------------------------------------------------------------

    async def sign_in(
        self, member: str, password: Secret, *, otp: Secret | None = None, origin: str = ""
    ) -> tuple[Session, Secret]:
        """Open a session; returns it with its token, which is not shown again (OT-5).

        `member` is the member's id or the member ID of their choice. One that does not exist is treated in
        every way, time and lock-out included, like one with a wrong password. Guesses at a second factor
        count like guesses at the password.

        Raises `WrongCredentials`, `SecondFactorRequired`, `WrongCode`, `SignInLocked`, `Unavailable`.
        """
        with self._means.passwords.slot():
            about, known, attempt = await self._count_sign_in(member, origin)
            right = await self._means.passwords.matches(password, known.password_hash)
        if not right or known.member_id is None:
            raise WrongCredentials
        try:
            async with self._means.database.transaction() as conn:
                # It may have been changed meanwhile, and every session ended with it.
                if await registry.share_password(conn, known.member_id) != known.password_hash:
                    raise WrongCredentials
                two = await self.codes.demand(conn, known.member_id, otp)
                method = Method.PASSWORD_OTP if two else Method.PASSWORD
                await self._means.forget(conn, about)
                await sign_ins.settle_sign_in(conn, attempt, method, Outcome.OK)
                return await self.sessions.open(conn, known.member_id, method, origin)
        except (SecondFactorRequired, WrongCode) as refused:
            was = (Method.PASSWORD_OTP, Outcome.WRONG)
            if isinstance(refused, SecondFactorRequired):
                was = (Method.PASSWORD, Outcome.UNFINISHED)
            async with self._means.database.transaction() as conn:
                await sign_ins.settle_sign_in(conn, attempt, *was)
            raise

    async def _count_sign_in(self, member: str, origin: str) -> tuple[str, Credentials, SignInId]:
        # Committed before the password is looked at, so that parallel guesses see each other; and no
        # connection is held while argon2 works. Both names of a member count together.
        async with self._means.database.transaction() as conn:
            key = profile_rules.key_of(member)
            known = await registry.credentials(conn, _member_id(member), key)
            about = f"sign_in:{known.member_id or ascii(key)}"
            await self._means.count_in(conn, about, rules.SIGN_INS)
            attempt = await self.sessions.note(conn, known.member_id, Method.PASSWORD, origin)
        return about, known, attempt

    async def session(self, token: Secret) -> Session | None:
        """The session behind this token, unless it is over."""
        return await self.sessions.find(token)

    async def sign_out(self, token: Secret) -> None:
        """End the session; a token of no session is fine too."""
        await self.sessions.close(token)

    # passwords ---------------------------------------------------------------------------------------------

    async def prove(self, session: Session, password: Secret | None) -> None:
        """Have who is signed in prove once more that it is the member, before what they sign in with changes.

        Who holds a token may have found it. The password proves it, or having signed in with a passkey.
        Raises `WrongPassword`, `TooManyAttempts`, `Unavailable`.
        """
        if session.method is Method.PASSKEY:
            return
        means, about = self._means, f"password:{session.member_id}"
        await means.count(about, rules.CODES)
        with means.passwords.slot():
            async with means.database.connection() as conn:
                known = await registry.credentials(conn, session.member_id, "")
            if password is None or not await means.passwords.matches(password, known.password_hash):
                raise WrongPassword
        async with means.database.transaction() as conn:
            await means.forget(conn, about)

    async def change_password(self, session: Session, current: Secret | None, new: Secret) -> None:
        """Change the password of who is signed in, and end every session but this one.

        Raises `InvalidRequest`, and as `prove`.
        """
        rules.check_password(new)
        await self.prove(session, current)
        new_hash = await self._hash(new)
        async with self._means.database.transaction() as conn:
            await self._set_password(conn, session, new_hash)

    async def remove_password(self, session: Session) -> None:
        """Do without a password from now on (PF-12), for who signed in with a passkey and has one still.

        Raises `NotPermitted`, `LastMeansOfSignIn`.
        """
        if session.method is not Method.PASSKEY:
            raise NotPermitted("Sign in with a passkey to do without a password.")
        async with self._means.database.transaction() as conn:
            await registry.lock_password(conn, session.member_id)
            if not await factors.passkeys_of(conn, session.member_id):
                raise LastMeansOfSignIn
            await self._set_password(conn, session, None)

    async def _set_password(self, conn: Connection, session: Session, password_hash: str | None) -> None:
        member_id = session.member_id
        await registry.set_password(conn, member_id, password_hash)
        await sign_ins.end_sessions(conn, member_id, but=session.id)
        profile = await self.profiles.find(conn, member_id)
        if profile is not None:
            await self._means.write(conn, member_id, profile, "password_changed", {})
        await self._means.announce(conn, "member.password_changed", member_id)

    async def _hash(self, password: Secret) -> str:
        with self._means.passwords.slot():
            return await self._means.passwords.hash(password)


def _member_id(text: str) -> MemberId | None:
    try:
        return MemberId(from_text("mem", text))
    except NotFound:
        return None
