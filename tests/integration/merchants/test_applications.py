"""Becoming a merchant on a real PostgreSQL: PF-4."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest
from msgspec.structs import replace
from tests.factories.access import an_access
from tests.factories.merchants import BY_HAND, a_bank_account, a_merchant, applications_room, details
from tests.factories.wallet import House

from obverse.access import MERCHANT_SCOPES, Access
from obverse.kit import audit, events
from obverse.kit.database import Connection
from obverse.kit.errors import InvalidRequest
from obverse.kit.ids import ApiKeyId, ApplicationId, MerchantId, to_text
from obverse.kit.paging import PageRequest
from obverse.kit.secret import Secret
from obverse.merchants import (
    Application,
    ApplicationNotFound,
    Applications,
    ApplicationState,
    Decision,
    FeePlan,
    MerchantNotFound,
    MerchantNumberTaken,
    Rhythm,
    Terms,
    repository,
)
from obverse.merchants.errors import (
    ApplicationDecided,
    ApplicationNotApproved,
    FirstKeyFetched,
    TooManyApplications,
)
from obverse.merchants.rules import APPLICATIONS_PER_ORIGIN_MAX, ORIGIN_WINDOW

TERMS = Terms(FeePlan(150, 100))


@pytest.fixture
def access(house: House) -> Access:
    return an_access(house.database, hasher=house.vault, clock=house.clock)


@pytest.fixture
def applications(house: House, access: Access) -> Applications:
    async def first_key(conn: Connection, merchant_id: MerchantId) -> tuple[ApiKeyId, Secret]:
        key, token = await access.create_in(conn, "first key", MERCHANT_SCOPES, merchant_id, False)
        return key.id, token

    return applications_room(
        house.merchants, house.database, house.clock, house.new_id, first_key, house.vault
    )


async def an_application(applications: Applications, **changes: object) -> Application:
    application, _ = await applications.apply(details(**changes), a_bank_account(), str(uuid4()))
    return application


async def test_an_application_is_followed_by_its_token_and_nothing_else(applications: Applications) -> None:
    wanted = details(rhythm=Rhythm.WEEKLY)
    application, token = await applications.apply(wanted, a_bank_account(), "10.0.0.1")
    found = await applications.of_token(token)
    assert found == application
    assert (found.details, found.state) == (wanted, ApplicationState.SUBMITTED)
    for guess in (Secret(""), Secret(token.reveal()[:-1]), Secret("ob_app_" + "a" * 32)):
        with pytest.raises(ApplicationNotFound):
            await applications.of_token(guess)


async def test_an_approval_makes_the_merchant_on_its_terms_and_the_account_comes_along(
    house: House, applications: Applications
) -> None:
    application = await an_application(applications, rhythm=Rhythm.MONTHLY)
    with pytest.raises(MerchantNotFound):
        await house.merchants.get(application.merchant_id)
    approved = await applications.approve(application.id, TERMS, BY_HAND)
    assert (approved.state, approved.decided_at is not None) == (ApplicationState.APPROVED, True)
    merchant = await house.merchants.get(application.merchant_id)
    assert (merchant.fee_plan, merchant.accepts) == (TERMS.fee_plan, TERMS.accepts)
    assert merchant.name == application.details.name
    assert merchant.payout.rhythm is Rhythm.MONTHLY
    assert merchant.payout.account == application.account
    assert house.merchants.bank_account(merchant) == a_bank_account()
    assert await house.merchants.find(merchant.acquirer_id, merchant.merchant_no) == merchant


async def test_of_ten_approvals_at_once_one_makes_a_merchant_and_all_say_the_same(
    house: House, applications: Applications
) -> None:
    application = await an_application(applications)
    answers = await asyncio.gather(*(applications.approve(application.id, TERMS, BY_HAND) for _ in range(10)))
    assert len({answer.decided_at for answer in answers}) == 1
    assert len((await house.merchants.list(PageRequest())).items) == 1
    async with house.database.connection() as conn:
        assert await conn.fetchval("select count(*) from accounts") == 1
        entries = (await audit.read_page(conn, PageRequest(), to_text("app", application.id))).items
    assert [(entry.action, entry.actor) for entry in entries] == [("merchant.approved", BY_HAND.actor)]
    assert entries[0].data == {
        "merchant": to_text("mer", application.merchant_id),
        "fee_plan": "150 basis points and 100",
        "accepts": "one_time",
        "is_agent": "False",
    }


async def test_an_approval_and_a_rejection_at_once_are_one_or_the_other(
    house: House, applications: Applications
) -> None:
    for _ in range(5):
        application = await an_application(applications)
        answers = await asyncio.gather(
            applications.approve(application.id, TERMS, BY_HAND),
            applications.reject(application.id, BY_HAND),
            return_exceptions=True,
        )
        assert sum(isinstance(answer, ApplicationDecided) for answer in answers) == 1, answers
        state = (await applications.get(application.id)).state
        async with house.database.connection() as conn:
            made = await repository.load(conn, [application.merchant_id])
        assert (state is ApplicationState.APPROVED) == (application.merchant_id in made)


async def test_a_rejection_tells_why_and_forgets_the_account(
    house: House, applications: Applications
) -> None:
    application = await an_application(applications)
    rejected = await applications.reject(application.id, Decision("key_x", "  no such shop "))
    assert (rejected.state, rejected.reason) == (ApplicationState.REJECTED, "no such shop")
    assert rejected.account is None
    assert await applications.get(application.id) == rejected
    async with house.database.connection() as conn:
        assert await conn.fetchval("select count(*) from payout_accounts") == 0
    assert await applications.reject(application.id, Decision("key_x", "no such shop")) == rejected
    with pytest.raises(ApplicationDecided):
        await applications.approve(application.id, TERMS, BY_HAND)


async def test_an_approval_that_fails_leaves_the_application_open(
    house: House, applications: Applications
) -> None:
    there = await a_merchant(house.merchants)
    taken = await an_application(applications, merchant_no=there.merchant_no)
    with pytest.raises(MerchantNumberTaken):
        await applications.approve(taken.id, TERMS, BY_HAND)
    free = await an_application(applications)
    for terms, decision in ((TERMS, Decision("key_x", " ")), (Terms(FeePlan(-1)), BY_HAND)):
        with pytest.raises(InvalidRequest):
            await applications.approve(free.id, terms, decision)
    for application in (taken, free):
        assert (await applications.get(application.id)).state is ApplicationState.SUBMITTED
    assert len((await house.merchants.list(PageRequest())).items) == 1


async def test_an_approved_applicant_gets_one_key_however_often_it_asks(
    applications: Applications, access: Access
) -> None:
    application = await an_application(applications)
    with pytest.raises(ApplicationNotApproved):
        await applications.first_key(application.id)
    await applications.approve(application.id, TERMS, BY_HAND)
    answers = await asyncio.gather(
        *(applications.first_key(application.id) for _ in range(10)), return_exceptions=True
    )
    ((key_id, token),) = [answer for answer in answers if not isinstance(answer, FirstKeyFetched)]
    key = await access.authenticate(token)
    assert key is not None
    assert (key.id, key.merchant_id, key.scopes) == (key_id, application.merchant_id, MERCHANT_SCOPES)
    assert len((await access.list(PageRequest())).items) == 1
    assert (await applications.get(application.id)).key_id == key_id


async def test_one_address_applies_so_often_an_hour_also_in_parallel(
    house: House, applications: Applications
) -> None:
    async def apply(origin: str) -> None:
        await applications.apply(details(), None, origin)

    answers = await asyncio.gather(
        *(apply("10.0.0.1") for _ in range(APPLICATIONS_PER_ORIGIN_MAX + 10)), return_exceptions=True
    )
    assert sum(isinstance(answer, TooManyApplications) for answer in answers) == 10
    await apply("10.0.0.2")
    house.clock.move_to(house.clock.offset + ORIGIN_WINDOW + timedelta(seconds=5))
    await apply("10.0.0.1")


async def test_p11_neither_token_nor_account_number_nor_address_is_in_the_database(
    house: House, applications: Applications
) -> None:
    account = a_bank_account("98765432101")
    application, token = await applications.apply(details(), account, "203.0.113.77")
    await applications.approve(application.id, TERMS, BY_HAND)
    async with house.database.connection() as conn:
        dumps = [
            await conn.fetchval(f"select string_agg(t::text, '|') from {table} as t")
            for table in ("merchant_applications", "payout_accounts", "merchants", "events", "audit_log")
        ]
    for secret in (token.reveal(), account.number.reveal(), "203.0.113.77"):
        assert not any(secret in dump or secret.encode().hex() in dump for dump in dumps)


async def test_applications_are_listed_by_state_newest_first_in_pages(applications: Applications) -> None:
    made = [await an_application(applications) for _ in range(4)]
    await applications.reject(made[1].id, BY_HAND)
    first = await applications.list(PageRequest(limit=2), [ApplicationState.SUBMITTED])
    rest = await applications.list(PageRequest(limit=2, after=first.next_after), [ApplicationState.SUBMITTED])
    listed = [application.id for application in (*first.items, *rest.items)]
    assert listed == sorted((made[i].id for i in (0, 2, 3)), reverse=True)
    assert len((await applications.list(PageRequest())).items) == 4


async def test_what_happens_is_told(house: House, applications: Applications) -> None:
    approved, rejected = await an_application(applications), await an_application(applications)
    await applications.approve(approved.id, TERMS, BY_HAND)
    await applications.reject(rejected.id, BY_HAND)
    async with house.database.connection() as conn:
        told = [(e.type, e.subject_id) for e in (await events.read_page(conn, PageRequest())).items]
    assert set(told) == {
        ("merchant.applied", approved.id),
        ("merchant.applied", rejected.id),
        ("merchant.approved", approved.id),
        ("merchant.rejected", rejected.id),
    }
    assert len(told) == 4


@pytest.mark.parametrize("what", ["get", "approve", "reject", "first_key"])
async def test_an_unknown_application_is_refused(applications: Applications, what: str) -> None:
    nobody = ApplicationId(uuid4())
    attempts = {
        "get": lambda: applications.get(nobody),
        "approve": lambda: applications.approve(nobody, TERMS, BY_HAND),
        "reject": lambda: applications.reject(nobody, BY_HAND),
        "first_key": lambda: applications.first_key(nobody),
    }
    with pytest.raises(ApplicationNotFound):
        await attempts[what]()


async def test_a_refused_application_is_not_stored(applications: Applications) -> None:
    with pytest.raises(InvalidRequest):
        await applications.apply(details(name=" "), None, "10.0.0.1")
    with pytest.raises(InvalidRequest):
        await applications.apply(details(), replace(a_bank_account(), bank_code="x"), "10.0.0.1")
    assert (await applications.list(PageRequest())).items == []
