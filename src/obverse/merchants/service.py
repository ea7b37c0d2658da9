"""Onboarding merchants, changing them, and finding them for every payment."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from msgspec.structs import replace

from obverse.kit.clock import Clock
from obverse.kit.database import Connection, Database
from obverse.kit.ids import AccountId, MerchantId, NewId
from obverse.kit.paging import Page, PageRequest
from obverse.merchants import repository, rules
from obverse.merchants.accounts import Accounts
from obverse.merchants.directory import Directory
from obverse.merchants.errors import MerchantNotFound
from obverse.merchants.journal import Journal
from obverse.merchants.model import (
    BankAccount,
    Decision,
    Details,
    Merchant,
    MerchantChange,
    MerchantState,
    PayoutTerms,
    Rhythm,
    Terms,
)
from obverse.merchants.ports import AccountVault, OpenPayable


class Merchants:
    """The merchants of this programme."""

    def __init__(
        self,
        database: Database,
        open_payable: OpenPayable,
        vault: AccountVault,
        *,
        clock: Clock,
        new_id: NewId,
    ) -> None:
        self._database = database
        self._open_payable = open_payable
        self._clock = clock
        self._new_id = new_id
        self._accounts = Accounts(vault)
        self._journal = Journal(clock, new_id)
        self._directory = Directory(clock)

    # taking in ---------------------------------------------------------------------------------------------

    async def onboard(
        self,
        name: str,
        category: str,
        acquirer_id: str,
        merchant_no: str,
        terminals: Sequence[str] = (),
        metadata: Mapping[str, str] | None = None,
        *,
        terms: Terms | None = None,
        rhythm: Rhythm = Rhythm.DAILY,
        account: BankAccount | None = None,
        decision: Decision | None = None,
    ) -> Merchant:
        """Take a merchant in and open its payable account, in one commit; a `decision` goes on record.

        Raises `InvalidRequest` for data that ISO 8583 or a bank could not carry, `MerchantNumberTaken`.
        """
        terms = terms or Terms()
        details = Details(name, category, acquirer_id, merchant_no, tuple(terminals), rhythm, metadata or {})
        merchant_id = MerchantId(self._new_id())
        async with self._database.transaction() as conn:
            merchant = await self.take_in(conn, merchant_id, details, terms)
            if account is not None:
                sealed = await self._accounts.keep(conn, merchant_id, account)
                merchant = replace(merchant, payout=PayoutTerms(rhythm, sealed))
            told = rules.granted(terms)
            await self._journal.tell(conn, "merchant.onboarded", "mer", merchant_id, told, decision)
        # An acquirer may have tried the number before it was known, and that too is remembered.
        self._directory.forget(merchant)
        return merchant

    async def take_in(
        self, conn: Connection, merchant_id: MerchantId, details: Details, terms: Terms
    ) -> Merchant:
        """Make the merchant in the caller's commit; afterwards, call `forget`.

        Raises `InvalidRequest`, `MerchantNumberTaken`.
        """
        merchant = Merchant(
            id=merchant_id,
            name=details.name,
            category=details.category,
            acquirer_id=details.acquirer_id,
            merchant_no=details.merchant_no,
            terminals=details.terminals,
            account_id=AccountId(self._new_id()),
            state=MerchantState.ACTIVE,
            created_at=self._clock.now(),
            metadata=details.metadata,
            accepts=terms.accepts,
            fee_plan=terms.fee_plan,
            payout=PayoutTerms(details.rhythm),
            is_agent=terms.is_agent,
        )
        rules.check_merchant(merchant)
        await repository.insert(conn, merchant)
        await self._open_payable(conn, merchant.id, merchant.account_id, merchant.created_at)
        return merchant

    def forget(self, merchant: Merchant) -> None:
        """Look this merchant up again when it is asked for next."""
        self._directory.forget(merchant)

    # finding -----------------------------------------------------------------------------------------------

    async def get(self, merchant_id: MerchantId) -> Merchant:
        """The merchant with this id, at most seconds old. Raises `MerchantNotFound`."""
        merchant = await self._directory.get(merchant_id, lambda: self._load(merchant_id))
        if merchant is None:
            raise MerchantNotFound
        return merchant

    async def find(self, acquirer_id: str, merchant_no: str) -> Merchant | None:
        """The merchant behind DE 32 and DE 42, at most seconds old; None where there is none."""
        return await self._directory.get(
            (acquirer_id, merchant_no), lambda: self._find(acquirer_id, merchant_no)
        )

    async def known(self, conn: Connection, ids: Sequence[MerchantId]) -> frozenset[MerchantId]:
        """Those among these ids that are merchants, closed ones included."""
        return frozenset(await repository.load(conn, ids))

    async def list(self, page: PageRequest) -> Page[Merchant]:
        """All merchants, newest first, closed ones included."""
        async with self._database.connection() as conn:
            return await repository.find_page(conn, page)

    def bank_account(self, merchant: Merchant) -> BankAccount | None:
        """Where this merchant is paid, in the clear: for the bank's wire, and for nothing else."""
        sealed = merchant.payout.account
        return None if sealed is None else self._accounts.open(merchant.id, sealed)

    # changing ----------------------------------------------------------------------------------------------

    async def change(self, merchant_id: MerchantId, wanted: MerchantChange, decision: Decision) -> Merchant:
        """Change what an operator may change. Repeating it changes nothing.

        Raises `MerchantNotFound`, `MerchantClosed`, `InvalidRequest`.
        """
        async with self._changing(merchant_id) as work:
            changed = rules.change(work.merchant, wanted)
            if told := rules.differences(work.merchant, changed):
                await work.save(changed, "merchant.changed", decision, told)
        return work.merchant

    async def set_state(self, merchant_id: MerchantId, state: MerchantState, decision: Decision) -> Merchant:
        """Suspend, resume or close. Repeating it changes nothing.

        Raises `MerchantNotFound`, `MerchantClosed`, `InvalidRequest`.
        """
        async with self._changing(merchant_id) as work:
            if rules.may_become(work.merchant, state):
                await work.save(replace(work.merchant, state=state), _STATE_NEWS[state], decision)
        return work.merchant

    async def set_payout(
        self, merchant_id: MerchantId, rhythm: Rhythm, account: BankAccount, decision: Decision
    ) -> Merchant:
        """Say where a merchant's money goes, and how often; of a closed merchant too, as it may be owed some.

        Raises `MerchantNotFound`, `InvalidRequest`, and `NotPermitted` for one that settlement never pays.
        """
        async with self._changing(merchant_id) as work:
            rules.check_paid_by_settlement(work.merchant)
            sealed = await self._accounts.keep(conn=work.conn, merchant_id=merchant_id, account=account)
            changed = replace(work.merchant, payout=PayoutTerms(rhythm, sealed))
            told = {"rhythm": rhythm.value, "bank_code": sealed.bank_code, "last_four": sealed.last_four}
            await work.save(changed, "merchant.payout_changed", decision, told)
        return work.merchant

    @asynccontextmanager
    async def _changing(self, merchant_id: MerchantId) -> AsyncIterator["_Change"]:
        """One commit over one merchant, held until then. Raises `MerchantNotFound`."""
        async with self._database.transaction() as conn:
            merchant = (await repository.lock(conn, [merchant_id])).get(merchant_id)
            if merchant is None:
                raise MerchantNotFound
            yield (work := _Change(conn, merchant, self._journal))
        self._directory.forget(work.merchant)

    async def _load(self, merchant_id: MerchantId) -> Merchant | None:
        async with self._database.connection() as conn:
            return (await repository.load(conn, [merchant_id])).get(merchant_id)

    async def _find(self, acquirer_id: str, merchant_no: str) -> Merchant | None:
        async with self._database.connection() as conn:
            return await repository.find(conn, acquirer_id, merchant_no)


@dataclass(slots=True)
class _Change:
    """A merchant held for a change, and the change saved and told together."""

    conn: Connection
    merchant: Merchant
    journal: Journal

    async def save(
        self, changed: Merchant, news: str, decision: Decision, told: Mapping[str, str] | None = None
    ) -> None:
        await repository.update(self.conn, changed)
        await self.journal.tell(self.conn, news, "mer", changed.id, told, decision)
        self.merchant = changed


_STATE_NEWS: Final = {
    MerchantState.ACTIVE: "merchant.resumed",
    MerchantState.SUSPENDED: "merchant.suspended",
    MerchantState.CLOSED: "merchant.closed",
}
