"""Cards that agents sell: made, listed once, counted and reconciled (PP-4)."""

import asyncio
import time

import pytest
from msgspec.structs import replace
from tests.factories.merchants import a_merchant
from tests.factories.programmes import a_programme
from tests.factories.wallet import House, a_member_with_credit_line

from obverse.cards import CardState
from obverse.cards import repository as cards
from obverse.kit import audit
from obverse.kit.errors import InvalidRequest, KeyReused, ObverseError
from obverse.kit.ids import CardBatchId, MerchantId, ProgrammeId, to_text
from obverse.kit.money import Money
from obverse.kit.paging import PageRequest
from obverse.merchants import MerchantNotFound, Terms
from obverse.programmes import ProgrammeClosed, ProgrammeNotFound, ProgrammeState
from obverse.vault.jobs import retire, rotate
from obverse.wallet import (
    BatchClosed,
    BatchCount,
    BatchExported,
    BatchNotFound,
    BatchState,
    BatchWish,
    CardBatch,
    Funding,
    LotKind,
    MadeCard,
    NoAgent,
    batch_seeds_rekey,
)

BY = {"actor": "key_01h455vb4pex5vsknk084sn02q", "reason": "for the shop at the corner"}


async def a_wish(house: House, count: int = 3) -> BatchWish:
    agent = await a_merchant(house.merchants, terms=Terms(is_agent=True))
    return BatchWish((await a_programme(house)).id, agent.id, count, 10_000)


async def a_batch(house: House, count: int = 3) -> CardBatch:
    batch, repeated = await house.batches.make(await a_wish(house, count), **BY)
    assert not repeated
    return batch


async def exported(house: House, batch: CardBatch) -> list[MadeCard]:
    return [card async for part in await house.batches.export(batch.id, **BY) for card in part]


async def sell(house: House, batch: CardBatch, made: MadeCard, amount_minor: int | None = None) -> None:
    """What the engine does at the till: the agent's money goes into the card, which becomes good."""
    agent = await house.merchants.get(batch.merchant_id)
    card = await house.cards.get(made.card_id)
    money = Money(amount_minor or batch.face_value_minor, batch.currency)
    paid = Funding(card.funding[0], LotKind.BOUGHT, money, agent.account_id, card.expires_at, card.id)
    async with house.database.transaction() as conn:
        await house.balances.fund(conn, batch.partition_id, [paid])
        await cards.set_state(conn, card.partition_id, [card.id], CardState.ACTIVE)


async def test_cards_of_a_batch_are_worth_nothing_and_have_the_pins_on_the_list(house: House) -> None:
    batch = await a_batch(house, 750)
    made = await exported(house, batch)
    assert len({line.number.reveal() for line in made}) == 750
    for line in (made[0], made[501], made[-1]):
        card = await house.cards.get(line.card_id)
        assert (card.state, card.member_id, card.batch_id) == (CardState.INACTIVE, None, batch.id)
        assert (card.face_value_minor, list(await house.stand_ins.balance(card))) == (10_000, [])
        assert card.number_hash == house.vault.number_hashes(line.number)[0].digest
        assert card.pin_hash == house.vault.pin_hash(line.number, line.pin)
        assert house.vault.cvv_matches(line.number, line.expiry, line.cvv)


async def test_the_list_is_made_once_and_that_is_on_record(house: House) -> None:
    batch = await a_batch(house)
    answers = await asyncio.gather(*(exported(house, batch) for _ in range(5)), return_exceptions=True)
    assert sum(isinstance(answer, BatchExported) for answer in answers) == 4
    async with house.database.connection() as conn:
        told = (await audit.read_page(conn, PageRequest(), to_text("cbat", batch.id))).items
        left = await conn.fetchval("select seed_sealed from card_batches")
    assert [entry.action for entry in told] == ["card_batch.exported", "card_batch.made"]
    assert left is None


async def test_what_is_sold_is_counted_by_cards_and_by_ledger(house: House) -> None:
    batch = await a_batch(house, 5)
    made = await exported(house, batch)
    _, before = await house.batches.get(batch.id)
    assert before == BatchCount(5, 5, 0, 0, 0, 0)
    for line in made[:2]:
        await sell(house, batch, line)
    _, after = await house.batches.get(batch.id)
    assert after == BatchCount(
        made=5, unsold=3, activated=2, voided=0, activated_minor=20_000, ledger_minor=20_000
    )
    await house.batches.close(batch.id, **BY)
    closed = await house.batches.close(batch.id, **BY)
    _, count = await house.batches.get(batch.id)
    assert closed.state is BatchState.CLOSED
    assert (count.unsold, count.activated, count.voided, count.ledger_minor) == (0, 2, 3, 20_000)
    states = [(await house.cards.get(line.card_id)).state for line in made]
    assert states == [CardState.ACTIVE] * 2 + [CardState.CLOSED] * 3


