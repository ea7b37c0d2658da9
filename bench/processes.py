"""The processes of a run: the platform as an operator starts it, the card company, the load generator."""

import asyncio
import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import msgspec

from bench.errors import BenchFailed
from bench.generator import Job, Outcome

_UP_SECONDS_MAX: Final = 60
_DOWN_SECONDS_MAX: Final = 20
_POLL_S: Final = 0.005


@contextlib.contextmanager
def running(command: list[str], log: Path, settings: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """Run this until the block is left; it is asked to stop and waited for, whatever happens."""
    with open(log, "ab") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env={**os.environ, **settings})
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(_DOWN_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Platform:
    """A running `obverse serve`."""

    def __init__(self, rest_port: int, acquirer_port: int) -> None:
        self.rest_port = rest_port
        self.acquirer_port = acquirer_port

    @classmethod
    @contextlib.contextmanager
    def started(cls, data_dir: Path, card_company_port: int) -> Iterator["Platform"]:
        """Start it on free ports and wait until it answers. Raises `BenchFailed` with the end of its log."""
        platform = cls(free_port(), free_port())
        settings = {
            "OBVERSE_DATA_DIR": str(data_dir),
            "OBVERSE_REST_PORT": str(platform.rest_port),
            "OBVERSE_ACQUIRER_PORT": str(platform.acquirer_port),
            "OBVERSE_CARD_COMPANY_PORT": str(card_company_port),
        }
        log = data_dir / "serve.log"
        with running([str(Path(sys.executable).with_name("obverse")), "serve"], log, settings) as process:
            deadline = time.monotonic() + _UP_SECONDS_MAX
            while platform.get("/health") is None:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise BenchFailed(f"`obverse serve` does not come up: {_end_of(log)}")
                time.sleep(_POLL_S)
            yield platform

    def get(self, path: str) -> str | None:
        """What the REST door answers with 200; None where nobody answers, or otherwise."""
        connection = http.client.HTTPConnection("127.0.0.1", self.rest_port, timeout=5)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            text = response.read().decode()
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()
        return text if response.status == 200 else None

    def batches(self) -> tuple[float, float]:
        """How many batches the engine has committed so far, and how many commands were in them."""
        metrics = dict(
            line.rsplit(" ", 1)
            for line in (self.get("/metrics") or "").splitlines()
            if not line.startswith("#")
        )
        return float(metrics["obverse_batch_size_count"]), float(metrics["obverse_batch_size_sum"])


async def generate(job: Job) -> Outcome:
    """Run a job in a generator process. Raises `BenchFailed` if an answer was not what it had to be."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bench.generator",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate(msgspec.msgpack.encode(job))
    if process.returncode:
        raise BenchFailed("The load generator failed.")
    outcome = msgspec.json.decode(output, type=Outcome)
    if outcome.unexpected is not None:
        raise BenchFailed(f"An answer was not what it had to be: {outcome.unexpected}")
    return outcome


def free_port() -> int:
    """A port nobody listens on at the moment."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def wait_until_open(port: int) -> None:
    """Return once somebody listens on this port. Raises `BenchFailed`."""
    deadline = time.monotonic() + _UP_SECONDS_MAX
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        if time.monotonic() > deadline:
            raise BenchFailed(f"Nobody listens on port {port}.")
        time.sleep(_POLL_S)


def _end_of(log: Path) -> str:
    return " | ".join(log.read_text(errors="replace").splitlines()[-3:])
