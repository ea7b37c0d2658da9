"""Stored balances: opened with their cards, filled lot by lot, emptied, and expired.

Everything here is a piece for a caller's commit, but for what runs by itself. The payments that spend a
balance are the engine's.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from obverse.cards.model import Card
from obverse.cards.rules import own_source
from obverse.kit import events
from obverse.kit.clock import Clock
from obverse.kit.database import Connection, Database
from obverse.kit.events import Event
from obverse.kit.ids import AccountId, EventId, MemberId, NewId, PartitionId, SourceId, TransferId, to_text
from obverse.kit.money import CurrencyCode, Money
from obverse.ledger import repository as ledger
from obverse.ledger.model import Account, AccountKind, Transfer, TransferKind
from obverse.ledger.rules import house_account
from obverse.ledger.service import enter
from obverse.wallet import repository, rules
from obverse.wallet.model import (
    Draining,
    Funding,
    Lot,
    LotBalance,
    LotKind,
    Source,
    SourceKind,
    SourceState,
)
from obverse.wallet.repository import lots as lot_rows

_AT_ONCE: Final = 500


class Balances:
    """What was paid in for cards, and what members have earned, in lots that end on their own dates."""

    def __init__(
        self, database: Database, partitions: Sequence[PartitionId], *, clock: Clock, new_id: NewId
    ) -> None:
        self._database = database
        self._partitions = partitions
        self._clock = clock
        self._new_id = new_id

    async def open(
        self,
        conn: Connection,
        partition_id: PartitionId,
        currency: CurrencyCode,
        count: int,
        *,
        member_id: MemberId | None = None,
        kind: SourceKind = SourceKind.STORED_BALANCE,
    ) -> list[Source]:
        """Open `count` empty balances; a lot is opened when money comes in. A member has one for points."""
        now = self._clock.now()
        sources = [
            Source(
                id=SourceId(self._new_id()),
                partition_id=partition_id,
                member_id=member_id,
                kind=kind,
                currency=currency,
                account_id=None,
                vault_card_id=None,
                state=SourceState.ACTIVE,
                created_at=now,
            )
            for _ in range(count)
        ]
        await repository.insert_sources(conn, sources)
        return sources

    async def fund(
        self, conn: Connection, partition_id: PartitionId, fundings: Sequence[Funding]
    ) -> list[Lot]:
        """Put money into balances, each into the lot of its kind and date; returns the lots in order.

        Locks the accounts it moves money between, in id order. Raises `TransferRefused` where the money is
        not there: then nothing is moved, and the caller's transaction has to end.
        """
        now = self._clock.now()
        known = await lot_rows.given(conn, {funding.source_id for funding in fundings})
        lots = [rules.lot_for(partition_id, funding, known) for funding in fundings]
        await lot_rows.open_lots(conn, partition_id, lots, now)
        transfers = [
            self._transfer(f.from_account_id, lot.account_id, f.amount, f.subject_id, now)
            for f, lot in zip(fundings, lots, strict=True)
        ]
        await _enter_all(conn, partition_id, lots, transfers)
        return lots

    async def drain(
        self,
        conn: Connection,
        partition_id: PartitionId,
        source_id: SourceId,
        to_account_id: AccountId,
        subject_id: UUID,
        *,
        kinds: Iterable[LotKind] = tuple(LotKind),
        amount_minor: int | None = None,
    ) -> int:
        """Take what is there, or up to `amount_minor` of it, out of a balance's lots of these kinds.

        What ends last is taken first: what its holder keeps is to be spent soon either way. What is held for
        payments stays. Returns the amount in minor units; it may be less than asked for.
        """
        draining = Draining(source_id, to_account_id, subject_id, frozenset(kinds), amount_minor)
        return (await self.drain_all(conn, partition_id, [draining]))[0]

    async def drain_all(
        self, conn: Connection, partition_id: PartitionId, drainings: Sequence[Draining]
    ) -> list[int]:
        """The same for many at once, one after the other; returns how much each has taken."""
        now = self._clock.now()
        source_ids = sorted({draining.source_id for draining in drainings})
        await self._lock(conn, partition_id, source_ids)
        left = await self.of(conn, source_ids)
        taken: list[int] = []
        lots: list[Lot] = []
        transfers: list[Transfer] = []
        for draining in drainings:
            parts = rules.drained(left[draining.source_id], draining)
            left = {**left, draining.source_id: rules.less(left[draining.source_id], parts)}
            transfers += [
                self._transfer(
                    lot.account_id,
                    draining.to_account_id,
                    Money(part, lot.currency),
                    draining.subject_id,
                    now,
                )
                for lot, part in parts
            ]
            lots += [lot for lot, _ in parts]
            taken.append(sum(part for _, part in parts))
        await _enter_all(conn, partition_id, lots, transfers)
        return taken

    async def hand_on(self, conn: Connection, card: Card, *, as_gift: bool) -> None:
        """Make a card's balance its holder's, in the commit in which the card becomes theirs.

        `as_gift`: what is in it was paid for by somebody else, and so is never refunded to its holder.
        """
        balance = [own_source(card)]
        await repository.set_member(conn, balance, card.member_id)
        if as_gift:
            await lot_rows.make_given(conn, balance)

    async def of(
        self, conn: Connection, source_ids: Sequence[SourceId]
    ) -> Mapping[SourceId, Sequence[LotBalance]]:
        """What is in these balances, lot by lot, in the order in which it is spent; nothing is locked."""
        found: dict[SourceId, list[LotBalance]] = {id_: [] for id_ in source_ids}
        for balance in await lot_rows.balances(conn, source_ids):
            found[balance.lot.source_id].append(balance)
        return found

    async def expire(self) -> int:
        """Take what was not spent in time as income, lot by lot; returns how many lots that were (PP-14)."""
        expired = 0
        for partition_id in self._partitions:
            while swept := await self._expire_some(partition_id):
                expired += swept
        return expired

    async def _expire_some(self, partition_id: PartitionId) -> int:
        now = self._clock.now()
        async with self._database.transaction() as conn:
            found = await lot_rows.find_expired(conn, partition_id, now, _AT_ONCE)
            ids = sorted(lot.account_id for lot in found)
            accounts = await ledger.lock_accounts(conn, partition_id, ids)
            lots = await lot_rows.still_expired(conn, partition_id, ids, now)
            left = {account.id: account.available_minor or 0 for account in accounts}
            full = [lot for lot in lots if left[lot.account_id] > 0]
            transfers = [
                self._transfer(
                    lot.account_id,
                    _income_of(lot).id,
                    Money(left[lot.account_id], lot.currency),
                    lot.source_id,
                    now,
                )
                for lot in full
            ]
            await _enter_all(conn, partition_id, full, transfers)
            await lot_rows.close(conn, partition_id, [lot.account_id for lot in lots], now)
            await self._announce(conn, "balance.expired", full, left, now)
        return len(found)

    async def _lock(
        self, conn: Connection, partition_id: PartitionId, source_ids: Sequence[SourceId]
    ) -> None:
        accounts = [b.lot.account_id for b in await lot_rows.balances(conn, source_ids)]
        await ledger.lock_accounts(conn, partition_id, sorted(accounts))

    def _transfer(
        self, debit: AccountId, credit: AccountId, amount: Money, subject_id: UUID, now: datetime
    ) -> Transfer:
        return Transfer(
            id=TransferId(self._new_id()),
            kind=TransferKind.POSTED,
            debit_account_id=debit,
            credit_account_id=credit,
            amount_minor=amount.amount_minor,
            currency=amount.currency,
            subject_id=subject_id,
            created_at=now,
        )

    async def _announce(
        self,
        conn: Connection,
        type_: str,
        lots: Sequence[Lot],
        amounts: Mapping[AccountId, int],
        now: datetime,
    ) -> None:
        news = [
            Event(
                EventId(self._new_id()),
                type_,
                lot.source_id,
                {
                    "source": to_text("src", lot.source_id),
                    "amount": amounts[lot.account_id],
                    "currency": lot.currency,
                    "kind": lot.kind,
                },
                now,
            )
            for lot in lots
        ]
        await events.append(conn, news)


def _income_of(lot: Lot) -> Account:
    kind = AccountKind.POINTS_EXPENSE if lot.kind is LotKind.EARNED else AccountKind.EXPIRED_VALUE
    return house_account(kind, lot.partition_id, lot.currency)


async def _enter_all(
    conn: Connection, partition_id: PartitionId, lots: Sequence[Lot], transfers: Sequence[Transfer]
) -> None:
    """Move money into or out of these lots, and note it for their histories."""
    refusals = await enter(conn, partition_id, transfers) if transfers else []
    for refused in refusals:
        if refused is not None:
            raise refused
    await lot_rows.note_entries(conn, lots, transfers)
