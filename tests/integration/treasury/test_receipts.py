"""What the bank says came in is booked once, waits in suspense, and is placed or sent back once."""

import asyncio
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from msgspec.structs import replace
from tests.factories.ledger import P0, an_account
from tests.factories.treasury import (
    ScriptedBank,
    TreasuryHouse,
    a_bank_account,
    a_statement,
    an_entry,
    treasury_house,
)
from tests.factories.wallet import House

from obverse.kit.errors import InvalidRequest, KeyReused
from obverse.kit.ids import AccountId, PartitionId, ReceiptId
from obverse.kit.money import KRW
from obverse.kit.paging import PageRequest
from obverse.ledger import AccountKind, Ledger
from obverse.ledger.errors import UnknownAccount
from obverse.ledger.rules import house_account
from obverse.treasury import (
    Decision,
    Direction,
    Imported,
    Placement,
    Receipt,
    ReceiptNotFound,
    ReceiptPlaced,
    SenderUnknown,
    StatementNotOurs,
    StatementUnreadable,
)
from obverse.treasury.ports import Answer, StatementFile, Verdict
from obverse.treasury.repository import unplaced

BILL = "OBV-B-7G2K1X9M4Q"
BY = Decision("key_operator", "the sender told us on the phone")
FEES = house_account(AccountKind.FEE_INCOME, P0, KRW).id


async def take_in(treasury: TreasuryHouse, *entries: str, **changes: str) -> Imported:
    return await treasury.treasury.import_statement(a_statement(*entries, **changes))


async def the_receipt(treasury: TreasuryHouse) -> Receipt:
    (receipt,) = (await treasury.desk.receipts(PageRequest())).items
    return receipt


async def place(treasury: TreasuryHouse, *placements: Placement) -> None:
    async with treasury.database.transaction() as conn:
        await treasury.treasury.place(conn, placements)


def a_placement(receipt: Receipt, amount_minor: int | None = None, subject: UUID | None = None) -> Placement:
    minor = receipt.open_minor if amount_minor is None else amount_minor
    return Placement(receipt.id, P0, FEES, minor, subject or uuid4())


async def test_money_that_comes_in_is_booked_and_waits(treasury: TreasuryHouse) -> None:
    assert await take_in(treasury, an_entry(text=f"my bill {BILL}")) == Imported(receipts=1)
    assert await treasury.balances() == {"bank": 34_000, "suspense": -34_000}
    receipt = await the_receipt(treasury)
    assert (receipt.direction, receipt.reference, receipt.text) == (Direction.CREDIT, BILL, f"my bill {BILL}")
    assert (receipt.counterparty, receipt.bank_code, receipt.last_four) == ("A member", "004", "5666")
    assert await treasury.events("receipt.arrived") == 1


async def test_the_same_statement_again_changes_nothing(treasury: TreasuryHouse) -> None:
    entries = an_entry(), an_entry("5", ref="E2")
    await take_in(treasury, *entries)
    assert await take_in(treasury, *entries) == Imported(known=2)
    assert await treasury.balances() == {"bank": 34_005, "suspense": -34_005}
    assert await treasury.events("receipt.arrived") == 2


async def test_an_entry_that_a_statement_has_twice_counts_once(treasury: TreasuryHouse) -> None:
    assert await take_in(treasury, an_entry(), an_entry()) == Imported(receipts=1, known=1)
    assert await treasury.balances() == {"bank": 34_000, "suspense": -34_000}


async def test_a_statement_that_grows_over_the_day_is_taken_in_as_it_grows(treasury: TreasuryHouse) -> None:
    await take_in(treasury, an_entry(), closing="34000")
    await take_in(treasury, an_entry(), an_entry("5", ref="E2"), closing="34005")
    await take_in(treasury, an_entry(), closing="34000")
    assert await treasury.balances() == {"bank": 34_005, "suspense": -34_005}
    (row,) = await treasury.fetch("select entries, closing_minor from bank_statements")
    assert tuple(row) == (2, 34_005), "an older reading does not push out a newer one"


