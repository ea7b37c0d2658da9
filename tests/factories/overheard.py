"""A caller at both doors whose answers are kept, for the search for secrets in them (P11)."""

import asyncio
from typing import Any

from tests.factories.callers import HOST, RestAnswer, RestLine, http_request
from tests.factories.estate import Estate
from tests.factories.platform import PlatformProcess


class Caller:
    """Calls both doors, and keeps every answer that should hold no secret."""

    def __init__(self, estate: Estate, platform: PlatformProcess, operator: str) -> None:
        self.estate, self.platform, self.operator = estate, platform, operator
        self.answers: list[bytes] = []

    async def rest(
        self, method: str, path: str, body: Any = None, token: str | None = None, status: int | None = None
    ) -> RestAnswer:
        line = await RestLine.open(self.platform.rest_port)
        answer = await line.ask_raw(http_request(method, path, token or self.operator, body))
        line.close()
        assert status is None or answer.status == status, answer.raw
        if not path.endswith("/reveal"):
            self.answers.append(answer.raw)
        return answer

    async def till(self, raw: bytes) -> None:
        """Send bytes to the acquirer door. Its answer echoes DE 2, as the wire must."""
        reader, writer = await asyncio.open_connection(HOST, self.platform.acquirer_port)
        writer.write(raw)
        writer.write_eof()
        await reader.read(-1)
        writer.close()

    async def untold(self, method: str, path: str, body: Any, token: str, status: int) -> Any:
        """The body of an answer that is meant to hold a secret, and is not kept."""
        line = await RestLine.open(self.platform.rest_port)
        answer = await line.ask(method, path, token, body)
        line.close()
        assert answer.status == status, answer.raw
        return answer.body
