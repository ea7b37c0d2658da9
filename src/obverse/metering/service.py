"""Opening sessions, hearing of them, granting them more, and ending them."""

import asyncio
from collections.abc import Callable
from typing import Final

from obverse.authorization import Authorization, Decline, Status
from obverse.cards import Card
from obverse.cards import repository as card_rows
from obverse.cards.model import STORED_VALUE
from obverse.cards.rules import partition_of
from obverse.kit import events
from obverse.kit.clock import Clock
from obverse.kit.database import Connection, Database
from obverse.kit.errors import InvalidRequest, KeyReused, Unavailable
from obverse.kit.events import Event
from obverse.kit.ids import EventId, MerchantId, MeterSessionId, NewId, PartitionId, to_text
from obverse.kit.paging import Page, PageRequest
from obverse.kit.secret import Secret
from obverse.metering import repository, rules
from obverse.metering.errors import SessionNotFound, SessionOver, TariffNotFound
from obverse.metering.grants import Grants
from obverse.metering.model import (
    ENDING,
    LIVE,
    Answered,
    Credential,
    Grant,
    Metered,
    Opening,
    Report,
    Session,
    SessionState,
    Terms,
)
from obverse.vault import Vault

_AT_ONCE: Final = 20
_FIRST: Final = PartitionId(0)
_NEWS: Final = {
    SessionState.OPEN: "metered_session.opened",
    SessionState.CLOSED: "metered_session.closed",
    SessionState.CUT: "metered_session.cut",
}

_Change = Callable[[Session], Session]