async def test_one_statement_read_by_several_processes_counts_once(
    house: House, treasury: TreasuryHouse, bank: ScriptedBank
) -> None:
    bank.answers = lambda _: Answer(Verdict.ACCEPTED)
    orders = [treasury.an_order(1_000) for _ in range(50)]
    await treasury.order(*orders)
    await treasury.treasury.send()
    others = [await treasury_house(house, bank) for _ in range(3)]
    debits = [
        an_entry("1000", direction="DBIT", ref=f"D{n}", e2e=order.id.hex) for n, order in enumerate(orders)
    ]
    credits = [an_entry("10", ref=f"C{n}") for n in range(50)]
    content = a_statement(*debits, *credits)
    found = await asyncio.gather(*(each.treasury.import_statement(content) for each in [treasury, *others]))
    assert sum(each.receipts for each in found) == 50
    assert sum(each.confirmed for each in found) == 50
    assert await treasury.balances() == {
        "merchant_payable": 50_000,
        "bank": -50_000 + 500,
        "suspense": -500,
    }


@pytest.mark.parametrize(
    ("content", "error"),
    [
        pytest.param(b"<html/>", StatementUnreadable, id="broken"),
        pytest.param(a_statement(an_entry(), account="999888777666"), StatementNotOurs, id="another account"),
        pytest.param(
            a_statement(an_entry(currency="USD"), currency="USD"), StatementNotOurs, id="another currency"
        ),
        pytest.param(
            a_statement(an_entry(), an_entry("1")), StatementUnreadable, id="one reference, two amounts"
        ),
    ],
)
async def test_of_a_statement_that_is_refused_nothing_is_stored(
    treasury: TreasuryHouse, content: bytes, error: type[Exception]
) -> None:
    with pytest.raises(error):
        await treasury.treasury.import_statement(content)
    assert await treasury.balances() == {}
    assert not await treasury.fetch("select from bank_statements")


async def test_an_entry_that_has_changed_since_stops_the_whole_statement(treasury: TreasuryHouse) -> None:
    await take_in(treasury, an_entry())
    with pytest.raises(StatementUnreadable, match="changed"):
        await take_in(treasury, an_entry("34001"), an_entry("5", ref="E2"))
    assert await treasury.balances() == {"bank": 34_000, "suspense": -34_000}


# orders, confirmed by a statement ---------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [Verdict.ACCEPTED, Verdict.NO_ANSWER, Verdict.REFUSED])
async def test_a_statement_confirms_an_order_whatever_the_bank_has_said_before(
    treasury: TreasuryHouse, bank: ScriptedBank, answer: Verdict
) -> None:
    bank.answers = lambda _: Answer(answer)
    order = treasury.an_order()
    await treasury.order(order)
    await treasury.treasury.send()
    debit = an_entry("50000", direction="DBIT", e2e=order.id.hex)
    assert await take_in(treasury, debit) == Imported(confirmed=1)
    assert await treasury.state(order) == "done"
    assert await treasury.balances() == {"merchant_payable": 50_000, "bank": -50_000}


async def test_an_order_that_was_done_is_not_done_again_by_its_statement(treasury: TreasuryHouse) -> None:
    order = treasury.an_order()
    await treasury.order(order)
    await treasury.treasury.send()
    await take_in(treasury, an_entry("50000", direction="DBIT", e2e=order.id.hex))
    assert await treasury.balances() == {"merchant_payable": 50_000, "bank": -50_000}
    assert await treasury.events("bank_transfer.done") == 1


@pytest.mark.parametrize(
    ("amount", "reference"), [("50000", "E2"), ("49999", "E2")], ids=["booked twice", "booked wrongly"]
)
async def test_what_leaves_without_an_order_is_shown_to_operators(
    treasury: TreasuryHouse, amount: str, reference: str
) -> None:
    order = treasury.an_order()
    await treasury.order(order)
    await treasury.treasury.send()
    await take_in(treasury, an_entry("50000", direction="DBIT", e2e=order.id.hex))
    again = an_entry(amount, direction="DBIT", ref=reference, e2e=order.id.hex)
    assert (await take_in(treasury, again)).receipts == 1
    receipt = await the_receipt(treasury)
    assert (receipt.direction, receipt.open_minor) == (Direction.DEBIT, int(amount))
    assert await treasury.balances() == {
        "merchant_payable": 50_000,
        "bank": -50_000 - int(amount),
        "suspense": int(amount),
    }
    await treasury.desk.place(receipt.id, P0, FEES, BY)
    assert "suspense" not in await treasury.balances()


