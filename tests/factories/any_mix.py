"""One card with a balance in lots, points of two issuers and a linked card behind it, and a model of it.

The engine and the courier run over a real database, as processes that come and go; everybody outside keeps a
book of their own (`far_ends`), and a plain wallet says what has to come of it (`plain_wallet`).
"""

import asyncio
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

from tests.factories.books import nothing_is_held_for_what_was_undone
from tests.factories.engine import an_engine
from tests.factories.far_ends import Asked, BookedCardCompany, BookIssuer, BookIssuers, Told
from tests.factories.ledger import P0
from tests.factories.merchants import BY_HAND, a_merchant
from tests.factories.plain_wallet import PlainLot, PlainPick, PlainWallet, Purse, Share
from tests.factories.points import points_house
from tests.factories.points_accounts import QUOTE_LIFETIME
from tests.factories.stored_value import a_prepaid_card, fund
from tests.factories.wallet import a_member_with_linked_card, build_house

from obverse.authorization import Authorization, AuthorizationRequest, Engine, Entry, Status
from obverse.authorization.jobs import NotAcknowledged, Reversals
from obverse.authorization.model import Leg, LegStatus, Tender
from obverse.cards import Card, CardFace
from obverse.kit.clock import Clock
from obverse.kit.database import Database
from obverse.kit.ids import AuthorizationId, PointsIssuerId, SourceId, uuid7_source
from obverse.kit.money import KRW, Money
from obverse.ledger import Ledger
from obverse.members import Member
from obverse.merchants import Merchant
from obverse.merchants.model import MerchantChange
from obverse.points import Courier, Quotes, Rate
from obverse.points.quotes import Shown
from obverse.wallet import LotKind

MILES, STAMPS = "miles", "stamps"
POINTS = (MILES, STAMPS)
NAMES = ("own", *POINTS, "card")
UNITS = {MILES: 30_000, STAMPS: 700}
UNITS_MAX = {MILES: None, STAMPS: 500}
# What is in a clearing file, or will be, is settled by what follows there: nobody takes the hold back.
_COMPANY_HOLDS = """
select network_ref, amount_minor from legs as l where kind = 'linked_card' and (
    status = 'approved' or exists (select from actions as a where a.authorization_id = l.authorization_id
        and a.kind = 'capture' and a.to_present and a.parts[l.position + 1] > 0))
"""
_UNFINISHED = """
select (select count(*) from authorizations where status = 'processing')
    + (select count(*) from legs where status in ('held', 'sent', 'unknown', 'reversing'))
    + (select count(*) from points_messages where done_at is null)
"""
_NOTHING_THERE = frozenset({LegStatus.DECLINED, LegStatus.REVERSED})


@dataclass(eq=False)
class Payment:
    """A payment somebody wants, who should pay it, and whether they did."""

    request: AuthorizationRequest
    shares: Sequence[Share]
    """Empty where nobody has paid in the end."""
    id: AuthorizationId
    status: Status
    steps: int = 0

    def sum(self, what: str) -> int:
        return sum(getattr(share, what) for share in self.shares)


@dataclass
class Life:
    """One member with everything behind one card, and what was done with it."""

    member: Member
    card: Card
    face: CardFace
    wallet: PlainWallet
    sources: dict[str, SourceId]
    issuers: dict[str, PointsIssuerId]
    books: dict[str, BookIssuer]
    rates: dict[str, Rate] = field(default_factory=dict)
    payments: list[Payment] = field(default_factory=list)
    quote: Shown | None = None

    def holds(self, quote: Shown, now: datetime) -> bool:
        """Whether a quote is good: in time, and for a card that has points still."""
        has_points = any(name in self.wallet.order for name in POINTS)
        return has_points and quote.expires_at is not None and now < quote.expires_at

    def purses(self, quote: Shown | None) -> dict[str, Purse]:
        shown = {line.source_id: line for line in quote.lines if line.units is not None} if quote else {}
        purses = {}
        for name in POINTS:
            book, source = self.books[name], self.sources[name]
            told = book.units[source] if book.asked is Asked.ANSWERS else 0
            purses[name] = Purse(self.rates[name], UNITS_MAX[name], told)
            if (line := shown.get(source)) is not None and line.rate is not None:
                purses[name] = Purse(line.rate, UNITS_MAX[name], told, line.units)
        return purses

    def tender(self, pick: PlainPick, quote: Shown | None, *, by_number: bool) -> Tender:
        source = self.sources[pick.name]
        in_order = [name for name in self.wallet.order if name in POINTS]
        numbers = {self.sources[name]: number for number, name in enumerate(in_order, 1)}
        if quote is not None:
            numbers = {line.source_id: line.number for line in quote.lines if line.units is not None}
        if by_number and source in numbers:
            return Tender(pick.amount, number=numbers[source])
        return Tender(pick.amount, source_id=source)


