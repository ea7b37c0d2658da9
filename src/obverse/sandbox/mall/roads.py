"""The two roads that a card's payment can take. Each takes an order and returns it with what came of it."""

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any, Final, Protocol

import httpx

from obverse.kit.clock import Clock
from obverse.kit.secret import Secret
from obverse.sandbox.errors import NoAnswer, Unreachable
from obverse.sandbox.link import Link
from obverse.sandbox.mall.model import Filled, Order, Paid, WrongRequest
from obverse.sandbox.terminal.messages import CardEntry, Shop, repeat, reversal
from obverse.sandbox.trace import Trace

TIMEOUT_S: Final = 10.0

_STATUS_OF_DE39: Final = {"00": Paid.PAID, "68": Paid.UNKNOWN}
_STATUS_OF_PAYMENT: Final = {
    "approved": Paid.PAID,
    "processing": Paid.UNKNOWN,
    "reversed": Paid.VOIDED,
}


class PaymentRoad(Protocol):
    async def pay(self, order: Order, card: CardEntry, filled: Filled | None, *, repeated: bool) -> Order: ...

    async def void(self, order: Order, number: Secret | None, stan: str) -> Order: ...


class ClearingHouseRoad:
    """ISO 8583 to the clearing house, over one connection for all orders."""

    def __init__(self, shop: Shop, host: str, port: int, clock: Clock) -> None:
        self._shop, self._link, self._clock = shop, Link(host, port), clock

    async def pay(self, order: Order, card: CardEntry, filled: Filled | None, *, repeated: bool) -> Order:
        message = order.message | card.fields()
        try:
            answer = await self._link.ask(repeat(message) if repeated else message, TIMEOUT_S)
        except NoAnswer:
            return replace(order, status=Paid.UNKNOWN)
        except Unreachable:
            return replace(order, status=Paid.DECLINED, code="unreachable")
        code = answer.get("39", "")
        status = _STATUS_OF_DE39.get(code, Paid.DECLINED)
        return replace(order, status=status, code=code, approval_code=answer.get("38"))

    async def void(self, order: Order, number: Secret | None, stan: str) -> Order:
        """The clearing house routes by card number, and the mall kept none: it has to be typed in again."""
        if number is None:
            raise WrongRequest("The clearing house needs the card number of the payment to take it back.")
        message = reversal(self._shop, order.message, number, self._clock.now(), stan)
        try:
            answer = await self._link.ask(message, TIMEOUT_S)
        except (NoAnswer, Unreachable):
            return order
        return replace(order, status=Paid.VOIDED) if answer.get("39") == "00" else order

    async def close(self) -> None:
        await self._link.close()


class DirectRoad:
    """REST to the provider, with the merchant's own key. The order id is the idempotency key."""

    def __init__(self, shop: Shop, rest_url: str, api_key: Secret, trace: Trace) -> None:
        self._shop, self._rest_url, self._trace = shop, rest_url, trace
        self._http = httpx.AsyncClient(
            timeout=TIMEOUT_S, headers={"Authorization": f"Bearer {api_key.reveal()}"}, trust_env=False
        )

    async def pay(self, order: Order, card: CardEntry, filled: Filled | None, *, repeated: bool) -> Order:
        body = _shown(card) | {
            "amount": order.amount_minor,
            "holder": asdict(filled) if filled else None,
        }
        if order.picked is not None:
            body |= {"tender": [asdict(pick) for pick in order.picked.picks], "quote": order.picked.quote}
        return told(order, await self.ask("/v1/payments", body, order.id))

    async def points_of(self, card: CardEntry, amount_minor: int | None) -> Mapping[str, Any]:
        """What the provider tells of the points behind a card; empty where it is away."""
        return await self.ask("/v1/points_balances", _shown(card) | {"amount": amount_minor}, "")

    async def pay_matched(self, order: Order) -> Order:
        """Name the order to the provider, which compares it with the one it keeps (WA-7)."""
        body = {
            "reference": order.reference,
            "items": [asdict(item) for item in order.items],
            "total": order.amount_minor,
            "currency": "KRW",
        }
        path = "/v1/checkouts/matched_payments"
        return told(order, await self.ask(path, body, order.id, reported_whole=True))

    async def void(self, order: Order, number: Secret | None, stan: str) -> Order:
        if order.payment is None:
            raise WrongRequest("The provider has given no id for this payment.")
        answer = await self.ask(f"/v1/payments/{order.payment}/cancel", {}, f"{order.id}-void")
        return replace(order, status=Paid.VOIDED) if answer.get("status") == "reversed" else order

    async def close(self) -> None:
        await self._http.aclose()

    async def ask(
        self, path: str, body: Mapping[str, object], key: str, *, reported_whole: bool = False
    ) -> Mapping[str, Any]:
        """Ask the provider; an empty answer where none came, or one that decides nothing (409, 5xx).

        What moves no money has no `key`.

        `reported_whole` puts all of both into the trace, for anybody to see that there is nothing to hide.
        """
        keyed = {"Idempotency-Key": key} if key else {}
        whole = {"whole": json.dumps(body)} if reported_whole else {}
        self._trace.http(self._shop.name, "Obverse", f"POST {path}", keyed | whole)
        try:
            response = await self._http.post(self._rest_url + path, json=body, headers=keyed)
        except httpx.HTTPError:
            return {}
        undecided = response.status_code == httpx.codes.CONFLICT or response.status_code >= 500
        answer: Mapping[str, Any] = {} if undecided else response.json()
        told = {name: str(answer[name]) for name in ("id", "status", "approval_code") if answer.get(name)}
        whole = {"whole": response.text} if reported_whole else {}
        self._trace.http("Obverse", self._shop.name, f"{response.status_code}", told | whole)
        return answer


def _shown(card: CardEntry) -> dict[str, object]:
    """What was typed of a card."""
    return {
        "currency": "KRW",
        "card_number": card.number.reveal(),
        "exp_month": int(card.expiry[2:]) if card.expiry else None,
        "exp_year": 2000 + int(card.expiry[:2]) if card.expiry else None,
        "cvv": card.cvv.reveal() if card.cvv else None,
        "pin": card.pin.reveal() if card.pin else None,
        "entry": "online",
    }


def told(order: Order, answer: Mapping[str, Any]) -> Order:
    """The order as the provider's answer leaves it."""
    status = _STATUS_OF_PAYMENT.get(answer.get("status", ""), Paid.DECLINED) if answer else Paid.UNKNOWN
    return replace(
        order,
        status=status,
        code=(answer.get("decline") or answer).get("code"),
        approval_code=answer.get("approval_code"),
        payment=answer.get("id"),
    )
