"""Posting letters, and what operators see of them and do about them."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import msgspec

from obverse.kit import audit
from obverse.kit.audit import AuditEntry
from obverse.kit.clock import Clock
from obverse.kit.database import Connection, Database
from obverse.kit.ids import AuditId, LetterId, NewId, to_text
from obverse.kit.paging import Page, PageRequest
from obverse.kit.secret import Secret
from obverse.letters import repository, rules
from obverse.letters.errors import LetterForgotten, LetterNotFound, LetterUnderWay, UnknownTemplate
from obverse.letters.model import Channel, Contents, Letter, LetterState, LetterStatus
from obverse.letters.ports import Sealer
from obverse.letters.rendering import exists

KEPT: Final = timedelta(days=30)
"""How long address and contents of a letter that is over are kept, so that it can be sent again."""
_FORGOTTEN_AT_ONCE: Final = 5_000


class Letters:
    """What the platform writes to people."""

    def __init__(self, database: Database, sealer: Sealer, *, clock: Clock, new_id: NewId) -> None:
        self._database = database
        self._sealer = sealer
        self._clock = clock
        self._new_id = new_id

    async def post(self, conn: Connection, letters: Sequence[Letter]) -> int:
        """Have these sent, if and only if the caller's transaction commits; returns how many are new.

        A letter whose `once` is known already is not posted again. Sending begins within a second.
        Raises `InvalidRequest` for what is no address, `UnknownTemplate`.
        """
        if not letters:
            return 0
        checked = [_checked(letter) for letter in letters]
        await self._sealer.pin_keys(conn)
        sealed = [
            (letter, self._sealer.seal(_contents(letter), letter_context(letter.id))) for letter in checked
        ]
        return await repository.insert(conn, sealed, self._clock.now())

    async def list(self, page: PageRequest, state: LetterState | None = None) -> Page[LetterStatus]:
        """Letters, newest first; with `state`, those in it."""
        async with self._database.connection() as conn:
            return await repository.find_page(conn, page, state)

    async def find(self, id_: LetterId) -> LetterStatus:
        """Raises `LetterNotFound`."""
        async with self._database.connection() as conn:
            found = await repository.load(conn, [id_])
        if not found:
            raise LetterNotFound
        return found[0]

    async def send_again(self, id_: LetterId, *, actor: str, reason: str) -> LetterStatus:
        """Have a letter that is over sent once more: it was lost, or its mailbox is there again.

        It keeps its id, so whoever has it can tell. Raises `LetterNotFound`, `LetterUnderWay`,
        `LetterForgotten`, `InvalidRequest`.
        """
        reason, now = audit.check_reason(reason), self._clock.now()
        async with self._database.transaction() as conn:
            locked = await repository.lock(conn, id_)
            if locked is None:
                raise LetterNotFound
            status, is_kept = locked
            if status.state in (LetterState.READY, LetterState.SENDING):
                raise LetterUnderWay
            if not is_kept:
                raise LetterForgotten
            await repository.make_due(conn, id_, now)
            entry = AuditEntry(
                id=AuditId(self._new_id()),
                actor=actor,
                action="letter.sent_again",
                subject=to_text("let", id_),
                reason=reason,
                created_at=now,
            )
            await audit.record(conn, [entry])
            (status,) = await repository.load(conn, [id_])
        return status

    async def forget(self) -> int:
        """Forget address and contents of letters that have been over for thirty days; returns how many."""
        before, forgotten = self._clock.now() - KEPT, 0
        while True:
            async with self._database.transaction() as conn:
                count = await repository.forget(conn, before, _FORGOTTEN_AT_ONCE)
            forgotten += count
            if count < _FORGOTTEN_AT_ONCE:
                return forgotten


def letter_context(id_: LetterId) -> bytes:
    """What binds sealed contents to their letter."""
    return f"letter:{id_}".encode()


def _checked(letter: Letter) -> Letter:
    if not exists(letter.channel, letter.language, letter.template):
        raise UnknownTemplate(f"{letter.template} ({letter.channel}, {letter.language})")
    check = rules.check_mail_address if letter.channel is Channel.MAIL else rules.check_phone_number
    return msgspec.structs.replace(letter, to=check(letter.to))


def _contents(letter: Letter) -> Secret:
    contents = {"to": letter.to, "data": letter.data, "time_zone": letter.time_zone}
    return Secret(_ENCODER.encode(contents).decode())


def read_contents(opened: Secret) -> Contents:
    """What was sealed of a letter, opened."""
    return _DECODER.decode(opened.reveal())


def _revealed(value: object) -> str:
    if isinstance(value, Secret):
        return value.reveal()
    raise TypeError(f"A letter cannot hold a {type(value).__name__}.")


_ENCODER: Final = msgspec.json.Encoder(enc_hook=_revealed)
_DECODER: Final = msgspec.json.Decoder(Contents)
