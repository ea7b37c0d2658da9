"""Every rule of a payment, as a table."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

import pytest
from msgspec.structs import replace
from tests.factories.authorization import (
    a_card,
    a_credit_line,
    a_linked_card,
    a_merchant,
    a_request,
    credit_of,
)
from tests.factories.ledger import NOON
from tests.factories.legs import sent_legs

from obverse.authorization import rules, usage
from obverse.authorization.known import KnownCard
from obverse.authorization.model import AuthorizationRequest, Decline, Rule
from obverse.authorization.ports import LegAnswer, LegOutcome
from obverse.authorization.proof import CodeCheck
from obverse.authorization.usage import CardUsage
from obverse.cards.model import Card, CardState, Controls, SpentOn
from obverse.kit.ids import MerchantId
from obverse.kit.money import CurrencyCode
from obverse.ledger import Books
from obverse.merchants.model import Merchant, MerchantState
from obverse.wallet.model import Source, SourceKind, SourceState

SHOP = a_merchant()
ACCOUNT = credit_of(100_000)
LINE = a_credit_line(ACCOUNT)


def decide(
    request: AuthorizationRequest, card: Card | None, *sources: Source, details_match: bool = True
) -> rules.Decision:
    known = KnownCard(card, CardUsage.of(card), details_match, sources) if card else None
    return rules.authorize(request, known, Books([ACCOUNT]), now=NOON)


def card_with(**controls: object) -> Card:
    return a_card(LINE, controls=Controls(**controls))  # type: ignore[arg-type]


@dataclass(frozen=True)
class Row:
    card: Card | None
    amount_minor: int = 34_000
    merchant: Merchant | None = SHOP
    sources: tuple[Source, ...] = (LINE,)
    details_match: bool = True
    currency: str = "KRW"
    decline: Decline | None = None


TABLE: dict[str, Row] = {
    "everything in order": Row(card_with()),
    "unknown card": Row(None, decline=Decline.UNKNOWN_CARD),
    "unknown merchant": Row(card_with(), merchant=None, decline=Decline.UNKNOWN_MERCHANT),
    "unknown merchant tells nothing of the card": Row(None, merchant=None, decline=Decline.UNKNOWN_MERCHANT),
    "closed merchant": Row(
        card_with(), merchant=replace(SHOP, state=MerchantState.CLOSED), decline=Decline.UNKNOWN_MERCHANT
    ),
    "wrong cvv or expiry": Row(card_with(), details_match=False, decline=Decline.WRONG_DETAILS),
    "wrong details of a used card tell nothing of it": Row(
        a_card(LINE, uses_left=0), details_match=False, decline=Decline.WRONG_DETAILS
    ),
    "suspended": Row(a_card(LINE, state=CardState.SUSPENDED), decline=Decline.CARD_SUSPENDED),
    "closed": Row(a_card(LINE, state=CardState.CLOSED), decline=Decline.CARD_CLOSED),
    "expired this instant": Row(a_card(LINE, expires_at=NOON), decline=Decline.CARD_EXPIRED),
    "one microsecond before expiry": Row(a_card(LINE, expires_at=NOON + timedelta(microseconds=1))),
    "used": Row(a_card(LINE, uses_left=0), decline=Decline.CARD_USED),
    "locked to this merchant": Row(card_with(merchant_id=SHOP.id)),
    "locked to another merchant": Row(
        card_with(merchant_id=MerchantId(uuid4())), decline=Decline.WRONG_MERCHANT
    ),
    "locked to this category": Row(card_with(categories=("5942", "5943"))),
    "locked to other categories": Row(card_with(categories=("7995",)), decline=Decline.WRONG_CATEGORY),
    "another currency": Row(card_with(), currency="USD", decline=Decline.WRONG_CURRENCY),
    "at the payment limit": Row(card_with(per_payment_limit_minor=34_000)),
    "over the payment limit": Row(
        card_with(per_payment_limit_minor=33_999), decline=Decline.PER_PAYMENT_LIMIT
    ),
    "at the amount limit": Row(card_with(amount_limit_minor=34_000)),
    "over the amount limit": Row(card_with(amount_limit_minor=33_999), decline=Decline.AMOUNT_LIMIT),
    "limit of zero": Row(card_with(amount_limit_minor=0), amount_minor=1, decline=Decline.AMOUNT_LIMIT),
    "over the amount limit with what was spent": Row(
        a_card(LINE, controls=Controls(amount_limit_minor=50_000, uses=3), spent_minor=16_001),
        decline=Decline.AMOUNT_LIMIT,
    ),
    "all of the credit": Row(card_with(), amount_minor=100_000),
    "more than the credit": Row(card_with(), amount_minor=100_001, decline=Decline.INSUFFICIENT_FUNDS),
    "suspended credit line": Row(
        card_with(), sources=(replace(LINE, state=SourceState.SUSPENDED),), decline=Decline.FUNDING_INACTIVE
    ),
    "no funding left": Row(card_with(), sources=(), decline=Decline.FUNDING_INACTIVE),
    "zero amount check": Row(card_with(), amount_minor=0),
    "zero amount check of a used card": Row(
        a_card(LINE, uses_left=0), amount_minor=0, decline=Decline.CARD_USED
    ),
}


@pytest.mark.parametrize("row", TABLE.values(), ids=TABLE.keys())
def test_the_first_rule_that_fails_names_the_decline(row: Row) -> None:
    request = a_request(row.amount_minor, row.merchant, currency=CurrencyCode(row.currency))
    decision = decide(request, row.card, *row.sources, details_match=row.details_match)
    assert decision.decline is row.decline
    assert bool(decision.failed_rules) == (row.decline is not None)
    assert sum(leg.amount_minor for leg in decision.legs) == (0 if row.decline else row.amount_minor)


def test_every_failing_rule_is_named_not_only_the_first() -> None:
    card = a_card(LINE, controls=Controls(amount_limit_minor=1), uses_left=0, state=CardState.SUSPENDED)
    assert decide(a_request(34_000, SHOP), card, LINE).failed_rules == (
        Rule.CARD_STATE | Rule.SINGLE_USE | Rule.AMOUNT_LIMIT
    )


def test_every_rule_has_a_decline() -> None:
    for rule in Rule:
        known = KnownCard(card := a_card(LINE, state=CardState.CLOSED), CardUsage.of(card), True, [LINE])
        assert isinstance(rules.decline_of(rule, known, CodeCheck.USED), Decline)


def test_sources_pay_in_their_order_and_the_linked_card_takes_the_rest() -> None:
    linked = a_linked_card()
    decision = decide(a_request(130_000, SHOP), a_card(LINE, linked), LINE, linked)
    assert [(leg.kind, leg.amount_minor) for leg in decision.legs] == [
        (SourceKind.CREDIT_LINE, 100_000),
        (SourceKind.LINKED_CARD, 30_000),
    ]


def test_the_first_source_pays_alone_where_it_can() -> None:
    linked = a_linked_card()
    decision = decide(a_request(130_000, SHOP), a_card(linked, LINE), linked, LINE)
    assert [(leg.source_id, leg.amount_minor) for leg in decision.legs] == [(linked.id, 130_000)]


@pytest.mark.parametrize(
    ("outcomes", "decline"),
    [
        ([LegOutcome.APPROVED, LegOutcome.APPROVED], None),
        ([LegOutcome.APPROVED, LegOutcome.DECLINED], Decline.CARD_COMPANY_DECLINED),
        ([LegOutcome.APPROVED, LegOutcome.NO_ANSWER], Decline.CARD_COMPANY_LATE),
        ([LegOutcome.UNREACHABLE], Decline.CARD_COMPANY_UNAVAILABLE),
        ([], Decline.CARD_COMPANY_LATE),
    ],
    ids=["all approved", "one declined", "one silent", "unreachable", "no answer known at all"],
)
def test_a_payment_with_asked_legs_is_concluded(outcomes: list[LegOutcome], decline: Decline | None) -> None:
    legs = sent_legs(max(len(outcomes), 1))
    answers = {position: LegAnswer(outcome) for position, outcome in enumerate(outcomes)}
    assert rules.conclude(legs, answers) is decline


Count = Callable[[CardUsage], None]


@pytest.mark.parametrize(
    ("spent_on", "steps", "uses_left", "spent_minor"),
    [
        (SpentOn.APPROVAL, [lambda u: usage.spend(u, 10, SpentOn.APPROVAL)], 0, 10),
        (SpentOn.APPROVAL, [lambda u: usage.spend(u, 0, SpentOn.APPROVAL)], 1, 0),
        (SpentOn.CAPTURE, [lambda u: usage.spend(u, 10, SpentOn.CAPTURE)], 1, 10),
        (
            SpentOn.CAPTURE,
            [
                lambda u: usage.spend(u, 10, SpentOn.CAPTURE),
                lambda u: usage.capture(u, SpentOn.CAPTURE),
                lambda u: usage.release(u, 4),
            ],
            0,
            6,
        ),
        (
            SpentOn.APPROVAL,
            [
                lambda u: usage.spend(u, 10, SpentOn.APPROVAL),
                lambda u: usage.give_back(u, 10, SpentOn.APPROVAL, was_approved=True),
            ],
            0,
            0,
        ),
        (
            SpentOn.APPROVAL,
            [
                lambda u: usage.spend(u, 10, SpentOn.APPROVAL),
                lambda u: usage.give_back(u, 10, SpentOn.APPROVAL, was_approved=False),
            ],
            1,
            0,
        ),
    ],
    ids=[
        "an approval spends it",
        "a zero-amount check does not",
        "a card spent on capture survives its approval",
        "and is spent by its capture",
        "a reversal gives the money back but not the use",
        "an attempt that was never approved gives both back",
    ],
)
def test_what_is_left_of_a_card_when(
    spent_on: SpentOn, steps: list[Count], uses_left: int, spent_minor: int
) -> None:
    left = CardUsage(1, 0, 0, CardState.ACTIVE)
    for step in steps:
        step(left)
    assert (left.uses_left, left.spent_minor) == (uses_left, spent_minor)
