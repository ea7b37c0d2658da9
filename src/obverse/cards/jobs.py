"""What the cards room does in the background."""

from obverse.cards import repository
from obverse.kit.database import Connection
from obverse.vault.service import Vault


class CardsRekey:
    """Card numbers: hash anew under the active key, from their serials. A `Rekey` of the vault's rotation."""

    name = "card numbers"

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    async def count(self, conn: Connection) -> int:
        """How many numbers are still found under an older key."""
        return await repository.count_stale(conn, self._vault.active_index)

    async def step(self, conn: Connection, limit: int) -> int:
        """Hash up to `limit` numbers anew in the caller's transaction; returns how many."""
        await self._vault.pin_keys(conn)
        stale = await repository.lock_stale(conn, self._vault.active_index, limit)
        numbers = [self._vault.card_number(card.bin, card.serial) for card in stale]
        hashes = [self._vault.number_hashes(number)[0].digest for number in numbers]
        await repository.rehash(conn, self._vault.active_index, stale, hashes)
        return len(stale)


class RegisteredCardsRekey:
    """The numbers of registered cards: the same, from what the vault has of them. See `Rekey`."""

    name = "registered cards"

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    async def count(self, conn: Connection) -> int:
        """How many are still found under an older key."""
        return await repository.count_stale_registrations(conn, self._vault.active_index)

    async def step(self, conn: Connection, limit: int) -> int:
        """Hash up to `limit` numbers anew in the caller's transaction; returns how many.

        Raises `SealBroken` and `UnknownKeyVersion` and moves nothing, where a number does not open.
        """
        await self._vault.pin_keys(conn)
        stale = await repository.lock_stale_registrations(conn, self._vault.active_index, limit)
        opened = await self._vault.open_cards(conn, [card.vault_card_id for card in stale])
        numbers = [opened[card.vault_card_id].number for card in stale]
        hashes = [self._vault.number_hashes(number)[0].digest for number in numbers]
        await repository.rehash(conn, self._vault.active_index, stale, hashes)
        return len(stale)
