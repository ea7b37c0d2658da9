"""All commands, and what happens to those that cannot start."""

import sys
from datetime import datetime
from typing import Annotated

import typer

from obverse.cli import bank, claims, keys, ledger, orders
from obverse.cli.running import run, run_quietly
from obverse.kit.errors import ObverseError

CANNOT_START = 2

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
app.add_typer(ledger.app, name="ledger")
app.add_typer(keys.app, name="keys")
app.add_typer(claims.app, name="claims")
app.add_typer(bank.app, name="bank")
app.add_typer(orders.app, name="orders")


@app.callback()
def obverse() -> None:
    """Pay anywhere without showing the shop your real card.

    Settings come from OBVERSE_* in the environment; `obverse settings` lists them.
    """


@app.command()
def serve() -> None:
    """Run the platform: the REST and ISO 8583 doors and the jobs, until SIGTERM or Ctrl-C."""
    from obverse.cli.serving import serve

    run(serve)


@app.command()
def demo(
    free_ports: Annotated[bool, typer.Option(help="Any free ports but those in OBVERSE_*_PORT.")] = False,
    walk: Annotated[bool, typer.Option(help="Walk the journeys first.")] = True,
) -> None:
    """Bring up platform and sandbox partners, walk the journeys, stay up until Ctrl-C."""
    from obverse.cli.demo import demo

    run_quietly(lambda settings: demo(settings, free_ports=free_ports, walk=walk))


@app.command()
def journeys(
    codes: Annotated[
        list[str] | None, typer.Argument(help="OT-J1 WA-J2 ...; else all of them.", show_default=False)
    ] = None,
) -> None:
    """Walk the journeys and exit, with a code other than 0 if a step fails."""
    from obverse.cli.demo import journeys

    run_quietly(lambda settings: journeys(settings, codes or ()))


@app.command()
def sandbox() -> None:
    """Run the sandbox partners alone, for a platform started by `obverse serve`."""
    from obverse.cli.demo import sandbox

    run_quietly(sandbox)


@app.command()
def settle(
    day: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="YYYY-MM-DD; else the last one over.")
    ] = None,
) -> None:
    """Settle a business day, with a progress bar; repeat it after an interruption."""
    from obverse.cli.settling import settle

    settle(day)


@app.command()
def bill(
    month: Annotated[str | None, typer.Option(help="YYYY-MM; else the last one that is over.")] = None,
) -> None:
    """Bill members for a month, with a progress bar; repeat it after an interruption."""
    from obverse.cli.billing import bill

    bill(month)


@app.command()
def present() -> None:
    """Present captured linked cards to their card company now, with a progress bar."""
    from obverse.cli.presenting import present

    present()


@app.command()
def reconcile() -> None:
    """Compare payments, ledger and partners now; exit code 1 while something does not fit."""
    from obverse.cli.reconcile import reconcile

    run_quietly(reconcile)


@app.command()
def migrate() -> None:
    """Bring the database to this version's schema."""
    from obverse.bootstrap import open_database
    from obverse.kit.settings import Settings

    async def migrate_database(settings: Settings) -> None:
        async with open_database(settings):
            typer.echo("The database is up to date.")

    run(migrate_database)


@app.command()
def settings() -> None:
    """Show every setting with its default, as a Markdown table."""
    from obverse.kit.settings import settings_table

    typer.echo(settings_table(), nl=False)


def main() -> None:
    """Entry point of the `obverse` script."""
    try:
        app()
    except ObverseError as error:
        typer.echo(str(error), err=True)
        sys.exit(CANNOT_START)