async def test_a_report_of_refusals_is_taken_in_like_a_statement(
    treasury: TreasuryHouse, bank: ScriptedBank
) -> None:
    bank.answers = lambda _: Answer(Verdict.ACCEPTED)
    order, in_file = treasury.an_order(), treasury.an_order()
    await treasury.order(order)
    await treasury.treasury.send()
    await treasury.order(in_file)
    await treasury.treasury.send()
    report = (
        '<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.002.001.03"><CstmrPmtStsRpt>'
        f"<OrgnlGrpInfAndSts><OrgnlMsgId>{bank.batches[1].id.hex}</OrgnlMsgId><GrpSts>RJCT</GrpSts>"
        "</OrgnlGrpInfAndSts><OrgnlPmtInfAndSts><TxInfAndSts>"
        f"<OrgnlEndToEndId>{order.id.hex}</OrgnlEndToEndId><TxSts>RJCT</TxSts>"
        "<StsRsnInf><Rsn><Cd>AC04</Cd></Rsn></StsRsnInf></TxInfAndSts></OrgnlPmtInfAndSts>"
        "</CstmrPmtStsRpt></Document>"
    ).encode()
    assert await treasury.treasury.import_statement(report) == Imported(refused=2)
    assert await treasury.treasury.import_statement(report) == Imported()
    assert [(await treasury.desk.transfer(each.id)).reason for each in (order, in_file)] == [
        "AC04",
        "no reason given",
    ]


# placing ----------------------------------------------------------------------------------------------------


async def test_a_receipt_is_placed_once_and_suspense_ends_at_zero(treasury: TreasuryHouse) -> None:
    await take_in(treasury, an_entry())
    receipt = await the_receipt(treasury)
    placement = a_placement(receipt)
    await place(treasury, placement)
    await place(treasury, placement)
    await place(treasury, placement, placement)
    assert await treasury.balances() == {"bank": 34_000, "fee_income": -34_000}
    assert (await the_receipt(treasury)).open_minor == 0
    assert await treasury.events("receipt.placed") == 1


async def test_a_receipt_is_placed_in_parts_and_never_beyond_what_it_is(treasury: TreasuryHouse) -> None:
    await take_in(treasury, an_entry())
    receipt = await the_receipt(treasury)
    await place(treasury, a_placement(receipt, 10_000), a_placement(receipt, 20_000))
    with pytest.raises(ReceiptPlaced):
        await place(treasury, a_placement(receipt, 4_001))
    with pytest.raises(ReceiptPlaced):
        await place(treasury, a_placement(receipt, 4_000), a_placement(receipt, 1))
    assert await treasury.balances() == {"bank": 34_000, "suspense": -4_000, "fee_income": -30_000}


async def test_two_who_place_one_receipt_at_once_place_it_once(treasury: TreasuryHouse) -> None:
    await take_in(treasury, an_entry())
    receipt = await the_receipt(treasury)
    done = await asyncio.gather(
        *(place(treasury, a_placement(receipt)) for _ in range(4)), return_exceptions=True
    )
    assert sorted(type(each).__name__ for each in done) == ["NoneType"] + ["ReceiptPlaced"] * 3
    assert await treasury.balances() == {"bank": 34_000, "fee_income": -34_000}


async def test_what_is_placed_in_another_partition_still_adds_up(house: House, bank: ScriptedBank) -> None:
    treasury = await treasury_house(house, bank, partitions=2)
    debt = replace(an_account(floor_minor=None), partition_id=PartitionId(1))
    await Ledger(house.database).open([debt])
    await take_in(treasury, an_entry())
    receipt = await the_receipt(treasury)
    await place(treasury, Placement(receipt.id, PartitionId(1), debt.id, 34_000, uuid4()))
    assert await treasury.balances() == {"bank": 34_000, "stored_balance": -34_000}
    assert await Ledger(house.database).check() == []


