"""The outbox."""

from uuid import UUID

import pytest

from obverse.kit.clock import Clock
from obverse.kit.database import Database
from obverse.kit.events import Event, append, read_page
from obverse.kit.ids import EventId, NewId
from obverse.kit.paging import PageRequest


def make_event(new_id: NewId, clock: Clock, number: int) -> Event:
    data = {"no": number, "text": '원 " { \\', "nothing": None}
    kind = "card.issued" if number % 2 else "card.closed"
    return Event(EventId(new_id()), kind, UUID(int=number), data, clock.now())


async def test_events_come_back_as_they_were_written_newest_first(
    database: Database, clock: Clock, new_id: NewId
) -> None:
    events = sorted((make_event(new_id, clock, number) for number in range(5)), key=lambda event: event.id)
    async with database.transaction() as conn:
        await append(conn, events)
        await append(conn, [])
    async with database.connection() as conn:
        first = await read_page(conn, PageRequest(limit=3))
        rest = await read_page(conn, PageRequest(limit=3, after=first.next_after))
    assert [*first.items, *rest.items] == events[::-1]
    assert rest.next_after is None


async def test_an_event_of_a_transaction_that_rolled_back_does_not_exist(
    database: Database, clock: Clock, new_id: NewId
) -> None:
    async def stumble() -> None:
        async with database.transaction() as conn:
            await append(conn, [make_event(new_id, clock, 1)])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await stumble()
    async with database.connection() as conn:
        assert (await read_page(conn, PageRequest())).items == []
