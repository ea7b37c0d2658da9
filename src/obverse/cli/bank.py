"""`obverse bank`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from obverse.cli.running import run

if TYPE_CHECKING:
    from obverse.kit.settings import Settings

app = typer.Typer(no_args_is_help=True, help="The programme's bank account.")


@app.callback()
def bank() -> None:
    """Keep `import` a command of its own, though it is the only one."""


@app.command("import")
def import_file(
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="camt.053 or pain.002")
    ],
) -> None:
    """Read a statement, or a report of refusals, in. The same file again changes nothing."""

    content = file.read_bytes()

    async def import_statement(settings: "Settings") -> None:
        from obverse.bootstrap import join_rooms, open_database, open_vault
        from obverse.kit.clock import Clock, ClockFollower
        from obverse.kit.money import CurrencyCode

        async with open_database(settings) as (database, _):
            clock = Clock()
            follower = ClockFollower(database, clock)
            await follower.start()
            rooms = join_rooms(settings, database, await open_vault(settings, database), clock)
            try:
                await rooms.ledger.open_house(rooms.partitions, CurrencyCode(settings.currency))
                found = await rooms.money.treasury.service.import_statement(content)
            finally:
                await rooms.bureau.close()
                await rooms.money.treasury.bank.close()
                await follower.stop()
        typer.echo(
            f"{found.receipts} receipts, {found.confirmed} transfers confirmed, {found.refused} refused, "
            f"{found.known} entries known before."
        )

    run(import_statement)
