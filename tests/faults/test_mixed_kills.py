"""P9 and P10 while the platform is killed: mixed payments against lying issuers, codes at many tills."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, Final

import pytest
from tests.factories.callers import AcquirerLine, HungUp
from tests.factories.codes import a_key, codes_rooms, opened, public_half
from tests.factories.estate import BOTTOMLESS, Estate
from tests.factories.iso8583 import reversal
from tests.factories.ledger import P0
from tests.factories.merchants import BY_HAND
from tests.factories.platform import PlatformProcess, running
from tests.factories.points import PointsHouse, points_house, terms
from tests.factories.points_issuers import PointsIssuers, points_issuers
from tests.factories.registered_cards import a_registered_card
from tests.factories.shoppers import (
    FINAL_SECONDS_MAX,
    Payment,
    Tills,
    all_told_is_so,
    card_company_agrees,
)
from tests.factories.wallet import a_wallet_member, card_details

from obverse.cards import Card, CardFace
from obverse.cards.rules import face_expiry_of
from obverse.codes import CodeTerms
from obverse.kit.clock import ClockFollower
from obverse.kit.ids import PointsIssuerId
from obverse.kit.money import KRW
from obverse.kit.secret import Secret
from obverse.ledger import Ledger
from obverse.merchants.model import MerchantChange
from obverse.networks.iso8583.codec import Fields
from obverse.networks.points_issuer import PointsIssuerClient
from obverse.points import Directory, Rate
from obverse.sandbox.card_company.cards import make_card
from obverse.sandbox.faults import Fault, FaultRule, MessageKind
from obverse.sandbox.points_issuer import Account, PointsIssuer
from obverse.sandbox.terminal import Pick
from obverse.sandbox.terminal.points import picks_field

KILLS: Final = 4
KILLS_UNDER_SCANS: Final = 2
TILLS: Final = 16
SCANNERS: Final = 64
CODES: Final = 50
UNITS: Final = 10**9
RATES: Final = (Rate(2, 1), Rate(1, 10), Rate(3, 2))
_SWIPED: Final = {"DE22": "020", "DE48": None}
_SCANNED: Final = {"DE22": "030", "DE48": None, "DE14": None}

# What goes wrong between two kills: with takes, and with what issuers are told of them.
_TAKES: Final = (
    FaultRule(Fault.CLOSE, chance=0.1),
    FaultRule(Fault.LATE, delay_ms=600, chance=0.1),
    FaultRule(Fault.BREAK, chance=0.1),
    FaultRule(Fault.DUPLICATE, chance=0.5),
    FaultRule(Fault.LOST, chance=0.1),
)
_TOLD: Final = (
    FaultRule(Fault.BREAK, chance=0.5),
    FaultRule(Fault.DUPLICATE, chance=0.5),
    FaultRule(Fault.CLOSE, chance=0.5),
    FaultRule(Fault.REFUSE, chance=0.5),
    FaultRule(Fault.LOST, chance=0.3),
)

_UNDER_WAY: Final = "select count(*)::int as payments from authorizations where status = 'processing'"
_UNSETTLED: Final = """
select (select count(*) from authorizations where status = 'processing')
    + (select count(*) from legs where status in ('sent', 'unknown', 'reversing'))
    + (select count(*) from points_messages where done_at is null) as waiting
"""
_POINTS_LEGS: Final = """
select l.network_ref, l.units, a.status, p.issuer_id from legs as l
join authorizations as a on (a.partition_id, a.id) = (l.partition_id, l.authorization_id)
join points_accounts as p on p.id = l.source_id where l.units is not null
"""
_ENDED: Final = "select status from authorizations where request_key = any($1::text[])"
_USED_CODES: Final = """
select a.request_key, a.status from payment_codes as c
join authorizations as a on (a.partition_id, a.id) = (c.partition_id, c.used_by)
"""


@dataclass
class Relay:
    """A shop, the issuers whose points it takes, and the registered cards of its customers."""

    estate: Estate
    partners: PointsIssuers
    by_id: Mapping[PointsIssuerId, PointsIssuer]
    faces: Sequence[CardFace]

    def purchases(self, rng: Random) -> Iterator[Fields]:
        """Two of the card's three kinds of points and the rest on the card, at once or to be claimed."""
        while True:
            picks = [Pick(number, rng.randrange(50, 400)) for number in rng.sample((1, 2, 3), 2)]
            picked, mti = picks_field(picks), rng.choice(("0100", "0200"))
            yield self.estate.purchase(rng.choice(self.faces), mti, DE63=picked, **_SWIPED)

    async def misbehave(self, rng: Random) -> None:
        """Have every issuer lie in a way of its own until the next time."""
        for issuer in self.partners.all:
            await issuer.set_fault(MessageKind.POINTS_TAKES, rng.choice(_TAKES))
            for kind in (MessageKind.POINTS_CONFIRMATIONS, MessageKind.POINTS_CANCELLATIONS):
                await issuer.set_fault(kind, rng.choice(_TOLD))

    async def issuers_agree(self) -> None:
        """Issuers keep the units of what was approved, every one of them, and of nothing else."""
        owed = {}
        for row in await self.estate.fetch(_POINTS_LEGS):
            approved = row["status"] == "approved"
            owed[row["network_ref"]] = row["units"] if approved else 0
            take = self.by_id[row["issuer_id"]].book.taken(row["network_ref"])
            assert (take is not None and take.state == "spent") == approved, (dict(row), take)
        takes = [take for issuer in self.partners.all for take in issuer.book.takes]
        assert {take.ask.reference: take.units_kept for take in takes} == {
            take.ask.reference: owed[take.ask.reference] for take in takes
        }


