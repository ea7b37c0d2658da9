"""The chain to the card company over real sockets: engine, clearing files, the sandbox's issuer and bank."""

import asyncio
import time as machine
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random

from tests.factories.cards import a_one_time_card
from tests.factories.engine import makers_of
from tests.factories.ledger import P0
from tests.factories.members import an_application
from tests.factories.merchants import a_merchant
from tests.factories.presentments import SEOUL, presentments_room
from tests.factories.treasury import OWN
from tests.factories.wallet import BIN, House, card_details

from obverse.authorization import Authorization, AuthorizationRequest, Engine, EngineSettings, Entry
from obverse.authorization.jobs import NotAcknowledged, Reversals
from obverse.clearing.presentments import PaymentState, PresentmentFile, Presentments
from obverse.clearing.presentments.jobs import Exchange
from obverse.kit.ids import MemberId, VaultCardId
from obverse.kit.money import KRW, Money
from obverse.ledger import AccountKind, Ledger
from obverse.merchants import Merchant
from obverse.networks.bank import BankApi, read_document
from obverse.networks.card_company import (
    CardCompanyClient,
    CardCompanyFileExchange,
    ClientSettings,
    FileFormat,
    Identity,
)
from obverse.sandbox.bank import Bank, BankAccount, BankBook
from obverse.sandbox.card_company import (
    BankLine,
    Book,
    CardCompany,
    Clearing,
    FileExchange,
    RealCard,
    pay_through,
)
from obverse.sandbox.card_company.cards import make_card
from obverse.sandbox.faults import FaultMenu
from obverse.sandbox.trace import Trace
from obverse.treasury import Treasury
from obverse.vault import OpenedCard

HOST = "127.0.0.1"
COMPANYS_ACCOUNT = "200100200300"


@dataclass
class Chain:
    """One platform's end and the partners' end of everything between approval and payment."""

    house: House
    engine: Engine
    presentments: Presentments
    exchange: Exchange
    files: CardCompanyFileExchange
    treasury: Treasury
    reversals: Reversals
    book: Book
    faults: FaultMenu
    bank: Bank
    shop: Merchant
    owners: dict[str, MemberId] = field(default_factory=dict)

    async def a_real_card(self) -> RealCard:
        """A member's real card, known to its card company."""
        card = make_card(Random(self.house.new_id().int), self.house.clock.now())
        self.book.add(card)
        details = card_details(
            number=card.number, exp_month=int(card.expiry[2:]), exp_year=2000 + int(card.expiry[:2])
        )
        member, _ = await self.house.wallet.register(an_application(), details, credit=False)
        self.owners[card.billing_account] = member.id
        return card

    async def pay(self, real: RealCard, amount_minor: int) -> Authorization:
        """A payment with a fresh one-time number on this real card, approved by its card company."""
        _, face = await a_one_time_card(self.house, self.owners[real.billing_account])
        return await self.engine.authorize(
            AuthorizationRequest(
                request_key=f"test:{self.house.new_id()}",
                number=face.number,
                expiry=face.expiry,
                cvv=face.cvv,
                amount=Money(amount_minor, KRW),
                merchant=self.shop,
                terminal="TERM0001",
                entry=Entry.ONLINE,
            )
        )

    async def present(self) -> PresentmentFile:
        """One file of what waits, made now, exchanged as far as it gets."""
        (file,) = await self.presentments.present_now()
        await self.exchange.exchange()
        return await self.presentments.get_file(file.id)

    async def settle(self, file: PresentmentFile, payment: PaymentState) -> PresentmentFile:
        """Read the bank's statements until the money for a file stands like this."""

        async def stands() -> bool:
            await self.treasury.read_statements()
            await self.exchange.place_receipts()
            return (await self.presentments.get_file(file.id)).payment is payment

        deadline = machine.monotonic() + 20
        while not await stands():
            assert machine.monotonic() < deadline, (await self.presentments.get_file(file.id)).payment
            await asyncio.sleep(0.02)
        return await self.presentments.get_file(file.id)

    async def later(self) -> None:
        """Some time passes, and the exchange is tried again."""
        self.house.clock.move_to(self.house.clock.offset + timedelta(minutes=5))
        await self.exchange.exchange()

    async def run_reversals(self) -> None:
        """Every queued reversal, until the card company has acknowledged each."""
        async with self.house.database.connection() as conn:
            rows = await conn.fetch("select payload from pgqueuer where entrypoint = 'reverse_leg'")
        for row in rows:
            try:
                await self.reversals.reverse_leg(row["payload"])
            except NotAcknowledged as error:
                raise AssertionError("the card company does not acknowledge") from error

    async def balance(self, kind: AccountKind) -> int:
        """Debits less credits of a kind of account, what is pending included."""
        lines = [line for line in await Ledger(self.house.database).trial_balance() if line.kind == kind]
        debits = sum(line.debits_posted_minor + line.debits_pending_minor for line in lines)
        return debits - sum(line.credits_posted_minor + line.credits_pending_minor for line in lines)


