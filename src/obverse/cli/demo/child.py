"""One child process of the demo, platform or sandbox: `python -m obverse.cli.demo.child <role> [options]`.

It says one line of JSON when it is ready, `{"problem": ...}` when it cannot be, and answers the questions
that come in by standard input. The end of its standard input is its own end: a parent that was killed cannot
say goodbye, but the pipe it held is closed for it by the system.
"""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from typing import Any, Final

from obverse.access.model import Scope
from obverse.bootstrap import Platform
from obverse.cli.demo.children import NEW_KEY
from obverse.cli.running import spare_the_collector
from obverse.kit.clock import Clock
from obverse.kit.errors import ObverseError
from obverse.kit.settings import Settings
from obverse.kit.telemetry import configure_logging
from obverse.sandbox import Sandbox, SandboxSettings

Answers = Callable[[str], Any]


@asynccontextmanager
async def _platform(_: Mapping[str, Any]) -> AsyncIterator[Answers]:
    async with Platform(Settings.load()) as platform:
        spare_the_collector()
        _tell(
            {
                "rest_url": platform.rest_url,
                "acquirer_port": platform.acquirer.port,
                "diameter_port": platform.diameter_port,
                "clock_offset_seconds": platform.clock.offset // timedelta(seconds=1),
            }
        )

        async def answer(question: str) -> None:
            if question == NEW_KEY:
                _, token = await platform.rooms.access.create("demo", frozenset(Scope))
                _tell({"api_key": token.reveal()})

        yield answer


@asynccontextmanager
async def _sandbox(options: Mapping[str, Any]) -> AsyncIterator[Answers]:
    sandbox = Sandbox(SandboxSettings(**options), Clock())
    await sandbox.start()
    try:
        _tell(sandbox.ports())

        async def answer(question: str) -> None:
            """Nothing is asked of it here; it has its control app."""

        yield answer
    finally:
        await sandbox.stop()


_ROLES: Final[Mapping[str, Callable[[Mapping[str, Any]], AbstractAsyncContextManager[Answers]]]] = {
    "platform": _platform,
    "sandbox": _sandbox,
}


async def _live(role: str, options: Mapping[str, Any]) -> None:
    questions = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(questions), sys.stdin)
    loop.add_signal_handler(signal.SIGTERM, questions.feed_eof)
    loop.add_signal_handler(signal.SIGINT, questions.feed_eof)
    try:
        async with _ROLES[role](options) as answer:
            while question := await questions.readline():
                await answer(question.decode().strip())
    except ObverseError as error:
        _tell({"problem": str(error)})


def _tell(what: Mapping[str, Any]) -> None:
    """One line to the parent; one that is gone does not need to hear it."""
    try:
        sys.stdout.write(json.dumps(what) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        return


def main() -> None:
    """Entry point of a child."""
    import uvloop

    configure_logging()
    options = json.loads(sys.argv[2]) if len(sys.argv) > 2 else {}
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_live(sys.argv[1], options))


if __name__ == "__main__":
    main()
