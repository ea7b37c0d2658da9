"""The other processes of a platform that runs in several: same settings, same database, same ports.

Each is `python -m obverse.cli.mates`. The end of its standard input is its own end: a first process that was
killed cannot say goodbye, but the pipe it held is closed for it by the system.
"""

import asyncio
import os
import signal
import sys
from types import TracebackType
from typing import Final, Self

import structlog

from obverse.bootstrap import Platform
from obverse.cli.running import run, spare_the_collector
from obverse.kit.errors import CannotStart
from obverse.kit.settings import Settings

_READY: Final = b"ready\n"
_RESTART_SECONDS: Final = 1
_START_SECONDS_MAX: Final = 60
_STOP_SECONDS_MAX: Final = 20

_log = structlog.get_logger(__name__)


class Mates:
    """Keeps `count` further processes running while it is entered."""

    def __init__(self, count: int, rest_port: int, acquirer_port: int) -> None:
        self._count = count
        self._environment = {
            **os.environ,
            "OBVERSE_REST_PORT": str(rest_port),
            "OBVERSE_ACQUIRER_PORT": str(acquirer_port),
        }
        self._keepers: list[asyncio.Task[None]] = []
        self._up = 0
        self._all_up = asyncio.Event()

    async def __aenter__(self) -> Self:
        """Start them and wait until their doors are open. Raises `CannotStart` if they do not get there."""
        if self._count > 0:
            self._keepers = [asyncio.create_task(self._keep_one()) for _ in range(self._count)]
            try:
                await asyncio.wait_for(self._all_up.wait(), _START_SECONDS_MAX)
            except TimeoutError:
                await self.__aexit__(None, None, None)
                raise CannotStart("The workers did not come up. See their log lines above.") from None
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for keeper in self._keepers:
            keeper.cancel()
        if self._keepers:
            await asyncio.wait(self._keepers)

    async def _keep_one(self) -> None:
        while True:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "obverse.cli.mates",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                env=self._environment,
            )
            try:
                await self._count_up(process)
                code = await process.wait()
            except asyncio.CancelledError:
                await _end(process)
                raise
            _log.error("worker_ended", pid=process.pid, code=code)
            await asyncio.sleep(_RESTART_SECONDS)

    async def _count_up(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None, "it was started with a pipe"
        if await process.stdout.readline() == _READY:
            self._up += 1
            if self._up >= self._count:
                self._all_up.set()


async def _end(process: asyncio.subprocess.Process) -> None:
    """Let it finish what is under way; kill it if it does not come to an end."""
    assert process.stdin is not None, "it was started with a pipe"
    process.stdin.close()
    try:
        async with asyncio.timeout(_STOP_SECONDS_MAX):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


async def live(settings: Settings) -> None:
    """Be one of the processes until the first one is gone, or says so."""
    pipe = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(pipe), sys.stdin)
    loop.add_signal_handler(signal.SIGTERM, pipe.feed_eof)
    # Ctrl-C reaches every process of the terminal; the first one tells the others when it is time.
    loop.add_signal_handler(signal.SIGINT, lambda: None)
    async with Platform(settings, reuse_port=True):
        spare_the_collector()
        sys.stdout.buffer.write(_READY)
        sys.stdout.flush()
        await pipe.read()


if __name__ == "__main__":
    run(live)