class World:
    """Engines over one database, and everybody outside; engines and lives come and go."""

    def __init__(self, database: Database, folder: Path) -> None:
        clock = Clock()
        new_id = uuid7_source(clock.now_ms, os.urandom)
        self.house = build_house(database, folder / "keys.json", clock, new_id, os.urandom)
        self.company = BookedCardCompany(_references=count(1).__next__)
        self.issuers = BookIssuers()
        self.points = points_house(self.house, network=self.issuers)
        self.quotes = Quotes(
            database, self.issuers, clock=clock, random_bytes=os.urandom, lifetime=QUOTE_LIFETIME
        )
        self.engines: list[Engine] = []
        self.shop: Merchant

    async def open(self) -> None:
        await Ledger(self.house.database).open_house([P0], KRW)
        self.shop = await a_merchant(self.house.merchants)

    @property
    def now(self) -> datetime:
        return self.house.clock.now()

    def time_passes(self, by: timedelta) -> None:
        self.house.clock.move_to(self.house.clock.offset + by)

    async def begin(self, rates: dict[str, Rate]) -> Life:
        """A card with two lots, two points accounts and a linked card behind it; two engines."""
        house = self.house
        house.clock.move_to(timedelta())  # every life begins today, so that each can be lived again
        member, linked = await a_member_with_linked_card(house)
        ends = self.now + timedelta(days=700)
        card, face, _ = await a_prepaid_card(house, member=member, balance_minor=0, expires_at=ends)
        for amount, days in ((3_000, 20), (9_000, 400)):
            await fund(house, card, amount, kind=LotKind.BOUGHT, expires_at=self.now + timedelta(days=days))
        self.issuers.by_id.clear()
        sources, issuers, books = {"own": card.funding[0], "card": linked.id}, {}, {}
        for name in POINTS:
            issuer = await self.points.issuer(two_phase=name == MILES, units_max=UNITS_MAX[name])
            account = await self.points.account(member.id, issuer, card.id)
            sources[name], issuers[name] = account.id, issuer.id
            books[name] = BookIssuer(name == MILES, {account.id: UNITS[name]})
            self.issuers.by_id[issuer.id] = books[name]
        change = MerchantChange(accepts=frozenset({"prepaid"}), accepts_points=frozenset(issuers.values()))
        self.shop = await house.merchants.change(self.shop.id, change, BY_HAND)
        lots = [PlainLot(lot_id, lot_ends, free) for lot_id, lot_ends, free, _ in await self.lots_of(card)]
        life = Life(member, card, face, PlainWallet(NAMES, lots), sources, issuers, books)
        for name, rate in rates.items():
            await self.set_rate(life, name, rate)
        await self.set_order(life, NAMES)
        for _ in range(2):
            await self.add_engine()
        return life

    async def set_rate(self, life: Life, name: str, rate: Rate) -> None:
        await self.points.rates.set(life.issuers[name], None, rate, BY_HAND)
        life.rates[name] = rate

    async def set_order(self, life: Life, order: Sequence[str]) -> None:
        wanted = [life.sources[name] for name in order]
        life.card = await self.house.card_funding.set_order(life.card.id, life.member.id, wanted)
        life.wallet.order = order

    async def lots_of(self, card: Card) -> list[tuple[Any, datetime, int, int]]:
        async with self.house.database.connection() as conn:
            lots = (await self.house.balances.of(conn, [_own(card)]))[_own(card)]
        return [(b.lot.account_id, b.lot.expires_at, b.available_minor, b.held_minor) for b in lots]

    def request(
        self,
        life: Life,
        amount_minor: int,
        picks: Sequence[tuple[PlainPick, bool]],
        *,
        quote: Shown | None,
        partial: bool,
        capture: bool,
    ) -> AuthorizationRequest:
        """A swipe; each pick names its source, or (True) the number that it was shown under."""
        return AuthorizationRequest(
            request_key=f"till:{self.house.new_id()}",
            number=life.face.number,
            expiry=life.face.expiry,
            cvv=None,
            amount=Money(amount_minor, KRW),
            merchant=self.shop,
            terminal="TERM0001",
            entry=Entry.SWIPE,
            capture=capture,
            partial=partial,
            tender=tuple(life.tender(pick, quote, by_number=by_number) for pick, by_number in picks),
            quote=None if quote is None else quote.reference,
        )

    # processes ---------------------------------------------------------------------------------------------

    async def add_engine(self) -> None:
        engine = an_engine(self.house, self.company, points=self.issuers)
        await engine.start()
        self.engines.append(engine)

    async def crash(self, engine: Engine) -> None:
        """What this process was doing ends where it is; nothing is tidied up. Then its deadlines pass."""
        self.engines.remove(engine)
        tasks = [*engine._in_flight.values(), *engine._later, *engine._workers]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.time_passes(timedelta(seconds=10))

    async def crash_after(self, turns: int, step: Callable[[Engine], Any]) -> None:
        """Let a process begin something, and die so many turns of the loop later."""
        dying = self.engines[0]
        task = asyncio.create_task(step(dying))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await self.crash(dying)
        await self.add_engine()

    async def courier_goes_round(self) -> bool:
        """What one courier does at one go; whether there was anything to tell."""
        courier = self._courier()
        found = await courier._go_round()
        await asyncio.gather(*courier._telling.values())
        return found

    def _courier(self) -> Courier:
        house = self.house
        return Courier(
            house.database, self.issuers, self.engines[0].legs_cancelled,
            clock=house.clock, new_id=house.new_id, news=asyncio.Event(),
        )  # fmt: skip

    async def courier_dies_after(self, turns: int) -> None:
        """A courier takes messages in hand, and dies so many turns of the loop later."""
        courier = self._courier()
        going = asyncio.create_task(courier._go_round())
        for _ in range(turns):
            await asyncio.sleep(0)
        tasks = [going, *courier._telling.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def recover(self) -> None:
        while await self.engines[0].recover():
            continue

    async def end_what_is_over(self) -> None:
        """Release holds that nobody has captured, then take what was not spent in time."""
        while await self.engines[0].expire():
            continue
        await self.house.balances.expire()

    async def run_jobs(self) -> None:
        """What recovery and the job queue do in the background, once."""
        await self.recover()
        reversals = Reversals(self.house.database, self.engines[0], self.company)
        async with self.house.database.connection() as conn:
            rows = await conn.fetch("select payload from pgqueuer where entrypoint = 'reverse_leg'")
        for row in rows:
            try:
                await reversals.reverse_leg(row["payload"])
            except NotAcknowledged:
                assert not self.company.acknowledges

    async def drain(self, life: Life) -> None:
        """Everybody outside behaves from now on, and hears what they have to."""
        self.company.acknowledges = True
        for book in life.books.values():
            book.told = Told.HEARS
        for _ in range(20):
            self.time_passes(timedelta(minutes=1))
            await self.run_jobs()
            if not await self.courier_goes_round():
                async with self.house.database.connection() as conn:
                    await conn.execute("delete from pgqueuer")  # all of it is done
                return
        raise AssertionError("issuers are still not told")


def _own(card: Card) -> SourceId:
    assert card.own_source is not None
    return card.own_source


# what is right ---------------------------------------------------------------------------------------------


async def all_books_agree(world: World, life: Life) -> None:
    """After a drain: everybody's books, to the unit and to the won."""
    stored = {id_: (free, held) for id_, _, free, held in await world.lots_of(life.card) if free or held}
    lots = life.wallet.lots
    assert stored == {lot.id: (lot.available, lot.held) for lot in lots if lot.available or lot.held}
    kept: dict[str, tuple[str, int]] = {}
    for payment in life.payments:
        kept |= _kept_of(payment, await world.engines[0].get(payment.id))
    for name, book in life.books.items():
        of_book = {ref: units for ref, (whose, units) in kept.items() if whose == name and units}
        assert {ref: taken.kept for ref, taken in book.taken.items() if taken.kept} == of_book
        assert book.units == {life.sources[name]: UNITS[name] - sum(of_book.values())}
        confirmed = [book.taken[ref].confirmed for ref in of_book]
        assert all(confirmed) if book.two_phase else not any(confirmed)
    async with world.house.database.connection() as conn:
        assert await conn.fetchval(_UNFINISHED) == 0
        held = await conn.fetch(_COMPANY_HOLDS)
    expected = {leg["network_ref"]: leg["amount_minor"] for leg in held}
    assert world.company.held == expected, f"{world.company.held} is not {expected}"
    await nothing_is_held_for_what_was_undone(world.house.database)
    assert await Ledger(world.house.database).check() == []


def _kept_of(payment: Payment, now: Authorization) -> dict[str, tuple[str, int]]:
    """What each issuer has to keep of a payment, by the leg's name; its legs have to be as they should."""
    assert now.status is payment.status, f"{now.status} is not {payment.status}"
    if not payment.shares:
        undone = [leg for leg in now.legs if leg.refunded_minor < leg.captured_minor]
        assert not undone, "what was undone is given back"
        assert all(leg.status in _NOTHING_THERE for leg in now.legs), "a payment is never one-legged"
        return {}
    told, expected = [_told(leg) for leg in now.legs], [_expected(share) for share in payment.shares]
    assert told == expected, f"{told} is not {expected}"
    return {
        leg.network_ref: (share.name, share.units - share.units_back)
        for leg, share in zip(now.legs, payment.shares, strict=True)
        if leg.network_ref is not None and share.units is not None
    }


def _told(leg: Leg) -> tuple[Any, ...]:
    counted = (leg.captured_minor, leg.released_minor, leg.refunded_minor, leg.disputed_minor)
    return leg.amount_minor, leg.units, leg.rate and str(leg.rate), *counted, leg.units_back


def _expected(share: Share) -> tuple[Any, ...]:
    counted = (share.captured, share.released, share.refunded, share.disputed)
    return share.amount, share.units, share.rate and str(share.rate), *counted, share.units_back
