"""Paying for stored value, as the rooms that sell it see it: opened, paid, taken, done or given back."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import asyncpg
import pytest
from tests.factories.reconciliation import a_reconciliation
from tests.factories.sales import OWN, PAYER, TRANSFER, Shop, by_source
from tests.factories.stored_value import a_prepaid_card
from tests.factories.treasury import a_statement, an_entry
from tests.factories.wallet import a_member_with_credit_line, a_member_with_linked_card

from obverse.kit.ids import PartitionId
from obverse.kit.money import KRW, Money
from obverse.kit.paging import PageRequest
from obverse.kit.secret import Secret
from obverse.members import Member
from obverse.reconciliation import BreakState
from obverse.sales import (
    PAYABLE,
    GivesBackTooMuch,
    How,
    Means,
    NothingWaiting,
    RefundState,
    Sale,
    SaleNotCancellable,
    SaleNotPaid,
    SaleState,
    SaleWish,
    SubjectKind,
)
from obverse.sandbox.faults import Fault, FaultRule, MessageKind
from obverse.treasury import BankAccount
from obverse.wallet import Funding, LotKind

P0 = PartitionId(0)
ORDER = SubjectKind.ORDER
HOME = BankAccount("004", Secret("777888999000"), "A buyer")


async def a_sale(
    shop: Shop, how: How = TRANSFER, amount: int = 30_000, member: Member | None = None, subject=None
) -> Sale:
    """An open sale for an order of nobody's in particular."""
    wish = SaleWish(
        ORDER, subject or uuid4(), P0, Money(amount, KRW), how, member.id if member is not None else None
    )
    async with shop.house.database.transaction() as conn:
        return await shop.rooms.sales.open(conn, wish)


async def allocate(shop: Shop) -> list[Sale]:
    """What a subject's room does: everything that is paid goes into a fresh card each."""
    async with shop.house.database.transaction() as conn:
        taken = list(await shop.rooms.sales.take_paid(conn, ORDER, 10))
        sources = await shop.house.balances.open(conn, P0, KRW, len(taken))
        ends = shop.house.clock.now() + timedelta(days=365)
        await shop.house.balances.fund(
            conn,
            P0,
            [
                Funding(source.id, LotKind.BOUGHT, sale.amount, PAYABLE, ends, sale.subject_id)
                for sale, source in zip(taken, sources, strict=True)
            ],
        )
        await shop.rooms.sales.done(conn, [sale.id for sale in taken])
    return taken


async def test_pp2_a_sale_by_card_is_paid_once_and_allocated_once(shop: Shop) -> None:
    member, linked = await a_member_with_linked_card(shop.house)
    sale = await a_sale(shop, by_source(linked.id), member=member)

    answers = await asyncio.gather(*[shop.rooms.sales.pay(sale.id) for _ in range(5)])
    taken = await asyncio.gather(*[allocate(shop) for _ in range(5)])

    assert {answer.state for answer in answers} == {SaleState.PAID}
    assert [each.id for some in taken for each in some] == [sale.id]
    assert (await shop.rooms.sales.get(sale.id)).state is SaleState.DONE
    assert len(shop.world.card_company.asked) == 1
    books = await shop.books()
    assert (books["stored_balance"], books.get("merchant_payable", 0)) == (30_000, 0)


async def test_a_subject_has_one_live_sale_and_another_after_that_came_to_nothing(shop: Shop) -> None:
    subject = uuid4()
    first = await a_sale(shop, subject=subject)
    with pytest.raises(asyncpg.UniqueViolationError):
        await a_sale(shop, subject=subject)
    async with shop.house.database.transaction() as conn:
        await shop.rooms.sales.cancel(conn, first.id)

    second = await a_sale(shop, subject=subject)

    async with shop.house.database.transaction() as conn:
        found = await shop.rooms.sales.of_subjects(conn, ORDER, [subject])
        ended = await shop.rooms.sales.take_ended(conn, ORDER, 10)
    assert found[subject].id == second.id
    assert [sale.id for sale in ended] == [first.id]
    async with shop.house.database.transaction() as conn:
        assert await shop.rooms.sales.take_ended(conn, ORDER, 10) == []


