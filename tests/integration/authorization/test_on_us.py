"""Payments that the platform decides alone, many at once, on a real PostgreSQL."""

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from itertools import count
from pathlib import Path

import asyncpg
import pytest
from msgspec.structs import replace
from tests.factories.authorization import told
from tests.factories.cards import a_one_time_card
from tests.factories.engine import EngineWorld, FakeCardCompany, an_engine, an_engine_world, makers_of
from tests.factories.ledger import P0
from tests.factories.waiting import eventually
from tests.factories.wallet import BIN, build_house

from obverse.authorization import AuthorizationRequest, Decline, EngineSettings, Rule, Status
from obverse.authorization.errors import CaptureTooLarge
from obverse.bootstrap import MeasuredEngine
from obverse.cards import Card, CardsRekey, Controls
from obverse.kit import telemetry
from obverse.kit.clock import Clock
from obverse.kit.database import Connection, Database
from obverse.kit.errors import NotFound, Unavailable
from obverse.kit.ids import NewId
from obverse.kit.paging import PageRequest
from obverse.kit.secret import Secret
from obverse.vault import KeyRing, Vault
from obverse.vault.jobs import rotate


async def count_approvals(world: EngineWorld) -> int:
    async with world.house.database.connection() as conn:
        return await conn.fetchval("select count(*) from authorizations where status = 'approved'")


async def test_an_approved_payment_holds_the_money_and_spends_the_number(world: EngineWorld) -> None:
    card, face = await world.card()
    approved = await world.engine.authorize(world.request(face))
    assert approved.status is Status.APPROVED
    assert await world.engine.get(approved.id) == approved
    second = await world.engine.authorize(world.request(face))
    assert second.decline is Decline.CARD_USED
    assert (await world.house.cards.get(card.id)).uses_left == 0


async def test_p01_sixty_four_at_once_on_each_number_give_one_approval_each(world: EngineWorld) -> None:
    member_card, _ = await world.card(limit=1_000_000_000)
    faces = [world.house.cards.reveal(card) for card in await _many_cards(world, member_card, 20)]
    answers = await asyncio.gather(
        *[world.engine.authorize(world.request(face)) for _ in range(64) for face in faces]
    )
    statuses = Counter((a.card_id, a.status) for a in answers)
    assert len(answers) == 64 * 20
    assert [n for (_, status), n in statuses.items() if status is Status.APPROVED] == [1] * 20
    assert await count_approvals(world) == 20


async def _many_cards(world: EngineWorld, like: Card, count: int) -> list[Card]:
    """More cards of the same member."""
    return [(await a_one_time_card(world.house, like.member_id))[0] for _ in range(count)]


async def test_p01_two_engines_over_the_same_cards_give_one_approval_each(world: EngineWorld) -> None:
    other = an_engine(world.house, FakeCardCompany())
    await other.start()
    like, _ = await world.card(limit=1_000_000_000)
    faces = [world.house.cards.reveal(card) for card in await _many_cards(world, like, 30)]
    engines = [world.engine, other]
    answers = await asyncio.gather(
        *[
            engine.authorize(world.request(face))
            for turn in range(8)
            for face in (faces if turn % 2 else reversed(faces))
            for engine in engines
        ]
    )
    await other.stop()
    assert sum(a.status is Status.APPROVED for a in answers) == 30
    assert await count_approvals(world) == 30


async def test_no_lock_order_can_deadlock_payments_reversals_and_captures_over_the_same_cards(
    world: EngineWorld, database: Database
) -> None:
    others = [an_engine(world.house, FakeCardCompany()) for _ in range(3)]
    for engine in others:
        await engine.start()
    engines = [world.engine, *others]
    cards = [await world.card(Controls(uses=1000), limit=1_000_000_000) for _ in range(6)]

    async def pay_and_undo(turn: int) -> None:
        engine = engines[turn % 4]
        _, face = cards[turn % 6]
        answer = await engine.authorize(world.request(face, 100))
        if turn % 3 == 0:
            await engines[(turn + 1) % 4].cancel(answer.id)
        elif turn % 3 == 1:
            await engines[(turn + 2) % 4].capture(answer.id, 40)

    async with asyncio.timeout(60):
        await asyncio.gather(*[pay_and_undo(turn) for turn in range(300)])
    async with database.connection() as conn:
        deadlocks = await conn.fetchval(
            "select deadlocks from pg_stat_database where datname = current_database()"
        )
    for engine in others:
        await engine.stop()
    assert deadlocks == 0


