"""Issuers are told what became of their legs: at least once, in sets, and each for itself."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from tests.factories.cards import a_one_time_card
from tests.factories.points import points_house
from tests.factories.scripted_issuer import SECRET, Lie, ScriptedIssuer
from tests.factories.waiting import eventually
from tests.factories.wallet import House, a_member_with_credit_line

from obverse.kit.errors import Unavailable
from obverse.kit.ids import AuthorizationId, PartitionId, PointsMessageId, SourceId
from obverse.networks.points_issuer import PointsIssuerClient
from obverse.points import Courier, Directory, MessageKind, PointsMessage
from obverse.points.courier import LEASE, SILENT_AFTER
from obverse.points.repository import insert_messages
from obverse.points.rules import issuer_context

P0 = PartitionId(0)


@dataclass
class Desk:
    """A courier's surroundings: two issuers on sockets, messages in the database, an engine that listens."""

    house: House
    client: PointsIssuerClient
    sky: ScriptedIssuer
    star: ScriptedIssuer
    accounts: dict[str, SourceId]
    news: asyncio.Event = field(default_factory=asyncio.Event)
    undone: list[tuple[AuthorizationId, int]] = field(default_factory=list)
    engine_is_away: bool = False

    async def cancelled(
        self, partition_id: PartitionId, legs: Sequence[tuple[AuthorizationId, int]], /
    ) -> None:
        if self.engine_is_away:
            raise Unavailable
        self.undone += legs

    def courier(self) -> Courier:
        house = self.house
        return Courier(
            house.database,
            self.client,
            self.cancelled,
            clock=house.clock,
            new_id=house.new_id,
            news=self.news,
        )

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[Courier]:
        courier = self.courier()
        await courier.start()
        try:
            yield courier
        finally:
            await courier.stop()

    async def leave(
        self, issuer: str, kind: MessageKind, count: int = 1, units: int | None = None
    ) -> Sequence[PointsMessage]:
        """Commit messages about legs of their own, and tell the courier."""
        left = [
            PointsMessage(
                id=PointsMessageId(self.house.new_id()),
                partition_id=P0,
                source_id=self.accounts[issuer],
                authorization_id=AuthorizationId(uuid4()),
                position=2,
                reference=f"{issuer}-{kind}-{n}",
                kind=kind,
                created_at=self.house.clock.now(),
                units=units,
                units_before=0 if units is not None else None,
            )
            for n in range(count)
        ]
        async with self.house.database.transaction() as conn:
            await insert_messages(conn, P0, left)
        self.news.set()
        return left

    async def waiting(self) -> int:
        async with self.house.database.connection() as conn:
            found: int = await conn.fetchval("select count(*) from points_messages where done_at is null")
        return found

    async def until(self, waiting: int) -> None:
        async with asyncio.timeout(10):
            while await self.waiting() != waiting:  # noqa: ASYNC110 - it is in the database
                await asyncio.sleep(0.02)

    async def fetch(self, query: str) -> list[tuple]:
        async with self.house.database.connection() as conn:
            return [tuple(row) for row in await conn.fetch(query)]

    def move(self, by: timedelta) -> None:
        self.house.clock.move_to(self.house.clock.offset + by)


@pytest.fixture
async def desk(house: House) -> AsyncIterator[Desk]:
    member, _ = await a_member_with_credit_line(house)
    card, _ = await a_one_time_card(house, member.id)
    points = points_house(house)
    async with AsyncExitStack() as stack:
        scripted, accounts = {}, {}
        for name in ("sky", "star"):
            script = scripted[name] = await stack.enter_async_context(ScriptedIssuer())
            issuer = await points.issuer(url=script.stored.url)
            accounts[name] = (await points.account(member.id, issuer, card.id)).id
            secret = house.vault.seal(SECRET, issuer_context(issuer.id))
            async with house.database.connection() as conn:
                await conn.execute(
                    "update points_issuers set secret_key = $2, secret_sealed = $3 where id = $1",
                    issuer.id,
                    secret.key_version,
                    secret.ciphertext,
                )
        client = PointsIssuerClient(
            Directory(house.database),
            house.vault,
            now=lambda: datetime.now(UTC),
            new_id=house.new_id,
            timeout_s=0.5,
        )
        stack.push_async_callback(client.close)
        yield Desk(house, client, scripted["sky"], scripted["star"], accounts)


