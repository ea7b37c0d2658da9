"""Claims one by one: as terminals send them, as operators decide them, as everybody looks them up."""

import asyncio
from typing import Final

import structlog
from msgspec.structs import replace

from obverse.authorization import Authorization
from obverse.authorization.errors import AuthorizationExpired
from obverse.clearing.claims import deciding, repository, rules
from obverse.clearing.claims.errors import AnswerStands, ClaimDecided, ClaimNotFound
from obverse.clearing.claims.model import (
    Attempt,
    BatchTotals,
    Claim,
    ClaimKind,
    ClaimRecord,
    Outcome,
    Reason,
    Road,
    TerminalBatch,
    Verdict,
)
from obverse.clearing.claims.ports import ClaimedPayments
from obverse.kit import audit, events
from obverse.kit.audit import AuditEntry
from obverse.kit.clock import Clock
from obverse.kit.database import Connection, Database
from obverse.kit.errors import ObverseError, Unavailable
from obverse.kit.events import Event
from obverse.kit.ids import AuditId, ClaimId, EventId, MerchantId, NewId, to_text
from obverse.kit.paging import Page, PageRequest

_TRIES_MAX: Final = 5
_NOTES_MAX: Final = 10_000
_NOTES_PAUSE_S: Final = 1.0
_NOTES_PATIENCE_S: Final = 5.0

_log = structlog.get_logger(__name__)


