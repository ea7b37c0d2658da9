"""What the vault hands out."""

from datetime import datetime
from typing import NamedTuple

import msgspec

from obverse.kit.ids import VaultCardId
from obverse.kit.secret import Secret


class KeyedHash(NamedTuple):
    """An HMAC-SHA256 digest and the version of the `index` key that made it.

    A tuple and not a dataclass, because the engine makes one for every payment.
    """

    key_version: int
    digest: bytes


class VaultCard(msgspec.Struct, frozen=True):
    """A linked card as it may be shown: first six, last four, expiry (PF-3). `exp_year` has four digits."""

    id: VaultCardId
    first_six: str
    last_four: str
    exp_month: int
    exp_year: int
    created_at: datetime


class OpenedCard(msgspec.Struct, frozen=True):
    """A linked card on its way to its card company, and nowhere else."""

    number: Secret
    exp_month: int
    exp_year: int
