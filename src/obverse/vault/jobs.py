"""Turning over keys while payments run: `rotate` moves every row to a new version, `retire` forgets the old.

The two steps are apart on purpose: between them every row is on the new version and the old one still
opens what a late writer or a restored backup brings, so that nothing is decided in a hurry.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from obverse.kit.database import Connection, Database
from obverse.vault import repository
from obverse.vault.errors import KeyVersionsInUse
from obverse.vault.ports import Rekey, ReportProgress
from obverse.vault.service import Vault, card_context

BATCH: Final = 500
"""Rows per transaction: about 15 ms of work, which is how long somebody may find a row held."""
RETRY_SECONDS: Final = 0.05


@dataclass(frozen=True, slots=True)
class ActiveVersions:
    """What new rows are written under."""

    encryption: int
    index: int


class VaultCardsRekey:
    """Linked cards: seal and fingerprint anew. See `Rekey`."""

    name = "linked cards"

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    async def count(self, conn: Connection) -> int:
        return await repository.count_outdated(conn, self._vault.active_encryption, self._vault.active_index)

    async def step(self, conn: Connection, limit: int) -> int:
        """Raises `SealBroken` and `UnknownKeyVersion` and moves nothing, where a row does not open."""
        vault = self._vault
        await vault.pin_keys(conn)
        rows = await repository.lock_outdated(conn, vault.active_encryption, vault.active_index, limit)
        rekeyed = []
        for id_, sealed in rows:
            context = card_context(id_)
            number = vault.open(sealed, context)
            rekeyed.append(
                repository.Rekeyed(id_, vault.seal(number, context), vault.number_hashes(number)[0])
            )
        await repository.save_rekeyed(conn, rekeyed)
        return len(rekeyed)


async def rotate(
    database: Database, vault: Vault, steps: Sequence[Rekey], report: ReportProgress, *, batch: int = BATCH
) -> ActiveVersions:
    """Bring every row to new key versions while everything runs.

    A rotation is under way as long as the key file holds two versions: then this finishes it, else it
    starts one. So it may be killed anywhere and is repeated by calling it again, and never are there more
    than two versions to look under. The old ones stay until `retire`.

    Raises `CannotStart` if the key file cannot be written, `UnknownKeyVersion` and `SealBroken` if a row
    does not open, `Unavailable` if the database is lost; all leave a rotation that a repeat finishes.
    """
    async with database.transaction() as conn:
        await vault.lock_keys(conn)
        if not vault.has_old_key_versions:
            vault.add_key_versions()
    for step in steps:
        await _finish(database, step, report, batch)
    return ActiveVersions(vault.active_encryption, vault.active_index)


async def _finish(database: Database, step: Rekey, report: ReportProgress, batch: int) -> None:
    async with database.connection() as conn:
        total = await step.count(conn)
    done = 0
    report(step.name, done, total)
    while True:
        async with database.transaction() as conn:
            moved = await step.step(conn, batch)
        done += moved
        total = max(total, done)
        report(step.name, done, total)
        if moved:
            continue
        async with database.connection() as conn:
            if await step.count(conn) == 0:
                return
        # What is left is held by running transactions; they end.
        await asyncio.sleep(RETRY_SECONDS)


async def retire(database: Database, vault: Vault, steps: Sequence[Rekey]) -> ActiveVersions:
    """Remove the old key versions from the key file, when no row needs them.

    Counts under the lock that writers share, so no row can slip in between counting and removing.
    Raises `KeyVersionsInUse` and removes nothing if a row is left; does nothing if there is no old version.
    """
    async with database.transaction() as conn:
        await vault.lock_keys(conn)
        counts = {step.name: await step.count(conn) for step in steps}
        in_use = {name: count for name, count in counts.items() if count}
        if in_use:
            raise KeyVersionsInUse(in_use)
        if vault.has_old_key_versions:
            vault.drop_old_key_versions()
    return ActiveVersions(vault.active_encryption, vault.active_index)