async def test_what_was_paid_cannot_be_cancelled_and_what_was_not_cannot_be_given_back(shop: Shop) -> None:
    member, linked = await a_member_with_linked_card(shop.house)
    paid = await a_sale(shop, by_source(linked.id), member=member)
    await shop.rooms.sales.pay(paid.id)
    unpaid = await a_sale(shop)

    async with shop.house.database.transaction() as conn:
        with pytest.raises(SaleNotCancellable):
            await shop.rooms.sales.cancel(conn, paid.id)
        with pytest.raises(SaleNotPaid):
            await shop.rooms.sales.give_back(conn, unpaid.id, 1)
        with pytest.raises(GivesBackTooMuch):
            await shop.rooms.sales.give_back(conn, paid.id, 30_001)


async def test_p16_what_a_card_has_paid_goes_back_to_it_in_parts_and_never_more(shop: Shop) -> None:
    member, linked = await a_member_with_linked_card(shop.house)
    sale = await a_sale(shop, by_source(linked.id), member=member)
    await shop.rooms.sales.pay(sale.id)

    async with shop.house.database.transaction() as conn:
        await shop.rooms.sales.give_back(conn, sale.id, 10_000)
    await asyncio.gather(*[shop.rooms.sales.refund() for _ in range(3)])
    assert (await shop.books())["merchant_payable"] == 20_000
    async with shop.house.database.transaction() as conn:
        with pytest.raises(GivesBackTooMuch):
            await shop.rooms.sales.give_back(conn, sale.id, 20_001)
        await shop.rooms.sales.give_back(conn, sale.id, 20_000)
    await shop.rooms.sales.refund()

    assert (await shop.rooms.sales.get(sale.id)).state is SaleState.GIVEN_BACK
    books = await shop.books()
    assert (books.get("merchant_payable", 0), books.get("card_company_receivable", 0)) == (0, 0)


async def test_a_payment_that_was_undone_otherwise_is_an_operators_to_look_at(shop: Shop) -> None:
    member, linked = await a_member_with_linked_card(shop.house)
    sale = await a_sale(shop, by_source(linked.id), member=member)
    paid = await shop.rooms.sales.pay(sale.id)
    assert paid.authorization_id is not None
    async with shop.house.database.transaction() as conn:
        await shop.rooms.sales.give_back(conn, sale.id, 30_000)
    await shop.world.engine.refund(paid.authorization_id, 30_000, key="by hand")

    await shop.rooms.sales.refund()

    (refund,) = await shop.rooms.sales.refunds_of([sale.id])
    assert refund.state is RefundState.REFUSED
    assert await shop.news("sale_refund.%") == ["sale_refund.refused"]


async def test_p16_bank_money_goes_back_to_the_account_it_came_from(shop: Shop) -> None:
    sale = await a_sale(shop)
    assert sale.reference is not None
    await shop.come_in(30_000, sale.reference)
    before = shop.at_bank(PAYER.number.reveal())

    async with shop.house.database.transaction() as conn:
        await shop.rooms.sales.give_back(conn, sale.id, 30_000)
    await shop.treasury.send()

    assert shop.at_bank(PAYER.number.reveal()) == before + 30_000
    assert (await shop.books()).get("merchant_payable", 0) == 0


@pytest.mark.parametrize("told", [None, "DE89370400440532013000"])
async def test_money_of_an_account_nobody_has_told_waits_until_an_operator_has_asked(
    shop: Shop, told: str | None
) -> None:
    sale = await a_sale(shop)
    assert sale.reference is not None
    day = shop.bank.book.today().isoformat()
    entry = an_entry("30000", text=sale.reference, account=told, day=day)
    await shop.treasury.import_statement(a_statement(entry, day=day, closing="30000"))
    await shop.rooms.at_bank.take_receipts()
    async with shop.house.database.transaction() as conn:
        refund = await shop.rooms.sales.give_back(conn, sale.id, 30_000)
    assert refund.state is RefundState.WAITING

    await shop.rooms.sales.refund_to(sale.id, HOME, actor="key_1", reason="told by telephone")
    await shop.treasury.send()

    assert shop.at_bank("777888999000") == 30_000
    with pytest.raises(NothingWaiting):
        await shop.rooms.sales.refund_to(sale.id, HOME, actor="key_1", reason="told by telephone")