async def test_a_placement_on_nothing_changes_nothing(treasury: TreasuryHouse) -> None:
    await take_in(treasury, an_entry())
    receipt = await the_receipt(treasury)
    with pytest.raises(UnknownAccount):
        await place(treasury, Placement(receipt.id, P0, AccountId(uuid4()), 1, uuid4()))
    with pytest.raises(ReceiptNotFound):
        await place(treasury, replace(a_placement(receipt), receipt_id=ReceiptId(uuid4())))
    assert (await the_receipt(treasury)).placed_minor == 0


async def test_owners_find_what_is_theirs_oldest_first_and_nobody_else_does_meanwhile(
    treasury: TreasuryHouse,
) -> None:
    texts = ["OBV-B-0000000001", "OBV-P-0000000002", "nothing", "see obv-b-0000000003"]
    for n, text in enumerate(texts):
        await take_in(treasury, an_entry(ref=f"E{n}", text=text), id_=f"S{n}")
        treasury.house.clock.move_to(treasury.house.clock.offset + timedelta(milliseconds=2))
    async with treasury.database.transaction() as conn:
        found = await unplaced(conn, "OBV-B-", 10)
        assert [each.reference for each in found] == ["OBV-B-0000000001", "OBV-B-0000000003"]
        assert await unplaced(conn, "OBV-B-", 10, after=found[0].id) == found[1:]
        async with treasury.database.transaction() as other:
            assert await unplaced(other, "OBV-B-", 10) == []
            assert len(await unplaced(other, "OBV-P-", 10)) == 1
        await treasury.treasury.place(conn, [a_placement(found[0])])
    async with treasury.database.transaction() as conn:
        assert [each.id for each in await unplaced(conn, "OBV-B-", 10)] == [found[1].id]


# operators --------------------------------------------------------------------------------------------------


async def test_an_operator_gives_a_receipt_the_reference_that_was_forgotten(treasury: TreasuryHouse) -> None:
    await take_in(treasury, an_entry(text="thanks"))
    receipt = await the_receipt(treasury)
    assert receipt.reference is None
    assigned = await treasury.desk.assign(receipt.id, BILL.lower(), BY)
    assert assigned.reference == BILL
    async with treasury.database.transaction() as conn:
        assert [each.id for each in await unplaced(conn, "OBV-B-", 1)] == [receipt.id]
    (row,) = await treasury.fetch("select action, reason, data->>'reference' from audit_log")
    assert tuple(row) == ("receipt.assigned", BY.reason, BILL)


@pytest.mark.parametrize("reference", ["", "bill", f"{BILL} {BILL}", f"x{BILL}"])
async def test_only_a_reference_of_ours_can_be_given(treasury: TreasuryHouse, reference: str) -> None:
    await take_in(treasury, an_entry())
    with pytest.raises(InvalidRequest):
        await treasury.desk.assign((await the_receipt(treasury)).id, reference, BY)


async def test_what_cannot_be_placed_is_sent_back_to_where_it_came_from(
    treasury: TreasuryHouse, bank: ScriptedBank
) -> None:
    await take_in(treasury, an_entry())
    receipt = await the_receipt(treasury)
    assert (await treasury.desk.send_back(receipt.id, None, BY)).open_minor == 0
    assert await treasury.balances() == {"bank": 34_000, "in_transit": -34_000}
    await treasury.treasury.send()
    (order,) = bank.batches[0].orders
    assert (order.to.bank_code, order.to.number.reveal(), order.to.holder) == (
        "004",
        "333444555666",
        "A member",
    )
    assert await treasury.balances() == {}
    (row,) = await treasury.fetch("select number_sealed from receipts")
    assert row[0] is None, "nobody needs the sender's number any more"


