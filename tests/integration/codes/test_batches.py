"""Codes made for phones: windows, what replaces what, who can open them, and who is told (PC-1 to PC-4)."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from joserfc.errors import JoseError
from joserfc.jwk import ECKey
from structlog.testing import capture_logs
from tests.factories.canaries import search
from tests.factories.cards import a_one_time_card
from tests.factories.codes import INTERVAL, a_key, codes_rooms, header_of, opened, public_half
from tests.factories.members import letters_in
from tests.factories.stored_value import a_prepaid_card
from tests.factories.wallet import BIN, House, a_member_with_linked_card, a_wallet_member

from obverse.bootstrap.codes import CodeRooms
from obverse.cards import Card
from obverse.codes import (
    Batch,
    BatchWish,
    CardNotPresentable,
    CodeTerms,
    Device,
    DeviceNotFound,
    NothingAvailable,
    TooManyCodeBatches,
    TooManyDevices,
    repository,
    sweep,
)
from obverse.codes.jobs import UNUSED_KEPT, USED_KEPT
from obverse.codes.making_rules import BATCHES_A_MINUTE_MAX, CLOCK_GRACE, DEVICES_MAX
from obverse.codes.rules import partition_of, stands_for
from obverse.kit.errors import InvalidRequest, ObverseError
from obverse.kit.ids import AuthorizationId, to_text
from obverse.kit.secret import Secret
from obverse.members import Member, MemberSuspended

ALL = "select * from payment_codes order by valid_from, code_hash"


@dataclass
class Owner:
    """A member with a card that has money in it, and a phone."""

    house: House
    rooms: CodeRooms
    member: Member
    card: Card
    device: Device
    key: ECKey

    async def make(self, count: int = 1, **changes: Any) -> Batch:
        given = {"device_id": self.device.id, "card_id": self.card.id} | changes
        return await self.rooms.batches.make(self.member.id, count=count, **given)

    async def another_card(self, balance_minor: int = 1_000) -> Card:
        return (await a_prepaid_card(self.house, member=self.member, balance_minor=balance_minor))[0]

    async def another_phone(self, name: str = "Tablet") -> tuple[Device, ECKey]:
        key = a_key()
        return await self.rooms.devices.register(self.member.id, name, public_half(key)), key

    async def rows(self) -> list[Any]:
        async with self.house.database.connection() as conn:
            return await conn.fetch(ALL)

    async def use(self, batch: Batch) -> None:
        """Mark the first code of a batch as paid with, as the engine does."""
        async with self.house.database.transaction() as conn:
            hash_ = self.house.vault.token_hash(Secret(self.codes(batch)[0]))
            code = (await repository.lock(conn, self.member.partition_id, [hash_]))[hash_]
            used = AuthorizationId(self.house.new_id())
            await conn.execute("update payment_codes set used_by = $2 where code_hash = $1", code.hash, used)

    def codes(self, batch: Batch) -> list[str]:
        return [each["code"] for each in opened(batch.sealed, self.key)["codes"]]


async def an_owner(house: House, terms: CodeTerms | None = None, **profile: Any) -> Owner:
    rooms = codes_rooms(house, terms)
    member = await a_wallet_member(house, **profile)
    card, _, _ = await a_prepaid_card(house, member=member)
    key = a_key()
    device = await rooms.devices.register(member.id, "Phone", public_half(key))
    return Owner(house, rooms, member, card, device, key)


def later(house: House, by: timedelta) -> None:
    house.clock.move_to(house.clock.offset + by)


async def test_a_batch_is_a_row_of_windows_and_only_hashes_of_it_are_kept(house: House) -> None:
    owner = await an_owner(house)
    batch = await owner.make(3)
    contents = opened(batch.sealed, owner.key)
    assert contents["card"] == to_text("card", owner.card.id)
    assert header_of(batch.sealed)["kid"] == to_text("dev", owner.device.id)
    digits = owner.codes(batch)
    assert len(set(digits)) == 3
    rows = await owner.rows()
    for n, (row, code) in enumerate(zip(rows, digits, strict=True)):
        value = house.vault.code_value(Secret(code), BIN)
        assert value is not None
        assert partition_of(value) == owner.card.partition_id
        assert row["code_hash"] == house.vault.token_hash(Secret(code))
        assert (row["card_id"], row["device_id"], row["batch_id"], row["member_id"]) == (
            owner.card.id,
            owner.device.id,
            batch.id,
            owner.member.id,
        )
        assert row["valid_from"] == batch.made_at + n * INTERVAL
        assert row["expires_at"] == batch.made_at + (n + 1) * INTERVAL + CLOCK_GRACE
    assert batch.ends_at == batch.made_at + 3 * INTERVAL
    assert batch.renew_at == batch.made_at + 1.5 * INTERVAL


async def test_p10_only_the_device_can_open_its_codes(house: House) -> None:
    owner = await an_owner(house)
    other, other_key = await owner.another_phone()
    batch = await owner.make()
    head, *rest = batch.sealed.split(".")
    flipped = ".".join([head, *rest[:-1], ("A" if rest[-1][0] != "A" else "B") + rest[-1][1:]])
    for sealed, key in ((batch.sealed, other_key), (batch.sealed, a_key()), (flipped, owner.key)):
        with pytest.raises((JoseError, ValueError)):
            opened(sealed, key)
    elsewhere = await owner.make(device_id=other.id)
    assert opened(elsewhere.sealed, other_key)["codes"]
    with pytest.raises((JoseError, ValueError)):
        opened(elsewhere.sealed, owner.key)


async def test_new_codes_replace_what_was_for_later_on_that_device_and_card_alone(house: House) -> None:
    owner = await an_owner(house)
    other, _ = await owner.another_phone()
    second_card = await owner.another_card()
    first = await owner.make(5)
    on_other = await owner.make(2, device_id=other.id)
    of_second = await owner.make(2, card_id=second_card.id)
    later(house, INTERVAL * 1.5)
    shown = owner.codes(first)[1]
    again = await owner.make(3)
    left = {row["code_hash"]: row for row in await owner.rows()}
    kept = [house.vault.token_hash(Secret(code)) in left for code in owner.codes(first)]
    assert kept == [True, True, False, False, False], "what has begun stays: it may be at a till"
    assert house.vault.token_hash(Secret(shown)) in left
    by_batch = [row["batch_id"] for row in left.values()]
    assert {id_: by_batch.count(id_) for id_ in by_batch} == {
        first.id: 2,
        on_other.id: 2,
        of_second.id: 2,
        again.id: 3,
    }


async def test_p10_a_removed_device_has_no_code_left_that_pays(house: House) -> None:
    owner = await an_owner(house)
    other, _ = await owner.another_phone()
    used, unused = await owner.make(), await owner.make(4)
    elsewhere = await owner.make(1, device_id=other.id)
    await owner.use(used)
    removed = await owner.rooms.devices.remove(owner.member.id, owner.device.id)
    assert removed.removed_at is not None
    assert await owner.rooms.devices.remove(owner.member.id, owner.device.id) == removed
    batches = [row["batch_id"] for row in await owner.rows()]
    assert sorted(batches) == sorted([used.id, elsewhere.id])
    assert unused.id not in batches
    with pytest.raises(DeviceNotFound):
        await owner.make()
    assert [device.id for device in await owner.rooms.devices.list(owner.member.id)] == [other.id]


async def test_p10_codes_asked_for_while_the_device_is_removed_die_with_it(house: House) -> None:
    owner = await an_owner(house)
    remove = owner.rooms.devices.remove(owner.member.id, owner.device.id)
    tasks = [owner.make(10), owner.make(10), remove, owner.make(10), owner.make(10)]
    for answer in await asyncio.gather(*tasks, return_exceptions=True):
        assert isinstance(answer, Batch | Device | DeviceNotFound)
    assert await owner.rows() == []


async def test_a_device_is_known_by_its_key_and_there_are_ten_of_them(house: House) -> None:
    owner = await an_owner(house)
    again = await owner.rooms.devices.register(owner.member.id, "Renamed", public_half(owner.key))
    assert again == owner.device
    register = owner.rooms.devices.register
    keys = [public_half(a_key()) for _ in range(DEVICES_MAX + 3)]
    answers = await asyncio.gather(
        *[register(owner.member.id, "Phone", key) for key in keys], return_exceptions=True
    )
    assert sum(isinstance(answer, Device) for answer in answers) == DEVICES_MAX - 1
    assert sum(isinstance(answer, TooManyDevices) for answer in answers) == 4
    await owner.rooms.devices.remove(owner.member.id, owner.device.id)
    assert (await register(owner.member.id, "Phone", public_half(owner.key))).id != owner.device.id


async def test_nothing_is_made_where_nothing_could_be_paid(house: House) -> None:
    owner = await an_owner(house)
    empty = await owner.another_card(balance_minor=0)
    with pytest.raises(NothingAvailable):
        await owner.make(card_id=empty.id)
    await house.cards.suspend(owner.card.id)
    with pytest.raises(CardNotPresentable):
        await owner.make()
    for count in (0, CodeTerms().batch_max + 1):
        with pytest.raises(InvalidRequest):
            await owner.make(count)
    await house.wallet.suspend(owner.member.id)
    with pytest.raises(MemberSuspended):
        await owner.make()
    assert await owner.rows() == []


async def test_a_card_that_was_handed_over_pays_for_nobody_elses_phone(house: House) -> None:
    rooms = codes_rooms(house)
    giver, _ = await a_member_with_linked_card(house)
    key = a_key()
    device = await rooms.devices.register(giver.id, "Phone", public_half(key))
    card, _ = await a_one_time_card(house, giver.id)
    batch = await rooms.batches.make(giver.id, device.id, card.id)
    hash_ = house.vault.token_hash(Secret(opened(batch.sealed, key)["codes"][0]["code"]))
    async with house.database.connection() as conn:
        code = (await repository.find(conn, card.partition_id, [hash_]))[hash_]
    assert stands_for(code, card)
    _, token = await house.cards.hand_over(card.id)
    await house.cards.claim(token)
    assert not stands_for(code, await house.cards.get(card.id))
    with pytest.raises(CardNotPresentable):
        await rooms.batches.make(giver.id, device.id, card.id)


async def test_a_device_asks_sixty_times_a_minute_at_most(house: House) -> None:
    owner = await an_owner(house)
    wishes = [BatchWish(owner.member.id, owner.device.id, owner.card.id)] * BATCHES_A_MINUTE_MAX
    assert all(isinstance(made, Batch) for made in await owner.rooms.batches.make_all(wishes))
    with pytest.raises(TooManyCodeBatches):
        await owner.make()
    later(house, timedelta(seconds=61))
    assert await owner.make()


async def test_many_batches_are_made_at_once_and_a_refusal_leaves_the_others_alone(
    house: House,
) -> None:
    owners = [await an_owner(house) for _ in range(3)]
    wishes = [BatchWish(o.member.id, o.device.id, o.card.id, 20) for o in owners]
    stolen = BatchWish(owners[0].member.id, owners[1].device.id, owners[0].card.id)
    foreign = BatchWish(owners[0].member.id, owners[0].device.id, owners[1].card.id)
    made = await owners[0].rooms.batches.make_all([wishes[0], stolen, wishes[1], foreign, wishes[2]])
    codes = [each.code if isinstance(each, ObverseError) else "made" for each in made]
    assert codes == ["made", "device_not_found", "made", "card_not_found", "made"]
    for owner, batch in zip(owners, made[::2], strict=True):
        assert isinstance(batch, Batch)
        assert len(set(owner.codes(batch))) == 20
    assert len(await owners[0].rows()) == 60


async def test_digits_that_somebody_has_already_are_drawn_again(
    house: House, random_bytes: Callable[[int], bytes]
) -> None:
    drawn: list[bytes] = []

    def draws_twice(size: int) -> bytes:
        drawn.append(random_bytes(size) if len(drawn) % 2 == 0 else drawn[-1])
        return drawn[-1]

    house.random_bytes = draws_twice
    owner = await an_owner(house)
    drawn.clear()
    batch = await owner.make(20)
    assert len(set(owner.codes(batch))) == 20
    stored = {row["code_hash"]: row["valid_from"] for row in await owner.rows()}
    assert stored == {
        house.vault.token_hash(Secret(each["code"])): datetime.fromisoformat(each["valid_from"])
        for each in opened(batch.sealed, owner.key)["codes"]
    }
    assert len(drawn) > 20


async def test_the_member_is_told_a_few_times_a_day_and_never_a_digit(house: House) -> None:
    owner = await an_owner(house, CodeTerms(interval=INTERVAL, notices_a_day=2))
    made = [await owner.make(5) for _ in range(4)]
    async with house.database.connection() as conn:
        told = await letters_in(conn, house.vault)
        rows = await conn.fetch("select channel, member_id, subject_id from letters order by id")
    assert [letter.template for letter in told] == ["payment_codes_made"] * 2
    assert [letter.data["is_last"] for letter in told] == [False, True]
    assert [tuple(row) for row in rows] == [("sms", owner.member.id, batch.id) for batch in made[:2]]
    assert told[0].data["count"] == 5
    assert told[0].data["device"] == "Phone"
    canaries = {code: code for batch in made for code in owner.codes(batch)}
    assert search(repr([letter.data for letter in told]).encode(), canaries) == []
    later(house, timedelta(days=1))
    await owner.make()
    async with house.database.connection() as conn:
        assert len(await letters_in(conn, house.vault)) == 3


async def test_who_cannot_be_reached_gets_codes_all_the_same(house: House) -> None:
    rooms = codes_rooms(house)
    member, _ = await a_member_with_linked_card(house)
    device = await rooms.devices.register(member.id, "Phone", public_half(a_key()))
    card, _ = await a_one_time_card(house, member.id)
    assert await rooms.batches.make(member.id, device.id, card.id)
    async with house.database.connection() as conn:
        assert await letters_in(conn, house.vault) == []


async def test_p11_the_digits_of_codes_are_in_no_table_and_no_log(house: House) -> None:
    with capture_logs() as logs:
        owner = await an_owner(house)
        batch = await owner.make(5)
    canaries = {code: code for code in owner.codes(batch)}
    async with house.database.connection() as conn:
        tables = await conn.fetch("select tablename from pg_tables where schemaname = 'public'")
        stored = [
            repr([tuple(row) for row in await conn.fetch(f"select t::text from {name} as t")])
            for (name,) in tables
        ]
        news = await conn.fetch("select data from events where type = 'codes.made'")
    assert search(repr((logs, stored, batch)).encode(), canaries) == []
    assert len(news) == 1
    assert to_text("cbch", batch.id) in news[0]["data"]


async def test_codes_are_forgotten_when_nobody_can_ask_for_them_any_more(house: House) -> None:
    owner = await an_owner(house)
    used, unused = await owner.make(), await owner.make()
    await owner.use(used)
    async with house.database.transaction() as conn:
        tried = {(owner.house.new_id(), "T1"): 3}
        await repository.note_guesses(conn, owner.card.partition_id, tried, house.clock.now())
    one_shown = INTERVAL + CLOCK_GRACE
    later(house, one_shown + UNUSED_KEPT - timedelta(minutes=1))
    assert await sweep(house.database, house.clock) == 0
    later(house, timedelta(minutes=2))
    assert await sweep(house.database, house.clock) == 1
    assert [row["batch_id"] for row in await owner.rows()] == [used.id]
    assert unused.id != used.id
    later(house, USED_KEPT)
    assert await sweep(house.database, house.clock) == 1
    async with house.database.connection() as conn:
        for table in ("payment_codes", "code_guesses", "code_batches"):
            assert await conn.fetchval(f"select count(*) from {table}") == 0, table