async def test_one_poisoned_request_does_not_hurt_its_batch(world: EngineWorld) -> None:
    """A NUL byte cannot be stored as text: PostgreSQL refuses the whole batch that carries one."""
    like, _ = await world.card(limit=1_000_000_000)
    cards = await _many_cards(world, like, 10)
    requests = [world.request(world.house.cards.reveal(card)) for card in cards]
    requests[4] = replace(requests[4], terminal="TERM\x00001")
    answers = await asyncio.gather(
        *[world.engine.authorize(request) for request in requests], return_exceptions=True
    )
    failed = [answer for answer in answers if isinstance(answer, BaseException)]
    assert len(failed) == 1
    assert isinstance(answers[4], Exception)
    assert await count_approvals(world) == 9
    assert (await world.house.cards.get(cards[4].id)).uses_left == 1


async def test_p06_a_repeat_gets_the_same_answer_at_once_later_and_from_another_engine(
    world: EngineWorld,
) -> None:
    _, face = await world.card()
    request = world.request(face, key="iso:20261231235959")
    first, *twins = await asyncio.gather(*[world.engine.authorize(request) for _ in range(10)])
    other = an_engine(world.house, FakeCardCompany())
    await other.start()
    later = await other.authorize(request)
    await other.stop()
    assert first.status is Status.APPROVED
    assert [first] * 10 == [told(answer) for answer in (*twins, later)]


async def test_p06_twins_in_two_engines_at_once_get_one_answer_even_for_an_unknown_card(
    world: EngineWorld,
) -> None:
    """Nothing is locked for a card that does not exist, so the unique request key has to decide."""
    other = an_engine(world.house, FakeCardCompany())
    await other.start()
    _, face = await world.card()
    unknown = replace(face, number=Secret("9410120000000000"))
    for turn in range(20):
        request = world.request(unknown, key=f"twins {turn}")
        a, b = await asyncio.gather(world.engine.authorize(request), other.authorize(request))
        assert told(a) == told(b)
        assert a.decline is Decline.UNKNOWN_CARD
    await other.stop()


async def test_p06_a_changed_body_behind_a_known_key_is_refused(world: EngineWorld) -> None:
    _, face = await world.card()
    await world.engine.authorize(world.request(face, 1_000, key="k"))
    changed = await world.engine.authorize(world.request(face, 1_001, key="k"))
    assert changed.decline is Decline.KEY_REUSED
    assert await count_approvals(world) == 1


async def test_p08_all_orders_of_a_request_and_its_reversal_end_with_no_money_held(
    world: EngineWorld,
) -> None:
    for number, order in enumerate(("pr", "rp", "prr", "rrp", "prp", "ppr", "rpr")):
        _, face = await world.card()
        request = world.request(face, key=f"order {number}")
        for step in order:
            if step == "p":
                answer = await world.engine.authorize(request)
            else:
                answer = await world.engine.reverse(request.request_key, face.number, request.amount)
        assert (await world.engine.authorize(request)).status is Status.REVERSED, order
        assert answer.status is Status.REVERSED, order
    async with world.house.database.connection() as conn:
        held = await conn.fetchval(
            "select sum(debits_pending_minor + debits_posted_minor) from accounts where not rolled_up"
        )
    assert held == 0


async def test_p08_a_request_and_its_reversal_at_once_never_leave_money_held(world: EngineWorld) -> None:
    for turn in range(30):
        _, face = await world.card()
        request = world.request(face, key=f"race {turn}")
        pay = world.engine.authorize(request)
        undo = world.engine.reverse(request.request_key, face.number, request.amount)
        await asyncio.gather(*((pay, undo) if turn % 2 else (undo, pay)))
        assert (await world.engine.authorize(request)).status is Status.REVERSED
    async with world.house.database.connection() as conn:
        held = await conn.fetchval("select sum(debits_pending_minor) from accounts where not rolled_up")
    assert held == 0


async def test_a_dry_run_says_what_would_be_decided_and_moves_nothing(world: EngineWorld) -> None:
    card, face = await world.card(Controls(amount_limit_minor=50_000))
    fine = await world.engine.dry_run(world.request(face, 50_000))
    too_much = await world.engine.dry_run(world.request(face, 50_001))
    assert (fine.decline, [leg.amount_minor for leg in fine.legs]) == (None, [50_000])
    assert (too_much.decline, too_much.failed_rules) == (Decline.AMOUNT_LIMIT, Rule.AMOUNT_LIMIT)
    assert (await world.house.cards.get(card.id)).uses_left == 1
    assert (await world.engine.list(PageRequest())).items == []


