"""Setting programmes up, changing them, and closing them."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

from msgspec.structs import replace

from obverse.kit import audit, events
from obverse.kit.audit import AuditEntry
from obverse.kit.clock import Clock
from obverse.kit.database import Connection, Database
from obverse.kit.events import Event
from obverse.kit.ids import AuditId, EventId, NewId, ProgrammeId, to_text
from obverse.kit.money import CurrencyCode
from obverse.kit.paging import Page, PageRequest
from obverse.programmes import repository, rules
from obverse.programmes.errors import ProgrammeNotFound
from obverse.programmes.model import Programme, ProgrammeState, Terms
from obverse.programmes.ports import KnownMerchants


class Programmes:
    """The products of this platform."""

    def __init__(
        self,
        database: Database,
        known_merchants: KnownMerchants,
        *,
        clock: Clock,
        new_id: NewId,
        currency: CurrencyCode,
    ) -> None:
        self._database = database
        self._known_merchants = known_merchants
        self._clock = clock
        self._new_id = new_id
        self._currency = currency

    async def create(self, terms: Terms, *, actor: str, reason: str) -> Programme:
        """Set up a programme that sells from now on (PP-15). Raises `InvalidRequest`."""
        rules.check_terms(terms)
        programme = Programme(
            id=ProgrammeId(self._new_id()),
            state=ProgrammeState.ACTIVE,
            currency=self._currency,
            created_at=self._clock.now(),
            **{name: getattr(terms, name) for name in Terms.__struct_fields__},
        )
        async with self._database.transaction() as conn:
            await self._check_merchants(conn, terms)
            await repository.insert(conn, programme)
            await self._tell(conn, "programme.created", programme, actor, reason)
        return programme

    async def change(
        self, programme_id: ProgrammeId, change: Callable[[Terms], Terms], *, actor: str, reason: str
    ) -> Programme:
        """Change the terms of what is bought from now on; cards that are out keep theirs (PP-15).

        `change` makes the new terms out of the present ones. What changes nothing is told nowhere.
        Raises `ProgrammeNotFound`, `ProgrammeClosed`, `InvalidRequest`.
        """
        async with self._held(programme_id) as (conn, programme):
            terms = change(rules.terms_of(programme))
            rules.check_terms(terms)
            await self._check_merchants(conn, terms)
            changed = rules.change(programme, terms)
            if told := rules.differences(programme, changed):
                await repository.update(conn, changed)
                await self._tell(conn, "programme.changed", changed, actor, reason, told)
        return changed

    async def close(self, programme_id: ProgrammeId, *, actor: str, reason: str) -> Programme:
        """Sell and charge nothing under it any more, for good; its cards are spent to their end.

        Repeating it changes nothing. Raises `ProgrammeNotFound`, `InvalidRequest`.
        """
        async with self._held(programme_id) as (conn, programme):
            closed = replace(programme, state=ProgrammeState.CLOSED)
            if closed != programme:
                await repository.update(conn, closed)
                await self._tell(conn, "programme.closed", closed, actor, reason)
        return closed

    async def get(self, programme_id: ProgrammeId) -> Programme:
        """Raises `ProgrammeNotFound`."""
        async with self._database.connection() as conn:
            return _present(await repository.load(conn, [programme_id]), programme_id)

    async def list(self, page: PageRequest) -> Page[Programme]:
        """All programmes, newest first, closed ones included."""
        async with self._database.connection() as conn:
            return await repository.find_page(conn, page)

    async def on_sale(self) -> Sequence[Programme]:
        """What can be bought or charged now, oldest first (PP-1)."""
        async with self._database.connection() as conn:
            return await repository.find_active(conn)

    @asynccontextmanager
    async def _held(self, programme_id: ProgrammeId) -> AsyncIterator[tuple[Connection, Programme]]:
        async with self._database.transaction() as conn:
            yield conn, _present(await repository.lock(conn, [programme_id]), programme_id)

    async def _check_merchants(self, conn: Connection, terms: Terms) -> None:
        if terms.merchants is not None:
            rules.check_merchants(terms, await self._known_merchants(conn, terms.merchants))

    async def _tell(
        self,
        conn: Connection,
        news: str,
        programme: Programme,
        actor: str,
        reason: str,
        told: Mapping[str, str] | None = None,
    ) -> None:
        now, id_ = self._clock.now(), to_text("prog", programme.id)
        entry = AuditEntry(
            id=AuditId(self._new_id()),
            actor=actor,
            action=news,
            subject=id_,
            reason=audit.check_reason(reason),
            created_at=now,
            data=told or {},
        )
        await audit.record(conn, [entry])
        event = Event(EventId(self._new_id()), news, programme.id, {"programme": id_, **(told or {})}, now)
        await events.append(conn, [event])


def _present(found: Mapping[ProgrammeId, Programme], programme_id: ProgrammeId) -> Programme:
    if (programme := found.get(programme_id)) is None:
        raise ProgrammeNotFound
    return programme
