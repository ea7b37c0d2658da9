"""Histories: every entry that there is, with a balance that is the ledger's."""

import random
from datetime import timedelta

import pytest
from msgspec.structs import replace
from tests.factories.cards import a_one_time_card
from tests.factories.engine import EngineWorld
from tests.factories.ledger import P0
from tests.factories.merchants import a_merchant
from tests.factories.stored_value import a_prepaid_card, available, fund
from tests.factories.wallet import a_member_with_credit_line, a_wallet_member

from obverse.authorization.model import Purpose
from obverse.cards import Card, CardFace, Viewer
from obverse.history import Entry, EntryKind, Filter, History
from obverse.kit.errors import ObverseError
from obverse.kit.ids import AuthorizationId
from obverse.kit.money import KRW, Money
from obverse.kit.paging import PageRequest
from obverse.ledger import AccountKind, Ledger
from obverse.ledger import repository as ledger
from obverse.ledger.rules import house_account
from obverse.merchants import Terms
from obverse.wallet import Funding, LotKind, SourceKind


async def entries(world: EngineWorld, card: Card, viewer: Viewer = Viewer.RECIPIENT, **wanted) -> list[Entry]:
    page = await History(world.house.database).of_card(card, viewer, Filter(**wanted), PageRequest(100))
    return list(page.items)


async def adds_up(world: EngineWorld, card: Card, found: list[Entry]) -> None:
    """The newest balance is the ledger's, each follows from the one before, and the first from nothing."""
    balance = await available(world.house, card)
    for entry in found:
        assert entry.balance_minor == balance
        balance -= entry.amount.amount_minor
    assert balance == 0


async def test_a_cards_life_is_told_with_the_ledgers_balance(world: EngineWorld) -> None:
    card, face, _ = await a_prepaid_card(world.house, balance_minor=50_000)
    await fund(world.house, card, 20_000, kind=LotKind.CHARGED)
    paid = await world.engine.authorize(world.request(face, 60_000, capture=True))
    assert paid.decline is None
    await world.engine.refund(paid.id, 15_000)
    held = await world.engine.authorize(world.request(face, 5_000))
    await world.engine.capture(held.id, 2_000)
    await world.engine.release(held.id, 1_000)
    gone = await world.engine.authorize(world.request(face, 3_000))
    await world.engine.cancel(gone.id)
    found = await entries(world, card)
    assert [(e.kind.value, e.amount.amount_minor, e.is_pending) for e in found] == [
        ("release", 3_000, False),
        ("payment", -3_000, False),
        ("release", 1_000, False),
        ("payment", -5_000, True),
        ("refund", 15_000, False),
        ("payment", -60_000, False),
        ("charge", 20_000, False),
        ("bought", 50_000, False),
    ]
    await adds_up(world, card, found)
    assert found[1].merchant_name == world.shop.name


@pytest.mark.parametrize("seed", range(3))
async def test_p04_whatever_happens_the_running_balance_is_the_ledgers(world: EngineWorld, seed: int) -> None:
    """Payments, holds, captures, refunds, disputes, late claims, money in and money out, in any order."""
    rng, house = random.Random(seed), world.house
    card, face, _ = await a_prepaid_card(house, balance_minor=30_000)
    payments: list[AuthorizationId] = []
    await _pay(world, card, face, payments, rng)
    for _ in range(60):
        step = rng.choice(_STEPS)
        try:
            await step(world, card, face, payments, rng)
        except ObverseError:
            continue  # refused: it must leave no trace
    found = await entries(world, card)
    assert len({entry.id for entry in found}) == len(found) > 20
    await adds_up(world, card, found)


async def _pay(world: EngineWorld, card: Card, face: CardFace, payments: list, rng: random.Random) -> None:
    request = world.request(face, rng.randrange(1, 20) * 100, capture=rng.random() < 0.3)
    payments.append((await world.engine.authorize(request)).id)


