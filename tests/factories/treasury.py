"""The treasury for tests: its room over a real or a scripted bank, orders, statements."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, time
from random import Random
from uuid import UUID, uuid4
from xml.sax.saxutils import escape

from tests.factories.ledger import P0, an_account
from tests.factories.wallet import House

from obverse.kit.calendar import Calendar
from obverse.kit.clock import Clock
from obverse.kit.database import Database
from obverse.kit.ids import BankTransferId, PartitionId
from obverse.kit.money import KRW, Money
from obverse.kit.secret import Secret
from obverse.ledger import Account, AccountKind, Ledger
from obverse.ledger.rules import house_account
from obverse.networks.bank import read_document
from obverse.sandbox.bank import Bank as SandboxBank
from obverse.sandbox.bank import BankAccount as SandboxAccount
from obverse.sandbox.bank import BankBook
from obverse.sandbox.faults import FaultMenu
from obverse.sandbox.trace import Trace
from obverse.treasury import BankAccount, Desk, TransferOrder, Treasury
from obverse.treasury.ports import Answer, Asked, Bank, Batch, StatementFile, Verdict

OWN = BankAccount("090", Secret("100200300400"), "Obverse")
DAY = date(2026, 11, 20)


def korea(cut_off: time = time()) -> Calendar:
    return Calendar("Asia/Seoul", cut_off, "KR")


def a_bank_account(
    number: str = "110222333444", holder: str = "Hanbit Mall", code: str = "004"
) -> BankAccount:
    return BankAccount(code, Secret(number), holder)


@dataclass
class ScriptedBank:
    """Answers as it is told, and remembers what it was given and asked."""

    answers: Callable[[UUID], Answer] = lambda _: Answer(Verdict.DONE)
    outcome: Callable[[UUID], Answer] = lambda _: Answer(Verdict.UNKNOWN_ID)
    batches: list[Batch] = field(default_factory=list)
    asked: list[UUID] = field(default_factory=list)
    files: list[StatementFile] = field(default_factory=list)
    put_aside: list[tuple[str, str | None]] = field(default_factory=list)
    days: list[date] = field(default_factory=list)

    @property
    def given(self) -> list[UUID]:
        return [order.wire_id for batch in self.batches for order in batch.orders]

    async def submit(self, batch: Batch) -> Sequence[Answer]:
        self.batches.append(batch)
        return [self.answers(order.wire_id) for order in batch.orders]

    async def outcomes(self, asked: Sequence[Asked]) -> Sequence[Answer]:
        self.asked += [each.wire_id for each in asked]
        return [self.outcome(each.wire_id) for each in asked]

    async def statements(self, days: Sequence[date]) -> Sequence[StatementFile]:
        self.days = list(days)
        return self.files

    async def put_away(self, file: StatementFile, problem: str | None) -> None:
        self.put_aside.append((file.name, problem))


@dataclass
class TreasuryHouse:
    """The room, its desk, an account that money may be taken from, and ways to look at the books."""

    house: House
    treasury: Treasury
    desk: Desk
    payer: Account

    @property
    def database(self) -> Database:
        return self.house.database

    async def order(self, *orders: TransferOrder) -> None:
        async with self.database.transaction() as conn:
            await self.treasury.order(conn, orders)

    def an_order(self, amount_minor: int = 50_000, **changes) -> TransferOrder:
        given = {
            "id": BankTransferId(self.house.new_id()),
            "partition_id": P0,
            "amount": Money(amount_minor, KRW),
            "to": a_bank_account(),
            "reference": "Settlement 2026-11-20",
            "subject_id": uuid4(),
            "debit_account_id": self.payer.id,
        } | changes
        return TransferOrder(**given)

    async def balances(self) -> dict[str, int]:
        """Debits less credits per kind of account, over all partitions; what is zero is left out."""
        net: dict[str, int] = {}
        for line in await Ledger(self.database).trial_balance():
            net[line.kind] = net.get(line.kind, 0) + line.debits_posted_minor - line.credits_posted_minor
        return {kind: minor for kind, minor in net.items() if minor}

    async def fetch(self, query: str, *arguments: object):
        async with self.database.connection() as conn:
            return await conn.fetch(query, *arguments)

    async def state(self, order: TransferOrder) -> str:
        return (await self.desk.transfer(order.id)).state.value

    async def events(self, type_: str) -> int:
        (row,) = await self.fetch("select count(*) from events where type = $1", type_)
        return row[0]


async def treasury_house(house: House, bank: Bank, partitions: int = 1) -> TreasuryHouse:
    """The room over this bank, the house accounts open, and a source of money in partition 0."""
    treasury = Treasury(
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
    desk = Desk(house.database, house.vault, treasury, clock=house.clock, new_id=house.new_id)
    ledger = Ledger(house.database)
    await ledger.open_house([PartitionId(p) for p in range(partitions)], KRW)
    payer = an_account(floor_minor=None, kind=AccountKind.MERCHANT_PAYABLE)
    await ledger.open([payer])
    return TreasuryHouse(house, treasury, desk, payer)


def a_sandbox_bank(clock: Clock, trace: Trace | None = None, seed: int = 1) -> SandboxBank:
    """A bank on no port yet."""
    provider = SandboxAccount(OWN.bank_code, OWN.number.reveal(), OWN.holder, may_overdraw=True)
    book = BankBook(provider, "KRW", "Asia/Seoul", clock, Random(seed))
    return SandboxBank(book, FaultMenu(Random(seed)), trace or Trace(clock), clock)


def in_suspense(partition: int = 0) -> Account:
    return house_account(AccountKind.SUSPENSE, PartitionId(partition), KRW)


# camt.053 --------------------------------------------------------------------------------------------------


def an_entry(
    amount: str = "34000",
    *,
    direction: str = "CRDT",
    ref: str | None = "E1",
    ntry_ref: str | None = None,
    e2e: str | None = None,
    text: str = "",
    currency: str = "KRW",
    status: str = "<Sts>BOOK</Sts>",
    day: str = DAY.isoformat(),
    name: str = "A member",
    account: str | None = "333444555666",
    bank: str = "004",
) -> str:
    """One `Ntry`."""
    party = "Dbtr" if direction == "CRDT" else "Cdtr"
    own = (f"<NtryRef>{ntry_ref}</NtryRef>" if ntry_ref else "") + (
        f"<AcctSvcrRef>{ref}</AcctSvcrRef>" if ref else ""
    )
    refs = f"<Refs><EndToEndId>{e2e}</EndToEndId></Refs>" if e2e else ""
    other = f"<{party}Acct><Id><Othr><Id>{account}</Id></Othr></Id></{party}Acct>" if account else ""
    return (
        f'<Ntry>{own}<Amt Ccy="{currency}">{amount}</Amt><CdtDbtInd>{direction}</CdtDbtInd>{status}'
        f"<BookgDt><Dt>{day}</Dt></BookgDt><NtryDtls><TxDtls>{refs}"
        f"<RltdPties><{party}><Nm>{escape(name)}</Nm></{party}>{other}</RltdPties>"
        f"<RltdAgts><{party}Agt><FinInstnId><ClrSysMmbId><MmbId>{bank}</MmbId></ClrSysMmbId></FinInstnId>"
        f"</{party}Agt></RltdAgts><RmtInf><Ustrd>{escape(text)}</Ustrd></RmtInf></TxDtls></NtryDtls></Ntry>"
    )


def a_statement(
    *entries: str,
    account: str = "100200300400",
    currency: str = "KRW",
    version: str = "02",
    id_: str = "S1",
    day: str = DAY.isoformat(),
    opening: str = "0",
    closing: str = "0",
) -> bytes:
    """A camt.053 with these entries."""
    balances = "".join(
        f"<Bal><Tp><CdOrPrtry><Cd>{kind}</Cd></CdOrPrtry></Tp>"
        f'<Amt Ccy="{currency}">{amount.lstrip("-")}</Amt>'
        f"<CdtDbtInd>{'DBIT' if amount.startswith('-') else 'CRDT'}</CdtDbtInd><Dt><Dt>{day}</Dt></Dt></Bal>"
        for kind, amount in (("OPBD", opening), ("CLBD", closing))
    )
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>'
        f'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.{version}"><BkToCstmrStmt>'
        f"<GrpHdr><MsgId>M</MsgId><CreDtTm>{day}T23:59:00</CreDtTm></GrpHdr><Stmt><Id>{id_}</Id>"
        f"<Acct><Id><Othr><Id>{account}</Id></Othr></Id></Acct>{balances}{''.join(entries)}"
        f"</Stmt></BkToCstmrStmt></Document>"
    ).encode()
