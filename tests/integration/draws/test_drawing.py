"""OT-8, the second half, over a real database: what a recipient draws, the bank pays once."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from tests.factories.draws import an_account
from tests.factories.engine import APPROVE
from tests.factories.ledger import P0
from tests.factories.reconciliation import a_reconciliation
from tests.factories.settlement import settlement_rooms
from tests.factories.wallet import build_house
from tests.integration.draws.conftest import LIMIT, Scene, a_scene

from obverse.authorization import Decline, Status
from obverse.authorization.ports import LegAnswer, LegOutcome
from obverse.cards import Card, Controls, Viewer
from obverse.draws import (
    HOUSE_MERCHANT,
    AccountNotRefused,
    DrawNotFound,
    DrawState,
    NotDrawable,
    NothingToDraw,
    Wish,
    draws_rekey,
    repository,
)
from obverse.draws.rules import house_merchant
from obverse.kit.clock import Clock
from obverse.kit.database import Database
from obverse.kit.errors import InvalidRequest, KeyReused, Unavailable
from obverse.kit.ids import AuthorizationId, NewId
from obverse.kit.money import KRW
from obverse.kit.paging import PageRequest
from obverse.ledger import Ledger
from obverse.treasury import TransferState
from obverse.vault import SealBroken
from obverse.vault.jobs import rotate


async def test_ot8_a_recipient_draws_what_the_card_is_good_for(scene: Scene) -> None:
    card = await scene.given()

    drawn = await scene.draw(card)

    assert drawn.draw.state is DrawState.ORDERED
    assert drawn.draw.amount.amount_minor == LIMIT
    assert drawn.transfer is not None
    assert (drawn.transfer.state, drawn.transfer.last_four) == (TransferState.READY, "3444")
    assert await scene.owed(card) == LIMIT
    assert (await scene.balance("merchant_payable"), await scene.balance("in_transit")) == (0, LIMIT)
    assert (await scene.house.cards.get(card.id)).uses_left == 0

    await scene.treasury.send()

    (paid,) = (await scene.draws.list(card, PageRequest())).items
    assert paid.transfer is not None
    assert paid.transfer.state is TransferState.DONE
    assert (await scene.balance("in_transit"), await scene.balance("bank")) == (0, LIMIT)
    assert [order.to.number.reveal() for order in scene.bank.orders] == ["110222333444"]
    assert await scene.news() == ["draw.ordered"]


async def test_a_part_may_be_drawn_and_is_then_all_of_a_single_use_card(scene: Scene) -> None:
    card = await scene.given()

    assert (await scene.draw(card, 5_000)).draw.state is DrawState.ORDERED
    assert (await scene.draw(card)).draw.decline is Decline.CARD_USED


async def test_a_card_of_several_uses_is_drawn_until_nothing_is_left(scene: Scene) -> None:
    card = await scene.given(Controls(amount_limit_minor=LIMIT, uses=5))

    amounts = [(await scene.draw(card, amount)).draw.amount.amount_minor for amount in (5_000, None)]

    assert amounts == [5_000, 15_000]
    with pytest.raises(NothingToDraw):
        await scene.draw(card)


async def test_a_linked_card_pays_for_a_draw_as_for_any_purchase(scene: Scene) -> None:
    card = await scene.given(off_us=True)

    drawn = await scene.draw(card)

    assert drawn.draw.state is DrawState.ORDERED
    (asked,) = scene.world.card_company.asked
    assert (asked.amount.amount_minor, asked.merchant_category) == (LIMIT, "6010")
    assert await scene.balance("card_company_receivable") == -LIMIT
    assert await scene.balance("in_transit") == LIMIT


# declines and refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("controls", "amount", "decline"),
    [
        pytest.param(
            Controls(amount_limit_minor=LIMIT), LIMIT + 1, Decline.AMOUNT_LIMIT, id="more than left"
        ),
        pytest.param(
            Controls(amount_limit_minor=LIMIT, per_payment_limit_minor=9_000),
            9_001,
            Decline.PER_PAYMENT_LIMIT,
            id="more than one payment may be",
        ),
        pytest.param(
            Controls(amount_limit_minor=LIMIT, categories=("5942",)),
            None,
            Decline.WRONG_CATEGORY,
            id="for books only",
        ),
    ],
)
async def test_what_the_card_does_not_allow_is_declined(
    scene: Scene, controls: Controls, amount: int | None, decline: Decline
) -> None:
    card = await scene.given(controls)

    drawn = await scene.draw(card, amount)

    assert (drawn.draw.state, drawn.draw.decline, drawn.transfer) == (DrawState.DECLINED, decline, None)
    assert await scene.owed(card) == 0
    assert await scene.balance("in_transit") == 0


async def test_a_card_for_one_shop_cannot_be_drawn(scene: Scene) -> None:
    shop = scene.world.shop
    card = await scene.given(Controls(amount_limit_minor=LIMIT, merchant_id=shop.id))

    assert (await scene.draw(card)).draw.decline is Decline.WRONG_MERCHANT


async def test_a_card_that_was_spent_at_a_shop_is_not_drawn_as_well(scene: Scene) -> None:
    card = await scene.given()
    face = scene.house.cards.reveal(card, Viewer.RECIPIENT)
    assert (await scene.world.engine.authorize(scene.world.request(face, 5_000))).approval_code

    assert (await scene.draw(card, 5_000)).draw.decline is Decline.CARD_USED


async def test_a_card_that_has_expired_is_not_drawn(scene: Scene) -> None:
    card = await scene.given()
    clock = scene.house.clock
    clock.move_to(clock.offset + timedelta(hours=24))

    assert (await scene.draw(card)).draw.decline is Decline.CARD_EXPIRED


async def test_a_giver_without_money_has_given_nothing(scene: Scene) -> None:
    card = await scene.given(credit=LIMIT - 1)

    assert (await scene.draw(card)).draw.decline is Decline.INSUFFICIENT_FUNDS


async def test_members_do_not_draw_their_own_line_in_cash(scene: Scene) -> None:
    card, _ = await scene.world.card(Controls(amount_limit_minor=LIMIT))

    with pytest.raises(NotDrawable):
        await scene.draw(card)


@pytest.mark.parametrize(
    ("account", "param"),
    [
        (an_account(number="12345"), "account.number"),
        (an_account(number="110-222-333"), "account.number"),
        (an_account(holder=""), "account.holder"),
    ],
)
async def test_an_account_that_no_bank_has_is_refused_before_anything_moves(
    scene: Scene, account, param: str
) -> None:
    card = await scene.given()
    with pytest.raises(InvalidRequest) as refused:
        await scene.draws.draw(card, Wish(account), key="key")

    assert refused.value.param == param
    assert (await scene.draws.list(card, PageRequest())).items == []


# repeats and twins -----------------------------------------------------------------------------------------


async def test_p06_the_same_draw_again_is_the_same_draw(scene: Scene) -> None:
    card = await scene.given()
    first = await scene.draw(card, key="key")
    again = await scene.draw(card, key="key")

    assert (first.repeated, again.repeated) == (False, True)
    assert first.draw == again.draw
    with pytest.raises(KeyReused):
        await scene.draw(card, 5_000, key="key")
    scene.account = an_account("999888777666")
    with pytest.raises(KeyReused):
        await scene.draw(card, key="key")


async def test_p06_twins_with_one_key_draw_once(scene: Scene) -> None:
    card = await scene.given(Controls(amount_limit_minor=LIMIT, uses=5))

    answers = await asyncio.gather(*[scene.draw(card, 1_000, "key") for _ in range(16)])

    assert len({answer.draw.id for answer in answers}) == 1
    assert sum(not answer.repeated for answer in answers) == 1
    assert await scene.owed(card) == 1_000
    assert await scene.balance("in_transit") == 1_000
    assert await scene.news() == ["draw.ordered"]


async def test_p01_of_64_draws_at_once_one_gets_the_money(scene: Scene) -> None:
    card = await scene.given()

    answers = await asyncio.gather(*[scene.draw(card, 1_000) for _ in range(64)])

    states = [answer.draw.state for answer in answers]
    assert (states.count(DrawState.ORDERED), states.count(DrawState.DECLINED)) == (1, 63)
    assert await scene.balance("in_transit") == 1_000


async def test_p01_a_draw_and_a_purchase_at_once_are_one_of_the_two(scene: Scene) -> None:
    card = await scene.given()
    face = scene.house.cards.reveal(card, Viewer.RECIPIENT)
    pay = scene.world.engine.authorize

    answers = await asyncio.gather(
        *[scene.draw(card, 1_000) for _ in range(16)],
        *[pay(scene.world.request(face, 1_000, capture=True)) for _ in range(16)],
    )

    approved = [a for a in answers[16:] if a.status is Status.APPROVED]  # type: ignore[union-attr]
    drawn = [a for a in answers[:16] if a.draw.state is DrawState.ORDERED]  # type: ignore[union-attr]
    assert len(approved) + len(drawn) == 1
    assert await scene.owed(card) == 1_000


# the account -----------------------------------------------------------------------------------------------


async def test_money_for_an_account_that_the_bank_refuses_waits_for_another_one(scene: Scene) -> None:
    card = await scene.given()
    scene.bank.refuses = {"110222333444"}
    draw_id = (await scene.draw(card)).draw.id
    await scene.treasury.send()
    (refused,) = (await scene.draws.list(card, PageRequest())).items
    assert refused.transfer is not None
    assert refused.transfer.state is TransferState.REFUSED
    assert await scene.balance("in_transit") == LIMIT

    good = an_account("999888777666")
    for _ in range(2):
        corrected = await scene.draws.correct(card, draw_id, good)
        assert corrected.transfer is not None
        assert (corrected.transfer.state, corrected.transfer.last_four) == (TransferState.READY, "7666")
    await scene.treasury.send()

    assert await scene.balance("bank") == LIMIT
    assert [order.to.number.reveal() for order in scene.bank.orders] == ["110222333444", "999888777666"]
    assert (await scene.draws.correct(card, draw_id, good)).draw.id == draw_id
    with pytest.raises(AccountNotRefused):
        await scene.draws.correct(card, draw_id, an_account("111111111111"))


async def test_only_the_cards_own_holder_corrects_its_draws(scene: Scene) -> None:
    card, other = await scene.given(), await scene.given()
    draw_id = (await scene.draw(card)).draw.id

    with pytest.raises(DrawNotFound):
        await scene.draws.correct(other, draw_id, an_account())
    assert (await scene.draws.list(other, PageRequest())).items == []


# kills, outages, silence -----------------------------------------------------------------------------------


class Killed(Exception):
    """Stands for the end of the process."""


def kill(*_: object, **__: object) -> None:
    raise Killed


@pytest.mark.parametrize("where", ["before the payment", "before the order", "before the note of it"])
async def test_a_draw_that_a_kill_cut_short_is_completed_once(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    card = await scene.given()
    with monkeypatch.context() as patched:
        if where == "before the payment":
            patched.setattr(type(scene.world.engine), "authorize", kill)
        elif where == "before the order":
            patched.setattr(type(scene.treasury), "order", kill)
        else:
            patched.setattr(repository, "conclude", kill)
        with pytest.raises(Killed):
            await scene.draw(card, key="key")
    assert await scene.balance("in_transit") == 0

    assert await scene.draws.finish() == 1
    assert await scene.draws.finish() == 0

    again = await scene.draw(card, key="key")
    assert (again.repeated, again.draw.state) == (True, DrawState.ORDERED)
    assert (await scene.owed(card), await scene.balance("in_transit")) == (LIMIT, LIMIT)
    assert await scene.news() == ["draw.ordered"]


async def test_a_draw_waits_for_a_silent_card_company_and_ends_with_its_payment(scene: Scene) -> None:
    card = await scene.given(off_us=True)
    company = scene.world.card_company
    company.gate = asyncio.Event()
    asking = asyncio.create_task(scene.draw(card, key="key"))
    await company.was_asked()
    (waiting,) = (await scene.draws.list(card, PageRequest())).items
    assert (waiting.draw.state, waiting.transfer) == (DrawState.ASKED, None)

    company.answer = LegAnswer(LegOutcome.NO_ANSWER)
    company.gate.set()

    assert (await asking).draw.decline is Decline.CARD_COMPANY_LATE
    company.answer = APPROVE
    assert await scene.balance("in_transit") == 0


async def test_p05_a_draw_that_was_not_answered_can_be_asked_for_again(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = await scene.given()

    async def gone(*_: object) -> None:
        raise Unavailable

    with monkeypatch.context() as patched:
        patched.setattr(type(scene.world.engine), "authorize", gone)
        with pytest.raises(Unavailable):
            await scene.draw(card, key="key")

    assert (await scene.draw(card, key="key")).draw.state is DrawState.ORDERED


async def test_what_an_operator_undid_before_the_order_is_not_paid_out(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = await scene.given()
    with monkeypatch.context() as patched:
        patched.setattr(type(scene.treasury), "order", kill)
        with pytest.raises(Killed):
            await scene.draw(card)
    (payment,) = (await scene.world.engine.list(PageRequest(), card_id=card.id)).items
    await scene.world.engine.cancel(AuthorizationId(payment.id))

    await scene.draws.finish()

    (drawn,) = (await scene.draws.list(card, PageRequest())).items
    assert (drawn.draw.state, drawn.draw.decline) == (DrawState.DECLINED, Decline.REVERSED)
    assert await scene.balance("in_transit") == 0


async def test_a_draw_that_cannot_be_ordered_does_not_hold_up_the_others(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = await scene.given(), await scene.given()
    with monkeypatch.context() as patched:
        patched.setattr(type(scene.treasury), "order", kill)
        for card in (bad, good):
            with pytest.raises(Killed):
                await scene.draw(card)
    async with scene.house.database.transaction() as conn:
        await conn.execute("update draws set account_sealed = 'broken' where card_id = $1", bad.id)

    with pytest.raises(SealBroken):
        await scene.draws.finish()

    states = [(await scene.draws.list(card, PageRequest())).items[0].draw.state for card in (bad, good)]
    assert states == [DrawState.ASKED, DrawState.ORDERED]
    assert await scene.balance("in_transit") == LIMIT


# the house -------------------------------------------------------------------------------------------------


async def test_the_house_is_opened_once_and_no_door_takes_payments_for_it(scene: Scene) -> None:
    await asyncio.gather(*[scene.draws.start([P0], KRW) for _ in range(4)])
    house = await scene.house.merchants.get(HOUSE_MERCHANT)
    card: Card = await scene.given()
    face = scene.house.cards.reveal(card, Viewer.RECIPIENT)
    scene.world.shop = house

    declined = await scene.world.engine.authorize(scene.world.request(face, 1_000))

    assert declined.decline is Decline.UNKNOWN_MERCHANT


async def test_the_account_is_sealed_while_it_is_needed_and_forgotten_then(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = await scene.given()
    with monkeypatch.context() as patched:
        patched.setattr(type(scene.treasury), "order", kill)
        with pytest.raises(Killed):
            await scene.draw(card)
    rekey = draws_rekey(scene.house.vault)
    before = await sealed(scene)
    await rotate(scene.house.database, scene.house.vault, [rekey], lambda *_: None)
    after = await sealed(scene)
    await scene.draws.finish()

    assert before is not None
    assert b"110222333444" not in before
    assert after not in (None, before)
    assert await sealed(scene) is None
    await scene.treasury.send()
    assert [order.to.number.reveal() for order in scene.bank.orders] == ["110222333444"]


async def sealed(scene: Scene) -> bytes | None:
    async with scene.house.database.connection() as conn:
        found: bytes | None = await conn.fetchval("select account_sealed from draws")
    return found


async def test_givers_learn_which_cards_were_drawn(scene: Scene) -> None:
    drawn, declined, untouched = [await scene.given() for _ in range(3)]
    await scene.draw(drawn)
    await scene.draw(declined, LIMIT + 1)

    assert await scene.draws.drawn([drawn.id, declined.id, untouched.id]) == {drawn.id}
    assert await Ledger(scene.house.database).check() == []


async def test_cards_of_every_partition_are_drawn_from_the_house_in_that_partition(
    database: Database, tmp_path: Path, clock: Clock, new_id: NewId, random_bytes: Callable[[int], bytes]
) -> None:
    house = build_house(database, tmp_path / "keys.json", clock, new_id, random_bytes, partitions=2)
    scene = await a_scene(house, partitions=2)
    cards = [await scene.given() for _ in range(6)]
    assert {card.partition_id for card in cards} == {0, 1}
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(type(scene.treasury), "order", kill)
        for card in cards:
            with pytest.raises(Killed):
                await scene.draw(card)

    assert await scene.draws.finish() == 6

    assert await scene.balance("in_transit") == 6 * LIMIT
    async with database.connection() as conn:
        rows = await conn.fetch(
            "select partition_id,"
            " sum(case when credit_account_id = $1 then amount_minor else -amount_minor end)"
            " as minor from transfers where $1 in (debit_account_id, credit_account_id) group by 1",
            house_merchant(clock.now()).account_id,
        )
    assert {row["partition_id"]: row["minor"] for row in rows} == {0: 0, 1: 0}
    await scene.world.engine.stop()
    assert await Ledger(database).check() == []


async def test_a_settlement_passes_draws_by_and_reconciliation_finds_nothing_amiss(scene: Scene) -> None:
    card = await scene.given()
    await scene.draw(card)
    await scene.treasury.send()
    settlements, _ = settlement_rooms(scene.house, scene.treasury)
    house, books = scene.house, a_reconciliation(scene.house)
    before = await books.run()
    house.clock.move_to(house.clock.offset + timedelta(days=1))

    await settlements.settle(settlements.last_day_over)

    async with house.database.connection() as conn:
        assert await conn.fetchval("select count(*) from settlement_lines") == 0
        assert await conn.fetchval("select count(*) from actions where settlement_id is null") == 0
    assert await scene.balance("merchant_payable") == 0
    after = await books.run()
    assert (before.found, after.found) == (0, 0)
