"""Card number hashes follow when keys change, while cards are in use."""

from tests.factories.cards import a_one_time_card
from tests.factories.wallet import BIN, House, a_member_with_credit_line

from obverse.cards import CardsRekey, repository
from obverse.vault.jobs import retire, rotate
from obverse.wallet import CardWish


async def test_every_number_is_found_before_during_and_after_a_rotation(house: House) -> None:
    member, _ = await a_member_with_credit_line(house)
    issued = await house.wallet.issue_card(member.id, CardWish(), count=25)
    numbers = [house.cards.reveal(card).number for card in issued.cards]
    step = CardsRekey(house.vault)
    seen: list[int] = []

    async def all_found() -> bool:
        async with house.database.connection() as conn:
            hashes = [h.digest for number in numbers for h in house.vault.number_hashes(number)]
            return len(await repository.find(conn, member.partition_id, hashes, [])) == 25

    assert await all_found()
    await rotate(house.database, house.vault, [step], lambda name, done, total: seen.append(done), batch=10)
    assert seen == [0, 10, 20, 25, 25]
    assert await all_found()
    _, face = await a_one_time_card(house, member.id)
    numbers.append(face.number)
    await retire(house.database, house.vault, [step])
    assert house.vault.active_index == 2
    assert len(house.vault.number_hashes(numbers[0])) == 1
    numbers.pop()
    assert await all_found()
    assert numbers[0].reveal().startswith(BIN)


async def test_a_card_that_a_payment_holds_is_passed_over_and_done_later(house: House) -> None:
    member, _ = await a_member_with_credit_line(house)
    held, _ = await a_one_time_card(house, member.id)
    await a_one_time_card(house, member.id)
    step = CardsRekey(house.vault)
    async with house.database.transaction() as conn:
        await house.vault.lock_keys(conn)
        house.vault.add_key_versions()
    async with house.database.transaction() as payment:
        await repository.lock(payment, held.partition_id, [held.number_hash], [])
        async with house.database.transaction() as conn:
            assert await step.count(conn) == 2
            assert await step.step(conn, 10) == 1
    async with house.database.transaction() as conn:
        assert await step.step(conn, 10) == 1
        assert await step.count(conn) == 0
