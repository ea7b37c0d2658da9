"""Profiles of wallet members: joining with one, changing it, and what other rooms need of it (WA-1, WA-8)."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Final

import msgspec
from msgspec.structs import replace

from obverse.kit.database import Connection
from obverse.kit.ids import ChangeId, MemberId
from obverse.kit.secret import Secret
from obverse.letters.model import Channel
from obverse.members import profile_rules, rules
from obverse.members.errors import MemberIdTaken, NicknameTaken, ProfileNotFound, WrongCode
from obverse.members.means import Means
from obverse.members.model import (
    Contact,
    ContactChange,
    ContactKind,
    HolderForm,
    Person,
    Profile,
    ProfileChange,
)
from obverse.members.repository import profiles
from obverse.members.repository.profiles import StoredProfile
from obverse.members.repository.seals import CHANGES, PERSONS

_OPENED_AT_ONCE: Final = 1_000


class Profiles:
    """What wallet members have beyond a membership.

    Mail addresses and mobile numbers are changed by proving the new one with a code that was sent there.
    """

    def __init__(self, means: Means) -> None:
        self._means = means

    # joining -----------------------------------------------------------------------------------------------

    async def prepare(self, profile: Profile, answer: Secret | None) -> tuple[Profile, str | None]:
        """The profile as it is kept, and the hash of the answer. Raises `InvalidRequest`, `Unavailable`."""
        profile = profile_rules.clean_profile(profile, self._today())
        if profile.person.question is None or answer is None:
            return replace(profile, person=replace(profile.person, question=None)), None
        return profile, await self.hash_answer(answer)

    async def hash_answer(self, answer: Secret) -> str:
        """Raises `InvalidRequest`, `Unavailable`."""
        one_form = profile_rules.answer(answer)
        with self._means.passwords.slot():
            return await self._means.passwords.hash(one_form)

    async def refuse_taken(self, conn: Connection, profile: Profile) -> None:
        """Raises `MemberIdTaken`, `NicknameTaken`; two at once are told apart when they are stored."""
        keys = profile_rules.key_of(profile.chosen_id), profile_rules.key_of(profile.nickname)
        chosen, nickname = await profiles.are_taken(conn, *keys)
        if chosen:
            raise MemberIdTaken
        if nickname:
            raise NicknameTaken

    async def store(
        self, conn: Connection, member_id: MemberId, profile: Profile, answer_hash: str | None
    ) -> None:
        """Store what `prepare` made, in the caller's commit.

        Raises `ProfileExists`, `MemberIdTaken`, `NicknameTaken`.
        """
        means, person = self._means, profile.person
        sealed = await means.seal(conn, _written(person), PERSONS.context_of(member_id))
        key, mail = profile_rules.key_of(profile.nickname), self.mail_hash(person.mail)
        await profiles.insert(conn, member_id, profile, key, sealed, mail, answer_hash)

    async def add(self, member_id: MemberId, profile: Profile, answer: Secret | None) -> Profile:
        """Give a profile to who joined without one. Raises as `prepare`, `store`, and `TooManyAttempts`."""
        await self._count_names(member_id)
        profile, answer_hash = await self.prepare(profile, answer)
        async with self._means.database.transaction() as conn:
            await self.store(conn, member_id, profile, answer_hash)
            await self._means.announce(conn, "member.profile_added", member_id)
        return profile

    async def availability(
        self, chosen_id: str | None, nickname: str | None, origin: str
    ) -> tuple[bool | None, bool | None]:
        """Whether a member ID and a nickname are still free; None for what was not asked.

        One address may ask as often as typing takes, not as often as walking the directory would.
        Raises `InvalidRequest`, `TooManyAttempts`.
        """
        chosen = None if chosen_id is None else profile_rules.key_of(profile_rules.chosen_id(chosen_id))
        nick = None if nickname is None else profile_rules.key_of(profile_rules.nickname(nickname))
        await self._means.count_origin("look-up", origin, rules.LOOK_UPS)
        async with self._means.database.connection() as conn:
            chosen_taken, nick_taken = await profiles.are_taken(conn, chosen or "", nick or "")
        return (None if chosen is None else not chosen_taken), (None if nick is None else not nick_taken)

    # reading -----------------------------------------------------------------------------------------------

    async def get(self, member_id: MemberId) -> Profile:
        """Raises `ProfileNotFound`."""
        found = await self.look_up(member_id)
        if found is None:
            raise ProfileNotFound
        return found

    async def look_up(self, member_id: MemberId) -> Profile | None:
        """The member's profile, where they have one."""
        async with self._means.database.connection() as conn:
            return await self.find(conn, member_id)

    async def find(self, conn: Connection, member_id: MemberId) -> Profile | None:
        """The same over the caller's connection."""
        return (await self.find_all(conn, [member_id])).get(member_id)

    async def find_all(self, conn: Connection, ids: Sequence[MemberId]) -> Mapping[MemberId, Profile]:
        """The profiles of these members; who has none is absent."""
        return {stored.member_id: self._opened(stored) for stored in await profiles.load(conn, ids)}

    async def contacts(self, conn: Connection, ids: Sequence[MemberId]) -> Mapping[MemberId, Contact]:
        """Where and how these members are written to; who has no profile is absent."""
        found = {}
        for start in range(0, len(ids), _OPENED_AT_ONCE):
            for stored in await profiles.load(conn, ids[start : start + _OPENED_AT_ONCE]):
                person = self._person(stored)
                found[stored.member_id] = Contact(
                    person.mail, person.mobile, stored.language, stored.time_zone, stored.statements
                )
        return found

    async def matches_holder(self, conn: Connection, member_id: MemberId, form: HolderForm) -> bool:
        """Whether what somebody filled into a form is the member's own, all of it (WA-8)."""
        profile = await self.find(conn, member_id)
        return profile is not None and profile_rules.is_about(profile.person, form)

    # changing ----------------------------------------------------------------------------------------------

    async def change(self, member_id: MemberId, change: ProfileChange) -> Profile:
        """Change what is named.

        Raises `ProfileNotFound`, `InvalidRequest`, `NicknameTaken`, `TooManyAttempts`.
        """
        if change.nickname is not None:
            await self._count_names(member_id)
        async with self._means.database.transaction() as conn:
            profile = await self._locked(conn, member_id)
            profile = profile_rules.changed_profile(profile, change, self._today())
            await self._save(conn, member_id, profile)
        return profile

    async def set_question(self, member_id: MemberId, question: Secret, answer: Secret) -> Profile:
        """Set the question by which a forgotten ID or password is recovered, with its answer (WA-2).

        Raises `ProfileNotFound`, `InvalidRequest`, `Unavailable`.
        """
        question = profile_rules.question(question)
        answer_hash = await self.hash_answer(answer)
        async with self._means.database.transaction() as conn:
            profile = await self._locked(conn, member_id)
            profile = replace(profile, person=replace(profile.person, question=question))
            await self._save(conn, member_id, profile, answer_hash)
        return profile

    async def propose(self, member_id: MemberId, kind: ContactKind, value: Secret) -> ContactChange:
        """Send a code to a new mail address or mobile number; the old one stays until it comes back.

        Raises `InvalidRequest`, `ProfileNotFound`, `TooManyAttempts`.
        """
        means = self._means
        await means.count(f"change:{member_id}", rules.CHANGES)
        code = f"{int.from_bytes(means.random_bytes(8), 'big') % 1_000_000:06d}"
        id_ = ChangeId(means.new_id())
        async with means.database.transaction() as conn:
            profile = await self._locked(conn, member_id)
            value = _changed(profile, kind, value, self._today())
            change = ContactChange(
                id=id_,
                member_id=member_id,
                kind=kind,
                value=await means.seal(conn, value, CHANGES.context_of(id_)),
                code_hash=means.hash(f"change:{member_id}:{kind}:{code}"),
                expires_at=means.clock.now() + rules.CHANGE_LIFETIME,
            )
            await profiles.save_change(conn, change)
            data = {"code": Secret(code), "minutes": rules.minutes(rules.CHANGE_LIFETIME)}
            channel = Channel.MAIL if kind is ContactKind.MAIL else Channel.SMS
            await means.write(
                conn,
                member_id,
                profile,
                f"confirm_{kind}",
                data,
                to=value,
                channel=channel,
                subject_id=id_,
            )
        return change

    async def confirm(self, member_id: MemberId, kind: ContactKind, code: Secret) -> Profile:
        """Take the new address over, proved by its code. The old mail address is told of it.

        Raises `WrongCode`, `TooManyAttempts`.
        """
        means, about = self._means, f"confirm:{member_id}"
        await means.count(about, rules.CODES)
        code_hash = means.hash(f"change:{member_id}:{kind}:{code.reveal().strip()}")
        async with means.database.transaction() as conn:
            profile = await self._locked(conn, member_id)
            change = await profiles.take_change(conn, member_id, kind, code_hash, means.clock.now())
            if change is None:
                raise WrongCode
            value = means.vault.open(change.value, CHANGES.context_of(change.id))
            changed = replace(profile, person=replace(profile.person, **{kind.value: value}))
            await self._save(conn, member_id, changed)
            await means.forget(conn, about)
            await means.write(conn, member_id, profile, "contact_changed", {"kind": kind.value})
        return changed

    # pieces ------------------------------------------------------------------------------------------------

    def mail_hash(self, mail: Secret) -> bytes:
        """What profiles are found by, given a mail address."""
        return self._means.vault.identity_hash(profile_rules.mail_key(mail))

    async def _count_names(self, member_id: MemberId) -> None:
        # Being refused a name tells that somebody has it, as `availability` does.
        await self._means.count(f"names:{member_id}", rules.LOOK_UPS)

    async def _locked(self, conn: Connection, member_id: MemberId) -> Profile:
        stored = await profiles.lock(conn, member_id)
        if stored is None:
            raise ProfileNotFound
        return self._opened(stored)

    async def _save(
        self, conn: Connection, member_id: MemberId, profile: Profile, answer_hash: str | None = None
    ) -> None:
        means, person = self._means, profile.person
        sealed = await means.seal(conn, _written(person), PERSONS.context_of(member_id))
        key, mail = profile_rules.key_of(profile.nickname), self.mail_hash(person.mail)
        await profiles.update(conn, member_id, profile, key, sealed, mail, answer_hash)
        await means.announce(conn, "member.profile_changed", member_id)

    def _opened(self, stored: StoredProfile) -> Profile:
        return Profile(
            chosen_id=stored.chosen_id,
            nickname=stored.nickname,
            person=self._person(stored),
            language=stored.language,
            time_zone=stored.time_zone,
            statements=stored.statements,
        )

    def _person(self, stored: StoredProfile) -> Person:
        opened = self._means.vault.open(stored.person, PERSONS.context_of(stored.member_id))
        return _DECODER.decode(opened.reveal())

    def _today(self) -> date:
        return self._means.clock.now().date()


def _changed(profile: Profile, kind: ContactKind, value: Secret, today: date) -> Secret:
    """The new address in the form in which it is kept."""
    person = replace(profile.person, **{kind.value: value})
    cleaned = profile_rules.clean_profile(replace(profile, person=person), today)
    found: Secret = getattr(cleaned.person, kind.value)
    return found


def _written(person: Person) -> Secret:
    """The person as one text, to be sealed."""
    return Secret(_ENCODER.encode(person).decode())


def _revealed(value: object) -> str:
    if isinstance(value, Secret):
        return value.reveal()
    raise TypeError(f"A profile cannot hold a {type(value).__name__}.")


def _hidden(kind: type, value: object) -> object:
    return kind(value)


_ENCODER: Final = msgspec.json.Encoder(enc_hook=_revealed)
_DECODER: Final = msgspec.json.Decoder(Person, dec_hook=_hidden)
