"""Orders: stored with the money they cost, given to the bank once, and asked for until their end is known."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest
from msgspec.structs import replace
from tests.factories.ledger import an_account
from tests.factories.treasury import (
    OWN,
    ScriptedBank,
    TreasuryHouse,
    a_bank_account,
    a_statement,
    an_entry,
    treasury_house,
)
from tests.factories.wallet import House

from obverse.kit.errors import InvalidRequest
from obverse.kit.ids import BankTransferId, PartitionId
from obverse.kit.paging import PageRequest
from obverse.ledger import Ledger
from obverse.ledger.errors import InsufficientFunds
from obverse.treasury import (
    BankTransferNotFound,
    BankTransferNotRefused,
    Decision,
    TransferState,
    rekeys,
)
from obverse.treasury.ports import Answer, Verdict
from obverse.treasury.repository import load_transfers, states
from obverse.vault import Vault

BY = Decision("key_operator", "the member told us the right account")


def later(treasury: TreasuryHouse, seconds: int = 600) -> None:
    """Let everything that waits be due."""
    clock = treasury.house.clock
    clock.move_to(clock.offset + timedelta(seconds=seconds))


async def test_an_order_takes_its_money_at_once_and_leaves_the_bank_account_when_booked(
    treasury: TreasuryHouse,
) -> None:
    order = treasury.an_order(50_000)
    await treasury.order(order)
    assert await treasury.balances() == {"merchant_payable": 50_000, "in_transit": -50_000}
    assert await treasury.treasury.send() == 1
    assert await treasury.state(order) == "done"
    assert await treasury.balances() == {"merchant_payable": 50_000, "bank": -50_000}
    assert await treasury.events("bank_transfer.done") == 1
    assert await Ledger(treasury.database).check() == []


async def test_the_bank_is_told_what_was_ordered(treasury: TreasuryHouse, bank: ScriptedBank) -> None:
    order = treasury.an_order(50_000)
    await treasury.order(order)
    await treasury.treasury.send()
    (sent,) = bank.batches[0].orders
    assert (sent.wire_id, sent.amount, sent.to, sent.reference) == (
        order.id,
        order.amount,
        order.to,
        order.reference,
    )


async def test_the_same_order_again_changes_nothing(treasury: TreasuryHouse, bank: ScriptedBank) -> None:
    order = treasury.an_order()
    await treasury.order(order, order)
    await treasury.order(order)
    await treasury.treasury.send()
    await treasury.order(order)
    await treasury.treasury.send()
    assert bank.given == [order.id]
    assert await treasury.balances() == {"merchant_payable": 50_000, "bank": -50_000}


async def test_an_order_that_cannot_be_paid_for_is_none(treasury: TreasuryHouse) -> None:
    purse = an_account(floor_minor=0)
    await Ledger(treasury.database).open([purse])
    with pytest.raises(InsufficientFunds):
        await treasury.order(treasury.an_order(debit_account_id=purse.id))
    with pytest.raises(InvalidRequest):
        await treasury.order(treasury.an_order(), treasury.an_order(to=a_bank_account("1")))
    assert await treasury.treasury.send() == 0
    assert await treasury.balances() == {}


async def test_an_owner_may_have_moved_the_money_itself(treasury: TreasuryHouse) -> None:
    await treasury.order(treasury.an_order(debit_account_id=None))
    assert await treasury.balances() == {}


async def test_no_account_number_is_stored_in_the_clear_and_none_after_it_was_paid_to(
    treasury: TreasuryHouse,
) -> None:
    order = treasury.an_order()
    await treasury.order(order)
    (row,) = await treasury.fetch("select t::text as line, last_four from bank_transfers as t")
    assert "110222333444" not in row["line"]
    assert row["last_four"] == "3444"
    await treasury.treasury.send()
    (row,) = await treasury.fetch("select number_sealed, number_key_version from bank_transfers")
    assert tuple(row) == (None, None)


async def test_thousands_of_orders_go_out_in_batches(treasury: TreasuryHouse, bank: ScriptedBank) -> None:
    orders = [treasury.an_order(1_000) for _ in range(1_201)]
    await treasury.order(*orders)
    assert await treasury.treasury.send() == 1_201
    assert [len(batch.orders) for batch in bank.batches] == [500, 500, 201]
    assert await treasury.balances() == {"merchant_payable": 1_201_000, "bank": -1_201_000}


# the bank refuses, answers late, or not at all -------------------------------------------------------------


async def test_a_refused_order_waits_for_an_operator(treasury: TreasuryHouse, bank: ScriptedBank) -> None:
    bank.answers = lambda _: Answer(Verdict.REFUSED, "AC04 account closed")
    order = treasury.an_order()
    await treasury.order(order)
    await treasury.treasury.send()
    later(treasury)
    assert (await treasury.treasury.send(), await treasury.treasury.ask()) == (0, 0)
    transfer = await treasury.desk.transfer(order.id)
    assert (transfer.state, transfer.reason) == (TransferState.REFUSED, "AC04 account closed")
    assert await treasury.balances() == {"merchant_payable": 50_000, "in_transit": -50_000}
    assert await treasury.events("bank_transfer.refused") == 1


async def test_a_corrected_account_is_paid_under_a_new_id(
    treasury: TreasuryHouse, bank: ScriptedBank
) -> None:
    bank.answers = lambda _: Answer(Verdict.REFUSED, "AC04 account closed")
    order = treasury.an_order()
    await treasury.order(order)
    await treasury.treasury.send()
    bank.answers = lambda _: Answer(Verdict.DONE)
    await treasury.desk.retry(order.id, a_bank_account("999888777666"), BY)
    await treasury.treasury.send()
    first, second = (batch.orders[0] for batch in bank.batches)
    assert (first.wire_id, second.to.number.reveal()) == (order.id, "999888777666")
    assert second.wire_id != first.wire_id, "the bank knows the first one as refused for ever"
    transfer = await treasury.desk.transfer(order.id)
    assert (transfer.state, transfer.reason, transfer.last_four) == (TransferState.DONE, None, "7666")
    assert await treasury.balances() == {"merchant_payable": 50_000, "bank": -50_000}
    (row,) = await treasury.fetch("select actor, action, reason from audit_log")
    assert tuple(row) == ("key_operator", "bank_transfer.retried", BY.reason)


@pytest.mark.parametrize("state", ["ready", "sent", "unknown", "done"])
async def test_only_what_was_refused_is_sent_to_another_account(
    treasury: TreasuryHouse, bank: ScriptedBank, state: str
) -> None:
    answers = {"sent": Verdict.ACCEPTED, "unknown": Verdict.NO_ANSWER, "done": Verdict.DONE}
    order = treasury.an_order()
    await treasury.order(order)
    if state in answers:
        bank.answers = lambda _: Answer(answers[state])
        await treasury.treasury.send()
    assert await treasury.state(order) == state
    with pytest.raises(BankTransferNotRefused):
        await treasury.desk.retry(order.id, a_bank_account("999888777666"), BY)
    assert await treasury.state(order) == state
    assert not await treasury.fetch("select from audit_log")


async def test_no_answer_is_asked_for_before_anything_is_sent_again(
    treasury: TreasuryHouse, bank: ScriptedBank
) -> None:
    bank.answers = lambda _: Answer(Verdict.NO_ANSWER)
    order = treasury.an_order()
    await treasury.order(order)
    await treasury.treasury.send()
    assert await treasury.state(order) == "unknown"
    assert await treasury.treasury.send() == 0
    bank.outcome = lambda _: Answer(Verdict.NO_ANSWER)
    for _ in range(3):
        later(treasury)
        assert await treasury.treasury.ask() == 1
    assert await treasury.state(order) == "unknown"
    bank.outcome = lambda _: Answer(Verdict.DONE)
    later(treasury)
    await treasury.treasury.ask()
    assert (await treasury.state(order), bank.given) == ("done", [order.id])
    assert await treasury.balances() == {"merchant_payable": 50_000, "bank": -50_000}


async def test_what_never_got_to_the_bank_goes_again_under_the_same_id(
    treasury: TreasuryHouse, bank: ScriptedBank
) -> None:
    bank.answers = lambda _: Answer(Verdict.NO_ANSWER)
    order = treasury.an_order()
    await treasury.order(order)
    await treasury.treasury.send()
    later(treasury)
    await treasury.treasury.ask()
    assert await treasury.state(order) == "ready"
    bank.answers = lambda _: Answer(Verdict.DONE)
    await treasury.treasury.send()
    assert bank.given == [order.id, order.id]
    assert await treasury.state(order) == "done"


async def test_a_bank_that_does_not_answer_gets_one_batch_and_no_more(
    treasury: TreasuryHouse, bank: ScriptedBank
) -> None:
    bank.answers = lambda _: Answer(Verdict.NO_ANSWER)
    await treasury.order(*(treasury.an_order() for _ in range(501)))
    await treasury.treasury.send()
    assert len(bank.batches) == 1


async def test_a_late_answer_does_not_undo_what_is_known(treasury: TreasuryHouse, bank: ScriptedBank) -> None:
    order = treasury.an_order()
    await treasury.order(order)

    def refuses_what_it_has_booked(wire_id):
        later(treasury)
        return Answer(Verdict.REFUSED, "too late")

    bank.answers = lambda _: Answer(Verdict.NO_ANSWER)
    await treasury.treasury.send()
    entry = an_entry("50000", direction="DBIT", e2e=order.id.hex)
    await treasury.treasury.import_statement(a_statement(entry))
    bank.outcome = refuses_what_it_has_booked
    later(treasury)
    assert await treasury.treasury.ask() == 0
    assert await treasury.state(order) == "done"


async def test_asking_becomes_less_frequent(treasury: TreasuryHouse, bank: ScriptedBank) -> None:
    bank.answers = bank.outcome = lambda _: Answer(Verdict.ACCEPTED)
    await treasury.order(treasury.an_order())
    await treasury.treasury.send()
    times = 0
    for _ in range(120):
        later(treasury, 1)
        times += await treasury.treasury.ask()
    assert 5 <= times <= 8


# several processes ------------------------------------------------------------------------------------------


async def test_several_processes_share_the_work_and_give_each_order_once(
    house: House, treasury: TreasuryHouse, bank: ScriptedBank
) -> None:
    others = [await treasury_house(house, bank) for _ in range(3)]
    orders = [treasury.an_order(1_000) for _ in range(1_200)]
    await treasury.order(*orders)
    sent = await asyncio.gather(*(each.treasury.send() for each in [treasury, *others]))
    assert sum(sent) == 1_200
    assert sorted(bank.given) == sorted(order.id for order in orders)
    assert await treasury.balances() == {"merchant_payable": 1_200_000, "bank": -1_200_000}


async def test_p14_a_kill_between_sending_and_recording_pays_once(
    treasury: TreasuryHouse, bank: ScriptedBank
) -> None:
    booked: set = set()

    def books_and_loses_us(wire_id):
        booked.add(wire_id)
        raise asyncio.CancelledError  # the process ends here

    bank.answers = books_and_loses_us
    order = treasury.an_order()
    await treasury.order(order)
    with pytest.raises(asyncio.CancelledError):
        await treasury.treasury.send()
    assert await treasury.state(order) == "sent"
    assert await treasury.treasury.ask() == 0, "it may be on its way still"
    bank.outcome = lambda wire_id: Answer(Verdict.DONE if wire_id in booked else Verdict.UNKNOWN_ID)
    later(treasury)
    await treasury.treasury.ask()
    await treasury.treasury.send()
    assert (await treasury.state(order), bank.given) == ("done", [order.id])
    assert await treasury.balances() == {"merchant_payable": 50_000, "bank": -50_000}


# reading, lists, keys ---------------------------------------------------------------------------------------


async def test_owners_read_how_far_their_transfers_have_come(treasury: TreasuryHouse) -> None:
    order, unknown = treasury.an_order(), BankTransferId(uuid4())
    await treasury.order(order)
    async with treasury.database.connection() as conn:
        assert await states(conn, [order.id, unknown]) == {order.id: TransferState.READY}
        assert (await load_transfers(conn, [order.id, unknown]))[order.id].reference == order.reference


async def test_transfers_are_listed_newest_first_and_by_state(
    treasury: TreasuryHouse, bank: ScriptedBank
) -> None:
    first, second, third = sorted((treasury.an_order() for _ in range(3)), key=lambda each: each.id)
    bank.answers = lambda id_: Answer(Verdict.REFUSED if id_ == second.id else Verdict.DONE)
    await treasury.order(first, second)
    await treasury.treasury.send()
    await treasury.order(third)
    page = await treasury.desk.transfers(PageRequest(2))
    assert [each.id for each in page.items] == [third.id, second.id]
    assert page.next_after == second.id
    page = await treasury.desk.transfers(PageRequest(), TransferState.REFUSED)
    assert [each.id for each in page.items] == [second.id]


async def test_a_transfer_that_is_none_is_not_found(treasury: TreasuryHouse) -> None:
    with pytest.raises(BankTransferNotFound):
        await treasury.desk.transfer(BankTransferId(uuid4()))
    with pytest.raises(BankTransferNotFound):
        await treasury.desk.retry(BankTransferId(uuid4()), OWN, BY)


async def test_account_numbers_follow_a_change_of_keys(treasury: TreasuryHouse, bank: ScriptedBank) -> None:
    vault: Vault = treasury.house.vault
    order = treasury.an_order()
    await treasury.order(order)
    await treasury.treasury.import_statement(a_statement(an_entry()))
    async with treasury.database.transaction() as conn:
        await vault.lock_keys(conn)
        vault.add_key_versions()
    for rekey in rekeys(vault):
        async with treasury.database.transaction() as conn:
            assert await rekey.count(conn) == 1
            assert await rekey.step(conn, 10) == 1
            assert await rekey.count(conn) == 0
    async with treasury.database.transaction() as conn:
        await vault.lock_keys(conn)
        vault.drop_old_key_versions()
    await treasury.treasury.send()
    assert bank.batches[0].orders[0].to == order.to


async def test_money_of_another_partition_goes_through_its_own_accounts(
    house: House, bank: ScriptedBank
) -> None:
    treasury = await treasury_house(house, bank, partitions=2)
    payer = replace(an_account(floor_minor=None), partition_id=PartitionId(1))
    await Ledger(house.database).open([payer])
    await treasury.order(treasury.an_order(partition_id=PartitionId(1), debit_account_id=payer.id))
    await treasury.treasury.send()
    assert await treasury.balances() == {"stored_balance": 50_000, "bank": -50_000}
    rows = await treasury.fetch("select distinct partition_id from transfers")
    assert [row[0] for row in rows] == [1]
