"""What keys that turn over need of this room."""

from msgspec.structs import replace

from obverse.kit.database import Connection
from obverse.kit.ids import OrderId
from obverse.kit.resealing import Resealing
from obverse.orders.repository import orders, pieces
from obverse.orders.seals import buyer_context, gift_context, pin_context
from obverse.vault import Vault


def buyers_rekey(vault: Vault) -> Resealing[OrderId]:
    """Who has ordered follows when keys change."""
    return Resealing("buyers of orders", vault, orders, buyer_context)


class PiecesRekey:
    """PINs and gifts of orders, two seals to a row. A `Rekey` of the vault's rotation."""

    name = "PINs and gifts of orders"

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    async def count(self, conn: Connection) -> int:
        """How many PINs and gifts are sealed under an older key."""
        return await pieces.count_stale(conn, self._vault.active_encryption)

    async def step(self, conn: Connection, limit: int) -> int:
        """Seal those of up to `limit` pieces anew in the caller's transaction; returns how many pieces."""
        vault = self._vault
        await vault.pin_keys(conn)
        fresh = []
        for piece in await pieces.lock_stale(conn, vault.active_encryption, limit):
            pin, gift = pin_context(piece.order_id, piece.at), gift_context(piece.order_id, piece.at)
            fresh.append(
                replace(
                    piece,
                    pin=vault.seal(vault.open(piece.pin, pin), pin) if piece.pin is not None else None,
                    gift=vault.seal(vault.open(piece.gift, gift), gift) if piece.gift is not None else None,
                )
            )
        await pieces.reseal(conn, fresh)
        return len(fresh)
