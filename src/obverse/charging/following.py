"""What becomes of charges once their sales are over: into the card, back to the payer, or nothing."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from msgspec.structs import replace

from obverse.cards import repository as card_rows
from obverse.charging import repository, rules
from obverse.charging.model import Charge, ChargeKind, ChargeState
from obverse.charging.pausing import Pausing
from obverse.kit import events
from obverse.kit.calendar import Calendar
from obverse.kit.clock import Clock
from obverse.kit.database import Connection, Database
from obverse.kit.events import Event
from obverse.kit.ids import ChargeId, EventId, NewId, PartitionId, SaleId, to_text
from obverse.programmes import repository as programmes
from obverse.sales import Sales, SubjectKind
from obverse.wallet import Balances, Funding

_AT_ONCE: Final = 100


class Following:
    """The part of `Charging` that follows sales."""

    def __init__(
        self,
        database: Database,
        sales: Sales,
        balances: Balances,
        calendar: Calendar,
        pausing: Pausing,
        *,
        clock: Clock,
        new_id: NewId,
    ) -> None:
        self._database = database
        self._sales = sales
        self._balances = balances
        self._calendar = calendar
        self._pausing = pausing
        self._clock = clock
        self._new_id = new_id

    async def follow(self) -> int:
        """Put what was paid into its cards, and end what came to nothing: the chore. Returns how many."""
        followed = 0
        while taken := await self._allocate():
            followed += taken
        while taken := await self._end_unpaid():
            followed += taken
        return followed

    async def _allocate(self) -> int:
        async with self._database.transaction() as conn:
            sales = await self._sales.take_paid(conn, SubjectKind.CHARGE, _AT_ONCE)
            charges = await repository.load(conn, [ChargeId(sale.subject_id) for sale in sales])
            by_partition: dict[PartitionId, list[Charge]] = defaultdict(list)
            for charge in charges.values():
                by_partition[charge.partition_id].append(charge)
            sale_of = {ChargeId(sale.subject_id): sale.id for sale in sales}
            for partition_id in sorted(by_partition):
                await self._allocate_in(conn, partition_id, by_partition[partition_id], sale_of)
        return len(sales)

    async def _allocate_in(
        self,
        conn: Connection,
        partition_id: PartitionId,
        charges: Sequence[Charge],
        sale_of: Mapping[ChargeId, SaleId],
    ) -> None:
        """Put these into their cards, oldest first, as far as each still fits; the rest is given back."""
        now = self._clock.now()
        locked = await card_rows.lock(conn, partition_id, [], [charge.card_id for charge in charges])
        cards = {card.id: card for card in locked}
        terms = await programmes.load(conn, {c.programme_id for c in locked if c.programme_id is not None})
        lots = await self._balances.of(conn, [charge.source_id for charge in charges])
        held = {source_id: rules.held_minor(found) for source_id, found in lots.items()}
        ended: list[Charge] = []
        fundings: list[Funding] = []
        for charge in sorted(charges, key=lambda charge: charge.id):
            card = cards[charge.card_id]
            assert card.programme_id is not None, "stored value is issued under a programme"
            programme = terms[card.programme_id]
            reason = rules.misfit(charge, card, programme, held[charge.source_id], now)
            if reason is not None:
                await self._sales.give_back(conn, sale_of[charge.id], charge.amount.amount_minor)
                ended.append(replace(charge, state=ChargeState.GIVEN_BACK, reason=reason, ended_at=now))
                continue
            held[charge.source_id] += charge.amount.amount_minor
            ends = rules.ends_at(card, programme, self._calendar, now)
            fundings.append(
                Funding(
                    charge.source_id,
                    rules.lot_kind(charge, card),
                    charge.amount,
                    self._sales.payable_account_id,
                    ends,
                    charge.id,
                )
            )
            ended.append(replace(charge, state=ChargeState.DONE, ended_at=now))
        await self._balances.fund(conn, partition_id, fundings)
        await self._sales.done(
            conn, [sale_of[charge.id] for charge in ended if charge.state is ChargeState.DONE]
        )
        await self._end(conn, ended)

    async def _end_unpaid(self) -> int:
        now = self._clock.now()
        async with self._database.transaction() as conn:
            sales = await self._sales.take_ended(conn, SubjectKind.CHARGE, _AT_ONCE)
            charges = await repository.load(conn, [ChargeId(sale.subject_id) for sale in sales])
            await self._end(
                conn, [rules.after_sale(charges[ChargeId(sale.subject_id)], sale, now) for sale in sales]
            )
        return len(sales)

    async def _end(self, conn: Connection, charges: Sequence[Charge]) -> None:
        """End charges, once each; an automatic one that failed stops its card from charging itself."""
        first = await repository.end(conn, charges)
        ended = [charge for charge in charges if charge.id in first]
        await self._announce(conn, ended)
        automatic = [charge for charge in ended if charge.kind is ChargeKind.AUTOMATIC]
        done = [charge.id for charge in automatic if charge.state is ChargeState.DONE]
        await repository.end_automatic(conn, done)
        for charge in automatic:
            if charge.state is not ChargeState.DONE:
                await self._pausing.pause(conn, charge.card_id, charge.reason or charge.state.value)

    async def _announce(self, conn: Connection, charges: Sequence[Charge]) -> None:
        now: datetime = self._clock.now()
        news = [
            Event(
                EventId(self._new_id()),
                f"charge.{charge.state}",
                charge.id,
                {
                    "charge": to_text("chg", charge.id),
                    "card": to_text("card", charge.card_id),
                    "amount": charge.amount.amount_minor,
                    "currency": charge.amount.currency,
                    "kind": charge.kind,
                    "reason": charge.reason,
                },
                now,
            )
            for charge in charges
        ]
        await events.append(conn, news)
