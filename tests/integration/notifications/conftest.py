"""What the tests of webhooks share."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.factories.vault import a_key_file, a_vault_on
from tests.factories.webhooks import WebhookHouse, webhook_house

from obverse.kit.clock import Clock
from obverse.kit.database import Database
from obverse.kit.ids import NewId
from obverse.vault import Vault


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return a_vault_on(a_key_file(tmp_path))


@pytest.fixture
def house(
    database: Database, vault: Vault, clock: Clock, new_id: NewId, random_bytes: Callable[[int], bytes]
) -> WebhookHouse:
    """The room over a database, with a sender that has no network."""
    return webhook_house(database, vault, clock, new_id, random_bytes)
