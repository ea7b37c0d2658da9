"""What the programmes need from a room beside them."""

from collections.abc import Sequence
from typing import Protocol

from obverse.kit.database import Connection
from obverse.kit.ids import MerchantId


class KnownMerchants(Protocol):
    """The merchants' room, asked whom it knows."""

    async def __call__(self, conn: Connection, ids: Sequence[MerchantId]) -> frozenset[MerchantId]:
        """Those among these ids that are merchants."""
        ...
