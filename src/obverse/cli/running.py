"""Running a command: settings, logs, event loop."""

import asyncio
import gc
from collections.abc import Awaitable, Callable
from typing import Any


def run(command: Callable[..., Awaitable[None]]) -> None:
    """Run an asynchronous command with the settings of the environment, on uvloop."""
    _run(command)


def run_quietly(command: Callable[..., Awaitable[int]]) -> None:
    """The same for a command that talks to people by itself; exits with the code it returns."""
    raise SystemExit(_run(command, log_level="ERROR"))


def _run(command: Callable[..., Awaitable[Any]], log_level: str | None = None) -> Any:
    import uvloop

    from obverse.kit.settings import Settings
    from obverse.kit.telemetry import configure_logging

    settings = Settings.load()
    configure_logging(log_level or settings.log_level)

    async def with_settings() -> Any:
        return await command(settings)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(with_settings())


def spare_the_collector() -> None:
    """Look for garbage less often, and never among what was there when the doors opened.

    Everything of a payment is freed when its last reference goes; the collector only searches for cycles, and
    took about a tenth of each payment's time to find none. See docs/benchmarks.md.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
