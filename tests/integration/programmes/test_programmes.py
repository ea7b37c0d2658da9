"""Setting programmes up, changing and closing them: PP-15."""

from uuid import UUID

import pytest
from msgspec.structs import replace
from tests.factories.merchants import a_merchant
from tests.factories.programmes import some_terms
from tests.factories.stored_value import a_prepaid_card
from tests.factories.wallet import House

from obverse.kit import audit, events
from obverse.kit.errors import InvalidRequest
from obverse.kit.ids import MerchantId, to_text
from obverse.kit.paging import PageRequest
from obverse.programmes import ProgrammeClosed, ProgrammeNotFound, ProgrammeState, rules

BY = {"actor": "key_01h455vb4pex5vsknk084sn02q", "reason": "as agreed"}
TERMS = rules.terms_of(some_terms())


async def test_what_was_decided_about_a_programme_is_on_record(house: House) -> None:
    made = await house.programmes.create(TERMS, **BY)
    changed = await house.programmes.change(made.id, lambda terms: replace(terms, giftable=False), **BY)
    again = await house.programmes.change(made.id, lambda terms: replace(terms, giftable=False), **BY)
    closed = await house.programmes.close(made.id, **BY)
    assert await house.programmes.close(made.id, **BY) == closed == await house.programmes.get(made.id)
    assert changed == again == replace(made, giftable=False)
    assert closed.state is ProgrammeState.CLOSED
    with pytest.raises(ProgrammeClosed):
        await house.programmes.change(made.id, lambda terms: terms, **BY)
    async with house.database.connection() as conn:
        told = (await audit.read_page(conn, PageRequest(), to_text("prog", made.id))).items
        news = (await events.read_page(conn, PageRequest())).items
    decided = ["programme.closed", "programme.changed", "programme.created"]
    assert [entry.action for entry in told] == decided == [event.type for event in news]
    assert told[1].data == {"giftable": "True -> False"}
    assert {entry.reason for entry in told} == {"as agreed"}


async def test_closed_programmes_are_listed_but_not_on_sale(house: House) -> None:
    first, second = [await house.programmes.create(TERMS, **BY) for _ in range(2)]
    await house.programmes.close(second.id, **BY)
    listed = await house.programmes.list(PageRequest())
    assert [programme.id for programme in listed.items] == [second.id, first.id]
    assert list(await house.programmes.on_sale()) == [first]


async def test_only_merchants_that_exist_can_be_named(house: House) -> None:
    shop = await a_merchant(house.merchants)
    made = await house.programmes.create(replace(TERMS, merchants=(shop.id,)), **BY)
    assert made.merchants == (shop.id,)
    nobody = MerchantId(UUID(int=9))
    with pytest.raises(InvalidRequest) as refused:
        await house.programmes.change(made.id, lambda t: replace(t, merchants=(shop.id, nobody)), **BY)
    assert refused.value.param == "merchants"
    assert await house.programmes.get(made.id) == made


async def test_a_decision_without_a_reason_is_none(house: House) -> None:
    with pytest.raises(InvalidRequest) as refused:
        await house.programmes.create(TERMS, actor=BY["actor"], reason=" ")
    assert refused.value.param == "reason"
    assert (await house.programmes.list(PageRequest())).items == []


async def test_cards_that_are_out_keep_the_terms_they_were_issued_under(house: House) -> None:
    programme = await house.programmes.create(replace(TERMS, categories=("5732",)), **BY)
    card, _, _ = await a_prepaid_card(house, programme=programme)
    await house.programmes.change(programme.id, lambda t: replace(t, categories=("5411",)), **BY)
    assert (await house.cards.get(card.id)).controls.categories == ("5732",)


async def test_there_is_nothing_under_a_made_up_id(house: House) -> None:
    with pytest.raises(ProgrammeNotFound):
        await house.programmes.get(some_terms().id)
