"""WA-15: whatever is asked of the figures, in whatever combination, nothing is told of few members."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import combinations
from pathlib import Path

import pytest
from tests.factories.merchants import a_merchant
from tests.factories.stored_value import a_calendar
from tests.factories.telling import HOLD, MEMBERS_MIN, telling_rooms
from tests.factories.time_travel import go_to, local
from tests.factories.wallet import House, build_house

from obverse.history import Dimension, Month
from obverse.kit.clock import Clock
from obverse.kit.database import Database
from obverse.kit.ids import MemberId, MerchantId, NewId, to_text, uuid7_source

SEOUL = "Asia/Seoul"
MONTHS = [Month(2027, number) for number in (1, 2, 3)]
DENOMINATIONS = (None, 5_000, 10_000)

ADD_MEMBER = """
insert into members (id, partition_id, identity_hash, standing, created_at) values ($1, 0, $2, 'good', now())
"""
ADD_CARD = """
insert into cards (partition_id, id, kind, state, bin, serial, last_four, number_hash, number_hash_key,
    member_id, held_by, currency, spent_on, uses_left, expires_at, funding, created_at, face_value_minor,
    programme_id, own_source_id)
values (0, $1, $2, 'active', '941012', 0, '0000', $3, 1, $4, 'member', 'KRW', 'never', 1, now(), '{}', now(),
    $5, case $2 when 'prepaid' then gen_random_uuid() end,
    case $2 when 'prepaid' then gen_random_uuid() end)
"""
ADD_PURCHASE = """
insert into authorizations (partition_id, id, request_key, fingerprint, status, failed_rules, approval_code,
    card_id, merchant_id, entry, category, amount_minor, currency, captured_minor, captured_at_once,
    created_at)
values (0, $1::uuid, $1::uuid::text, '', 'approved', 0, 'A1B2C3', $2, $3, 'online', $4, $5, 'KRW', $5,
    true, $6)
