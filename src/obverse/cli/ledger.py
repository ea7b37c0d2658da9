"""`obverse ledger`."""

import typer

from obverse.cli.running import run

app = typer.Typer(no_args_is_help=True, help="The books.")


@app.callback()
def ledger() -> None:
    """The books: keeps `check` a command of its own while it is the only one."""


@app.command()
def check() -> None:
    """Prove every balance from the journal; exit code 1 if one does not follow from it (P2, P4)."""
    from rich.console import Console
    from rich.table import Table

    from obverse.bootstrap import open_database
    from obverse.kit.settings import Settings
    from obverse.ledger import Ledger

    async def check_books(settings: Settings) -> None:
        async with open_database(settings) as (database, _):
            breaks = await Ledger(database).check()
            balance = await Ledger(database).trial_balance()
        console = Console()
        heads = "account kind", "currency", "debits", "credits", "debits pending", "credits pending"
        table = Table(*heads, title="Trial balance")
        for line in balance:
            posted = line.debits_posted_minor, line.credits_posted_minor
            pending = line.debits_pending_minor, line.credits_pending_minor
            table.add_row(line.kind, line.currency, *(f"{minor:,}" for minor in (*posted, *pending)))
        console.print(table)
        for found in breaks:
            console.print(f"{found.problem}: {found.id} in partition {found.partition_id}", style="red")
        console.print(f"{len(breaks)} breaks." if breaks else "Every balance follows from the journal.")
        if breaks:
            raise typer.Exit(1)

    run(check_books)
