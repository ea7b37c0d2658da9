"""Registration: OT-1 to OT-4."""

import asyncio

import pytest
from tests.factories.members import an_application
from tests.factories.wallet import (
    BIN,
    CREDIT_LIMIT,
    FakeCardCheck,
    House,
    a_member_with_linked_card,
    card_details,
)

from obverse.kit.errors import InvalidRequest, Unavailable
from obverse.kit.secret import Secret
from obverse.ledger import AccountKind
from obverse.ledger import repository as ledger
from obverse.members import AlreadyRegistered, Application
from obverse.wallet import (
    CardNotVerified,
    CheckResult,
    CreditStanding,
    RegistrationRefused,
    SourceKind,
)

TABLES = ("members", "vault_cards", "funding_sources", "accounts", "events", "member_sessions")


async def rows_stored(house: House) -> int:
    async with house.database.connection() as conn:
        return sum([await conn.fetchval(f"select count(*) from {table}") for table in TABLES])


async def test_an_independent_provider_links_a_proved_card(house: House) -> None:
    details = card_details()
    member, (source,) = await house.wallet.register(an_application(), details, credit=False)
    assert source.kind is SourceKind.LINKED_CARD
    assert source.member_id == member.id
    assert house.card_check.asked == [details]
    async with house.database.connection() as conn:
        assert source.vault_card_id is not None
        opened = (await house.vault.open_cards(conn, [source.vault_card_id]))[source.vault_card_id]
        (account,) = await ledger.find_accounts(conn, source.partition_id, [source.account_id])
    assert opened.number == details.number
    assert (account.kind, account.rolled_up) == (AccountKind.CARD_COMPANY_RECEIVABLE, True)


async def test_a_provider_that_is_the_card_company_gives_credit(house: House) -> None:
    _, (source,) = await house.wallet.register(an_application(), None, credit=True)
    async with house.database.connection() as conn:
        (account,) = await ledger.find_accounts(conn, source.partition_id, [source.account_id])
    assert source.kind is SourceKind.CREDIT_LINE
    assert (account.kind, account.available_minor) == (AccountKind.MEMBER_RECEIVABLE, CREDIT_LIMIT)
    assert house.card_check.asked == []


async def test_a_member_may_begin_with_both(house: House) -> None:
    _, sources = await house.wallet.register(an_application(), card_details(), credit=True)
    assert [source.kind for source in sources] == [SourceKind.LINKED_CARD, SourceKind.CREDIT_LINE]


async def test_members_share_one_receivable_from_card_companies(house: House) -> None:
    sources = [(await a_member_with_linked_card(house))[1] for _ in range(3)]
    assert len({source.account_id for source in sources}) == 1


async def test_a_bad_standing_is_refused_before_anything_else_is_asked(house: House) -> None:
    house.bureau.answer = CreditStanding.BAD
    with pytest.raises(RegistrationRefused):
        await house.wallet.register(an_application(), card_details(), credit=False)
    assert house.card_check.asked == []
    assert await rows_stored(house) == 0


async def test_a_bad_standing_is_told_before_a_duplicate_is(house: House) -> None:
    application = an_application()
    await house.wallet.register(application, None, credit=True)
    house.bureau.answer = CreditStanding.BAD
    with pytest.raises(RegistrationRefused):
        await house.wallet.register(application, None, credit=True)


async def test_without_the_bureau_nobody_is_registered(house: House) -> None:
    house.bureau.answer = None
    with pytest.raises(Unavailable):
        await house.wallet.register(an_application(), card_details(), credit=True)
    assert await rows_stored(house) == 0


@pytest.mark.parametrize(
    ("answer", "refusal"),
    [(CheckResult.REFUSED, CardNotVerified), (CheckResult.UNREACHABLE, Unavailable)],
    ids=lambda value: getattr(value, "value", ""),
)
async def test_a_card_that_is_not_vouched_for_leaves_nothing_behind(
    house: House, answer: CheckResult, refusal: type[Exception]
) -> None:
    house.card_check.answer = answer
    with pytest.raises(refusal):
        await house.wallet.register(an_application(), card_details(), credit=True)
    assert await rows_stored(house) == 0


