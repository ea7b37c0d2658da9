"""Who holds the card behind a number or a code, and whether a filled form names them."""

from collections.abc import Sequence

from obverse.cards import HeldBy
from obverse.cards import repository as cards
from obverse.cards.rules import partition_of
from obverse.codes import repository as codes
from obverse.codes.rules import partition_of as partition_of_code
from obverse.kit.database import Connection, Database
from obverse.kit.ids import MemberId, PartitionId
from obverse.kit.secret import Secret
from obverse.members import HolderForm, Members
from obverse.vault import Vault


class Holders:
    """Codes know cards, cards know members, members know their data (WA-8, PC-5)."""

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
        """None where there is nobody to compare with: no such card or code, or one of somebody unknown."""
        async with self._database.connection() as conn:
            holder = await self._of_code(conn, number) or await self._of_number(conn, number)
            return None if holder is None else await self._members.profiles.matches_holder(conn, holder, form)

    async def of_code(self, code: Secret) -> MemberId | None:
        """For whom this payment code was made, used or not; None where it never was."""
        async with self._database.connection() as conn:
            return await self._of_code(conn, code)

    async def _of_code(self, conn: Connection, code: Secret) -> MemberId | None:
        value = self._vault.code_value(code, self._bin)
        if value is None or (partition_id := partition_of_code(value)) not in self._partitions:
            return None
        found = await codes.find(conn, partition_id, [self._vault.token_hash(code)])
        return next((code.member_id for code in found.values()), None)

    async def _of_number(self, conn: Connection, number: Secret) -> MemberId | None:
        serial = self._vault.serial_of(number, self._bin)
        if serial is None or (partition_id := partition_of(serial)) not in self._partitions:
            return None
        hashes = [keyed.digest for keyed in self._vault.number_hashes(number)]
        found = await cards.find(conn, partition_id, hashes, [])
        return next((card.member_id for card in found if card.held_by is HeldBy.MEMBER), None)
