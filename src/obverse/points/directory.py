"""Issuers as the database has them, for those who ask about them many times a second."""

import asyncio
from collections.abc import Collection, Mapping
from typing import Final

from obverse.kit.database import Database
from obverse.kit.ids import PointsIssuerId, SourceId
from obverse.points.model import Issuer
from obverse.points.repository import holdings, issuers

_FRESH_S: Final = 1.0
_OWNERS_MAX: Final = 100_000


class Directory:
    """Implements `points.ports.IssuerDirectory`: what it says may be a second old."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: Mapping[PointsIssuerId, Issuer] = {}
        self._owners: dict[SourceId, PointsIssuerId] = {}
        """Whose points accounts hold; an account never changes its issuer."""
        self._fresh_until = 0.0
        self._reading = asyncio.Lock()

    async def find(self, issuer_id: PointsIssuerId) -> Issuer | None:
        """An issuer, suspended ones included. Raises `Unavailable`."""
        if not self._is_fresh(issuer_id):
            async with self._reading:  # whoever waited here finds it read
                if not self._is_fresh(issuer_id):
                    await self._read({issuer_id, *self._known})
        return self._known.get(issuer_id)

    async def of_accounts(self, ids: Collection[SourceId]) -> Mapping[SourceId, Issuer]:
        """Whose points these accounts hold, or held before they were removed. Raises `Unavailable`."""
        unknown = [id_ for id_ in ids if id_ not in self._owners]
        if unknown:
            if len(self._owners) > _OWNERS_MAX:
                self._owners.clear()
            async with self._database.connection() as conn:
                self._owners |= await holdings.owners_of(conn, ids)
        found = {}
        for id_ in ids:
            if id_ in self._owners and (issuer := await self.find(self._owners[id_])) is not None:
                found[id_] = issuer
        return found

    def _is_fresh(self, issuer_id: PointsIssuerId) -> bool:
        return issuer_id in self._known and asyncio.get_running_loop().time() < self._fresh_until

    async def _read(self, ids: set[PointsIssuerId]) -> None:
        async with self._database.connection() as conn:
            self._known = await issuers.load(conn, ids)
        self._fresh_until = asyncio.get_running_loop().time() + _FRESH_S
