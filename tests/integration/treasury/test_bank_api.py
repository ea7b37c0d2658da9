"""The treasury against a bank on a socket, which misbehaves in every way it knows."""

from datetime import timedelta
from itertools import pairwise

import httpx
import pytest
from tests.factories.sandbox import HOST
from tests.factories.treasury import OWN, TreasuryHouse, a_bank_account

from obverse.kit.paging import PageRequest
from obverse.networks.bank import BankApi
from obverse.sandbox.bank import Bank as SandboxBank
from obverse.sandbox.bank import BankAccount as SandboxAccount
from obverse.sandbox.bank import Order
from obverse.sandbox.faults import Fault, FaultRule, MessageKind
from obverse.treasury import Decision, Direction

BY = Decision("key_operator", "told on the phone")
FAULTS = [
    pytest.param(FaultRule(Fault.SLOW, delay_ms=100), id="slow"),
    pytest.param(FaultRule(Fault.LATE, delay_ms=1_000, times=1), id="late"),
    pytest.param(FaultRule(Fault.SILENT, times=1), id="works and says nothing"),
    pytest.param(FaultRule(Fault.LOST, times=1), id="hears nothing"),
    pytest.param(FaultRule(Fault.CLOSE, times=1), id="works, then 503"),
    pytest.param(FaultRule(Fault.REFUSE, times=1), id="503"),
    pytest.param(FaultRule(Fault.GARBAGE, times=1), id="works and talks nonsense"),
]


def paid_to(bank: SandboxBank, number: str) -> int:
    account = bank.book.account(number)
    return account.balance_minor if account else 0


async def until_settled(treasury: TreasuryHouse, rounds: int = 6) -> None:
    """What the chores do, again and again, with time passing in between."""
    for _ in range(rounds):
        await treasury.treasury.send()
        treasury.house.clock.move_to(treasury.house.clock.offset + timedelta(minutes=6))
        await treasury.treasury.ask()
    await treasury.treasury.read_statements()


@pytest.mark.parametrize("kind", [MessageKind.TRANSFER, MessageKind.TRANSFER_QUERY])
@pytest.mark.parametrize("rule", FAULTS)
async def test_p14_an_order_leaves_the_bank_once_whatever_the_bank_does(
    at_sandbox: TreasuryHouse, sandbox_bank: SandboxBank, kind: MessageKind, rule: FaultRule
) -> None:
    sandbox_bank._faults.set(kind, rule)
    if kind is MessageKind.TRANSFER_QUERY:  # something has to be asked for
        sandbox_bank._faults.set(MessageKind.TRANSFER, FaultRule(Fault.CLOSE, times=1))
    orders = [at_sandbox.an_order(1_000 + n, to=a_bank_account(f"11022233{n:04d}")) for n in range(20)]
    await at_sandbox.order(*orders)
    await until_settled(at_sandbox)
    assert {await at_sandbox.state(order) for order in orders} == {"done"}
    assert [paid_to(sandbox_bank, f"11022233{n:04d}") for n in range(20)] == [1_000 + n for n in range(20)]
    total = sum(order.amount.amount_minor for order in orders)
    assert await at_sandbox.balances() == {"merchant_payable": total, "bank": -total}


@pytest.mark.parametrize("rule", FAULTS)
async def test_a_statement_comes_through_whatever_the_bank_does(
    at_sandbox: TreasuryHouse, sandbox_bank: SandboxBank, rule: FaultRule
) -> None:
    a_member_pays(sandbox_bank, 34_000)
    sandbox_bank._faults.set(MessageKind.STATEMENT, rule)
    for _ in range(3):
        await at_sandbox.treasury.read_statements()
    assert await at_sandbox.balances() == {"bank": 34_000, "suspense": -34_000}


async def test_a_statement_with_an_entry_twice_counts_it_once(
    at_sandbox: TreasuryHouse, sandbox_bank: SandboxBank
) -> None:
    a_member_pays(sandbox_bank, 34_000)
    sandbox_bank._faults.set(MessageKind.STATEMENT, FaultRule(Fault.DUPLICATE))
    await at_sandbox.treasury.read_statements()
    assert await at_sandbox.balances() == {"bank": 34_000, "suspense": -34_000}


async def test_a_transfer_that_the_bank_books_twice_is_shown_to_operators(
    at_sandbox: TreasuryHouse, sandbox_bank: SandboxBank
) -> None:
    sandbox_bank._faults.set(MessageKind.TRANSFER, FaultRule(Fault.DUPLICATE))
    await at_sandbox.order(at_sandbox.an_order(50_000))
    await until_settled(at_sandbox, rounds=1)
    assert paid_to(sandbox_bank, "110222333444") == 100_000
    (receipt,) = (await at_sandbox.desk.receipts(PageRequest())).items
    assert (receipt.direction, receipt.amount.amount_minor) == (Direction.DEBIT, 50_000)
    assert await at_sandbox.balances() == {
        "merchant_payable": 50_000,
        "bank": -100_000,
        "suspense": 50_000,
    }


