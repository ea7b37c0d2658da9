"""Points for malls: the buyer types a card number, the relay says which accounts of ours it has (PR-9)."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import httpx

from obverse.kit.secret import Secret, mask_number
from obverse.sandbox.points_issuer.book import Book, Take
from obverse.sandbox.points_issuer.profiles import Profile
from obverse.sandbox.points_issuer.wire import Answer, MallPaymentBody, TakeAsk, answer
from obverse.sandbox.trace import Trace

_TIMEOUT_S: Final = 10.0
PATH: Final = "/mall_payments"

_RELAY: Final = "Obverse"
_MALL: Final = "Mall"


class MallDesk:
    """Pays malls from accounts of its issuer, each order once."""

    def __init__(self, profile: Profile, book: Book, trace: Trace) -> None:
        self._profile, self._book, self._trace = profile, book, trace
        self._http = httpx.AsyncClient(timeout=_TIMEOUT_S, trust_env=False)
        self.relay_url = ""
        self.api_key = Secret("")

    async def pay(self, asked: MallPaymentBody) -> Answer:
        """Deduct what an amount takes from an account behind the card; `failed` says why not.

        The same order again is the same payment, whatever else has changed since.
        """
        shown = {"card_number": mask_number(asked.card_number), "amount": str(asked.amount)}
        self._trace.http(asked.merchant, self._profile.name, f"POST {PATH}", shown)
        told = await self._pay(asked)
        fields = {name: str(value) for name, value in told.items()}
        self._trace.http(self._profile.name, asked.merchant, "200", fields)
        return answer(200, told)

    def void(self, order: str) -> Answer:
        """Give back all that an order took; again as often as one likes."""
        reference = _reference(order)
        take, units = self._book.taken(reference), self._book.give_back(reference)
        merchant = take.ask.merchant if take is not None else _MALL
        shown = {"units_back": str(units)}
        self._trace.http(merchant, self._profile.name, f"POST {PATH}/{order}/void", shown)
        return answer(200, {"status": "voided"})

    async def close(self) -> None:
        await self._http.aclose()

    async def _pay(self, asked: MallPaymentBody) -> Mapping[str, object]:
        reference = _reference(asked.order)
        if (take := self._book.taken(reference)) is not None:
            return self._told(take)
        accounts, problem = await self._look_up(asked.card_number)
        if problem is not None:
            return _failed(problem)
        if (take := self._book.taken(reference)) is not None:
            return self._told(take)  # the same order, asked twice at once
        units = asked.amount * self._profile.units_per_minor
        handle = next((each for each in accounts if self._has(each, units)), None)
        if handle is None:
            return _failed("insufficient_points" if accounts else "no_account")
        wish = TakeAsk(reference, handle, units, asked.merchant, asked.amount, "KRW", None)
        (take,) = self._book.take_all([wish])
        self._book.confirm(reference)
        return self._told(take)

    def _has(self, handle: str, units: int) -> bool:
        balance = self._book.balance(handle)
        return isinstance(balance, int) and balance >= units

    def _told(self, take: Take) -> Mapping[str, object]:
        if take.state != "spent":
            return _failed(take.refusal or "cancelled")
        units = {"units": take.ask.units, "unit": self._profile.unit}
        return {"status": "paid", "approval_code": take.approval_code} | units

    async def _look_up(self, card_number: str) -> tuple[Sequence[str], str | None]:
        """Our accounts behind a card, or what kept us from knowing them."""
        path, name = "/v1/points_lookups", self._profile.name
        self._trace.http(name, _RELAY, f"POST {path}", {"card_number": mask_number(card_number)})
        try:
            response = await self._http.post(
                self.relay_url + path,
                json={"card_number": card_number},
                headers={"Authorization": f"Bearer {self.api_key.reveal()}"},
            )
        except (httpx.HTTPError, httpx.InvalidURL):
            return [], "relay_unreachable"
        if not response.is_success:
            self._trace.http(_RELAY, name, f"{response.status_code}", {})
            return [], "too_many_lookups" if response.status_code == 429 else "relay_refused"
        found: dict[str, Any] = response.json()
        told = {"registered": str(found["registered"]), "accounts": str(len(found["accounts"]))}
        self._trace.http(_RELAY, name, "200", told)
        if not found["registered"]:
            return [], "card_not_registered"
        return [row["account"] for row in found["accounts"]], None


def _reference(order: str) -> str:
    return f"mall-{order}"


def _failed(code: str) -> Mapping[str, object]:
    return {"status": "failed", "code": code}