async def test_the_same_person_cannot_register_twice_however_the_number_is_written(house: House) -> None:
    first = an_application(identity_number=Secret("900101-1234567"))
    again = an_application(identity_number=Secret("9001011234567"))
    await house.wallet.register(first, None, credit=True)
    with pytest.raises(AlreadyRegistered):
        await house.wallet.register(again, None, credit=True)


async def test_a_card_of_another_member_is_a_duplicate_and_its_company_is_not_asked(house: House) -> None:
    details = card_details()
    await house.wallet.register(an_application(), details, credit=False)
    house.card_check.asked.clear()
    with pytest.raises(AlreadyRegistered) as refusal:
        await house.wallet.register(an_application(), details, credit=False)
    assert house.card_check.asked == []
    assert refusal.value.param is None


@pytest.mark.parametrize("same", ["identity", "card"])
async def test_of_twenty_parallel_registrations_with_the_same_data_one_goes_through(
    house: House, same: str
) -> None:
    application, details = an_application(), card_details()

    async def register() -> object:
        if same == "identity":
            return await house.wallet.register(application, card_details(), credit=True)
        return await house.wallet.register(an_application(), details, credit=True)

    answers = await asyncio.gather(*[register() for _ in range(20)], return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, AlreadyRegistered)]
    assert len(refused) == 19, answers
    async with house.database.connection() as conn:
        counts = [await conn.fetchval(f"select count(*) from {t}") for t in ("members", "vault_cards")]
    assert counts == [1, 1]


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"number": Secret(BIN + "0000000005")}, "card_number"),
        ({"number": Secret("9530100000000001")}, "card_number"),
        ({"number": Secret("nonsense")}, "card_number"),
        ({"exp_month": 13}, "exp_month"),
        ({"exp_year": 2020}, "exp_year"),
        ({"cvv": Secret("12")}, "cvv"),
        ({"birth_date": Secret("19900101")}, "birth_date"),
    ],
    ids=["own_bin", "luhn", "letters", "month", "expired", "cvv", "birth_date"],
)
async def test_details_that_cannot_be_a_card_are_refused_before_anybody_is_asked(
    house: House, changes: dict[str, object], param: str
) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        await house.wallet.register(an_application(), card_details(**changes), credit=False)
    assert refusal.value.param == param
    assert house.bureau.asked == []
    assert house.card_check.asked == []


async def test_registering_for_nothing_is_refused(house: House) -> None:
    with pytest.raises(InvalidRequest):
        await house.wallet.register(an_application(), None, credit=False)


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"identity_number": Secret("123")}, "identity_number"),
        ({"identity_number": Secret("９００１０１１２３４５６７")}, "identity_number"),
        ({"address": Secret("  ")}, "address"),
        ({"address": Secret("Seoul\x00")}, "address"),
        ({"password": Secret("shorter")}, "password"),
        ({"password": Secret("x" * 65)}, "password"),
    ],
    ids=["short", "other_script", "blank", "nul", "short_password", "long_password"],
)
async def test_an_incomplete_application_is_refused_by_field(
    house: House, changes: dict[str, Secret], param: str
) -> None:
    application: Application = an_application(**changes)
    with pytest.raises(InvalidRequest) as refusal:
        await house.wallet.register(application, None, credit=True)
    assert refusal.value.param == param
    assert next(iter(changes.values())).reveal() not in str(refusal.value)
    assert house.bureau.asked == []


async def test_members_spread_over_partitions_and_take_their_accounts_along(
    database, tmp_path, clock, new_id, random_bytes
) -> None:
    from tests.factories.wallet import build_house

    house = build_house(database, tmp_path / "keys.json", clock, new_id, random_bytes, partitions=4)
    registered = [await a_member_with_linked_card(house) for _ in range(30)]
    assert {member.partition_id for member, _ in registered} == {0, 1, 2, 3}
    assert all(source.partition_id == member.partition_id for member, source in registered)
    assert isinstance(house.card_check, FakeCardCheck)
