"""Payments that mix sources, and payments by code, as the engine decides them; without a database."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from itertools import count
from typing import Final
from uuid import uuid4

from msgspec.structs import replace
from tests.factories.authorization import ISSUED, a_card, a_merchant, makers
from tests.factories.ledger import NOON, P0

from obverse.authorization.batch import Batch
from obverse.authorization.inputs import Loaded
from obverse.authorization.model import Tender
from obverse.authorization.ports import LegAnswer, LegOutcome
from obverse.cards.model import Card, CardKind, Controls, SpentOn
from obverse.cards.rules import face_expiry_of
from obverse.codes.model import Code, Guesses
from obverse.kit.ids import (
    AccountId,
    AuthorizationId,
    CardId,
    DeviceId,
    MemberId,
    MerchantId,
    PointsIssuerId,
    SourceId,
)
from obverse.kit.money import KRW
from obverse.kit.secret import Sealed
from obverse.ledger import Account
from obverse.merchants.model import Merchant
from obverse.points.model import Holding, Quote, QuoteLine, Rate
from obverse.wallet.model import Source, SourceKind, SourceState

MILES, STARS = PointsIssuerId(uuid4()), PointsIssuerId(uuid4())
TWO_FOR_ONE, TEN_EACH = Rate(2, 1), Rate(1, 10)
SHOP = a_merchant(
    accepts_points=frozenset({MILES, STARS}), accepts=frozenset({"one_time", "prepaid", "registered"})
)
YES = LegAnswer(LegOutcome.APPROVED, None, "P1", to_confirm=True)
_hashes = count(1)


def points_of(state: SourceState = SourceState.ACTIVE) -> Source:
    """A proved account with an issuer outside."""
    return Source(
        SourceId(uuid4()), P0, MemberId(uuid4()), SourceKind.ISSUER_POINTS, KRW, AccountId(uuid4()),
        None, state, ISSUED,
    )  # fmt: skip


def a_holding(source: Source, issuer: PointsIssuerId, units_max: int | None = None) -> Holding:
    return Holding(source.id, issuer, Sealed(1, b"sealed"), units_max, is_active=True)


def a_quote(card: Card, merchant: Merchant, *lines: tuple[Source, Rate, int], ends_in_s: int = 60) -> Quote:
    numbered = [
        QuoteLine(number, source.id, rate, units) for number, (source, rate, units) in enumerate(lines, 1)
    ]
    ends = NOON + timedelta(seconds=ends_in_s)
    return Quote("QUOTE2345678", P0, card.id, merchant.id, numbered, NOON, ends)


def a_code(
    card: Card, *, used: bool = False, pin_tries: int = 0, begins_s: int = -60, ends_s: int = 60
) -> Code:
    assert card.member_id is not None, "a code is its member's"
    return Code(
        hash=next(_hashes).to_bytes(16, "big"),
        card_id=card.id,
        member_id=card.member_id,
        device_id=DeviceId(uuid4()),
        valid_from=NOON + timedelta(seconds=begins_s),
        expires_at=NOON + timedelta(seconds=ends_s),
        used_by=AuthorizationId(uuid4()) if used else None,
        pin_tries=pin_tries,
    )


def pick(what: int | Source, amount_minor: int | None) -> Tender:
    """A pick by number, or of a source."""
    if isinstance(what, int):
        return Tender(amount_minor, number=what)
    return Tender(amount_minor, source_id=what.id)


def a_registered_card(*funding: Source) -> Card:
    controls = Controls(spent_on=SpentOn.NEVER)
    card = a_card(*funding, controls=controls, expires_at=NOON + timedelta(days=400))
    return replace(card, kind=CardKind.REGISTERED)


REGISTERED_EXPIRY: Final = face_expiry_of(a_registered_card())


def a_mixed_batch(
    cards: Sequence[Card],
    sources: Sequence[Source],
    accounts: Sequence[Account] = (),
    *,
    holdings: Sequence[Holding] = (),
    rates: Mapping[tuple[PointsIssuerId, MerchantId | None], Rate] | None = None,
    quotes: Sequence[Quote] = (),
    codes: Sequence[Code] = (),
    guesses: Guesses | None = None,
) -> Batch:
    by_code: dict[CardId, Card] = {card.id: card for card in cards}
    assert all(code.card_id in by_code for code in codes), "a code's card is loaded with it"
    loaded = Loaded(
        cards={card.number_hash: card for card in cards},
        sources={source.id: source for source in sources},
        accounts=accounts,
        holdings={holding.source_id: holding for holding in holdings},
        rates=rates if rates is not None else {(MILES, None): TWO_FOR_ONE, (STARS, None): TEN_EACH},
        quotes={quote.reference: quote for quote in quotes},
        codes={code.hash: code for code in codes},
        guesses=guesses or Guesses(),
    )
    return Batch(P0, loaded, now=NOON, makers=makers())
