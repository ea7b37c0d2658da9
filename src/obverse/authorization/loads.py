"""Paying money in at an agent's till: cash for a card in use, or a card that is sold. Pure.

A load is decided like a payment and stored like one, so that it is repeated, reversed and settled the same
way; but its money goes from what the platform owes the agent into a lot of the card's balance.
Source: WA-6, PP-4, PP-9.
"""

from collections.abc import Callable, Sequence
from datetime import datetime

from obverse.authorization.known import KnownCard
from obverse.authorization.model import AuthorizationRequest, Decision, LegPlan, Purpose, Rule
from obverse.authorization.rules import NO_FAILURE, decline_of, standing_failures
from obverse.cards.model import CardState
from obverse.kit.money import Money
from obverse.ledger.rules import Books
from obverse.merchants.model import MerchantState
from obverse.programmes.model import ProgrammeState
from obverse.wallet.model import Funding, Lot, LotKind, Source, SourceKind
from obverse.wallet.rules import lot_for

MonthsOn = Callable[[datetime, int], datetime]
"""The end of the month that lies some months ahead, on the programme's calendar."""


def authorize_load(
    request: AuthorizationRequest, known: KnownCard | None, books: Books, *, now: datetime
) -> Decision:
    """Decide whether this agent may pay this much into this card; the leg's lot is opened by the caller.

    An agent shows nothing but the number. That tells it which numbers exist, which is why only agents are
    told anything at all.
    """
    failed = NO_FAILURE
    merchant = request.merchant
    if merchant is None or merchant.state is not MerchantState.ACTIVE:
        failed |= Rule.MERCHANT_ACTIVE
    elif not merchant.is_agent:
        failed |= Rule.AGENT
    if failed:
        return Decision(failed, decline_of(failed, known))
    if known is None:
        failed |= Rule.KNOWN_CARD
    elif not known.details_match:
        failed |= Rule.CARD_DETAILS
    elif request.purpose is Purpose.ACTIVATION:
        failed |= _activation_failures(request, known, now)
    else:
        failed |= _charge_failures(request, known, books, now)
    return Decision(failed, decline_of(failed, known))


def _activation_failures(request: AuthorizationRequest, known: KnownCard, now: datetime) -> Rule:
    """An agent's card is sold once, for what is printed on it."""
    failed = standing_failures(known, now) & ~Rule.CARD_STATE
    card = known.card
    fits = (
        known.usage.state is CardState.INACTIVE
        and card.batch_id is not None
        and request.amount == Money(card.face_value_minor or 0, card.currency)
    )
    return failed if fits and _own_balance(known) else failed | Rule.ACTIVATABLE


def _charge_failures(request: AuthorizationRequest, known: KnownCard, books: Books, now: datetime) -> Rule:
    failed = standing_failures(known, now)
    programme, amount, balance = known.programme, request.amount, _own_balance(known)
    if programme is None or programme.charge_unit_minor is None or balance is None:
        return failed | Rule.CHARGEABLE
    if programme.state is not ProgrammeState.ACTIVE:
        failed |= Rule.CHARGEABLE
    if amount.currency != programme.currency:
        failed |= Rule.CURRENCY
    if amount.amount_minor == 0 or amount.amount_minor % programme.charge_unit_minor:
        failed |= Rule.CHARGE_UNIT
    if _in_it_minor(known.lots.get(balance.id, ()), books) + amount.amount_minor > programme.ceiling_minor:
        failed |= Rule.CEILING
    return failed


def _in_it_minor(lots: Sequence[Lot], books: Books) -> int:
    """All that is in a balance: what is held for payments may come back, and counts towards the ceiling."""
    ids = [lot.account_id for lot in lots]
    return sum((books.available_minor(id_) or 0) + books.held_minor(id_) for id_ in ids)


def load_leg(
    request: AuthorizationRequest, known: KnownCard, *, months_on: MonthsOn, now: datetime
) -> tuple[LegPlan, Lot]:
    """What an approved load moves, and the lot that it goes into."""
    source = _own_balance(known)
    assert source is not None, "a load without a balance is declined"
    assert request.merchant is not None, "a load without an agent is declined"
    assert known.programme is not None, "stored value is issued under a programme"
    kind = LotKind.BOUGHT if request.purpose is Purpose.ACTIVATION else LotKind.CHARGED
    ends = min(months_on(now, known.programme.validity_months), known.card.expires_at)
    agent = request.merchant.account_id
    funding = Funding(source.id, kind, request.amount, agent, ends, known.card.id)
    lot = lot_for(known.card.partition_id, funding, known.lots.get(source.id, ()))
    return LegPlan(source.id, source.kind, request.amount.amount_minor, agent, lot.account_id), lot


def _own_balance(known: KnownCard) -> Source | None:
    return next((s for s in known.sources if s.kind is SourceKind.STORED_BALANCE), None)
