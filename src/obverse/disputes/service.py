"""Disputes from the complaint to the end: each step is noted, then its money moved, then noted as done.

The note comes first and in a commit of its own; the engine's key is made from the dispute's id, so its step
happens once however often it is asked for. Whatever was killed in between is finished by `finish`.
"""

import asyncio
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Final

from obverse.authorization import Action, Authorization, Engine
from obverse.authorization.errors import NotRefundable, RefundTooLarge
from obverse.cards import Card, HeldBy
from obverse.disputes import repository, rules
from obverse.disputes.errors import AlreadyDisputed, DisputeNotFound, NotDisputable
from obverse.disputes.model import (
    Complaint,
    Dispute,
    Document,
    Ending,
    Opened,
    Outcome,
    Party,
    State,
    Terms,
)
from obverse.kit import audit, events
from obverse.kit.audit import AuditEntry
from obverse.kit.clock import Clock
from obverse.kit.database import Connection, Database
from obverse.kit.errors import KeyReused, NotFound
from obverse.kit.events import Event
from obverse.kit.ids import AuditId, CardId, DisputeId, EventId, MemberId, MerchantId, NewId, to_text
from obverse.kit.money import Money
from obverse.kit.paging import Page, PageRequest

_AT_ONCE: Final = 100
"""Disputes that the background takes up in one go."""

_NEWS: Final = {State.OPEN: "dispute.opened", State.CLOSED: "dispute.closed"}


