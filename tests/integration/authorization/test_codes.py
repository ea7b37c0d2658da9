"""P10 over a real database: a code pays once whatever runs in parallel, and guessing shuts the till."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest
from msgspec.structs import replace
from tests.factories.codes import a_key, codes_rooms, opened, public_half
from tests.factories.engine import EngineWorld, an_engine
from tests.factories.merchants import BY_HAND
from tests.factories.registered_cards import a_registered_card
from tests.factories.wallet import a_member_with_linked_card

from obverse.authorization import AuthorizationRequest, Decline, Engine, Entry, Status
from obverse.cards import NewPin
from obverse.codes import CodeTerms
from obverse.kit.errors import NotFound
from obverse.kit.money import KRW, Money
from obverse.kit.secret import Secret
from obverse.merchants.model import MerchantChange

PIN = Secret("4821")


@pytest.fixture
async def processes(world: EngineWorld) -> AsyncIterator[list[Engine]]:
    """Three engines over one database."""
    async with AsyncExitStack() as stack:
        engines = [world.engine]
        for _ in range(2):
            engine = an_engine(world.house, world.card_company)
            await engine.start()
            stack.push_async_callback(engine.stop)
            engines.append(engine)
        yield engines


async def codes_of(world: EngineWorld, count: int) -> list[Secret]:
    """Codes for the registered card of a new member with a PIN, all good at this moment."""
    house = world.house
    accepts = frozenset({"one_time", "registered"})
    world.shop = await house.merchants.change(world.shop.id, MerchantChange(accepts=accepts), BY_HAND)
    member, _ = await a_member_with_linked_card(house)
    card, _ = await a_registered_card(house, member)
    await house.pins.set(card.id, NewPin(PIN, PIN), signed_in_at=house.clock.now())
    rooms = codes_rooms(house, CodeTerms(interval=timedelta(days=7)))
    key = a_key()
    device = await rooms.devices.register(member.id, "phone", public_half(key))
    batch = await rooms.batches.make(member.id, device.id, card.id, count)
    shown = [Secret(code["code"]) for code in opened(batch.sealed, key)["codes"]]
    async with house.database.transaction() as conn:
        await conn.execute("update payment_codes set valid_from = $1", house.clock.now())
    return shown


def scan(world: EngineWorld, code: Secret, amount_minor: int = 1_000, **more: object) -> AuthorizationRequest:
    request = AuthorizationRequest(
        request_key=f"till:{world.house.new_id()}",
        number=code,
        expiry=None,
        cvv=None,
        amount=Money(amount_minor, KRW),
        merchant=world.shop,
        terminal="TERM0001",
        entry=Entry.BARCODE,
    )
    return replace(request, **more)  # type: ignore[arg-type]


async def test_p10_of_64_scans_at_once_exactly_one_pays(
    world: EngineWorld, processes: Sequence[Engine]
) -> None:
    codes = await codes_of(world, 20)
    scans = [scan(world, code) for _ in range(64) for code in codes]
    answers = await asyncio.gather(
        *[processes[turn % 3].authorize(request) for turn, request in enumerate(scans)]
    )
    by_code: dict[str, list[Decline | None]] = {}
    for request, answer in zip(scans, answers, strict=True):
        by_code.setdefault(request.number.reveal(), []).append(answer.decline)
    for declines in by_code.values():
        assert (declines.count(None), declines.count(Decline.CODE_USED)) == (1, 63)


async def test_p10_guesses_in_any_process_shut_the_terminal_in_all_of_them(
    world: EngineWorld, processes: Sequence[Engine]
) -> None:
    (code,) = await codes_of(world, 1)
    house = world.house
    made_up = [house.vault.payment_code("941012", 7_000_000_000 + n) for n in range(10)]
    for turn, guess in enumerate(made_up):
        answer = await processes[turn % 3].authorize(scan(world, guess))
        assert answer.decline is Decline.UNKNOWN_CODE
    shut = await processes[1].authorize(scan(world, code))
    assert shut.decline is Decline.TOO_MANY_GUESSES
    async with house.database.connection() as conn:
        noticed = await conn.fetchval("select count(*) from events where type = 'codes.guessing_noticed'")
    assert noticed == 1
    house.clock.move_to(house.clock.offset + timedelta(hours=1))
    assert (await processes[2].authorize(scan(world, code))).status is Status.APPROVED


async def test_p08_p10_a_till_that_lost_its_line_asks_and_cancels_with_the_code(world: EngineWorld) -> None:
    code, other = await codes_of(world, 2)
    request = scan(world, code, request_key="lost line")
    paid = await world.engine.authorize(request)
    assert paid.status is Status.APPROVED
    asked = await world.engine.authorize(request)
    assert (asked.id, asked.repeated) == (paid.id, True)
    amount = Money(1_000, KRW)
    with pytest.raises(NotFound):
        await world.engine.reverse("lost line", other, amount, world.shop.id, "TERM0001")
    undone = await world.engine.reverse("lost line", code, amount, world.shop.id, "TERM0001")
    assert undone.status is Status.REVERSED
    assert (await world.engine.authorize(scan(world, code))).decline is Decline.CODE_USED


async def test_a_code_with_its_cards_pin_pays_what_a_code_alone_may_not(world: EngineWorld) -> None:
    code, locked = await codes_of(world, 2)
    assert (await world.engine.authorize(scan(world, code, 60_000))).decline is Decline.PROOF_NEEDED
    assert (await world.engine.authorize(scan(world, code, 60_000, pin=PIN))).status is Status.APPROVED
    wrong = [(await world.engine.authorize(scan(world, locked, pin=Secret("1111")))).decline for _ in "abc"]
    assert wrong == [Decline.WRONG_PIN] * 3
    assert (await world.engine.authorize(scan(world, locked, pin=PIN))).decline is Decline.CODE_USED
