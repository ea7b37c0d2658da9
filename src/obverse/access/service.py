"""Making, checking and revoking API keys."""

import time
from collections.abc import Callable, Collection
from typing import Final

from obverse.access import repository, rules
from obverse.access.errors import ApiKeyNotFound
from obverse.access.model import ApiKey, Scope
from obverse.access.ports import TokenHasher
from obverse.kit.clock import Clock
from obverse.kit.database import Database
from obverse.kit.ids import ApiKeyId, MerchantId, NewId
from obverse.kit.paging import Page, PageRequest
from obverse.kit.secret import Secret, new_token

CACHE_SECONDS: Final = 1.0
"""How long a revoked key may go on working in other processes than the one that revoked it."""
CACHE_MAX: Final = 10_000


class Access:
    """The keys of the platform. One per process, because it remembers valid keys for a second."""

    def __init__(
        self,
        database: Database,
        hasher: TokenHasher,
        clock: Clock,
        new_id: NewId,
        random_bytes: Callable[[int], bytes],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._hasher = hasher
        self._clock = clock
        self._new_id = new_id
        self._random_bytes = random_bytes
        # Not the platform's clock: moving that must not lengthen the life of a revoked key.
        self._monotonic = monotonic
        self._known: dict[bytes, tuple[float, ApiKey]] = {}

    async def create(
        self,
        name: str,
        scopes: Collection[Scope],
        merchant_id: MerchantId | None = None,
        live: bool = False,
    ) -> tuple[ApiKey, Secret]:
        """Make a key and its token. The token is returned here and can never be had again.

        With `merchant_id` the key is held to that merchant; the caller has seen that the merchant exists.
        Raises `InvalidRequest` for a name or scopes that must not be.
        """
        rules.check_key(name, scopes, merchant_id is not None)
        token = new_token(rules.token_prefix(live), self._random_bytes)
        key = ApiKey(
            id=ApiKeyId(self._new_id()),
            name=name,
            last_four=token.reveal()[-4:],
            merchant_id=merchant_id,
            scopes=frozenset(scopes),
            live=live,
            created_at=self._clock.now(),
            revoked_at=None,
        )
        async with self._database.transaction() as conn:
            await repository.insert(conn, key, self._hasher.token_hash(token))
        return key, token

    async def authenticate(self, token: Secret) -> ApiKey | None:
        """The key of this token, or None: unknown, revoked and malformed look alike.

        A revocation anywhere is seen within `CACHE_SECONDS`. Raises `Unavailable`.
        """
        if not rules.looks_like_token(token):
            return None
        token_hash = self._hasher.token_hash(token)
        # Taken before asking: the answer may already be this old when it arrives.
        asked_at = self._monotonic()
        known = self._known.get(token_hash)
        if known is not None and asked_at - known[0] < CACHE_SECONDS:
            return known[1]
        async with self._database.connection() as conn:
            key = (await repository.find_valid(conn, [token_hash])).get(token_hash)
        if key is None:
            # Only keys that exist are remembered, so that guessing cannot fill the memory.
            self._known.pop(token_hash, None)
            return None
        if len(self._known) >= CACHE_MAX:
            self._known.clear()
        self._known[token_hash] = (asked_at, key)
        return key

    async def revoke(
        self,
        key_id: ApiKeyId,
        merchant_id: MerchantId | None = None,
        within: Collection[Scope] | None = None,
    ) -> ApiKey:
        """End a key for ever; with `merchant_id`, only one of that merchant; with `within`, only one that
        may do no more than that. Repeating changes nothing.

        Raises `ApiKeyNotFound`, also for a key that is out of the caller's reach (P12).
        """
        async with self._database.transaction() as conn:
            revoked = await repository.revoke(conn, [key_id], merchant_id, within, self._clock.now())
        key = revoked.get(key_id)
        if key is None:
            raise ApiKeyNotFound
        self._known = {hash_: entry for hash_, entry in self._known.items() if entry[1].id != key_id}
        return key

    async def list(self, page: PageRequest, merchant_id: MerchantId | None = None) -> Page[ApiKey]:
        """Keys, newest first, revoked ones included; with `merchant_id`, those of that merchant."""
        async with self._database.connection() as conn:
            return await repository.find_page(conn, page, merchant_id)
