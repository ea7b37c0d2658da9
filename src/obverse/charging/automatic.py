"""Cards that charge themselves when less than a threshold is left (WA-6)."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

from obverse.cards import Card, CardNotFound
from obverse.cards import repository as card_rows
from obverse.charging import repository, rules
from obverse.charging.errors import AutomaticChargeNotFound
from obverse.charging.model import (
    AutomaticCharge,
    AutomaticState,
    Charge,
    ChargeKind,
    ChargeState,
    ChargeWish,
    Shortage,
)
from obverse.charging.pausing import Pausing
from obverse.charging.service import Charging
from obverse.kit import events
from obverse.kit.clock import Clock
from obverse.kit.database import Connection, Database
from obverse.kit.errors import ObverseError, Unavailable
from obverse.kit.events import Event
from obverse.kit.ids import CardId, ChargeId, EventId, MemberId, NewId, to_text
from obverse.kit.money import Money
from obverse.programmes import repository as programmes
from obverse.wallet import SourceNotFound
from obverse.wallet import repository as sources

_AT_ONCE: Final = 100
_DAY: Final = timedelta(days=1)


class Automatic:
    """What members set, and the chore that looks for cards that have run short."""

    def __init__(
        self, database: Database, charging: Charging, pausing: Pausing, *, clock: Clock, new_id: NewId
    ) -> None:
        self._database = database
        self._charging = charging
        self._pausing = pausing
        self._clock = clock
        self._new_id = new_id

    async def set(self, card: Card, member_id: MemberId, wish: Shortage) -> AutomaticCharge:
        """Have a card charge itself; in place of what was set before, and active again if that was paused.

        Raises `CardNotChargeable`, `InvalidRequest`, `ChargeUnit`, `BalanceCeiling`, `SourceNotFound`,
        `SourceNotActive`.
        """
        balance = rules.balance_of(card)
        now = self._clock.now()
        async with self._database.transaction() as conn:
            locked = await card_rows.lock_one(conn, [card.partition_id], card.id)
            if locked is None or locked.member_id != member_id:
                raise CardNotFound
            assert locked.programme_id is not None, "stored value is issued under a programme"
            programme = (await programmes.load(conn, [locked.programme_id]))[locked.programme_id]
            rules.check_card(locked, programme, now)
            rules.check_shortage(wish, programme)
            own = await sources.sources_of_member(conn, member_id)
            if wish.paid_by is not None and wish.paid_by not in {source.id for source in own}:
                raise SourceNotFound("source")
            rules.payer_of(own, wish.paid_by)
            rule = await repository.set_automatic(
                conn,
                AutomaticCharge(
                    card_id=card.id,
                    partition_id=card.partition_id,
                    source_id=balance,
                    member_id=member_id,
                    threshold_minor=wish.threshold_minor,
                    amount_minor=wish.amount_minor,
                    paid_by=wish.paid_by,
                    state=AutomaticState.ACTIVE,
                    pause_reason=None,
                    charge_id=None,
                    created_at=now,
                ),
            )
            await self._announce(conn, "automatic_charge.set", rule, now)
        return rule

    async def get(self, card_id: CardId) -> AutomaticCharge:
        """Raises `AutomaticChargeNotFound`."""
        async with self._database.connection() as conn:
            rule = await repository.find_automatic(conn, card_id)
        if rule is None:
            raise AutomaticChargeNotFound
        return rule

    async def list(self, member_id: MemberId) -> Sequence[AutomaticCharge]:
        """A member's cards that charge themselves."""
        async with self._database.connection() as conn:
            return await repository.automatic_of_member(conn, member_id)

    async def remove(self, rule: AutomaticCharge) -> None:
        """Have a card charge itself no more; a charge that is under way goes on."""
        async with self._database.transaction() as conn:
            if await repository.remove_automatic(conn, rule.card_id):
                await self._announce(conn, "automatic_charge.removed", rule, self._clock.now())

    # the chore ---------------------------------------------------------------------------------------------

    async def charge_short(self) -> int:
        """Charge every card that has run short; returns how many were begun.

        Balances are asked and not events: whatever made a card short, be it a payment, a held call or time,
        it is seen once, because a rule has one charge under way at a time and one ends its shortage.
        """
        begun, after = 0, None
        while True:
            now = self._clock.now()
            async with self._database.connection() as conn:
                short = await repository.find_short(
                    conn, now, now - _DAY, rules.AUTOMATIC_A_DAY_MAX, _AT_ONCE, after=after
                )
            for rule in short:
                begun += await self._charge(rule)
            if len(short) < _AT_ONCE:
                return begun
            after = short[-1].card_id

    async def _charge(self, rule: AutomaticCharge) -> bool:
        charge_id = ChargeId(self._new_id())
        try:
            async with self._database.transaction() as conn:
                begun = await self._begin(conn, rule, charge_id)
        except Unavailable:
            return False  # nothing was noted, and the next round sees the same shortage
        except ObverseError as refused:
            # Its card is full or gone, or nothing of its member's pays any more: asking again will not help.
            async with self._database.transaction() as conn:
                await self._pausing.pause(conn, rule.card_id, refused.code)
            return False
        if begun:
            await self._charging.pay(charge_id)
        return begun

    async def _begin(self, conn: Connection, rule: AutomaticCharge, charge_id: ChargeId) -> bool:
        """Note the charge and that it is under way, in one commit, under the locks of card and rule.

        The shortage is asked for again there: another process may have ended it since.
        """
        card = await card_rows.lock_one(conn, [rule.partition_id], rule.card_id)
        current = await repository.lock_automatic(conn, rule.card_id)
        now = self._clock.now()
        still = await repository.find_short(
            conn, now, now - _DAY, rules.AUTOMATIC_A_DAY_MAX, 1, only=rule.card_id
        )
        if card is None or current is None or not still:
            return False
        if card.member_id != current.member_id:
            # It was given away: nobody pays for what somebody else spends.
            await repository.remove_automatic(conn, card.id)
            await self._announce(conn, "automatic_charge.removed", current, now)
            return False
        how = rules.payer_of(await sources.sources_of_member(conn, current.member_id), current.paid_by)
        key = f"automatic:{charge_id}"
        charge = Charge(
            id=charge_id,
            partition_id=current.partition_id,
            card_id=current.card_id,
            source_id=current.source_id,
            member_id=current.member_id,
            amount=Money(current.amount_minor, card.currency),
            kind=ChargeKind.AUTOMATIC,
            state=ChargeState.OPEN,
            reason=None,
            request_key=key,
            fingerprint=sha256(key.encode()).digest(),
            created_at=now,
        )
        await self._charging.note(conn, charge, ChargeWish(current.amount_minor, how, current.member_id))
        await repository.begin_automatic(conn, current.card_id, charge_id)
        return True

    async def _announce(self, conn: Connection, type_: str, rule: AutomaticCharge, now: datetime) -> None:
        data = {"card": to_text("card", rule.card_id), "member": to_text("mem", rule.member_id)}
        await events.append(conn, [Event(EventId(self._new_id()), type_, rule.card_id, data, now)])
