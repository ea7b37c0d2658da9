"""The road to an issuer of points: the buyer types a card number, the issuer finds their account (PR-9)."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import httpx

from obverse.kit.secret import Secret
from obverse.sandbox.mall.model import Filled, Order, Paid
from obverse.sandbox.mall.roads import TIMEOUT_S
from obverse.sandbox.terminal.messages import CardEntry, Shop

_STATUSES: Final = {"paid": Paid.PAID, "failed": Paid.DECLINED}


class PointsRoad:
    """Asks one issuer for points; what a card is beside its number is of no interest to it."""

    def __init__(self, shop: Shop, issuer_url: str) -> None:
        self._shop = shop
        self._http = httpx.AsyncClient(base_url=issuer_url, timeout=TIMEOUT_S, trust_env=False)

    async def pay(self, order: Order, card: CardEntry, filled: Filled | None, *, repeated: bool) -> Order:
        body = {
            "card_number": card.number.reveal(),
            "amount": order.amount_minor,
            "order": order.id,
            "merchant": self._shop.name,
        }
        answer = await self._post("/mall_payments", body)
        return replace(
            order,
            status=_STATUSES.get(answer.get("status", ""), Paid.UNKNOWN),
            code=answer.get("code"),
            approval_code=answer.get("approval_code"),
        )

    async def void(self, order: Order, number: Secret | None, stan: str) -> Order:
        answer = await self._post(f"/mall_payments/{order.id}/void", {})
        return replace(order, status=Paid.VOIDED) if answer.get("status") == "voided" else order

    async def close(self) -> None:
        await self._http.aclose()

    async def _post(self, path: str, body: Mapping[str, object]) -> Mapping[str, Any]:
        """Ask the issuer; an empty answer where none came that says anything."""
        try:
            response = await self._http.post(path, json=body)
        except httpx.HTTPError:
            return {}
        answer: Mapping[str, Any] = response.json() if response.is_success else {}
        return answer