@asynccontextmanager
async def a_relay(estate: Estate, cards: int) -> AsyncIterator[Relay]:
    """Everybody has units of every issuer, but for the first customer, who has no stamps."""
    house = estate.house
    async with points_issuers() as partners:
        client = PointsIssuerClient(
            Directory(house.database),
            house.vault,
            now=lambda: datetime.now(UTC),
            new_id=house.new_id,
            timeout_s=2,
        )
        points = points_house(house, network=client)  # type: ignore[arg-type]
        by_id = {}
        for partner, rate in zip(partners.all, RATES, strict=True):
            given = terms(url=partner.url, two_phase=partner.profile.two_phase)
            issuer, partner.secret = await points.issuers.create(given, BY_HAND)
            await points.rates.set(issuer.id, None, rate, BY_HAND)
            by_id[issuer.id] = partner
        await accept_registered_cards(estate, accepts_points=frozenset(by_id))
        customers = [await a_customer(estate) for _ in range(cards)]
        for name, (card, _) in enumerate(customers):
            for id_, partner in by_id.items():
                units = 0 if not name and partner is partners.corner_stamps else UNITS
                await link(points, partners, card, id_, partners.account(partner, units))
        await client.close()
        yield Relay(estate, partners, by_id, [face for _, face in customers])


async def link(
    points: PointsHouse, partners: PointsIssuers, card: Card, issuer_id: PointsIssuerId, account: Account
) -> None:
    assert card.member_id is not None
    begun = await points.links.begin(card.member_id, issuer_id, Secret(account.number), card_id=card.id)
    await points.links.prove(card.member_id, begun.id, Secret(partners.code(account.phone)))


async def a_customer(estate: Estate) -> tuple[Card, CardFace]:
    """A registered card that its card company knows."""
    real = make_card(estate.rng, datetime.now(UTC), limit_minor=BOTTOMLESS)
    estate.card_company.book.add(real)
    month, year = int(real.expiry[2:]), 2000 + int(real.expiry[:2])
    details = card_details(number=real.number, exp_month=month, exp_year=year)
    card, _ = await a_registered_card(estate.house, await a_wallet_member(estate.house), details)
    return card, CardFace(real.number, face_expiry_of(card), Secret(""))


async def accept_registered_cards(estate: Estate, **changes: Any) -> None:
    """Have the shop take registered cards, and what else is said."""
    await Ledger(estate.house.database).open_house([P0], KRW)
    change = MerchantChange(accepts=frozenset({"one_time", "registered"}), **changes)
    estate.shop = await estate.house.merchants.change(estate.shop.id, change, BY_HAND)


async def codes_of(estate: Estate) -> list[CardFace]:
    """What one customer's phone shows, all of it good at this moment."""
    card, _ = await a_customer(estate)
    assert card.member_id is not None
    rooms, key = codes_rooms(estate.house, CodeTerms(interval=timedelta(days=7), batch_max=CODES)), a_key()
    device = await rooms.devices.register(card.member_id, "Phone", public_half(key))
    batch = await rooms.batches.make(card.member_id, device.id, card.id, CODES)
    async with estate.house.database.transaction() as conn:
        await conn.execute("update payment_codes set valid_from = $1", estate.house.clock.now())
    return [CardFace(Secret(c["code"]), "", Secret("")) for c in opened(batch.sealed, key)["codes"]]


