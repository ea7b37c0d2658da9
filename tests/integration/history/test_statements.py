"""Daily statements: each day once, in order, on the member's own clock (WA-13)."""

import asyncio
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest
from tests.factories.accrual import an_accrual, points_room
from tests.factories.engine import EngineWorld
from tests.factories.members import letters_in
from tests.factories.stored_value import a_prepaid_card
from tests.factories.telling import telling_rooms
from tests.factories.time_travel import go_to, local
from tests.factories.wallet import a_wallet_member

from obverse.accrual import RuleTerms
from obverse.cards import CardFace, Viewer
from obverse.history import EntryKind, Filter
from obverse.kit.money import KRW
from obverse.kit.paging import PageRequest
from obverse.ledger import Ledger
from obverse.letters import Language
from obverse.members import Member, ProfileChange, Statements
from obverse.notifications.statements import Statements as DailyStatements
from obverse.notifications.statements import service

SEOUL = "Asia/Seoul"
NEW_YORK = "America/New_York"


async def a_shopper(world: EngineWorld, **profile: Any) -> tuple[Member, CardFace]:
    """A member with money on a card."""
    member = await a_wallet_member(world.house, **profile)
    ends = world.house.clock.now() + timedelta(days=900)
    _, face, _ = await a_prepaid_card(world.house, member=member, balance_minor=900_000, expires_at=ends)
    return member, face


async def pay(world: EngineWorld, face: CardFace, amount_minor: int) -> None:
    paid = await world.engine.authorize(world.request(face, amount_minor, capture=True))
    assert paid.decline is None


async def told(world: EngineWorld) -> list[dict[str, Any]]:
    """What every statement said, in the order of posting."""
    async with world.house.database.connection() as conn:
        letters = await letters_in(conn, world.house.vault)
    return [letter.data | {"to": letter.to} for letter in letters if letter.template == "statement"]


async def fresh(world: EngineWorld, moment: datetime, *zones: str) -> DailyStatements:
    """Statements that have begun in these zones, with nothing to tell yet."""
    go_to(world.house.clock, moment)
    for zone in zones:
        await a_wallet_member(world.house, time_zone=zone)
    statements = telling_rooms(world.house).statements
    await statements.tell_due()
    return statements


async def test_each_member_hears_once_of_their_day_the_way_they_chose(world: EngineWorld) -> None:
    statements = await fresh(world, local(SEOUL, "2027-03-02 09:00"), SEOUL)
    wants = {"by mail": Statements.MAIL, "by phone": Statements.SMS, "not": Statements.NONE}
    shoppers = {
        how: await a_shopper(world, statements=statement, language=Language.KOREAN)
        for how, statement in wants.items()
    }
    await a_shopper(world)  # buys nothing on the next day
    go_to(world.house.clock, local(SEOUL, "2027-03-03 08:00"))
    await statements.tell_due()  # of the day on which the cards were bought
    before = len(await told(world))
    for _, face in shoppers.values():
        await pay(world, face, 12_000)
        await pay(world, face, 3_000)
    go_to(world.house.clock, local(SEOUL, "2027-03-04 07:59"))
    assert await statements.tell_due() == 0, "it is too early"
    go_to(world.house.clock, local(SEOUL, "2027-03-04 08:00"))
    again = telling_rooms(world.house).statements
    counts = await asyncio.gather(statements.tell_due(), again.tell_due())
    assert sum(counts) == 2, "whoever wants none gets none, and two processes are as good as one"
    assert await statements.tell_due() == 0
    letters = (await told(world))[before:]
    assert len({letter["to"] for letter in letters}) == 2
    for letter in letters:
        assert (letter["day"], letter["count"], letter["more"]) == ("2027-03-03", 2, 0)
        assert [row["amount"]["amount_minor"] for row in letter["rows"]] == [-12_000, -3_000]
        assert {row["merchant"] for row in letter["rows"]} == {world.shop.name}
        assert letter["spent"]["amount_minor"] == 15_000
    member, _ = shoppers["not"]
    days = await statements.of_member(member.id, None, 5)
    assert [(day.entries, day.letter_id) for day in days] == [(2, None), (1, None)]


async def test_the_first_member_of_all_hears_of_what_happened_before_anybody_looked(
    world: EngineWorld,
) -> None:
    go_to(world.house.clock, local(SEOUL, "2027-03-02 23:59"))
    _, face = await a_shopper(world)
    await pay(world, face, 12_000)
    go_to(world.house.clock, local(SEOUL, "2027-03-03 09:00"))
    await telling_rooms(world.house).statements.tell_due()
    assert [(letter["day"], letter["count"]) for letter in await told(world)] == [("2027-03-02", 2)]


