"""Every decision about a payment. Pure: state and request in, decision out; no I/O, no clock, no chance."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import msgspec

from obverse.authorization.model import (
    Authorization,
    AuthorizationRequest,
    Decision,
    Decline,
    Entry,
    Leg,
    LegPlan,
    LegStatus,
    Rule,
)
from obverse.authorization.ports import LegAnswer, LegOutcome
from obverse.cards.model import Card, CardState, SpentOn
from obverse.ledger.rules import Books
from obverse.merchants.model import Merchant, MerchantState
from obverse.wallet.model import Source, SourceKind, SourceState

NO_FAILURE: Final = Rule(0)

ENTRIES_WITHOUT_CARD_PRESENT: Final = frozenset({Entry.ONLINE, Entry.TYPED})
"""Whoever only knows a number could have guessed it, so these must bring the CVV as well."""


@dataclass(slots=True)
class CardUsage:
    """What one batch has left of a card so far; changed as the batch decides payment after payment."""

    uses_left: int
    spent_minor: int


class KnownCard(msgspec.Struct, frozen=True):
    """A card the request named, with what stands behind it.

    `details_match` says whether expiry and CVV, as far as they came, are the card's own.
    """

    card: Card
    usage: CardUsage
    details_match: bool
    sources: Sequence[Source]


def authorize(
    request: AuthorizationRequest, known: KnownCard | None, books: Books, *, now: datetime
) -> Decision:
    """Decide whether this payment may go ahead, and who pays which part.

    Every rule is asked, so that a dry run can show each answer; the first that fails names the decline.
    The merchant is looked at before the card, and nothing else is asked about a card whose details are
    wrong: whoever guesses learns the same from every guess (PF-11, P17).

    A one-time card is spent by its first approval. Terminals repeat a request whose answer they did not
    see; those never get here, because the engine finds the earlier answer by request key.

    A decline is a value, not an exception: the terminal must be answered either way.

    Source: OT-11, OT-13, OT-14, PF-8. Amounts in minor units of `request.amount.currency`.
    """
    failed = NO_FAILURE
    if request.merchant is None or request.merchant.state is not MerchantState.ACTIVE:
        failed |= Rule.MERCHANT_ACTIVE
    if known is None:
        failed |= Rule.KNOWN_CARD
        return Decision(failed, _decline(failed, None))
    if not known.details_match:
        failed |= Rule.CARD_DETAILS
        return Decision(failed, _decline(failed, known.card))
    failed |= _card_failures(request, known.card, known.usage, now)
    if request.merchant is not None and known.card.kind not in request.merchant.accepts:
        failed |= Rule.STAND_IN_ACCEPTED
    legs, funding_failed = _split(request, known.sources, books)
    failed |= funding_failed
    return Decision(failed, _decline(failed, known.card), () if failed else legs)


def needs_cvv(entry: Entry) -> bool:
    """Whether a request by this way of entry must carry the CVV."""
    return entry in ENTRIES_WITHOUT_CARD_PRESENT


def _card_failures(request: AuthorizationRequest, card: Card, usage: CardUsage, now: datetime) -> Rule:
    amount = request.amount.amount_minor
    controls = card.controls
    merchant: Merchant | None = request.merchant
    failed = NO_FAILURE
    if card.state is not CardState.ACTIVE:
        failed |= Rule.CARD_STATE
    if card.expires_at <= now:
        failed |= Rule.EXPIRY
    if usage.uses_left < 1:
        failed |= Rule.SINGLE_USE
    if controls.merchant_id is not None and (merchant is None or merchant.id != controls.merchant_id):
        failed |= Rule.MERCHANT_LOCK
    if controls.categories is not None and (merchant is None or merchant.category not in controls.categories):
        failed |= Rule.CATEGORY_LOCK
    if card.currency != request.amount.currency:
        failed |= Rule.CURRENCY
    if controls.per_payment_limit_minor is not None and amount > controls.per_payment_limit_minor:
        failed |= Rule.PER_PAYMENT_LIMIT
    if controls.amount_limit_minor is not None and usage.spent_minor + amount > controls.amount_limit_minor:
        failed |= Rule.AMOUNT_LIMIT
    return failed


def _split(
    request: AuthorizationRequest, sources: Sequence[Source], books: Books
) -> tuple[Sequence[LegPlan], Rule]:
    """Let each active source in its order pay what it can of the rest; a linked card takes all of it."""
    active = [s for s in sources if s.state is SourceState.ACTIVE and s.currency == request.amount.currency]
    if not active:
        return (), Rule.FUNDING_ACTIVE
    if request.merchant is None:
        return (), NO_FAILURE
    rest = request.amount.amount_minor
    legs: list[LegPlan] = []
    for source in active:
        available = books.available_minor(source.account_id)
        part = rest if available is None else min(rest, available)
        if part > 0:
            legs.append(LegPlan(source.id, source.kind, part, source.account_id, request.merchant.account_id))
            rest -= part
    return legs, Rule.FUNDS if rest > 0 else NO_FAILURE


def _decline(failed: Rule, card: Card | None) -> Decline | None:
    if not failed:
        return None
    first = Rule(failed & -failed)
    if first is Rule.CARD_STATE:
        assert card is not None
        return Decline.CARD_SUSPENDED if card.state is CardState.SUSPENDED else Decline.CARD_CLOSED
    return _DECLINE_OF[first]


_DECLINE_OF: Final[Mapping[Rule, Decline]] = {
    Rule.MERCHANT_ACTIVE: Decline.UNKNOWN_MERCHANT,
    Rule.KNOWN_CARD: Decline.UNKNOWN_CARD,
    Rule.CARD_DETAILS: Decline.WRONG_DETAILS,
    Rule.EXPIRY: Decline.CARD_EXPIRED,
    Rule.SINGLE_USE: Decline.CARD_USED,
    Rule.MERCHANT_LOCK: Decline.WRONG_MERCHANT,
    Rule.CATEGORY_LOCK: Decline.WRONG_CATEGORY,
    Rule.CURRENCY: Decline.WRONG_CURRENCY,
    Rule.PER_PAYMENT_LIMIT: Decline.PER_PAYMENT_LIMIT,
    Rule.AMOUNT_LIMIT: Decline.AMOUNT_LIMIT,
    Rule.FUNDING_ACTIVE: Decline.FUNDING_INACTIVE,
    Rule.FUNDS: Decline.INSUFFICIENT_FUNDS,
    Rule.STAND_IN_ACCEPTED: Decline.NOT_ACCEPTED_HERE,
}


def spend(usage: CardUsage, amount_minor: int, spent_on: SpentOn) -> None:
    """Count a payment, approved or still waiting, against its card; zero-amount checks are free (PF-8)."""
    if amount_minor == 0:
        return
    usage.spent_minor += amount_minor
    if spent_on is SpentOn.APPROVAL:
        usage.uses_left -= 1


def give_back(usage: CardUsage, amount_minor: int, spent_on: SpentOn, *, was_approved: bool) -> None:
    """Undo `spend`. The amount comes back either way; the use only where there never was an approval,
    so that a number that was once approved stays spent after a reversal (OT-14, P1)."""
    if amount_minor == 0:
        return
    usage.spent_minor -= amount_minor
    if spent_on is SpentOn.APPROVAL and not was_approved:
        usage.uses_left += 1


def conclude(legs: Sequence[Leg], answers: Mapping[int, LegAnswer]) -> Decline | None:
    """Decide over a payment whose card companies were asked: all legs or none (P9).

    `answers` is by leg position; a leg that was sent and has none counts as not answered.
    """
    outcomes = {
        answers.get(leg.position, LegAnswer(LegOutcome.NO_ANSWER)).outcome
        for leg in legs
        if leg.status is LegStatus.SENT
    }
    if LegOutcome.DECLINED in outcomes:
        return Decline.CARD_COMPANY_DECLINED
    if LegOutcome.NO_ANSWER in outcomes:
        return Decline.CARD_COMPANY_LATE
    if LegOutcome.UNREACHABLE in outcomes:
        return Decline.CARD_COMPANY_UNAVAILABLE
    return None


def may_have_happened(answer: LegAnswer | None) -> bool:
    """Whether a card company may hold money after this answer; without one, nobody has asked it."""
    return answer is not None and answer.outcome in (LegOutcome.APPROVED, LegOutcome.NO_ANSWER)


def leg_after(leg: Leg, answer: LegAnswer, *, approved: bool) -> LegStatus:
    """What becomes of an off-us leg once the payment is concluded.

    A leg that may have happened in a payment that did not is to be reversed.
    """
    match answer.outcome:
        case LegOutcome.APPROVED:
            return LegStatus.APPROVED if approved else LegStatus.REVERSING
        case LegOutcome.NO_ANSWER:
            return LegStatus.UNKNOWN
        case LegOutcome.DECLINED | LegOutcome.UNREACHABLE:
            return LegStatus.DECLINED


def was_answered(authorization: Authorization, in_doubt_since: datetime | None) -> bool:
    """Whether somebody holds an answer that undoing this payment would make wrong.

    A terminal's own reversal (`in_doubt_since` None) always wins. A door that gave up on a request may only
    undo what that very request has done, and only until a repeat is told of it (P5, P6).
    """
    if in_doubt_since is None:
        return False
    return authorization.created_at < in_doubt_since or authorization.answered_again


def is_off_us(kind: SourceKind) -> bool:
    """Whether somebody outside has to be asked for this kind of source."""
    return kind is SourceKind.LINKED_CARD


def release(usage: CardUsage, released_minor: int) -> None:
    """Count a release against the card: what was not captured may be spent again."""
    usage.spent_minor -= released_minor


def capture(usage: CardUsage, spent_on: SpentOn) -> None:
    """Count a payment's first capture: a card that is spent on capture loses a use (PF-8)."""
    if spent_on is SpentOn.CAPTURE and usage.uses_left > 0:
        usage.uses_left -= 1


def asked(amount_minor: int | None, *, final: bool = False) -> str:
    """A step as its sender put it, by which a repeat of it is told from another step with the same key.

    >>> asked(1_000, final=True), asked(None)
    ('1000 final', 'all')
    """
    return f"{'all' if amount_minor is None else amount_minor}{' final' if final else ''}"


def parts_from_first(limits: Sequence[int], amount_minor: int) -> list[int]:
    """Take an amount from the legs in their order, each up to its limit: how captures are shared out.

    >>> parts_from_first([4_000, 30_000], 10_000)
    [4000, 6000]
    """
    parts = []
    for limit in limits:
        part = min(amount_minor, limit)
        parts.append(part)
        amount_minor -= part
    assert amount_minor == 0, "the caller has seen that there is enough"
    return parts


def parts_from_last(limits: Sequence[int], amount_minor: int) -> list[int]:
    """The same from the last leg to the first: what was taken last comes back first (PF-6).

    >>> parts_from_last([4_000, 30_000], 31_000)
    [1000, 30000]
    """
    return parts_from_first(limits[::-1], amount_minor)[::-1]
