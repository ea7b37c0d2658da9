"""P9 and P10 while the platform is killed: mixed payments against lying issuers, codes scanned at many tills."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Final

import pytest
from tests.factories.codes import a_key, codes_rooms, opened, public_half
from tests.factories.estate import AMOUNT_MINOR, BOTTOMLESS, Estate
from tests.factories.ledger import P0
from tests.factories.merchants import BY_HAND
from tests.factories.platform import PlatformProcess, running
from tests.factories.points import points_house, terms
from tests.factories.points_issuers import PointsIssuers, points_issuers
from tests.factories.registered_cards import a_registered_card
from tests.factories.shoppers import FINAL_SECONDS_MAX, Tills, all_told_is_so, card_company_agrees
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
from obverse.sandbox.points_issuer import PointsIssuer
from obverse.sandbox.terminal import Pick
from obverse.sandbox.terminal.points import picks_field

KILLS: Final = 6
TILLS: Final = 16
SCANNERS: Final = 64
CODES: Final = 50
UNITS: Final = 10**9
RATES: Final = (Rate(2, 1), Rate(1, 10), Rate(3, 2))
_SWIPED, _SCANNED = {"DE22": "020", "DE48": None}, {"DE22": "030", "DE14": None, "DE48": None}
_NO_CVV: Final = Secret("")

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
    FaultRule(Fault.SILENT, chance=0.3),
    FaultRule(Fault.CLOSE, chance=0.5),
)

_HALF_DONE: Final = """
select count(*)::int as payments from authorizations where status = 'processing'
"""
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
_PAID_BY_CODES: Final = """
select c.code_hash, c.used_by, a.status, a.request_key from payment_codes as c
left join authorizations as a on (a.partition_id, a.id) = (c.partition_id, c.used_by)
"""


@dataclass
class Counter:
    """A shop, the issuers whose points it takes, and the registered cards of its customers."""

    estate: Estate
    partners: PointsIssuers
    by_id: dict[PointsIssuerId, PointsIssuer]
    faces: Sequence[CardFace]

    def purchases(self, rng: Random) -> Iterator[Fields]:
        """Two of the card's three kinds of points and the rest on the card, at once or to be claimed."""
        while True:
            picks = [Pick(number, rng.randrange(50, 400)) for number in rng.sample((1, 2, 3), 2)]
            field_63, mti = picks_field(picks), rng.choice(("0100", "0200"))
            yield self.estate.purchase(rng.choice(self.faces), mti, DE63=field_63, **_SWIPED)

    async def misbehave(self, rng: Random) -> None:
        """Have every issuer lie in its own way until the next time."""
        for issuer in self.partners.all:
            await issuer.set_fault(MessageKind.POINTS_TAKES, rng.choice(_TAKES))
            for kind in (MessageKind.POINTS_CONFIRMATIONS, MessageKind.POINTS_CANCELLATIONS):
                await issuer.set_fault(kind, rng.choice(_TOLD))

    async def drained(self) -> None:
        """Wait until every payment is final and nobody is to be told anything; its pauses fly past (P7)."""
        for issuer in self.partners.all:
            issuer.faults.clear()
        follower = ClockFollower(self.estate.house.database, self.estate.house.clock)
        deadline = time.monotonic() + FINAL_SECONDS_MAX
        while (left := (await self.estate.fetch(_UNSETTLED))[0]["waiting"]) > 0:
            assert time.monotonic() < deadline, f"{left} payments, legs and messages are not settled"
            await follower.advance(timedelta(seconds=10))
            await asyncio.sleep(0.3)

    async def issuers_agree(self) -> None:
        """Issuers have kept the units of what was approved, every one of them, and of nothing else."""
        owed: dict[str, int] = {}
        for row in await self.estate.fetch(_POINTS_LEGS):
            approved = row["status"] == "approved"
            owed[row["network_ref"]] = row["units"] if approved else 0
            take = self.by_id[row["issuer_id"]].book.taken(row["network_ref"])
            assert (take is not None and take.state == "spent") == approved, (dict(row), take)
        kept = {take.ask.reference: take.units_kept for issuer in self.partners.all for take in issuer.book.takes}
        assert kept == {reference: units for reference, units in owed.items() if reference in kept}


