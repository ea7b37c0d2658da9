"""Selling and charging for tests: the rooms over an engine, and a bank that does what a bank does."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count

from msgspec.structs import replace
from tests.factories.engine import EngineWorld, an_engine_world
from tests.factories.stored_value import a_calendar, available
from tests.factories.treasury import OWN, a_sandbox_bank, korea
from tests.factories.wallet import House

from obverse.authorization import Engine
from obverse.cards import Card, CardKind
from obverse.charging import Automatic, CardsInHand, Charged, ChargeWish, Charging, Pausing, Refunding
from obverse.kit.ids import PartitionId, SourceId
from obverse.kit.money import KRW
from obverse.kit.secret import Secret
from obverse.ledger import Ledger
from obverse.members import Member
from obverse.networks.bank import BankApi, BankCollections, read_document
from obverse.sales import How, Means, Sales, SalesAtBank
from obverse.sales.ports import Collector
from obverse.sandbox.bank import Bank
from obverse.sandbox.bank.model import BankAccount as SandboxAccount
from obverse.sandbox.bank.model import Order
from obverse.treasury import BankAccount, Treasury
from obverse.treasury.ports import Bank as TreasuryBank
from obverse.wallet import BankAccounts, LinkedAccount

TRANSFER = How(Means.BANK_TRANSFER)
PAYER = BankAccount("004", Secret("333444555666"), "A payer")
_keys = count(1)


@dataclass(frozen=True)
class Selling:
    """The rooms around paying for stored value."""

    sales: Sales
    at_bank: SalesAtBank
    accounts: BankAccounts
    charging: Charging
    automatic: Automatic
    refunding: Refunding
    in_hand: CardsInHand


def selling_rooms(
    house: House, engine: Engine, treasury: Treasury, collector: Collector | None = None
) -> Selling:
    """The rooms; `sales.start` opens their merchant."""
    database, clock, new_id = house.database, house.clock, house.new_id
    sales = Sales(
        database,
        engine,
        house.cards,
        house.wallet,
        treasury,
        house.vault,
        clock=clock,
        new_id=new_id,
        random_bytes=house.random_bytes,
    )
    accounts = BankAccounts(
        database,
        house.members,
        treasury,
        house.vault,
        clock=clock,
        new_id=new_id,
        random_bytes=house.random_bytes,
        currency=KRW,
    )
    pausing = Pausing(house.members, house.letters, clock=clock, new_id=new_id)
    charging = Charging(
        database,
        sales,
        house.balances,
        a_calendar(),
        pausing,
        house.vault,
        clock=clock,
        new_id=new_id,
        own_account=OWN,
    )
    return Selling(
        sales,
        SalesAtBank(database, treasury, accounts, house.vault, collector, clock=clock, new_id=new_id),
        accounts,
        charging,
        Automatic(database, charging, pausing, clock=clock, new_id=new_id),
        Refunding(database, house.balances, treasury, house.vault, clock=clock, new_id=new_id),
        CardsInHand(engine, house.cards, sales.house, KRW, new_id),
    )


def treasury_over(house: House, bank: TreasuryBank) -> Treasury:
    return Treasury(
        house.database,
        house.vault,
        bank,
        read_document,
        clock=house.clock,
        new_id=house.new_id,
        calendar=korea(),
        own=OWN,
        currency=KRW,
    )


@dataclass
class Shop:
    """Everything that stored value is paid with: an engine with its card company, and a bank."""

    world: EngineWorld
    rooms: Selling
    treasury: Treasury
    bank: Bank
    _paid: int = field(default=0)

    @property
    def house(self) -> House:
        return self.world.house

    async def charge(
        self, card: Card, how: How, amount: int = 10_000, *, member: Member | None = None, key: str = ""
    ) -> Charged:
        """Charge this card, under a key of its own unless one is given."""
        wish = ChargeWish(amount, how, member.id if member is not None else None)
        return await self.rooms.charging.charge(card, wish, key=key or f"test:{next(_keys)}")

    async def come_in(self, amount: int, text: str) -> None:
        """Somebody pays this to our account, and the platform reads of it."""
        self.bank.book.open(SandboxAccount(PAYER.bank_code, PAYER.number.reveal(), PAYER.holder, 10**9))
        self.bank.book.pay(
            Order(PAYER.number.reveal(), OWN.bank_code, OWN.number.reveal(), OWN.holder, amount, "KRW", text)
        )
        await self.chores()

    async def chores(self) -> None:
        """What the background does about the bank and charges, once each."""
        await self.rooms.at_bank.collect()
        await self.treasury.send()
        await self.treasury.read_statements()
        await self.rooms.at_bank.take_receipts()
        await self.rooms.charging.follow()
        await self.rooms.sales.refund()

    async def linked_account(
        self, member: Member, number: str = "555666777888", balance: int = 1_000_000
    ) -> LinkedAccount:
        """A proved bank account of this member's, with so much on it."""
        account = BankAccount("004", Secret(number), "A member")
        self.bank.book.open(SandboxAccount("004", number, "A member", balance))
        linked = await self.rooms.accounts.link(member.id, account)
        await self.treasury.send()
        return await self.rooms.accounts.prove(member.id, linked.id, Secret(self.code_on(number)))

    def code_on(self, number: str) -> str:
        """The code on an account's statement, as its holder reads it."""
        entries = self.bank.book.entries(number, self.bank.book.today())
        return entries[-1].text.removeprefix("Obverse code ")

    def at_bank(self, number: str) -> int:
        """What is on an account at the bank."""
        account = self.bank.book.account(number)
        return account.balance_minor if account is not None else 0

    async def left(self, card: Card) -> int:
        return await available(self.house, card)

    async def lots(self, card: Card) -> dict[str, int]:
        """What the card holds, by how it came to be there."""
        async with self.house.database.connection() as conn:
            found = (await self.house.balances.of(conn, [card.funding[0]]))[card.funding[0]]
        kinds: dict[str, int] = {}
        for lot in found:
            kinds[lot.lot.kind] = kinds.get(lot.lot.kind, 0) + lot.available_minor
        return kinds

    async def books(self) -> dict[str, int]:
        """Credits less debits per kind of account; what is zero is left out."""
        net: dict[str, int] = {}
        for line in await Ledger(self.house.database).trial_balance():
            net[line.kind] = net.get(line.kind, 0) + line.credits_posted_minor - line.debits_posted_minor
        return {kind: minor for kind, minor in net.items() if minor}

    async def news(self, like: str) -> list[str]:
        """The types of events of this kind, oldest first."""
        async with self.house.database.connection() as conn:
            rows = await conn.fetch("select type from events where type like $1 order by id", like)
        return [row["type"] for row in rows]


def by_source(source_id: SourceId, means: Means = Means.CARD) -> How:
    return How(means, source_id)


@asynccontextmanager
async def open_shop(house: House, *, bank_timeout_seconds: float = 5.0) -> AsyncIterator[Shop]:
    """The rooms over a sandbox bank on a port; the books are checked at the end (P2, P4)."""
    world = await an_engine_world(house)
    world.shop = replace(world.shop, accepts=frozenset(kind.value for kind in CardKind))
    partitions = [PartitionId(0)]
    await Ledger(house.database).open_house(partitions, KRW)
    bank = a_sandbox_bank(house.clock)
    await bank.start("127.0.0.1")
    url = f"http://127.0.0.1:{bank.port}"
    api = BankApi(url, OWN, timeout_seconds=bank_timeout_seconds)
    collector = BankCollections(url, OWN, timeout_seconds=bank_timeout_seconds)
    treasury = treasury_over(house, api)
    rooms = selling_rooms(house, world.engine, treasury, collector)
    await rooms.sales.start(partitions, KRW)
    yield Shop(world, rooms, treasury, bank)
    await world.engine.stop()
    await world.books_are_right()
    await api.close()
    await collector.close()
    await bank.stop()
