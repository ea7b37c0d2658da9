"""The ledger on a real PostgreSQL, many at once."""

import asyncio
from uuid import uuid4

import asyncpg
import pytest
from tests.factories.ledger import P0, a_source_of_money, a_transfer, an_account

from obverse.kit.database import Database
from obverse.kit.ids import AccountId, TransferId
from obverse.kit.money import CurrencyCode
from obverse.ledger import Account, Ledger, TransferKind, repository
from obverse.ledger.errors import CurrencyMismatch, InsufficientFunds, NothingPending, UnknownAccount
from obverse.ledger.jobs import roll_up


@pytest.fixture
def ledger(database: Database) -> Ledger:
    return Ledger(database)


async def balances(database: Database, account: Account) -> Account:
    async with database.connection() as conn:
        (found,) = await repository.find_accounts(conn, P0, [account.id])
    return found


async def test_p04_five_hundred_credits_and_twenty_withdrawals_on_funds_for_ten(
    ledger: Ledger, database: Database
) -> None:
    bank, saver = a_source_of_money(), an_account()
    await ledger.open([bank, saver])
    await asyncio.gather(*[ledger.post(P0, [a_transfer(bank, saver, 20)]) for _ in range(500)])
    answers = await asyncio.gather(*[ledger.post(P0, [a_transfer(saver, bank, 1_000)]) for _ in range(20)])
    refused = [answer for (answer,) in answers if answer is not None]
    assert len(refused) == 10
    assert all(isinstance(answer, InsufficientFunds) for answer in refused)
    assert (await balances(database, saver)).available_minor == 0
    assert await ledger.check() == []


async def test_p04_the_database_itself_refuses_to_go_below_the_floor(
    ledger: Ledger, database: Database
) -> None:
    bank, saver = a_source_of_money(), an_account()
    await ledger.open([bank, saver])
    with pytest.raises(asyncpg.CheckViolationError, match="accounts_floor"):
        async with database.transaction() as conn:
            await repository.post(conn, P0, [a_transfer(saver, bank, 1)])


async def test_a_refused_transfer_takes_none_of_its_neighbours_along(
    ledger: Ledger, database: Database
) -> None:
    bank, saver = a_source_of_money(), an_account()
    foreign = an_account(currency=CurrencyCode("USD"))
    nobody = an_account()
    await ledger.open([bank, saver, foreign])
    answers = await ledger.post(
        P0,
        [
            a_transfer(saver, bank, 1),
            a_transfer(bank, saver, 100),
            a_transfer(bank, nobody, 100),
            a_transfer(bank, foreign, 100),
            a_transfer(saver, bank, 100),
            a_transfer(saver, bank, 1),
        ],
    )
    assert [type(answer) for answer in answers] == [
        InsufficientFunds, type(None), UnknownAccount, CurrencyMismatch, type(None), InsufficientFunds,
    ]  # fmt: skip
    assert (await balances(database, saver)).debits_posted_minor == 100
    assert await ledger.check() == []


async def test_a_hold_is_posted_in_parts_and_the_rest_voided(ledger: Ledger, database: Database) -> None:
    bank, saver = a_source_of_money(), an_account()
    await ledger.open([bank, saver])
    hold = a_transfer(saver, bank, 100, TransferKind.PENDING)
    await ledger.post(P0, [a_transfer(bank, saver, 100), hold])
    answers = await ledger.post(
        P0,
        [
            a_transfer(saver, bank, 30, TransferKind.POST, hold),
            a_transfer(saver, bank, 20, TransferKind.POST, hold),
            a_transfer(saver, bank, 51, TransferKind.VOID, hold),
            a_transfer(saver, bank, 50, TransferKind.VOID, hold),
            a_transfer(saver, bank, 1, TransferKind.POST, hold),
        ],
    )
    assert [answer is None for answer in answers] == [True, True, False, True, False]
    assert all(answer is None or isinstance(answer, NothingPending) for answer in answers)
    after = await balances(database, saver)
    assert (after.debits_pending_minor, after.debits_posted_minor, after.available_minor) == (0, 50, 50)
    assert await ledger.check() == []


async def test_one_hold_between_shared_accounts_is_resolved_once_by_twenty_at_once(
    ledger: Ledger, database: Database
) -> None:
    company, shop = (an_account(floor_minor=None, rolled_up=True) for _ in range(2))
    await ledger.open([company, shop])
    hold = a_transfer(company, shop, 100, TransferKind.PENDING)
    await ledger.post(P0, [hold])
    answers = await asyncio.gather(
        *[ledger.post(P0, [a_transfer(company, shop, 100, TransferKind.POST, hold)]) for _ in range(20)]
    )
    assert sum(answer is None for (answer,) in answers) == 1
    await roll_up(database, [P0])
    assert (await balances(database, shop)).credits_posted_minor == 100
    assert await ledger.check() == []


