"""PINs: set, changed, locked and forgotten (WA-3, PP-11)."""

import asyncio
from datetime import timedelta

import pytest
from tests.factories.cards import a_one_time_card
from tests.factories.stored_value import a_prepaid_card
from tests.factories.wallet import House, a_member_with_credit_line

from obverse.cards import (
    Card,
    CardHandedOver,
    CardState,
    NewPin,
    PinLocked,
    Viewer,
    WrongPin,
)
from obverse.cards.pins import FRESH
from obverse.cards.rules import PIN_TRIES_MAX
from obverse.kit.errors import InvalidRequest
from obverse.kit.ids import CardBatchId
from obverse.kit.secret import Secret

NEW = NewPin(Secret("90210"), Secret("90210"))
OLD = Secret("4821")


async def members_card(house: House, **given) -> Card:
    member, _ = await a_member_with_credit_line(house)
    card, _, _ = await a_prepaid_card(house, member=member, **given)
    return card


def has_pin(house: House, card: Card, pin: Secret, viewer: Viewer = Viewer.MEMBER) -> bool:
    return card.pin_hash == house.vault.pin_hash(house.cards.reveal(card, viewer).number, pin)


async def test_the_first_pin_needs_no_other_and_the_next_one_does(house: House) -> None:
    card = await members_card(house)
    first = await house.pins.set(card.id, NewPin(OLD, OLD))
    assert has_pin(house, first, OLD)
    for old in (None, Secret("0000"), Secret("")):
        with pytest.raises(WrongPin):
            await house.pins.set(card.id, NEW, old=old)
    changed = await house.pins.set(card.id, NEW, old=OLD)
    assert has_pin(house, changed, NEW.pin)
    assert await house.cards.get(card.id) == changed


async def test_guesses_at_the_old_pin_lock_it_until_its_holder_has_signed_in_again(house: House) -> None:
    card = await members_card(house, pin="4821")
    answers = await asyncio.gather(
        *(house.pins.set(card.id, NEW, old=Secret(f"{guess:04d}")) for guess in range(10)),
        return_exceptions=True,
    )
    assert sum(isinstance(answer, WrongPin) for answer in answers) == PIN_TRIES_MAX
    assert sum(isinstance(answer, PinLocked) for answer in answers) == 10 - PIN_TRIES_MAX
    with pytest.raises(PinLocked):
        await house.pins.set(card.id, NEW, old=OLD)
    locked = await house.cards.get(card.id)
    assert (await house.pins.status(locked)).is_locked
    long_ago = house.clock.now() - FRESH - timedelta(seconds=1)
    with pytest.raises(PinLocked):
        await house.pins.set(card.id, NEW, signed_in_at=long_ago)
    freed = await house.pins.set(card.id, NEW, signed_in_at=house.clock.now())
    assert (freed.pin_failures, has_pin(house, freed, NEW.pin)) == (0, True)


@pytest.mark.parametrize(
    ("batch", "state"), [(False, CardState.ACTIVE), (True, CardState.INACTIVE)], ids=["bought", "unsold"]
)
async def test_setting_a_pin_makes_a_bought_card_good_and_an_unsold_one_not(
    house: House, batch: bool, state: CardState
) -> None:
    batch_id = CardBatchId(house.new_id()) if batch else None
    card = await members_card(house, state=CardState.INACTIVE, batch_id=batch_id)
    assert (await house.pins.set(card.id, NEW)).state is state
    assert (await house.cards.get(card.id)).state is state


async def test_who_lost_the_card_sets_no_pin_and_who_holds_it_does_without_the_old_one(house: House) -> None:
    card = await members_card(house, pin="4821")
    _, token = await house.cards.hand_over(card.id)
    await house.cards.claim(token)
    with pytest.raises(CardHandedOver):
        await house.pins.set(card.id, NEW, signed_in_at=house.clock.now())
    await house.pins.set(card.id, NewPin(OLD, OLD), Viewer.RECIPIENT)
    assert has_pin(house, await house.pins.set(card.id, NEW, Viewer.RECIPIENT), NEW.pin, Viewer.RECIPIENT)


async def test_a_one_time_number_has_no_pin(house: House) -> None:
    member, _ = await a_member_with_credit_line(house)
    card, _ = await a_one_time_card(house, member.id)
    with pytest.raises(InvalidRequest):
        await house.pins.set(card.id, NEW)


async def test_p11_a_pin_is_in_no_table_and_no_event(house: House) -> None:
    card = await members_card(house, pin="739164")
    await house.pins.set(
        card.id, NewPin(Secret("918273"), Secret("918273"), "birthdays"), old=Secret("739164")
    )
    async with house.database.connection() as conn:
        stored = str(await conn.fetch("select c::text, e::text from cards as c, events as e"))
    for pin in ("739164", "918273"):
        assert pin not in stored
        assert pin.encode().hex() not in stored