async def test_a_dry_run_follows_keys_that_another_process_has_turned_over(
    world: EngineWorld, tmp_path: Path
) -> None:
    _, face = await world.card()
    other = Vault(KeyRing.load(tmp_path / "keys.json"), world.house.random_bytes)
    await rotate(world.house.database, other, [CardsRekey(other)], lambda *_: None)
    assert (await world.engine.dry_run(world.request(face))).decline is None


async def test_p17_the_metrics_tell_no_declined_guess_from_another(world: EngineWorld) -> None:
    """Everybody may read them, a shop that guesses included."""
    company = FakeCardCompany()
    measured = MeasuredEngine(
        world.house.database,
        world.house.vault,
        company,
        world.house.clock,
        makers_of(world.house, company.new_reference),
        EngineSettings(bin=BIN),
    )
    await measured.start()
    _, face = await world.card()
    labels = []
    for guess in (replace(face, number=Secret("9410120000000000")), replace(face, expiry="2401")):
        before = _declined_so_far()
        assert (await measured.authorize(world.request(guess))).status is Status.DECLINED
        labels.append(_declined_so_far() - before)
    await measured.stop()
    assert labels == [Counter({"card_not_accepted": 1})] * 2


def _declined_so_far() -> Counter[str]:
    (metric,) = telemetry.AUTHORIZATIONS.collect()
    return Counter({s.labels["decline"]: int(s.value) for s in metric.samples if s.name.endswith("_total")})


async def test_one_capture_asked_for_ten_times_at_once_is_one_capture(world: EngineWorld) -> None:
    _, face = await world.card()
    approved = await world.engine.authorize(world.request(face, 10_000))
    answers = await asyncio.gather(
        *[world.engine.capture(approved.id, 6_000, key="the same") for _ in range(10)]
    )
    assert {a.captured_minor for a in answers} == {6_000}
    assert sum(not a.repeated for a in answers) == 1


async def test_captures_at_once_never_take_more_than_was_authorized(world: EngineWorld) -> None:
    _, face = await world.card()
    approved = await world.engine.authorize(world.request(face, 10_000))
    answers = await asyncio.gather(
        *[world.engine.capture(approved.id, 3_000) for _ in range(10)], return_exceptions=True
    )
    assert sum(isinstance(a, CaptureTooLarge) for a in answers) == 7
    assert (await world.engine.get(approved.id)).captured_minor == 9_000
    await world.books_are_right()


async def test_what_does_not_exist_is_not_found(world: EngineWorld) -> None:
    _, face = await world.card()
    approved = await world.engine.authorize(world.request(face))
    unknown = replace(approved, id=world.house.new_id())
    with pytest.raises(NotFound):
        await world.engine.get(unknown.id)
    with pytest.raises(NotFound):
        await world.engine.cancel(unknown.id)


async def test_lists_are_newest_first_and_narrowed(world: EngineWorld) -> None:
    card, face = await world.card(Controls(uses=5))
    _, other = await world.card()
    mine = [await world.engine.authorize(world.request(face, 100)) for _ in range(3)]
    await world.engine.authorize(world.request(other, 100))
    page = await world.engine.list(PageRequest(limit=2), card_id=card.id)
    assert [a.id for a in page.items] == [mine[2].id, mine[1].id]
    rest = await world.engine.list(PageRequest(limit=2, after=page.next_after), card_id=card.id)
    assert ([a.id for a in rest.items], rest.next_after) == ([mine[0].id], None)
    assert (await world.engine.list(PageRequest(), status=Status.DECLINED)).items == []


async def test_p07_a_request_that_met_an_outage_is_answered_by_its_repeat(
    world: EngineWorld, cut_connections
) -> None:  # type: ignore[no-untyped-def]
    _, face = await world.card()
    request = world.request(face)
    await cut_connections()
    answer = await world.engine.authorize(request)
    assert answer.status is Status.APPROVED
    assert told(await world.engine.authorize(request)) == answer


async def test_without_a_database_requests_are_refused_within_the_patience(world: EngineWorld) -> None:
    hasty = an_engine(world.house, FakeCardCompany(), patience_s=0.3)
    await hasty.start()
    _, face = await world.card()
    pool, world.house.database._pool = world.house.database._pool, None
    started = asyncio.get_running_loop().time()
    with pytest.raises(Unavailable):
        await hasty.authorize(world.request(face))
    assert asyncio.get_running_loop().time() - started < 1
    world.house.database._pool = pool
    assert (await hasty.authorize(world.request(face))).status is Status.APPROVED
    await hasty.stop()


