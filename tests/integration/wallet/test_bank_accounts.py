"""WA-5: a bank account is its member's who reads the code that a transfer of one won has carried there."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from tests.factories.sales import Shop, open_shop
from tests.factories.wallet import House, a_member_with_credit_line

from obverse.kit.errors import InvalidRequest
from obverse.kit.secret import Secret
from obverse.members import MemberSuspended
from obverse.treasury import BankAccount
from obverse.vault.jobs import rotate
from obverse.wallet import (
    BankAccountLinked,
    BankAccountNotFound,
    BankAccountNotProvable,
    BankAccountState,
    BankCodeWrong,
    CardWish,
    SourceKind,
    TooManyBankAccounts,
    bank_accounts_rekey,
)

NUMBER = "555666777888"
ACCOUNT = BankAccount("004", Secret(NUMBER), "A member")


@pytest.fixture
async def shop(house: House) -> AsyncIterator[Shop]:
    async with open_shop(house) as shop:
        yield shop


async def test_wa5_the_code_on_the_statement_proves_an_account(shop: Shop) -> None:
    member, line = await a_member_with_credit_line(shop.house)
    accounts = shop.rooms.accounts
    linked = await accounts.link(member.id, ACCOUNT)
    await shop.treasury.send()
    assert (shop.at_bank(NUMBER), linked.state, linked.last_four) == (1, BankAccountState.PENDING, "7888")
    code = Secret(shop.code_on(NUMBER))

    for _ in range(2):
        proved = await accounts.prove(member.id, linked.id, code)
        assert proved.state is BankAccountState.PROVED

    sources = await shop.house.wallet.list(member.id)
    assert [(source.id, source.kind) for source in sources] == [
        (line.id, SourceKind.CREDIT_LINE),
        (linked.id, SourceKind.BANK_ACCOUNT),
    ]
    with pytest.raises(BankAccountLinked):
        await accounts.link(member.id, ACCOUNT)
    # It charges; it does not pay by itself.
    card = (await shop.house.wallet.issue_card(member.id, CardWish())).card
    assert card.funding == (line.id,)
    with pytest.raises(InvalidRequest):
        await shop.house.wallet.issue_card(member.id, CardWish(funding=(linked.id,)))


async def test_five_wrong_codes_end_it_and_the_right_one_comes_too_late(shop: Shop) -> None:
    member, _ = await a_member_with_credit_line(shop.house)
    accounts = shop.rooms.accounts
    linked = await accounts.link(member.id, ACCOUNT)
    await shop.treasury.send()
    code = shop.code_on(NUMBER)
    wrong = Secret(f"{(int(code) + 1) % 1_000_000:06d}")

    for _ in range(5):
        with pytest.raises(BankCodeWrong):
            await accounts.prove(member.id, linked.id, wrong)
    with pytest.raises(BankAccountNotProvable):
        await accounts.prove(member.id, linked.id, Secret(code))


async def test_a_code_has_its_time_and_a_new_one_ends_the_old(shop: Shop) -> None:
    member, _ = await a_member_with_credit_line(shop.house)
    accounts = shop.rooms.accounts
    first = await accounts.link(member.id, ACCOUNT)
    await shop.treasury.send()
    old = Secret(shop.code_on(NUMBER))
    second = await accounts.link(member.id, ACCOUNT)
    with pytest.raises(BankAccountNotProvable):
        await accounts.prove(member.id, first.id, old)

    shop.house.clock.move_to(shop.house.clock.offset + timedelta(days=4))
    await shop.treasury.send()
    with pytest.raises(BankAccountNotProvable):
        await accounts.prove(member.id, second.id, Secret(shop.code_on(NUMBER)))
    await accounts.sweep()
    assert await accounts.list(member.id) == []


async def test_p12_an_account_is_nobody_elses(shop: Shop) -> None:
    member, _ = await a_member_with_credit_line(shop.house)
    other, _ = await a_member_with_credit_line(shop.house)
    linked = await shop.rooms.accounts.link(member.id, ACCOUNT)
    for refused in (
        shop.rooms.accounts.prove(other.id, linked.id, Secret("000000")),
        shop.rooms.accounts.remove(other.id, linked.id),
        shop.rooms.accounts.get(other.id, linked.id),
    ):
        with pytest.raises(BankAccountNotFound):
            await refused


async def test_the_programme_does_not_send_won_after_won(shop: Shop) -> None:
    member, _ = await a_member_with_credit_line(shop.house)
    for at in range(5):
        await shop.rooms.accounts.link(member.id, BankAccount("004", Secret(f"55566677788{at}"), "A member"))
    with pytest.raises(TooManyBankAccounts):
        await shop.rooms.accounts.link(member.id, BankAccount("004", Secret("555666777889"), "A member"))


async def test_a_removed_account_can_be_linked_again_and_a_suspended_member_links_none(shop: Shop) -> None:
    member, _ = await a_member_with_credit_line(shop.house)
    linked = await shop.linked_account(member)
    await shop.house.wallet.remove(linked.id)

    again = await shop.rooms.accounts.link(member.id, ACCOUNT)

    assert again.id != linked.id
    await shop.rooms.accounts.remove(member.id, again.id)
    await shop.house.wallet.suspend(member.id)
    with pytest.raises(MemberSuspended):
        await shop.rooms.accounts.link(member.id, ACCOUNT)


async def test_numbers_move_to_new_keys(shop: Shop) -> None:
    member, _ = await a_member_with_credit_line(shop.house)
    linked = await shop.linked_account(member)

    await rotate(
        shop.house.database, shop.house.vault, [bank_accounts_rekey(shop.house.vault)], lambda *_: None
    )

    async with shop.house.database.connection() as conn:
        opened = await shop.rooms.accounts.opened(conn, [linked.id])
    assert opened[linked.id].number == Secret(NUMBER)
