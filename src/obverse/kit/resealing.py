"""Sealed columns follow when keys change: read what is under an older key, seal it anew, store it.

Every room with something sealed has rows like these; `vault.ports.Rekey` says what a rotation asks of them.
"""

from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar

from obverse.kit.database import Connection
from obverse.kit.secret import Sealed, Secret

Id = TypeVar("Id")


class Sealer(Protocol):
    """The vault, as far as resealing needs it."""

    @property
    def active_encryption(self) -> int: ...
    def seal(self, plain: Secret, context: bytes) -> Sealed: ...
    def open(self, sealed: Sealed, context: bytes) -> Secret: ...
    async def pin_keys(self, conn: Connection) -> None: ...


class SealedRows(Protocol[Id]):
    """A room's statements over its sealed column."""

    async def count_stale(self, conn: Connection, key_version: int, /) -> int: ...
    async def lock_stale(
        self, conn: Connection, key_version: int, limit: int, /
    ) -> Sequence[tuple[Id, Sealed]]: ...
    async def reseal(self, conn: Connection, fresh: Sequence[tuple[Id, Sealed]], /) -> None: ...


class Resealing(Generic[Id]):
    """One sealed column, as a key rotation moves it to the active key. A `Rekey` of the vault's rotation."""

    def __init__(
        self, name: str, sealer: Sealer, rows: SealedRows[Id], context_of: Callable[[Id], bytes]
    ) -> None:
        """`name` is what the rows are, in the plural; `context_of` what binds each to its place."""
        self.name = name
        self._sealer = sealer
        self._rows = rows
        self._context_of = context_of

    async def count(self, conn: Connection) -> int:
        """How many rows are sealed under an older key."""
        return await self._rows.count_stale(conn, self._sealer.active_encryption)

    async def step(self, conn: Connection, limit: int) -> int:
        """Seal up to `limit` rows anew in the caller's transaction; returns how many."""
        await self._sealer.pin_keys(conn)
        stale = await self._rows.lock_stale(conn, self._sealer.active_encryption, limit)
        await self._rows.reseal(conn, [(id_, self._anew(id_, sealed)) for id_, sealed in stale])
        return len(stale)

    def _anew(self, id_: Id, sealed: Sealed) -> Sealed:
        context = self._context_of(id_)
        return self._sealer.seal(self._sealer.open(sealed, context), context)