@dataclass
class Cancelling:
    """Somebody at the tills who takes back what was just asked for, whatever has become of it (P8)."""

    tills: Tills
    platform: PlatformProcess
    taken_back: list[Payment] = field(default_factory=list)
    stopping: bool = False

    async def work(self) -> None:
        while not self.stopping:
            await asyncio.sleep(0.05)
            newest = self.tills.payments[-1]
            if newest not in self.taken_back[-1:]:
                await self._take_back(newest)
                self.taken_back.append(newest)

    async def until_heard(self) -> None:
        """Wait until one more was taken back, just now."""
        await self.tills.until(lambda: len(self.taken_back), len(self.taken_back) + 1)

    async def _take_back(self, payment: Payment) -> None:
        """Tell the platform until it has heard it."""
        assert payment.fields is not None
        deadline = time.monotonic() + FINAL_SECONDS_MAX
        while True:
            assert time.monotonic() < deadline, "it is not heard"
            with suppress(HungUp, OSError):
                line = await AcquirerLine.open(self.platform.acquirer_port)
                answer = await line.ask(reversal(payment.fields, "0420"))
                line.close()
                if answer["39"] == "00":
                    return
            await asyncio.sleep(0.02)


async def settled(estate: Estate) -> None:
    """Wait until payments are final and nobody is to be told anything; pauses fly past (P7)."""
    deadline = time.monotonic() + FINAL_SECONDS_MAX
    while (left := (await estate.fetch(_UNSETTLED))[0]["waiting"]) > 0:
        assert time.monotonic() < deadline, f"{left} payments, legs and messages are not settled"
        await time_flies(estate)
        await asyncio.sleep(0.2)


async def time_flies(estate: Estate) -> None:
    """Let pass what the platform waits for: answers that nobody hears, leases, pauses before the next try."""
    await ClockFollower(estate.house.database, estate.house.clock).advance(timedelta(seconds=15))


async def kill_and_start(estate: Estate, platform: PlatformProcess) -> int:
    """Returns how many payments were under way."""
    platform.kill()
    under_way: int = (await estate.fetch(_UNDER_WAY))[0]["payments"]
    await time_flies(estate)
    await platform.start()
    return under_way


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_p09_no_mixed_payment_keeps_one_leg_whatever_issuers_do_and_whenever_the_platform_is_killed(
    estate: Estate, tmp_path: Path
) -> None:
    rng = Random(9)
    settings = estate.settings(tmp_path / "data", points_timeout_ms=300)
    slow = FaultRule(Fault.SLOW, delay_ms=100, chance=0.5)
    await estate.card_company.set_fault(MessageKind.AUTHORIZATION, slow)
    async with a_relay(estate, cards=6) as relay:
        async with running(tmp_path / "platform", settings) as platform:
            tills = Tills(estate, platform, relay.purchases(rng))
            tills.start(TILLS)
            cancelling = Cancelling(tills, platform)
            at_it = asyncio.create_task(cancelling.work())
            under_way = 0
            for _ in range(KILLS):
                await relay.misbehave(rng)
                await tills.until_answered(rng.randrange(40, 120))
                await cancelling.until_heard()
                under_way += await kill_and_start(estate, platform)
            cancelling.stopping = True
            await at_it
            await tills.stop()
            for issuer in relay.partners.all:
                issuer.faults.clear()
            await settled(estate)
    assert under_way > KILLS, "the kills met no payment under way"
    await relay.issuers_agree()
    await card_company_agrees(estate)
    stands = [payment for payment in tills.payments if payment not in cancelling.taken_back]
    await all_told_is_so(estate, stands)
    assert {told.reason for payment in stands for told in payment.told} >= {"00", "51"}
    ended = await estate.fetch(_ENDED, [payment.request_key for payment in cancelling.taken_back])
    assert {row["status"] for row in ended} <= {"reversed", "declined"}
    assert len(ended) == len(cancelling.taken_back) > KILLS


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_p10_a_code_scanned_at_64_tills_pays_once_whenever_the_platform_is_killed(
    estate: Estate, tmp_path: Path
) -> None:
    rng = Random(10)
    await accept_registered_cards(estate)
    faces = await codes_of(estate)
    scans = (estate.purchase(face, "0200", **_SCANNED) for face in faces for _ in range(SCANNERS))
    async with running(tmp_path / "platform", estate.settings(tmp_path / "data")) as platform:
        tills = Tills(estate, platform, scans)
        tills.start(SCANNERS)
        for _ in range(KILLS_UNDER_SCANS):
            await tills.until_answered(rng.randrange(20, 200))
            await kill_and_start(estate, platform)
        await tills.stop()
        await settled(estate)
    assert tills.hung_up > KILLS_UNDER_SCANS, "the kills met no scan under way"
    told = [(payment.fields["2"], told.reason) for payment in tills.payments for told in payment.told]
    paid = Counter(number for number, reason in told if reason == "00")
    assert set(paid.values()) == {1}
    used = await estate.fetch(_USED_CODES)
    assert len(used) == len({number for number, _ in told}), "whatever was scanned is spent"
    await card_company_agrees(estate)
    await all_told_is_so(estate, tills.payments)
