"""What the services of this room have in common."""

from collections.abc import Callable, Sequence
from datetime import datetime

from msgspec.structs import replace

from obverse.cards import repository, rules
from obverse.cards.errors import CardNotFound
from obverse.cards.model import Card
from obverse.kit import events
from obverse.kit.clock import Clock
from obverse.kit.database import Connection, Database
from obverse.kit.events import Event
from obverse.kit.ids import CardId, EventId, MemberId, NewId, PartitionId, to_text
from obverse.vault.service import Vault


class CardRoom:
    """Cards found, held, numbered and told of."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        *,
        clock: Clock,
        random_bytes: Callable[[int], bytes],
        new_id: NewId,
        bin_: str,
        partitions: int = 1,
    ) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock
        self._random_bytes = random_bytes
        self._new_id = new_id
        self._bin = bin_
        self._partitions = [PartitionId(partition) for partition in range(partitions)]

    async def lock(self, conn: Connection, card_id: CardId, owner: MemberId | None = None) -> Card:
        """The card, held until the caller's commit; with `owner`, only if it is this member's still.

        Whoever waits here for a claim of the card's next holder finds it theirs. Raises `CardNotFound`.
        """
        card = await repository.lock_one(conn, self._partitions, card_id)
        if card is None or owner not in (None, card.member_id):
            raise CardNotFound
        return card

    async def _next_serials(self, conn: Connection, partition_id: PartitionId, count: int) -> list[int]:
        return [rules.serial_of(value, partition_id) for value in await repository.next_serials(conn, count)]

    async def _renumber(self, conn: Connection, card: Card) -> Card:
        """The card with another number, and so without a PIN; nothing is stored yet."""
        (serial,) = await self._next_serials(conn, card.partition_id, 1)
        number = self._vault.card_number(card.bin, serial)
        return replace(
            card,
            serial=serial,
            last_four=number.reveal()[-4:],
            number_hash=self._vault.number_hashes(number)[0].digest,
            pin_hash=None,
            pin_failures=0,
        )

    async def _announce(self, conn: Connection, type_: str, cards: Sequence[Card], now: datetime) -> None:
        news = [Event(EventId(self._new_id()), type_, card.id, of_member(card), now) for card in cards]
        await events.append(conn, news)


def of_member(card: Card) -> dict[str, str]:
    """What an event about a card tells of it."""
    return {"member": to_text("mem", card.member_id)} if card.member_id is not None else {}