async def undo(world: EngineWorld, request: AuthorizationRequest, since: datetime) -> None:
    """Give up on a request as a door does, and wait until that is settled."""
    world.engine.reverse_later(request.request_key, request.number, request.amount, in_doubt_since=since)
    await asyncio.wait_for(asyncio.gather(*world.engine._later), 5)


async def test_a_payment_its_terminal_was_refused_is_undone(world: EngineWorld) -> None:
    _, face = await world.card()
    request, arrived = world.request(face), world.house.clock.now()
    await world.engine.authorize(request)
    await undo(world, request, arrived)
    assert (await world.engine.authorize(request)).status is Status.REVERSED


async def test_p05_an_approval_answered_before_is_not_undone_for_a_repeat_that_was_refused(
    world: EngineWorld,
) -> None:
    _, face = await world.card()
    request = world.request(face)
    first = await world.engine.authorize(request)
    await undo(world, request, world.house.clock.now())
    assert await world.engine.get(first.id) == first


async def test_p05_an_approval_told_to_a_repeat_is_not_undone_for_its_first_that_was_refused(
    world: EngineWorld,
) -> None:
    other = an_engine(world.house, FakeCardCompany())
    await other.start()
    _, face = await world.card()
    request, arrived = world.request(face), world.house.clock.now()
    await world.engine.authorize(request)
    told = await other.authorize(request)
    await undo(world, request, arrived)
    assert (await world.engine.get(told.id)).status is Status.APPROVED
    await world.engine.reverse(request.request_key, face.number, request.amount)  # its terminal may, always
    assert (await world.engine.get(told.id)).status is Status.REVERSED
    await other.stop()


async def test_p05_what_a_repeat_is_told_after_an_outage_stays_though_its_first_is_being_undone(
    world: EngineWorld,
) -> None:
    """The repeat is the first that gets as far as the database, before the undoing does."""
    engine = an_engine(world.house, FakeCardCompany(), patience_s=0.5)
    await engine.start()
    _, face = await world.card()
    request, arrived = world.request(face), world.house.clock.now()
    pool, world.house.database._pool = world.house.database._pool, None
    with pytest.raises(Unavailable):
        await engine.authorize(request)
    engine.reverse_later(request.request_key, face.number, request.amount, in_doubt_since=arrived)
    await asyncio.sleep(0)
    batcher = engine._batchers[P0]
    await eventually(lambda: not (batcher._queue or batcher._under_way))  # it pauses before its next try
    world.house.database._pool = pool
    told = await engine.authorize(request)
    await asyncio.wait_for(asyncio.gather(*engine._later), 5)
    await engine.stop()
    assert (await world.engine.get(told.id)).status is told.status


async def test_a_payment_its_terminal_was_refused_is_undone_through_any_trouble(
    world: EngineWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, face = await world.card()
    request, arrived = world.request(face), world.house.clock.now()
    await world.engine.authorize(request)
    transaction, tries = world.house.database.transaction, count()

    def refused_once() -> AbstractAsyncContextManager[Connection]:
        if next(tries) == 0:
            raise asyncpg.ReadOnlySQLTransactionError
        return transaction()

    monkeypatch.setattr(world.house.database, "transaction", refused_once)
    await undo(world, request, arrived)
    assert (await world.engine.authorize(request)).status is Status.REVERSED


async def test_stopping_finishes_undoing_what_terminals_were_refused(world: EngineWorld) -> None:
    other = an_engine(world.house, FakeCardCompany())
    await other.start()
    _, face = await world.card()
    request, arrived = world.request(face), world.house.clock.now()
    await other.authorize(request)
    other.reverse_later(request.request_key, face.number, request.amount, in_doubt_since=arrived)
    await other.stop()
    assert (await world.engine.authorize(request)).status is Status.REVERSED


async def test_payments_find_the_partition_that_their_number_carries(
    database: Database, tmp_path: Path, clock: Clock, new_id: NewId, random_bytes: Callable[[int], bytes]
) -> None:
    house = build_house(database, tmp_path / "keys.json", clock, new_id, random_bytes, partitions=8)
    world = await an_engine_world(house, partitions=8)
    seen = set()
    for _ in range(12):
        card, face = await world.card()
        request = world.request(face)
        approved = await world.engine.authorize(request)
        assert approved.partition_id == card.partition_id
        assert (await world.engine.get(approved.id)).status is Status.APPROVED
        undone = await world.engine.reverse(request.request_key, face.number, request.amount)
        assert undone.id == approved.id
        seen.add(approved.partition_id)
    await world.engine.stop()
    assert len(seen) > 1
