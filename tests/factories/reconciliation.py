"""Reconciliation for tests: its room, what is open in it, and a programme with all that moves money."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from uuid import UUID

from tests.factories.draws import a_treasury, an_account, draws_room
from tests.factories.engine import EngineWorld, an_engine_world
from tests.factories.merchants import BY_HAND, a_bank_account
from tests.factories.presentments import FakeExchange, presentments_room
from tests.factories.settlement import MoodyBank, put_clock, settlement_rooms
from tests.factories.treasury import a_statement, an_entry, korea
from tests.factories.wallet import House

from obverse.authorization import Authorization
from obverse.authorization.networks import PointsNetwork
from obverse.cards import Controls
from obverse.clearing.presentments import Presentments
from obverse.clearing.presentments.jobs import Exchange
from obverse.draws import Drawn, Draws, Wish
from obverse.kit.ids import PartitionId
from obverse.kit.money import KRW
from obverse.kit.paging import PageRequest
from obverse.ledger import Ledger
from obverse.merchants import FeePlan, MerchantChange, Rhythm
from obverse.reconciliation import Break, BreakState, Reconciliation, Run
from obverse.settlement import Settlements
from obverse.treasury import Desk, Direction, Receipt, Treasury

SEOUL = korea()
OPERATOR = "key_operator"
_numbers = count(1)


def a_reconciliation(house: House) -> Reconciliation:
    return Reconciliation(
        house.database, clock=house.clock, new_id=house.new_id, calendar=SEOUL, currency=KRW
    )


async def open_breaks(books: Reconciliation) -> list[Break]:
    return list((await books.list(PageRequest(limit=100), BreakState.OPEN)).items)


async def open_kinds(books: Reconciliation) -> Counter[str]:
    return Counter(each.finding.kind.value for each in await open_breaks(books))


async def resolve_all(books: Reconciliation, reason: str = "agreed on the telephone") -> list[Break]:
    return [await books.resolve(each.id, reason, OPERATOR) for each in await open_breaks(books)]


@dataclass
class Programme:
    """Everything between a payment and the bank, and the room that compares it all."""

    world: EngineWorld
    bank: MoodyBank
    treasury: Treasury
    desk: Desk
    settlements: Settlements
    presentments: Presentments
    exchange: Exchange
    card_company: FakeExchange
    draws: Draws
    books: Reconciliation
    balance_minor: int = 0

    @property
    def house(self) -> House:
        return self.world.house

    async def fits(self) -> Run:
        """Compare; nothing may differ that did not before."""
        run = await self.books.run()
        assert [each.finding for each in await open_breaks(self.books)] == []
        return run

    async def bend(self, statement: str) -> None:
        """Change a table behind everybody's back."""
        async with self.house.database.transaction() as conn:
            await conn.execute(statement)

    async def fetch(self, query: str) -> list[tuple[object, ...]]:
        async with self.house.database.connection() as conn:
            return [tuple(row) for row in await conn.fetch(query)]

    def be_at(self, year: int, month: int, day: int, hour: int = 12) -> None:
        """Let it be this local time."""
        put_clock(self.house.clock, datetime(year, month, day, hour, tzinfo=SEOUL.zone))

    # payments ----------------------------------------------------------------------------------------------

    async def pay(self, amount_minor: int = 10_000, *, off_us: bool = True) -> Authorization:
        """A payment with a fresh card, captured."""
        _, face = await (self.world.off_us_card() if off_us else self.world.card())
        paid = await self.world.engine.authorize(self.world.request(face, amount_minor))
        return await self.world.engine.capture(paid.id)

    async def busy_hour(self) -> None:
        """Everything that may happen to payments, on both kinds of sources."""
        engine = self.world.engine
        for off_us in (False, True):
            whole, undone, lost, won = [(await self.pay(off_us=off_us)).id for _ in range(4)]
            await engine.refund(whole, 2_500)
            await engine.cancel(undone)
            for id_, merchant_pays in ((lost, True), (won, False)):
                await engine.open_dispute(id_, 3_000, key=f"open {id_}")
                await engine.close_dispute(id_, 3_000, key=f"close {id_}", merchant_pays=merchant_pays)
            _, face = await (self.world.off_us_card() if off_us else self.world.card())
            part = await engine.authorize(self.world.request(face, 10_000))
            await engine.capture(part.id, 4_000, final=True)

    async def draw(self, amount_minor: int = 20_000) -> Drawn:
        """A handed-over card is drawn."""
        card, _ = await self.world.card(Controls(amount_limit_minor=amount_minor))
        _, token = await self.house.cards.hand_over(card.id)
        held, _ = await self.house.cards.claim(token)
        return await self.draws.draw(held, Wish(an_account(), None), key=f"draw {next(_numbers)}")

    # partners ----------------------------------------------------------------------------------------------

    async def present(self) -> str:
        """What waits goes to the card company, and its answer comes back: the file's reference."""
        (file,) = await self.presentments.present_now()
        await self.exchange.exchange()
        return (await self.presentments.get_file(file.id)).reference

    async def statement(
        self, direction: Direction, amount_minor: int, *, text: str = "", e2e: UUID | None = None
    ) -> None:
        """The bank has booked one more entry, and its statement of today says so."""
        coming_in = direction is Direction.CREDIT
        before = self.balance_minor
        self.balance_minor += amount_minor if coming_in else -amount_minor
        number, today = next(_numbers), SEOUL.local_date(self.house.clock.now()).isoformat()
        entry = an_entry(
            str(amount_minor),
            direction="CRDT" if coming_in else "DBIT",
            ref=f"entry {number}",
            e2e=e2e.hex if e2e is not None else None,
            text=text,
            day=today,
        )
        balances = {"opening": str(before), "closing": str(self.balance_minor)}
        await self.treasury.import_statement(a_statement(entry, id_=f"{number:08d}", day=today, **balances))

    async def newest_receipt(self) -> Receipt:
        return (await self.desk.receipts(PageRequest(1))).items[0]


async def a_programme(house: House, partitions: int, points: PointsNetwork | None = None) -> Programme:
    """A programme whose shop has a fee and is paid daily, with its house accounts open."""
    world = await an_engine_world(house, partitions=partitions, points=points)
    ids = [PartitionId(number) for number in range(partitions)]
    await Ledger(house.database).open_house(ids, KRW)
    fee = MerchantChange(fee_plan=FeePlan(basis_points=250))
    await house.merchants.change(world.shop.id, fee, BY_HAND)
    await house.merchants.set_payout(world.shop.id, Rhythm.DAILY, a_bank_account(), BY_HAND)
    bank = MoodyBank()
    treasury = a_treasury(house, bank)
    presentments, card_company = presentments_room(house), FakeExchange()
    draws = draws_room(house, world.engine, treasury)
    await draws.start(ids, KRW)
    return Programme(
        world=world,
        bank=bank,
        treasury=treasury,
        desk=Desk(house.database, house.vault, treasury, clock=house.clock, new_id=house.new_id),
        settlements=settlement_rooms(house, treasury)[0],
        presentments=presentments,
        exchange=Exchange(
            house.database, presentments, card_company, treasury, clock=house.clock, new_id=house.new_id
        ),
        card_company=card_company,
        draws=draws,
        books=a_reconciliation(house),
    )
