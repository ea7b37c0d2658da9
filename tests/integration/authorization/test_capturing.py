"""Claims: what is captured, by whom, and what that leaves of the card."""

import pytest
from msgspec.structs import replace
from tests.factories.engine import EngineWorld

from obverse.authorization import Decline, Status
from obverse.authorization.errors import NotCapturable
from obverse.cards import Controls, SpentOn
from obverse.kit.errors import NotFound
from obverse.kit.money import KRW, Money


@pytest.mark.parametrize("off_us", [False, True], ids=["credit line", "linked card"])
async def test_a_card_spent_on_capture_is_spent_by_a_payment_captured_at_once(
    world: EngineWorld, off_us: bool
) -> None:
    controls = Controls(spent_on=SpentOn.CAPTURE)
    card, face = await (world.off_us_card(controls) if off_us else world.card(controls))
    first = await world.engine.authorize(world.request(face, 1_000, capture=True))
    second = await world.engine.authorize(world.request(face, 1_000, capture=True))
    assert (first.status, second.decline) == (Status.APPROVED, Decline.CARD_USED)
    assert (await world.house.cards.get(card.id)).uses_left == 0


@pytest.mark.parametrize("amount", [0, 1_000], ids=["a check", "a payment"])
async def test_capturing_nothing_is_refused_and_leaves_the_payment_as_it_was(
    world: EngineWorld, amount: int
) -> None:
    card, face = await world.card(Controls(spent_on=SpentOn.CAPTURE))
    request = world.request(face, amount)
    approved = await world.engine.authorize(request)
    with pytest.raises(NotCapturable):
        await world.engine.capture_by_key(request.request_key, face.number, Money(0, KRW))
    assert await world.engine.get(approved.id) == approved
    assert (await world.house.cards.get(card.id)).uses_left == 1
    assert (await world.engine.cancel(approved.id)).status is Status.REVERSED


async def test_nobody_captures_or_reverses_with_a_number_that_is_not_the_payments_own(
    world: EngineWorld,
) -> None:
    _, face = await world.card()
    _, other = await world.card()
    request = world.request(face, 1_000)
    approved = await world.engine.authorize(request)
    for number in (other.number, replace(face, number=other.cvv).number):
        with pytest.raises(NotFound):
            await world.engine.capture_by_key(request.request_key, number, Money(1_000, KRW))
        with pytest.raises(NotFound):
            await world.engine.reverse(request.request_key, number, Money(1_000, KRW))
    assert await world.engine.get(approved.id) == approved
    captured = await world.engine.capture_by_key(request.request_key, face.number, Money(1_000, KRW))
    assert captured.captured_minor == 1_000
