"""Points accrue behind the payments: what was captured earns, what went back takes back.

The outbox says which payments to look at; every step of a payment moves points once, whoever looks at it
and how often, because its movement is stored under the step's own id in the same commit.
"""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Final

from obverse.accrual import repository, rules
from obverse.accrual.model import MovementKind, PointsMovement, PointsRule, Step
from obverse.authorization.model import ActionKind
from obverse.kit import events, outbox
from obverse.kit.calendar import Calendar
from obverse.kit.clock import Clock
from obverse.kit.database import Connection, Database
from obverse.kit.events import Event
from obverse.kit.ids import (
    AccountId,
    AuthorizationId,
    CardId,
    EventId,
    MemberId,
    NewId,
    PartitionId,
    SourceId,
    to_text,
)
from obverse.kit.money import CurrencyCode, Money
from obverse.kit.outbox import Reader
from obverse.ledger.model import AccountKind
from obverse.ledger.rules import house_account
from obverse.wallet import Balances, Draining, Funding, LotKind, SourceKind

_PAYMENT_NEWS: Final = frozenset(
    {
        "authorization.approved",
        "authorization.captured",
        "authorization.refunded",
        "authorization.reversed",
        "authorization.dispute_lost",
    }
)
_CARD_NEWS: Final = frozenset({"card.claimed", "card.adopted"})


class Accrual:
    """Moves points for what the outbox tells, batch by batch, one process at a time."""

    def __init__(
        self,
        database: Database,
        balances: Balances,
        *,
        clock: Clock,
        new_id: NewId,
        calendar: Calendar,
        currency: CurrencyCode,
    ) -> None:
        self._database = database
        self._balances = balances
        self._clock = clock
        self._new_id = new_id
        self._calendar = calendar
        self._currency = currency

    async def run(self) -> None:
        """Look at everything that has happened since the last time."""
        while await self._next_batch():
            continue

    async def _next_batch(self) -> bool:
        async with self._database.transaction() as conn:
            if not await repository.any_rule(conn):
                return False  # payments are not to pay for what nobody has asked for
            news = await outbox.catch_up(conn, Reader.POINTS, _PAYMENT_NEWS | _CARD_NEWS)
            if news is None:
                return False
            payments = {AuthorizationId(e.subject_id) for e in news if e.type in _PAYMENT_NEWS}
            cards = {CardId(e.subject_id) for e in news if e.type in _CARD_NEWS}
            await self._accrue(conn, sorted(payments), sorted(cards))
        return True

    async def _accrue(
        self, conn: Connection, payments: Sequence[AuthorizationId], cards: Sequence[CardId]
    ) -> None:
        """Move what is due for these payments, and for all that were made with these cards."""
        steps = {step.action_id: step for step in await repository.steps_of_payments(conn, payments)}
        steps |= {step.action_id: step for step in await repository.steps_of_cards(conn, cards)}
        if all(step.moved is not None for step in steps.values()):
            return
        in_force = await repository.rules(conn)
        by_payment = sorted(steps.values(), key=lambda step: (step.authorization_id, step.action_id))
        due = [
            found
            for _, of_payment in groupby(by_payment, key=lambda step: step.authorization_id)
            for found in rules.movements(list(of_payment), in_force)
        ]
        members = sorted({step.member_id for step, _, _ in due})
        lie = await repository.sources(conn, members, self._currency)
        for partition_id in sorted({partition_id for partition_id, _ in lie.values()}):
            here = [found for found in due if lie[found[0].member_id][0] == partition_id]
            await self._move(conn, partition_id, here, await self._sources(conn, lie, partition_id))

    async def _move(
        self,
        conn: Connection,
        partition_id: PartitionId,
        due: Sequence[tuple[Step, PointsRule | None, int]],
        sources: Mapping[MemberId, SourceId],
    ) -> None:
        """Store these movements, and move their points: earnings first, so that returns find them there."""
        earned = [found for found in due if found[0].kind is ActionKind.CAPTURE]
        returned = [found for found in due if found[0].kind is not ActionKind.CAPTURE]
        expense = house_account(AccountKind.POINTS_EXPENSE, partition_id, self._currency).id
        movements = self._earnings(earned, dict(await repository.owed(conn, list(sources))))
        fundings = [
            self._funding(movement, step, rule, sources[step.member_id], expense)
            for movement, (step, rule, _) in zip(movements, earned, strict=True)
            if rule is not None and movement.points + movement.owed > 0
        ]
        if fundings:
            await self._balances.fund(conn, partition_id, fundings)
        kinds = frozenset({LotKind.EARNED})
        drainings = [
            Draining(sources[step.member_id], expense, step.authorization_id, kinds, points)
            for step, _, points in returned
        ]
        taken = await self._balances.drain_all(conn, partition_id, drainings) if drainings else []
        movements += [
            self._movement(step, MovementKind.TAKEN_BACK, None, points, points - part)
            for (step, _, points), part in zip(returned, taken, strict=True)
        ]
        await repository.insert(conn, movements)
        await self._announce(conn, [movement for movement in movements if movement.points])

    def _earnings(
        self, earned: Sequence[tuple[Step, PointsRule | None, int]], owed: dict[MemberId, int]
    ) -> list[PointsMovement]:
        """What captures earn, less what earlier refunds could not take back."""
        movements = []
        for step, rule, points in earned:
            share = min(points, owed.get(step.member_id, 0))
            owed[step.member_id] = owed.get(step.member_id, 0) - share
            movements.append(self._movement(step, MovementKind.EARNED, rule, points, -share))
        return movements

    def _funding(
        self,
        movement: PointsMovement,
        step: Step,
        rule: PointsRule,
        source_id: SourceId,
        expense: AccountId,
    ) -> Funding:
        ends = self._calendar.months_on(step.created_at, rule.terms.validity_months)
        amount = Money(movement.points + movement.owed, self._currency)
        return Funding(source_id, LotKind.EARNED, amount, expense, ends, step.authorization_id)

    async def _sources(
        self,
        conn: Connection,
        lie: Mapping[MemberId, tuple[PartitionId, SourceId | None]],
        partition_id: PartitionId,
    ) -> Mapping[MemberId, SourceId]:
        """The points sources of this partition's members, opened for those who have earned nothing before."""
        found = {}
        for member_id, (where, source_id) in lie.items():
            if where != partition_id:
                continue
            if source_id is None:
                (source,) = await self._balances.open(
                    conn, partition_id, self._currency, 1, member_id=member_id, kind=SourceKind.POINTS
                )
                source_id = source.id
            found[member_id] = source_id
        return found

    def _movement(
        self, step: Step, kind: MovementKind, rule: PointsRule | None, points: int, owed: int
    ) -> PointsMovement:
        return PointsMovement(
            action_id=step.action_id,
            partition_id=step.partition_id,
            authorization_id=step.authorization_id,
            member_id=step.member_id,
            kind=kind,
            rule_id=rule.id if rule is not None else None,
            points=points,
            owed=owed,
            created_at=self._clock.now(),
        )

    async def _announce(self, conn: Connection, movements: Sequence[PointsMovement]) -> None:
        news = [
            Event(
                EventId(self._new_id()),
                f"points.{movement.kind}",
                movement.authorization_id,
                {
                    "member": to_text("mem", movement.member_id),
                    "authorization": to_text("auth", movement.authorization_id),
                    "points": movement.points,
                },
                movement.created_at,
            )
            for movement in movements
        ]
        await events.append(conn, news)
