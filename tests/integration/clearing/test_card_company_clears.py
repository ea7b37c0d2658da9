"""Our clearing files at the sandbox card company, over real sockets: it reads, charges, answers and pays.

The card company keeps its own books and shares nothing with ours but the wire; so what both say at the end
is compared to the won (OT-17, OT-18).
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from random import Random

import pytest
from tests.factories.chain import Chain, a_chain
from tests.factories.wallet import House

from obverse.clearing.presentments import FileState, PaymentState, PresentmentState
from obverse.kit.paging import PageRequest
from obverse.ledger import AccountKind
from obverse.sandbox.card_company import RealCard
from obverse.sandbox.faults import Fault, FaultRule, MessageKind


@pytest.fixture
async def chain(house: House, random_bytes: Callable[[int], bytes]) -> AsyncIterator[Chain]:
    async with a_chain(house, random_bytes) as chain:
        yield chain


async def captured(chain: Chain, real: RealCard, amount_minor: int) -> None:
    await chain.engine.capture((await chain.pay(real, amount_minor)).id)


async def test_p09_the_card_leg_and_the_ledger_agree_to_zero(chain: Chain) -> None:
    """A capture in parts, a refund, a cancel before and a cancel after presenting."""
    real = await chain.a_real_card()
    number = real.number.reveal()
    in_parts = await chain.pay(real, 50_000)
    await chain.engine.capture(in_parts.id, 20_000)
    await captured(chain, real, 30_000)
    never = await chain.pay(real, 7_000)
    await chain.engine.capture(never.id)
    await chain.engine.cancel(never.id)
    await chain.run_reversals()
    first = await chain.present()
    assert (first.state, first.due_minor, first.rejected_count) == (FileState.ACKNOWLEDGED, 50_000, 0)
    statement = chain.book.statement(number)
    assert (statement.charged_minor, statement.held_minor) == (50_000, 30_000)
    await chain.settle(first, PaymentState.PAID)

    await chain.engine.capture(in_parts.id, 25_000, final=True)
    await chain.engine.refund(in_parts.id, 5_000)
    second = await chain.present()
    assert second.due_minor == 20_000
    await chain.settle(second, PaymentState.PAID)
    statement = chain.book.statement(number)
    assert (statement.charged_minor, statement.held_minor) == (70_000, 0), "the last one freed the rest"

    assert chain.book.bill(number).owed_minor == 70_000
    assert await chain.balance(AccountKind.MERCHANT_PAYABLE) == -70_000
    assert await chain.balance(AccountKind.BANK) == 70_000
    for kind in (AccountKind.CARD_COMPANY_RECEIVABLE, AccountKind.SUSPENSE):
        assert await chain.balance(kind) == 0
    chain.book.pay(number, 70_000)
    assert chain.book.bill(number).owed_minor == 0


async def test_what_is_undone_after_it_was_presented_is_credited(chain: Chain) -> None:
    real = await chain.a_real_card()
    paid = await chain.pay(real, 30_000)
    await chain.engine.capture(paid.id)
    first = await chain.present()
    await chain.settle(first, PaymentState.PAID)
    await chain.engine.cancel(paid.id)
    second = await chain.present()
    assert second.payment is PaymentState.CARRIED_OVER
    await captured(chain, real, 40_000)
    third = await chain.present()
    assert (third.accepted_minor, third.due_minor) == (40_000, 10_000)
    await chain.settle(third, PaymentState.PAID)
    assert chain.book.bill(real.number.reveal()).owed_minor == 40_000
    assert await chain.balance(AccountKind.CARD_COMPANY_RECEIVABLE) == 0


async def test_a_dispute_goes_to_the_cardholder_and_back(chain: Chain) -> None:
    real = await chain.a_real_card()
    paid = await chain.pay(real, 30_000)
    await chain.engine.capture(paid.id)
    await chain.present()
    await chain.engine.open_dispute(paid.id, 30_000, key="opened")
    await chain.present()
    assert chain.book.bill(real.number.reveal()).owed_minor == 0
    await chain.engine.close_dispute(paid.id, 30_000, key="closed", merchant_pays=False)
    last = await chain.present()
    assert (last.rejected_count, chain.book.bill(real.number.reveal()).owed_minor) == (0, 30_000)


async def test_a_card_that_is_gone_is_rejected_and_can_be_presented_again(chain: Chain) -> None:
    real = await chain.a_real_card()
    await captured(chain, real, 30_000)
    gone = chain.book._cards.pop(real.number.reveal())
    file = await chain.present()
    (rejected,) = (await chain.presentments.list(PageRequest(), state=PresentmentState.REJECTED)).items
    assert (file.accepted_minor, rejected.reject_reason) == (0, "unknown_card")
    assert await chain.balance(AccountKind.CARD_COMPANY_RECEIVABLE) == 30_000
    chain.book.add(gone)
    await chain.presentments.resubmit(rejected.id, actor="key_1", reason="the card is back")
    again = await chain.present()
    await chain.settle(again, PaymentState.PAID)
    assert await chain.balance(AccountKind.CARD_COMPANY_RECEIVABLE) == 0


@pytest.mark.parametrize(
    ("kind", "rule"),
    [
        (MessageKind.PRESENTMENT_FILE, FaultRule(Fault.LOST, times=1)),
        (MessageKind.PRESENTMENT_FILE, FaultRule(Fault.SILENT, times=1)),
        (MessageKind.PRESENTMENT_FILE, FaultRule(Fault.CLOSE, times=1)),
        (MessageKind.PRESENTMENT_FILE, FaultRule(Fault.REFUSE, times=1)),
        (MessageKind.PRESENTMENT_FILE, FaultRule(Fault.SLOW, delay_ms=50)),
        (MessageKind.PRESENTMENT_FILE, FaultRule(Fault.LATE, delay_ms=3_000, times=1)),
        (MessageKind.ACKNOWLEDGEMENT, FaultRule(Fault.SILENT, times=1)),
        (MessageKind.ACKNOWLEDGEMENT, FaultRule(Fault.REFUSE, times=2)),
        (MessageKind.ACKNOWLEDGEMENT, FaultRule(Fault.GARBAGE, times=2)),
        (MessageKind.TRANSFER, FaultRule(Fault.SILENT, times=1)),
    ],
    ids=lambda value: f"{value.fault}" if isinstance(value, FaultRule) else value,
)
async def test_a_card_company_that_misbehaves_charges_and_pays_once(
    chain: Chain, kind: MessageKind, rule: FaultRule
) -> None:
    real = await chain.a_real_card()
    await captured(chain, real, 30_000)
    chain.faults.set(kind, rule)
    file = await chain.present()
    for _ in range(3):
        await chain.later()
    assert (await chain.presentments.get_file(file.id)).state is FileState.ACKNOWLEDGED
    await chain.settle(file, PaymentState.PAID)
    assert chain.book.statement(real.number.reveal()).charged_minor == 30_000
    assert await chain.balance(AccountKind.CARD_COMPANY_RECEIVABLE) == 0


async def test_a_file_sent_by_two_at_once_is_taken_once(chain: Chain) -> None:
    real = await chain.a_real_card()
    await captured(chain, real, 30_000)
    (file,) = await chain.presentments.present_now()
    members = (await chain.presentments.list(PageRequest(), file.id)).items
    digests = await asyncio.gather(*(chain.files.send(file, members) for _ in range(3)))
    assert len(set(digests)) == 1
    answers = [await chain.files.acknowledgement(file) for _ in range(3)]
    assert answers[0] == answers[1] == answers[2]
    assert chain.book.statement(real.number.reveal()).charged_minor == 30_000


@pytest.mark.parametrize(
    ("fault", "payment", "owed"),
    [
        (Fault.SHORT, PaymentState.PAID_IN_PART, 15_000),
        (Fault.DUPLICATE, PaymentState.OVERPAID, -30_000),
    ],
)
async def test_a_payment_that_does_not_fit_is_seen(
    chain: Chain, fault: Fault, payment: PaymentState, owed: int
) -> None:
    await captured(chain, await chain.a_real_card(), 30_000)
    chain.faults.set(MessageKind.CARD_COMPANY_PAYMENT, FaultRule(fault))
    await chain.settle(await chain.present(), payment)
    assert await chain.balance(AccountKind.CARD_COMPANY_RECEIVABLE) == owed


async def test_a_file_that_is_rejected_all_over_waits_for_an_operator(chain: Chain) -> None:
    real = await chain.a_real_card()
    await captured(chain, real, 30_000)
    await captured(chain, real, 10_000)
    chain.faults.set(MessageKind.PRESENTMENT_FILE, FaultRule(Fault.REJECT_ALL, times=1))
    file = await chain.present()
    assert (file.state, file.rejected_count, file.payment) == (
        FileState.ACKNOWLEDGED, 2, PaymentState.NOT_DUE
    )  # fmt: skip
    await chain.presentments.resubmit_file(file.id, actor="key_1", reason="their mistake")
    await chain.settle(await chain.present(), PaymentState.PAID)
    assert await chain.balance(AccountKind.CARD_COMPANY_RECEIVABLE) == 0


async def test_p11_no_real_number_is_stored_with_presentments(
    chain: Chain, caplog: pytest.LogCaptureFixture
) -> None:
    real = await chain.a_real_card()
    await captured(chain, real, 30_000)
    with caplog.at_level("DEBUG"):
        chain.faults.set(MessageKind.PRESENTMENT_FILE, FaultRule(Fault.REFUSE, times=1))
        await chain.present()
        await chain.later()
    async with chain.house.database.connection() as conn:
        stored = [
            str(row[0])
            for table in ("presentments", "presentment_files", "events", "audit_log")
            for row in await conn.fetch(f"select t::text from {table} as t")
        ]
    assert stored
    assert not any(real.number.reveal() in text for text in [*stored, caplog.text])


async def test_p02_random_days_at_the_card_company_end_at_zero(chain: Chain) -> None:
    """What the card company has charged, and paid, is what our ledger says, whatever was done when."""
    rng = Random(11)
    real = await chain.a_real_card()
    payments = []
    for _ in range(30):
        step = rng.random()
        if step < 0.5 or not payments:
            paid = await chain.pay(real, rng.randrange(1_000, 20_000))
            await chain.engine.capture(paid.id, rng.randrange(1, paid.amount.amount_minor + 1), final=True)
            payments.append(paid.id)
        elif step < 0.7:
            left = (await chain.engine.get(payments[-1])).refundable_minor
            if left:
                await chain.engine.refund(payments[-1], rng.randrange(1, left + 1))
        elif step < 0.8:
            await chain.engine.cancel(payments.pop(rng.randrange(len(payments))))
            await chain.run_reversals()
        elif await chain.presentments.present_now():
            await chain.exchange.exchange()
    await captured(chain, real, 500_000)
    last = await chain.present()
    assert last.rejected_count == 0
    await chain.settle(last, PaymentState.PAID)
    for file in (await chain.presentments.list_files(PageRequest(100))).items:
        assert file.rejected_count == 0
        if (file.due_minor or 0) > 0:
            await chain.settle(file, PaymentState.PAID)
    bill = chain.book.bill(real.number.reveal())
    assert await chain.balance(AccountKind.CARD_COMPANY_RECEIVABLE) == 0
    assert await chain.balance(AccountKind.BANK) == bill.owed_minor
    assert chain.book.statement(real.number.reveal()).held_minor == 0
