"""The card company's book: its cards, what is held and charged on each, and what it has answered before."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Final

from obverse.kit.clock import Clock
from obverse.sandbox.card_company.model import Bill, BillLine, Code, Hold, Item, RealCard, Reason, Request
from obverse.sandbox.card_company.rules import decide, judge

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
    charged_minor: int
    """Credits deducted."""
    holds: Sequence[Hold]


class Book:
    """All in memory: a sandbox that is stopped forgets its holds."""

    def __init__(self, cards: Sequence[RealCard], clock: Clock, rng: Random) -> None:
        self._cards = {card.number.reveal(): card for card in cards}
        self._clock, self._rng = clock, rng
        self._answers: dict[Key, tuple[Request, Answer]] = {}
        self._holds: dict[str, dict[Key, Hold]] = {}
        self._approvals: dict[tuple[str, str], Key] = {}
        self._reversed: set[Key] = set()
        self._taken: set[str] = set()
        self._lines: dict[str, list[BillLine]] = {}
        self._paid: dict[str, int] = {}

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
        held = sum(hold.open_minor for hold in holds)
        charged = sum(hold.charged_minor - hold.credited_minor for hold in holds)
        released = sum(_released(hold) for hold in holds)
        return Statement(held, released, charged, holds)

    def present(self, item: Item) -> Reason | None:
        """Take one presentment, each once, or say why not: charged or credited, and on the next bill."""
        card = self._cards.get(item.card_number)
        key = self._approvals.get((item.card_number, item.approval_code))
        holds = self._holds.get(item.card_number, {})
        hold = holds.get(key) if key is not None else None
        reason = judge(item, card, hold, seen=item.arn in self._taken)
        if reason is not None or hold is None or key is None:
            return reason
        self._taken.add(item.arn)
        if item.is_credit:
            holds[key] = replace(hold, credited_minor=hold.credited_minor + item.amount_minor)
        else:
            charged = hold.charged_minor + item.amount_minor
            holds[key] = replace(hold, charged_minor=charged, is_closed=hold.is_closed or item.is_final)
        amount = -item.amount_minor if item.is_credit else item.amount_minor
        line = BillLine(amount, item.merchant, item.approval_code, self._clock.now())
        self._lines.setdefault(item.card_number, []).append(line)
        return None

    def bill(self, number: str) -> Bill:
        """What this cardholder is billed (OT-18)."""
        return Bill(tuple(self._lines.get(number, ())), self._paid.get(number, 0))

    def pay(self, number: str, amount_minor: int) -> Bill:
        """Note what the cardholder has paid."""
        self._paid[number] = self._paid.get(number, 0) + amount_minor
        return self.bill(number)

    def _decide(self, request: Request) -> Answer:
        now = self._clock.now()
        used_minor = self.statement(request.number).held_minor + self.bill(request.number).owed_minor
        card = self._cards.get(request.number)
        code = decide(request, card, held_minor=used_minor, month=f"{now:%y%m}")
        if code is not Code.APPROVED:
            return Answer(code)
        approval = "".join(self._rng.choices(_APPROVAL_LETTERS, k=6))
        if not request.is_check:
            hold = Hold(request.amount_minor, approval, request.merchant, now)
            self._holds.setdefault(request.number, {})[request.key] = hold
            self._approvals[request.number, approval] = request.key
        return Answer(code, approval)


def _released(hold: Hold) -> int:
    if hold.released_at is not None:
        return hold.amount_minor
    return max(0, hold.amount_minor - hold.charged_minor) if hold.is_closed else 0