async def test_all_that_is_left_is_told_at_once_in_sets_and_the_engine_hears_what_is_undone(
    desk: Desk,
) -> None:
    async with desk.at_work():
        await desk.leave("sky", MessageKind.CONFIRM, 450)
        cancelled = await desk.leave("sky", MessageKind.CANCEL, 3)
        await desk.leave("star", MessageKind.GIVE_BACK, 2, units=30)
        await desk.until(waiting=0)
    told = [
        item["reference"] for body in desk.sky.asked_for("/confirmations") for item in body["confirmations"]
    ]
    assert sorted(told) == sorted(f"sky-confirm-{n}" for n in range(450))
    assert len(desk.sky.asked) <= 8
    assert sorted(desk.undone) == sorted((each.authorization_id, 2) for each in cancelled)
    (back,) = desk.star.asked_for("/cancellations")
    assert back["cancellations"][0] == {"reference": "star-give_back-0", "units": 30, "units_before": 0}


async def test_an_issuer_that_is_down_holds_up_no_other_and_is_told_when_it_is_back(desk: Desk) -> None:
    await desk.sky.shut()
    async with desk.at_work():
        await desk.leave("sky", MessageKind.CANCEL, 5)
        for n in range(3):
            await desk.leave("star", MessageKind.CONFIRM, 2)
            await desk.until(waiting=5)
            assert len(desk.star.asked) == n + 1
        await desk.sky.open()
        desk.move(timedelta(minutes=1))
        await desk.until(waiting=0)
    assert len(desk.undone) == 5


async def test_p09_a_courier_killed_between_sending_and_noting_leaves_it_to_the_next(desk: Desk) -> None:
    await desk.leave("sky", MessageKind.CANCEL, 3)
    desk.sky.delay_once_s = 0.2
    killed = desk.courier()
    await killed.start()
    await eventually(lambda: desk.sky.under_way == 1)
    for task in (killed._task, *killed._telling.values()):
        assert task is not None
        task.cancel()
    assert await desk.waiting() == 3
    desk.engine_is_away = True
    async with desk.at_work():
        await asyncio.sleep(0.3)
        assert len(desk.sky.asked) == 1, "others wait until the one who took it must have given up"
        desk.move(LEASE)
        await eventually(lambda: len(desk.sky.asked) == 2)
        await asyncio.sleep(0.1)
        assert await desk.waiting() == 3, "nothing is done before the engine knows"
        desk.engine_is_away = False
        desk.move(LEASE)
        await desk.until(waiting=0)
    bodies = desk.sky.asked_for("/cancellations")
    assert [item["reference"] for item in bodies[0]["cancellations"]] == [f"sky-cancel-{n}" for n in range(3)]
    assert bodies[0] == bodies[1] == bodies[2]


async def test_two_couriers_share_what_there_is(desk: Desk) -> None:
    await desk.leave("sky", MessageKind.CONFIRM, 1_000)
    async with desk.at_work(), desk.at_work():
        await desk.until(waiting=0)
    told = [
        item["reference"] for body in desk.sky.asked_for("/confirmations") for item in body["confirmations"]
    ]
    assert len(told) == len(set(told)) == 1_000


async def test_an_issuers_silence_is_told_once_an_hour(desk: Desk) -> None:
    desk.sky.lie = Lie.BROKEN
    courier = desk.courier()
    events = "select subject_id::text, data ->> 'messages' from events where type = 'points.issuer_silent'"
    await desk.leave("sky", MessageKind.CONFIRM, 2)
    await courier.watch()
    assert await desk.fetch(events) == []
    desk.move(SILENT_AFTER)
    for _ in range(2):
        await courier.watch()
        ((_, messages),) = await desk.fetch(events)
        assert messages == "2"
    desk.move(timedelta(hours=1))
    await courier.watch()
    assert len(await desk.fetch(events)) == 2


async def test_what_was_acknowledged_is_forgotten_after_a_month_and_nothing_else(desk: Desk) -> None:
    async with desk.at_work():
        await desk.leave("sky", MessageKind.CONFIRM, 2)
        await desk.until(waiting=0)
    left: Callable[[], object] = lambda: desk.fetch("select count(*) from points_messages")  # noqa: E731
    await desk.leave("sky", MessageKind.CANCEL)
    courier = desk.courier()
    desk.move(timedelta(days=29))
    await courier.forget()
    assert await left() == [(3,)]
    desk.move(timedelta(days=2))
    await courier.forget()
    assert await desk.fetch("select kind, done_at is null from points_messages") == [("cancel", True)]
