"""The card company's clearing: what it takes, what it charges, what it pays."""

import asyncio
from random import Random

import pytest
from tests.factories.presentments import a_file, a_presentment
from tests.factories.sandbox import CARD_NUMBER, a_card, a_request

from obverse.clearing.presentments import Direction, Presentment
from obverse.kit.clock import Clock
from obverse.kit.secret import Secret
from obverse.networks.card_company import FileFormat, Identity, ipm
from obverse.sandbox.card_company import Book, Clearing, Payment
from obverse.sandbox.card_company.clearing import KnownOtherwise
from obverse.sandbox.card_company.ipm import read
from obverse.sandbox.card_company.model import Hold, Item, RealCard, Reason
from obverse.sandbox.card_company.rules import judge
from obverse.sandbox.faults import Fault, FaultMenu, FaultRule, MessageKind
from obverse.sandbox.trace import Trace

NOW = Clock().now()
HOLD = Hold(30_000, "A1B2C3", "A shop", NOW)
PART_CHARGED = Hold(30_000, "A1B2C3", "A shop", NOW, charged_minor=20_000)
CLOSED = Hold(30_000, "A1B2C3", "A shop", NOW, charged_minor=20_000, credited_minor=5_000, is_closed=True)
RELEASED = Hold(30_000, "A1B2C3", "A shop", NOW, released_at=NOW)


