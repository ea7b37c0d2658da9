"""The vault as the other rooms see it."""

import hmac
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Final

from obverse.kit.database import Connection
from obverse.kit.errors import InvalidRequest
from obverse.kit.ids import VaultCardId, uuid7_source
from obverse.kit.secret import Sealed, Secret
from obverse.vault import repository
from obverse.vault.errors import CardAlreadyStored
from obverse.vault.keyring import KeyRing, Keys
from obverse.vault.model import KeyedHash, OpenedCard, VaultCard
from obverse.vault.numbers import Numbers, is_card_number
from obverse.vault.sealing import Sealer

_LOCK_LABEL: Final = b"vault card lock|"


class Vault:
    """Everything that needs a key.

    One per process. Keys may change while it runs (`jobs.rotate`), by this process or another. What keeps
    that safe:

    - A new version is in the key file before any row uses it. So whoever meets a version it does not know,
      or misses a card number, looks at the file again (one stat) and tries once more.
    - A transaction that writes under the active keys calls `pin_keys` first: until it ends, no version is
      added or removed by anybody. `store_card` does so itself.
    """

    def __init__(self, ring: KeyRing, random_bytes: Callable[[int], bytes]) -> None:
        self._ring = ring
        self._random_bytes = random_bytes
        self._adopt(ring.keys)

    def _adopt(self, keys: Keys) -> None:
        self._keys = keys
        self._sealer = Sealer(keys.encryption, self._random_bytes)
        self._index = tuple(sorted(keys.index.items(), reverse=True))
        self._numbers = Numbers(keys.number, keys.cvv)

    # our own card numbers ----------------------------------------------------------------------------------

    def card_number(self, bin_: str, serial: int) -> Secret:
        """The 16-digit number for a serial: BIN + FF1(serial) + Luhn digit. Raises `NumbersExhausted`."""
        return self._numbers.card_number(bin_, serial)

    def serial_of(self, number: Secret, bin_: str) -> int | None:
        """The serial behind a number, or None where it cannot be a number of this BIN."""
        return self._numbers.serial_of(number, bin_)

    def payment_code(self, bin_: str, value: int) -> Secret:
        """The 19 digits of a payment code for a value of up to twelve digits."""
        return self._numbers.payment_code(bin_, value)

    def code_value(self, code: Secret, bin_: str) -> int | None:
        """The value behind a payment code, or None where it cannot be one of this BIN."""
        return self._numbers.code_value(code, bin_)

    def cvv(self, number: Secret, expiry: str) -> Secret:
        """The three digits that belong to a number and its expiry (YYMM)."""
        return self._numbers.cvv(number, expiry)

    def cvv_matches(self, number: Secret, expiry: str, cvv: Secret) -> bool:
        """Whether this is the CVV; takes the same time whatever is wrong with it."""
        return self._numbers.cvv_matches(number, expiry, cvv)

    # hashes, by which things are found or recognised -------------------------------------------------------

    def number_hashes(self, number: Secret) -> tuple[KeyedHash, ...]:
        """The hashes under which a row with this number may be found, the active version first.

        Store the first, look for all. A miss is final only if `reload_if_changed` is False afterwards.
        """
        message = number.reveal().encode()
        return tuple([KeyedHash(v, hmac.digest(key, message, "sha256")) for v, key in self._index])

    def identity_hash(self, identity: Secret) -> bytes:
        """A keyed hash of an identity number as it is written: bring it into one form first."""
        return hmac.digest(self._keys.identity, identity.reveal().encode(), "sha256")

    def token_hash(self, token: Secret) -> bytes:
        """A keyed hash of a random token (API key, session, claim link)."""
        return hmac.digest(self._keys.token, token.reveal().encode(), "sha256")

    def pin_hash(self, bound_to: Secret, pin: Secret) -> bytes:
        """A keyed hash of a card's PIN, bound to its number: with a new number the old PIN is worthless."""
        return hmac.digest(self._keys.token, f"pin:{bound_to.reveal()}:{pin.reveal()}".encode(), "sha256")

    # sealing -----------------------------------------------------------------------------------------------

    def seal(self, plain: Secret, context: bytes) -> Sealed:
        """Seal under the newest key. `context` names the place (`member_address:<id>`); `open` needs it.

        Call `pin_keys` first in the transaction that stores the result.
        """
        self.reload_if_changed()
        return self._sealer.seal(plain, context)

    def open(self, sealed: Sealed, context: bytes) -> Secret:
        """Raises `SealBroken` if it was altered or moved, `UnknownKeyVersion` if its key is gone."""
        if not self._sealer.knows(sealed.key_version):
            self.reload_if_changed()
        return self._sealer.open(sealed, context)

    # key versions ------------------------------------------------------------------------------------------

    @property
    def active_encryption(self) -> int:
        """The version that `seal` uses."""
        return max(self._keys.encryption)

    @property
    def active_index(self) -> int:
        """The version of the first of `number_hashes`."""
        return self._index[0][0]

    @property
    def has_old_key_versions(self) -> bool:
        """Whether a rotation was started and its old versions not yet retired."""
        return len(self._keys.encryption) > 1 or len(self._keys.index) > 1

    def reload_if_changed(self) -> bool:
        """Follow the key file; True if this process has other keys now."""
        self._ring.reload_if_changed()
        if self._ring.keys is self._keys:
            return False
        self._adopt(self._ring.keys)
        return True

    async def pin_keys(self, conn: Connection) -> None:
        """Hold the key versions as they are until this transaction ends; writers share it. One round trip."""
        await repository.share_keys_lock(conn)
        self.reload_if_changed()

    async def lock_keys(self, conn: Connection) -> None:
        """Be the only one who may change key versions until this transaction ends; waits for writers."""
        await repository.take_keys_lock(conn)
        self.reload_if_changed()

    def add_key_versions(self) -> None:
        """Start new versions of `encryption` and `index`. Only under `lock_keys`."""
        self._ring.add_versions(self._random_bytes)
        self._adopt(self._ring.keys)

    def drop_old_key_versions(self) -> None:
        """Forget all but the active versions. Only under `lock_keys`, when no row needs them."""
        self._ring.drop_old_versions()
        self._adopt(self._ring.keys)

    # linked cards ------------------------------------------------------------------------------------------

    async def store_card(
        self, conn: Connection, number: Secret, exp_month: int, exp_year: int, now: datetime
    ) -> VaultCard:
        """Keep a real card number in the caller's transaction.

        While two index versions are live a number could get past the unique index under its other hash. So
        everybody who stores the same number queues up on a lock that does not depend on a version, with the
        keys pinned, and looks under all versions before inserting.

        Raises `CardAlreadyStored`, and `InvalidRequest` for what is not a card number or expiry.
        """
        digits = number.reveal()
        _check_card(digits, exp_month, exp_year)
        await self.pin_keys(conn)
        await repository.lock_number(conn, self._number_lock(number))
        if (stored := await self.find_card(conn, number)) is not None:
            raise CardAlreadyStored(stored)
        id_ = VaultCardId(uuid7_source(lambda: int(now.timestamp() * 1000), self._random_bytes)())
        card = VaultCard(id_, digits[:6], digits[-4:], exp_month, exp_year, now)
        sealed = self._sealer.seal(number, card_context(id_))
        if not await repository.insert_card(
            conn, repository.SealedCard(card, sealed), self.number_hashes(number)[0]
        ):
            raise AssertionError("Stored by somebody without the lock.")
        return card

    async def find_card(self, conn: Connection, number: Secret) -> VaultCardId | None:
        """The stored card with this number, whatever version its hash is under at this moment."""
        while True:
            hashes = self.number_hashes(number)
            found = await repository.find_cards(conn, [hash_.digest for hash_ in hashes])
            if found:
                return next(iter(found.values()))
            # Rows move to a new version only after the file tells of it: no change since means no such card.
            if not self.reload_if_changed():
                return None

    async def renew_card(self, conn: Connection, id_: VaultCardId, exp_month: int, exp_year: int) -> None:
        """Take over the expiry of a renewed plastic card whose number stayed the same."""
        await repository.set_expiry(conn, id_, exp_month, exp_year)

    async def open_cards(
        self, conn: Connection, ids: Sequence[VaultCardId]
    ) -> Mapping[VaultCardId, OpenedCard]:
        """The real numbers behind these ids, for the wire to their card company. Unknown ids are left out.

        Raises `SealBroken` and `UnknownKeyVersion`.
        """
        rows = await repository.load_cards(conn, ids)
        return {
            card.id: OpenedCard(self.open(sealed, card_context(card.id)), card.exp_month, card.exp_year)
            for card, sealed in rows
        }

    async def describe_cards(
        self, conn: Connection, ids: Sequence[VaultCardId]
    ) -> Mapping[VaultCardId, VaultCard]:
        """These cards as they may be shown. Unknown ids are left out."""
        return {row.card.id: row.card for row in await repository.load_cards(conn, ids)}

    def _number_lock(self, number: Secret) -> int:
        # Keyed like everything that must stay the same for ever, and labelled, because locks can be seen in
        # pg_locks: an unkeyed digest of a card number is as good as the number.
        digest = hmac.digest(self._keys.identity, _LOCK_LABEL + number.reveal().encode(), "sha256")
        return int.from_bytes(digest[:8], "big", signed=True)


def card_context(id_: VaultCardId) -> bytes:
    """What binds a sealed number to its row."""
    return f"vault_card:{id_}".encode()


def _check_card(digits: str, exp_month: int, exp_year: int) -> None:
    if not is_card_number(digits):
        raise InvalidRequest("That is not a card number.", "number")
    if not 1 <= exp_month <= 12:
        raise InvalidRequest("A month is 1 to 12.", "exp_month")
    if not 2000 <= exp_year <= 2099:
        raise InvalidRequest("Give the year of expiry in four digits.", "exp_year")
