"""What the client needs from the house: real card numbers, at the last moment."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from obverse.kit.ids import VaultCardId
from obverse.kit.secret import Secret


class CardFace(Protocol):
    """What is printed on a linked card."""

    @property
    def number(self) -> Secret: ...
    @property
    def exp_month(self) -> int: ...
    @property
    def exp_year(self) -> int: ...


class OpenCards(Protocol):
    async def __call__(self, ids: Sequence[VaultCardId], /) -> Mapping[VaultCardId, CardFace]:
        """Open linked cards of the vault. Raises `Unavailable` when the database is gone."""
        ...
