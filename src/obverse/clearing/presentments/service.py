"""Making files at the cut-off, and what operators and members ask of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from msgspec.structs import replace

from obverse.clearing.presentments import repository, rules
from obverse.clearing.presentments.errors import (
    NothingRejected,
    NotRejected,
    PresentmentFileNotFound,
    PresentmentNotFound,
)
from obverse.clearing.presentments.model import (
    Charge,
    Direction,
    Presentment,
    PresentmentFile,
    PresentmentState,
)
from obverse.kit import audit
from obverse.kit.audit import AuditEntry
from obverse.kit.calendar import Calendar
from obverse.kit.clock import Clock
from obverse.kit.database import Connection, Database
from obverse.kit.ids import (
    AuditId,
    MemberId,
    NewId,
    PresentmentFileId,
    PresentmentId,
    TransferId,
    first_id_of,
    to_text,
)
from obverse.kit.money import CurrencyCode
from obverse.kit.paging import Page, PageRequest
from obverse.ledger import AccountKind, Transfer, TransferKind
from obverse.ledger import repository as ledger_repository
from obverse.ledger.rules import house_account

GATHERED_AT_ONCE: Final = 500
"""Actions per commit: their payments are locked meanwhile."""
MEMBERS_MAX: Final = 50_000
"""Presentments in one file: it is written in memory, because it holds real card numbers."""

_DAY: Final = timedelta(days=1)

ReportProgress = Callable[[int, int], None]
"""Hears after every commit how many of how many actions are done."""


@dataclass(frozen=True, slots=True)
class Programme:
    """What presentments need to know of the programme."""

    calendar: Calendar
    currency: CurrencyCode
    acquirer_bin: str
    """Six digits by which the card company knows us."""


class Presentments:
    """Our claims at the card company. Sending them is `jobs.Exchange`."""

    def __init__(
        self,
        database: Database,
        programme: Programme,
        *,
        clock: Clock,
        new_id: NewId,
        random_bytes: Callable[[int], bytes],
    ) -> None:
        self._database = database
        self._programme = programme
        self._clock = clock
        self._new_id = new_id
        self._random_bytes = random_bytes

    # making files ------------------------------------------------------------------------------------------

    async def close_day(self) -> Sequence[PresentmentFile]:
        """Make the file of the business day that ended last, unless it was made since.

        What comes too late for it, a commit under way at the cut-off or an operator's correction, goes out
        with the next one. Safe to repeat, in any number of processes.
        """
        calendar = self._programme.calendar
        day = calendar.business_day(self._clock.now()) - _DAY
        cut_off = calendar.cut_off_of(day)
        await self._gather(cut_off)
        return await self._make_files(day, unless_made_since=cut_off)

    async def present_now(self, on_progress: ReportProgress | None = None) -> Sequence[PresentmentFile]:
        """Present what waits at this moment, without waiting for the cut-off."""
        now = self._clock.now()
        await self._gather(now + timedelta(milliseconds=1), on_progress)
        return await self._make_files(self._programme.calendar.business_day(now))

    async def _gather(self, before: datetime, on_progress: ReportProgress | None = None) -> None:
        """Turn actions of before this moment into presentments, some hundred per commit."""
        bound = first_id_of(before)
        total = done = 0
        if on_progress is not None:
            async with self._database.connection() as conn:
                total = await repository.count_waiting(conn, bound)
        while True:
            async with self._database.transaction() as conn:
                taken, parts = await repository.take_waiting(conn, bound, GATHERED_AT_ONCE)
                await repository.insert(conn, await self._presented(conn, parts))
            if not taken:
                return
            done += taken
            if on_progress is not None:
                on_progress(done, max(done, total))

    async def _presented(self, conn: Connection, parts: Sequence[rules.Part]) -> list[Presentment]:
        now = self._clock.now()
        today = self._programme.calendar.local_date(now)
        numbers = await repository.draw_numbers(conn, len(parts))
        return [
            rules.present(
                part,
                PresentmentId(self._new_id()),
                rules.arn(self._programme.acquirer_bin, today, number),
                now,
            )
            for part, number in zip(parts, numbers, strict=True)
        ]

    async def _make_files(
        self, day: date, unless_made_since: datetime | None = None
    ) -> list[PresentmentFile]:
        made: list[PresentmentFile] = []
        while True:
            async with self._database.transaction() as conn:
                await repository.take_turn(conn)
                since = None if made else unless_made_since
                if since is not None and await repository.made_since(conn, day, since):
                    return made
                file = await repository.make_file(
                    conn,
                    PresentmentFileId(self._new_id()),
                    rules.new_reference(self._random_bytes),
                    day,
                    self._programme.currency,
                    self._clock.now(),
                    MEMBERS_MAX,
                )
            if file is None:
                return made
            made.append(file)

    # what operators see and decide -------------------------------------------------------------------------

    async def list_files(self, page: PageRequest) -> Page[PresentmentFile]:
        """All files, newest first."""
        async with self._database.connection() as conn:
            return await repository.find_files(conn, page)

    async def get_file(self, id_: PresentmentFileId) -> PresentmentFile:
        """One file. Raises `PresentmentFileNotFound`."""
        async with self._database.connection() as conn:
            file = await repository.get_file(conn, id_)
        if file is None:
            raise PresentmentFileNotFound
        return file

    async def list(
        self,
        page: PageRequest,
        file_id: PresentmentFileId | None = None,
        state: PresentmentState | None = None,
    ) -> Page[Presentment]:
        """Presentments, newest first."""
        async with self._database.connection() as conn:
            return await repository.find_page(conn, page, file_id, state)

    async def get(self, id_: PresentmentId) -> Presentment:
        """One presentment. Raises `PresentmentNotFound`."""
        async with self._database.connection() as conn:
            presentment = await repository.get(conn, id_)
        if presentment is None:
            raise PresentmentNotFound
        return presentment

    async def resubmit(self, id_: PresentmentId, *, actor: str, reason: str) -> Presentment:
        """Let the next file carry a rejected presentment again. Asking twice is fine.

        Raises `PresentmentNotFound`, `NotRejected`, `InvalidRequest` for a reason that nobody could read.
        """
        reason = audit.check_reason(reason)
        async with self._database.transaction() as conn:
            presentment = await self._lock(conn, id_)
            if presentment.state is PresentmentState.READY:
                return presentment
            _check_rejected(presentment)
            await repository.make_ready(conn, [id_])
            await self._record(conn, actor, "presentment.resubmitted", [presentment], reason)
        return replace(presentment, state=PresentmentState.READY, file_id=None, reject_reason=None)

    async def resubmit_file(self, id_: PresentmentFileId, *, actor: str, reason: str) -> PresentmentFile:
        """Let the next file carry everything again that is rejected of this one.

        Raises `PresentmentFileNotFound`, `NothingRejected`, `InvalidRequest` for the reason.
        """
        reason = audit.check_reason(reason)
        async with self._database.transaction() as conn:
            file = await repository.lock_file(conn, id_)
            if file is None:
                raise PresentmentFileNotFound
            rejected = await repository.lock_rejected_of(conn, id_)
            if not rejected:
                raise NothingRejected
            await repository.make_ready(conn, [each.id for each in rejected])
            await self._record(conn, actor, "presentment.resubmitted", rejected, reason)
        return file

    async def write_off(self, id_: PresentmentId, *, actor: str, reason: str) -> Presentment:
        """Give a rejected presentment up: the programme bears it. Asking twice is fine.

        Raises `PresentmentNotFound`, `NotRejected`, `InvalidRequest` for a reason that nobody could read.
        """
        reason = audit.check_reason(reason)
        async with self._database.transaction() as conn:
            presentment = await self._lock(conn, id_)
            if presentment.state is PresentmentState.WRITTEN_OFF:
                return presentment
            _check_rejected(presentment)
            await repository.write_off(conn, [id_])
            await ledger_repository.post(conn, presentment.partition_id, [self._loss(presentment)])
            await self._record(conn, actor, "presentment.written_off", [presentment], reason)
        return replace(presentment, state=PresentmentState.WRITTEN_OFF)

    # what members see --------------------------------------------------------------------------------------

    async def charges(self, member_id: MemberId, page: PageRequest) -> Page[Charge]:
        """What card companies bill or credit this member, newest first, presented or about to be (OT-18)."""
        async with self._database.connection() as conn:
            return await repository.find_charges(conn, member_id, page)

    async def _lock(self, conn: Connection, id_: PresentmentId) -> Presentment:
        found = await repository.lock(conn, [id_])
        if not found:
            raise PresentmentNotFound
        return found[0]

    def _loss(self, presentment: Presentment) -> Transfer:
        """What moves when a claim is given up; the other way round for a credit that nobody takes."""
        place = presentment.partition_id, presentment.amount.currency
        accounts = (
            house_account(AccountKind.WRITTEN_OFF, *place).id,
            house_account(AccountKind.CARD_COMPANY_RECEIVABLE, *place).id,
        )
        debit, credit = accounts if presentment.direction is Direction.DEBIT else accounts[::-1]
        return Transfer(
            id=TransferId(self._new_id()),
            kind=TransferKind.POSTED,
            debit_account_id=debit,
            credit_account_id=credit,
            amount_minor=presentment.amount.amount_minor,
            currency=presentment.amount.currency,
            subject_id=presentment.id,
            created_at=self._clock.now(),
        )

    async def _record(
        self, conn: Connection, actor: str, action: str, presentments: Sequence[Presentment], reason: str
    ) -> None:
        now = self._clock.now()
        entries = [
            AuditEntry(
                AuditId(self._new_id()), actor, action, to_text("pres", each.id), reason, now, _history(each)
            )
            for each in presentments
        ]
        await audit.record(conn, entries)


def _check_rejected(presentment: Presentment) -> None:
    if presentment.state is not PresentmentState.REJECTED:
        raise NotRejected


def _history(presentment: Presentment) -> dict[str, str]:
    """What is forgotten of a presentment when it moves on to another file."""
    assert presentment.file_id is not None, "only a file can have been rejected"
    return {
        "file": to_text("pfile", presentment.file_id),
        "arn": presentment.arn,
        "reject_reason": presentment.reject_reason or "",
    }
