"""Becoming a merchant: somebody applies, an operator decides, the applicant fetches its first key."""

from collections.abc import Callable, Sequence
from typing import Final

from msgspec.structs import replace

from obverse.kit.audit import check_reason
from obverse.kit.clock import Clock
from obverse.kit.database import Connection, Database
from obverse.kit.ids import ApiKeyId, ApplicationId, MerchantId, NewId, to_text
from obverse.kit.paging import Page, PageRequest
from obverse.kit.secret import Secret, new_token
from obverse.merchants import repository, rules
from obverse.merchants.accounts import Accounts
from obverse.merchants.errors import (
    ApplicationNotApproved,
    ApplicationNotFound,
    FirstKeyFetched,
)
from obverse.merchants.journal import Journal
from obverse.merchants.model import Application, ApplicationState, BankAccount, Decision, Details, Terms
from obverse.merchants.ports import AccountVault, MakeKey
from obverse.merchants.service import Merchants

APPLICANT: Final = "ob_app_"


class Applications:
    """Those who want to be merchants, want no longer, or have become one."""

    def __init__(
        self,
        database: Database,
        merchants: Merchants,
        vault: AccountVault,
        make_key: MakeKey,
        *,
        clock: Clock,
        new_id: NewId,
        random_bytes: Callable[[int], bytes],
    ) -> None:
        self._database = database
        self._merchants = merchants
        self._vault = vault
        self._make_key = make_key
        self._clock = clock
        self._new_id = new_id
        self._random_bytes = random_bytes
        self._accounts = Accounts(vault)
        self._journal = Journal(clock, new_id)

    # the applicant -----------------------------------------------------------------------------------------

    async def apply(
        self, details: Details, account: BankAccount | None, origin: str
    ) -> tuple[Application, Secret]:
        """Ask to be a merchant; returns the application with its token, which is not shown again.

        `origin` is the address it comes from; that is kept as a keyed hash, to count by.
        Raises `InvalidRequest`, `TooManyApplications`.
        """
        rules.check_details(details)
        now = self._clock.now()
        token = new_token(APPLICANT, self._random_bytes)
        origin_hash = self._vault.token_hash(Secret(f"application from:{rules.origin_of(origin)}"))
        application = Application(
            id=ApplicationId(self._new_id()),
            merchant_id=MerchantId(self._new_id()),
            details=details,
            state=ApplicationState.SUBMITTED,
            created_at=now,
        )
        async with self._database.transaction() as conn:
            counts = await repository.count_applications(conn, origin_hash, now - rules.ORIGIN_WINDOW)
            rules.check_room(*counts)
            await repository.insert_application(conn, application, self._vault.token_hash(token), origin_hash)
            if account is not None:
                sealed = await self._accounts.keep(conn, application.merchant_id, account)
                application = replace(application, account=sealed)
            await self._journal.tell(conn, "merchant.applied", "app", application.id)
        return application, token

    async def of_token(self, token: Secret) -> Application:
        """The application of whoever holds this token. Raises `ApplicationNotFound`."""
        async with self._database.connection() as conn:
            application = await repository.find_application(conn, self._vault.token_hash(token))
        if application is None:
            raise ApplicationNotFound
        return application

    async def first_key(self, application_id: ApplicationId) -> tuple[ApiKeyId, Secret]:
        """Make the approved applicant's first API key; its token is returned here and never again.

        Raises `ApplicationNotFound`, `ApplicationNotApproved`, `FirstKeyFetched`.
        """
        async with self._database.transaction() as conn:
            application = await self._lock(conn, application_id)
            if application.state is not ApplicationState.APPROVED:
                raise ApplicationNotApproved
            if application.key_id is not None:
                raise FirstKeyFetched
            key_id, token = await self._make_key(conn, application.merchant_id)
            await repository.decide(conn, replace(application, key_id=key_id))
        return key_id, token

    # the operator ------------------------------------------------------------------------------------------

    async def get(self, application_id: ApplicationId) -> Application:
        """Raises `ApplicationNotFound`."""
        async with self._database.connection() as conn:
            found = await repository.load_applications(conn, [application_id])
        if application_id not in found:
            raise ApplicationNotFound
        return found[application_id]

    async def list(
        self, page: PageRequest, states: Sequence[ApplicationState] = tuple(ApplicationState)
    ) -> Page[Application]:
        """Applications in these states, newest first."""
        async with self._database.connection() as conn:
            return await repository.find_application_page(conn, page, states)

    async def approve(self, application_id: ApplicationId, terms: Terms, decision: Decision) -> Application:
        """Make the applicant a merchant on these terms, in one commit. The same approval may be repeated.

        Raises `ApplicationNotFound`, `ApplicationDecided`, `MerchantNumberTaken`, `InvalidRequest`.
        """
        async with self._database.transaction() as conn:
            application = await self._lock(conn, application_id)
            id_ = application.merchant_id
            known = (await repository.load(conn, [id_])).get(id_)
            if rules.is_approval_repeated(application, known, terms):
                return application
            merchant = await self._merchants.take_in(conn, id_, application.details, terms)
            told = {"merchant": to_text("mer", id_), **rules.granted(terms)}
            approved = await self._decide(conn, application, ApplicationState.APPROVED, decision, told=told)
        self._merchants.forget(merchant)
        return approved

    async def reject(self, application_id: ApplicationId, decision: Decision) -> Application:
        """Refuse; the applicant is told the reason. The same rejection may be repeated.

        Raises `ApplicationNotFound`, `ApplicationDecided`, `InvalidRequest`.
        """
        reason = check_reason(decision.reason)
        async with self._database.transaction() as conn:
            application = await self._lock(conn, application_id)
            if rules.is_rejection_repeated(application, reason):
                return application
            # Where somebody wanted to be paid is nobody's business once nothing comes of it.
            await repository.forget_accounts(conn, [application.merchant_id])
            return await self._decide(conn, application, ApplicationState.REJECTED, decision, reason)

    async def _decide(
        self,
        conn: Connection,
        application: Application,
        state: ApplicationState,
        decision: Decision,
        reason: str | None = None,
        told: dict[str, str] | None = None,
    ) -> Application:
        account = application.account if state is ApplicationState.APPROVED else None
        decided = replace(
            application, state=state, reason=reason, decided_at=self._clock.now(), account=account
        )
        await repository.decide(conn, decided)
        await self._journal.tell(conn, f"merchant.{state}", "app", application.id, told, decision)
        return decided

    async def _lock(self, conn: Connection, application_id: ApplicationId) -> Application:
        found = (await repository.lock_applications(conn, [application_id])).get(application_id)
        if found is None:
            raise ApplicationNotFound
        return found
