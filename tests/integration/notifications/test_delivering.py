"""Every committed event reaches every endpoint that wants it, whatever the receivers do."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace
from tests.factories.waiting import eventually
from tests.factories.webhooks import DECLINE_CODES, URL, WebhookHouse, at_work, payment_event

from obverse.kit import events
from obverse.kit.database import Connection
from obverse.kit.ids import EndpointId, MerchantId, to_text
from obverse.kit.paging import PageRequest
from obverse.notifications import (
    Courier,
    Delivery,
    DeliveryState,
    EndpointState,
    FanOut,
    Problem,
    Replay,
    ReplayRunning,
    ReplayState,
    sweep,
)
from obverse.notifications.jobs import LEASE, SENDING_EACH_MAX, SENDING_MAX
from obverse.notifications.repository import fan_out
from obverse.notifications.rules import RETRIES

SHOP, OTHER = MerchantId(UUID(int=10)), MerchantId(UUID(int=11))
PAGE = PageRequest(limit=100)


async def endpoint_at(
    house: WebhookHouse, url: str = URL, merchant_id: MerchantId | None = None
) -> EndpointId:
    return (await house.webhooks.register(url, merchant_id=merchant_id))[0].id


async def log_of(house: WebhookHouse, endpoint_id: EndpointId) -> list[Delivery]:
    return list((await house.webhooks.deliveries(endpoint_id, None, PAGE)).items)


async def until(house: WebhookHouse, condition: Callable[[], Awaitable[bool]]) -> None:
    deadline = time.monotonic() + 10
    while not await condition():
        assert time.monotonic() < deadline, "not true after 10 s"
        await asyncio.sleep(0.01)


async def until_nothing_is_pending(house: WebhookHouse) -> None:
    async def done() -> bool:
        return not await house.fetch("select 1 from webhook_deliveries where state = 'pending' limit 1")

    await until(house, done)


async def until_tried(house: WebhookHouse, endpoint_id: EndpointId, attempts: int) -> Delivery:
    async def tried() -> bool:
        return (await log_of(house, endpoint_id))[0].attempts == attempts

    await until(house, tried)
    return (await log_of(house, endpoint_id))[0]


# From the outbox to endpoints


async def test_p13_every_event_is_sent_once_to_each_that_wants_it(house: WebhookHouse) -> None:
    urls = {f"{URL}/{name}": who for name, who in (("all", None), ("shop", SHOP), ("other", OTHER))}
    for url, merchant_id in urls.items():
        await endpoint_at(house, url, merchant_id)
    of_shop = await house.happen(*(house.event(SHOP) for _ in range(30)))
    of_other = await house.happen(*(house.event(OTHER) for _ in range(20)))
    of_nobody = await house.happen(*(house.event(None, "card.issued") for _ in range(10)))
    async with at_work(house):
        await house.fan_out.run()
        await until_nothing_is_pending(house)
    assert Counter(house.sender.ids(f"{URL}/all")) == Counter(of_shop + of_other + of_nobody)
    assert Counter(house.sender.ids(f"{URL}/shop")) == Counter(of_shop)
    assert Counter(house.sender.ids(f"{URL}/other")) == Counter(of_other)


async def test_p13_an_event_that_becomes_visible_late_is_not_missed(house: WebhookHouse) -> None:
    """Ids and transactions go one way, commits the other: the first to begin is the last to commit."""
    await endpoint_at(house)
    early, late = house.event(SHOP), house.event(SHOP)
    async with house.database.transaction() as slow:
        await events.append(slow, [early])
        await house.happen(late)
        await house.fan_out.run()
        await house.happen(*(house.event(SHOP) for _ in range(3)))
        await house.fan_out.run()
    await house.fan_out.run()
    rows = await house.fetch("select event_id from webhook_deliveries")
    assert len(rows) == 5
    assert {early.id, late.id} <= {row["event_id"] for row in rows}


async def test_p13_batches_that_end_in_the_middle_of_a_transaction_lose_nothing(
    house: WebhookHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("obverse.notifications.jobs.BATCH", 7)
    await endpoint_at(house)
    for size in (20, 1, 7, 14):
        await house.happen(*(house.event(SHOP) for _ in range(size)))
    await asyncio.gather(*(house.fan_out.run() for _ in range(4)))
    await house.fan_out.run()
    (row,) = await house.fetch(
        "select count(*), count(distinct event_id) as different from webhook_deliveries"
    )
    assert (row["count"], row["different"]) == (42, 42)


async def test_what_happened_before_an_endpoint_was_registered_is_history_to_it(house: WebhookHouse) -> None:
    await house.happen(house.event(SHOP))
    await endpoint_at(house)
    (after,) = await house.happen(house.event(SHOP))
    async with at_work(house):
        await house.fan_out.run()
        await until_nothing_is_pending(house)
    assert house.sender.ids() == [after]


async def test_what_happens_while_an_endpoint_is_disabled_is_sent_by_a_replay_only(
    house: WebhookHouse,
) -> None:
    id_ = await endpoint_at(house)
    since = house.clock.now()
    await house.webhooks.disable(id_, None)
    (missed,) = await house.happen(house.event(SHOP))
    await house.fan_out.run()
    await house.webhooks.enable(id_, None)
    await house.webhooks.enable(id_, None)
    (heard,) = await house.happen(house.event(SHOP))
    async with at_work(house):
        await house.fan_out.run()
        await until_nothing_is_pending(house)
        assert house.sender.ids() == [heard]
        await house.webhooks.replay(id_, None, since)
        await house.fan_out.run()
        await until_nothing_is_pending(house)
    assert Counter(house.sender.ids()) == {heard: 2, missed: 1}


async def test_looking_for_news_that_is_not_there_writes_nothing(house: WebhookHouse) -> None:
    await endpoint_at(house)
    before = await house.fetch("select ctid, xmin::text from event_readers")
    for _ in range(5):
        await house.fan_out.run()
    assert await house.fetch("select ctid, xmin::text from event_readers") == before


# Trying again


async def test_a_delivery_is_tried_by_the_platforms_clock_until_it_gets_through(house: WebhookHouse) -> None:
    id_ = await endpoint_at(house)
    house.sender.answer = 500
    (sent,) = await house.happen(house.event(SHOP))
    async with at_work(house):
        await house.fan_out.run()
        first = await until_tried(house, id_, 1)
        assert (first.state, first.response_status, first.problem) == ("pending", 500, Problem.STATUS)
        assert first.last_at is not None
        assert first.next_at is not None
        assert timedelta() <= first.last_at + RETRIES[0] - first.next_at < timedelta(seconds=1)
        assert (await house.webhooks.get(id_, None)).failing_since is not None
        house.clock.move_to(house.clock.offset + RETRIES[0])
        await until_tried(house, id_, 2)
        house.sender.answer = 204
        house.clock.move_to(house.clock.offset + RETRIES[1])
        last = await until_tried(house, id_, 3)
    assert (last.state, last.response_status, last.problem) == ("delivered", 204, None)
    assert last.next_at is None
    assert (await house.webhooks.get(id_, None)).failing_since is None
    assert house.sender.ids() == [sent] * 3
    assert len({message.body for message in house.sender.sent}) == 1


async def test_after_three_days_of_nothing_but_failures_an_endpoint_is_given_up(house: WebhookHouse) -> None:
    id_ = await endpoint_at(house, merchant_id=SHOP)
    operators = await endpoint_at(house, URL + "/operator")
    house.sender.answers[URL] = Problem.TIMEOUT
    await house.happen(house.event(SHOP))
    async with at_work(house):
        await house.fan_out.run()
        for attempt, wait in enumerate(RETRIES, 1):
            await until_tried(house, id_, attempt)
            house.clock.move_to(house.clock.offset + wait)
        given_up = await until_tried(house, id_, len(RETRIES) + 1)
        await house.fan_out.run()
        await until_nothing_is_pending(house)
    assert (given_up.state, given_up.problem) == (DeliveryState.FAILED, Problem.TIMEOUT)
    (disabled,) = (await house.webhooks.list(PAGE, None, EndpointState.DISABLED)).items
    assert (disabled.id, disabled.failing_since is not None) == (id_, True)
    told = [message for message in house.sender.sent if message.url == URL + "/operator"][-1]
    assert json.loads(told.body)["type"] == "webhook_endpoint.disabled"
    assert json.loads(told.body)["data"] == {
        "endpoint": to_text("whe", id_),
        "merchant": to_text("mer", SHOP),
    }
    assert (await house.webhooks.get(operators, None)).state is EndpointState.ENABLED


async def test_one_delivery_that_never_gets_through_does_not_disable_an_endpoint_that_works(
    house: WebhookHouse,
) -> None:
    id_ = await endpoint_at(house)
    house.sender.answer = 500
    (unwanted,) = await house.happen(house.event(SHOP))

    async def tried(times: int) -> bool:
        return house.sender.ids().count(unwanted) == times and _under_way(house) == 0

    async with at_work(house):
        await house.fan_out.run()
        for times, wait in enumerate(RETRIES, 1):
            await until(house, lambda times=times: tried(times))
            if times == len(RETRIES):
                house.sender.answer = 200
                await house.webhooks.test(id_, None)
                await until(house, lambda: _is_well(house, id_))
                house.sender.answer = 500
            house.clock.move_to(house.clock.offset + wait + timedelta(seconds=1))
        await until_nothing_is_pending(house)
    assert [each.state for each in await log_of(house, id_)] == ["delivered", "failed"]
    assert (await house.webhooks.get(id_, None)).state is EndpointState.ENABLED


def _under_way(house: WebhookHouse) -> int:
    return len(house.courier._sending) + len(house.courier._came_of_it)


async def _is_well(house: WebhookHouse, id_: EndpointId) -> bool:
    return (await house.webhooks.get(id_, None)).failing_since is None


async def test_an_endpoint_that_says_it_is_gone_is_given_up_at_once(house: WebhookHouse) -> None:
    id_ = await endpoint_at(house)
    house.sender.answer = 410
    await house.happen(house.event(SHOP))
    async with at_work(house):
        await house.fan_out.run()
        delivery = await until_tried(house, id_, 1)
    assert delivery.state is DeliveryState.FAILED
    assert (await house.webhooks.get(id_, None)).state is EndpointState.DISABLED


# Many at once


async def test_an_endpoint_gets_so_many_at_a_time_and_one_while_it_fails(house: WebhookHouse) -> None:
    await endpoint_at(house)
    house.sender.hold = asyncio.Event()
    await house.happen(*(house.event(SHOP) for _ in range(3 * SENDING_EACH_MAX)))
    async with at_work(house):
        await house.fan_out.run()
        await eventually(lambda: house.sender.under_way == SENDING_EACH_MAX)
        house.sender.hold.set()
        await until_nothing_is_pending(house)
        assert house.sender.most_under_way == SENDING_EACH_MAX

        house.sender.answer, house.sender.hold = 500, None
        await house.happen(house.event(SHOP))
        await house.fan_out.run()
        await until(house, lambda: _is_failing(house))
        house.sender.most_under_way, house.sender.hold = 0, asyncio.Event()
        await house.happen(*(house.event(SHOP) for _ in range(5)))
        await house.fan_out.run()
        await eventually(lambda: house.sender.under_way == 1)
        await asyncio.sleep(0.3)
        assert house.sender.most_under_way == 1
        house.sender.hold.set()


async def _is_failing(house: WebhookHouse) -> bool:
    return any(e.failing_since for e in (await house.webhooks.list(PAGE, None)).items)


async def test_endpoints_that_never_answer_do_not_hold_up_the_others(house: WebhookHouse) -> None:
    """More of them than there is room for at eight each would be needed to fill a courier."""
    for number in range(10):
        await endpoint_at(house, f"{URL}/slow{number}")
    await endpoint_at(house, URL + "/quick", SHOP)
    silent = asyncio.Event()
    quick, send = house.sender, house.sender.send

    async def send_slowly(message):  # type: ignore[no-untyped-def]
        if "slow" in message.url:
            await silent.wait()
        return await send(message)

    quick.send = send_slowly  # type: ignore[method-assign]
    ids = await house.happen(*(house.event(SHOP) for _ in range(100)))
    async with at_work(house):
        await house.fan_out.run()
        await eventually(lambda: Counter(house.sender.ids(URL + "/quick")) == Counter(ids))
        silent.set()
    assert SENDING_MAX > 10 * SENDING_EACH_MAX


@asynccontextmanager
async def more_couriers(house: WebhookHouse, number: int) -> AsyncIterator[list[Courier]]:
    """What other processes would run."""
    async with AsyncExitStack() as stack:
        couriers = [
            Courier(house.database, house.vault, house.sender, house.clock, house.new_id, DECLINE_CODES)
            for _ in range(number)
        ]
        for courier in couriers:
            await courier.start()
            stack.push_async_callback(courier.stop)
        yield couriers


async def test_several_processes_share_the_work_and_send_nothing_twice(house: WebhookHouse) -> None:
    for number in range(3):
        await endpoint_at(house, f"{URL}/{number}")
    ids = await house.happen(*(house.event(SHOP) for _ in range(200)))
    others = [FanOut(house.database, house.clock, house.new_id, lambda: None) for _ in range(3)]
    async with more_couriers(house, 4):
        await asyncio.gather(*(each.run() for each in others))
        await house.fan_out.run()
        await until_nothing_is_pending(house)
    assert Counter(house.sender.ids()) == Counter(ids * 3)


async def test_p13_what_a_process_took_on_and_never_sent_another_sends(house: WebhookHouse) -> None:
    await endpoint_at(house)
    ids = await house.happen(*(house.event(SHOP) for _ in range(5)))
    await house.fan_out.run()
    house.sender.hold = asyncio.Event()
    await house.courier.start()
    await eventually(lambda: house.sender.under_way == 5)
    house.courier._task.cancel()  # type: ignore[union-attr]
    for task in list(house.courier._sending):
        task.cancel()
    house.sender.sent.clear()
    house.sender.hold = None
    async with more_couriers(house, 1):
        await asyncio.sleep(0.3)
        assert house.sender.sent == [], "its lease is not over yet"
        house.clock.move_to(LEASE)
        await until_nothing_is_pending(house)
    assert Counter(house.sender.ids()) == Counter(ids)


async def test_p13_outages_of_the_database_delay_and_lose_nothing(
    house: WebhookHouse, cut_connections: Callable[[], Awaitable[None]]
) -> None:
    id_ = await endpoint_at(house)
    sent: list[str] = []
    async with at_work(house):
        for _ in range(3):
            sent += await house.happen(*(house.event(SHOP) for _ in range(20)))
            await house.fan_out.run()
            await cut_connections()
            await asyncio.sleep(0.05)

        async def all_there() -> bool:
            house.clock.move_to(house.clock.offset + timedelta(seconds=10))
            log = await log_of(house, id_)
            return len(log) == 60 and all(each.state is DeliveryState.DELIVERED for each in log)

        await until(house, all_there)
    assert set(house.sender.ids()) == set(sent)


# By hand


async def test_a_test_event_goes_to_one_endpoint_only(house: WebhookHouse) -> None:
    id_ = await endpoint_at(house, merchant_id=SHOP)
    await endpoint_at(house, URL + "/operator")
    delivery = await house.webhooks.test(id_, SHOP)
    async with at_work(house):
        await house.fan_out.run()
        await until_nothing_is_pending(house)
    (message,) = house.sender.sent
    assert (message.url, json.loads(message.body)["type"]) == (URL, "webhook_endpoint.tested")
    assert message.id == to_text("evt", delivery.event_id)


async def test_a_delivery_that_was_given_up_is_sent_again_by_hand_under_the_same_id(
    house: WebhookHouse,
) -> None:
    id_ = await endpoint_at(house, merchant_id=SHOP)
    house.sender.answer = 410
    (event,) = await house.happen(house.event(SHOP))
    async with at_work(house):
        await house.fan_out.run()
        failed = await until_tried(house, id_, 1)
        await house.webhooks.enable(id_, SHOP)
        house.sender.answer = 200
        again = await house.webhooks.resend(id_, failed.id, SHOP)
        assert (again.state, again.attempts) == (DeliveryState.PENDING, 0)
        await until_nothing_is_pending(house)
        await house.webhooks.resend(id_, failed.id, SHOP)
        await until_nothing_is_pending(house)
    assert house.sender.ids() == [event] * 3


async def test_the_log_is_paged_and_filtered(house: WebhookHouse) -> None:
    id_ = await endpoint_at(house)
    ids = await house.happen(*(house.event(SHOP) for _ in range(5)))
    async with at_work(house):
        await house.fan_out.run()
        await until_nothing_is_pending(house)
    house.sender.answer = 500
    await house.webhooks.test(id_, None)
    first = await house.webhooks.deliveries(id_, None, PageRequest(limit=2))
    assert first.next_after is not None
    delivered = await house.webhooks.deliveries(id_, None, PAGE, DeliveryState.DELIVERED)
    assert {to_text("evt", each.event_id) for each in delivered.items} == set(ids)
    pending = await house.webhooks.deliveries(id_, None, PAGE, DeliveryState.PENDING)
    assert [each.event_type for each in pending.items] == ["webhook_endpoint.tested"]


async def test_a_replay_sends_everything_of_its_time_again_and_nothing_else(
    house: WebhookHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("obverse.notifications.jobs.BATCH", 7)
    id_ = await endpoint_at(house, merchant_id=SHOP)
    await house.happen(*(house.event(SHOP) for _ in range(3)))
    house.clock.move_to(timedelta(hours=1))
    since = house.clock.now()
    ids = await house.happen(*(house.event(SHOP) for _ in range(20)))
    await house.happen(*(house.event(OTHER) for _ in range(5)), house.event(SHOP, "card.closed"))
    async with at_work(house):
        await house.fan_out.run()
        await until_nothing_is_pending(house)
        house.sender.sent.clear()
        house.clock.move_to(timedelta(hours=2))
        replay = await house.webhooks.replay(id_, SHOP, since)
        with pytest.raises(ReplayRunning):
            await house.webhooks.replay(id_, SHOP, since)
        meanwhile = await house.happen(house.event(SHOP))
        await house.fan_out.run()
        await until_nothing_is_pending(house)
    assert (replay.state, replay.deliveries) == (ReplayState.RUNNING, 0)
    (done,) = (await house.webhooks.replays(id_, SHOP, PAGE)).items
    assert (done.id, done.state, done.deliveries) == (replay.id, ReplayState.DONE, 20)
    assert Counter(house.sender.ids()) == Counter(ids + meanwhile)
    await house.webhooks.replay(id_, SHOP, since)


async def test_p13_news_does_not_wait_for_a_replay_to_end(
    house: WebhookHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("obverse.notifications.jobs.BATCH", 5)
    id_ = await endpoint_at(house, merchant_id=SHOP)
    since = house.clock.now()
    await house.happen(*(house.event(SHOP) for _ in range(20)))
    house.clock.move_to(timedelta(hours=1))
    await house.webhooks.replay(id_, SHOP, since)
    news, due = house.event(SHOP), []
    read_between = fan_out.read_between

    async def while_something_happens(*args: Any) -> Any:
        if not due:
            await house.happen(news)
        due.append(await house.fetch("select 1 from webhook_deliveries where event_id = $1", news.id))
        return await read_between(*args)

    monkeypatch.setattr(fan_out, "read_between", while_something_happens)
    await house.fan_out.run()
    assert [len(found) for found in due] == [0, 1, 1, 1, 1]


async def test_a_replay_goes_by_the_time_of_events_and_not_by_that_of_their_ids(house: WebhookHouse) -> None:
    id_ = await endpoint_at(house, merchant_id=SHOP)
    early = house.event(SHOP)
    house.clock.move_to(timedelta(minutes=30))
    since = house.clock.now()
    await house.happen(replace(early, created_at=since))
    house.clock.move_to(timedelta(hours=1))
    await house.webhooks.replay(id_, SHOP, since)
    await house.fan_out.run()
    (done,) = (await house.webhooks.replays(id_, SHOP, PAGE)).items
    assert (done.state, done.deliveries) == (ReplayState.DONE, 1)


async def test_of_two_replays_the_one_nearer_to_its_end_goes_first(
    house: WebhookHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("obverse.notifications.jobs.BATCH", 5)
    long, short = [await endpoint_at(house, merchant_id=SHOP) for _ in range(2)]
    begin = house.clock.now()
    await house.happen(*(house.event(SHOP) for _ in range(20)))
    house.clock.move_to(timedelta(hours=1))
    recently = house.clock.now()
    await house.happen(house.event(SHOP))
    house.clock.move_to(timedelta(hours=2))
    await house.webhooks.replay(long, SHOP, begin)
    await house.webhooks.replay(short, SHOP, recently)
    save_replay, worked_on = fan_out.save_replay, []

    async def noted(conn: Connection, replay: Replay) -> None:
        worked_on.append(replay.endpoint_id)
        await save_replay(conn, replay)

    monkeypatch.setattr(fan_out, "save_replay", noted)
    await house.fan_out.run()
    assert worked_on == [short, *[long] * 5]


async def test_old_deliveries_and_those_of_deleted_endpoints_are_swept(house: WebhookHouse) -> None:
    kept, gone = await endpoint_at(house), await endpoint_at(house, URL + "/gone")
    await house.webhooks.replay(kept, None, house.clock.now() - timedelta(hours=1))
    async with at_work(house):
        await house.happen(*(house.event(SHOP) for _ in range(4)))
        await house.fan_out.run()
        await until_nothing_is_pending(house)
        house.clock.move_to(timedelta(days=29))
        await house.webhooks.rotate_secret(kept, None)
        await house.webhooks.test(kept, None)
        await until_nothing_is_pending(house)
    await house.webhooks.delete(gone, None)
    await sweep(house.database, house.clock)
    assert len(await house.fetch("select 1 from webhook_deliveries")) == 5
    house.clock.move_to(timedelta(days=31))
    await sweep(house.database, house.clock)
    assert [each.event_type for each in await log_of(house, kept)] == ["webhook_endpoint.tested"]
    assert len(await house.fetch("select 1 from webhook_secrets")) == 1
    assert len(await house.fetch("select 1 from webhook_endpoints")) == 2
    assert await house.fetch("select 1 from webhook_replays") == []
    house.clock.move_to(timedelta(days=60))
    await sweep(house.database, house.clock)
    assert [row["id"] for row in await house.fetch("select id from webhook_endpoints")] == [kept]


async def test_merchants_are_told_what_they_may_know_and_operators_all(house: WebhookHouse) -> None:
    await endpoint_at(house, URL + "/shop", SHOP)
    await endpoint_at(house, URL + "/operator")
    declined = payment_event(
        house.new_id, house.clock.now(), SHOP, type_="authorization.declined", decline="card_used", member="m"
    )
    await house.happen(declined)
    async with at_work(house):
        await house.fan_out.run()
        await until_nothing_is_pending(house)
    told = {message.url: json.loads(message.body)["data"] for message in house.sender.sent}
    assert told[URL + "/operator"]["decline"] == "card_used"
    assert told[URL + "/shop"]["decline"] == "card_not_accepted"
    assert {"card", "member"}.isdisjoint(told[URL + "/shop"])


# Defects of ours hold up nobody


async def test_an_event_that_names_no_merchant_holds_up_no_other(house: WebhookHouse) -> None:
    await endpoint_at(house, merchant_id=SHOP)
    odd = payment_event(house.new_id, house.clock.now(), None, merchant="the shop round the corner")
    (_, sent) = await house.happen(odd, house.event(SHOP))
    async with at_work(house):
        await house.fan_out.run()
        await until_nothing_is_pending(house)
    assert house.sender.ids() == [sent]


async def test_an_endpoint_whose_secret_does_not_open_gets_nothing_and_holds_up_no_other(
    house: WebhookHouse,
) -> None:
    broken = await endpoint_at(house, URL + "/broken")
    await endpoint_at(house)
    async with house.database.transaction() as conn:
        await conn.execute("update webhook_secrets set ciphertext = 'x' where endpoint_id = $1", broken)
    (sent,) = await house.happen(house.event(SHOP))
    async with at_work(house):
        await house.fan_out.run()
        await eventually(lambda: house.sender.ids(URL) == [sent])
    assert house.sender.ids() == [sent]
    assert [each.state for each in await log_of(house, broken)] == [DeliveryState.PENDING]
