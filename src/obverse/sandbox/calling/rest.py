"""The line over REST."""

from collections.abc import Iterator
from typing import Any

import httpx

from obverse.sandbox.calling.model import Card, Granted, NoCall


class RestLine:
    """Asks with the service's own API key. `client` has the platform's address."""

    def __init__(self, client: httpx.AsyncClient, api_key: str, names: Iterator[str], tariff: str) -> None:
        """`names` gives every call a name of its own, under which it can be asked for again."""
        self._client = client
        self._headers = {"Authorization": f"Bearer {api_key}"}
        self._names = names
        self._tariff = tariff

    async def open(self, card: Card, seconds: int) -> Granted:
        name = next(self._names)
        body = {
            "card_number": card.number.reveal(),
            "pin": card.pin.reveal(),
            "tariff": self._tariff,
            "seconds": seconds,
            "reference": name,
        }
        opened = await self._post("", body, {"Idempotency-Key": name})
        if opened["status"] == "declined":
            raise NoCall(opened["decline"]["code"])
        return _granted(opened)

    async def extend(self, granted: Granted, used: int, until: int) -> Granted:
        return _granted(await self._post(f"/{granted.session}/extend", {"used": used, "until": until}))

    async def close(self, granted: Granted, used: int) -> int:
        closed = await self._post(f"/{granted.session}/close", {"used": used})
        cost: int = closed["cost"]
        return cost

    async def _post(self, path: str, body: object, headers: dict[str, str] | None = None) -> Any:
        sent = self._headers | (headers or {})
        answer = await self._client.post(f"/v1/metered_sessions{path}", json=body, headers=sent)
        if answer.is_error:
            raise NoCall(answer.json()["code"])
        return answer.json()


def _granted(session: Any) -> Granted:
    return Granted(session["id"], session["granted_until"], session["balance"] != "enough")
