"""The database and the keys, opened as the settings say."""

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from obverse.cards import CardsRekey, RegisteredCardsRekey, fulfilments_rekey
from obverse.draws import draws_rekey
from obverse.kit.database import Database
from obverse.kit.database.checks import check_constants, check_server
from obverse.kit.database.embedded import EmbeddedPostgres
from obverse.kit.database.migrating import migrate
from obverse.kit.errors import CannotStart
from obverse.kit.settings import Settings
from obverse.letters import letters_rekey
from obverse.members import rekeys as member_rekeys
from obverse.merchants import payout_accounts_rekey
from obverse.notifications import WebhookSecretsRekey
from obverse.orders import PiecesRekey, buyers_rekey
from obverse.points import issuer_secrets_rekey, points_accounts_rekey
from obverse.sales import sales_rekey
from obverse.treasury import rekeys as treasury_rekeys
from obverse.vault import KeyRing, Rekey, Vault
from obverse.vault.jobs import VaultCardsRekey
from obverse.wallet import bank_accounts_rekey, batch_seeds_rekey


@asynccontextmanager
async def open_database(
    settings: Settings, *, statement_timeout_ms: int | None = None
) -> AsyncIterator[tuple[Database, EmbeddedPostgres | None]]:
    """The migrated, checked database of these settings; without an address, an embedded one.

    Raises `CannotStart` with one line, `Unavailable` when a server of one's own does not answer.
    """
    embedded = None if settings.database_url is not None else EmbeddedPostgres(settings.data_dir)
    try:
        url = await asyncio.to_thread(embedded.start) if embedded is not None else settings.database_url
        assert url is not None
        await migrate(url)
        database = Database(
            url,
            connections=settings.database_connections,
            acquire_timeout_ms=settings.database_timeout_ms,
            statement_timeout_ms=statement_timeout_ms,
        )
        async with database:
            await check_server(database)
            await check_constants(database, settings)
            yield database, embedded
    finally:
        if embedded is not None:
            await asyncio.to_thread(embedded.stop)


async def open_vault(settings: Settings, database: Database) -> Vault:
    """The vault over the key file, which is made on the very first start.

    Raises `CannotStart` if the file is missing while there is data: new keys could not read what is stored.
    """
    path = settings.key_ring_file
    if not path.exists():
        async with database.connection() as conn:
            if await conn.fetchval("select exists (table members) or exists (table api_keys)"):
                raise CannotStart(
                    f"Key file {path} is missing, but the database holds data that needs it. "
                    "Restore it, or set OBVERSE_KEY_FILE."
                )
        return Vault(KeyRing.create(path, os.urandom), os.urandom)
    return Vault(KeyRing.load(path), os.urandom)


def rekeys(vault: Vault) -> Sequence[Rekey]:
    """Every kind of row that follows when keys change."""
    return (
        VaultCardsRekey(vault),
        CardsRekey(vault),
        RegisteredCardsRekey(vault),
        fulfilments_rekey(vault),
        batch_seeds_rekey(vault),
        *member_rekeys(vault),
        letters_rekey(vault),
        payout_accounts_rekey(vault),
        WebhookSecretsRekey(vault),
        *treasury_rekeys(vault),
        draws_rekey(vault),
        buyers_rekey(vault),
        PiecesRekey(vault),
        sales_rekey(vault),
        bank_accounts_rekey(vault),
        issuer_secrets_rekey(vault),
        points_accounts_rekey(vault),
    )
