"""Whatever is claimed, however often: never more than was approved, and each reference once."""

import asyncio
import random
from pathlib import Path

import pytest
from tests.factories.claims import Approved, ClaimWorld, a_claim_world, a_file, claim_of, line_of
from tests.factories.engine import an_engine_world
from tests.factories.wallet import House, build_house

from obverse.clearing.claims import ClaimKind, TerminalBatch
from obverse.kit.clock import Clock
from obverse.kit.database import Database
from obverse.kit.errors import ObverseError
from obverse.kit.ids import uuid7_source
from obverse.kit.paging import PageRequest

STEPS = 40
PAID = """
select c.request_key, c.kind, c.amount_minor, c.authorization_id
from claims as c where c.outcome = 'paid' and not c.repeated
"""
ACTED = """
select request_key, kind, amount_minor, authorization_id from actions
where starts_with(request_key, 'claim:') and kind in ('capture', 'refund')
"""
BEYOND = """
select id from authorizations
where captured_minor > amount_minor or refunded_minor + disputed_minor > captured_minor
"""


@pytest.fixture
def house(database: Database, tmp_path: Path, request: pytest.FixtureRequest) -> House:
    clock, rng = Clock(), random.Random(request.node.name)
    new_id = uuid7_source(clock.now_ms, rng.randbytes)
    return build_house(database, tmp_path / "keys.json", clock, new_id, rng.randbytes)


@pytest.mark.parametrize("seed", range(12))
async def test_p16_whatever_is_claimed_each_reference_moves_money_once_and_never_too_much(
    house: House, seed: int
) -> None:
    engine = await an_engine_world(house)
    shopkeeper = Shopkeeper(a_claim_world(engine), random.Random(seed))
    await shopkeeper.opens()
    for _ in range(STEPS):
        await shopkeeper.does_something()
    await shopkeeper.claiming.work.carry_out_due()

    async with house.database.connection() as conn:
        paid = sorted(tuple(row) for row in await conn.fetch(PAID))
        acted = sorted(tuple(row) for row in await conn.fetch(ACTED))
        assert await conn.fetch(BEYOND) == []
    assert acted
    assert paid == acted, "what was said to be paid is what was paid"
    assert len({key for key, *_ in paid}) == len(paid), "each reference once"
    await engine.engine.stop()
    await engine.books_are_right()


class Shopkeeper:
    """Claims by every road, repeats, refunds, cancels, waits too long; an operator decides."""

    def __init__(self, claiming: ClaimWorld, rng: random.Random) -> None:
        self.claiming = claiming
        self._rng = rng
        self._payments: list[Approved] = []
        self._files: list[bytes] = []

    async def opens(self) -> None:
        for _ in range(4):
            await self._sells()
        claim = claim_of(self._payments[0], 2_500, reference="R0", final=False)
        await self.claiming.claims.upload(claim, self._batch())

    async def does_something(self) -> None:
        step = self._rng.choice(
            [self._uploads, self._uploads, self._uploads_at_once, self._sends, self._sends, self._sends_again,
             self._works, self._refunds, self._cancels, self._waits, self._operates, self._sells]
        )  # fmt: skip
        await step()

    async def _sells(self) -> None:
        off_us, capture = len(self._payments) % 2 == 0, len(self._payments) % 4 == 3
        self._payments.append(await self.claiming.approved(10_000, off_us=off_us, capture=capture))

    def _wish(self) -> dict:
        return {
            "reference": f"R{self._rng.randrange(8)}",
            "kind": self._rng.choice([*ClaimKind] + [ClaimKind.CAPTURE] * 3),
            "final": self._rng.random() < 0.2,
        }

    def _batch(self) -> TerminalBatch:
        return TerminalBatch(self.claiming.shop.id, "TERM0001", f"{self._rng.randrange(2):06d}")

    def _payment(self) -> Approved:
        return self._rng.choice(self._payments)

    def _amount(self) -> int:
        return self._rng.choice([1, 2_500, 5_000, 10_000, 10_001])

    async def _uploads(self) -> None:
        payment, amount, wish = self._payment(), self._amount(), self._wish()
        await self.claiming.claims.upload(claim_of(payment, amount, **wish), self._batch())

    async def _uploads_at_once(self) -> None:
        await asyncio.gather(*[self._uploads() for _ in range(6)])

    async def _sends(self) -> None:
        lines = []
        for _ in range(self._rng.randrange(1, 5)):
            wish = self._wish()
            wish["final"] = "final" if wish["final"] else "partial"
            lines.append(line_of(self._payment(), self._amount(), **wish))
        data = a_file(lines)
        self._files.append(data)
        await self.claiming.send(data)

    async def _sends_again(self) -> None:
        if self._files:
            await self.claiming.send(self._rng.choice(self._files))

    async def _works(self) -> None:
        await asyncio.gather(*[self.claiming.work.carry_out_due() for _ in range(2)])

    async def _refunds(self) -> None:
        await self._tries(self.claiming.engine.engine.refund(self._payment().payment.id, self._amount()))

    async def _cancels(self) -> None:
        if self._rng.random() < 0.2:
            await self.claiming.engine.engine.cancel(self._payment().payment.id)

    async def _waits(self) -> None:
        if self._rng.random() < 0.3:
            clock, engine = self.claiming.engine.house.clock, self.claiming.engine.engine
            clock.move_to(clock.offset + engine._settings.hold * 2)
            await engine.expire()

    async def _operates(self) -> None:
        for record in (await self.claiming.claims.exceptions(PageRequest())).items:
            decide = self._rng.choice([self.claiming.claims.pay, self.claiming.claims.refuse])
            await self._tries(decide(record.id, actor="key_1", reason="It was so."))

    async def _tries(self, step) -> None:
        try:
            await step
        except ObverseError:
            return