@asynccontextmanager
async def a_chain(house: House, random_bytes: Callable[[int], bytes]) -> AsyncIterator[Chain]:
    """Everything started, on free ports; stopped in the opposite order, the books proved at the end."""
    async with AsyncExitStack() as stack:
        book, faults, bank, ports = await _partners(house, stack)

        async def open_cards(ids: Sequence[VaultCardId]) -> Mapping[VaultCardId, OpenedCard]:
            async with house.database.connection() as conn:
                return await house.vault.open_cards(conn, ids)

        client = CardCompanyClient(
            ClientSettings(HOST, ports["card_company"], timeout_s=5),
            open_cards,
            now=house.clock.now,
            random_bytes=random_bytes,
        )
        await client.start()
        stack.push_async_callback(client.stop)
        while not client.health.connected:  # noqa: ASYNC110 - it connects in the background
            await asyncio.sleep(0.01)
        makers = makers_of(house, client.new_reference)
        engine = Engine(house.database, house.vault, client, house.clock, makers, EngineSettings(bin=BIN))
        await engine.start()
        stack.push_async_callback(engine.stop)
        await Ledger(house.database).open_house([P0], KRW)
        files = CardCompanyFileExchange(
            f"http://{HOST}:{ports['files']}",
            open_cards,
            FileFormat(SEOUL.zone, live=False, identity=Identity()),
            timeout_s=2,
        )
        stack.push_async_callback(files.close)
        bank_api = BankApi(f"http://{HOST}:{ports['bank']}", OWN)
        stack.push_async_callback(bank_api.close)
        treasury = Treasury(
            house.database,
            house.vault,
            bank_api,
            read_document,
            clock=house.clock,
            new_id=house.new_id,
            calendar=SEOUL,
            own=OWN,
            currency=KRW,
        )
        presentments = presentments_room(house)
        exchange = Exchange(
            house.database, presentments, files, treasury, clock=house.clock, new_id=house.new_id
        )
        yield Chain(
            house=house,
            engine=engine,
            presentments=presentments,
            exchange=exchange,
            files=files,
            treasury=treasury,
            reversals=Reversals(house.database, engine, client),
            book=book,
            faults=faults,
            bank=bank,
            shop=await a_merchant(house.merchants),
        )
        assert await Ledger(house.database).check() == []


async def _partners(house: House, stack: AsyncExitStack) -> tuple[Book, FaultMenu, Bank, Mapping[str, int]]:
    faults, trace = FaultMenu(Random(3)), Trace(house.clock)
    book = Book([], house.clock, Random(2))
    company = CardCompany(book, faults, trace)
    provider = BankAccount(OWN.bank_code, OWN.number.reveal(), OWN.holder, may_overdraw=True)
    bank_book = BankBook(provider, "KRW", "Asia/Seoul", house.clock, Random(4))
    bank_book.open(BankAccount(OWN.bank_code, COMPANYS_ACCOUNT, "Card company", may_overdraw=True))
    bank = Bank(bank_book, faults, trace, house.clock)
    line = BankLine(COMPANYS_ACCOUNT, OWN.bank_code, OWN.number.reveal(), OWN.holder, "KRW")
    pay = pay_through(lambda: f"http://{HOST}:{bank.port}", line)
    exchange = FileExchange(Clearing(book, faults, trace, pay, company.name), faults)
    for partner in (company, bank, exchange):
        await partner.start(HOST)
        stack.push_async_callback(partner.stop)
    return book, faults, bank, {"card_company": company.port, "bank": bank.port, "files": exchange.port}
