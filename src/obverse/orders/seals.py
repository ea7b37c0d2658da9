"""What is sealed of an order, and how: its buyer with the token they follow it with, gifts, PINs."""

from typing import Any, Final

import msgspec

from obverse.kit.ids import OrderId
from obverse.kit.secret import Sealed, Secret
from obverse.orders.model import Buyer, Gift, Piece
from obverse.vault import Vault


class _Kept(msgspec.Struct, frozen=True):
    buyer: Buyer
    token: Secret


class Seals:
    """Seals and opens; `Vault.pin_keys` comes first in a transaction that stores what was sealed."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def seal_buyer(self, order_id: OrderId, buyer: Buyer, token: Secret) -> Sealed:
        return self._vault.seal(_written(_Kept(buyer, token)), buyer_context(order_id))

    def open_buyer(self, order_id: OrderId, sealed: Sealed) -> tuple[Buyer, Secret]:
        """The buyer and the token."""
        kept = _KEPT.decode(self._vault.open(sealed, buyer_context(order_id)).reveal())
        return kept.buyer, kept.token

    def seal_gift(self, order_id: OrderId, at: int, gift: Gift) -> Sealed:
        return self._vault.seal(_written(gift), gift_context(order_id, at))

    def open_gift(self, piece: Piece) -> Gift | None:
        if piece.gift is None:
            return None
        return _GIFT.decode(self._vault.open(piece.gift, gift_context(piece.order_id, piece.at)).reveal())

    def seal_pin(self, piece: Piece, pin: Secret) -> Sealed:
        return self._vault.seal(pin, pin_context(piece.order_id, piece.at))

    def open_pin(self, piece: Piece) -> Secret | None:
        if piece.pin is None:
            return None
        return self._vault.open(piece.pin, pin_context(piece.order_id, piece.at))


def buyer_context(order_id: OrderId) -> bytes:
    """What binds a sealed buyer to their order."""
    return f"order_buyer:{order_id}".encode()


def gift_context(order_id: OrderId, at: int) -> bytes:
    return f"order_gift:{order_id}:{at}".encode()


def pin_context(order_id: OrderId, at: int) -> bytes:
    return f"order_pin:{order_id}:{at}".encode()


def _written(value: object) -> Secret:
    return Secret(_ENCODER.encode(value).decode())


def _revealed(value: object) -> str:
    if isinstance(value, Secret):
        return value.reveal()
    raise TypeError(f"A {type(value).__name__} is not sealed with an order.")


def _secret(type_: type, value: Any) -> Any:
    return Secret(value) if type_ is Secret else value


_ENCODER: Final = msgspec.json.Encoder(enc_hook=_revealed)
_KEPT: Final = msgspec.json.Decoder(_Kept, dec_hook=_secret)
_GIFT: Final = msgspec.json.Decoder(Gift, dec_hook=_secret)
