"""Changing merchants, and where their money goes: PF-4."""

import asyncio

import pytest
from tests.factories.merchants import BY_HAND, a_bank_account, a_merchant, details, merchants_room
from tests.factories.wallet import House

from obverse.kit import audit, events
from obverse.kit.errors import InvalidRequest
from obverse.kit.ids import to_text
from obverse.kit.paging import PageRequest
from obverse.merchants import (
    Decision,
    FeePlan,
    Merchant,
    MerchantChange,
    MerchantState,
    Rhythm,
    Terms,
    payout_accounts_rekey,
)
from obverse.merchants.errors import MerchantClosed
from obverse.vault import SealBroken
from obverse.vault.jobs import retire, rotate


async def told(house: House, merchant: Merchant) -> tuple[list[str], list[str]]:
    """Types of events and actions of the audit log about this merchant, oldest first."""
    subject = to_text("mer", merchant.id)
    async with house.database.connection() as conn:
        news = [
            e
            for e in (await events.read_page(conn, PageRequest())).items
            if e.data.get("merchant") == subject
        ]
        entries = (await audit.read_page(conn, PageRequest(), subject)).items
    return [e.type for e in reversed(news)], [e.action for e in reversed(entries)]


async def test_a_change_is_seen_told_and_answered_for(house: House) -> None:
    merchant = await a_merchant(house.merchants)
    await house.merchants.get(merchant.id)
    wanted = MerchantChange(name="New Name", terminals=("T1", "T2"), fee_plan=FeePlan(200, 50))
    changed = await house.merchants.change(merchant.id, wanted, BY_HAND)
    assert (changed.name, changed.terminals, changed.fee_plan) == ("New Name", ("T1", "T2"), FeePlan(200, 50))
    assert changed.category == merchant.category
    assert await house.merchants.get(merchant.id) == changed
    assert await house.merchants.find(merchant.acquirer_id, merchant.merchant_no) == changed
    assert await house.merchants.change(merchant.id, wanted, BY_HAND) == changed
    assert await told(house, merchant) == (["merchant.onboarded", "merchant.changed"], ["merchant.changed"])


async def test_changes_of_different_fields_at_once_all_hold(house: House) -> None:
    merchant = await a_merchant(house.merchants)
    await asyncio.gather(
        house.merchants.change(merchant.id, MerchantChange(name="Both"), BY_HAND),
        house.merchants.change(merchant.id, MerchantChange(category="5411"), BY_HAND),
        house.merchants.change(merchant.id, MerchantChange(fee_plan=FeePlan(10)), BY_HAND),
    )
    merchant = await house.merchants.get(merchant.id)
    assert (merchant.name, merchant.category, merchant.fee_plan) == ("Both", "5411", FeePlan(10))


async def test_a_merchant_is_suspended_resumed_and_closed_for_good(house: House) -> None:
    merchant = await a_merchant(house.merchants)
    for state in (MerchantState.SUSPENDED, MerchantState.ACTIVE, MerchantState.CLOSED, MerchantState.CLOSED):
        assert (await house.merchants.set_state(merchant.id, state, BY_HAND)).state is state
        assert (await house.merchants.get(merchant.id)).state is state
    for late in (
        house.merchants.set_state(merchant.id, MerchantState.ACTIVE, BY_HAND),
        house.merchants.change(merchant.id, MerchantChange(name="Again"), BY_HAND),
    ):
        with pytest.raises(MerchantClosed):
            await late
    news = ["merchant.suspended", "merchant.resumed", "merchant.closed"]
    assert await told(house, merchant) == (["merchant.onboarded", *news], news)


async def test_without_a_reason_nothing_changes(house: House) -> None:
    merchant = await a_merchant(house.merchants)
    with pytest.raises(InvalidRequest) as refused:
        await house.merchants.set_state(merchant.id, MerchantState.CLOSED, Decision("key_x", "\n"))
    assert refused.value.param == "reason"
    assert (await house.merchants.get(merchant.id)).state is MerchantState.ACTIVE


async def test_a_merchant_may_be_onboarded_with_all_its_terms(house: House) -> None:
    given = details()
    merchant = await house.merchants.onboard(
        given.name,
        given.category,
        given.acquirer_id,
        given.merchant_no,
        terms=Terms(FeePlan(99, 9)),
        rhythm=Rhythm.WEEKLY,
        account=a_bank_account(),
    )
    elsewhere = merchants_room(house.database, house.clock, house.new_id, vault=house.vault)
    assert await elsewhere.get(merchant.id) == merchant
    assert (merchant.fee_plan, merchant.payout.rhythm) == (FeePlan(99, 9), Rhythm.WEEKLY)
    assert elsewhere.bank_account(merchant) == a_bank_account()
    assert elsewhere.bank_account(await a_merchant(elsewhere)) is None


async def test_a_new_payout_account_takes_the_place_of_the_old_one_also_of_a_closed_merchant(
    house: House,
) -> None:
    merchant = await a_merchant(house.merchants)
    await house.merchants.set_state(merchant.id, MerchantState.CLOSED, BY_HAND)
    for number in ("1111111111", "2222222222"):
        changed = await house.merchants.set_payout(
            merchant.id, Rhythm.MONTHLY, a_bank_account(number), BY_HAND
        )
        assert changed.payout.account is not None
        assert changed.payout.account.last_four == number[-4:]
        found = await house.merchants.get(merchant.id)
        assert found == changed
        assert house.merchants.bank_account(found) == a_bank_account(number)
    assert (await told(house, merchant))[1] == ["merchant.closed", *["merchant.payout_changed"] * 2]


async def test_p11_an_account_number_opens_for_its_own_merchant_only(house: House) -> None:
    mine, yours = await a_merchant(house.merchants), await a_merchant(house.merchants)
    mine = await house.merchants.set_payout(mine.id, Rhythm.DAILY, a_bank_account(), BY_HAND)
    async with house.database.transaction() as conn:
        await conn.execute("update payout_accounts set merchant_id = $1", yours.id)
    stolen = await merchants_room(house.database, house.clock, house.new_id, vault=house.vault).get(yours.id)
    with pytest.raises(SealBroken):
        house.merchants.bank_account(stolen)


async def test_a_rotation_of_keys_seals_every_account_number_anew(house: House) -> None:
    merchants = [
        await a_merchant(house.merchants, account=a_bank_account(f"{number:010d}")) for number in range(5)
    ]
    step = payout_accounts_rekey(house.vault)
    await rotate(house.database, house.vault, [step], lambda name, done, total: None, batch=2)
    await retire(house.database, house.vault, [step])
    fresh = merchants_room(house.database, house.clock, house.new_id, vault=house.vault)
    for number, merchant in enumerate(merchants):
        found = await fresh.get(merchant.id)
        assert found.payout.account is not None
        assert found.payout.account.number.key_version == house.vault.active_encryption == 2
        assert fresh.bank_account(found) == a_bank_account(f"{number:010d}")
