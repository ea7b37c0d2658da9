"""`obverse demo`, `obverse journeys`, `obverse sandbox`."""

import asyncio
import signal
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from random import SystemRandom
from typing import Final

import httpx
from rich.console import Console
from rich.table import Table

from obverse.cli.demo.identities import settle_in
from obverse.cli.demo.stack import Standing, standing
from obverse.cli.journeys import JOURNEYS, Journey, Places, Printer, World, walk
from obverse.kit.clock import Clock
from obverse.kit.errors import CannotStart
from obverse.kit.settings import Settings
from obverse.sandbox import SandboxSettings
from obverse.sandbox import run as run_sandbox

FILE: Final = "demo.json"
_PORTS: Final = ("rest_port", "acquirer_port", "card_company_port")


async def demo(settings: Settings, *, free_ports: bool = False, walk: bool = True) -> int:
    """Bring everything up, walk the journeys, stay up until Ctrl-C. Returns the exit code."""
    console = Console()
    with suppress(asyncio.CancelledError):
        _cancel_on_signals()
        if free_ports:
            settings = _on_free_ports(settings, keep=settings.model_fields_set)
        async with _settled(settings, console, free_ports=free_ports) as (found, places):
            failed = await _walk(JOURNEYS, places, console) if walk else 0
            _show_places(places, settings.data_dir / FILE, console)
            await _until_something_ends(found)
            return 1 if failed else 0
    console.print("Stopped; nothing is left running.")
    return 0


async def journeys(settings: Settings, codes: Collection[str] = ()) -> int:
    """Walk the journeys in a running demo, or else in one brought up for them. Returns the exit code.

    With `codes`, only these. Raises `CannotStart` for one that there is not.
    """
    console = Console()
    wanted = _wanted(codes)
    running = await _running_demo(settings.data_dir / FILE)
    if running is not None:
        console.print(f"Walking in the demo that runs at {running.rest_url}.")
        return 1 if await _walk(wanted, running, console) else 0
    _cancel_on_signals()
    try:
        async with _settled(_on_free_ports(settings), console, free_ports=True) as (_, places):
            return 1 if await _walk(wanted, places, console) else 0
    except asyncio.CancelledError:
        console.print("Stopped before the end; nothing is left running.")
        return 130


async def sandbox(settings: Settings) -> int:
    """Run the sandbox partners alone, for a platform that is started by `obverse serve`."""
    _cancel_on_signals()
    partners = SandboxSettings(
        clearing_house_port=settings.card_company_port,
        mail_port=settings.smtp_port,
        acquirer_host=settings.acquirer_host,
        acquirer_port=settings.acquirer_port,
        provider_bin=settings.bin,
        provider_bank=settings.bank_code,
        provider_account=settings.bank_account,
        provider_holder=settings.bank_account_holder,
        currency=settings.currency,
        time_zone=settings.time_zone,
    )
    Console().print(f"Clearing house on port {partners.clearing_house_port}. Ctrl-C stops the sandbox.")
    with suppress(asyncio.CancelledError):
        await run_sandbox(partners)
    return 0


def _on_free_ports(settings: Settings, keep: Collection[str] = ()) -> Settings:
    """The same with any free ports, but for the ones to `keep`."""
    return settings.model_copy(update={name: 0 for name in _PORTS if name not in keep})


@asynccontextmanager
async def _settled(
    settings: Settings, console: Console, *, free_ports: bool
) -> AsyncIterator[tuple[Standing, Places]]:
    console.print("Starting PostgreSQL, the platform and the sandbox partners ...")
    async with standing(settings, free_ports=free_ports) as found:
        yield found, await settle_in(found, settings.data_dir / FILE)


def _wanted(codes: Collection[str]) -> Sequence[type[Journey]]:
    if unknown := set(codes) - {journey.code for journey in JOURNEYS}:
        raise CannotStart(f"There is no journey {', '.join(sorted(unknown))}.")
    return [journey for journey in JOURNEYS if not codes or journey.code in codes]


async def _walk(journeys: Sequence[type[Journey]], places: Places, console: Console) -> int:
    """Walk each journey, whatever becomes of the others; how many steps failed."""
    printer = Printer(console)
    clock, rng = Clock(), SystemRandom()
    async with World(places, clock, rng) as world:
        if not await world.is_at_rest():
            console.print("Letting the days pass until earlier payments are settled or released ...")
            await world.come_to_rest()
    for journey in journeys:
        printer.journey(journey)
        async with World(places, clock, rng) as world:
            await walk(journey(world), printer.step)
    printer.total()
    return printer.failed


async def _running_demo(file: Path) -> Places | None:
    try:
        places = Places.load(file)
        async with httpx.AsyncClient(timeout=2, trust_env=False) as client:
            for url in (f"{places.rest_url}/health", f"{places.control_url}/faults"):
                (await client.get(url)).raise_for_status()
    except (OSError, ValueError, httpx.HTTPError):
        return None
    return places


async def _until_something_ends(found: Standing) -> None:
    """Wait for Ctrl-C. Raises `CannotStart` should a child end by itself."""
    children = [asyncio.create_task(child.ended()) for child in (found.platform, found.sandbox)]
    try:
        done, _ = await asyncio.wait(children, return_when=asyncio.FIRST_COMPLETED)
        raise CannotStart(done.pop().result())
    finally:
        for task in children:
            task.cancel()


def _cancel_on_signals() -> None:
    """Let Ctrl-C, SIGTERM and a closed terminal end this task in an orderly way, once."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None

    def cancel() -> None:
        for signal_number in _SIGNALS:
            loop.add_signal_handler(signal_number, lambda: None)  # the first has been heard
        task.cancel()

    for signal_number in _SIGNALS:
        loop.add_signal_handler(signal_number, cancel)


_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def _show_places(places: Places, file: Path, console: Console) -> None:
    table = Table(show_header=False, box=None, padding=(0, 2))
    for what, where in (
        ("REST API", places.rest_url),
        ("its documentation", places.docs_url),
        ("ISO 8583, acquirer door", "{}:{}".format(*places.acquirer)),
        ("ISO 8583, clearing house", "{}:{}".format(*places.clearing_house)),
        ("Diameter, for calling servers", "{}:{}".format(*places.diameter)),
        ("the mall", places.mall_url),
        ("sandbox control", places.control_url),
        ("keys, members, merchants", str(file)),
    ):
        table.add_row(what, where)
    console.print(table)
    console.print("Ctrl-C stops everything.")
