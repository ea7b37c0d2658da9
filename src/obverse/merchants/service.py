"""Onboarding merchants, and finding them for every payment."""

from collections.abc import Mapping, Sequence

from obverse.kit.clock import Clock
from obverse.kit.database import Database
from obverse.kit.ids import AccountId, MerchantId, NewId
from obverse.kit.paging import Page, PageRequest
from obverse.merchants import repository
from obverse.merchants.directory import Directory
from obverse.merchants.errors import MerchantNotFound
from obverse.merchants.model import Merchant, MerchantState
from obverse.merchants.ports import OpenPayable
from obverse.merchants.rules import check_merchant


class Merchants:
    """The merchants of this programme."""

    def __init__(self, database: Database, open_payable: OpenPayable, *, clock: Clock, new_id: NewId) -> None:
        self._database = database
        self._open_payable = open_payable
        self._clock = clock
        self._new_id = new_id
        self._directory = Directory(clock)

    async def onboard(
        self,
        name: str,
        category: str,
        acquirer_id: str,
        merchant_no: str,
        terminals: Sequence[str] = (),
        metadata: Mapping[str, str] | None = None,
    ) -> Merchant:
        """Take a merchant in and open its payable account, in one commit.

        Raises `InvalidRequest` for data that ISO 8583 could not carry, `MerchantNumberTaken`.
        """
        merchant = Merchant(
            id=MerchantId(self._new_id()),
            name=name,
            category=category,
            acquirer_id=acquirer_id,
            merchant_no=merchant_no,
            terminals=tuple(terminals),
            account_id=AccountId(self._new_id()),
            state=MerchantState.ACTIVE,
            created_at=self._clock.now(),
            metadata=metadata or {},
        )
        check_merchant(merchant)
        async with self._database.transaction() as conn:
            await repository.insert(conn, merchant)
            await self._open_payable(conn, merchant.id, merchant.account_id, merchant.created_at)
        # An acquirer may have tried the number before it was known, and that too is remembered.
        self._directory.forget(merchant)
        return merchant

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

    async def list(self, page: PageRequest) -> Page[Merchant]:
        """All merchants, newest first, closed ones included."""
        async with self._database.connection() as conn:
            return await repository.find_page(conn, page)

    async def close(self, merchant_id: MerchantId) -> Merchant:
        """Take no more payments for this merchant; what it is owed stays owed. Raises `MerchantNotFound`."""
        async with self._database.transaction() as conn:
            merchant = await repository.close(conn, merchant_id)
        if merchant is None:
            raise MerchantNotFound
        self._directory.forget(merchant)
        return merchant

    async def _load(self, merchant_id: MerchantId) -> Merchant | None:
        async with self._database.connection() as conn:
            return (await repository.load(conn, [merchant_id])).get(merchant_id)

    async def _find(self, acquirer_id: str, merchant_no: str) -> Merchant | None:
        async with self._database.connection() as conn:
            return await repository.find(conn, acquirer_id, merchant_no)
