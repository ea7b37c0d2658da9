"""Running a command: settings, logs, event loop."""

import asyncio
from collections.abc import Awaitable, Callable


def run_quietly(command: Callable[..., Awaitable[int]]) -> None:
    """Run a command that talks to people by itself, and exit with the code it returns."""
    import uvloop

    from obverse.kit.settings import Settings
    from obverse.kit.telemetry import configure_logging

    settings = Settings.load()
    configure_logging("ERROR")

    async def with_settings() -> int:
        return await command(settings)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        raise SystemExit(runner.run(with_settings()))


def run(command: Callable[..., Awaitable[None]]) -> None:
    """Run an asynchronous command with the settings of the environment, on uvloop."""
    import uvloop

    from obverse.kit.settings import Settings
    from obverse.kit.telemetry import configure_logging

    settings = Settings.load()
    configure_logging(settings.log_level)

    async def with_settings() -> None:
        await command(settings)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(with_settings())
