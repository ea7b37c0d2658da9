"""`POST /v1/standing {"identity_number": "..."}` -> `{"standing": "good" | "bad"}`.

The bureau's rule, so that anybody can make up a person of either kind: an identity number whose digits 7 to
13 end in `0000` is bad (900101-1230000), any other is good. Hyphens do not count.
"""

import asyncio
from typing import Final, Literal

import msgspec
from litestar import Litestar, post
from litestar.exceptions import HTTPException
from litestar.params import JSONBody
from litestar.response import Response

from obverse.kit.http_server import HttpServer
from obverse.sandbox.faults import Fault, FaultMenu, MessageKind
from obverse.sandbox.trace import Trace

Standing = Literal["good", "bad"]

BAD_ENDING: Final = "0000"


class StandingQuestion(msgspec.Struct, frozen=True):
    identity_number: str


class StandingAnswer(msgspec.Struct, frozen=True):
    standing: Standing


def standing_of(identity_number: str) -> Standing | None:
    """What the bureau says of this person, told by the number's ending; None for what is no number.

    >>> standing_of("900101-1230000"), standing_of("9001011234567"), standing_of("90")
    ('bad', 'good', None)
    """
    digits = identity_number.replace("-", "")
    if len(digits) != 13 or not digits.isdigit():
        return None
    return "bad" if digits[6:13].endswith(BAD_ENDING) else "good"


class CreditBureau(HttpServer):
    """The bureau on its port. Its faults: slow, late, silent, lost, close (a 503), garbage."""

    def __init__(self, faults: FaultMenu, trace: Trace, name: str = "Credit bureau") -> None:
        super().__init__(self._make_app())
        self.name = name
        self._faults, self._trace = faults, trace
        self._closing = asyncio.Event()

    async def stop(self) -> None:
        self._closing.set()
        await super().stop()

    async def answer(self, identity_number: str) -> Response[StandingAnswer | str]:
        """The answer to one question; raises `HTTPException` for what is no identity number."""
        self._trace.http("Obverse", self.name, "POST /v1/standing", {"identity_number": "***"})
        rule = self._faults.take(MessageKind.STANDING)
        fault = rule.fault if rule is not None else None
        if fault in (Fault.SILENT, Fault.LOST):
            await self._closing.wait()
            raise HTTPException(status_code=503, detail="The bureau is closed.")
        if rule is not None and rule.delay_ms:
            await asyncio.sleep(rule.delay_ms / 1000)
        if fault in (Fault.CLOSE, Fault.REFUSE):
            raise HTTPException(status_code=503, detail="The bureau is closed.")
        if fault is Fault.GARBAGE:
            return Response("<html>we are moving house</html>", media_type="text/html")
        standing = standing_of(identity_number)
        if standing is None:
            raise HTTPException(status_code=400, detail="Not an identity number.")
        self._trace.http(self.name, "Obverse", "200", {"standing": standing})
        return Response(StandingAnswer(standing))

    def _make_app(self) -> Litestar:
        @post("/v1/standing", status_code=200)
        async def standing(data: JSONBody[StandingQuestion]) -> Response[StandingAnswer | str]:
            return await self.answer(data.identity_number)

        return Litestar([standing], openapi_config=None)
