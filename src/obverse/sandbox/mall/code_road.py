"""The road of a code that a PC has scanned off a phone: to the provider, over its REST door (PC-6)."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from obverse.kit.secret import Secret
from obverse.sandbox.mall.model import Order, Paid, Scanned
from obverse.sandbox.mall.roads import DirectRoad, told

_ASKS_MAX: Final = 3
_AGAIN_S: Final = 0.2


class CodeRoad:
    """Pays with codes and keeps none; the order id is the idempotency key, as with a card."""

    def __init__(self, direct: DirectRoad) -> None:
        self._direct = direct

    async def challenge(self, code: Secret, amount_minor: int) -> Mapping[str, Any]:
        """What the holder's passkey is to be asked for just this payment; empty where nobody answers."""
        body = {"code": code.reveal(), "amount": amount_minor, "currency": "KRW"}
        return await self._direct.ask("/v1/code_challenges", body, "")

    async def pay(self, order: Order, scanned: Scanned) -> Order:
        """Ask for the money, and what came of it where no answer came. Without it, the purchase is off."""
        body: dict[str, object] = {
            "amount": order.amount_minor,
            "currency": "KRW",
            "code": scanned.code.reveal(),
        }
        if scanned.pin is not None:
            body["pin"] = scanned.pin.reveal()
        if scanned.passkey is not None:
            body["passkey"] = {"credential": scanned.passkey}
        for _ in range(_ASKS_MAX):
            paid = told(order, await self._direct.ask("/v1/payments", body, order.id))
            if paid.status is not Paid.UNKNOWN:
                break
            await asyncio.sleep(_AGAIN_S)
        return replace(paid, status=Paid.CANCELLED) if paid.status is Paid.DECLINED else paid
