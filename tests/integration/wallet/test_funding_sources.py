"""What pays behind a member's cards, and cards issued against it: OT-12, OT-13, OT-6."""

import asyncio

import pytest
from msgspec.structs import replace
from tests.factories.wallet import (
    House,
    a_member_with_credit_line,
    a_member_with_linked_card,
    card_details,
)

from obverse.cards import Controls
from obverse.kit.errors import InvalidRequest, KeyReused, Unavailable
from obverse.kit.ids import MemberId, SourceId
from obverse.kit.money import KRW, CurrencyCode, Money
from obverse.members import MemberNotFound, MemberSuspended
from obverse.wallet import (
    CardAlreadyLinked,
    CardNotVerified,
    CardWish,
    CheckResult,
    CreditLineExists,
    SourceNotActive,
    SourceNotFound,
    SourceState,
    repository,
)

USD = CurrencyCode("USD")


async def test_a_linked_card_joins_what_a_member_has(house: House) -> None:
    member, line = await a_member_with_credit_line(house)
    source = await house.wallet.link_card(member.id, card_details())
    assert await house.wallet.list(member.id) == [line, source]
    assert await house.wallet.get(source.id) == source


@pytest.mark.parametrize(
    ("answer", "refusal"),
    [(CheckResult.REFUSED, CardNotVerified), (CheckResult.UNREACHABLE, Unavailable)],
    ids=lambda value: getattr(value, "value", ""),
)
async def test_a_card_that_is_not_vouched_for_is_not_linked(
    house: House, answer: CheckResult, refusal: type[Exception]
) -> None:
    member, line = await a_member_with_credit_line(house)
    house.card_check.answer = answer
    with pytest.raises(refusal):
        await house.wallet.link_card(member.id, card_details())
    assert await house.wallet.list(member.id) == [line]


async def test_a_card_is_linked_once_also_when_asked_for_in_parallel(house: House) -> None:
    member, _ = await a_member_with_credit_line(house)
    details = card_details()
    answers = await asyncio.gather(
        *[house.wallet.link_card(member.id, details) for _ in range(10)], return_exceptions=True
    )
    assert sum(isinstance(answer, CardAlreadyLinked) for answer in answers) == 9, answers


async def test_a_card_of_another_member_looks_merely_unverified(house: House) -> None:
    details = card_details()
    owner, _ = await a_member_with_credit_line(house)
    other, _ = await a_member_with_credit_line(house)
    await house.wallet.link_card(owner.id, details)
    with pytest.raises(CardNotVerified):
        await house.wallet.link_card(other.id, details)


async def test_a_removed_card_may_be_linked_again_by_whoever_proves_it(house: House) -> None:
    details = card_details()
    owner, _ = await a_member_with_credit_line(house)
    other, _ = await a_member_with_credit_line(house)
    first = await house.wallet.link_card(owner.id, details)
    removed = await house.wallet.remove(first.id)
    assert removed.state is SourceState.REMOVED
    second = await house.wallet.link_card(other.id, details)
    assert second.vault_card_id == first.vault_card_id
    with pytest.raises(SourceNotFound):
        await house.wallet.remove(first.id)


async def test_a_card_linked_again_brings_the_expiry_of_its_new_plastic(house: House) -> None:
    details = card_details()
    member, _ = await a_member_with_credit_line(house)
    first = await house.wallet.link_card(member.id, details)
    await house.wallet.remove(first.id)
    again = await house.wallet.link_card(member.id, replace(details, exp_month=3, exp_year=2035))
    async with house.database.connection() as conn:
        assert again.vault_card_id is not None
        opened = (await house.vault.open_cards(conn, [again.vault_card_id]))[again.vault_card_id]
    assert (opened.number, opened.exp_month, opened.exp_year) == (details.number, 3, 2035)


async def test_a_member_has_one_credit_line(house: House) -> None:
    member, line = await a_member_with_credit_line(house)
    with pytest.raises(CreditLineExists):
        await house.wallet.open_credit_line(member.id, Money(5_000, KRW))
    await house.wallet.remove(line.id)
    assert (await house.wallet.open_credit_line(member.id, Money(5_000, KRW))).id != line.id


