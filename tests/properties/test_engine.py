"""P1, P2, P4, P8, P9 over whatever may happen: payments, repeats, reversals, captures, faults and crashes.

The engine runs over a real PostgreSQL. The card company is a book of its own that sometimes says nothing, and
keeps what it did not say. After every run, recovery and the reversal queue are given their time, and then all
books have to agree: ours, the card company's, and what callers were told.
"""

import asyncio
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, multiple, rule, run_state_machine_as_test
from tests.factories.books import nothing_is_held_for_what_was_undone
from tests.factories.cards import a_one_time_card
from tests.factories.engine import EngineWorld, an_engine, an_engine_world
from tests.factories.far_ends import BookedCardCompany, Mood
from tests.factories.ledger import P0
from tests.factories.wallet import a_member_with_credit_line, a_member_with_linked_card, build_house

from obverse.authorization import Authorization, AuthorizationRequest, Engine, Status
from obverse.cards import CardFace, Controls
from obverse.kit.clock import Clock
from obverse.kit.database import Database
from obverse.kit.errors import ObverseError
from obverse.kit.ids import uuid7_source
from obverse.kit.money import KRW
from obverse.kit.secret import Secret
from obverse.ledger import Ledger

CREDIT = 5_000
AMOUNTS = st.sampled_from([1, 999, 2_000, 4_999, 5_000, 5_001])


@dataclass(eq=False)
class Payment:
    """A payment somebody wants, and what they were told."""

    request: AuthorizationRequest
    card: CardFace
    told: list[Authorization] = field(default_factory=list)
    undo_asked: bool = False
    undo_acknowledged: bool = False
    steps: int = 0
    disputed_minor: int = 0


