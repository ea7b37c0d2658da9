"""Issuers that ask which of their own accounts stand behind a card that somebody typed (PR-9)."""

from collections.abc import Sequence
from typing import Final

import msgspec

from obverse.kit import audit
from obverse.kit.audit import AuditEntry
from obverse.kit.clock import Clock
from obverse.kit.database import Connection, Database
from obverse.kit.ids import AuditId, NewId, PointsIssuerId, to_text
from obverse.kit.secret import Secret
from obverse.points import rules
from obverse.points.errors import PointsIssuerNotFound, PointsIssuerSuspended, TooManyLookups
from obverse.points.model import IssuerState
from obverse.points.repository import issuers
from obverse.points.repository import lookups as repository
from obverse.vault.service import Vault

_REASON: Final = "asked by the issuer"


class LookedUp(msgspec.Struct, frozen=True):
    """An account as its own issuer knows it."""

    handle: Secret
    last_four: str


class Answer(msgspec.Struct, frozen=True):
    """`registered` tells a card without points from one that nobody has registered (PR-2)."""

    registered: bool
    accounts: Sequence[LookedUp] = ()


class Lookups:
    """Answers issuers about their own accounts, and about nobody else's (P12)."""

    def __init__(
        self, database: Database, vault: Vault, *, clock: Clock, new_id: NewId, per_minute_max: int
    ) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock
        self._new_id = new_id
        self._per_minute_max = per_minute_max

    async def look_up(self, issuer_id: PointsIssuerId, number: Secret, *, actor: str) -> Answer:
        """The issuer's accounts behind the registered card with this number, in the order in which they pay.

        Each answer leaves an audit entry, without the number. Raises `PointsIssuerNotFound`,
        `PointsIssuerSuspended`, `TooManyLookups`.
        """
        now = self._clock.now()
        async with self._database.transaction() as conn:
            issuer = (await issuers.load(conn, [issuer_id])).get(issuer_id)
            if issuer is None:
                raise PointsIssuerNotFound
            if issuer.state is not IssuerState.ACTIVE:
                raise PointsIssuerSuspended
            minute = now.replace(second=0, microsecond=0)
            if await repository.count(conn, issuer_id, minute) > self._per_minute_max:
                raise TooManyLookups
            hashes = [keyed.digest for keyed in self._vault.number_hashes(number)]
            found = await repository.find(conn, hashes, issuer_id, now)
            accounts = found[1] if found is not None else []
            await self._record(conn, issuer_id, number, actor, registered=found is not None, of=len(accounts))
        opened = [
            LookedUp(self._vault.open(each.handle, rules.account_context(each.id)), each.last_four)
            for each in accounts
        ]
        return Answer(found is not None, opened)

    async def _record(
        self,
        conn: Connection,
        issuer_id: PointsIssuerId,
        number: Secret,
        actor: str,
        *,
        registered: bool,
        of: int,
    ) -> None:
        data = {
            "last_four": number.reveal()[-4:],
            "registered": "yes" if registered else "no",
            "accounts": str(of),
        }
        entry = AuditEntry(
            AuditId(self._new_id()),
            actor,
            "points_account.looked_up",
            to_text("pis", issuer_id),
            _REASON,
            self._clock.now(),
            data,
        )
        await audit.record(conn, [entry])
