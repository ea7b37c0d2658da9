"""Cards made from a seed: the same seed gives the same cards, at every start."""

from collections.abc import Sequence
from datetime import datetime
from random import Random
from typing import Final

from obverse.kit.secret import Secret
from obverse.sandbox.card_company.model import RealCard
from obverse.sandbox.luhn import check_digit

BIN: Final = "953010"
LIMIT_MINOR: Final = 1_000_000


def make_cards(rng: Random, count: int, now: datetime) -> Sequence[RealCard]:
    """`count` cards, good for three to five years from `now`."""
    return [make_card(rng, now) for _ in range(count)]


def make_card(rng: Random, now: datetime, limit_minor: int = LIMIT_MINOR) -> RealCard:
    digits = BIN + f"{rng.randrange(10**9):09d}"
    born = f"{rng.randrange(50, 100):02d}{rng.randrange(1, 13):02d}{rng.randrange(1, 29):02d}"
    return RealCard(
        number=Secret(digits + check_digit(digits)),
        expiry=f"{(now.year + rng.randrange(3, 6)) % 100:02d}{rng.randrange(1, 13):02d}",
        cvv=Secret(f"{rng.randrange(1000):03d}"),
        birth_date=born,
        limit_minor=limit_minor,
        billing_account=f"BA{rng.randrange(10**10):010d}",
    )