@pytest.mark.parametrize(
    ("account", "reason"),
    [
        pytest.param(a_bank_account(code="999"), "RC01 no such bank", id="no such bank"),
        pytest.param(a_bank_account("555666777888"), "AC04 account closed", id="closed"),
    ],
)
async def test_a_refused_transfer_is_paid_when_its_account_is_corrected(
    at_sandbox: TreasuryHouse, sandbox_bank: SandboxBank, account, reason: str
) -> None:
    sandbox_bank.book.open(SandboxAccount("004", "555666777888", "Gone", closed=True))
    order = at_sandbox.an_order(to=account)
    await at_sandbox.order(order)
    await until_settled(at_sandbox, rounds=1)
    assert (await at_sandbox.desk.transfer(order.id)).reason == reason
    assert await at_sandbox.balances() == {"merchant_payable": 50_000, "in_transit": -50_000}
    await at_sandbox.desk.retry(order.id, a_bank_account(), BY)
    await until_settled(at_sandbox, rounds=1)
    assert paid_to(sandbox_bank, "110222333444") == 50_000
    assert await at_sandbox.balances() == {"merchant_payable": 50_000, "bank": -50_000}


async def test_money_sent_back_reaches_whoever_sent_it(
    at_sandbox: TreasuryHouse, sandbox_bank: SandboxBank
) -> None:
    a_member_pays(sandbox_bank, 34_000)
    await at_sandbox.treasury.read_statements()
    (receipt,) = (await at_sandbox.desk.receipts(PageRequest())).items
    await at_sandbox.desk.send_back(receipt.id, None, BY)
    await until_settled(at_sandbox, rounds=1)
    assert paid_to(sandbox_bank, "333444555666") == 100_000
    assert await at_sandbox.balances() == {}
    assert sandbox_bank.book.provider.balance_minor == 0


async def test_a_statement_that_has_not_changed_is_not_fetched_again(
    at_sandbox: TreasuryHouse, sandbox_bank: SandboxBank
) -> None:
    a_member_pays(sandbox_bank, 34_000)
    assert await at_sandbox.treasury.read_statements() == 2
    assert await at_sandbox.treasury.read_statements() == 0
    a_member_pays(sandbox_bank, 1)
    assert await at_sandbox.treasury.read_statements() > 0
    assert await at_sandbox.balances() == {"bank": 34_001, "suspense": -34_001}


async def test_the_days_of_an_outage_are_read_afterwards(
    at_sandbox: TreasuryHouse, sandbox_bank: SandboxBank
) -> None:
    clock = at_sandbox.house.clock
    await at_sandbox.treasury.read_statements()
    for _ in range(5):
        a_member_pays(sandbox_bank, 1_000)
        clock.move_to(clock.offset + timedelta(days=1))
    await at_sandbox.treasury.read_statements()
    assert await at_sandbox.balances() == {"bank": 5_000, "suspense": -5_000}
    rows = await at_sandbox.fetch("select opening_minor, closing_minor from bank_statements order by day")
    balances = [tuple(row) for row in rows]
    assert all(closing == opening for (_, closing), (opening, _) in pairwise(balances))
    assert balances[-1][1] == 5_000


async def test_an_unreachable_bank_loses_nothing(
    at_sandbox: TreasuryHouse, sandbox_bank: SandboxBank
) -> None:
    order = at_sandbox.an_order()
    await at_sandbox.order(order)
    port = sandbox_bank.port
    await sandbox_bank.stop()
    await at_sandbox.treasury.send()
    assert await at_sandbox.treasury.read_statements() == 0
    assert await at_sandbox.state(order) == "unknown"
    again = SandboxBank(sandbox_bank.book, sandbox_bank._faults, sandbox_bank._trace, at_sandbox.house.clock)
    await again.start(HOST, port)
    try:
        await until_settled(at_sandbox, rounds=2)
    finally:
        await again.stop()
    assert await at_sandbox.state(order) == "done"
    assert paid_to(sandbox_bank, "110222333444") == 50_000


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"[]", id="another shape"),
        pytest.param(b'{"results": [{"id": "x", "status": "booked"}]}', id="no id"),
        pytest.param(b'{"results": []}', id="says nothing of it"),
        pytest.param(b'{"results": [{"id": "%s", "status": "fine"}]}', id="a status nobody knows"),
        pytest.param(b'{"results": [{"id": "%s", "status": "unknown"}]}', id="never heard of it"),
        pytest.param(b'{"results": [{"id": "%s", "status": "conflict"}]}', id="used before"),
        pytest.param(b"\xff\xfe\x00", id="bytes"),
    ],
)
async def test_no_clear_answer_is_no_answer(
    at_sandbox: TreasuryHouse, api: BankApi, monkeypatch: pytest.MonkeyPatch, body: bytes
) -> None:
    order = at_sandbox.an_order()
    content = body % order.id.hex.encode() if b"%s" in body else body
    transport = httpx.MockTransport(lambda _: httpx.Response(200, content=content))
    monkeypatch.setattr(api, "_http", httpx.AsyncClient(transport=transport, base_url="http://bank"))
    await at_sandbox.order(order)
    await at_sandbox.treasury.send()
    assert await at_sandbox.state(order) == "unknown"


def a_member_pays(bank: SandboxBank, amount_minor: int) -> None:
    """A member with 100,000 won or more pays the provider."""
    payer = SandboxAccount("004", "333444555666", "A member", 100_000)
    if bank.book.account(payer.number) is None:
        bank.book.open(payer)
    order = Order(
        payer.number, OWN.bank_code, OWN.number.reveal(), OWN.holder, amount_minor, "KRW", "OBV-B-7G2K1X9M4Q"
    )
    assert bank.book.pay(order).status == "booked"
