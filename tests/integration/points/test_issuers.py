"""Points issuers and their rates, as operators keep them (PR-6)."""

import asyncio
from uuid import UUID

import pytest
from msgspec import UNSET
from tests.factories.ledger import P0
from tests.factories.merchants import BY_HAND, a_merchant
from tests.factories.points import PointsHouse, points_house, terms
from tests.factories.wallet import House

from obverse.kit import audit, events
from obverse.kit.errors import InvalidRequest
from obverse.kit.ids import MerchantId, PartitionId, PointsIssuerId, PointsRateId, to_text
from obverse.kit.money import KRW
from obverse.kit.paging import PageRequest
from obverse.ledger import repository as ledger
from obverse.merchants import Decision, MerchantChange, MerchantNotFound
from obverse.points import (
    IssuerChange,
    IssuerState,
    PointsIssuerNotFound,
    PointsRateNotFound,
    Rate,
    issuer_secrets_rekey,
)
from obverse.points.repository import load_rates
from obverse.points.rules import issuer_context, receivable
from obverse.vault.jobs import rotate

NOBODY = PointsIssuerId(UUID(int=7))
UNREADABLE = Decision("key_01h455vb4pex5vsknk084sn02q", "\n")


@pytest.fixture
def points(house: House) -> PointsHouse:
    return points_house(house, partitions=2)


async def test_an_issuer_comes_with_what_it_will_owe_in_every_partition(points: PointsHouse) -> None:
    issuer, secret = await points.issuers.create(terms(units_max=500_000, tells_van=True), BY_HAND)

    assert await points.issuers.get(issuer.id) == issuer
    assert secret.reveal().startswith("whsec_")
    assert points.house.vault.open(issuer.secret, issuer_context(issuer.id)) == secret
    async with points.house.database.connection() as conn:
        for partition in (P0, PartitionId(1)):
            owed = receivable(issuer.id, partition, KRW)
            assert [found.id for found in await ledger.find_accounts(conn, partition, [owed.id])] == [owed.id]


async def test_what_operators_decide_is_told_and_kept_with_its_reason(points: PointsHouse) -> None:
    issuer = await points.issuer(name="Sky Miles")
    await points.issuers.change(issuer.id, IssuerChange(name="Sea Miles", units_max=9), BY_HAND)
    for state in (IssuerState.SUSPENDED, IssuerState.SUSPENDED, IssuerState.ACTIVE):
        issuer = await points.issuers.set_state(issuer.id, state, BY_HAND)
        assert issuer.state is state
    _, fresh = await points.issuers.rotate_secret(issuer.id, BY_HAND)
    # Said twice, it changes nothing.
    await points.issuers.change(issuer.id, IssuerChange(name="Sea Miles"), BY_HAND)

    changed = await points.issuers.get(issuer.id)
    assert (changed.name, changed.units_max, changed.url) == ("Sea Miles", 9, issuer.url)
    assert points.house.vault.open(changed.secret, issuer_context(issuer.id)) == fresh
    async with points.house.database.connection() as conn:
        kept = (await audit.read_page(conn, PageRequest(20), to_text("pis", issuer.id))).items
        told = (await events.read_page(conn, PageRequest(20))).items
    decided = ["secret_rotated", "resumed", "suspended", "changed", "created"]
    assert [entry.action for entry in kept] == [f"points_issuer.{each}" for each in decided]
    assert {entry.reason for entry in kept} == {BY_HAND.reason}
    assert kept[3].data["name"] == "Sky Miles -> Sea Miles"
    assert [event.type for event in told] == [entry.action for entry in kept]


async def test_a_limit_can_be_taken_away_again(points: PointsHouse) -> None:
    issuer = await points.issuer(units_max=9)

    assert (await points.issuers.change(issuer.id, IssuerChange(units_max=UNSET), BY_HAND)).units_max == 9
    assert (await points.issuers.change(issuer.id, IssuerChange(units_max=None), BY_HAND)).units_max is None


async def test_what_is_refused_leaves_nothing(points: PointsHouse) -> None:
    issuer = await points.issuer()
    live = points_house(points.house, https_only=True)

    with pytest.raises(InvalidRequest):
        await points.issuers.create(terms(), UNREADABLE)
    with pytest.raises(InvalidRequest):
        await live.issuers.create(terms(), BY_HAND)
    with pytest.raises(InvalidRequest):
        await points.issuers.change(issuer.id, IssuerChange(url="nowhere"), BY_HAND)
    with pytest.raises(PointsIssuerNotFound):
        await points.issuers.set_state(NOBODY, IssuerState.SUSPENDED, BY_HAND)
    assert [found.id for found in (await points.issuers.list(PageRequest(5))).items] == [issuer.id]
    assert await points.issuers.get(issuer.id) == issuer


