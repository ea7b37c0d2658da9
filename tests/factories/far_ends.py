"""A card company and points issuers in this process that keep books of their own, and misbehave as told."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto

from tests.factories.engine import FakeCardCompany
from tests.factories.points import FakeLinkIssuers

from obverse.authorization.ports import LegAnswer, LegOutcome, LegRequest, PointsRequest
from obverse.kit.ids import PointsIssuerId, SourceId
from obverse.points import MessageKind, PointsMessage
from obverse.points.ports import BalanceAnswer, BalanceAsk, Trouble


class Mood(Enum):
    """What the card company does with the next request, and what it says."""

    APPROVES = LegOutcome.APPROVED, True
    DECLINES = LegOutcome.DECLINED, False
    APPROVES_AND_IS_SILENT = LegOutcome.NO_ANSWER, True
    IS_SILENT = LegOutcome.NO_ANSWER, False
    IS_GONE = LegOutcome.UNREACHABLE, False


@dataclass
class BookedCardCompany(FakeCardCompany):
    """A card company with a book: what it holds, and what it must never hold again."""

    mood: Mood = Mood.APPROVES
    held: dict[str, int] = field(default_factory=dict)
    undone: set[str] = field(default_factory=set)

    async def authorize(self, leg: LegRequest) -> LegAnswer:
        outcome, holds = self.mood.value
        await asyncio.sleep(0)
        if leg.network_ref in self.undone:
            return LegAnswer(LegOutcome.DECLINED, "21")
        if holds:
            assert leg.network_ref not in self.held, "a payment was sent twice"
            self.held[leg.network_ref] = leg.amount.amount_minor
        return LegAnswer(outcome, None, "654321" if outcome is LegOutcome.APPROVED else None)

    async def reverse(self, leg: LegRequest) -> bool:
        if not self.acknowledges:
            return False
        self.undone.add(leg.network_ref)
        self.held.pop(leg.network_ref, None)
        return True


class Asked(Enum):
    """What a points issuer does when it is asked for units."""

    ANSWERS = auto()
    REFUSES = auto()
    APPLIES_AND_IS_SILENT = auto()
    IS_SILENT = auto()
    HEARS_IT_LATE = auto()
    """Says nothing, and has it before it only when `late_ones_arrive`."""
    IS_GONE = auto()


class Told(Enum):
    """What a points issuer does with what it is told of payments afterwards."""

    HEARS = auto()
    LOSES_THE_ACKNOWLEDGEMENT = auto()
    IS_DEAF = auto()
    HEARS_TWICE = auto()
    HEARS_HALF_BACKWARDS = auto()


@dataclass
class Taken:
    """Units that a leg has taken from an account, and how many of them are back."""

    account: SourceId
    units: int
    back: int = 0
    confirmed: bool = False

    @property
    def kept(self) -> int:
        return self.units - self.back


@dataclass
class BookIssuer:
    """A points issuer's own book, kept by the protocol's rules alone."""

    two_phase: bool
    units: dict[SourceId, int] = field(default_factory=dict)
    taken: dict[str, Taken] = field(default_factory=dict)
    never: set[str] = field(default_factory=set)
    """Legs that were cancelled: should they come after all, they are declined."""
    asked: Asked = Asked.ANSWERS
    told: Told = Told.HEARS
    late: list[PointsRequest] = field(default_factory=list)

    def ask(self, leg: PointsRequest) -> LegAnswer:
        match self.asked:
            case Asked.ANSWERS:
                return self._take(leg)
            case Asked.REFUSES:
                return LegAnswer(LegOutcome.DECLINED, "limit")
            case Asked.IS_GONE:
                return LegAnswer(LegOutcome.UNREACHABLE)
            case Asked.APPLIES_AND_IS_SILENT:
                self._take(leg)
            case Asked.HEARS_IT_LATE:
                self.late.append(leg)
        return LegAnswer(LegOutcome.NO_ANSWER)

    def late_ones_arrive(self) -> None:
        late, self.late = self.late, []
        for leg in late:
            self._take(leg)

    def tell(self, messages: Sequence[PointsMessage]) -> list[bool]:
        match self.told:
            case Told.HEARS:
                heard, acknowledged = list(messages), [True] * len(messages)
            case Told.LOSES_THE_ACKNOWLEDGEMENT:
                heard, acknowledged = list(messages), [False] * len(messages)
            case Told.IS_DEAF:
                heard, acknowledged = [], [False] * len(messages)
            case Told.HEARS_TWICE:
                heard, acknowledged = [*messages, *messages[::-1]], [True] * len(messages)
            case Told.HEARS_HALF_BACKWARDS:
                heard, acknowledged = list(messages[::2][::-1]), [at % 2 == 0 for at in range(len(messages))]
        for message in heard:
            self._hear(message)
        return acknowledged

    def _take(self, leg: PointsRequest) -> LegAnswer:
        if leg.network_ref in self.never:
            return LegAnswer(LegOutcome.DECLINED, "cancelled")
        assert leg.network_ref not in self.taken, "units were asked for twice"
        assert leg.units > 0
        if leg.units > self.units[leg.source_id]:
            return LegAnswer(LegOutcome.DECLINED, "insufficient_points")
        self.units[leg.source_id] -= leg.units
        self.taken[leg.network_ref] = Taken(leg.source_id, leg.units)
        return LegAnswer(LegOutcome.APPROVED, None, "P77001", to_confirm=self.two_phase)

    def _hear(self, message: PointsMessage) -> None:
        taken = self.taken.get(message.reference)
        if message.kind is MessageKind.CANCEL:
            self.never.add(message.reference)
            if taken is not None:
                self._give_back(taken, taken.units)
            return
        assert taken is not None, "nobody is told of units that were never taken"
        if message.kind is MessageKind.CONFIRM:
            assert self.two_phase
            assert message.reference not in self.never, "what was cancelled is not confirmed"
            taken.confirmed = True
            return
        assert message.units is not None
        assert message.units_before is not None
        self._give_back(taken, max(taken.back, message.units_before + message.units))

    def _give_back(self, taken: Taken, back: int) -> None:
        assert taken.back <= back <= taken.units, "no more comes back than was taken"
        self.units[taken.account] += back - taken.back
        taken.back = back


@dataclass
class BookIssuers(FakeLinkIssuers):
    """The way to all of them; `before` and `after` stop whoever asks for units on either side of the book."""

    by_id: dict[PointsIssuerId, BookIssuer] = field(default_factory=dict)
    before: asyncio.Event | None = None
    after: asyncio.Event | None = None
    _at_gate: asyncio.Event = field(default_factory=asyncio.Event)

    async def take(self, leg: PointsRequest) -> LegAnswer:
        await self._pass(self.before)
        answer = self.by_id[leg.issuer_id].ask(leg)
        await self._pass(self.after)
        return answer

    async def balances(self, asks: Sequence[BalanceAsk]) -> Mapping[SourceId, BalanceAnswer]:
        await asyncio.sleep(0)
        return {ask.source_id: self._balance(ask) for ask in asks}

    async def tell(self, issuer_id: PointsIssuerId, messages: Sequence[PointsMessage]) -> Sequence[bool]:
        await asyncio.sleep(0)
        return self.by_id[issuer_id].tell(messages)

    async def somebody_waits(self) -> None:
        """Return once somebody stands at a gate."""
        await self._at_gate.wait()

    def shut(self, *, after: bool) -> None:
        """From now on whoever asks waits, before or after it was heard."""
        self._at_gate = asyncio.Event()
        self.before, self.after = (None, asyncio.Event()) if after else (asyncio.Event(), None)

    def open(self) -> None:
        for gate in (self.before, self.after):
            if gate is not None:
                gate.set()
        self.before = self.after = None

    def _balance(self, ask: BalanceAsk) -> BalanceAnswer:
        issuer = self.by_id[ask.issuer_id]
        if issuer.asked is not Asked.ANSWERS:
            return BalanceAnswer(None, Trouble.SLOW)
        return BalanceAnswer(issuer.units[ask.source_id])

    async def _pass(self, gate: asyncio.Event | None) -> None:
        await asyncio.sleep(0)
        if gate is not None:
            self._at_gate.set()
            await gate.wait()
