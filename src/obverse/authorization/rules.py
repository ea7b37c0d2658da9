"""Every decision about a payment. Pure: state and request in, decision out; no I/O, no clock, no chance."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from obverse.authorization.known import KnownCard
from obverse.authorization.model import (
    Authorization,
    AuthorizationRequest,
    Decision,
    Decline,
    Entry,
    Leg,
    LegStatus,
    Purpose,
    Rule,
)
from obverse.authorization.ports import LegAnswer, LegOutcome
from obverse.authorization.proof import CODE_FAILS, CodeCheck, PinCheck
from obverse.authorization.tender import Split, own_accounts, split
from obverse.authorization.usage import CardUsage
from obverse.cards.model import Card, CardKind, CardState
from obverse.cards.rules import service_of
from obverse.kit.money import Money
from obverse.ledger.rules import Books
from obverse.merchants.model import Merchant, MerchantState
from obverse.wallet.model import STORED, SourceKind

NO_FAILURE: Final = Rule(0)

SELLS_STORED_VALUE: Final = "6540"
"""ISO 18245: where stored value is bought and charged."""

_FIRST: Final = (
    Rule.MERCHANT_ACTIVE, Rule.CODE, Rule.KNOWN_CARD, Rule.CARD_DETAILS, Rule.PIN, Rule.PROOF,
)  # fmt: skip
ORDER: Final = (*_FIRST, *(rule for rule in Rule if rule not in _FIRST))
"""The rules as they are asked; the first that fails names the decline. What shows that the card is in hand
comes first."""


def authorize(
    request: AuthorizationRequest,
    known: KnownCard | None,
    books: Books,
    *,
    now: datetime,
    code: CodeCheck = CodeCheck.NOT_GIVEN,
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
    if code in CODE_FAILS:
        failed |= Rule.CODE
    elif known is None:
        failed |= Rule.KNOWN_CARD
    elif not known.details_match:
        failed |= Rule.CARD_DETAILS
    elif known.pin in _PIN_FAILS:
        failed |= Rule.PIN
    elif _lacks_proof(request, known):
        failed |= Rule.PROOF
    else:
        return _decide(request, known, books, failed, now)
    return Decision(failed, decline_of(failed, known, code))


def _lacks_proof(request: AuthorizationRequest, known: KnownCard) -> bool:
    """Whether a code stands alone for an amount that needs its member's PIN or passkey as well (PC-5)."""
    proved = known.pin is PinCheck.RIGHT or request.holder_proved
    needed_from = known.proof_from_minor
    return needed_from is not None and not proved and request.amount.amount_minor >= needed_from


def _decide(
    request: AuthorizationRequest, known: KnownCard, books: Books, failed: Rule, now: datetime
) -> Decision:
    """Ask the rest, now that whoever asks has shown that the card is in hand."""
    shared = Split()
    if request.purpose is Purpose.INQUIRY:
        failed |= standing_failures(known, now)
        if request.amount.currency != known.card.currency:
            failed |= Rule.CURRENCY
        if _is_shown_online(request, known.card):
            failed |= Rule.STAND_IN_ACCEPTED
    elif request.reported:
        if known.usage.uses_left < 1:
            failed |= Rule.SINGLE_USE  # whoever has decided could not know; no number pays twice (P1)
        shared = split(request, known, books)
    else:
        failed |= _card_failures(request, known.card, known.usage, now)
        failed |= _merchant_failures(request, known)
        if request.quote is not None and known.quote is None:
            failed |= Rule.QUOTE
        shared = split(request, known, books)
    if shared.to_ask and not failed:
        return Decision(failed, None, to_ask=shared.to_ask)
    failed |= shared.failed & ~Rule.FUNDS if shared.to_ask else shared.failed
    return Decision(failed, decline_of(failed, known), () if failed else shared.legs)


