"""What a change of keys needs of the rooms whose rows depend on keys."""

from typing import Protocol

from obverse.kit.database import Connection


class Rekey(Protocol):
    """One kind of row that must follow when keys change: linked cards, card number hashes, addresses.

    Each room writes its own and bootstrap joins them, because a room's SQL is nobody else's. Both methods
    speak of rows whose key version is not the vault's active one (`Vault.active_encryption`,
    `Vault.active_index`).
    """

    @property
    def name(self) -> str:
        """What the rows are, in the plural, for the progress bar and for refusals: `linked cards`."""
        ...

    async def count(self, conn: Connection) -> int:
        """How many rows are still on an old version."""
        ...

    async def step(self, conn: Connection, limit: int) -> int:
        """Move at most `limit` rows to the active version, in the caller's transaction; return how many.

        Rows that somebody else holds are left for a later step (`for update skip locked`), so that a
        rotation never waits for a payment, nor a payment longer than one batch for a rotation.
        """
        ...


class ReportProgress(Protocol):
    """Hears about a rotation after every batch: `done` of `total` rows of the kind `name`."""

    def __call__(self, name: str, done: int, total: int) -> None: ...
