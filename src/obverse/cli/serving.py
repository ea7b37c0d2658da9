"""`obverse serve`."""

import asyncio
import gc
import signal

import typer

from obverse.bootstrap import Platform
from obverse.kit.settings import Settings


async def serve(settings: Settings) -> None:
    """Run the platform until SIGTERM or SIGINT, then let what is under way finish."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_number, stop.set)
    async with Platform(settings) as platform:
        _spare_the_collector()
        typer.echo(
            f"Obverse is up. REST {platform.rest_url} (docs at /docs), "
            f"ISO 8583 {settings.acquirer_host}:{platform.acquirer.port}. Ctrl-C stops it."
        )
        await stop.wait()
        typer.echo("Stopping ...")


def _spare_the_collector() -> None:
    """Look for garbage less often, and never among what was there when the doors opened.

    Everything of a payment is freed when its last reference goes; the collector only searches for cycles, and
    took a sixth of the time of each payment to find none. See docs/benchmarks.md.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