class Claims:
    """Has claims paid once, keeps what became of each, and lets operators decide the exceptions (OT-16)."""

    def __init__(self, database: Database, payments: ClaimedPayments, *, clock: Clock, new_id: NewId) -> None:
        self._database = database
        self._payments = payments
        self._clock = clock
        self._new_id = new_id
        self._notes: list[ClaimRecord] = []
        self._noting: asyncio.Task[None] | None = None

    # terminals -----------------------------------------------------------------------------------------

    async def upload(self, claim: Claim, batch: TerminalBatch) -> Verdict:
        """Answer one claim of a terminal's batch. Repeats get the same answer. Raises `Unavailable`.

        A batch that is closed takes nothing new. A claim that comes while its batch is being closed, which no
        terminal does, may be paid without being in the totals.
        """
        (record,) = await deciding.match(self._payments, [claim], Road.BATCH, self._new_id, self._clock.now())
        record = replace(record, terminal=batch.terminal, batch_no=batch.batch_no)
        if record.outcome is not Outcome.REFUSED and await self._is_too_late(batch, record):
            record = replace(record, outcome=Outcome.REFUSED, reason=Reason.BATCH_CLOSED, repeated=False)
        standing = await deciding.find_standing(self._database, [record])
        (verdict,) = await deciding.carry_out(self._payments, [record], standing, {})
        settled = await self._store(record, verdict, batch)
        return Verdict(settled.outcome, settled.reason, settled.repeated)

    async def close_batch(self, batch: TerminalBatch, stated: BatchTotals) -> bool:
        """Compare a terminal's totals with what was paid of its batch, and close it if they agree.

        Closing again with the same totals gives the same answer. Raises `Unavailable`.
        """
        async with self._database.transaction() as conn:
            closed = await repository.find_closed_batch(conn, batch)
            if closed is not None:
                return closed == stated
            ours = await repository.batch_totals(conn, batch, stated.currency)
            if ours == stated:
                await repository.close_batch(conn, batch, stated, self._clock.now())
            else:
                await events.append(conn, [self._out_of_balance(batch, stated, ours)])
            return ours == stated

    async def _is_too_late(self, batch: TerminalBatch, record: ClaimRecord) -> bool:
        async with self._database.connection() as conn:
            if await repository.find_closed_batch(conn, batch) is None:
                return False
            return not await repository.is_in_batch(conn, batch, record)

    async def _store(
        self, record: ClaimRecord, verdict: Verdict, batch: TerminalBatch | None = None
    ) -> ClaimRecord:
        for _ in range(_TRIES_MAX):
            try:
                async with self._database.transaction() as conn:
                    (settled,) = await deciding.settle(conn, [record], [verdict])
                    if not await _is_kept(conn, settled, batch):
                        await repository.insert(conn, [settled])
                        await self._tell(conn, settled)
                    return settled
            except AnswerStands:
                continue
        raise Unavailable

    # what other roads refused --------------------------------------------------------------------------

    async def note(self, attempt: Attempt, refused: ObverseError) -> None:
        """Keep a claim that came by another road and was refused there, so that an operator sees it.

        A late one waits for an operator from now on, and is stored before this returns. The others are
        stored a moment later, and never in the way of the answer. Raises `Unavailable` for the late ones.
        """
        if isinstance(refused, Unavailable):
            return  # nobody has said no
        verdict = rules.verdict_of(refused.code)
        record = self._record(attempt, verdict, refused)
        if verdict.outcome is Outcome.EXCEPTION and record.authorization_id is not None:
            await self._store(record, verdict)
            return
        if len(self._notes) >= _NOTES_MAX:
            _log.error("refused_claim_not_noted", reason=verdict.reason)
            return
        self._notes.append(replace(record, outcome=Outcome.REFUSED))
        if self._noting is None or self._noting.done():
            self._noting = asyncio.create_task(self._write_notes())

    async def note_uncovered(
        self, reported: Authorization, missing_minor: int, approval_code: str, last_four: str
    ) -> None:
        """Give operators what of a payment, decided by somebody else, could not be taken (WA-9).

        Its merchant has been promised the money. Reporting it again changes nothing. Raises `Unavailable`.
        """
        verdict = Verdict(Outcome.EXCEPTION, Reason.NOT_COVERED)
        record = ClaimRecord(
            id=ClaimId(self._new_id()),
            road=Road.ISO8583,
            kind=ClaimKind.CAPTURE,
            outcome=verdict.outcome,
            created_at=self._clock.now(),
            merchant_id=reported.merchant_id,
            request_key=f"uncovered:{reported.id}",
            terminal=reported.terminal,
            last_four=last_four,
            approval_code=approval_code,
            amount_minor=missing_minor,
            currency=reported.amount.currency,
            partition_id=reported.partition_id,
            authorization_id=reported.id,
            reason=verdict.reason,
        )
        await self._store(record, verdict)

    def _record(self, attempt: Attempt, verdict: Verdict, refused: ObverseError) -> ClaimRecord:
        late = refused.authorization if isinstance(refused, AuthorizationExpired) else None
        return ClaimRecord(
            id=ClaimId(self._new_id()),
            road=attempt.road,
            kind=attempt.kind,
            outcome=verdict.outcome,
            created_at=self._clock.now(),
            merchant_id=late.merchant_id if late else attempt.merchant_id,
            request_key=attempt.request_key,
            reference=attempt.reference,
            terminal=attempt.terminal,
            last_four=attempt.last_four,
            approval_code=late.approval_code if late else None,
            amount_minor=attempt.amount_minor,
            currency=attempt.currency,
            final=attempt.final,
            partition_id=late.partition_id if late else attempt.partition_id,
            authorization_id=late.id if late else attempt.authorization_id,
            reason=verdict.reason,
        )

    async def stop(self) -> None:
        """Write down what is still to be noted, for some seconds at most."""
        if self._noting is not None:
            await asyncio.wait([self._noting], timeout=_NOTES_PATIENCE_S)

    async def _write_notes(self) -> None:
        while self._notes:
            notes, self._notes = self._notes, []
            try:
                async with self._database.transaction() as conn:
                    await repository.insert(conn, notes)
                    await self._tell(conn, *notes)
            except Unavailable:
                self._notes = notes + self._notes
                await asyncio.sleep(_NOTES_PAUSE_S)

    # operators -----------------------------------------------------------------------------------------

    async def pay(self, claim_id: ClaimId, *, actor: str, reason: str) -> ClaimRecord:
        """Pay a claim that waits for a decision, with the money there is now.

        The decision goes to the audit log before money moves. Raises `InvalidRequest` for a bad reason,
        `ClaimNotFound`, `ClaimDecided`, the engine's refusals (the claim waits on), and `Unavailable`: then
        only paying it once more tells what has become of it.
        """
        async with self._database.transaction() as conn:
            claim = await self._lock(conn, claim_id)
            if claim.outcome is Outcome.PAID:
                return claim
            await self._record_decision(conn, claim, "claim.paid", actor, reason)
            await repository.mark_being_paid(conn, claim_id, being_paid=True)
        try:
            await deciding.pay(self._payments, claim, late=True)
        except Unavailable:
            raise
        except ObverseError:
            async with self._database.transaction() as conn:
                await repository.mark_being_paid(conn, claim_id, being_paid=False)
            raise
        async with self._database.transaction() as conn:
            return await self._end(conn, claim, Outcome.PAID, None)

    async def refuse(self, claim_id: ClaimId, *, actor: str, reason: str) -> ClaimRecord:
        """Refuse a claim that waits for a decision, for good.

        Raises `InvalidRequest` for a bad reason, `ClaimNotFound`, `ClaimDecided` (also while somebody may
        have paid it), `Unavailable`.
        """
        async with self._database.transaction() as conn:
            claim = await self._lock(conn, claim_id)
            if claim.reason is Reason.REFUSED_BY_OPERATOR:
                return claim
            if claim.being_paid:
                raise ClaimDecided
            await self._record_decision(conn, claim, "claim.refused", actor, reason)
            return await self._end(conn, claim, Outcome.REFUSED, Reason.REFUSED_BY_OPERATOR)

    async def _lock(self, conn: Connection, claim_id: ClaimId) -> ClaimRecord:
        for claim in await repository.lock_with_repeats(conn, claim_id):
            if claim.id == claim_id:
                return claim
        raise ClaimNotFound

    async def _record_decision(
        self, conn: Connection, claim: ClaimRecord, action: str, actor: str, reason: str
    ) -> None:
        """Write down what is decided about a claim that waits. Raises `ClaimDecided`, `InvalidRequest`."""
        reason = audit.check_reason(reason)
        if claim.outcome is not Outcome.EXCEPTION:
            raise ClaimDecided
        id_, subject = AuditId(self._new_id()), to_text("claim", claim.id)
        await audit.record(conn, [AuditEntry(id_, actor, action, subject, reason, self._clock.now())])

    async def _end(
        self, conn: Connection, claim: ClaimRecord, outcome: Outcome, reason: Reason | None
    ) -> ClaimRecord:
        """Give a claim that waited, and its repeats, their answer."""
        locked = await repository.lock_with_repeats(conn, claim.id)
        waiting = [record for record in locked if record.outcome is Outcome.EXCEPTION]
        ended = [replace(record, outcome=outcome, reason=reason) for record in waiting]
        await repository.save_verdicts(conn, ended)
        for before, after in zip(waiting, ended, strict=True):
            if before.file_id is not None:
                await repository.add_to_report(conn, before.file_id, rules.moved(before, after))
        await self._tell(conn, *ended)
        return replace(claim, outcome=outcome, reason=reason, being_paid=False)

    # looking up ----------------------------------------------------------------------------------------

    async def get(self, claim_id: ClaimId) -> ClaimRecord:
        """One claim. Raises `ClaimNotFound`, `Unavailable`."""
        async with self._database.connection() as conn:
            record = await repository.find(conn, claim_id)
        if record is None:
            raise ClaimNotFound
        return record

    async def list(
        self,
        page: PageRequest,
        *,
        merchant_id: MerchantId | None = None,
        outcome: Outcome | None = None,
    ) -> Page[ClaimRecord]:
        """Claims of every road, newest first."""
        async with self._database.connection() as conn:
            return await repository.find_page(conn, page, merchant_id=merchant_id, outcome=outcome)

    async def exceptions(self, page: PageRequest, merchant_id: MerchantId | None = None) -> Page[ClaimRecord]:
        """Claims that wait for an operator, newest first."""
        async with self._database.connection() as conn:
            return await repository.find_exceptions(conn, page, merchant_id)

    async def _tell(self, conn: Connection, *records: ClaimRecord) -> None:
        await events.append(conn, deciding.news(records, self._new_id, self._clock.now()))

    def _out_of_balance(self, batch: TerminalBatch, stated: BatchTotals, ours: BatchTotals) -> Event:
        totals = {
            f"{side}_{name}": number
            for side, sums in (("stated", stated), ("ours", ours))
            for name, number in (
                ("captures", sums.captures.lines),
                ("captured", sums.captures.amount_minor),
                ("refunds", sums.refunds.lines),
                ("refunded", sums.refunds.amount_minor),
            )
        }
        return Event(
            id=EventId(self._new_id()),
            type="claim_batch.out_of_balance",
            subject_id=batch.merchant_id,
            data={
                "merchant": to_text("mer", batch.merchant_id),
                "terminal": batch.terminal,
                "batch": batch.batch_no,
                "currency": stated.currency,
                **totals,
            },
            created_at=self._clock.now(),
        )


async def _is_kept(conn: Connection, settled: ClaimRecord, batch: TerminalBatch | None) -> bool:
    """Whether storing this claim would say nothing new: a repeat only counts in a batch that has it not."""
    if not settled.repeated:
        return False
    if settled.outcome is not Outcome.PAID or batch is None:
        return True
    return await repository.is_in_batch(conn, batch, settled)
