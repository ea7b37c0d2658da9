"""What runs in the background: files to the card company and its answers, and the payments that come in."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import structlog
from msgspec.structs import replace

from obverse.clearing.presentments import repository, rules
from obverse.clearing.presentments.errors import PresentmentFileNotFound, TotalsDiffer
from obverse.clearing.presentments.model import OPEN_STATES, FileState, Presentment, PresentmentFile
from obverse.clearing.presentments.ports import Acknowledgement, CardCompanyFiles, Rejection
from obverse.clearing.presentments.service import Presentments
from obverse.kit import events
from obverse.kit.clock import Clock
from obverse.kit.database import Connection, Database
from obverse.kit.errors import ObverseError, Unavailable
from obverse.kit.events import Event, Json
from obverse.kit.ids import EventId, NewId, PartitionId, PresentmentFileId, ReceiptId, to_text
from obverse.ledger import AccountKind
from obverse.ledger.rules import house_account
from obverse.treasury import Placement, Receipt, Treasury
from obverse.treasury.repository.receipts import unplaced

_HOME: Final = PartitionId(0)
"""Where payments of card companies are placed: one transfer pays for payments of all partitions."""
_RECEIPTS_AT_ONCE: Final = 500

_log = structlog.get_logger(__name__)


class Exchange:
    """Sends files, reads acknowledgements, places payments. One call does what can be done now.

    Files go out one after another, the next when the one before is answered, so that a credit never comes
    before its debit and both sides net in the same order. Every step is committed before the card company is
    asked and again when it has answered; what got no answer is sent again under the same id.
    """

    def __init__(
        self,
        database: Database,
        presentments: Presentments,
        card_company: CardCompanyFiles,
        treasury: Treasury,
        *,
        clock: Clock,
        new_id: NewId,
    ) -> None:
        self._database = database
        self._presentments = presentments
        self._card_company = card_company
        self._treasury = treasury
        self._clock = clock
        self._new_id = new_id

    async def run(self) -> None:
        """The chore: make what is due, exchange, place. Safe in any number of processes."""
        await self._presentments.close_day()
        await self.exchange()
        await self.place_receipts()

    async def exchange(self) -> None:
        """Bring the oldest open file as far as it gets, and then the next one."""
        while (file := await self._claim()) is not None:
            try:
                await self._advance(file)
            except Unavailable:
                raise
            except ObverseError as error:
                _log.warning("presentment_file_waits", file=to_text("pfile", file.id), problem=error.code)
                await self._note_problem(file.id, error)

    async def _claim(self) -> PresentmentFile | None:
        """The file that is ours to work on; after a kill it is `unknown`, whether or not it was sent."""
        now = self._clock.now()
        async with self._database.transaction() as conn:
            file = await repository.lock_oldest_open(conn)
            if file is None or file.next_try_at > now:
                return None
            state = FileState.UNKNOWN if file.state is FileState.MADE else file.state
            claimed = replace(file, state=state, next_try_at=now + rules.pause_after(file, now))
            await repository.save_file(conn, claimed)
        return claimed

    async def _advance(self, file: PresentmentFile) -> None:
        if file.state is FileState.UNKNOWN:
            async with self._database.connection() as conn:
                members = await repository.members(conn, file.id)
            await self._sent(file.id, await self._card_company.send(file, members))
            return
        answer = await self._card_company.acknowledgement(file)
        if answer is not None:
            await self._answered(file.id, answer)

    async def _sent(self, id_: PresentmentFileId, sha256: bytes) -> None:
        async with self._database.transaction() as conn:
            file = await repository.lock_file(conn, id_)
            if file is not None and file.state is FileState.UNKNOWN:
                now = self._clock.now()
                sent = replace(file, state=FileState.SENT, sha256=sha256, problem=None, next_try_at=now)
                await repository.save_file(conn, sent)

    async def _answered(self, id_: PresentmentFileId, answer: Acknowledgement) -> None:
        """Take over what the card company says, in one commit. Raises `TotalsDiffer`."""
        async with self._database.transaction() as conn:
            file = await repository.lock_file(conn, id_)
            if file is None or file.state not in OPEN_STATES:
                return  # another process has read the same answer
            named = await repository.lock_named(conn, id_, [each.arn for each in answer.rejections])
            now = self._clock.now()
            after = rules.acknowledge(file, answer, named, await repository.carried_over(conn), now)
            if after is None:
                raise TotalsDiffer
            if after.state is FileState.REFUSED:
                await repository.reject_all(conn, id_, after.problem or "")
            else:
                await repository.reject(conn, id_, [(each.arn, each.reason) for each in answer.rejections])
                await repository.accept_rest(conn, id_)
            await repository.save_file(conn, after)
            await events.append(conn, self._news(after, named, answer.rejections, now))

    async def _note_problem(self, id_: PresentmentFileId, error: ObverseError) -> None:
        async with self._database.transaction() as conn:
            file = await repository.lock_file(conn, id_)
            if file is None or file.state not in OPEN_STATES:
                return
            # A file that is not known there has been lost, so it is sent again.
            lost = isinstance(error, PresentmentFileNotFound)
            state = FileState.UNKNOWN if lost else file.state
            await repository.save_file(conn, replace(file, state=state, problem=error.code))

    async def place_receipts(self) -> None:
        """Place what came in with a file's reference. References that are nobody's stay in suspense."""
        after: ReceiptId | None = None
        while True:
            async with self._database.transaction() as conn:
                receipts = await unplaced(conn, rules.REFERENCE_PREFIX, _RECEIPTS_AT_ONCE, after)
                await self._place(conn, receipts)
            if len(receipts) < _RECEIPTS_AT_ONCE:
                return
            after = receipts[-1].id

    async def _place(self, conn: Connection, receipts: Sequence[Receipt]) -> None:
        references = sorted({each.reference for each in receipts if each.reference is not None})
        files = {each.reference: each for each in await repository.lock_files(conn, references)}
        placements: list[Placement] = []
        paid: dict[str, PresentmentFile] = {}
        for receipt in receipts:
            reference = receipt.reference
            if reference is not None and reference in files:
                file = paid.get(reference, files[reference])
                placements.append(_placement(receipt, file))
                paid[reference] = replace(file, received_minor=file.received_minor + receipt.open_minor)
        if placements:
            await self._treasury.place(conn, placements)
            await repository.save_received(conn, list(paid.values()))
            now = self._clock.now()
            await events.append(conn, [self._paid(file, now) for file in paid.values()])

    # news --------------------------------------------------------------------------------------------------

    def _news(
        self,
        file: PresentmentFile,
        rejected: Sequence[Presentment],
        rejections: Sequence[Rejection],
        now: datetime,
    ) -> list[Event]:
        """What happened to a file, and to each presentment that was singled out."""
        id_ = to_text("pfile", file.id)
        if file.state is FileState.REFUSED:
            return [
                self._event("presentment_file.refused", file.id, {"file": id_, "reason": file.problem}, now)
            ]
        told = {
            "file": id_,
            "accepted": file.accepted_minor,
            "rejected_count": file.rejected_count,
            "due": file.due_minor,
        }
        reasons = {each.arn: each.reason for each in rejections}
        return [
            self._event("presentment_file.acknowledged", file.id, told, now),
            *(
                self._event("presentment.rejected", each.id, _rejected(each, reasons[each.arn]), now)
                for each in rejected
            ),
        ]

    def _paid(self, file: PresentmentFile, now: datetime) -> Event:
        told = {
            "file": to_text("pfile", file.id),
            "received": file.received_minor,
            "due": file.due_minor,
            "payment": file.payment,
        }
        return self._event("presentment_file.paid", file.id, told, now)

    def _event(self, type_: str, subject: UUID, data: Json, now: datetime) -> Event:
        return Event(EventId(self._new_id()), type_, subject, data, now)


def _placement(receipt: Receipt, file: PresentmentFile) -> Placement:
    account = house_account(AccountKind.CARD_COMPANY_RECEIVABLE, _HOME, file.currency)
    return Placement(receipt.id, _HOME, account.id, receipt.open_minor, file.id)


def _rejected(presentment: Presentment, reason: str) -> Json:
    return {
        "presentment": to_text("pres", presentment.id),
        "payment": to_text("auth", presentment.authorization_id),
        "amount": presentment.amount.amount_minor,
        "currency": presentment.amount.currency,
        "reason": reason,
    }
