"""A short memory of merchants, because every payment names one and they hardly ever change."""

from collections.abc import Awaitable, Callable, Hashable
from typing import Final

from obverse.kit.clock import Clock
from obverse.merchants.model import Merchant

AGE_MAX_MS: Final = 3_000
"""How long a change made by another process may go unseen."""

ENTRIES_MAX: Final = 10_000
"""So that a stream of made-up merchant numbers cannot fill the memory."""


class Directory:
    """Remembers what was found, and also that nothing was."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._entries: dict[Hashable, tuple[int, Merchant | None]] = {}

    async def get(self, key: Hashable, load: Callable[[], Awaitable[Merchant | None]]) -> Merchant | None:
        """What is remembered under this key, or else what `load` brings."""
        now_ms = self._clock.now_ms()
        entry = self._entries.get(key)
        if entry is not None and now_ms < entry[0]:
            return entry[1]
        if entry is not None:
            # One caller looks again; the thousand others of this moment go on with what they have.
            self._entries[key] = (now_ms + AGE_MAX_MS, entry[1])
        merchant = await load()
        if len(self._entries) >= ENTRIES_MAX:
            self._entries.clear()
        self._entries[key] = (now_ms + AGE_MAX_MS, merchant)
        return merchant

    def forget(self, merchant: Merchant) -> None:
        """Drop what is remembered of this merchant, by whatever key."""
        self._entries.pop(merchant.id, None)
        self._entries.pop((merchant.acquirer_id, merchant.merchant_no), None)