async def test_opposite_transfers_between_the_same_accounts_never_deadlock(ledger: Ledger) -> None:
    accounts = [an_account(floor_minor=-1_000_000) for _ in range(6)]
    await ledger.open(accounts)

    async def back_and_forth(turn: int) -> None:
        pairs = [(accounts[(turn + i) % 6], accounts[(turn + i * 5 + 1) % 6]) for i in range(6)]
        answers = await ledger.post(P0, [a_transfer(a, b, 1) for a, b in pairs if a is not b])
        assert answers
        assert not any(answers)

    await asyncio.gather(*[back_and_forth(turn) for turn in range(100)])
    assert await ledger.check() == []


async def test_rolling_up_at_once_and_while_transfers_come_in_counts_each_once(
    ledger: Ledger, database: Database
) -> None:
    company, shop = (an_account(floor_minor=None, rolled_up=True) for _ in range(2))
    await ledger.open([company, shop])
    payments = [ledger.post(P0, [a_transfer(company, shop, 7)]) for _ in range(200)]
    await asyncio.gather(*payments, *[roll_up(database, [P0]) for _ in range(20)])
    assert await ledger.check() == []
    await roll_up(database, [P0])
    assert (await balances(database, shop)).credits_posted_minor == 1_400


async def test_a_roll_up_waits_for_transactions_that_have_not_ended(
    ledger: Ledger, database: Database
) -> None:
    company, shop = (an_account(floor_minor=None, rolled_up=True) for _ in range(2))
    await ledger.open([company, shop])
    async with database.transaction() as conn:
        await repository.post(conn, P0, [a_transfer(company, shop, 5)])
        await ledger.post(P0, [a_transfer(company, shop, 9)])
        await roll_up(database, [P0])
        assert (await balances(database, shop)).credits_posted_minor == 0
    await roll_up(database, [P0])
    assert (await balances(database, shop)).credits_posted_minor == 14


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        ("update accounts set credits_posted_minor = 101 where id = $1", "wrong_balance"),
        ("delete from accounts where id = $1", "lost_entry"),
    ],
    ids=["a changed balance", "a lost account"],
)
async def test_p02_the_check_finds_what_does_not_follow_from_the_journal(
    ledger: Ledger, database: Database, database_url: str, damage: str, problem: str
) -> None:
    bank, saver = a_source_of_money(), an_account()
    await ledger.open([bank, saver])
    await ledger.post(P0, [a_transfer(bank, saver, 100)])
    owner = await asyncpg.connect(database_url)
    await owner.execute(damage, saver.id)
    await owner.close()
    assert [(found.problem, found.id) for found in await ledger.check()] == [(problem, saver.id)]


async def test_p02_the_check_finds_a_resolution_of_nothing(ledger: Ledger, database: Database) -> None:
    bank, saver = a_source_of_money(), an_account()
    await ledger.open([bank, saver])
    stray = a_transfer(bank, saver, 5, TransferKind.POST)
    async with database.transaction() as conn:
        await conn.execute(
            "insert into transfers (partition_id, id, kind, debit_account_id, credit_account_id,"
            " amount_minor, currency, subject_id, created_at, pending_id, pending_minor,"
            " resolved_before_minor)"
            " values (0, $1, 'post', $2, $3, 5, 'KRW', $4, now(), $5, 5, 0)",
            stray.id, bank.id, saver.id, uuid4(), TransferId(uuid4()),
        )  # fmt: skip
    assert "wrong_resolution" in {found.problem for found in await ledger.check()}


async def test_p02_the_trial_balance_is_zero_per_currency(ledger: Ledger) -> None:
    bank, saver = a_source_of_money(), an_account()
    dollars, dollar_saver = (
        an_account(floor_minor=None, currency=CurrencyCode("USD")),
        an_account(currency=CurrencyCode("USD")),
    )
    await ledger.open([bank, saver, dollars, dollar_saver])
    await ledger.post(P0, [a_transfer(bank, saver, 100), a_transfer(dollars, dollar_saver, 7)])
    lines = await ledger.trial_balance()
    for currency in ("KRW", "USD"):
        of_currency = [line for line in lines if line.currency == currency]
        assert sum(line.debits_posted_minor - line.credits_posted_minor for line in of_currency) == 0
        assert sum(line.debits_posted_minor for line in of_currency) > 0


async def test_opening_an_account_again_leaves_it_as_it_is(ledger: Ledger, database: Database) -> None:
    bank, saver = a_source_of_money(), an_account()
    await ledger.open([bank, saver])
    await ledger.post(P0, [a_transfer(bank, saver, 100)])
    await ledger.open([saver])
    assert (await balances(database, saver)).credits_posted_minor == 100
    assert AccountId(saver.id) == (await balances(database, saver)).id