def _card_failures(request: AuthorizationRequest, card: Card, usage: CardUsage, now: datetime) -> Rule:
    amount = request.amount.amount_minor
    controls = card.controls
    merchant: Merchant | None = request.merchant
    failed = NO_FAILURE
    if usage.state is not CardState.ACTIVE:
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


def standing_failures(known: KnownCard, now: datetime) -> Rule:
    """Whether the card is good at all, whatever is wanted of it."""
    failed = NO_FAILURE
    if known.usage.state is not CardState.ACTIVE:
        failed |= Rule.CARD_STATE
    if known.card.expires_at <= now:
        failed |= Rule.EXPIRY
    return failed


def _merchant_failures(request: AuthorizationRequest, known: KnownCard) -> Rule:
    """What merchant and card have agreed on: the kind of card, its services and shops (PP-5, PP-8, PP-15)."""
    failed = NO_FAILURE
    merchant, card = request.merchant, known.card
    if merchant is None:
        return failed
    if card.kind not in merchant.accepts or _is_shown_online(request, card):
        failed |= Rule.STAND_IN_ACCEPTED
    controls = card.controls
    if controls.merchants is not None and merchant.id not in controls.merchants:
        failed |= Rule.MERCHANT_LOCK
    if controls.services is not None and service_of(merchant.category) not in controls.services:
        failed |= Rule.SERVICE
    if merchant.category == SELLS_STORED_VALUE and any(s.kind in STORED for s in known.sources):
        failed |= Rule.STORED_VALUE
    return failed


def _is_shown_online(request: AuthorizationRequest, card: Card) -> bool:
    """Whether a mall was given a real card: that is what stand-ins are for, and nothing proves it there."""
    return card.kind is CardKind.REGISTERED and request.entry is Entry.ONLINE


def approved_amount(request: AuthorizationRequest, decision: Decision) -> Money:
    """What is paid: what was asked for, or what there is where less will do."""
    if not request.partial or not decision.legs:
        return request.amount
    return Money(sum(leg.amount_minor for leg in decision.legs), request.amount.currency)


def balance_minor(known: KnownCard, books: Books) -> int | None:
    """What is stored on the card and can be spent; None where nothing ever is.

    Points behind a card with a balance of its own are no part of that.
    """
    stored = {source.id for source in known.sources if source.kind in STORED}
    if known.card.own_source in stored:
        stored = {known.card.own_source}
    if not stored:
        return None
    held = [account for source, account in own_accounts(known) if source.id in stored]
    return sum(books.available_minor(account) or 0 for account in held)


def decline_of(
    failed: Rule, known: KnownCard | None, code: CodeCheck = CodeCheck.NOT_GIVEN
) -> Decline | None:
    """The decline that the first failed rule gives its name to."""
    if not failed:
        return None
    first = next(rule for rule in ORDER if rule in failed)
    if first is Rule.CODE:
        return _OF_CODE[code]
    if first is Rule.CARD_STATE:
        assert known is not None
        return _OF_STATE[known.usage.state]
    if first is Rule.PIN:
        assert known is not None
        return Decline.PIN_LOCKED if known.pin is PinCheck.LOCKED else Decline.WRONG_PIN
    return _DECLINE_OF[first]


_PIN_FAILS: Final = frozenset({PinCheck.WRONG, PinCheck.LOCKED})

_OF_CODE: Final[Mapping[CodeCheck, Decline]] = {
    CodeCheck.UNKNOWN: Decline.UNKNOWN_CODE,
    CodeCheck.USED: Decline.CODE_USED,
    CodeCheck.OVER: Decline.CODE_EXPIRED,
    CodeCheck.GUESSING: Decline.TOO_MANY_GUESSES,
}