"""


@dataclass(frozen=True)
class Purchase:
    """One purchase as the model knows it."""

    member: MemberId
    at: datetime
    month: Month
    merchant: MerchantId
    category: str
    denomination: int | None
    minor: int

    def key(self, by: Dimension) -> str:
        match by:
            case Dimension.MONTH:
                return str(self.month)
            case Dimension.CATEGORY:
                return self.category
            case Dimension.MERCHANT:
                return to_text("mer", self.merchant)
            case Dimension.DENOMINATION:
                return str(self.denomination or "")

    @property
    def cell(self) -> tuple[object, ...]:
        return self.month, self.merchant, self.category, self.denomination


@dataclass(frozen=True)
class Query:
    by: Dimension
    since: Month
    until: Month
    merchant: MerchantId | None

    def finds(self, purchase: Purchase) -> bool:
        return self.since <= purchase.month <= self.until and self.merchant in (None, purchase.merchant)


@pytest.fixture
def house(
    database: Database, tmp_path: Path, clock: Clock, new_id: NewId, random_bytes: Callable[[int], bytes]
) -> House:
    return build_house(database, tmp_path / "keys.json", clock, new_id, random_bytes)


@pytest.mark.parametrize("seed", range(4))
async def test_no_figure_and_no_difference_of_figures_is_about_few_members(house: House, seed: int) -> None:
    rng = random.Random(seed)
    counted = await _a_population(house, rng)
    go_to(house.clock, a_calendar_moment(MONTHS[-1].next()) + HOLD + timedelta(days=1))
    rooms = telling_rooms(house)
    assert await rooms.aggregates.count_due() == len(MONTHS)
    assert await rooms.aggregates.count_due() == 0, "a month is counted once"
    shown = [
        purchase
        for purchase in counted
        if len({other.member for other in counted if other.cell == purchase.cell}) >= MEMBERS_MIN
    ]
    assert 0 < len(shown) < len(counted), "some cells are shown, some withheld: else nothing is tried"
    behind: set[frozenset[Purchase]] = set()
    for query in _queries({purchase.merchant for purchase in counted}):
        figures = await rooms.aggregates.figures(query.by, query.since, query.until, query.merchant)
        found = [purchase for purchase in shown if query.finds(purchase)]
        assert {figure.key for figure in figures} == {purchase.key(query.by) for purchase in found}
        for figure in figures:
            part = [purchase for purchase in found if purchase.key(query.by) == figure.key]
            assert figure.purchases == len(part)
            assert figure.amount.amount_minor == sum(purchase.minor for purchase in part)
            assert figure.average_minor == figure.amount.amount_minor // len(part)
            behind.add(frozenset(part))
        behind.add(frozenset(found))
    for one, other in combinations(behind, 2):
        if one < other or other < one:
            told_of = {purchase.member for purchase in one ^ other}
            assert len(told_of) >= MEMBERS_MIN, "a difference of two answers tells of few"


async def test_what_is_withdrawn_counts_from_then_on(house: House) -> None:
    """The month before stays as it was told; in the next one, four are too few."""
    rooms, merchant = telling_rooms(house), await a_merchant(house.merchants)
    go_to(house.clock, local(SEOUL, "2027-01-02 12:00"))
    members = [await _a_member(house, number) for number in range(MEMBERS_MIN)]
    for member in members:
        await rooms.consents.set(member, given=True)
        await rooms.consents.set(member, given=True)
    for month in MONTHS[:2]:
        for member in members:
            await _buys(house, member, merchant.id, "5732", None, 1_000, a_day_of(month, 15))
    go_to(house.clock, local(SEOUL, "2027-02-20 12:00"))
    await rooms.aggregates.count_due()
    consent = await rooms.consents.set(members[0], given=False)
    assert consent is not None
    assert consent.withdrawn_at == (await rooms.consents.set(members[0], given=False)).withdrawn_at
    go_to(house.clock, local(SEOUL, "2027-04-20 12:00"))
    await rooms.aggregates.count_due()
    figures = await rooms.aggregates.figures(Dimension.MONTH, MONTHS[0], MONTHS[2])
    assert [(figure.key, figure.purchases) for figure in figures] == [("2027-01", MEMBERS_MIN)]


def a_calendar_moment(month: Month) -> datetime:
    return month.begins(a_calendar().zone)


def a_day_of(month: Month, day: int) -> datetime:
    return a_calendar_moment(month) + timedelta(days=day - 1, hours=13)


def _queries(merchants: set[MerchantId]) -> Iterator[Query]:
    for by in Dimension:
        for first, since in enumerate(MONTHS):
            for until in MONTHS[first:]:
                for merchant in (None, *merchants):
                    yield Query(by, since, until, merchant)


async def _a_population(house: House, rng: random.Random) -> list[Purchase]:
    """Members who consent or not, or not any more, and what they bought; returns what may be counted."""
    go_to(house.clock, local(SEOUL, "2027-01-01 00:00"))
    consents = telling_rooms(house).consents
    merchants = [
        (await a_merchant(house.merchants, category=category), category)
        for category in ("5732", "5732", "5942")
    ]
    counted = []
    for number in range(26):
        member = await _a_member(house, number)
        consenting = rng.random() < 0.75
        if consenting:
            await consents.set(member, given=True)
        if rng.random() < 0.15:
            await consents.set(member, given=False)
            consenting = False
        for _ in range(rng.randrange(1, 6)):
            month, (merchant, category) = rng.choice(MONTHS), rng.choice(merchants)
            # Some cells are crowded, others are not.
            denomination = rng.choices(DENOMINATIONS, weights=[6, 1, 2])[0]
            minor, at = rng.randrange(1, 50) * 100, a_day_of(month, rng.randrange(2, 28))
            await _buys(house, member, merchant.id, category, denomination, minor, at)
            if consenting:
                counted.append(Purchase(member, at, month, merchant.id, category, denomination, minor))
    return counted


async def _a_member(house: House, number: int) -> MemberId:
    id_ = MemberId(house.new_id())
    async with house.database.transaction() as conn:
        await conn.execute(ADD_MEMBER, id_, f"person {number}".encode())
    return id_


async def _buys(
    house: House,
    member: MemberId,
    merchant: MerchantId,
    category: str,
    denomination: int | None,
    minor: int,
    at: datetime,
) -> None:
    card = house.new_id()
    kind = "one_time" if denomination is None else "prepaid"
    payment = uuid7_source(lambda: int(at.timestamp() * 1000), random.randbytes)()
    async with house.database.transaction() as conn:
        await conn.execute(ADD_CARD, card, kind, card.bytes, member, denomination)
        await conn.execute(ADD_PURCHASE, payment, card, merchant, category, minor, at)
