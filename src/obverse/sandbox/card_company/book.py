"""The card company's book: its cards, what is held on each, and what it has answered before."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Final

from obverse.kit.clock import Clock
from obverse.sandbox.card_company.model import Code, Hold, RealCard, Request
from obverse.sandbox.card_company.rules import decide

Key = tuple[str, ...]

_APPROVAL_LETTERS: Final = "0123456789ABCDEFGHJKLMNPQRSTUVWXYZ"


@dataclass(frozen=True, slots=True)
class Answer:
    code: Code
    approval_code: str | None = None


@dataclass(frozen=True, slots=True)
class Statement:
    """What one card owes, so that anybody can reconcile with it to the won."""

    held_minor: int
    released_minor: int
    holds: Sequence[Hold]


class Book:
    """All in memory: a sandbox that is stopped forgets its holds."""

    def __init__(self, cards: Sequence[RealCard], clock: Clock, rng: Random) -> None:
        self._cards = {card.number.reveal(): card for card in cards}
        self._clock, self._rng = clock, rng
        self._answers: dict[Key, tuple[Request, Answer]] = {}
        self._holds: dict[str, dict[Key, Hold]] = {}
        self._reversed: set[Key] = set()

    @property
    def cards(self) -> Sequence[RealCard]:
        return tuple(self._cards.values())

    def add(self, card: RealCard) -> None:
        """Put a card in the book, or replace the one with its number (to block it, to change its limit)."""
        self._cards[card.number.reveal()] = card

    def authorize(self, request: Request) -> Answer:
        """Decide a payment once; a repeat gets the first answer, whatever has changed meanwhile.

        A payment whose reversal has been seen, before it or since, is declined: the reversal wins (P8).
        """
        if request.key in self._reversed:
            return Answer(Code.REVERSED_BEFORE)
        if request.key in self._answers:
            first, answer = self._answers[request.key]
            return answer if first == request else Answer(Code.KEY_REUSED)
        answer = self._decide(request)
        self._answers[request.key] = (request, answer)
        return answer

    def reverse(self, key: Key) -> None:
        """Release what the payment with this key holds, once; the key is remembered even if it came first."""
        self._reversed.add(key)
        if key not in self._answers:
            return
        holds = self._holds.get(self._answers[key][0].number, {})
        if key in holds and holds[key].released_at is None:
            holds[key] = replace(holds[key], released_at=self._clock.now())

    def statement(self, number: str) -> Statement:
        """Everything that is or was held on one card."""
        holds = tuple(self._holds.get(number, {}).values())
        released = sum(hold.amount_minor for hold in holds if hold.released_at is not None)
        return Statement(sum(hold.amount_minor for hold in holds) - released, released, holds)

    def _decide(self, request: Request) -> Answer:
        now = self._clock.now()
        held_minor = self.statement(request.number).held_minor
        card = self._cards.get(request.number)
        code = decide(request, card, held_minor=held_minor, month=f"{now:%y%m}")
        if code is not Code.APPROVED:
            return Answer(code)
        approval = "".join(self._rng.choices(_APPROVAL_LETTERS, k=6))
        if not request.is_check:
            hold = Hold(request.amount_minor, approval, request.merchant, now)
            self._holds.setdefault(request.number, {})[request.key] = hold
        return Answer(code, approval)