def an_item(amount_minor: int = 10_000, **changes: object) -> Item:
    fields: dict[str, object] = {
        "number": 2,
        "card_number": CARD_NUMBER,
        "is_credit": False,
        "amount_minor": amount_minor,
        "currency": "410",
        "approval_code": "A1B2C3",
        "arn": "1" * 23,
        "merchant": "A shop",
        "is_final": False,
    }
    return Item(**(fields | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("item", "card", "hold", "seen", "reason"),
    [
        pytest.param(an_item(30_000), a_card(), HOLD, False, None, id="all that was approved"),
        pytest.param(an_item(30_001), a_card(), HOLD, False, Reason.MORE_THAN_APPROVED, id="one won more"),
        pytest.param(an_item(10_000), a_card(), PART_CHARGED, False, None, id="the rest"),
        pytest.param(
            an_item(10_001), a_card(), PART_CHARGED, False, Reason.MORE_THAN_APPROVED, id="more than the rest"
        ),
        pytest.param(an_item(5_000), a_card(), CLOSED, False, None, id="what was credited, charged again"),
        pytest.param(
            an_item(5_001), a_card(), CLOSED, False, Reason.MORE_THAN_APPROVED, id="more after the last one"
        ),
        pytest.param(an_item(), None, HOLD, False, Reason.UNKNOWN_CARD, id="no such card"),
        pytest.param(an_item(), a_card(), None, False, Reason.NO_APPROVAL, id="never approved"),
        pytest.param(an_item(), a_card(), RELEASED, False, Reason.NO_APPROVAL, id="reversed"),
        pytest.param(an_item(), a_card(), HOLD, True, Reason.DUPLICATE, id="presented before"),
        pytest.param(
            an_item(currency="840"), a_card(), HOLD, False, Reason.WRONG_CURRENCY, id="another currency"
        ),
        pytest.param(
            an_item(is_credit=True), a_card(), HOLD, False, Reason.MORE_THAN_CHARGED, id="credit for nothing"
        ),
        pytest.param(
            an_item(20_000, is_credit=True), a_card(), PART_CHARGED, False, None, id="all goes back"
        ),
    ],
)
def test_a_presentment_has_to_fit_what_was_approved(
    item: Item, card: RealCard | None, hold: Hold | None, seen: bool, reason: Reason | None
) -> None:
    assert judge(item, card, hold, seen=seen) is reason


class World:
    """A card company with one approved payment, and a bank that remembers what it was told to pay."""

    def __init__(self) -> None:
        self.book = Book([a_card()], Clock(), Random(1))
        self.approval = self.book.authorize(a_request()).approval_code
        self.faults = FaultMenu(Random(1))
        self.paid: list[Payment] = []
        self.unanswered = 0
        self.clearing = Clearing(self.book, self.faults, Trace(Clock()), self.pay, "Card company")

    async def pay(self, payment: Payment) -> bool:
        if self.unanswered:
            self.unanswered -= 1
            return False
        self.paid.append(payment)
        return True

    def item(self, amount_minor: int, **changes: object) -> Presentment:
        return a_presentment(amount_minor, **{"approval_code": self.approval, "is_final": False} | changes)

    def file(self, *members: Presentment) -> bytes:
        class Face:
            number = Secret(CARD_NUMBER)
            exp_month, exp_year = 6, 2030

        cards = {member.vault_card_id: Face() for member in members}
        format_ = FileFormat(NOW.tzinfo, live=False, identity=Identity())  # type: ignore[arg-type]
        return ipm.write(a_file(members), members, cards, format_)

    async def settled(self) -> list[int]:
        """What was paid, once everything is."""
        while self.clearing._paying:
            await asyncio.wait(self.clearing._paying)
        return [payment.amount_minor for payment in self.paid]


@pytest.fixture
def world() -> World:
    return World()


async def test_a_file_sent_twice_charges_once_and_gets_the_same_answer(world: World) -> None:
    content = world.file(world.item(10_000))
    world.clearing.take("pfile_1", content)
    first = world.clearing.acknowledgement("pfile_1")
    world.clearing.take("pfile_1", content)
    assert world.clearing.acknowledgement("pfile_1") == first
    assert world.book.statement(CARD_NUMBER).charged_minor == 10_000
    assert await world.settled() == [10_000]


async def test_an_id_that_comes_with_other_contents_is_refused(world: World) -> None:
    world.clearing.take("pfile_1", world.file(world.item(10_000)))
    with pytest.raises(KnownOtherwise):
        world.clearing.take("pfile_1", world.file(world.item(11_000)))
    assert await world.settled() == [10_000]


async def test_the_same_presentment_in_two_files_is_a_duplicate(world: World) -> None:
    once = world.item(10_000)
    world.clearing.take("pfile_1", world.file(once))
    world.clearing.take("pfile_2", world.file(once))
    assert world.book.statement(CARD_NUMBER).charged_minor == 10_000
    assert await world.settled() == [10_000]


async def test_what_is_charged_moves_from_held_to_the_bill_and_still_counts(world: World) -> None:
    world.clearing.take("pfile_1", world.file(world.item(20_000, is_final=True)))
    statement = world.book.statement(CARD_NUMBER)
    assert (statement.held_minor, statement.charged_minor, statement.released_minor) == (0, 20_000, 14_000)
    bill = world.book.bill(CARD_NUMBER)
    assert (bill.total_minor, bill.owed_minor, len(bill.lines)) == (20_000, 20_000, 1)
    assert world.book.authorize(a_request(key=("2",), amount_minor=80_001)).code == "51"
    assert world.book.pay(CARD_NUMBER, 20_000).owed_minor == 0
    assert world.book.authorize(a_request(key=("3",), amount_minor=80_001)).code == "00"
    await world.settled()


async def test_credits_beyond_debits_are_deducted_from_the_next_payment(world: World) -> None:
    credit = {"direction": Direction.CREDIT}
    world.clearing.take("pfile_1", world.file(world.item(10_000)))
    world.clearing.take("pfile_2", world.file(world.item(8_000, **credit)))
    world.clearing.take("pfile_3", world.file(world.item(5_000)))
    world.clearing.take("pfile_4", world.file(world.item(7_000)))
    assert await world.settled() == [10_000, 4_000]
    assert world.book.bill(CARD_NUMBER).total_minor == 14_000


async def test_a_bank_that_does_not_answer_is_asked_again(world: World) -> None:
    world.unanswered = 1
    world.clearing.take("pfile_1", world.file(world.item(10_000)))
    assert await world.settled() == [10_000]


@pytest.mark.parametrize(
    ("fault", "paid"),
    [(Fault.SHORT, [5_000]), (Fault.DUPLICATE, [10_000, 10_000]), (Fault.SILENT, []), (Fault.SLOW, [10_000])],
)
async def test_the_fault_menu_for_payments(world: World, fault: Fault, paid: list[int]) -> None:
    world.faults.set(MessageKind.CARD_COMPANY_PAYMENT, FaultRule(fault, delay_ms=1))
    world.clearing.take("pfile_1", world.file(world.item(10_000)))
    assert await world.settled() == paid
    assert len({payment.id for payment in world.paid}) == len(paid)


async def test_a_broken_file_moves_nothing(world: World) -> None:
    content = world.file(world.item(10_000))
    broken = content.replace(b"0000000000010000", b"0000000000010001", 1)
    assert broken != content
    world.clearing.take("pfile_1", broken)
    assert world.clearing.acknowledgement("pfile_1")
    assert world.book.statement(CARD_NUMBER).charged_minor == 0
    assert await world.settled() == []


def test_what_the_sandbox_reads_has_its_own_reading_of_the_reference(world: World) -> None:
    assert read(world.file(world.item(10_000))).reference == "OBV-P-ABCDEFGH23"
