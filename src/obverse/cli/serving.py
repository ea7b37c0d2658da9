"""`obverse serve`."""

import asyncio
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
        typer.echo(
            f"Obverse is up. REST {platform.rest_url} (docs at /docs), "
            f"ISO 8583 {settings.acquirer_host}:{platform.acquirer.port}. Ctrl-C stops it."
        )
        await stop.wait()
        typer.echo("Stopping ...")
