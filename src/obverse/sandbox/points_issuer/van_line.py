"""The line to the terminals' VAN: results of takes, told until the VAN has them (PR-7)."""

import asyncio
from typing import Any, Final

import httpx

from obverse.sandbox.points_issuer.book import Take
from obverse.sandbox.points_issuer.wire import ITEMS_MAX

_TIMEOUT_S: Final = 5.0
_AGAIN_S: Final = 0.2


class VanLine:
    """Tells what became of takes at terminals, each as it stands when its turn comes."""

    def __init__(self, issuer: str, url: str) -> None:
        self._issuer = issuer
        self._http = httpx.AsyncClient(base_url=url, timeout=_TIMEOUT_S, trust_env=False)
        self._waiting: dict[str, Take] = {}
        self._telling: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """Results that the VAN does not have yet."""
        return len(self._waiting)

    def tell(self, take: Take) -> None:
        """See that the VAN comes to know how this take stands; one that is at no terminal is none of its."""
        if take.ask.terminal is None:
            return
        self._waiting[take.ask.reference] = take
        if self._telling is None or self._telling.done():
            self._telling = asyncio.create_task(self._tell_all())

    async def close(self) -> None:
        if self._telling is not None:
            self._telling.cancel()
            await asyncio.gather(self._telling, return_exceptions=True)
        await self._http.aclose()

    async def _tell_all(self) -> None:
        while self._waiting:
            # Out before the answer: what changes meanwhile waits anew.
            told = [self._waiting.pop(name) for name in list(self._waiting)[:ITEMS_MAX]]
            if not await self._post([self._result(take) for take in told]):
                self._waiting = {take.ask.reference: take for take in told} | self._waiting
                await asyncio.sleep(_AGAIN_S)

    async def _post(self, results: list[dict[str, Any]]) -> bool:
        try:
            answer = await self._http.post(
                "/points_results", json={"issuer": self._issuer, "results": results}
            )
        except httpx.HTTPError:
            return False
        return answer.is_success

    def _result(self, take: Take) -> dict[str, Any]:
        terminal = take.ask.terminal
        assert terminal is not None, "nothing else is told"
        return {
            "reference": take.ask.reference,
            "terminal": {
                "acquirer": terminal.acquirer,
                "merchant_no": terminal.merchant_no,
                "terminal": terminal.terminal,
                "rrn": terminal.rrn,
            },
            "amount": take.ask.amount,
            "units": take.ask.units,
            "units_back": take.units_back,
            "approval_code": take.approval_code,
            "reason": take.refusal,
        }
