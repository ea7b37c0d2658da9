"""Selling stored value: noted, paid by card or by bank, and then the subject's room's to allocate.

The note comes first, in the caller's commit. A card payment has a key made from the sale's id and a
collection the sale's id itself, so each happens once; what was killed in between `finish` completes.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from msgspec.structs import replace

from obverse.authorization import Authorization, AuthorizationRequest, Engine, Entry
from obverse.authorization import repository as payments
from obverse.cards import Cards
from obverse.kit.clock import Clock
from obverse.kit.database import Connection, Database
from obverse.kit.ids import AccountId, NewId, PartitionId, SaleId
from obverse.kit.money import CurrencyCode
from obverse.kit.paging import Page, PageRequest
from obverse.kit.references import new_reference
from obverse.ledger import repository as ledger
from obverse.merchants import MerchantNumberTaken, MerchantState
from obverse.merchants import repository as merchants
from obverse.sales import repository, rules
from obverse.sales.errors import SaleNotCancellable, SaleNotFound
from obverse.sales.model import How, Means, Sale, SaleState, SaleWish, SubjectKind
from obverse.sales.returning import Returning
from obverse.sales.telling import tell
from obverse.treasury import Treasury
from obverse.vault import Vault
from obverse.wallet import SourceState, Wallet
from obverse.wallet import repository as sources

_AT_ONCE: Final = 100
"""Sales that the background takes up in one go."""


class Sales(Returning):
    """How stored value is paid for (PP-2, PP-9, WA-6). Nothing of it is allocated before it is paid."""

    payable_account_id: Final[AccountId] = rules.PAYABLE
    """What was paid, in the partition of its sale: fund balances from here, in the commit of `done`."""

    def __init__(
        self,
        database: Database,
        engine: Engine,
        cards: Cards,
        wallet: Wallet,
        treasury: Treasury,
        vault: Vault,
        *,
        clock: Clock,
        new_id: NewId,
        random_bytes: Callable[[int], bytes],
        collects: bool = True,
    ) -> None:
        """`collects`: whether the programme's bank takes money from linked accounts."""
        super().__init__(database, engine, treasury, vault, clock=clock, new_id=new_id)
        self._cards = cards
        self._wallet = wallet
        self._collects = collects
        self._random_bytes = random_bytes
        self.house: Final = rules.house_merchant(clock.now())
        """The merchant at which stored value is paid for, as this room's own requests see it."""

    async def start(self, partitions: Sequence[PartitionId], currency: CurrencyCode) -> None:
        """Open the merchant at which stored value is paid for, where it is not there yet."""
        stored = replace(self.house, state=MerchantState.CLOSED)
        try:
            async with self._database.transaction() as conn:
                await ledger.open_accounts(conn, rules.house_payables(partitions, currency))
                if not await merchants.load(conn, [stored.id]):
                    await merchants.insert(conn, stored)
        except MerchantNumberTaken:
            return  # another process has just done it

    # what the subject's room asks --------------------------------------------------------------------------

    async def check(self, how: How) -> None:
        """Refuse a way to pay before anything is stored; call it before the commit that calls `open`.

        A card that is typed in is shown to its card company; our own numbers buy nothing (PP-8).
        Raises `InvalidRequest`, `MeansNotOffered`, `CardNotVerified`, `Unavailable`.
        """
        rules.check_how(how, collects=self._collects)
        if how.card is not None:
            await self._wallet.check_card(how.card)

    async def open(self, conn: Connection, wish: SaleWish) -> Sale:
        """Note in the caller's commit what is to be paid, and how; `pay` it after that commit.

        One sale of a subject is live at a time: another may follow one that was declined or cancelled.
        Raises `SourceNotFound`, `SourceNotActive`, `InvalidRequest`.
        """
        how = wish.how
        source_id = how.source_id
        if source_id is not None:
            found = await sources.load_sources(conn, [source_id])
            rules.check_source(found.get(source_id), wish.member_id, wish.partition_id, how.means)
        elif how.card is not None:
            source_id = (await self._wallet.keep_card_of_nobody(conn, wish.partition_id, how.card)).id
        now = self._clock.now()
        while True:
            sale = Sale(
                id=SaleId(self._new_id()),
                partition_id=wish.partition_id,
                subject_kind=wish.subject_kind,
                subject_id=wish.subject_id,
                member_id=wish.member_id,
                amount=wish.amount,
                means=how.means,
                state=SaleState.OPEN,
                source_id=source_id,
                reference=self._reference(wish),
                authorization_id=None,
                decline=None,
                given_back_minor=0,
                payer=None,
                created_at=now,
                expires_at=now + rules.patience(how.means),
            )
            if await repository.insert(conn, sale):
                return sale

    def _reference(self, wish: SaleWish) -> str | None:
        if wish.how.means is Means.CARD:
            return None
        return new_reference(rules.PREFIXES[wish.subject_kind], self._random_bytes)

    async def pay(self, sale_id: SaleId) -> Sale:
        """Ask for the money of an open sale; returns how far it got. Asking twice changes nothing.

        A card has answered by then, or stays `paying` while its company is silent; a bank is asked in the
        background, and a transfer is for the payer to make. Raises `SaleNotFound`, `Unavailable`.
        """
        async with self._database.transaction() as conn:
            sale = _present(await repository.lock(conn, [sale_id]), sale_id)
            if sale.state is SaleState.OPEN and sale.means is not Means.BANK_TRANSFER:
                await repository.start(conn, sale_id, self._clock.now())
                sale = replace(sale, state=SaleState.PAYING)
        if sale.state is SaleState.PAYING and sale.means is Means.CARD:
            await self._pay_by_card([sale])
        return await self.get(sale_id)

    async def take_paid(self, conn: Connection, kind: SubjectKind, limit: int) -> Sequence[Sale]:
        """Sales that were paid and not allocated yet, oldest first, locked until the caller's commit.

        Fund the balances from `payable_account_id` and call `done`, or else `give_back`, in that commit.
        """
        return await repository.take_paid(conn, kind, limit)

    async def done(self, conn: Connection, ids: Sequence[SaleId]) -> None:
        """These were allocated, in the caller's commit, by whoever took them."""
        allocated = await repository.allocate(conn, ids)
        assert allocated == set(ids), "whoever allocates a sale has taken it"

    async def take_ended(self, conn: Connection, kind: SubjectKind, limit: int) -> Sequence[Sale]:
        """Sales that were declined or cancelled, each told once: by the commit that takes it."""
        return await repository.take_ended(conn, kind, limit)

    async def of_subjects(
        self, conn: Connection, kind: SubjectKind, ids: Sequence[UUID]
    ) -> Mapping[UUID, Sale]:
        """The latest sale of each of these subjects, for showing how far it got."""
        return {sale.subject_id: sale for sale in await repository.of_subjects(conn, kind, ids)}

    async def cancel(self, conn: Connection, sale_id: SaleId) -> Sale:
        """End a sale that nobody was asked to pay yet; one that came to nothing stays as it is.

        Money that comes in for it afterwards is an operator's to send back.
        Raises `SaleNotFound`, `SaleNotCancellable`.
        """
        sale = _present(await repository.lock(conn, [sale_id]), sale_id)
        if sale.state in (SaleState.CANCELLED, SaleState.DECLINED):
            return sale
        if sale.state is not SaleState.OPEN:
            raise SaleNotCancellable
        return (await self._cancel(conn, [sale]))[0]

    # reading -----------------------------------------------------------------------------------------------

    async def get(self, sale_id: SaleId) -> Sale:
        """Raises `SaleNotFound`."""
        async with self._database.connection() as conn:
            return _present(await repository.load(conn, [sale_id]), sale_id)

    async def list(self, page: PageRequest, state: SaleState | None = None) -> Page[Sale]:
        """Sales, newest first; with `state`, those in it."""
        async with self._database.connection() as conn:
            return await repository.find_page(conn, page, state)

    # what happens by itself --------------------------------------------------------------------------------

    async def finish(self) -> int:
        """Complete card payments that a crash or a silent card company has left; returns how many."""
        async with self._database.connection() as conn:
            paying = await repository.find_paying_by_card(conn, _AT_ONCE)
        await self._pay_by_card(paying)
        return len(paying)

    async def sweep(self) -> int:
        """Cancel what nobody has paid in time, and remove cards that were typed in for one sale."""
        async with self._database.transaction() as conn:
            late = await repository.lock_expired(conn, self._clock.now(), _AT_ONCE)
            await self._cancel(conn, late)
        async with self._database.transaction() as conn:
            spent = await repository.spent_cards(conn, _AT_ONCE)
            await sources.set_state(conn, spent, SourceState.REMOVED)
        return len(late)

    async def _cancel(self, conn: Connection, sales: Sequence[Sale]) -> Sequence[Sale]:
        cancelled = [replace(sale, state=SaleState.CANCELLED) for sale in sales]
        await self._save(conn, cancelled, self._clock.now())
        return cancelled

    async def _pay_by_card(self, paying: Sequence[Sale]) -> None:
        """Have these paid, each on its own; the first trouble is raised when all have been tried."""
        answers = await asyncio.gather(*[self._charge(sale) for sale in paying], return_exceptions=True)
        for trouble in answers:
            if isinstance(trouble, BaseException):
                raise trouble

    async def _charge(self, sale: Sale) -> None:
        """An ordinary payment at the house's own merchant; asked for twice it happens once."""
        issued = await self._cards.issue(rules.stand_in_for(sale), request=rules.stand_in_request(sale))
        face = self._cards.reveal(issued.card)
        payment = await self._engine.authorize(
            AuthorizationRequest(
                request_key=rules.request_key(sale.id),
                number=face.number,
                expiry=face.expiry,
                cvv=face.cvv,
                amount=sale.amount,
                merchant=self.house,
                terminal=None,
                entry=Entry.ONLINE,
                capture=True,
            )
        )
        await self._conclude(sale, payment)

    async def _conclude(self, sale: Sale, payment: Authorization) -> None:
        async with self._database.transaction() as conn:
            # As it stands now: an operator may have undone it since it was approved.
            (locked,) = await payments.lock(conn, sale.partition_id, [payment.id], [])
            now_paying = (await repository.lock(conn, [sale.id]))[sale.id]
            if now_paying.state is SaleState.PAYING:
                after = rules.conclude(now_paying, locked)
                if after.state is not SaleState.PAYING:
                    await self._save(conn, [after], self._clock.now())

    async def _save(self, conn: Connection, sales: Sequence[Sale], now: datetime) -> None:
        await repository.save(conn, sales)
        await tell(conn, sales, self._new_id, now)


def _present(found: Mapping[SaleId, Sale], sale_id: SaleId) -> Sale:
    if sale_id not in found:
        raise SaleNotFound
    return found[sale_id]
