"""What carries claim files out, also after whoever began it has died; and clears away what was not taken."""

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import timedelta
from typing import Final, TypeAlias

from obverse.clearing.claims import deciding, repository, rules
from obverse.clearing.claims.errors import AnswerStands
from obverse.clearing.claims.files import CHUNK
from obverse.clearing.claims.model import ClaimFile, ClaimRecord, FileState, Outcome, Verdict
from obverse.clearing.claims.ports import ClaimedPayments
from obverse.kit import events
from obverse.kit.clock import Clock
from obverse.kit.database import Database
from obverse.kit.errors import Unavailable
from obverse.kit.events import Event
from obverse.kit.ids import ClaimFileId, EventId, NewId, to_text
from obverse.kit.overlapping import overlapping

_LEASE: Final = timedelta(seconds=15)
"""After this without progress somebody else takes a file up."""
_TRIES_MAX: Final = 5
_CHUNKS_AT_ONCE: Final = 3
_DELETED_AT_ONCE: Final = 5_000

_Chunk: TypeAlias = tuple[Sequence[ClaimRecord], deciding.Standing]
"""Lines, and what was said before of their references."""


class FileWork:
    """Pays what files claim, chunk by chunk.

    Each chunk is carried out by the engine, which pays every reference once however often it is asked; then
    its outcomes, counts and news are stored in one commit together with the mark up to where the file is
    done. So a kill at any point costs repeating some chunks, and nothing is paid, told or counted twice.
    While one chunk is being stored the engine has the next ones.
    """

    def __init__(self, database: Database, payments: ClaimedPayments, *, clock: Clock, new_id: NewId) -> None:
        self._database = database
        self._payments = payments
        self._clock = clock
        self._new_id = new_id

    async def carry_out_due(self) -> int:
        """Carry out every file that nobody is at. Returns how many."""
        count = 0
        while await self.carry_out() is not None:
            count += 1
        return count

    async def carry_out(
        self,
        file_id: ClaimFileId | None = None,
        progress: Callable[[int], object] = lambda _: None,
    ) -> ClaimFile | None:
        """Carry out this file, or any that waits; `progress` hears how many lines each chunk had.

        None where nothing waits, or somebody else is at it. Raises `Unavailable`: call again.
        """
        now = self._clock.now()
        async with self._database.transaction() as conn:
            taken = await repository.take(conn, now, now + _LEASE, file_id)
        if taken is None:
            return None
        file, done = taken
        turns: deciding.Turns = {}

        async def carry_out(chunk: _Chunk) -> Sequence[Verdict]:
            return await deciding.carry_out(self._payments, *chunk, turns)

        async with overlapping(self._chunks(file, done), carry_out, _CHUNKS_AT_ONCE) as carried_out:
            async for (lines, _), verdicts in carried_out:
                if not await self._save(file, done, lines, verdicts):
                    return None
                done = lines[-1].line or 0
                progress(len(lines))
        return await self._finish(file)

    async def _chunks(self, file: ClaimFile, done: int) -> AsyncIterator[_Chunk]:
        """The lines behind this one, in the order of the file."""
        while True:
            async with self._database.connection() as conn:
                lines = await repository.find_lines(conn, file.id, done, CHUNK)
            if not lines:
                return
            yield lines, await deciding.find_standing(self._database, lines)
            done = lines[-1].line or 0

    async def _save(
        self, file: ClaimFile, done: int, lines: Sequence[ClaimRecord], verdicts: Sequence[Verdict]
    ) -> bool:
        """False where somebody else has gone on with this file."""
        for _ in range(_TRIES_MAX):
            try:
                async with self._database.transaction() as conn:
                    now = self._clock.now()
                    now_done = lines[-1].line or 0
                    if not await repository.advance(conn, file.id, done, now_done, now + _LEASE):
                        return False
                    settled = await deciding.settle(conn, lines, verdicts)
                    open_ids = {line.id for line in lines if line.outcome is Outcome.MATCHED}
                    await repository.save_verdicts(conn, [each for each in settled if each.id in open_ids])
                    await repository.add_to_report(conn, file.id, rules.tally(settled))
                    await events.append(conn, deciding.news(settled, self._new_id, now))
                    return True
            except AnswerStands:
                continue
        raise Unavailable

    async def _finish(self, file: ClaimFile) -> ClaimFile | None:
        async with self._database.transaction() as conn:
            now = self._clock.now()
            finished = await repository.finish(conn, file.id, now)
            if finished is not None:
                data = {
                    "file": to_text("cfile", finished.id),
                    "merchant": to_text("mer", finished.merchant_id),
                    "claims": finished.claims.lines,
                }
                id_ = EventId(self._new_id())
                await events.append(conn, [Event(id_, "claim_file.done", finished.id, data, now)])
            return finished

    async def sweep(self) -> int:
        """Delete the lines of files that were not taken: refused, discarded, cut off. Returns how many."""
        count = 0
        while True:
            now = self._clock.now()
            async with self._database.transaction() as conn:
                unwanted = await repository.take_unwanted(conn, now, now + _LEASE)
            if unwanted is None:
                return count
            await self._clear(*unwanted)
            count += 1

    async def _clear(self, file_id: ClaimFileId, state: FileState) -> None:
        deleted = _DELETED_AT_ONCE
        while deleted == _DELETED_AT_ONCE:
            async with self._database.transaction() as conn:
                deleted = await repository.delete_lines(conn, file_id, _DELETED_AT_ONCE)
        async with self._database.transaction() as conn:
            if state is FileState.REFUSED:
                await repository.put_away(conn, file_id)
            else:
                await repository.delete_file(conn, file_id)
