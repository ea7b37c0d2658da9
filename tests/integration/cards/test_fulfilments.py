"""Cards of plastic on their way: WA-4."""

import asyncio

import pytest
from msgspec.structs import replace
from tests.factories.plastic import ADDRESS, STREET, a_plastic_wish
from tests.factories.programmes import a_programme
from tests.factories.stored_value import a_prepaid_card
from tests.factories.wallet import House, a_member_with_credit_line

from obverse.cards import (
    Card,
    CardHandedOver,
    CardState,
    ClaimLinkExists,
    Fulfilment,
    FulfilmentExists,
    FulfilmentMoved,
    FulfilmentNotFound,
    FulfilmentState,
    NotPhysical,
    Place,
    fulfilments_rekey,
)
from obverse.kit import audit
from obverse.kit.errors import InvalidRequest
from obverse.kit.ids import FulfilmentId
from obverse.kit.paging import PageRequest
from obverse.kit.secret import Secret
from obverse.vault.jobs import retire, rotate

BY = {"actor": "key_01h455vb4pex5vsknk084sn02q", "reason": "for the maker"}


async def a_card(house: House, **given) -> Card:
    member, _ = await a_member_with_credit_line(house)
    card, _, _ = await a_prepaid_card(house, member=member, **given)
    return card


async def in_the_making(house: House) -> Fulfilment:
    await house.fulfilments.ask((await a_card(house)).id, a_plastic_wish())
    (taken,) = await house.fulfilments.take(1, actor=BY["actor"])
    return taken


async def test_a_card_is_asked_for_made_posted_and_arrives(house: House) -> None:
    card = await a_card(house)
    asked = await house.fulfilments.ask(card.id, a_plastic_wish())
    assert (asked.state, asked.embossed_name) == (FulfilmentState.ORDERED, "HONG GIL-DONG")
    (taken,) = await house.fulfilments.take(10, actor=BY["actor"])
    assert taken.run is not None
    (line,) = await house.fulfilments.export(taken.run, **BY)
    face = house.cards.reveal(card)
    assert (line.number, line.expiry, line.cvv) == (face.number, face.expiry, face.cvv)
    assert line.address == ADDRESS
    posted = await house.fulfilments.move(asked.id, FulfilmentState.POSTED, tracking="KR-123", **BY)
    assert await house.fulfilments.move(asked.id, FulfilmentState.POSTED, tracking="KR-123", **BY) == posted
    there = await house.fulfilments.move(asked.id, FulfilmentState.DELIVERED, **BY)
    assert (there.state, there.tracking, there.address) == (FulfilmentState.DELIVERED, "KR-123", None)
    assert await house.fulfilments.get(asked.id) == there
    async with house.database.connection() as conn:
        told = (await audit.read_page(conn, PageRequest())).items
    actions = ["delivered", "posted", "exported", "taken"]
    assert [entry.action for entry in told] == [f"fulfilment.{action}" for action in actions]
    assert (await house.fulfilments.ask(card.id, a_plastic_wish())).id != asked.id


async def test_asking_again_changes_nothing_and_asking_for_something_else_is_refused(house: House) -> None:
    card = await a_card(house)
    answers = await asyncio.gather(*(house.fulfilments.ask(card.id, a_plastic_wish()) for _ in range(8)))
    assert len({answer.id for answer in answers}) == 1
    elsewhere = replace(ADDRESS, postal_code=Secret("06236"))
    for changes in (
        {"design": "ink"},
        {"place": Place.OFFICE},
        {"embossed_name": "Kim"},
        {"address": elsewhere},
    ):
        with pytest.raises(FulfilmentExists):
            await house.fulfilments.ask(card.id, a_plastic_wish(**changes))


async def test_two_operators_who_take_at_once_take_different_cards(house: House) -> None:
    for _ in range(6):
        await house.fulfilments.ask((await a_card(house)).id, a_plastic_wish())
    runs = await asyncio.gather(*(house.fulfilments.take(3, actor=BY["actor"]) for _ in range(3)))
    taken = [fulfilment.id for run in runs for fulfilment in run]
    assert len(taken) == len(set(taken)) == 6
    assert await house.fulfilments.take(3, actor=BY["actor"]) == []


