"""Refunds of what is left on a card, to a bank account of its holder (PP-13)."""

from collections.abc import Sequence

import asyncpg
import msgspec
from msgspec.structs import replace

from obverse.cards import Card, CardNotFound, CardState, Viewer
from obverse.cards import repository as card_rows
from obverse.cards.rules import check_holder
from obverse.charging import repository, rules
from obverse.charging.model import BalanceRefund, RefundWish
from obverse.kit import events
from obverse.kit.clock import Clock
from obverse.kit.database import Connection, Database
from obverse.kit.errors import KeyReused
from obverse.kit.events import Event
from obverse.kit.ids import BankTransferId, CardId, EventId, NewId, to_text
from obverse.kit.money import Money
from obverse.kit.paging import Page, PageRequest
from obverse.kit.secret import Secret
from obverse.ledger import AccountKind
from obverse.ledger.rules import house_account
from obverse.programmes import repository as programmes
from obverse.treasury import TransferOrder, Treasury
from obverse.treasury import repository as bank_transfers
from obverse.treasury.rules import check_bank_account
from obverse.vault import Vault
from obverse.wallet import REFUNDABLE_LOTS, Balances


class Refunding:
    """What holders take out of their cards: what was paid in by them and is not held for payments."""

    def __init__(
        self,
        database: Database,
        balances: Balances,
        treasury: Treasury,
        vault: Vault,
        *,
        clock: Clock,
        new_id: NewId,
    ) -> None:
        self._database = database
        self._balances = balances
        self._treasury = treasury
        self._vault = vault
        self._clock = clock
        self._new_id = new_id

    async def refund(
        self, card: Card, wish: RefundWish, *, key: str, viewer: Viewer = Viewer.MEMBER
    ) -> BalanceRefund:
        """Send all that can be refunded to a bank account. Safe to repeat with the same `key`.

        What was given or earned stays, and so does what is held; a card is closed, where that is asked for,
        if nothing is left on it at all. What the bank refuses, an operator sends elsewhere.
        Raises `CardNotChargeable` for a card without a balance, `BalanceNotRefundable`, `GiftNotRefundable`,
        `NothingToRefund`, `InvalidRequest`, `KeyReused`; `CardHandedOver` for the member who gave it away.
        """
        rules.balance_of(card)
        check_holder(card, viewer)
        check_bank_account(wish.to)
        fingerprint = self._fingerprint(card, wish)
        refund = await self._find(key, fingerprint)
        if refund is None:
            try:
                async with self._database.transaction() as conn:
                    refund = await self._refund(conn, card, wish, key, fingerprint)
            except asyncpg.UniqueViolationError:
                refund = await self._find(key, fingerprint)
                assert refund is not None, "the insert met this key, and refunds are never deleted"
        (told,) = await self._with_transfers([refund])
        return told

    async def _refund(
        self, conn: Connection, card: Card, wish: RefundWish, key: str, fingerprint: bytes
    ) -> BalanceRefund:
        locked = await card_rows.lock_one(conn, [card.partition_id], card.id)
        # Whose it was when they asked: somebody may have claimed it, or made it theirs, in between.
        if locked is None or (locked.member_id, locked.held_by) != (card.member_id, card.held_by):
            raise CardNotFound
        # A twin of this request may have had the card's lock before us.
        earlier = await repository.find_refund_by_key(conn, key)
        if earlier is not None:
            return _repeated(earlier, fingerprint)
        source_id = rules.balance_of(locked)
        assert locked.programme_id is not None, "stored value is issued under a programme"
        programme = (await programmes.load(conn, [locked.programme_id]))[locked.programme_id]
        lots = (await self._balances.of(conn, [source_id]))[source_id]
        rules.refundable_minor(locked, programme, lots)
        id_ = BankTransferId(self._new_id())
        in_transit = house_account(AccountKind.IN_TRANSIT, locked.partition_id, locked.currency)
        drained_minor = await self._balances.drain(
            conn, locked.partition_id, source_id, in_transit.id, id_, kinds=REFUNDABLE_LOTS
        )
        left = (await self._balances.of(conn, [source_id]))[source_id]
        refund = BalanceRefund(
            id=id_,
            partition_id=locked.partition_id,
            card_id=locked.id,
            member_id=locked.member_id,
            amount=Money(drained_minor, locked.currency),
            closed_card=wish.close and rules.held_minor(left) == 0,
            request_key=key,
            fingerprint=fingerprint,
            created_at=self._clock.now(),
        )
        await self._treasury.order(conn, [_order(refund, wish)])
        await repository.insert_refund(conn, refund)
        if refund.closed_card:
            await card_rows.set_state(conn, locked.partition_id, [locked.id], CardState.CLOSED)
        await self._announce(conn, refund)
        return refund

    async def list(
        self, card_id: CardId, page: PageRequest, *, viewer: Viewer = Viewer.OPERATOR
    ) -> Page[BalanceRefund]:
        """A card's refunds, newest first. A holder does not see its giver's, which name an account."""
        sees_all = viewer is Viewer.OPERATOR
        async with self._database.connection() as conn:
            found = await repository.find_refund_page(conn, page, card_id, sees_all=sees_all)
        return Page(await self._with_transfers(found.items), found.next_after)

    async def _find(self, key: str, fingerprint: bytes) -> BalanceRefund | None:
        async with self._database.connection() as conn:
            earlier = await repository.find_refund_by_key(conn, key)
        return _repeated(earlier, fingerprint) if earlier is not None else None

    async def _with_transfers(self, refunds: Sequence[BalanceRefund]) -> Sequence[BalanceRefund]:
        async with self._database.connection() as conn:
            found = await bank_transfers.load_transfers(conn, [refund.id for refund in refunds])
        return [replace(refund, transfer=found.get(refund.id)) for refund in refunds]

    def _fingerprint(self, card: Card, wish: RefundWish) -> bytes:
        """Keyed, because an account's number is in it."""
        told = (card.id, wish.to.bank_code, wish.to.number.reveal(), wish.to.holder, wish.close)
        return self._vault.token_hash(Secret(msgspec.json.encode(told).decode()))

    async def _announce(self, conn: Connection, refund: BalanceRefund) -> None:
        data = {
            "card": to_text("card", refund.card_id),
            "bank_transfer": to_text("bank", refund.id),
            "amount": refund.amount.amount_minor,
            "currency": refund.amount.currency,
        }
        now = self._clock.now()
        news = [Event(EventId(self._new_id()), "balance.refunded", refund.card_id, data, now)]
        if refund.closed_card:
            closed = {"card": to_text("card", refund.card_id)}
            news.append(Event(EventId(self._new_id()), "card.closed", refund.card_id, closed, now))
        await events.append(conn, news)


def _repeated(earlier: BalanceRefund, fingerprint: bytes) -> BalanceRefund:
    if earlier.fingerprint != fingerprint:
        raise KeyReused
    return replace(earlier, repeated=True)


def _order(refund: BalanceRefund, wish: RefundWish) -> TransferOrder:
    return TransferOrder(
        id=refund.id,
        partition_id=refund.partition_id,
        amount=refund.amount,
        to=wish.to,
        reference="Obverse balance",
        subject_id=refund.id,
        debit_account_id=None,
    )