_OF_STATE: Final[Mapping[CardState, Decline]] = {
    CardState.INACTIVE: Decline.CARD_INACTIVE,
    CardState.SUSPENDED: Decline.CARD_SUSPENDED,
    CardState.CLOSED: Decline.CARD_CLOSED,
}


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
    Rule.SERVICE: Decline.WRONG_SERVICE,
    Rule.STORED_VALUE: Decline.STORED_VALUE_NOT_ALLOWED,
    Rule.AGENT: Decline.NOT_AN_AGENT,
    Rule.CHARGEABLE: Decline.NOT_CHARGEABLE,
    Rule.CHARGE_UNIT: Decline.CHARGE_UNIT,
    Rule.CEILING: Decline.BALANCE_CEILING,
    Rule.ACTIVATABLE: Decline.NOT_ACTIVATABLE,
    Rule.PROOF: Decline.PROOF_NEEDED,
    Rule.TENDER: Decline.TENDER_INVALID,
    Rule.TENDER_AMOUNT: Decline.TENDER_TOO_LARGE,
    Rule.QUOTE: Decline.QUOTE_EXPIRED,
    Rule.POINTS_ACCEPTED: Decline.POINTS_NOT_ACCEPTED,
    Rule.POINTS_MINIMUM: Decline.POINTS_BELOW_MINIMUM,
    Rule.POINTS_MAXIMUM: Decline.POINTS_ABOVE_MAXIMUM,
    Rule.POINTS_BALANCE: Decline.INSUFFICIENT_POINTS,
}


def conclude(legs: Sequence[Leg], answers: Mapping[int, LegAnswer]) -> Decline | None:
    """Decide over a payment whose card companies and points issuers were asked: all legs or none (P9).

    `answers` is by leg position; a leg that was sent and has none counts as not answered. What is said
    most clearly names the decline, and of two alike the points: a card is asked only after them.
    """
    heard = {
        (answers.get(leg.position, NEVER_ANSWERED).outcome, leg.kind is SourceKind.ISSUER_POINTS)
        for leg in legs
        if leg.status is LegStatus.SENT
    }
    decline = next((decline for said, decline in _SAID if said in heard), None)
    if decline is Decline.POINTS_ISSUER_DECLINED and INSUFFICIENT_POINTS in _reasons(answers):
        return Decline.INSUFFICIENT_POINTS  # the balance has shrunk since it was told
    return decline


def _reasons(answers: Mapping[int, LegAnswer]) -> set[str | None]:
    return {answer.response_code for answer in answers.values() if answer.outcome is LegOutcome.DECLINED}


INSUFFICIENT_POINTS: Final = "insufficient_points"
"""How issuers say that there is not enough in an account (docs/messages/points-issuer.md)."""

NEVER_ANSWERED: Final = LegAnswer(LegOutcome.NO_ANSWER)

_SAID: Final = (
    ((LegOutcome.DECLINED, True), Decline.POINTS_ISSUER_DECLINED),
    ((LegOutcome.DECLINED, False), Decline.CARD_COMPANY_DECLINED),
    ((LegOutcome.NO_ANSWER, True), Decline.POINTS_ISSUER_LATE),
    ((LegOutcome.NO_ANSWER, False), Decline.CARD_COMPANY_LATE),
    ((LegOutcome.UNREACHABLE, True), Decline.POINTS_ISSUER_UNAVAILABLE),
    ((LegOutcome.UNREACHABLE, False), Decline.CARD_COMPANY_UNAVAILABLE),
)


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
    return kind in _OFF_US


def is_presented(kind: SourceKind) -> bool:
    """Whether what follows an approval is told by a clearing file; a points issuer is told it leg by leg."""
    return kind is SourceKind.LINKED_CARD


def is_undone_here(leg: Leg, *, told: bool) -> bool:
    """Whether a leg needs no reversal outside: on-us; in a clearing file already, where a credit follows;
    or of points that were approved, whose units go back in step with the money."""
    if leg.kind is SourceKind.ISSUER_POINTS:
        return leg.status is LegStatus.APPROVED
    return not is_off_us(leg.kind) or (told and leg.captured_minor > 0)


_OFF_US: Final = frozenset({SourceKind.LINKED_CARD, SourceKind.ISSUER_POINTS})


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