async def test_a_card_that_comes_back_is_suspended(house: House) -> None:
    taken = await in_the_making(house)
    await house.fulfilments.move(taken.id, FulfilmentState.POSTED, tracking="1", **BY)
    returned = await house.fulfilments.move(taken.id, FulfilmentState.RETURNED, **BY)
    assert returned.address is not None
    assert (await house.cards.get(taken.card_id)).state is CardState.SUSPENDED
    assert await house.fulfilments.ask(taken.card_id, a_plastic_wish())


@pytest.mark.parametrize("state", [FulfilmentState.DELIVERED, FulfilmentState.RETURNED], ids=str)
async def test_steps_follow_one_another(house: House, state: FulfilmentState) -> None:
    taken = await in_the_making(house)
    with pytest.raises(FulfilmentMoved):
        await house.fulfilments.move(taken.id, state, **BY)
    with pytest.raises(InvalidRequest):
        await house.fulfilments.move(taken.id, FulfilmentState.POSTED, **BY)
    with pytest.raises(InvalidRequest):
        await house.fulfilments.move(taken.id, FulfilmentState.POSTED, tracking="<script>", **BY)
    with pytest.raises(FulfilmentNotFound):
        await house.fulfilments.move(FulfilmentId(house.new_id()), state, **BY)


async def test_a_run_that_was_posted_is_exported_no_more(house: House) -> None:
    taken = await in_the_making(house)
    assert taken.run is not None
    await house.fulfilments.move(taken.id, FulfilmentState.POSTED, tracking="1", **BY)
    for run in (taken.run, taken.run + 1):
        with pytest.raises(FulfilmentNotFound):
            await house.fulfilments.export(run, **BY)


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"design": "diamond"}, "design"),
        ({"embossed_name": "홍길동"}, "embossed_name"),
        ({"address": replace(ADDRESS, recipient=Secret(" "))}, "address.recipient"),
        ({"address": replace(ADDRESS, address=Secret("a\nb"))}, "address.address"),
        ({"address": replace(ADDRESS, postal_code=Secret("4637"))}, "address.postal_code"),
    ],
    ids=["design", "name", "recipient", "address", "postal_code"],
)
async def test_what_cannot_be_made_or_posted_is_refused(
    house: House, changes: dict[str, object], param: str
) -> None:
    card = await a_card(house)
    with pytest.raises(InvalidRequest) as refused:
        await house.fulfilments.ask(card.id, a_plastic_wish(**changes))
    assert refused.value.param == param


async def test_only_physical_programmes_cards_in_hand_are_made(house: House) -> None:
    virtual = await a_card(house, programme=await a_programme(house, physical=False))
    closed = await a_card(house, state=CardState.CLOSED)
    given = await a_card(house)
    _, token = await house.cards.hand_over(given.id)
    for card, refusal in ((virtual, NotPhysical), (closed, NotPhysical), (given, ClaimLinkExists)):
        with pytest.raises(refusal):
            await house.fulfilments.ask(card.id, a_plastic_wish())
    await house.cards.claim(token)
    with pytest.raises(CardHandedOver):
        await house.fulfilments.ask(given.id, a_plastic_wish())


async def test_p11_addresses_are_sealed_and_follow_when_keys_change(house: House) -> None:
    taken = await in_the_making(house)
    step = fulfilments_rekey(house.vault)
    async with house.database.connection() as conn:
        stored = str(await conn.fetch("select f::text from fulfilments as f"))
    assert STREET not in stored
    await rotate(house.database, house.vault, [step], lambda name, done, total: None)
    await retire(house.database, house.vault, [step])
    assert taken.run is not None
    (line,) = await house.fulfilments.export(taken.run, **BY)
    assert line.address == ADDRESS
