"""Making, checking, rotating and revoking API keys."""

import time
from collections.abc import Callable, Collection
from datetime import timedelta
from typing import Final

from msgspec.structs import replace

from obverse.access import repository, rules
from obverse.access.errors import ApiKeyNotFound
from obverse.access.model import ApiKey, Scope
from obverse.access.ports import TokenHasher
from obverse.kit import events
from obverse.kit.clock import Clock
from obverse.kit.database import Connection, Database
from obverse.kit.events import Event
from obverse.kit.ids import ApiKeyId, EventId, MerchantId, NewId, PointsIssuerId, to_text
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
        by: str | None = None,
        issuer_id: PointsIssuerId | None = None,
    ) -> tuple[ApiKey, Secret]:
        """Make a key and its token. The token is returned here and can never be had again.

        With `merchant_id` the key is held to that merchant, with `issuer_id` to that points issuer; the
        caller has seen that there is one.
        `by`, here and below, is whose decision it was, for the event to tell.
        Raises `InvalidRequest` for a name or scopes that must not be.
        """
        async with self._database.transaction() as conn:
            return await self.create_in(conn, name, scopes, merchant_id, live, by=by, issuer_id=issuer_id)

    async def create_in(
        self,
        conn: Connection,
        name: str,
        scopes: Collection[Scope],
        merchant_id: MerchantId | None,
        live: bool,
        replaces: ApiKey | None = None,
        by: str | None = None,
        issuer_id: PointsIssuerId | None = None,
    ) -> tuple[ApiKey, Secret]:
        """The same as a piece of a larger commit; `replaces` is the key that this one succeeds."""
        rules.check_key(name, scopes, merchant_id is not None, issuer_id is not None)
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
            first_id=replaces.holder_id if replaces is not None else None,
            issuer_id=issuer_id,
        )
        await repository.insert(conn, key, self._hasher.token_hash(token))
        if replaces is None:
            await self._tell(conn, "api_key.made", key, by)
        else:
            await self._tell(conn, "api_key.rotated", key, by, replaces=to_text("key", replaces.id))
        return key, token

    async def authenticate(self, token: Secret) -> ApiKey | None:
        """The key of this token, or None: unknown, revoked, over and malformed look alike.

        A revocation or rotation anywhere is seen within `CACHE_SECONDS`; the end of an overlap that was seen
        is kept to the moment. Raises `Unavailable`.
        """
        if not rules.looks_like_token(token):
            return None
        key = await self._key_of(token)
        return None if key is None or rules.is_over(key, self._clock.now()) else key

    async def _key_of(self, token: Secret) -> ApiKey | None:
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
        by: str | None = None,
    ) -> ApiKey:
        """End a key for ever; with `merchant_id`, only one of that merchant; with `within`, only one that
        may do no more than that. Repeating changes nothing.

        Raises `ApiKeyNotFound`, also for a key that is out of the caller's reach (P12).
        """
        async with self._database.transaction() as conn:
            key = await self._lock(conn, key_id, merchant_id, within)
            if key.revoked_at is None:
                key = replace(key, revoked_at=self._clock.now())
                await repository.set_end(conn, key)
                await self._tell(conn, "api_key.revoked", key, by)
        self._forget(key)
        return key

    async def rotate(
        self,
        key_id: ApiKeyId,
        overlap: timedelta,
        within: Collection[Scope] | None = None,
        by: str | None = None,
    ) -> tuple[ApiKey, Secret]:
        """Make a successor that may do the same; the old key works until `overlap` is over.

        The successor's token is returned here and can never be had again. A key has one successor. `within`
        is as for `revoke`. Raises `ApiKeyNotFound`, `ApiKeyOver`, `InvalidRequest`.
        """
        async with self._database.transaction() as conn:
            old = await self._lock(conn, key_id, None, within)
            old = replace(old, ends_at=rules.end_of_overlap(old, overlap, self._clock.now()))
            await repository.set_end(conn, old)
            fresh = await self.create_in(
                conn, old.name, old.scopes, old.merchant_id, old.live, old, by, old.issuer_id
            )
        self._forget(old)
        return fresh

    async def list(self, page: PageRequest, merchant_id: MerchantId | None = None) -> Page[ApiKey]:
        """Keys, newest first, revoked ones included; with `merchant_id`, those of that merchant."""
        async with self._database.connection() as conn:
            return await repository.find_page(conn, page, merchant_id)

    async def _lock(
        self,
        conn: Connection,
        key_id: ApiKeyId,
        merchant_id: MerchantId | None,
        within: Collection[Scope] | None,
    ) -> ApiKey:
        key = (await repository.lock(conn, [key_id], merchant_id, within)).get(key_id)
        if key is None:
            raise ApiKeyNotFound
        return key

    def _forget(self, key: ApiKey) -> None:
        self._known = {hash_: entry for hash_, entry in self._known.items() if entry[1].id != key.id}

    async def _tell(self, conn: Connection, news: str, key: ApiKey, by: str | None, **more: str) -> None:
        data = {
            "api_key": to_text("key", key.id),
            "name": key.name,
            "last_four": key.last_four,
            "merchant": to_text("mer", key.merchant_id) if key.merchant_id is not None else None,
            "points_issuer": to_text("pis", key.issuer_id) if key.issuer_id is not None else None,
            "scopes": sorted(key.scopes),
            "by": by,
            **more,
        }
        event = Event(EventId(self._new_id()), news, key.id, data, self._clock.now())
        await events.append(conn, [event])
