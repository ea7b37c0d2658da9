"""Child processes, as their parent sees them."""

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Self

from obverse.kit.errors import CannotStart

NEW_KEY: Final = "new key"
"""What to ask the platform for an operator's API key."""

START_SECONDS_MAX: Final = 180.0
"""Setting up a database on a slow disk takes its time."""
STOP_SECONDS_MAX: Final = 20.0


class Child:
    """A child for as long as it is entered; `told` is what it said when it was ready."""

    def __init__(
        self, role: str, log: Path, *, settings: Mapping[str, str] | None = None, options: Any = None
    ) -> None:
        """`settings` are environment variables on top of ours; `log` is where its log goes."""
        self._role, self._log = role, log
        self._settings, self._options = settings or {}, options or {}
        self._process: Process
        self.told: Mapping[str, Any] = {}

    async def __aenter__(self) -> Self:
        command = [sys.executable, "-m", "obverse.cli.demo.child", self._role, json.dumps(self._options)]
        with open(self._log, "ab") as log:  # noqa: ASYNC230 - a file of our own, opened at once
            self._process = await asyncio.create_subprocess_exec(
                *command,
                stdin=PIPE,
                stdout=PIPE,
                stderr=log,
                env={**os.environ, **self._settings},
                start_new_session=True,  # Ctrl-C is for the parent alone; it then ends its children in order
            )
        try:
            self.told = await self._listen(START_SECONDS_MAX)
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stop()

    async def ask(self, question: str) -> Mapping[str, Any]:
        """Ask for something; the next line it says is the answer. Raises `CannotStart` when it says none."""
        assert self._process.stdin is not None
        self._process.stdin.write(question.encode() + b"\n")
        await self._process.stdin.drain()
        return await self._listen(STOP_SECONDS_MAX)

    async def ended(self) -> str:
        """Wait until it ends by itself, which it should not, and say how."""
        code = await self._process.wait()
        return f"The {self._role} ended by itself (exit code {code}). See {self._log}."

    async def _listen(self, seconds: float) -> Mapping[str, Any]:
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(seconds):
                line = await self._process.stdout.readline()
        except TimeoutError:
            raise CannotStart(
                f"The {self._role} says nothing for {seconds:.0f} s. See {self._log}."
            ) from None
        if not line:
            raise CannotStart(f"The {self._role} did not start. See {self._log}.")
        told: Mapping[str, Any] = json.loads(line)
        if "problem" in told:
            raise CannotStart(told["problem"])
        return told

    async def _stop(self) -> None:
        """Hang up, and wait: it finishes what is under way, and the platform stops its database."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            async with asyncio.timeout(STOP_SECONDS_MAX):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
