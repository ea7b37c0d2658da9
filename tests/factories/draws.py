"""Draws for tests: a bank that does as it is told, and the rooms around it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, time

from tests.factories.wallet import House

from obverse.authorization import Engine
from obverse.draws import Draws
from obverse.kit.calendar import Calendar
from obverse.kit.money import KRW
from obverse.kit.secret import Secret
from obverse.networks.bank import read_document
from obverse.treasury import BankAccount, Treasury
from obverse.treasury.ports import Answer, Asked, Batch, Outgoing, StatementFile, Verdict

OWN = BankAccount("090", Secret("100200300400"), "Obverse")


@dataclass
class FakeBank:
    """Books every order at once, but for accounts it is told to refuse; remembers what it was given."""

    refuses: set[str] = field(default_factory=set)
    orders: list[Outgoing] = field(default_factory=list)

    async def submit(self, batch: Batch) -> Sequence[Answer]:
        self.orders += batch.orders
        return [
            Answer(Verdict.REFUSED, "no such account")
            if order.to.number.reveal() in self.refuses
            else Answer(Verdict.DONE)
            for order in batch.orders
        ]

    async def outcomes(self, asked: Sequence[Asked]) -> Sequence[Answer]:
        return [Answer(Verdict.UNKNOWN_ID) for _ in asked]

    async def statements(self, days: Sequence[date]) -> Sequence[StatementFile]:
        return []

    async def put_away(self, file: StatementFile, problem: str | None) -> None:
        raise AssertionError("this bank has nothing to tell")


def a_treasury(house: House, bank: FakeBank) -> Treasury:
    return Treasury(
        house.database,
        house.vault,
        bank,
        read_document,
        clock=house.clock,
        new_id=house.new_id,
        calendar=Calendar("Asia/Seoul", time(), "KR"),
        own=OWN,
        currency=KRW,
    )


def draws_room(house: House, engine: Engine, treasury: Treasury) -> Draws:
    """The draws room; `start` opens its merchant."""
    return Draws(
        house.database,
        engine,
        house.cards,
        house.vault,
        treasury,
        clock=house.clock,
        new_id=house.new_id,
    )


def an_account(number: str = "110222333444", holder: str = "Recipient") -> BankAccount:
    """A bank account of somebody's own."""
    return BankAccount("004", Secret(number), holder)
