"""Access for tests, with a clock for the cache that only the test moves."""

import os

from tests.factories.vault import a_vault

from obverse.access import Access
from obverse.access.ports import TokenHasher
from obverse.kit.clock import Clock
from obverse.kit.database import Database
from obverse.kit.ids import uuid7_source


class Seconds:
    """Stands still until the test moves it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def an_access(
    database: Database,
    seconds: Seconds | None = None,
    hasher: TokenHasher | None = None,
    clock: Clock | None = None,
) -> Access:
    """One process's view of the keys; several over one database act like several processes."""
    clock = clock or Clock()
    return Access(
        database,
        hasher or a_vault(),
        clock,
        uuid7_source(clock.now_ms, os.urandom),
        os.urandom,
        seconds or Seconds(),
    )