class Shop:
    """Engines over one database and one card company; they come and go."""

    def __init__(self, world: EngineWorld) -> None:
        self.world = world
        self.company = BookedCardCompany(_references=count(1).__next__)
        self.engines: list[Engine] = []

    @classmethod
    async def open(cls, database: Database, folder: Path) -> "Shop":
        clock = Clock()
        new_id = uuid7_source(clock.now_ms, os.urandom)
        world = await an_engine_world(build_house(database, folder / "keys.json", clock, new_id, os.urandom))
        await world.engine.stop()
        await Ledger(database).open_house([P0], KRW)  # provisional credits come out of one of them
        return cls(world)

    async def add_engine(self) -> None:
        engine = an_engine(self.world.house, self.company)
        await engine.start()
        self.engines.append(engine)

    async def crash(self, engine: Engine) -> None:
        """What this process was doing ends where it is; nothing is tidied up. Then its deadlines pass."""
        self.engines.remove(engine)
        tasks = [*engine._in_flight.values(), *engine._later, *engine._workers]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.time_passes(timedelta(seconds=10))

    def time_passes(self, by: timedelta) -> None:
        clock = self.world.house.clock
        clock.move_to(clock.offset + by)

    async def close_and_reverse(self) -> None:
        """What recovery and the job queue do in the background."""
        self.world.engine, self.world.card_company = self.engines[0], self.company
        while await self.engines[0].recover():
            continue
        await self.world.run_reversals()

    # what may be done with a payment -----------------------------------------------------------------------

    async def ask(self, engine: Engine, payment: Payment) -> None:
        payment.told.append(await engine.authorize(payment.request))

    async def reverse(self, engine: Engine, payment: Payment) -> None:
        payment.undo_asked = True
        request = payment.request
        await engine.reverse(request.request_key, request.number, request.amount, self.world.shop.id)
        payment.undo_acknowledged = True

    async def cancel(self, engine: Engine, payment: Payment) -> None:
        if payment.told:
            payment.undo_asked = True
            await engine.cancel(payment.told[0].id)
            payment.undo_acknowledged = True

    async def capture(self, engine: Engine, payment: Payment) -> None:
        if payment.told:
            with suppress(ObverseError):
                await engine.capture(payment.told[0].id)

    async def capture_a_part(self, engine: Engine, payment: Payment) -> None:
        await self._step(engine.capture, payment)

    async def release_a_part(self, engine: Engine, payment: Payment) -> None:
        await self._step(engine.release, payment)

    async def refund_a_part(self, engine: Engine, payment: Payment) -> None:
        await self._step(engine.refund, payment)

    async def dispute(self, engine: Engine, payment: Payment) -> None:
        if payment.told:
            with suppress(ObverseError):
                part = max(1, payment.request.amount.amount_minor // 4)
                await engine.open_dispute(payment.told[0].id, part, key=f"{payment.request.request_key}:d")
                payment.disputed_minor = part

    async def decide_dispute(self, engine: Engine, payment: Payment) -> None:
        """Odd amounts are the merchant's, even ones the member's."""
        if payment.disputed_minor:
            with suppress(ObverseError):
                await engine.close_dispute(
                    payment.told[0].id,
                    payment.disputed_minor,
                    key=f"{payment.request.request_key}:c",
                    merchant_pays=payment.disputed_minor % 2 == 1,
                )

    async def _step(self, step: Any, payment: Payment) -> None:
        """A third of the payment, each time by a key of its own or by one that may have been used before."""
        if payment.told:
            payment.steps += 1
            key = f"{payment.request.request_key}:{step.__name__}:{payment.steps // 2}"
            with suppress(ObverseError):
                await step(payment.told[0].id, max(1, payment.request.amount.amount_minor // 3), key=key)

    # afterwards --------------------------------------------------------------------------------------------

    async def all_books_agree(self, payments: Sequence[Payment]) -> None:
        self.company.acknowledges = True
        self.time_passes(timedelta(minutes=1))
        await self.close_and_reverse()
        database = self.world.house.database
        async with database.connection() as conn:
            open_ones = await conn.fetchval(
                "select (select count(*) from authorizations where status = 'processing')"
                " + (select count(*) from legs where status in ('held', 'sent', 'unknown', 'reversing'))"
            )
            rows = await conn.fetch("select request_key, status, approval_code from authorizations")
            legs = await conn.fetch(
                "select network_ref, amount_minor from legs as l where network_ref is not null and ("
                " status = 'approved' or exists (select from actions as a where a.to_present"
                " and a.authorization_id = l.authorization_id and a.kind = 'reversal'))"
            )
            spent = await conn.fetch(_WRONGLY_SPENT)
            await conn.execute("delete from pgqueuer")  # all of it is done
        assert open_ones == 0
        assert self.company.held == {leg["network_ref"]: leg["amount_minor"] for leg in legs}
        assert [dict(row) for row in spent] == []
        kept = {row["request_key"]: row for row in rows}
        for payment in payments:
            agrees_with_what_was_told(payment, kept.get(payment.request.request_key))
        await nothing_is_held_for_what_was_undone(database)
        await self.world.books_are_right()


# A use is gone for good once there was an approval; the amount counts only while the approval stands.
_WRONGLY_SPENT = """
    select c.id, c.uses, c.uses_left, c.spent_minor, count(a.approval_code) as approvals
    from cards as c left join authorizations as a on a.card_id = c.id
    group by c.partition_id, c.id
    having count(a.approval_code) > c.uses
        or c.uses_left <> c.uses - count(a.approval_code)
        or c.spent_minor <> coalesce(sum(
            a.amount_minor - a.released_minor
        ) filter (where a.status = 'approved'), 0)
"""


def agrees_with_what_was_told(payment: Payment, row: Mapping[str, Any] | None) -> None:
    """Nobody was told anything that did not stay so, but for what they asked to undo (P5, P6, P8)."""
    status = None if row is None else row["status"]
    if payment.undo_acknowledged:
        assert status in (Status.REVERSED, Status.DECLINED)
    codes = {told.approval_code for told in payment.told if told.status is Status.APPROVED}
    if codes:
        assert row is not None
        assert codes == {row["approval_code"]}
        assert status is not None
        assert status in ((Status.APPROVED, Status.REVERSED) if payment.undo_asked else (Status.APPROVED,))
    if any(told.status is Status.DECLINED for told in payment.told):
        assert status == Status.DECLINED


VERBS = (
    Shop.ask,
    Shop.ask,
    Shop.reverse,
    Shop.cancel,
    Shop.capture,
    Shop.capture_a_part,
    Shop.release_a_part,
    Shop.refund_a_part,
    Shop.refund_a_part,
    Shop.dispute,
    Shop.decide_dispute,
)
"""Asking is the most likely, as repeats are the most common thing to happen to a payment."""


def machine_over(shop: Shop, runner: asyncio.Runner) -> type[RuleBasedStateMachine]:
    """A machine class whose runs all use this shop, one after the other."""
    run = runner.run
    house = shop.world.house

    class Life(RuleBasedStateMachine):
        cards = Bundle("cards")
        payments = Bundle("payments")

        def __init__(self) -> None:
            super().__init__()
            self.wanted: list[Payment] = []
            shop.company.mood = Mood.APPROVES
            shop.company.acknowledges = True
            run(shop.add_engine())
            run(shop.add_engine())

        @rule(target=cards, real=st.booleans(), uses=st.integers(1, 2), limit=st.sampled_from([None, 5_000]))
        def a_card(self, real: bool, uses: int, limit: int | None) -> CardFace:
            return run(self._issue(real, Controls(uses=uses, amount_limit_minor=limit)))

        @rule(
            target=payments,
            chosen=st.lists(cards, min_size=1, max_size=5),
            amount=AMOUNTS,
            at_once=st.booleans(),
        )
        def pay(self, chosen: list[CardFace], amount: int, at_once: bool) -> Any:
            """New payments at the same moment, at different processes."""
            fresh = [Payment(shop.world.request(face, amount, capture=at_once), face) for face in chosen]
            self.wanted += fresh
            run(self._together([(Shop.ask, payment) for payment in fresh]))
            return multiple(*fresh)

        @rule(target=payments, face=cards, amount=AMOUNTS)
        def a_payment_that_is_reversed_before_it_comes(self, face: CardFace, amount: int) -> Payment:
            payment = Payment(shop.world.request(face, amount), face)
            self.wanted.append(payment)
            run(shop.reverse(shop.engines[0], payment))
            return payment

        @rule(
            chosen=st.lists(payments, min_size=1, max_size=4),
            verbs=st.lists(st.sampled_from(VERBS), min_size=4),
        )
        def things_happen(self, chosen: list[Payment], verbs: list[Any]) -> None:
            run(self._together([(verb, chosen[i % len(chosen)]) for i, verb in enumerate(verbs)]))

        @rule(
            chosen=st.lists(cards, min_size=1, max_size=4),
            olds=st.lists(payments, max_size=3),
            verb=st.sampled_from(VERBS),
            turns=st.integers(0, 60),
        )
        def a_process_crashes(
            self, chosen: list[CardFace], olds: list[Payment], verb: Any, turns: int
        ) -> None:
            """In the middle of whatever it does, so many turns of the loop after it began."""
            fresh = [Payment(shop.world.request(face, 2_000), face) for face in chosen]
            self.wanted += fresh
            doing = [(Shop.ask, payment) for payment in fresh] + [(verb, payment) for payment in olds]
            run(self._crash_during(doing, turns))

        @rule(mood=st.sampled_from(Mood))
        def the_card_company_changes_its_mood(self, mood: Mood) -> None:
            shop.company.mood = mood

        @rule(acknowledges=st.booleans())
        def the_background_works(self, acknowledges: bool) -> None:
            shop.company.acknowledges = acknowledges
            run(shop.close_and_reverse())

        def teardown(self) -> None:
            try:
                run(shop.all_books_agree(self.wanted))
            finally:
                for engine in list(shop.engines):
                    run(shop.crash(engine))

        async def _issue(self, real: bool, controls: Controls) -> CardFace:
            if real:
                member, _ = await a_member_with_linked_card(house)
            else:
                member, _ = await a_member_with_credit_line(house, CREDIT)
            return (await a_one_time_card(house, member.id, controls))[1]

        async def _together(self, doing: list[tuple[Any, Payment]]) -> None:
            engines = shop.engines
            await asyncio.gather(
                *[verb(shop, engines[i % len(engines)], payment) for i, (verb, payment) in enumerate(doing)]
            )

        async def _crash_during(self, doing: list[tuple[Any, Payment]], turns: int) -> None:
            dying = shop.engines[0]
            tasks = [asyncio.create_task(verb(shop, dying, payment)) for verb, payment in doing]
            for _ in range(turns):
                await asyncio.sleep(0)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await shop.crash(dying)
            await shop.add_engine()

    return Life


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_p02_whatever_happens_to_payments_all_books_agree_in_the_end(
    database_url: str, tmp_path: Path
) -> None:
    with asyncio.Runner() as runner:
        database = Database(Secret(database_url))
        runner.run(database.open())
        shop = runner.run(Shop.open(database, tmp_path))
        run_state_machine_as_test(
            machine_over(shop, runner),
            settings=settings(
                max_examples=200,
                stateful_step_count=25,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
        runner.run(database.close())
