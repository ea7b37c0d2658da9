"""Who is signed in, and how members signed in before."""

from typing import Final

from obverse.kit.database import Connection
from obverse.kit.ids import MemberId, SessionId, SignInId
from obverse.kit.paging import Page, PageRequest
from obverse.kit.secret import Secret, new_token
from obverse.members import rules
from obverse.members.errors import SessionNotFound
from obverse.members.means import Means
from obverse.members.model import Method, Outcome, Session, SignIn
from obverse.members.repository import sign_ins

SESSION_PREFIX: Final = "ob_ms_"


class Sessions:
    """Open sessions of members, and the history of signing in."""

    def __init__(self, means: Means) -> None:
        self._means = means

    async def open(
        self, conn: Connection, member_id: MemberId, method: Method, origin: str
    ) -> tuple[Session, Secret]:
        """Open a session in the caller's commit; returns it with its token, which is not shown again."""
        means = self._means
        now = means.clock.now()
        session = Session(
            id=SessionId(means.new_id()),
            member_id=member_id,
            method=method,
            origin=shown(origin),
            created_at=now,
            expires_at=now + rules.SESSION_LIFETIME,
        )
        token = new_token(SESSION_PREFIX, means.random_bytes)
        await sign_ins.insert_session(conn, means.vault.token_hash(token), session)
        return session, token

    async def find(self, token: Secret) -> Session | None:
        """The session behind this token, unless it is over."""
        means = self._means
        async with means.database.connection() as conn:
            return await sign_ins.find_session(conn, means.vault.token_hash(token), means.clock.now())

    async def close(self, token: Secret) -> None:
        """End the session; a token of no session is fine too."""
        async with self._means.database.transaction() as conn:
            await sign_ins.delete_session(conn, self._means.vault.token_hash(token))

    async def list(self, member_id: MemberId, page: PageRequest) -> Page[Session]:
        """A member's open sessions, newest first."""
        async with self._means.database.connection() as conn:
            return await sign_ins.sessions_of(conn, member_id, self._means.clock.now(), page)

    async def end(self, member_id: MemberId, session_id: SessionId) -> None:
        """End one of the member's sessions, wherever it is. Raises `SessionNotFound`."""
        async with self._means.database.transaction() as conn:
            if not await sign_ins.end_session(conn, session_id, member_id):
                raise SessionNotFound

    # history -----------------------------------------------------------------------------------------------

    async def note(
        self,
        conn: Connection,
        member_id: MemberId | None,
        method: Method,
        origin: str,
        outcome: Outcome = Outcome.WRONG,
    ) -> SignInId:
        """Write an attempt down in the caller's commit; until it turns out right it was wrong."""
        means = self._means
        sign_in = SignIn(SignInId(means.new_id()), method, outcome, shown(origin), means.clock.now())
        await sign_ins.note_sign_in(conn, sign_in, member_id)
        return sign_in.id

    async def history(self, member_id: MemberId, page: PageRequest) -> Page[SignIn]:
        """How this member signed in, or somebody tried to, newest first."""
        async with self._means.database.connection() as conn:
            return await sign_ins.sign_ins_of(conn, member_id, page)


def shown(origin: str) -> str:
    """An address as its member may see it and we keep it: the network of it, /24 of IPv4 and /48 of IPv6."""
    return rules.network_of(origin, 24, 48)