class Disputes:
    """Charges that somebody contests."""

    def __init__(
        self, database: Database, engine: Engine, *, clock: Clock, new_id: NewId, terms: Terms
    ) -> None:
        self._database = database
        self._engine = engine
        self._clock = clock
        self._new_id = new_id
        self._terms = terms

    # opening -----------------------------------------------------------------------------------------------

    async def open(
        self, authorization: Authorization, card: Card, by: HeldBy, complaint: Complaint, *, key: str
    ) -> Opened:
        """Contest (a part of) a captured payment of this card, and credit it provisionally.

        `by` is who asks: it has to be whoever holds the card. Safe to repeat with the same `key`.

        Raises `CardHandedOver`, `InvalidRequest`, `NotDisputable`, `DisputeTooLate`, `DisputeTooLarge`,
        `AlreadyDisputed`, `KeyReused`, `Unavailable`.
        """
        rules.check_holder(card, by)
        rules.check_text(complaint.statement, "statement")
        fingerprint = rules.fingerprint(authorization.id, by, complaint)
        actions = await self._engine.actions_of(authorization)
        async with self._database.transaction() as conn:
            earlier = await repository.find_by_key(conn, key)
            if earlier is None:
                dispute = self._new(authorization, actions, card, complaint, (key, fingerprint))
                if not await repository.insert(conn, dispute, rules.WITHDRAWN_MAX):
                    # A twin with the same key may have come first; else the payment has been disputed.
                    earlier = await repository.find_by_key(conn, key)
                    if earlier is None:
                        raise AlreadyDisputed
        if earlier is not None:
            if earlier.fingerprint != fingerprint:
                raise KeyReused
            dispute = earlier
        opened = await self._completed(dispute)
        if opened.state is State.REFUSED:
            raise NotDisputable
        return Opened(opened, repeated=earlier is not None)

    def _new(
        self,
        authorization: Authorization,
        actions: Sequence[Action],
        card: Card,
        complaint: Complaint,
        request: tuple[str, bytes],
    ) -> Dispute:
        now = self._clock.now()
        amount_minor = rules.disputed_minor(
            authorization, complaint, actions=actions, terms=self._terms, now=now
        )
        assert authorization.merchant_id is not None, "a captured payment has a merchant"
        key, fingerprint = request
        return Dispute(
            id=DisputeId(self._new_id()),
            authorization_id=authorization.id,
            card_id=card.id,
            merchant_id=authorization.merchant_id,
            member_id=card.member_id,
            opened_by=card.held_by,
            amount=Money(amount_minor, authorization.amount.currency),
            reason=complaint.reason,
            statement=complaint.statement.strip(),
            state=State.OPENING,
            answer_due_at=now + self._terms.answer_time,
            answer=None,
            outcome=None,
            ended_by=None,
            ended_at=None,
            request_key=key,
            fingerprint=fingerprint,
            created_at=now,
        )

    # finding -----------------------------------------------------------------------------------------------

    async def get(self, dispute_id: DisputeId) -> Dispute:
        """One dispute, whoever may see it. Raises `DisputeNotFound`."""
        async with self._database.connection() as conn:
            return _present(await repository.load(conn, [dispute_id]), dispute_id)

    async def list(
        self,
        page: PageRequest,
        *,
        merchant_id: MerchantId | None = None,
        member_id: MemberId | None = None,
        card_id: CardId | None = None,
        opened_by: HeldBy | None = None,
        state: State | None = None,
    ) -> Page[Dispute]:
        """Disputes, newest first, narrowed by what is given."""
        async with self._database.connection() as conn:
            return await repository.find_page(
                conn,
                page,
                merchant_id=merchant_id,
                member_id=member_id,
                card_id=card_id,
                opened_by=opened_by,
                state=state,
            )

    # the merchant's side -----------------------------------------------------------------------------------

    async def answer(self, dispute_id: DisputeId, text: str) -> Dispute:
        """The merchant's answer, once and in time; the same text again changes nothing.

        Raises `DisputeNotFound`, `InvalidRequest`, `AnswerClosed`, `DisputeClosed`.
        """
        text = rules.check_text(text, "text")
        async with self._database.transaction() as conn:
            dispute = _present(await repository.lock(conn, [dispute_id]), dispute_id)
            if dispute.answer == text:
                return dispute
            rules.check_answerable(dispute, self._clock.now())
            await repository.save_answer(conn, dispute_id, text)
            answered = _present(await repository.load(conn, [dispute_id]), dispute_id)
            await self._announce(conn, "dispute.answered", [answered])
        return answered

    async def attach(self, dispute_id: DisputeId, name: str, media_type: str, content: bytes) -> Document:
        """Keep a document of the merchant's, before it answers; the same content again changes nothing.

        Raises `DisputeNotFound`, `InvalidRequest`, `DocumentNotAccepted`, `TooManyDocuments`,
        `AnswerClosed`, `DisputeClosed`.
        """
        rules.check_document(name, media_type, content)
        digest = sha256(content).digest()
        async with self._database.transaction() as conn:
            dispute = _present(await repository.lock(conn, [dispute_id]), dispute_id)
            documents = (await repository.documents_of(conn, [dispute_id])).get(dispute_id, [])
            known = next((document for document in documents if document.digest == digest), None)
            if known is not None:
                return known
            now = self._clock.now()
            rules.check_answerable(dispute, now)
            number = rules.next_number(documents)
            document = Document(dispute_id, number, name, media_type, len(content), digest, now)
            await repository.insert_document(conn, document, content)
        return document

    async def documents(self, dispute_ids: Sequence[DisputeId]) -> Mapping[DisputeId, Sequence[Document]]:
        """What was handed in for these disputes; those without documents are absent."""
        async with self._database.connection() as conn:
            return await repository.documents_of(conn, dispute_ids)

    async def document(self, dispute_id: DisputeId, number: int) -> tuple[Document, bytes]:
        """One document with its content. Raises `NotFound` where there is none of that number."""
        if 1 <= number <= rules.DOCUMENTS_MAX:
            async with self._database.connection() as conn:
                found = await repository.read_document(conn, dispute_id, number)
            if found is not None:
                return found
        raise NotFound("document")

    # ending ------------------------------------------------------------------------------------------------

    async def withdraw(self, dispute_id: DisputeId) -> Dispute:
        """Whoever opened it gives up: the member pays. Raises `DisputeNotFound`, `DisputeClosed`."""
        return await self._end(dispute_id, rules.WITHDRAWN)

    async def accept(self, dispute_id: DisputeId) -> Dispute:
        """The merchant gives in and pays. Raises `DisputeNotFound`, `DisputeClosed`."""
        return await self._end(dispute_id, rules.ACCEPTED)

    async def decide(self, dispute_id: DisputeId, outcome: Outcome, actor: str, reason: str) -> Dispute:
        """An operator decides, after the merchant has answered or has let its time pass.

        Raises `DisputeNotFound`, `DisputeClosed`, `AnswerPending`, `InvalidRequest` without a reason.
        """
        reason = audit.check_reason(reason)
        return await self._end(dispute_id, Ending(Party.OPERATOR, outcome), (actor, reason))

    async def _end(
        self, dispute_id: DisputeId, ending: Ending, on_record: tuple[str, str] | None = None
    ) -> Dispute:
        # The money has to be where the dispute says it is before it can go anywhere else.
        await self._completed(await self.get(dispute_id))
        async with self._database.transaction() as conn:
            dispute = _present(await repository.lock(conn, [dispute_id]), dispute_id)
            ended = rules.end(dispute, ending, self._clock.now())
            if ended is not dispute:
                await repository.save_end(conn, ended)
                if on_record is not None:
                    await self._record(conn, ended, *on_record)
        return await self._completed(ended)

    async def _record(self, conn: Connection, ended: Dispute, actor: str, reason: str) -> None:
        entry = AuditEntry(
            id=AuditId(self._new_id()),
            actor=actor,
            action="dispute.decided",
            subject=to_text("dis", ended.id),
            reason=reason,
            created_at=self._clock.now(),
            data={"outcome": ended.outcome or "", "amount": str(ended.amount.amount_minor)},
        )
        await audit.record(conn, [entry])

    # moving the money --------------------------------------------------------------------------------------

    async def finish(self) -> int:
        """Finish what a crash has left half done; returns how many disputes that were."""
        async with self._database.connection() as conn:
            begun = await repository.find_under_way(conn, _AT_ONCE)
        await self._complete(begun)
        return len(begun)

    async def mark_unanswered(self) -> int:
        """Note whose merchants have let their time pass, so that operators see them; returns how many."""
        async with self._database.transaction() as conn:
            overdue = await repository.mark_unanswered(conn, self._clock.now(), _AT_ONCE)
            await self._announce(conn, "dispute.unanswered", overdue)
        return len(overdue)

    async def _completed(self, dispute: Dispute) -> Dispute:
        """The dispute once its money is where it says. Raises what the engine raises."""
        if dispute.state in (State.OPENING, State.CLOSING):
            await self._complete([dispute])
            async with self._database.connection() as conn:
                return (await repository.load(conn, [dispute.id]))[dispute.id]
        return dispute

    async def _complete(self, begun: Sequence[Dispute]) -> None:
        """Have the engine move the money of these, then note what came of it; the first trouble is raised."""
        answers = await asyncio.gather(*[self._move(dispute) for dispute in begun], return_exceptions=True)
        moves = [
            (dispute, state)
            for dispute, state in zip(begun, answers, strict=True)
            if isinstance(state, State)
        ]
        if moves:
            async with self._database.transaction() as conn:
                moved = await repository.move(conn, moves)
                for state, news in _NEWS.items():
                    await self._announce(conn, news, [d for d in moved if d.state is state])
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer

    async def _move(self, dispute: Dispute) -> State:
        """One step of the engine, under a key that is the dispute's own; asked twice it happens once."""
        payment, amount_minor = dispute.authorization_id, dispute.amount.amount_minor
        if dispute.state is State.OPENING:
            try:
                await self._engine.open_dispute(payment, amount_minor, key=f"dispute:{dispute.id}")
            except (NotRefundable, RefundTooLarge):
                return State.REFUSED  # it was refunded or undone while the complaint was on its way
            return State.OPEN
        merchant_pays = dispute.outcome is Outcome.MERCHANT_PAYS
        key = f"dispute:{dispute.id}:end"
        await self._engine.close_dispute(payment, amount_minor, key=key, merchant_pays=merchant_pays)
        return State.CLOSED

    async def _announce(self, conn: Connection, type_: str, disputes: Sequence[Dispute]) -> None:
        now = self._clock.now()
        await events.append(
            conn, [Event(EventId(self._new_id()), type_, d.id, _data(d), now) for d in disputes]
        )


def _present(found: Mapping[DisputeId, Dispute], dispute_id: DisputeId) -> Dispute:
    dispute = found.get(dispute_id)
    if dispute is None or dispute.state is State.REFUSED:
        raise DisputeNotFound
    return dispute


def _data(dispute: Dispute) -> Mapping[str, object]:
    """What events tell: all that the merchant may know, and nothing of the card or its holder."""
    return {
        "dispute": to_text("dis", dispute.id),
        "payment": to_text("auth", dispute.authorization_id),
        "merchant": to_text("mer", dispute.merchant_id),
        "amount": dispute.amount.amount_minor,
        "currency": dispute.amount.currency,
        "reason": dispute.reason,
        "answer_due": dispute.answer_due_at,
        "outcome": dispute.outcome,
    }