@asynccontextmanager
async def a_counter(estate: Estate, cards: int) -> AsyncIterator[Counter]:
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
        await estate.accept(accepts_points=frozenset(by_id))
        faces = []
        for name in range(cards):
            card, face = await a_customer(estate)
            faces.append(face)
            for id_, partner in by_id.items():
                units = 0 if not name and partner is partners.corner_stamps else UNITS
                account = partners.account(partner, units, phone=f"+8210{name:04d}{len(faces):04d}")
                link = await points.links.begin(
                    card.member_id, id_, Secret(account.number), card_id=card.id
                )
                await points.links.prove(card.member_id, link.id, Secret(partners.code(account.phone)))
        await client.close()
        yield Counter(estate, partners, by_id, faces)


async def a_customer(estate: Estate) -> tuple[Card, CardFace]:
    """A registered card that its card company knows."""
    real = make_card(estate.rng, datetime.now(UTC), limit_minor=BOTTOMLESS)
    estate.card_company.book.add(real)
    details = card_details(
        number=real.number, exp_month=int(real.expiry[2:]), exp_year=2000 + int(real.expiry[:2])
    )
    member = await a_wallet_member(estate.house)
    card, _ = await a_registered_card(estate.house, member, details)
    return card, CardFace(real.number, face_expiry_of(card), _NO_CVV)


async def accept(estate: Estate, **changes: object) -> None:
    """Have the shop take registered cards, and what else is said."""
    await Ledger(estate.house.database).open_house([P0], KRW)
    change = MerchantChange(accepts=frozenset({"one_time", "registered"}), **changes)  # type: ignore[arg-type]
    estate.shop = await estate.house.merchants.change(estate.shop.id, change, BY_HAND)


def settings(estate: Estate, folder: Path) -> dict[str, object]:
    return estate.settings(folder, points_timeout_ms=300)


async def killed_again_and_again(tills: Tills, platform: PlatformProcess, rng: Random) -> int:
    """Kill the platform under load; returns how many payments were under way each time, in all."""
    half_done = 0
    for _ in range(KILLS):
        await tills.until_answered(rng.randrange(20, 80))
        platform.kill()
        half_done += (await tills.estate.fetch(_HALF_DONE))[0]["payments"]
        await platform.start()
    return half_done


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_p09_no_mixed_payment_keeps_one_leg_whatever_issuers_do_and_whenever_the_platform_is_killed(
    estate: Estate, tmp_path: Path
) -> None:
    rng = Random(9)
    async with (
        a_counter(estate, cards=6) as counter,
        running(tmp_path / "platform", settings(estate, tmp_path / "data")) as platform,
    ):
        await estate.card_company.set_fault(
            MessageKind.AUTHORIZATION, FaultRule(Fault.SLOW, delay_ms=30, chance=0.3)
        )
        tills = Tills(estate, platform, counter.purchases(rng))
        tills.start(TILLS)
        half_done = 0
        for _ in range(KILLS):
            await counter.misbehave(rng)
            await tills.until_answered(rng.randrange(20, 80))
            platform.kill()
            half_done += (await estate.fetch(_HALF_DONE))[0]["payments"]
            await platform.start()
        await tills.stop()
        await counter.drained()
    assert half_done > KILLS, "the kills met no payment under way"
    await counter.issuers_agree()
    await card_company_agrees(estate)
    await all_told_is_so(estate, tills.payments)
    assert {told.reason for payment in tills.payments for told in payment.told} >= {"00", "51"}


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_p10_a_code_scanned_at_64_tills_pays_once_whenever_the_platform_is_killed(
    estate: Estate, tmp_path: Path
) -> None:
    rng = Random(10)
    await accept(estate)
    codes = [code for _ in range(2) for code in await codes_of(estate)]
    scans = (scan(estate, code) for code in codes for _ in range(SCANNERS))
    async with running(tmp_path / "platform", settings(estate, tmp_path / "data")) as platform:
        tills = Tills(estate, platform, scans)
        tills.start(SCANNERS)
        for _ in range(KILLS):
            await tills.until_answered(rng.randrange(100, 400))
            platform.kill()
            await platform.start()
        await tills.stop()
        await drained(estate)
    paid: dict[str, list[str]] = {}
    for payment in tills.payments:
        for told in payment.told:
            assert told.reason in ("00", "14", "68")
