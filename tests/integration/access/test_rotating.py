"""Rotating keys on a real PostgreSQL: one successor, and an old key that ends when it was said to."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest
from tests.factories.access import Seconds, an_access

from obverse.access import ApiKey, ApiKeyNotFound, ApiKeyOver, Scope
from obverse.kit import events
from obverse.kit.clock import Clock
from obverse.kit.database import Database
from obverse.kit.errors import InvalidRequest
from obverse.kit.ids import MerchantId, to_text
from obverse.kit.paging import PageRequest

HOUR = timedelta(hours=1)


async def test_a_successor_may_do_the_same_and_the_old_key_works_until_its_overlap_is_over(
    database: Database, clock: Clock
) -> None:
    access = an_access(database, clock=clock)
    old, old_token = await access.create("till", [Scope.PAYMENTS], MerchantId(uuid4()), live=True)
    new, new_token = await access.rotate(old.id, HOUR)
    assert (new.name, new.scopes, new.merchant_id, new.live) == (old.name, old.scopes, old.merchant_id, True)
    assert new.id != old.id
    assert new_token.reveal().startswith("ob_live_sk_")
    assert new_token != old_token
    clock.move_to(HOUR - timedelta(seconds=5))
    assert await access.authenticate(old_token) is not None
    assert await access.authenticate(new_token) == new
    clock.move_to(HOUR + timedelta(seconds=5))
    # The key is still remembered, and over nevertheless: the platform's clock decides, not the memory's.
    assert await access.authenticate(old_token) is None
    assert await access.authenticate(new_token) == new


async def test_without_an_overlap_the_old_key_ends_at_once_here_and_within_a_second_elsewhere(
    database: Database,
) -> None:
    seconds = Seconds()
    here, elsewhere = an_access(database, seconds), an_access(database, seconds)
    old, old_token = await here.create("key", [Scope.CARDS])
    assert await elsewhere.authenticate(old_token)
    await here.rotate(old.id, timedelta(0))
    assert await here.authenticate(old_token) is None
    seconds.now += 1
    assert await elsewhere.authenticate(old_token) is None


async def test_of_ten_rotations_at_once_one_makes_a_successor(database: Database) -> None:
    doors = [an_access(database) for _ in range(10)]
    old, _ = await doors[0].create("key", [Scope.CARDS])
    answers = await asyncio.gather(*(door.rotate(old.id, HOUR) for door in doors), return_exceptions=True)
    assert sum(isinstance(answer, ApiKeyOver) for answer in answers) == 9, answers
    assert len((await doors[0].list(PageRequest())).items) == 2


async def test_neither_a_rotated_nor_a_revoked_key_makes_another_successor(database: Database) -> None:
    access = an_access(database)
    rotated, _ = await access.create("rotated", [Scope.CARDS])
    await access.rotate(rotated.id, HOUR)
    revoked, _ = await access.create("revoked", [Scope.CARDS])
    await access.revoke(revoked.id)
    for key in (rotated, revoked):
        with pytest.raises(ApiKeyOver):
            await access.rotate(key.id, HOUR)


async def test_a_rotated_key_can_be_revoked_before_its_overlap_is_over(database: Database) -> None:
    access = an_access(database)
    old, old_token = await access.create("key", [Scope.CARDS])
    _, new_token = await access.rotate(old.id, HOUR)
    await access.revoke(old.id)
    assert await access.authenticate(old_token) is None
    assert await access.authenticate(new_token) is not None


async def test_p12_a_key_that_may_do_more_is_out_of_reach(database: Database) -> None:
    access = an_access(database)
    strong, token = await access.create("strong", [Scope.CARDS, Scope.OPERATE])
    with pytest.raises(ApiKeyNotFound):
        await access.rotate(strong.id, timedelta(0), within=[Scope.CARDS])
    assert await access.authenticate(token) == strong


async def test_a_refused_overlap_leaves_the_key_as_it_was(database: Database) -> None:
    access = an_access(database)
    key, token = await access.create("key", [Scope.CARDS])
    with pytest.raises(InvalidRequest):
        await access.rotate(key.id, timedelta(seconds=-1))
    assert await access.authenticate(token) == key


async def test_keys_tell_what_becomes_of_them_without_their_token(database: Database) -> None:
    access = an_access(database)
    merchant = MerchantId(uuid4())
    old, old_token = await access.create("till", [Scope.PAYMENTS], merchant)
    new, new_token = await access.rotate(old.id, HOUR)
    await access.revoke(old.id)
    await access.revoke(old.id)
    async with database.connection() as conn:
        told = (await events.read_page(conn, PageRequest())).items
    assert [event.type for event in told] == ["api_key.revoked", "api_key.rotated", "api_key.made"]
    assert told[1].data["replaces"] == told[2].data["api_key"] == to_text("key", old.id)
    assert {event.data["merchant"] for event in told} == {to_text("mer", merchant)}
    assert not any(token.reveal() in str(told) for token in (old_token, new_token))
    assert isinstance(new, ApiKey)