async def _fund(world: EngineWorld, card: Card, face: CardFace, payments: list, rng: random.Random) -> None:
    kind = rng.choice([LotKind.BOUGHT, LotKind.CHARGED, LotKind.GIVEN])
    ends = card.expires_at - timedelta(days=31 * rng.randrange(3))
    await fund(world.house, card, rng.randrange(1, 30) * 100, kind=kind, expires_at=ends)


async def _drain(world: EngineWorld, card: Card, face: CardFace, payments: list, rng: random.Random) -> None:
    house = world.house
    pocket = house_account(AccountKind.GIVEN_VALUE, card.partition_id, card.currency)
    async with house.database.transaction() as conn:
        await house.balances.drain(
            conn, card.partition_id, card.funding[0], pocket.id, card.id, amount_minor=700
        )


async def _step(world: EngineWorld, card: Card, face: CardFace, payments: list, rng: random.Random) -> None:
    engine, id_, amount = world.engine, rng.choice(payments), rng.randrange(1, 10) * 100
    match rng.randrange(7):
        case 0:
            await engine.capture(id_, amount, final=rng.random() < 0.3)
        case 1:
            await engine.release(id_, amount)
        case 2:
            await engine.refund(id_, amount)
        case 3:
            await engine.cancel(id_)
        case 4:
            world.house.clock.move_to(world.house.clock.offset + timedelta(days=4))
            await engine.expire()
        case 5:
            await engine.capture(id_, amount, late=True)
        case 6:
            disputed = (await engine.open_dispute(id_, amount, key=f"dispute:{rng.random()}")).disputed_minor
            if rng.random() < 0.8:
                pays = rng.random() < 0.5
                await engine.close_dispute(id_, disputed, key=f"end:{rng.random()}", merchant_pays=pays)


_STEPS = (_pay, _pay, _fund, _drain, _step, _step, _step, _step)


async def test_what_expires_is_told_and_pages_go_on_where_they_stopped(world: EngineWorld) -> None:
    house = world.house
    await Ledger(house.database).open_house([P0], KRW)
    soon = house.clock.now() + timedelta(days=2)
    card, face, _ = await a_prepaid_card(house, balance_minor=0)
    await fund(house, card, 5_000, kind=LotKind.GIVEN, expires_at=soon)
    await fund(house, card, 9_000)
    await world.engine.authorize(world.request(face, 1_000, capture=True))
    house.clock.move_to(house.clock.offset + timedelta(days=3))
    await house.balances.expire()
    history, pages, after = History(house.database), [], None
    while True:
        page = await history.of_card(card, Viewer.RECIPIENT, Filter(), PageRequest(2, after))
        pages.append([(entry.kind.value, entry.amount.amount_minor) for entry in page.items])
        after = page.next_after
        if after is None:
            break
    assert pages == [[("expiry", -4_000), ("payment", -1_000)], [("charge", 9_000), ("gift", 5_000)]]
    await adds_up(world, card, await entries(world, card))
    only = await entries(world, card, kinds=frozenset({EntryKind.GIFT}), until=soon)
    assert [(entry.kind, entry.balance_minor) for entry in only] == [(EntryKind.GIFT, 5_000)]
    assert await entries(world, card, since=soon, until=soon + timedelta(seconds=1)) == []


async def test_after_a_hand_over_neither_side_learns_of_the_other(world: EngineWorld) -> None:
    house, history = world.house, History(world.house.database)
    member, line = await a_member_with_credit_line(house)
    card, _ = await a_one_time_card(house, member.id)
    own, own_face = await a_one_time_card(house, member.id)
    _, token = await house.cards.hand_over(card.id)
    given, _ = await house.cards.claim(token)
    await world.engine.authorize(world.request(own_face, 1_000))
    face = house.cards.reveal(given, Viewer.RECIPIENT)
    await world.engine.authorize(world.request(face, 2_000, capture=True))
    seen = (await history.of_member(member.id, Viewer.MEMBER, Filter(), PageRequest(10))).items
    assert [(e.card_id, e.merchant_name, e.source_id) for e in seen] == [
        (card.id, None, line.id),
        (own.id, world.shop.name, line.id),
    ]
    (theirs,) = (await history.of_card(given, Viewer.RECIPIENT, Filter(), PageRequest(10))).items
    assert (theirs.merchant_name, theirs.source_id, theirs.source_kind) == (world.shop.name, None, None)
    assert theirs.amount.amount_minor == -2_000
    operators = (await history.of_card(given, Viewer.OPERATOR, Filter(), PageRequest(10))).items
    assert [(e.merchant_name, e.source_id) for e in operators] == [(world.shop.name, line.id)]