async def test_receipts_at_once_pay_a_sale_once(shop: Shop) -> None:
    sales = [await a_sale(shop, amount=10_000) for _ in range(5)]
    day = shop.bank.book.today().isoformat()
    entries = [
        an_entry("4000", ref=f"E{at}{part}", text=sale.reference or "", day=day)
        for at, sale in enumerate(sales)
        for part in range(3)
    ]
    await shop.treasury.import_statement(a_statement(*entries, day=day, closing="60000"))

    await asyncio.gather(*[shop.rooms.at_bank.take_receipts() for _ in range(6)])

    states = [(await shop.rooms.sales.get(sale.id)).state for sale in sales]
    assert states == [SaleState.PAID] * 5
    books = await shop.books()
    assert (books["merchant_payable"], books["suspense"]) == (50_000, 10_000)


@pytest.mark.parametrize("fault", [Fault.SILENT, Fault.LOST, Fault.CLOSE, Fault.GARBAGE, Fault.REFUSE])
async def test_p09_a_bank_that_does_not_answer_is_asked_again_and_collects_once(
    shop: Shop, fault: Fault
) -> None:
    member, _ = await a_member_with_credit_line(shop.house)
    account = await shop.linked_account(member)
    sale = await a_sale(shop, by_source(account.id, Means.BANK_ACCOUNT), member=member)
    shop.rooms.at_bank._collector._timeout = 0.5  # type: ignore[union-attr]
    shop.bank._faults.set(MessageKind.COLLECTION, FaultRule(fault, times=1))
    await shop.rooms.sales.pay(sale.id)

    await shop.rooms.at_bank.collect()
    unknown = await shop.rooms.sales.get(sale.id)
    shop.house.clock.move_to(shop.house.clock.offset + timedelta(minutes=2))
    await shop.chores()
    await shop.chores()

    assert unknown.state is SaleState.PAYING
    assert (await shop.rooms.sales.get(sale.id)).state is SaleState.PAID
    assert shop.at_bank("555666777888") == 1_000_000 + 1 - 30_000


async def test_an_account_that_was_removed_still_pays_what_was_begun(shop: Shop) -> None:
    member, _ = await a_member_with_credit_line(shop.house)
    account = await shop.linked_account(member)
    sale = await a_sale(shop, by_source(account.id, Means.BANK_ACCOUNT), member=member)
    await shop.rooms.sales.pay(sale.id)
    await shop.rooms.accounts.remove(member.id, account.id)

    await shop.chores()

    assert (await shop.rooms.sales.get(sale.id)).state is SaleState.PAID


async def test_reconciliation_finds_nothing_wrong_with_sales(shop: Shop) -> None:
    member, linked = await a_member_with_linked_card(shop.house)
    for how in (by_source(linked.id), TRANSFER):
        sale = await a_sale(shop, how, member=member)
        await shop.rooms.sales.pay(sale.id)
        if sale.reference is not None:
            await shop.come_in(30_000, sale.reference)
    await allocate(shop)
    waiting = await a_sale(shop, by_source(linked.id), member=member)
    await shop.rooms.sales.pay(waiting.id)
    back = await a_sale(shop)
    await shop.come_in(30_000, back.reference or "")
    async with shop.house.database.transaction() as conn:
        await shop.rooms.sales.give_back(conn, back.id, 10_000)
    card, _, _ = await a_prepaid_card(shop.house)
    assert OWN.bank_code
    assert await shop.left(card) == 50_000

    reconciliation = a_reconciliation(shop.house)
    await reconciliation.run()

    found = (await reconciliation.list(PageRequest(), BreakState.OPEN)).items
    assert [each for each in found if each.finding.subject.startswith("mer_")] == []