class Metering:
    """Sessions that are charged while they run (PP-7).

    Everything may be repeated: what was used is told as a total, how far to go as a total, and each grant is
    a payment with a key of its own. What will be done is committed before it is done, so that a kill at any
    point leaves a session that its merchant, or time, can end.
    """

    def __init__(
        self,
        database: Database,
        grants: Grants,
        vault: Vault,
        *,
        clock: Clock,
        new_id: NewId,
        bin_: str,
        terms: Terms,
    ) -> None:
        self._database = database
        self._grants = grants
        self._vault = vault
        self._clock = clock
        self._new_id = new_id
        self._bin = bin_
        self._terms = terms

    # opening -----------------------------------------------------------------------------------------------

    async def open(self, opening: Opening, *, key: str) -> Metered:
        """Open a session and reserve its first piece; a decline is an answer (`SessionState.DECLINED`).

        A balance that is short grants what it can, and the session says that this is the last. The same key
        with the same opening gives the session as it stands now. Raises `TariffNotFound`, `InvalidRequest`,
        `KeyReused`, `Unavailable`.
        """
        fingerprint = self._fingerprint(opening)
        async with self._database.transaction() as conn:
            session = await repository.find_by_key(conn, key)
            repeated = session is not None
            if session is None:
                session = await self._new(conn, opening, key, fingerprint)
                if not await repository.insert(conn, session):
                    session, repeated = await repository.find_by_key(conn, key), True
        if session is None:
            raise InvalidRequest("This reference names another session.", "reference")
        if session.fingerprint != fingerprint:
            raise KeyReused
        if session.state is SessionState.OPENING:
            session = await self._ask(session, opening.credential)
        return Metered(session, repeated)

    async def _new(self, conn: Connection, opening: Opening, key: str, fingerprint: bytes) -> Session:
        now = self._clock.now()
        tariff = await repository.tariff_in_effect(conn, opening.merchant.id, opening.tariff, now)
        if tariff is None:
            raise TariffNotFound
        card = await self._card_of(conn, opening.credential.number)
        # What is not stored cannot be reserved piece by piece.
        refused = card is not None and card.kind not in STORED_VALUE
        piece_minor = rules.cost_minor(tariff, rules.piece(tariff, opening.seconds))
        valid_until = now + self._terms.validity
        return Session(
            id=MeterSessionId(self._new_id()),
            partition_id=card.partition_id if card is not None else _FIRST,
            merchant_id=opening.merchant.id,
            card_id=card.id if card is not None else None,
            tariff=tariff,
            reference=opening.reference,
            state=SessionState.DECLINED if refused else SessionState.OPENING,
            used_seconds=0,
            is_last=False,
            decline=Decline.NOT_ACCEPTED_HERE if refused else None,
            valid_until=valid_until,
            due_at=None if refused else valid_until + self._terms.grace,
            request_key=key,
            fingerprint=fingerprint,
            created_at=now,
            grants=[] if refused else [rules.new_grant(1, piece_minor, now)],
        )

    async def _card_of(self, conn: Connection, number: Secret) -> Card | None:
        serial = self._vault.serial_of(number, self._bin)
        if serial is None:
            return None
        partition_id = partition_of(serial)
        hashes = [keyed.digest for keyed in self._vault.number_hashes(number)]
        found = await card_rows.find(conn, partition_id, hashes, [])
        if not found and self._vault.reload_if_changed():
            hashes = [keyed.digest for keyed in self._vault.number_hashes(number)]
            found = await card_rows.find(conn, partition_id, hashes, [])
        return found[0] if found else None

    # while it runs -----------------------------------------------------------------------------------------

    async def get(self, session_id: MeterSessionId) -> Session:
        """Any session; whose it is, is the door's question. Raises `SessionNotFound`."""
        async with self._database.connection() as conn:
            session = (await repository.load(conn, [session_id])).get(session_id)
        if session is None:
            raise SessionNotFound
        return session

    async def find(self, merchant_id: MerchantId, reference: str) -> Session:
        """A merchant's session by the merchant's own name for it. Raises `SessionNotFound`."""
        async with self._database.connection() as conn:
            session = await repository.find_by_reference(conn, merchant_id, reference)
        if session is None:
            raise SessionNotFound
        return session

    async def list(
        self, merchant_id: MerchantId, page: PageRequest, reference: str | None = None
    ) -> Page[Session]:
        """A merchant's sessions, newest first; with a reference, the one it names."""
        async with self._database.connection() as conn:
            return await repository.find_page(conn, page, merchant_id, reference)

    async def consume(self, session_id: MeterSessionId, used_seconds: int) -> Session:
        """Hear how much was used in all. Late, repeated and smaller reports change nothing.

        Raises `SessionNotFound`, `Unavailable`.
        """
        heard = await self._change(session_id, lambda session: self._heard(session, used_seconds))
        return await self._carry_out(heard)

    async def extend(self, session_id: MeterSessionId, used_seconds: int, until_seconds: int) -> Session:
        """Hear how much was used in all, and reserve so much that it may go on until `until_seconds`.

        Raises `SessionNotFound`, `SessionOver`, `Unavailable`.
        """
        heard = await self._change(session_id, lambda session: self._heard(session, used_seconds))
        return await self._go_on(heard, until_seconds)

    async def close(self, session_id: MeterSessionId, used_seconds: int | None = None) -> Session:
        """End the session: what was used is captured, the rest released. Closing again changes nothing.

        Raises `SessionNotFound`, `Unavailable`.
        """
        heard = await self._change(session_id, lambda session: self._heard(session, used_seconds))
        return await self._end(heard, SessionState.CLOSING)

    # numbered reports --------------------------------------------------------------------------------------

    async def answer_opening(self, session: Session, number: int) -> Answered:
        """Note what the opening's own number was answered with, or tell what it was before."""
        async with self._database.transaction() as conn:
            report = Report(number, 0, None)
            await repository.note_report(conn, session.id, report, None, self._clock.now())
            return await self._answered(conn, session, number)

    async def report(self, session_id: MeterSessionId, report: Report) -> Answered:
        """As `consume` and `extend`, for a report with a number that tells what was used since the last.

        The same number again is counted once and answered the same. Raises `SessionNotFound`, `SessionOver`,
        `Unavailable`.
        """
        async with self._database.transaction() as conn:
            session = await self._lock(conn, session_id)
            earlier = await repository.find_report(conn, session_id, report.number)
            if earlier is None:
                session, until = await self._take_in(conn, session, report)
            else:
                until, granted, is_last = earlier
                if granted is not None and is_last is not None:
                    return Answered(session, granted, is_last)
        session = await self._carry_out(session) if until is None else await self._go_on(session, until)
        async with self._database.transaction() as conn:
            return await self._answered(conn, session, report.number)

    async def _take_in(
        self, conn: Connection, session: Session, report: Report
    ) -> tuple[Session, int | None]:
        if session.state not in LIVE:
            raise SessionOver
        used = session.used_seconds + report.used_seconds
        wanted = report.seconds
        until = None if wanted is None else used + rules.piece(session.tariff, wanted)
        until = until if until is None else min(until, rules.SECONDS_MAX)
        await repository.note_report(conn, session.id, report, until, self._clock.now())
        heard = self._heard(session, used)
        await repository.save(conn, heard)
        return heard, until

    async def _answered(self, conn: Connection, session: Session, number: int) -> Answered:
        left = max(0, rules.granted_seconds(session) - session.used_seconds)
        granted, is_last = await repository.answer_report(
            conn, session.id, number, left, is_last=session.is_last
        )
        return Answered(session, granted, is_last)

    # what runs by itself -----------------------------------------------------------------------------------

    async def sweep(self) -> int:
        """Cut sessions that were silent for too long, and end what a crash has left; returns how many."""
        swept = 0
        while True:
            async with self._database.connection() as conn:
                due = await repository.find_due(conn, self._clock.now(), _AT_ONCE)
            outcomes = await asyncio.gather(*[self._cut(id_) for id_ in due], return_exceptions=True)
            # One that cannot be ended must not take the others down with it.
            for trouble in outcomes:
                if isinstance(trouble, BaseException):
                    raise trouble
            swept += len(due)
            if len(due) < _AT_ONCE:
                return swept

    async def _cut(self, session_id: MeterSessionId) -> None:
        await self._end(await self.get(session_id), SessionState.CUTTING, only_if_due=True)

    # how it is done ----------------------------------------------------------------------------------------

    async def _go_on(self, session: Session, until_seconds: int) -> Session:
        """Grant what is missing until then, after what was asked before and nobody noted the answer of."""
        session = await self._resume(session)
        if session.state not in LIVE:
            raise SessionOver
        now = self._clock.now()
        session = await self._change(session.id, lambda each: rules.ask_more(each, until_seconds, now))
        return await self._carry_out(await self._ask(session))

    async def _resume(self, session: Session) -> Session:
        """Note what the engine said to a question whose answer was lost; ask again where it never came."""
        grant = rules.pending(session)
        if grant is None or session.state not in LIVE:
            return session
        payment = await self._grants.asked_before(session, grant)
        if payment is not None:
            return await self._note(session, grant, payment)
        # Nobody here knows what the holder has shown: whoever opened has to repeat it.
        return session if session.state is SessionState.OPENING else await self._ask(session)

    async def _ask(self, session: Session, shown: Credential | None = None) -> Session:
        """Have the grant decided that is to be asked for, if there is one."""
        grant = rules.pending(session)
        if grant is None or session.state not in LIVE:
            return session
        return await self._note(session, grant, await self._grants.ask(session, grant, shown))

    async def _note(self, session: Session, grant: Grant, payment: Authorization) -> Session:
        if payment.status is Status.PROCESSING:
            raise Unavailable
        now = self._clock.now()
        noted = await self._change(session.id, lambda each: rules.answered(each, grant.number, payment, now))
        return await self._carry_out(noted)

    async def _end(self, session: Session, state: SessionState, *, only_if_due: bool = False) -> Session:
        now = self._clock.now()

        def ending(each: Session) -> Session:
            is_due = each.due_at is not None and each.due_at <= now
            return rules.end(each, state, now) if is_due or not only_if_due else each

        return await self._carry_out(await self._change(session.id, ending))

    async def _carry_out(self, session: Session) -> Session:
        """Do what is decided and not done: end payments, undo what was asked too late, end the session."""
        ends = session.state in ENDING
        left = [
            *rules.settling(session),
            *([pending] if ends and (pending := rules.pending(session)) else []),
        ]
        if not left and not ends:
            return session
        captured = {grant.number: await self._grants.end(session, grant) for grant in left}
        now = self._clock.now()
        return await self._change(session.id, lambda each: rules.ended(rules.settled(each, captured), now))

    def _heard(self, session: Session, used_seconds: int | None) -> Session:
        return rules.heard(session, used_seconds, self._clock.now(), self._terms)

    async def _change(self, session_id: MeterSessionId, change: _Change) -> Session:
        """One commit over one session, with the news that it makes."""
        async with self._database.transaction() as conn:
            before = await self._lock(conn, session_id)
            after = change(before)
            if after != before:
                await repository.save(conn, after)
            # What never was opened is no news: who asked may have shown nothing but a number.
            if after.state is not before.state and after.state in _NEWS and rules.granted_minor(after):
                await self._announce(conn, after)
        return after

    async def _lock(self, conn: Connection, session_id: MeterSessionId) -> Session:
        session = (await repository.lock(conn, [session_id])).get(session_id)
        if session is None:
            raise SessionNotFound
        return session

    async def _announce(self, conn: Connection, session: Session) -> None:
        data = {
            "metered_session": to_text("mses", session.id),
            "merchant": to_text("mer", session.merchant_id),
            "card": to_text("card", session.card_id) if session.card_id is not None else None,
            "tariff": session.tariff.name,
            "used_seconds": session.used_seconds,
            "cost": rules.charged_minor(session),
            "currency": session.tariff.currency,
        }
        now = self._clock.now()
        await events.append(
            conn, [Event(EventId(self._new_id()), _NEWS[session.state], session.id, data, now)]
        )

    def _fingerprint(self, opening: Opening) -> bytes:
        """A keyed hash of what a repeat must have in common with the first request (P6)."""
        shown = opening.credential
        facts = (
            shown.number.reveal(),
            shown.pin.reveal() if shown.pin is not None else "",
            shown.expiry or "",
            shown.cvv.reveal() if shown.cvv is not None else "",
            opening.merchant.id.hex,
            opening.tariff,
            str(opening.seconds),
            opening.reference or "",
        )
        return self._vault.token_hash(Secret("|".join(facts)))[:16]
