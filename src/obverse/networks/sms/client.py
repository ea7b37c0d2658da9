"""`POST /v1/messages {"id", "to", "text"}` at an SMS provider, each id once however often it is posted."""

from typing import Final

import httpx

from obverse.kit.ids import to_text
from obverse.kit.secret import Secret
from obverse.letters.model import Attempt, Problem, Written

TIMEOUT_S: Final = 10.0

_FOR_GOOD: Final = frozenset({400, 404, 410, 422})
"""What says that this message will never be taken; any other refusal is about us, or about now."""


class SmsClient:
    """Implements `letters.ports.Carrier`."""

    def __init__(self, url: str, key: Secret | None, *, timeout_s: float = TIMEOUT_S) -> None:
        self._http = httpx.AsyncClient(
            base_url=url,
            timeout=timeout_s,
            follow_redirects=False,
            trust_env=False,
            headers={"Authorization": f"Bearer {key.reveal()}"} if key is not None else {},
        )

    async def carry(self, letter: Written) -> Attempt:
        """Hand in one message under the letter's own id; taken is what is answered with 2xx."""
        id_ = to_text("let", letter.id)
        message = {"id": id_, "to": letter.to.reveal(), "text": letter.text}
        try:
            answer = await self._http.post("/v1/messages", json=message, headers={"Idempotency-Key": id_})
        except httpx.HTTPError:
            return Attempt(Problem.UNREACHABLE)
        if answer.is_success:
            return Attempt(None)
        return Attempt(
            Problem.REFUSED if answer.status_code in _FOR_GOOD else Problem.POSTPONED, answer.status_code
        )

    async def close(self) -> None:
        await self._http.aclose()