async def test_a_sold_card_that_is_given_away_is_still_one_that_was_sold(house: House) -> None:
    batch = await a_batch(house, 1)
    (line,) = await exported(house, batch)
    await sell(house, batch, line)
    _, token = await house.cards.take_in_hand(line.card_id)
    member, _ = await a_member_with_credit_line(house)
    await house.cards.adopt(token, member.id)
    _, link = await house.cards.hand_over(line.card_id)
    await house.cards.claim(link)
    _, count = await house.batches.get(batch.id)
    assert (count.activated, count.activated_minor, count.ledger_minor) == (1, 10_000, 10_000)


async def test_a_sale_that_was_taken_back_is_none_also_once_the_batch_is_closed(house: House) -> None:
    batch = await a_batch(house, 2)
    back, spent = await exported(house, batch)
    agent = await house.merchants.get(batch.merchant_id)
    for line, state in ((back, CardState.INACTIVE), (spent, CardState.CLOSED)):
        await sell(house, batch, line)
        (source,) = (await house.cards.get(line.card_id)).funding
        async with house.database.transaction() as conn:
            await house.balances.drain(conn, batch.partition_id, source, agent.account_id, line.card_id)
            await cards.set_state(conn, batch.partition_id, [line.card_id], state)
    await house.batches.close(batch.id, **BY)
    _, count = await house.batches.get(batch.id)
    assert count == BatchCount(
        made=2, unsold=0, activated=1, voided=1, activated_minor=10_000, ledger_minor=10_000
    )


async def test_money_in_an_unsold_card_and_a_sold_card_without_money_are_seen(house: House) -> None:
    batch = await a_batch(house)
    paid, free, _ = await exported(house, batch)
    await sell(house, batch, paid)
    async with house.database.transaction() as conn:
        await cards.set_state(conn, batch.partition_id, [paid.card_id], CardState.INACTIVE)
    _, count = await house.batches.get(batch.id)
    assert (count.activated_minor, count.ledger_minor) == (0, 10_000)
    async with house.database.transaction() as conn:
        await cards.set_state(conn, batch.partition_id, [paid.card_id, free.card_id], CardState.ACTIVE)
    _, count = await house.batches.get(batch.id)
    assert (count.activated_minor, count.ledger_minor) == (20_000, 10_000)


async def test_p06_a_batch_asked_for_eight_times_with_one_key_is_made_once(house: House) -> None:
    wish = await a_wish(house)
    answers = await asyncio.gather(*(house.batches.make(wish, request_key="k", **BY) for _ in range(8)))
    assert len({batch.id for batch, _ in answers}) == 1
    assert sorted(repeated for _, repeated in answers) == [False] + [True] * 7
    with pytest.raises(KeyReused):
        await house.batches.make(replace(wish, count=4), request_key="k", **BY)
    async with house.database.connection() as conn:
        assert await conn.fetchval("select count(*) from cards") == 3
        assert await conn.fetchval("select count(*) from funding_sources where kind = 'stored_balance'") == 3


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"count": 0}, InvalidRequest),
        ({"count": 100_001}, InvalidRequest),
        ({"count": -1}, InvalidRequest),
        ({"denomination_minor": 7_000}, InvalidRequest),
        ({"programme_id": "closed"}, ProgrammeClosed),
        ({"programme_id": "unknown"}, ProgrammeNotFound),
        ({"merchant_id": "shop"}, NoAgent),
        ({"merchant_id": "unknown"}, MerchantNotFound),
    ],
    ids=str,
)
async def test_what_cannot_be_made_is_refused_and_leaves_nothing(
    house: House, changes: dict[str, object], refusal: type[ObverseError]
) -> None:
    meant = {
        "closed": (await a_programme(house, state=ProgrammeState.CLOSED)).id,
        "shop": (await a_merchant(house.merchants)).id,
    }
    unknown = {"programme_id": ProgrammeId(house.new_id()), "merchant_id": MerchantId(house.new_id())}
    filled = {name: meant.get(value, unknown.get(name, value)) for name, value in changes.items()}
    wish = replace(await a_wish(house), **filled)
    with pytest.raises(refusal):
        await house.batches.make(wish, **BY)
    assert (await house.batches.list(PageRequest())).items == []


async def test_a_closed_batch_is_listed_no_more(house: House) -> None:
    batch = await a_batch(house)
    await house.batches.close(batch.id, **BY)
    with pytest.raises(BatchClosed):
        await house.batches.export(batch.id, **BY)
    with pytest.raises(BatchNotFound):
        await house.batches.get(CardBatchId(house.new_id()))


async def test_seeds_follow_when_keys_change(house: House) -> None:
    batch = await a_batch(house)
    step = batch_seeds_rekey(house.vault)
    await rotate(house.database, house.vault, [step], lambda name, done, total: None)
    await retire(house.database, house.vault, [step])
    (line, *_) = await exported(house, batch)
    card = await house.cards.get(line.card_id)
    assert card.pin_hash == house.vault.pin_hash(line.number, line.pin)


async def test_ten_thousand_cards_are_made_within_ten_seconds(house: House) -> None:
    wish = await a_wish(house, 10_000)
    began = time.perf_counter()
    batch, _ = await house.batches.make(wish, **BY)
    took = time.perf_counter() - began
    _, count = await house.batches.get(batch.id)
    assert count.made == count.unsold == 10_000
    assert took < 10, f"{took:.1f} s"
