"""`obverse serve`: the platform in one process, or in several that share database and ports."""

import asyncio
import signal
import socket

import typer

from obverse.bootstrap import Platform
from obverse.cli.mates import Mates
from obverse.cli.running import spare_the_collector
from obverse.kit.errors import CannotStart
from obverse.kit.settings import Settings


async def serve(settings: Settings) -> None:
    """Run the platform until SIGTERM or SIGINT, then let what is under way finish.

    With `OBVERSE_WORKERS` above one, this process is the first of them: it starts the others and keeps them.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_number, stop.set)
    shared = settings.workers > 1
    if shared:
        _refuse_a_strangers_ports(settings)
    async with Platform(settings, reuse_port=shared) as platform:
        async with Mates(settings.workers - 1, platform.rest.port, platform.acquirer.port):
            spare_the_collector()
            typer.echo(
                f"Obverse is up. REST {platform.rest_url} (docs at /docs), "
                f"ISO 8583 {settings.acquirer_host}:{platform.acquirer.port}. Ctrl-C stops it."
            )
            await stop.wait()
            typer.echo("Stopping ...")


def _refuse_a_strangers_ports(settings: Settings) -> None:
    """Ports that are shared among workers could be shared with another installation unnoticed: look first."""
    for host, port in (
        (settings.rest_host, settings.rest_port),
        (settings.acquirer_host, settings.acquirer_port),
        (settings.diameter_host, settings.diameter_port or 0),
    ):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            socket.create_server((host, port), family=family).close()
        except OSError as error:
            raise CannotStart(
                f"{host}:{port} is taken. Stop what uses that port, or set OBVERSE_REST_PORT, "
                "OBVERSE_ACQUIRER_PORT and OBVERSE_DIAMETER_PORT."
            ) from error
