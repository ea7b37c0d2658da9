"""Points issuers as operators keep them: where each is reached, what it can, and whether it takes part."""

import base64
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from typing import Final

from msgspec import UNSET
from msgspec.structs import asdict, replace

from obverse.kit.clock import Clock
from obverse.kit.database import Connection, Database
from obverse.kit.ids import NewId, PartitionId, PointsIssuerId
from obverse.kit.money import CurrencyCode
from obverse.kit.paging import Page, PageRequest
from obverse.kit.resealing import Resealing
from obverse.kit.secret import Secret
from obverse.ledger import repository as ledger
from obverse.merchants.model import Decision
from obverse.points import rules
from obverse.points.errors import PointsIssuerNotFound
from obverse.points.journal import Journal
from obverse.points.model import Issuer, IssuerChange, IssuerState, IssuerTerms
from obverse.points.repository import issuers as repository
from obverse.vault.service import Vault

_SECRET_BYTES: Final = 32
"""Standard Webhooks asks for 24 to 64."""

_STATE_NEWS: Final = {
    IssuerState.ACTIVE: "points_issuer.resumed",
    IssuerState.SUSPENDED: "points_issuer.suspended",
}


class Issuers:
    """The points issuers of this programme."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        *,
        clock: Clock,
        new_id: NewId,
        random_bytes: Callable[[int], bytes],
        partitions: Sequence[PartitionId],
        currency: CurrencyCode,
        https_only: bool,
    ) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock
        self._new_id = new_id
        self._random_bytes = random_bytes
        self._partitions = partitions
        self._currency = currency
        self._https_only = https_only
        self._journal = Journal(clock, new_id)

    async def create(self, terms: IssuerTerms, decision: Decision) -> tuple[Issuer, Secret]:
        """Take an issuer in and open what it will owe, in one commit. Returns the secret that requests to it
        are signed with, which is not shown again. Raises `InvalidRequest`."""
        rules.check_terms(terms, https_only=self._https_only)
        id_, secret = PointsIssuerId(self._new_id()), self._new_secret()
        async with self._database.transaction() as conn:
            await self._vault.pin_keys(conn)
            issuer = Issuer(
                id=id_,
                secret=self._vault.seal(secret, rules.issuer_context(id_)),
                currency=self._currency,
                state=IssuerState.ACTIVE,
                created_at=self._clock.now(),
                **asdict(terms),
            )
            await repository.insert(conn, issuer)
            accounts = [rules.receivable(id_, partition, self._currency) for partition in self._partitions]
            await ledger.open_accounts(conn, accounts)
            await self._tell(conn, "points_issuer.created", issuer, decision, name=issuer.name)
        return issuer, secret

    async def get(self, id_: PointsIssuerId) -> Issuer:
        """Raises `PointsIssuerNotFound`."""
        async with self._database.connection() as conn:
            return _present(await repository.load(conn, [id_]), id_)

    async def list(self, page: PageRequest) -> Page[Issuer]:
        """All issuers, newest first, suspended ones included."""
        async with self._database.connection() as conn:
            return await repository.find_page(conn, page)

    async def check_known(self, ids: Collection[PointsIssuerId], param: str) -> None:
        """Raises `PointsIssuerNotFound` about `param` unless every one of these is an issuer."""
        async with self._database.connection() as conn:
            if not set(ids) <= (await repository.load(conn, ids)).keys():
                raise PointsIssuerNotFound(param)

    async def change(self, id_: PointsIssuerId, wanted: IssuerChange, decision: Decision) -> Issuer:
        """Change what is given, and leave the rest. Repeating it changes nothing.

        What it can (`two_phase`) stays: payments under way rely on it. Raises `PointsIssuerNotFound`,
        `InvalidRequest`.
        """
        given = {name: value for name, value in asdict(wanted).items() if value is not UNSET}
        async with self._changing(id_) as (conn, issuer):
            changed = replace(issuer, **given)
            rules.check_terms(changed, https_only=self._https_only)
            if changed != issuer:
                before = asdict(issuer)
                told = {name: f"{before[name]} -> {to}" for name, to in given.items() if to != before[name]}
                await repository.update(conn, changed)
                await self._tell(conn, "points_issuer.changed", changed, decision, **told)
        return changed

    async def set_state(self, id_: PointsIssuerId, state: IssuerState, decision: Decision) -> Issuer:
        """Suspend or resume: while suspended nothing new is asked of it, and what it is owed to be told goes
        on. Repeating it changes nothing. Raises `PointsIssuerNotFound`, `InvalidRequest`."""
        async with self._changing(id_) as (conn, issuer):
            changed = replace(issuer, state=state)
            if changed != issuer:
                await repository.update(conn, changed)
                await self._tell(conn, _STATE_NEWS[state], changed, decision)
        return changed

    async def rotate_secret(self, id_: PointsIssuerId, decision: Decision) -> tuple[Issuer, Secret]:
        """Sign with another secret from now on; it is returned here and never again.

        Raises `PointsIssuerNotFound`, `InvalidRequest`.
        """
        secret = self._new_secret()
        async with self._changing(id_) as (conn, issuer):
            await self._vault.pin_keys(conn)
            changed = replace(issuer, secret=self._vault.seal(secret, rules.issuer_context(id_)))
            await repository.update(conn, changed)
            await self._tell(conn, "points_issuer.secret_rotated", changed, decision)
        return changed, secret

    @asynccontextmanager
    async def _changing(self, id_: PointsIssuerId) -> AsyncIterator[tuple[Connection, Issuer]]:
        """One commit over one issuer, held until then. Raises `PointsIssuerNotFound`."""
        async with self._database.transaction() as conn:
            yield conn, _present(await repository.lock(conn, [id_]), id_)

    def _new_secret(self) -> Secret:
        return Secret("whsec_" + base64.b64encode(self._random_bytes(_SECRET_BYTES)).decode())

    async def _tell(
        self, conn: Connection, news: str, issuer: Issuer, decision: Decision, **more: str
    ) -> None:
        await self._journal.tell(conn, news, ("pis", issuer.id), issuer.id, decision, more)


def _present(found: dict[PointsIssuerId, Issuer], id_: PointsIssuerId) -> Issuer:
    if id_ not in found:
        raise PointsIssuerNotFound
    return found[id_]


def issuer_secrets_rekey(vault: Vault) -> Resealing[PointsIssuerId]:
    """Issuers' secrets follow when keys change."""
    return Resealing("points issuers", vault, repository, rules.issuer_context)
