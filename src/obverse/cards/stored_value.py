"""Making cards with balances of their own: prepaid cards and gifts."""

from collections.abc import Callable, Sequence

from obverse.cards import repository, rules
from obverse.cards.model import CHUNK, Card, HeldBy, RequestKey, StoredValueOrder, row_keys
from obverse.kit.clock import Clock
from obverse.kit.database import Connection
from obverse.kit.ids import CardId, NewId, SourceId
from obverse.kit.secret import Secret
from obverse.vault.service import Vault

PinOf = Callable[[int], Secret]
"""The PIN of the card with this serial."""


class StoredValueCards:
    """Makes cards inside the commit of whoever sells or gives them; the news is theirs to tell."""

    def __init__(self, vault: Vault, *, clock: Clock, new_id: NewId, bin_: str) -> None:
        self._vault = vault
        self._clock = clock
        self._new_id = new_id
        self._bin = bin_

    async def make(
        self,
        conn: Connection,
        order: StoredValueOrder,
        balances: Sequence[SourceId],
        pins: Sequence[Secret] | PinOf | None = None,
        request: RequestKey | None = None,
    ) -> list[Card]:
        """Store one card for each of these balances, with these PINs or none yet (PP-2, WA-3).

        PINs come in the balances' order, or are asked for by the cards' serials.
        With a `request`, a twin that was first makes this raise `asyncpg.UniqueViolationError`: the caller's
        transaction has to end, and `Cards.find_issued` tells what the twin made.
        """
        await self._vault.pin_keys(conn)
        keys = row_keys(request, len(balances)) if request else [None] * len(balances)
        fingerprint = request.fingerprint if request else None
        values = await repository.next_serials(conn, len(balances))
        serials = [rules.serial_of(value, order.partition_id) for value in values]
        made: list[Card] = []
        # In parts, so that payments of this process are decided between them.
        for part in range(0, len(balances), CHUNK):
            cards = [
                self._card(order, serials[at], balances[at], _pin(pins, at, serials[at]))
                for at in range(part, min(part + CHUNK, len(balances)))
            ]
            await repository.insert_lasting(
                conn, cards, self._vault.active_index, keys[part : part + CHUNK], fingerprint
            )
            made += cards
        return made

    def _card(self, order: StoredValueOrder, serial: int, balance: SourceId, pin: Secret | None) -> Card:
        number = self._vault.card_number(self._bin, serial)
        return Card(
            partition_id=order.partition_id,
            id=CardId(self._new_id()),
            kind=order.kind,
            state=order.state,
            bin=self._bin,
            serial=serial,
            last_four=number.reveal()[-4:],
            number_hash=self._vault.number_hashes(number)[0].digest,
            member_id=order.member_id,
            held_by=HeldBy.MEMBER if order.member_id is not None else HeldBy.RECIPIENT,
            currency=order.currency,
            controls=order.controls,
            uses_left=order.controls.uses,
            spent_minor=0,
            expires_at=order.expires_at,
            funding=(balance,),
            own_source=balance,
            created_at=self._clock.now(),
            metadata=order.metadata,
            programme_id=order.programme_id,
            batch_id=order.batch_id,
            face_value_minor=order.face_value_minor,
            name=order.name,
            pin_hash=self._vault.pin_hash(number, pin) if pin is not None else None,
            tell_of_use=order.tell_of_use,
        )


def _pin(pins: Sequence[Secret] | PinOf | None, at: int, serial: int) -> Secret | None:
    if pins is None:
        return None
    return pins(serial) if callable(pins) else pins[at]