async def test_a_member_sees_points_beside_the_balance_each_with_its_own_running_balance(
    world: EngineWorld,
) -> None:
    house = world.house
    member = await a_wallet_member(house)
    card, face, _ = await a_prepaid_card(house, member=member, balance_minor=10_000)
    async with house.database.transaction() as conn:
        (points,) = await house.balances.open(
            conn, card.partition_id, card.currency, 1, member_id=member.id, kind=SourceKind.POINTS
        )
        pocket = house_account(AccountKind.POINTS_EXPENSE, card.partition_id, card.currency)
        await ledger.open_accounts(conn, [pocket])
        earned = Money(300, card.currency)
        await house.balances.fund(
            conn,
            card.partition_id,
            [Funding(points.id, LotKind.EARNED, earned, pocket.id, card.expires_at, card.id)],
        )
    await world.engine.authorize(world.request(face, 4_000, capture=True))
    page = await History(house.database).of_member(member.id, Viewer.MEMBER, Filter(), PageRequest(10))
    assert [(e.kind.value, e.source_kind, e.amount.amount_minor, e.balance_minor) for e in page.items] == [
        ("payment", SourceKind.STORED_BALANCE, -4_000, 6_000),
        ("points", SourceKind.POINTS, 300, 300),
        ("bought", SourceKind.STORED_BALANCE, 10_000, 10_000),
    ]


async def test_cash_at_an_agents_till_is_told_and_so_is_its_undoing(world: EngineWorld) -> None:
    agent = await a_merchant(world.house.merchants, terms=Terms(is_agent=True))
    card, face, _ = await a_prepaid_card(world.house, balance_minor=10_000)

    async def load(amount_minor: int, *, capture: bool) -> AuthorizationId:
        request = world.request(face, amount_minor, capture=capture)
        loaded = await world.engine.authorize(replace(request, merchant=agent, purpose=Purpose.LOAD))
        assert loaded.decline is None
        return loaded.id

    await load(20_000, capture=True)
    undone = await load(30_000, capture=True)
    await world.engine.cancel(undone)
    waiting = await load(40_000, capture=False)
    found = await entries(world, card)
    assert [(e.kind.value, e.amount.amount_minor) for e in found] == [
        ("load", -30_000),
        ("load", 30_000),
        ("load", 20_000),
        ("bought", 10_000),
    ]
    await adds_up(world, card, found)
    await world.engine.capture(waiting)
    await adds_up(world, card, await entries(world, card))


@pytest.mark.parametrize("as_member", [False, True], ids=["in hand", "as a member"])
async def test_p12_what_a_giver_tried_and_took_back_is_not_told_to_who_takes_the_card(
    world: EngineWorld, as_member: bool
) -> None:
    house = world.house
    giver, taker = await a_wallet_member(house), await a_wallet_member(house)
    card, face, _ = await a_prepaid_card(house, balance_minor=10_000, member=giver)
    tried = await world.engine.authorize(world.request(face, 3_000))
    await world.engine.cancel(tried.id)
    _, token = await house.cards.hand_over(card.id)
    given, _ = await house.cards.claim(token, member_id=taker.id if as_member else None)
    viewer = Viewer.MEMBER if as_member else Viewer.RECIPIENT
    found = await entries(world, given, viewer)
    assert [entry.kind for entry in found if entry.merchant_id] == []
    await adds_up(world, given, found)
    assert [e.kind for e in await entries(world, given, Viewer.OPERATOR) if e.merchant_id] != []