@pytest.mark.parametrize("limit", [Money(0, KRW), Money(-1, KRW), Money(10**12, KRW), Money(1, USD)], ids=str)
async def test_p02_a_credit_line_without_a_sensible_limit_or_in_another_currency_is_refused(
    house: House, limit: Money
) -> None:
    member, _ = await a_member_with_linked_card(house)
    with pytest.raises(InvalidRequest):
        await house.wallet.open_credit_line(member.id, limit)


async def test_suspending_a_member_suspends_what_pays_until_they_are_reinstated(house: House) -> None:
    member, line = await a_member_with_credit_line(house)
    await house.wallet.suspend(member.id)
    async with house.database.connection() as conn:
        loaded = await repository.load_sources(conn, [line.id])
    assert loaded[line.id].state is SourceState.SUSPENDED
    with pytest.raises(MemberSuspended):
        await house.wallet.link_card(member.id, card_details())
    with pytest.raises(SourceNotActive):
        await house.wallet.issue_card(member.id, CardWish())
    await house.wallet.reinstate(member.id)
    assert await house.wallet.get(line.id) == line


async def test_loading_sources_leaves_out_what_does_not_exist(house: House) -> None:
    _, line = await a_member_with_credit_line(house)
    async with house.database.connection() as conn:
        loaded = await repository.load_sources(conn, [line.id, SourceId(house.new_id())])
    assert loaded == {line.id: line}


async def test_a_card_is_funded_in_the_order_asked_for(house: House) -> None:
    member, line = await a_member_with_credit_line(house)
    linked = await house.wallet.link_card(member.id, card_details())
    issued = await house.wallet.issue_card(member.id, CardWish(funding=(linked.id, line.id)))
    assert issued.card.funding == (linked.id, line.id)
    assert issued.card.currency == KRW


async def test_nobody_issues_a_card_against_what_is_not_theirs(house: House) -> None:
    member, _ = await a_member_with_credit_line(house)
    _, foreign = await a_member_with_credit_line(house)
    for funding in ((foreign.id,), (SourceId(house.new_id()),)):
        with pytest.raises(SourceNotFound):
            await house.wallet.issue_card(member.id, CardWish(funding=funding))
    with pytest.raises(MemberNotFound):
        await house.wallet.issue_card(MemberId(house.new_id()), CardWish())


async def test_p06_the_same_key_gives_the_same_card_even_if_the_source_has_gone(house: House) -> None:
    member, line = await a_member_with_credit_line(house)
    wish = CardWish(Controls(amount_limit_minor=5_000))
    first = await house.wallet.issue_card(member.id, wish, request_key="k")
    await house.wallet.remove(line.id)
    again = await house.wallet.issue_card(member.id, wish, request_key="k")
    assert again.card == first.card
    assert (first.repeated, again.repeated) == (False, True)


async def test_p06_the_same_key_with_another_wish_is_refused(house: House) -> None:
    member, _ = await a_member_with_credit_line(house)
    await house.wallet.issue_card(member.id, CardWish(), request_key="k")
    with pytest.raises(KeyReused):
        await house.wallet.issue_card(member.id, CardWish(Controls(amount_limit_minor=1)), request_key="k")
    with pytest.raises(KeyReused):
        await house.wallet.issue_card(member.id, CardWish(), count=2, request_key="k")


@pytest.mark.parametrize("count", [1, 600], ids=["one", "bulk"])
async def test_p06_parallel_twins_get_the_same_cards(house: House, count: int) -> None:
    member, _ = await a_member_with_credit_line(house)
    issued = await asyncio.gather(
        *[house.wallet.issue_card(member.id, CardWish(), count=count, request_key="k") for _ in range(8)]
    )
    assert len({tuple(card.id for card in one.cards) for one in issued}) == 1
    assert sum(not one.repeated for one in issued) == 1