async def test_points_which_lie_on_no_card_are_told_too(world: EngineWorld) -> None:
    house = world.house
    statements = await fresh(world, local(SEOUL, "2027-03-02 09:00"), SEOUL)
    member, face = await a_shopper(world)
    await Ledger(house.database).open_house([member.partition_id], KRW)
    rule = RuleTerms(basis_points=100, validity_months=12)
    await points_room(house).set_rule(rule, actor="key_test", reason="spring")
    await pay(world, face, 12_000)
    await an_accrual(house).run()
    go_to(house.clock, local(SEOUL, "2027-03-03 08:00"))
    assert await statements.tell_due() == 1
    (letter,) = await told(world)
    found = [(row["merchant"], row["amount"]["amount_minor"]) for row in letter["rows"]]
    assert sorted(found[1:]) == [(world.shop.name, -12_000), ("Points", 120)]
    (points, *_) = (
        await telling_rooms(house).history.of_member(
            member.id, Viewer.MEMBER, Filter(kinds=frozenset({EntryKind.POINTS})), PageRequest(limit=1)
        )
    ).items
    assert points.card_name == ""


@pytest.mark.parametrize(
    ("day", "first", "last"),
    [
        ("2027-03-14", "2027-03-14 00:00:00", "2027-03-14 23:59:59"),
        ("2027-11-07", "2027-11-07 00:00:00", "2027-11-07 23:59:59"),
    ],
    ids=["23 hours", "25 hours"],
)
async def test_a_day_on_which_clocks_change_is_one_day(
    world: EngineWorld, day: str, first: str, last: str
) -> None:
    statements = await fresh(world, local(NEW_YORK, f"{day} 00:00:00") - timedelta(hours=30), NEW_YORK)
    _, face = await a_shopper(world, time_zone=NEW_YORK)
    for amount, moment in [
        (1, local(NEW_YORK, first) - timedelta(seconds=1)),
        (2, local(NEW_YORK, first)),
        (3, local(NEW_YORK, last)),
        (4, local(NEW_YORK, last) + timedelta(seconds=1)),
    ]:
        go_to(world.house.clock, moment)
        await pay(world, face, amount)
    go_to(world.house.clock, world.house.clock.now() + timedelta(days=2))
    await statements.tell_due()
    of_day = [letter for letter in await told(world) if letter["day"] == day]
    (letter,) = of_day
    assert [row["amount"]["amount_minor"] for row in letter["rows"]] == [-2, -3]


async def test_when_time_jumps_each_day_is_told_in_its_order(world: EngineWorld) -> None:
    statements = await fresh(world, local(SEOUL, "2027-05-01 09:00"), SEOUL)
    _, face = await a_shopper(world)
    for day in range(1, 6):
        go_to(world.house.clock, local(SEOUL, f"2027-05-0{day} 13:00"))
        await pay(world, face, day)
    go_to(world.house.clock, local(SEOUL, "2027-06-01 13:00"))
    await statements.tell_due()
    assert [letter["day"] for letter in await told(world)] == [f"2027-05-0{day}" for day in range(1, 6)]


@pytest.mark.parametrize(
    "journey",
    [(SEOUL, NEW_YORK, SEOUL), ("Pacific/Pago_Pago", "Pacific/Kiritimati", "Pacific/Pago_Pago")],
    ids=["east and west", "from one end of the day to the other"],
)
async def test_whoever_travels_hears_of_everything_once(
    world: EngineWorld, journey: tuple[str, str, str]
) -> None:
    """A payment every five hours, over days on which the member moves twice."""
    house = world.house
    statements = await fresh(world, local("UTC", "2027-07-01 01:00"), *journey[:2])
    member, face = await a_shopper(world, time_zone=journey[0])
    amounts = range(1, 41)
    for step in amounts:
        go_to(house.clock, house.clock.now() + timedelta(hours=5))
        await pay(world, face, step)
        if step in (13, 26):
            change = ProfileChange(time_zone=journey[step // 13])
            await house.members.profiles.change(member.id, change)
        await statements.tell_due()
    go_to(house.clock, house.clock.now() + timedelta(days=3))
    await statements.tell_due()
    letters = await told(world)
    seen = Counter(-row["amount"]["amount_minor"] for letter in letters for row in letter["rows"])
    assert seen == Counter(amounts) + Counter({-900_000: 1})
    days = [letter["day"] for letter in letters]
    assert days == sorted(set(days)), "one message for a day, and the days in their order"


async def test_whoever_dies_between_two_parts_leaves_the_rest_to_others(
    world: EngineWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "AT_ONCE", 2)
    statements = await fresh(world, local(SEOUL, "2027-08-01 09:00"), SEOUL)
    for _ in range(5):
        await a_shopper(world)
    go_to(world.house.clock, local(SEOUL, "2027-08-02 09:00"))
    post, calls = world.house.letters.post, 0

    async def dies(conn: Any, letters: Any) -> int:
        nonlocal calls
        calls += 1
        posted = await post(conn, letters)
        if calls == 2:
            raise RuntimeError("killed before the commit")
        return posted

    monkeypatch.setattr(world.house.letters, "post", dies)
    with pytest.raises(RuntimeError, match="killed"):
        await statements.tell_due()
    assert len(await told(world)) == 2
    assert await statements.tell_due() == 3
    letters = await told(world)
    assert len({letter["to"] for letter in letters}) == len(letters) == 5