async def test_an_operator_tells_the_account_that_the_bank_did_not(
    treasury: TreasuryHouse, bank: ScriptedBank
) -> None:
    await take_in(treasury, an_entry(account=None))
    receipt = await the_receipt(treasury)
    with pytest.raises(SenderUnknown):
        await treasury.desk.send_back(receipt.id, None, BY)
    await treasury.desk.send_back(receipt.id, a_bank_account("999888777666"), BY)
    await treasury.treasury.send()
    assert bank.batches[0].orders[0].to.number.reveal() == "999888777666"


async def test_what_went_out_cannot_be_sent_back(treasury: TreasuryHouse) -> None:
    await take_in(treasury, an_entry(direction="DBIT"))
    with pytest.raises(InvalidRequest):
        await treasury.desk.send_back((await the_receipt(treasury)).id, None, BY)


async def test_a_decision_is_made_once_per_key(treasury: TreasuryHouse, bank: ScriptedBank) -> None:
    await take_in(treasury, an_entry())
    receipt = await the_receipt(treasury)
    keyed = replace(BY, request_key="rest:op:1")
    first = await treasury.desk.send_back(receipt.id, None, keyed)
    assert await treasury.desk.send_back(receipt.id, None, keyed) == first
    with pytest.raises(KeyReused):
        await treasury.desk.send_back(receipt.id, a_bank_account(), keyed)
    with pytest.raises(KeyReused):
        await treasury.desk.place(receipt.id, P0, FEES, keyed)
    with pytest.raises(ReceiptPlaced):
        await treasury.desk.send_back(receipt.id, None, replace(BY, request_key="rest:op:2"))
    assert await treasury.treasury.send() == 1
    assert len(await treasury.fetch("select from audit_log")) == 1


async def test_a_decision_needs_a_reason(treasury: TreasuryHouse) -> None:
    await take_in(treasury, an_entry())
    receipt = await the_receipt(treasury)
    for reason in ("", "  ", "x" * 501, "two\nlines"):
        with pytest.raises(InvalidRequest):
            await treasury.desk.place(receipt.id, P0, FEES, Decision("key_operator", reason))
    assert (await the_receipt(treasury)).placed_minor == 0


async def test_receipts_that_wait_are_listed_apart(treasury: TreasuryHouse) -> None:
    await take_in(treasury, an_entry(), an_entry("5", ref="E2"))
    receipts = (await treasury.desk.receipts(PageRequest())).items
    await place(treasury, a_placement(receipts[0]))
    waiting = await treasury.desk.receipts(PageRequest(), unplaced_only=True)
    assert [each.id for each in waiting.items] == [receipts[1].id]
    with pytest.raises(ReceiptNotFound):
        await treasury.desk.receipt(ReceiptId(uuid4()))


# fetching statements ----------------------------------------------------------------------------------------


async def test_statements_are_fetched_from_the_last_day_that_was_read(
    treasury: TreasuryHouse, bank: ScriptedBank
) -> None:
    await treasury.treasury.read_statements()
    today = bank.days[-1]
    assert bank.days == [today - timedelta(days=1), today]
    bank.files = [StatementFile("s", a_statement(day=(today - timedelta(days=3)).isoformat()))]
    await treasury.treasury.read_statements()
    await treasury.treasury.read_statements()
    assert bank.days == [today - timedelta(days=n) for n in (3, 2, 1, 0)]
    assert bank.put_aside == [("s", None)] * 2


async def test_a_statement_that_cannot_be_read_is_told_and_put_aside_and_holds_up_nothing(
    treasury: TreasuryHouse, bank: ScriptedBank
) -> None:
    bank.files = [
        StatementFile("broken.xml", b"<html/>"),
        StatementFile("theirs.xml", a_statement(an_entry(), account="999888777666")),
        StatementFile("ours.xml", a_statement(an_entry())),
    ]
    assert await treasury.treasury.read_statements() == 3
    assert [(name, problem is None) for name, problem in bank.put_aside] == [
        ("broken.xml", False),
        ("theirs.xml", False),
        ("ours.xml", True),
    ]
    assert await treasury.events("bank_statement.refused") == 2
    assert await treasury.balances() == {"bank": 34_000, "suspense": -34_000}
