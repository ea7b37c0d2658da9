"""Claim files: taken in as they come, in bounded memory, and looked up again."""

from collections.abc import AsyncIterable, AsyncIterator, Sequence
from datetime import timedelta
from typing import Final

from msgspec.structs import replace

from obverse.clearing.claims import deciding, repository
from obverse.clearing.claims.errors import AnswerStands, ClaimFileNotFound
from obverse.clearing.claims.file_format import ClaimFileReader, Line
from obverse.clearing.claims.model import (
    BrokenLine,
    Claim,
    ClaimFile,
    ClaimKind,
    ClaimRecord,
    FileState,
    Outcome,
    Reason,
    Road,
)
from obverse.clearing.claims.ports import ClaimedPayments
from obverse.kit.clock import Clock
from obverse.kit.database import Database
from obverse.kit.errors import Unavailable
from obverse.kit.ids import ClaimFileId, ClaimId, MerchantId, NewId
from obverse.kit.overlapping import overlapping
from obverse.kit.paging import Page, PageRequest
from obverse.kit.secret import Secret
from obverse.vault import Vault

CHUNK: Final = 600
"""Claims matched, or carried out, together."""
_CHUNKS_AT_ONCE: Final = 2

_SILENCE_MAX: Final = timedelta(minutes=1)
"""After this without a chunk a file that comes in is given up."""


class ClaimFiles:
    """Receives files. Each line is matched while the file comes in, so that no number is ever stored (P11).

    Nothing is paid before the whole file is there and its totals agree; then the file is `processing`, and
    `FileWork` carries it out.
    """

    def __init__(
        self,
        database: Database,
        payments: ClaimedPayments,
        vault: Vault,
        *,
        clock: Clock,
        new_id: NewId,
    ) -> None:
        self._database = database
        self._payments = payments
        self._vault = vault
        self._clock = clock
        self._new_id = new_id

    async def receive(self, merchant_id: MerchantId, pieces: AsyncIterable[bytes]) -> tuple[ClaimFile, bool]:
        """Take a file in: the file, and whether it is one that the merchant has sent before.

        A file whose totals do not agree is `refused` as a whole, with its problem. Raises `Unavailable`, and
        whatever `pieces` raises; then nothing is kept of the file.
        """
        now = self._clock.now()
        file = ClaimFile(ClaimFileId(self._new_id()), merchant_id, FileState.RECEIVING, now)
        async with self._database.transaction() as conn:
            await repository.insert_file(conn, file, now + _SILENCE_MAX)
        try:
            return await self._receive(file, pieces)
        except Exception:
            async with self._database.transaction() as conn:
                await repository.discard(conn, file.id, self._clock.now())
            raise

    async def _receive(self, file: ClaimFile, pieces: AsyncIterable[bytes]) -> tuple[ClaimFile, bool]:
        reader = ClaimFileReader(file.merchant_id)

        async def match(lines: Sequence[Line]) -> Sequence[ClaimRecord]:
            return await self._records(file, lines)

        async with overlapping(_chunks(reader, pieces), match, _CHUNKS_AT_ONCE) as matched:
            async for _, records in matched:
                await self._keep(file, records)
        whole = replace(
            file,
            state=FileState.REFUSED if reader.problem else FileState.PROCESSING,
            currency=reader.currency,
            problem=reader.problem,
            size_bytes=reader.size_bytes,
            claims=reader.claims,
        )
        # Keyed, because whoever has the table could try numbers against a plain hash of a short file.
        return await self._end(whole, self._vault.token_hash(Secret(reader.sha256)))

    async def _end(self, whole: ClaimFile, digest: bytes) -> tuple[ClaimFile, bool]:
        now = self._clock.now()
        try:
            async with self._database.transaction() as conn:
                stored = await repository.end_intake(conn, whole, digest, now)
        except AnswerStands:
            async with self._database.transaction() as conn:
                await repository.discard(conn, whole.id, now)
                earlier = await repository.find_by_digest(conn, whole.merchant_id, digest)
            if earlier is None:
                raise Unavailable from None
            return earlier, True
        if stored is None:
            raise Unavailable("The file came in too slowly. Send it again.")
        return stored, False

    async def _keep(self, file: ClaimFile, records: Sequence[ClaimRecord]) -> None:
        async with self._database.transaction() as conn:
            if not await repository.renew(conn, file.id, self._clock.now() + _SILENCE_MAX):
                raise Unavailable("The file came in too slowly. Send it again.")
            await repository.insert(conn, records)

    async def _records(self, file: ClaimFile, lines: Sequence[Line]) -> list[ClaimRecord]:
        now = self._clock.now()
        claims = [(line, line.content) for line in lines if isinstance(line.content, Claim)]
        matched = await deciding.match(
            self._payments, [claim for _, claim in claims], Road.FILE, self._new_id, now
        )
        records = [
            replace(record, file_id=file.id, line=line.number)
            for (line, _), record in zip(claims, matched, strict=True)
        ]
        records += [
            ClaimRecord(
                id=ClaimId(self._new_id()),
                road=Road.FILE,
                kind=ClaimKind.CAPTURE,
                outcome=Outcome.REFUSED,
                created_at=now,
                merchant_id=file.merchant_id,
                file_id=file.id,
                line=line.number,
                amount_minor=line.content.amount_minor,
                reason=Reason.BROKEN_LINE,
                column=line.content.column,
            )
            for line in lines
            if isinstance(line.content, BrokenLine)
        ]
        return records

    # looking up ----------------------------------------------------------------------------------------

    async def get(self, file_id: ClaimFileId) -> ClaimFile:
        """One file and its report so far. Raises `ClaimFileNotFound`, `Unavailable`."""
        async with self._database.connection() as conn:
            file = await repository.find_file(conn, file_id)
        if file is None:
            raise ClaimFileNotFound
        return file

    async def list(self, page: PageRequest, merchant_id: MerchantId | None = None) -> Page[ClaimFile]:
        """Files, newest first."""
        async with self._database.connection() as conn:
            return await repository.find_files(conn, page, merchant_id)

    async def claims(self, file: ClaimFile, page: PageRequest) -> Page[ClaimRecord]:
        """The claims of a file, in the order of the file."""
        async with self._database.connection() as conn:
            return await repository.find_file_page(conn, file.id, page)

    async def results(self, file: ClaimFile) -> AsyncIterator[Sequence[ClaimRecord]]:
        """All claims of a file in its order, in portions."""
        line = 0
        while True:
            async with self._database.connection() as conn:
                portion = await repository.find_lines(conn, file.id, line, CHUNK)
            if not portion:
                return
            yield portion
            line = portion[-1].line or 0


async def _chunks(reader: ClaimFileReader, pieces: AsyncIterable[bytes]) -> AsyncIterator[Sequence[Line]]:
    waiting: list[Line] = []
    async for piece in pieces:
        waiting += reader.feed(piece)
        while len(waiting) >= CHUNK:
            yield waiting[:CHUNK]
            del waiting[:CHUNK]
    yield waiting + reader.finish()
