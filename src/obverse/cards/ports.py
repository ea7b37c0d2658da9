"""What the cards need of the wallet, which is above them."""

from typing import Protocol

from obverse.cards.model import Card
from obverse.kit.database import Connection


class HandBalance(Protocol):
    """The wallet, told that a card with a balance of its own has another holder."""

    async def __call__(self, conn: Connection, card: Card, *, as_gift: bool) -> None:
        """Make the balance `card.member_id`'s, in the commit in which the card becomes theirs.

        `as_gift`: from now on its money is somebody else's who has not paid for it, and so is never refunded.
        """
        ...
