"""The road of a mall that knows no protocol: JSON to a VAN, which asks whoever has issued the card (WA-9)."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import httpx

from obverse.kit.secret import Secret
from obverse.sandbox.mall.model import Filled, Order, Paid, WrongRequest
from obverse.sandbox.mall.roads import TIMEOUT_S
from obverse.sandbox.terminal.messages import CardEntry, Shop
from obverse.sandbox.trace import Trace

_NAME: Final = "VAN"
_STATUSES: Final = {"approved": Paid.PAID, "unknown": Paid.UNKNOWN}


class VanRoad:
    """What was typed or filled in goes to the VAN; who the person is, it does not ask."""

    def __init__(self, shop: Shop, url: str, trace: Trace) -> None:
        self._shop, self._trace = shop, trace
        self._http = httpx.AsyncClient(base_url=url, timeout=TIMEOUT_S, trust_env=False)

    async def pay(self, order: Order, card: CardEntry, filled: Filled | None, *, repeated: bool) -> Order:
        shop = self._shop
        body = {
            "shop": {
                "acquirer_id": shop.acquirer_id,
                "merchant_no": shop.merchant_no,
                "terminal": shop.terminal,
                "name": shop.name,
                "category": shop.category,
            },
            "order": order.id,
            "amount": order.amount_minor,
            "card_number": card.number.reveal(),
            "expiry": card.expiry,
            "cvv": card.cvv.reveal() if card.cvv else None,
            "pin": card.pin.reveal() if card.pin else None,
        }
        answer = await self._post("/payments", body)
        if not answer:
            return replace(order, status=Paid.UNKNOWN)
        status = _STATUSES.get(answer["status"], Paid.DECLINED)
        return replace(order, status=status, code=answer["code"], approval_code=answer["approval_code"])

    async def void(self, order: Order, number: Secret | None, stan: str) -> Order:
        if number is None:
            raise WrongRequest("The VAN needs the card number of the payment to take it back.")
        answer = await self._post(f"/payments/{order.id}/void", {"card_number": number.reveal()})
        return replace(order, status=Paid.VOIDED) if answer.get("code") == "00" else order

    async def close(self) -> None:
        await self._http.aclose()

    async def _post(self, path: str, body: Mapping[str, object]) -> Mapping[str, Any]:
        """Ask the VAN; an empty answer where none came that says anything."""
        self._trace.http(self._shop.name, _NAME, f"POST {path}", {})
        try:
            response = await self._http.post(path, json=body)
        except httpx.HTTPError:
            return {}
        answer: Mapping[str, Any] = response.json() if response.is_success else {}
        told = {name: str(answer[name]) for name in ("status", "approval_code") if answer.get(name)}
        self._trace.http(_NAME, self._shop.name, f"{response.status_code}", told)
        return answer
