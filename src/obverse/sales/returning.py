"""Giving back what was paid: to the card it came from, or to the bank account (P16)."""

import asyncio
from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec.structs import replace

from obverse.authorization import Engine
from obverse.authorization.errors import NotRefundable, RefundTooLarge
from obverse.kit import audit, events
from obverse.kit.audit import AuditEntry
from obverse.kit.clock import Clock
from obverse.kit.database import Connection, Database
from obverse.kit.errors import Unavailable
from obverse.kit.events import Event
from obverse.kit.ids import AuditId, BankTransferId, EventId, NewId, PartitionId, SaleId, to_text
from obverse.kit.money import Money
from obverse.kit.secret import Secret
from obverse.sales import repository, rules
from obverse.sales.errors import NothingWaiting, SaleNotFound
from obverse.sales.model import Means, RefundState, Sale, SaleRefund, SaleState
from obverse.sales.telling import tell
from obverse.treasury import BankAccount, TransferOrder, Treasury
from obverse.treasury.rules import check_bank_account
from obverse.vault import Vault

_AT_ONCE: Final = 100


class Returning:
    """The part of `Sales` that gives back."""

    def __init__(
        self,
        database: Database,
        engine: Engine,
        treasury: Treasury,
        vault: Vault,
        *,
        clock: Clock,
        new_id: NewId,
    ) -> None:
        self._database = database
        self._engine = engine
        self._treasury = treasury
        self._vault = vault
        self._clock = clock
        self._new_id = new_id

    async def give_back(
        self, conn: Connection, sale_id: SaleId, amount_minor: int, to: BankAccount | None = None
    ) -> SaleRefund:
        """Owe (part of) a paid sale to its payer again, in the caller's commit.

        It comes out of `payable_account_id`: whoever gives back what was allocated has to `drain` it from the
        balances to there, in this commit and before. A card is refunded in the background; bank money goes to
        the account it came from, or to `to`, and waits where neither is known (`refund_to`).
        Raises `SaleNotFound`, `SaleNotPaid`, `GivesBackTooMuch`, `InvalidRequest`.
        """
        sale = (await repository.lock(conn, [sale_id])).get(sale_id)
        if sale is None:
            raise SaleNotFound
        after = rules.give_back(sale, amount_minor)
        refund = SaleRefund(
            id=BankTransferId(self._new_id()),
            sale_id=sale.id,
            partition_id=sale.partition_id,
            amount=Money(amount_minor, sale.amount.currency),
            state=RefundState.ASKED,
            created_at=self._clock.now(),
        )
        if sale.means is not Means.CARD:
            account = to or self._payer(sale)
            refund = replace(refund, state=RefundState.WAITING if account is None else RefundState.DONE)
            if account is not None:
                await self._order(conn, [refund], account)
        await repository.insert_refund(conn, refund)
        await repository.save(conn, [after])
        if sale.state is SaleState.DONE:
            await repository.deallocate(conn, sale.id, amount_minor)
        if after.state is SaleState.GIVEN_BACK:
            await tell(conn, [after], self._new_id, self._clock.now())
        return refund

    async def refund_to(self, sale_id: SaleId, to: BankAccount, *, actor: str, reason: str) -> None:
        """Send what waits for an account to this one: the operator has asked the payer.

        Raises `NothingWaiting`, `InvalidRequest`.
        """
        check_bank_account(to)
        reason = audit.check_reason(reason)
        async with self._database.transaction() as conn:
            refunds = await repository.lock_refunds(conn, sale_id)
            waiting = [refund for refund in refunds if refund.state is RefundState.WAITING]
            if not waiting:
                raise NothingWaiting
            await self._order(conn, waiting, to)
            await repository.set_refunds(conn, [refund.id for refund in waiting], RefundState.DONE)
            entry = AuditEntry(
                AuditId(self._new_id()),
                actor,
                "sale.refunded",
                to_text("sale", sale_id),
                reason,
                self._clock.now(),
            )
            await audit.record(conn, [entry])

    async def refunds_of(self, ids: Sequence[SaleId]) -> Sequence[SaleRefund]:
        """What was given back of these sales, oldest first."""
        async with self._database.connection() as conn:
            return await repository.refunds_of(conn, ids)

    async def refund(self) -> int:
        """Have the engine carry out what is owed to cards: the chore. Returns how many that were.

        Each has a key made from its id. One that the engine refuses, because the payment was undone
        otherwise, is an event for an operator; the others go on.
        """
        async with self._database.connection() as conn:
            asked = await repository.find_refunds_asked(conn, _AT_ONCE)
            sales = await repository.load(conn, {refund.sale_id for refund in asked})
        answers = await asyncio.gather(
            *[self._refund(sales[each.sale_id], each) for each in asked], return_exceptions=True
        )
        for trouble in answers:
            if isinstance(trouble, BaseException):
                raise trouble  # once all the others have had their turn
        return len(asked)

    async def _refund(self, sale: Sale, refund: SaleRefund) -> None:
        assert sale.authorization_id is not None, "what a card has paid has its payment"
        state = RefundState.DONE
        try:
            await self._engine.refund(
                sale.authorization_id,
                refund.amount.amount_minor,
                key=f"sale_refund:{refund.id}",
                partition_id=sale.partition_id,
            )
        except Unavailable:
            return  # asked again
        except (NotRefundable, RefundTooLarge):
            state = RefundState.REFUSED
        async with self._database.transaction() as conn:
            if await repository.set_refunds(conn, [refund.id], state) and state is RefundState.REFUSED:
                await self._report(conn, refund)

    async def _report(self, conn: Connection, refund: SaleRefund) -> None:
        data = {
            "sale": to_text("sale", refund.sale_id),
            "amount": refund.amount.amount_minor,
            "currency": refund.amount.currency,
        }
        now = self._clock.now()
        await events.append(
            conn, [Event(EventId(self._new_id()), "sale_refund.refused", refund.sale_id, data, now)]
        )

    async def _order(self, conn: Connection, refunds: Sequence[SaleRefund], to: BankAccount) -> None:
        await self._treasury.order(
            conn,
            [
                TransferOrder(
                    id=refund.id,
                    partition_id=PartitionId(refund.partition_id),
                    amount=refund.amount,
                    to=to,
                    reference="Obverse refund",
                    subject_id=refund.sale_id,
                    debit_account_id=rules.PAYABLE,
                )
                for refund in refunds
            ],
        )

    def _payer(self, sale: Sale) -> BankAccount | None:
        return read_account(self._vault.open(sale.payer, payer_context(sale.id))) if sale.payer else None


def payer_context(sale_id: SaleId) -> bytes:
    """What binds a sealed payer to its sale."""
    return f"sale_payer:{sale_id}".encode()


def written_account(account: BankAccount) -> Secret:
    """An account as one text, to be sealed."""
    return Secret(msgspec.json.encode([account.bank_code, account.number.reveal(), account.holder]).decode())


def read_account(written: Secret) -> BankAccount:
    """The account that was written so."""
    bank_code, number, holder = msgspec.json.decode(written.reveal(), type=tuple[str, str, str])
    return BankAccount(bank_code, Secret(number), holder)
