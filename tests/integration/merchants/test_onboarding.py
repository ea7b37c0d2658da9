"""Onboarding merchants and finding them: PF-4."""

import asyncio

import pytest
from tests.factories.merchants import BY_HAND, a_merchant, merchants_room
from tests.factories.wallet import House

from obverse.kit.ids import MerchantId
from obverse.kit.paging import PageRequest
from obverse.ledger import AccountKind
from obverse.ledger import repository as ledger
from obverse.merchants import MerchantNotFound, MerchantNumberTaken, MerchantState


async def test_an_onboarded_merchant_is_found_by_id_and_by_number(house: House) -> None:
    merchant = await a_merchant(house.merchants, metadata={"owner": "김"})
    assert await house.merchants.get(merchant.id) == merchant
    assert await house.merchants.find(merchant.acquirer_id, merchant.merchant_no) == merchant
    assert await house.merchants.find("999", merchant.merchant_no) is None


async def test_its_payable_account_is_open_in_every_partition(house: House) -> None:
    merchants = merchants_room(house.database, house.clock, house.new_id, partitions=3)
    merchant = await a_merchant(merchants)
    async with house.database.connection() as conn:
        for partition in range(3):
            (account,) = await ledger.find_accounts(conn, partition, [merchant.account_id])
            assert (account.kind, account.rolled_up) == (AccountKind.MERCHANT_PAYABLE, True)


async def test_a_number_tried_before_onboarding_is_found_right_after(house: House) -> None:
    assert await house.merchants.find("410001", "EARLY") is None
    merchant = await a_merchant(house.merchants, merchant_no="EARLY")
    assert await house.merchants.find("410001", "EARLY") == merchant


async def test_an_acquirer_gives_a_number_once_also_in_parallel(house: House) -> None:
    answers = await asyncio.gather(
        *[a_merchant(house.merchants, merchant_no="SAME") for _ in range(10)], return_exceptions=True
    )
    assert sum(isinstance(answer, MerchantNumberTaken) for answer in answers) == 9, answers
    async with house.database.connection() as conn:
        assert await conn.fetchval("select count(*) from accounts") == 1


async def test_a_closed_merchant_is_seen_as_closed_at_once(house: House) -> None:
    merchant = await a_merchant(house.merchants)
    await house.merchants.get(merchant.id)
    closed = await house.merchants.set_state(merchant.id, MerchantState.CLOSED, BY_HAND)
    assert closed.state is MerchantState.CLOSED
    assert await house.merchants.get(merchant.id) == closed


async def test_unknown_merchants_are_refused(house: House) -> None:
    nobody = MerchantId(house.new_id())
    with pytest.raises(MerchantNotFound):
        await house.merchants.get(nobody)
    with pytest.raises(MerchantNotFound):
        await house.merchants.set_state(nobody, MerchantState.CLOSED, BY_HAND)


async def test_merchants_are_listed_newest_first(house: House) -> None:
    made = [await a_merchant(house.merchants) for _ in range(3)]
    page = await house.merchants.list(PageRequest(limit=2))
    rest = await house.merchants.list(PageRequest(limit=2, after=page.next_after))
    listed = [merchant.id for merchant in (*page.items, *rest.items)]
    assert listed == sorted((merchant.id for merchant in made), reverse=True)
