"""What is known of a card that a request named, when it is decided. Pure."""

from collections.abc import Mapping, Sequence

import msgspec

from obverse.authorization.proof import PinCheck
from obverse.authorization.usage import CardUsage
from obverse.cards.model import Card
from obverse.kit.ids import SourceId
from obverse.points.model import Quote, Rate
from obverse.programmes.model import Programme
from obverse.wallet.model import Lot, Source


class Purse(msgspec.Struct, frozen=True):
    """A points account behind a card, as far as it is known for this payment."""

    rate: Rate | None
    """None where the merchant does not take these points, or there is no rate for them."""
    units: int | None
    """None while its issuer was not asked; 0 where it gave no answer."""
    units_max: int | None
    """The most that one payment may take."""


class KnownCard(msgspec.Struct, frozen=True):
    """A card the request named, with what stands behind it.

    `details_match` says whether expiry, CVV and the holder's data, as far as they came, are the card's own.
    `lots` are what balances among the sources are made of, in the order in which they are spent.
    """

    card: Card
    usage: CardUsage
    details_match: bool
    sources: Sequence[Source]
    pin: PinCheck = PinCheck.NOT_GIVEN
    lots: Mapping[SourceId, Sequence[Lot]] = msgspec.field(default_factory=dict)
    programme: Programme | None = None
    """Its terms, where money is to be paid in."""
    purses: Mapping[SourceId, Purse] = msgspec.field(default_factory=dict)
    """Points accounts among the sources."""
    quote: Quote | None = None
    """What was shown before, where the request names it and it still holds."""
    proof_from_minor: int | None = None
    """From this amount on a payment code needs more than itself; None where a card was shown."""
