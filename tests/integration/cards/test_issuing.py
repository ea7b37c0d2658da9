"""Issuing: OT-6, OT-7, PF-8."""

from datetime import timedelta
from time import perf_counter

import pytest
from stdnum import luhn
from tests.factories.cards import a_one_time_card
from tests.factories.merchants import a_merchant
from tests.factories.wallet import BIN, House, a_member_with_credit_line

from obverse.cards import CardState, Controls, SpentOn, repository
from obverse.cards.model import CardUse
from obverse.cards.rules import partition_of
from obverse.kit.errors import InvalidRequest
from obverse.kit.ids import MerchantId
from obverse.kit.paging import PageRequest
from obverse.merchants import MerchantNotFound
from obverse.wallet import CardWish


async def test_an_issued_card_reads_back_as_it_was_issued(house: House) -> None:
    member, line = await a_member_with_credit_line(house)
    merchant = await a_merchant(house.merchants)
    controls = Controls(50_000, 30_000, merchant.id, ("5732", "5411"), SpentOn.CAPTURE, 3)
    expires_at = house.clock.now() + timedelta(days=5)
    card, face = await a_one_time_card(
        house, member.id, controls, expires_at=expires_at, metadata={"order": "주문 7"}
    )
    assert await house.cards.get(card.id) == card
    assert (card.controls, card.uses_left, card.spent_minor) == (controls, 3, 0)
    assert (card.expires_at, card.funding) == (expires_at, (line.id,))
    assert card.metadata == {"order": "주문 7"}
    assert face.number.reveal()[-4:] == card.last_four


async def test_a_number_is_luhn_valid_in_our_bin_and_tells_its_partition(house: House) -> None:
    member, _ = await a_member_with_credit_line(house)
    card, face = await a_one_time_card(house, member.id)
    number = face.number.reveal()
    assert luhn.is_valid(number)
    assert (len(number), number[:6]) == (16, BIN)
    serial = house.vault.serial_of(face.number, BIN)
    assert serial == card.serial
    assert partition_of(serial) == member.partition_id
    assert house.vault.cvv_matches(face.number, face.expiry, face.cvv)


async def test_a_card_ends_after_a_day_unless_asked_otherwise(house: House) -> None:
    member, _ = await a_member_with_credit_line(house)
    card, _ = await a_one_time_card(house, member.id)
    assert card.expires_at == card.created_at + timedelta(hours=24)


async def test_a_card_for_an_unknown_merchant_is_not_issued(house: House) -> None:
    member, _ = await a_member_with_credit_line(house)
    with pytest.raises(MerchantNotFound) as refusal:
        await a_one_time_card(house, member.id, Controls(merchant_id=MerchantId(house.new_id())))
    assert refusal.value.param == "controls.merchant"


async def test_twenty_thousand_cards_at_once_are_all_distinct_and_luhn_valid(house: House) -> None:
    member, _ = await a_member_with_credit_line(house)
    started = perf_counter()
    issued = await house.wallet.issue_card(member.id, CardWish(), count=20_000)
    seconds = perf_counter() - started
    numbers = {house.cards.reveal(card).number.reveal() for card in issued.cards}
    assert len(numbers) == len({card.id for card in issued.cards}) == 20_000
    assert all(luhn.is_valid(number) and number.startswith(BIN) for number in numbers)
    async with house.database.connection() as conn:
        assert await conn.fetchval("select count(*) from cards") == 20_000
        assert await conn.fetchval("select count(*) from events where type = 'card.issued'") == 20_000
    print(f"{20_000 / seconds:.0f} cards/s")  # noqa: T201


@pytest.mark.parametrize("count", [0, -1, 100_001])
async def test_an_order_for_too_few_or_too_many_cards_is_refused(house: House, count: int) -> None:
    member, _ = await a_member_with_credit_line(house)
    with pytest.raises(InvalidRequest):
        await house.wallet.issue_card(member.id, CardWish(), count=count)


async def test_a_member_lists_their_own_cards_newest_first(house: House) -> None:
    member, _ = await a_member_with_credit_line(house)
    stranger, _ = await a_member_with_credit_line(house)
    cards = [(await a_one_time_card(house, member.id))[0] for _ in range(3)]
    await a_one_time_card(house, stranger.id)
    newest = sorted((card.id for card in cards), reverse=True)
    first = await house.cards.list(member.id, PageRequest(limit=2))
    rest = await house.cards.list(member.id, PageRequest(limit=2, after=first.next_after))
    assert [card.id for card in first.items] == newest[:2]
    assert [card.id for card in rest.items] == newest[2:]


async def test_the_engine_finds_locks_and_spends_cards_by_hash_or_id(house: House) -> None:
    member, _ = await a_member_with_credit_line(house)
    cards = [(await a_one_time_card(house, member.id, Controls(uses=2)))[0] for _ in range(4)]
    partition, by_hash, by_id = cards[0].partition_id, cards[:3], cards[2:]
    hashes = [card.number_hash for card in by_hash]
    ids = [card.id for card in by_id]
    async with house.database.transaction() as conn:
        locked = await repository.lock(conn, partition, hashes, ids)
        await repository.save_uses(
            conn,
            partition,
            [
                CardUse(locked[0].id, 1, 700, 0, CardState.ACTIVE),
                CardUse(locked[1].id, 0, 900, 0, CardState.ACTIVE),
            ],
        )
    async with house.database.connection() as conn:
        found = {card.id: card for card in await repository.find(conn, partition, hashes, ids)}
        assert await repository.lock(conn, partition, [b"unknown"], []) == []
    assert [card.id for card in locked] == sorted(card.id for card in cards)
    used = [(found[card.id].uses_left, found[card.id].spent_minor) for card in locked]
    assert used == [(1, 700), (0, 900), (2, 0), (2, 0)]


async def test_a_card_is_suspended_resumed_and_closed_and_each_is_told_once(house: House) -> None:
    member, _ = await a_member_with_credit_line(house)
    card, _ = await a_one_time_card(house, member.id)
    for _ in range(2):
        assert (await house.cards.suspend(card.id)).state is CardState.SUSPENDED
    assert (await house.cards.resume(card.id)).state is CardState.ACTIVE
    assert (await house.cards.close(card.id)).state is CardState.CLOSED
    async with house.database.connection() as conn:
        told = await conn.fetch("select type from events where subject_id = $1 order by id", card.id)
    assert sorted(row["type"] for row in told) == [
        "card.closed",
        "card.issued",
        "card.resumed",
        "card.suspended",
    ]


async def test_p11_no_number_and_no_cvv_is_stored(house: House) -> None:
    member, _ = await a_member_with_credit_line(house)
    _, face = await a_one_time_card(house, member.id)
    async with house.database.connection() as conn:
        stored = str(await conn.fetch("select cards::text from cards")) + str(
            await conn.fetch("select events::text from events")
        )
    number = face.number.reveal()
    assert number not in stored
    assert number.encode().hex() not in stored
    assert number[6:15] not in stored
