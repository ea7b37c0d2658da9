"""What this room's services work with, and what all of them do: count attempts, announce, write letters."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from uuid import UUID

from obverse.kit import events
from obverse.kit.clock import Clock
from obverse.kit.database import Connection, Database
from obverse.kit.events import Event
from obverse.kit.ids import EventId, LetterId, MemberId, NewId, to_text
from obverse.kit.secret import Sealed, Secret
from obverse.letters.model import Channel, Letter
from obverse.members import rules
from obverse.members.model import Profile
from obverse.members.passwords import Passwords
from obverse.members.ports import IdentityVault, Post
from obverse.members.repository import sign_ins
from obverse.members.rules import Limit


@dataclass(frozen=True, slots=True)
class Means:
    """What the services of this room work with."""

    database: Database
    vault: IdentityVault
    passwords: Passwords
    letters: Post
    clock: Clock
    random_bytes: Callable[[int], bytes]
    new_id: NewId

    def hash(self, text: str) -> bytes:
        """A keyed hash of what a row is found by and nobody shall read; begin it with what it is."""
        return self.vault.token_hash(Secret(text))

    async def seal(self, conn: Connection, plain: Secret, context: bytes) -> Sealed:
        """Seal for the place that `context` names, with the keys held until the caller's commit."""
        await self.vault.pin_keys(conn)
        return self.vault.seal(plain, context)

    async def count(self, about: str, limit: Limit) -> None:
        """Count an attempt as failed, in a commit of its own. Raises the limit's refusal."""
        async with self.database.transaction() as conn:
            await self.count_in(conn, about, limit)

    async def count_in(self, conn: Connection, about: str, limit: Limit) -> None:
        """The same in the caller's commit, which has to come before anything is looked at."""
        subject, now = self.hash(about), self.clock.now()
        attempts = await sign_ins.lock_attempts(conn, subject, now)
        await sign_ins.save_attempts(conn, subject, rules.count_attempt(attempts, now, limit))

    async def forget(self, conn: Connection, about: str) -> None:
        """The attempt turned out right: those before it count no more."""
        await sign_ins.forget_attempts(conn, self.hash(about))

    async def count_origin(self, about: str, origin: str, limit: Limit) -> None:
        """Count what comes from one address, by which nobody can be found again. Raises its refusal."""
        await self.count(f"{about} from:{rules.network_of(origin, 32, 64)}", limit)

    async def announce(self, conn: Connection, type_: str, member_id: MemberId) -> None:
        """Tell the outbox what happened to a member, in the caller's commit."""
        data = {"member": to_text("mem", member_id)}
        now = self.clock.now()
        await events.append(conn, [Event(EventId(self.new_id()), type_, member_id, data, now)])

    async def write(
        self,
        conn: Connection,
        member_id: MemberId,
        profile: Profile,
        template: str,
        data: Mapping[str, object],
        *,
        to: Secret | None = None,
        channel: Channel = Channel.MAIL,
        subject_id: UUID | None = None,
    ) -> None:
        """Post a letter to a member: to their mail address, or where `to` says."""
        letter = Letter(
            id=LetterId(self.new_id()),
            channel=channel,
            to=to or profile.person.mail,
            template=template,
            language=profile.language,
            data=data,
            subject_id=subject_id or member_id,
            member_id=member_id,
            time_zone=profile.time_zone,
        )
        await self.letters.post(conn, [letter])
