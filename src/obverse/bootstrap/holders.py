"""Whether a filled form names the holder of the card beside it: cards know members, members their data."""

from collections.abc import Sequence

from obverse.cards import HeldBy
from obverse.cards import repository as cards
from obverse.cards.rules import partition_of
from obverse.kit.database import Database
from obverse.kit.ids import PartitionId
from obverse.kit.secret import Secret
from obverse.members import HolderForm, Members
from obverse.vault import Vault


class Holders:
    """Compares what a mall's page was filled with to what we know (WA-8)."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        members: Members,
        *,
        bin_: str,
        partitions: Sequence[PartitionId],
    ) -> None:
        self._database = database
        self._vault = vault
        self._members = members
        self._bin = bin_
        self._partitions = partitions

    async def match(self, number: Secret, form: HolderForm) -> bool | None:
        """None where there is nobody to compare with: no such card, or one of somebody we do not know."""
        serial = self._vault.serial_of(number, self._bin)
        if serial is None or (partition_id := partition_of(serial)) not in self._partitions:
            return None
        hashes = [keyed.digest for keyed in self._vault.number_hashes(number)]
        async with self._database.connection() as conn:
            found = await cards.find(conn, partition_id, hashes, [])
            holder = next((card.member_id for card in found if card.held_by is HeldBy.MEMBER), None)
            return None if holder is None else await self._members.profiles.matches_holder(conn, holder, form)
