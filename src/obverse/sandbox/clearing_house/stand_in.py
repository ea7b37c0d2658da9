"""Deciding for a member that cannot be reached, and telling it once it can (stand-in processing).

Only what never left the house is decided here: what a member may have seen is for the asker to take back.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from random import Random
from typing import Final

from obverse.sandbox.errors import SandboxError
from obverse.sandbox.terminal.messages import PURCHASE, report
from obverse.sandbox.wire import Message

SHORT_NAME: Final = "VAN"
_AGAIN_S: Final = 0.2
_NOT_TAKEN: Final = frozenset({"91", "96"})
"""What a member answers that has not taken the news."""

Tell = Callable[[Message], Awaitable[Message]]


@dataclass(slots=True)
class StandIn:
    """For one `member`; `floor_limit_minor` is up to what purchases are approved in its absence, 0 none."""

    member: str
    rng: Random
    floor_limit_minor: int = 0
    waiting: list[Message] = field(default_factory=list)
    """Advices (0220) that no member has acknowledged yet."""
    _telling: asyncio.Task[None] | None = None

    def decide(self, request: Message, tell: Tell) -> str | None:
        """An approval code of our own, or None where we do not stand in. The member is told by `tell`."""
        wanted = request["t"][:3] in ("010", "020") and request.get("3", "")[:2] == PURCHASE[:2]
        if not wanted or not 0 < int(request["4"]) <= self.floor_limit_minor:
            return None
        approval_code = f"{SHORT_NAME}{self.rng.randrange(1000):03d}"
        self.waiting.append(report(request, approval_code))
        if self._telling is None or self._telling.done():
            self._telling = asyncio.create_task(self._tell_all(tell))
        return approval_code

    async def stop(self) -> None:
        if self._telling is not None:
            self._telling.cancel()
            await asyncio.gather(self._telling, return_exceptions=True)

    async def _tell_all(self, tell: Tell) -> None:
        """One after the other, each until it is acknowledged: repeated as 0221."""
        while self.waiting:
            try:
                answer = await tell(self.waiting[0])
            except SandboxError:
                answer = {"39": "91"}
            if answer.get("39") in _NOT_TAKEN:
                self.waiting[0] = self.waiting[0] | {"t": "0221"}
                await asyncio.sleep(_AGAIN_S)
            else:
                del self.waiting[0]
