"""PINs of cards: set by their holders, compared when they change them, never stored (WA-3, PP-11).

What a till or a shop sends is compared by the engine, under the same count of failures.
"""

from datetime import datetime, timedelta
from hmac import compare_digest
from typing import Final

import msgspec
from msgspec.structs import replace

from obverse.cards import pin_rules, repository
from obverse.cards.errors import WrongPin
from obverse.cards.model import Card, CardKind, Viewer
from obverse.cards.room import CardRoom
from obverse.cards.rules import PIN_TRIES_MAX, check_holder
from obverse.kit.database import Connection
from obverse.kit.ids import CardId, MemberId
from obverse.kit.secret import Secret
from obverse.vault.service import Vault

FRESH: Final = timedelta(minutes=10)
"""How long a sign-in stands for a PIN that is forgotten."""


class NewPin(msgspec.Struct, frozen=True):
    """A PIN as its holder wants it, typed twice. `hint` is theirs to remember it by, and no secret."""

    pin: Secret
    again: Secret
    hint: str | None = None


class PinStatus(msgspec.Struct, frozen=True):
    """What a holder may know of their PIN."""

    is_set: bool
    is_locked: bool
    hint: str | None


def pin_hash_of(vault: Vault, card: Card, pin: Secret) -> bytes:
    """What is kept of a card's PIN: bound to its number, so that it ends with it.

    A registered card keeps its number, which is not opened for this: its PIN is bound to the row. Closed and
    registered again it is another one.
    """
    if card.kind is CardKind.REGISTERED:
        return vault.pin_hash(Secret(str(card.id)), pin)
    return vault.pin_hash(vault.card_number(card.bin, card.serial), pin)


class Pins(CardRoom):
    """The PINs of cards that stay in one hand: those with balances of their own, and registered ones."""

    async def set(
        self,
        card_id: CardId,
        new: NewPin,
        viewer: Viewer = Viewer.MEMBER,
        *,
        old: Secret | None = None,
        signed_in_at: datetime | None = None,
        owner: MemberId | None = None,
    ) -> Card:
        """Set a card's PIN: the first, or another in place of `old`; it also ends a lock.

        A card that was bought and not used yet becomes active with it (PP-3). A member who has signed in
        within `FRESH` has just shown who they are, and a recipient's token is all there is of them: neither
        needs the old PIN.

        Raises `CardNotFound`, `CardHandedOver`, `InvalidRequest`, `WrongPin`, `PinLocked`.
        """
        pin_rules.check_new_pin(new.pin, new.again)
        hint = pin_rules.check_hint(new.hint, new.pin)
        async with self._database.transaction() as conn:
            card = await self.lock(conn, card_id, owner)
            check_holder(card, viewer)
            pin_rules.check_has_pin(card)
            proven = viewer is Viewer.RECIPIENT or self._is_fresh(signed_in_at)
            right = proven or card.pin_hash is None or self._is_right(card, old)
            if right:
                card = await self._store(conn, card, new.pin, hint)
            else:
                await repository.count_pin_failure(conn, card)
        if not right:
            raise WrongPin(card_id)
        return card

    async def status(self, card: Card) -> PinStatus:
        """What the holder of a card, fresh from `get`, may know of its PIN."""
        async with self._database.connection() as conn:
            hints = await repository.pin_hints(conn, card.partition_id, [card.id])
        is_locked = card.pin_failures >= PIN_TRIES_MAX
        return PinStatus(card.pin_hash is not None, is_locked, hints.get(card.id))

    async def set_first(self, conn: Connection, card: Card, new: NewPin) -> Card:
        """The same in the caller's commit, for a card it has locked, and whose holder it knows.

        Raises `InvalidRequest`.
        """
        pin_rules.check_new_pin(new.pin, new.again)
        return await self._store(conn, card, new.pin, pin_rules.check_hint(new.hint, new.pin))

    def _is_fresh(self, signed_in_at: datetime | None) -> bool:
        return signed_in_at is not None and self._clock.now() - signed_in_at <= FRESH

    def _is_right(self, card: Card, old: Secret | None) -> bool:
        pin_rules.check_tries(card)
        if old is None or card.pin_hash is None:
            return False
        return compare_digest(pin_hash_of(self._vault, card, old), card.pin_hash)

    async def _store(self, conn: Connection, card: Card, pin: Secret, hint: str | None) -> Card:
        now: datetime = self._clock.now()
        changed = replace(
            card,
            pin_hash=pin_hash_of(self._vault, card, pin),
            pin_failures=0,
            state=pin_rules.state_after_set_up(card),
        )
        await repository.set_pin(conn, changed, hint)
        await self._announce(conn, "card.pin_set", [changed], now)
        if changed.state is not card.state:
            await self._announce(conn, "card.activated", [changed], now)
        return changed
