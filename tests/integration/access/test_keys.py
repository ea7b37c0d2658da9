"""API keys on a real PostgreSQL: made, recognised, revoked everywhere within a second."""

import asyncio
from uuid import uuid4

import pytest
from tests.factories.access import Seconds, an_access
from tests.factories.vault import a_vault

from obverse.access import ApiKeyNotFound, Scope
from obverse.kit.database import Database
from obverse.kit.errors import InvalidRequest, Unavailable
from obverse.kit.ids import ApiKeyId, MerchantId
from obverse.kit.paging import PageRequest
from obverse.kit.secret import Secret


async def test_a_new_key_is_recognised_by_every_process(database: Database) -> None:
    maker, other = an_access(database), an_access(database)
    merchant = MerchantId(uuid4())
    key, token = await maker.create("till 1", [Scope.PAYMENTS], merchant)
    assert key.last_four == token.reveal()[-4:]
    assert (key.merchant_id, key.scopes, key.live) == (merchant, {Scope.PAYMENTS}, False)
    assert await maker.authenticate(token) == key
    assert await other.authenticate(token) == key


@pytest.mark.parametrize(
    "text",
    ["", "ob_test_sk_" + "A" * 32, "ob_test_sk_short", "\x00", "card number"],
    ids=["empty", "well-formed", "short", "null", "words"],
)
async def test_an_unknown_token_has_no_key(database: Database, text: str) -> None:
    assert await an_access(database).authenticate(Secret(text)) is None


async def test_a_token_changed_in_one_character_or_kind_has_no_key(database: Database) -> None:
    access = an_access(database)
    _, token = await access.create("key", [Scope.CARDS])
    text = token.reveal()
    assert await access.authenticate(Secret(text[:-1] + ("a" if text[-1] != "a" else "b"))) is None
    assert await access.authenticate(Secret(text.replace("test", "live"))) is None


async def test_a_stolen_table_without_the_token_key_recognises_nobody(database: Database) -> None:
    _, token = await an_access(database).create("key", [Scope.CARDS])
    assert await an_access(database, hasher=a_vault(seed=99)).authenticate(token) is None


async def test_p11_the_token_is_nowhere_in_the_database(database: Database) -> None:
    _, token = await an_access(database).create("key", [Scope.CARDS])
    async with database.connection() as conn:
        dump = await conn.fetchval("select string_agg(k::text, '|') from api_keys k")
    assert token.reveal() not in dump
    assert token.reveal()[11:] not in dump
    assert token.reveal().encode().hex() not in dump


async def test_a_revoked_key_stops_at_once_here_and_within_a_second_elsewhere(database: Database) -> None:
    seconds = Seconds()
    here, elsewhere = an_access(database, seconds), an_access(database, seconds)
    key, token = await here.create("key", [Scope.CARDS])
    assert await here.authenticate(token)
    assert await elsewhere.authenticate(token)
    revoked = await here.revoke(key.id)
    assert revoked.revoked_at is not None
    assert await here.authenticate(token) is None
    seconds.now += 0.999
    assert await elsewhere.authenticate(token) == key
    seconds.now += 0.001
    assert await elsewhere.authenticate(token) is None


async def test_a_key_in_use_all_the_time_is_still_asked_about_every_second(database: Database) -> None:
    seconds = Seconds()
    here, elsewhere = an_access(database, seconds), an_access(database, seconds)
    key, token = await here.create("key", [Scope.CARDS])
    answers = []
    for tenth in range(30):
        if tenth == 12:
            await here.revoke(key.id)
        answers.append(await elsewhere.authenticate(token) is not None)
        seconds.now += 0.1
    assert answers.index(False) <= 12 + 10
    assert not any(answers[answers.index(False) :])


async def test_a_known_key_needs_no_database_for_a_second(database: Database) -> None:
    seconds = Seconds()
    access = an_access(database, seconds)
    key, token = await access.create("key", [Scope.CARDS])
    assert await access.authenticate(token) == key
    await database.close()
    assert await access.authenticate(token) == key
    seconds.now += 1
    with pytest.raises(Unavailable):
        await access.authenticate(token)


async def test_guesses_leave_nothing_in_memory(database: Database) -> None:
    access = an_access(database)
    for letter in "abcdefgh":
        assert await access.authenticate(Secret("ob_test_sk_" + letter * 32)) is None
    assert access._known == {}


async def test_a_merchant_sees_and_revokes_its_own_keys_only(database: Database) -> None:
    access = an_access(database)
    mine, yours = MerchantId(uuid4()), MerchantId(uuid4())
    my_key, _ = await access.create("mine", [Scope.PAYMENTS], mine)
    your_key, your_token = await access.create("yours", [Scope.PAYMENTS], yours)
    house_key, house_token = await access.create("house", [Scope.OPERATE])
    assert [key.id for key in (await access.list(PageRequest(), mine)).items] == [my_key.id]
    for foreign in (your_key, house_key):
        with pytest.raises(ApiKeyNotFound):
            await access.revoke(foreign.id, mine)
    assert await access.authenticate(your_token) == your_key
    assert await access.authenticate(house_token) == house_key
    assert (await access.revoke(my_key.id, mine)).revoked_at is not None


async def test_revoking_what_is_not_there_is_refused(database: Database) -> None:
    with pytest.raises(ApiKeyNotFound) as refused:
        await an_access(database).revoke(ApiKeyId(uuid4()))
    assert refused.value.code == "api_key_not_found"


async def test_revoking_twice_keeps_the_first_time(database: Database) -> None:
    access = an_access(database)
    key, _ = await access.create("key", [Scope.CARDS])
    assert await access.revoke(key.id) == await access.revoke(key.id)


async def test_keys_are_listed_newest_first_in_pages_revoked_ones_included(database: Database) -> None:
    access = an_access(database)
    made = [(await access.create(f"key {n}", [Scope.CARDS]))[0] for n in range(5)]
    await access.revoke(made[4].id)
    first = await access.list(PageRequest(limit=3))
    rest = await access.list(PageRequest(limit=3, after=first.next_after))
    listed = [*first.items, *rest.items]
    assert sorted(key.name for key in listed) == [f"key {n}" for n in range(5)]
    assert [key.id for key in listed] == sorted((key.id for key in made), reverse=True)
    assert rest.next_after is None
    assert sum(key.revoked_at is not None for key in listed) == 1


async def test_a_refused_key_is_not_stored(database: Database) -> None:
    access = an_access(database)
    with pytest.raises(InvalidRequest):
        await access.create("key", [])
    assert (await access.list(PageRequest())).items == []


async def test_many_processes_at_once_agree(database: Database) -> None:
    doors = [an_access(database) for _ in range(8)]
    key, token = await doors[0].create("key", [Scope.CARDS])
    answers = await asyncio.gather(*(door.authenticate(token) for door in doors for _ in range(5)))
    assert answers == [key] * 40