async def test_secrets_follow_when_keys_change(points: PointsHouse) -> None:
    issuer, secret = await points.issuers.create(terms(), BY_HAND)

    vault = points.house.vault
    await rotate(points.house.database, vault, [issuer_secrets_rekey(vault)], lambda *_: None)

    moved = await points.issuers.get(issuer.id)
    assert moved.secret.key_version > issuer.secret.key_version
    assert vault.open(moved.secret, issuer_context(issuer.id)) == secret


async def test_pr10_a_merchant_takes_the_points_it_was_granted(points: PointsHouse) -> None:
    issuer, shop = await points.issuer(), await a_merchant(points.house.merchants)
    assert shop.accepts_points == frozenset()

    wanted = MerchantChange(accepts_points=frozenset({issuer.id}), code_proof_from_minor=30_000)
    await points.house.merchants.change(shop.id, wanted, BY_HAND)

    changed = await points.house.merchants.get(shop.id)
    assert (changed.accepts_points, changed.code_proof_from_minor) == (frozenset({issuer.id}), 30_000)
    async with points.house.database.connection() as conn:
        (entry, *_) = (await audit.read_page(conn, PageRequest(5), to_text("mer", shop.id))).items
    assert entry.data["accepts_points"] == f"none -> {to_text('pis', issuer.id)}"
    with pytest.raises(PointsIssuerNotFound):
        await points.issuers.check_known([issuer.id, NOBODY], "accepts_points")


# rates ------------------------------------------------------------------------------------------------------


async def _in_force(points: PointsHouse, issuer_id: PointsIssuerId, *shops: MerchantId) -> list[str]:
    async with points.house.database.connection() as conn:
        found = await load_rates(conn, [issuer_id], shops, points.house.clock.now())
    return sorted(str(rate) for rate in found.values())


async def test_pr6_a_new_rate_ends_the_one_before(points: PointsHouse) -> None:
    issuer, shop = await points.issuer(), await a_merchant(points.house.merchants)
    first = await points.rates.set(issuer.id, None, Rate(2, 1), BY_HAND)
    await points.rates.set(issuer.id, shop.id, Rate(1, 10), BY_HAND)
    second = await points.rates.set(issuer.id, None, Rate(3, 1), BY_HAND)

    assert await _in_force(points, issuer.id, shop.id) == ["1/10", "3"]
    # The very same again is the one that is there.
    assert await points.rates.set(issuer.id, None, Rate(6, 2), BY_HAND) == second
    listed = (await points.rates.list(PageRequest(10), issuer.id)).items
    ended = {rate.id: rate.ends_at for rate in listed}
    assert (ended[first.id], ended[second.id]) == (second.starts_at, None)

    for _ in range(2):
        over = await points.rates.end(second.id, BY_HAND)
        assert over.ends_at is not None
    assert await _in_force(points, issuer.id) == []


async def test_of_rates_set_at_once_one_holds(points: PointsHouse) -> None:
    issuer = await points.issuer()

    await asyncio.gather(*(points.rates.set(issuer.id, None, Rate(n, 1), BY_HAND) for n in range(1, 9)))

    listed = (await points.rates.list(PageRequest(20), issuer.id)).items
    assert [rate.ends_at is None for rate in listed].count(True) == 1
    assert len(listed) == 8


async def test_rates_of_nobody_are_refused(points: PointsHouse) -> None:
    issuer = await points.issuer(units_max=100)

    with pytest.raises(PointsIssuerNotFound):
        await points.rates.set(NOBODY, None, Rate(1, 1), BY_HAND)
    with pytest.raises(MerchantNotFound):
        await points.rates.set(issuer.id, MerchantId(NOBODY), Rate(1, 1), BY_HAND)
    with pytest.raises(InvalidRequest):
        await points.rates.set(issuer.id, None, Rate(1, 1, minimum_units=101), BY_HAND)
    with pytest.raises(InvalidRequest):
        await points.rates.set(issuer.id, None, Rate(1, 1), UNREADABLE)
    with pytest.raises(PointsRateNotFound):
        await points.rates.end(PointsRateId(NOBODY), BY_HAND)
    assert (await points.rates.list(PageRequest(5))).items == []
