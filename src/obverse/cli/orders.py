"""`obverse orders`."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from obverse.cli.running import run

if TYPE_CHECKING:
    from obverse.bootstrap.ordering import OrderRooms
    from obverse.kit.settings import Settings
    from obverse.orders import BulkWish, LineProblem, Placed

app = typer.Typer(no_args_is_help=True, help="What companies order.")

_POLL_S: Final = 0.5


@app.callback()
def orders() -> None:
    """Keep `import` a command of its own, though it is the only one."""


@app.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="docs/orders.md")],
    name: Annotated[str, typer.Option(help="Who orders.")],
    phone: Annotated[str, typer.Option(help="How to call them.")],
    mail: Annotated[str, typer.Option(help="Where the link to follow the order goes.")],
    sender: Annotated[str | None, typer.Option(help="Whom recipients read; else who orders.")] = None,
    programme: Annotated[str | None, typer.Option(help="For lines that name none: prog_01j...")] = None,
    language: Annotated[str, typer.Option(help="Of the mails: ko or en.")] = "ko",
    key: Annotated[
        str | None, typer.Option(help="The same key orders once, however often it is run.")
    ] = None,
    wait: Annotated[bool, typer.Option(help="Stay until it is paid and all cards are there.")] = False,
) -> None:
    """Order a company's gifts, to be paid by bank transfer. Every line that is wrong is named."""

    async def import_order(settings: "Settings") -> None:
        from obverse.orders import BulkRefused

        async with _rooms(settings) as rooms:
            wish = _wish(file, (name, phone, mail), sender or name, programme, language)
            cli_key = f"cli:{key}" if key is not None else None
            try:
                placed = await rooms.service.place_bulk(wish, origin="cli", key=cli_key)
            except BulkRefused as refused:
                _report_lines(refused.lines)
                typer.echo(str(refused), err=True)
                raise typer.Exit(1) from None
            _report(placed, rooms)
            if wait:
                await _follow(rooms, placed)

    run(import_order)


@asynccontextmanager
async def _rooms(settings: "Settings") -> AsyncIterator["OrderRooms"]:
    from obverse.bootstrap import join_rooms, open_database, open_vault
    from obverse.kit.clock import Clock, ClockFollower

    async with open_database(settings) as (database, _):
        clock = Clock()
        follower = ClockFollower(database, clock)
        await follower.start()
        rooms = join_rooms(settings, database, await open_vault(settings, database), clock)
        try:
            yield rooms.stored_value.orders
        finally:
            await rooms.bureau.close()
            await follower.stop()


def _wish(
    file: Path, buyer: tuple[str, str, str], sender: str, programme: str | None, language: str
) -> "BulkWish":
    from obverse.kit.errors import InvalidRequest
    from obverse.kit.ids import ProgrammeId, from_text
    from obverse.kit.secret import Secret
    from obverse.letters import Language
    from obverse.orders import BulkTerms, BulkWish, Buyer
    from obverse.sales import How, Means

    try:
        content = file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise InvalidRequest("The file is not UTF-8.", "file") from None
    if language not in tuple(Language):
        raise InvalidRequest("language is ko or en.", "language")
    who, phone, mail = (Secret(text) for text in buyer)
    default = ProgrammeId(from_text("prog", programme)) if programme is not None else None
    return BulkWish(
        buyer=Buyer(name=who, phone=phone, mail=mail),
        file=Secret(content),
        terms=BulkTerms(Secret(sender), default),
        how=How(Means.BANK_TRANSFER),
        language=Language(language),
    )


def _report_lines(lines: tuple["LineProblem", ...]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("line", "column", "what is wrong")
    for problem in lines:
        table.add_row(f"{problem.line:,}", problem.column or "", problem.reason)
    Console().print(table)


def _report(placed: "Placed", rooms: "OrderRooms") -> None:
    from obverse.kit.ids import to_text

    order, sale, own = placed.order, placed.sale, rooms.service.own_account
    typer.echo(f"{to_text('ord', order.id)}: {order.pieces:,} gifts, {order.total_minor:,} {order.currency}.")
    if sale.reference is not None:
        typer.echo(
            f"Transfer it to {own.bank_code} {own.number.reveal()} ({own.holder}) with {sale.reference}"
            f" by {sale.expires_at:%Y-%m-%d}."
        )


async def _follow(rooms: "OrderRooms", placed: "Placed") -> None:
    """Show how many cards there are until all are, and help to make them."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from obverse.orders import OrderState

    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns) as progress:
        bar = progress.add_task("waits for the transfer", total=placed.order.pieces)
        while True:
            making = asyncio.create_task(rooms.allocation.allocate())
            while not making.done():
                await asyncio.wait([making], timeout=_POLL_S)
                order = (await rooms.service.get(placed.order.id)).order
                description = "cards made" if order.state is OrderState.PAID else "waits for the transfer"
                progress.update(bar, completed=order.done, description=description)
            await making
            order = (await rooms.service.get(placed.order.id)).order
            if order.state not in (OrderState.UNPAID, OrderState.PAID):
                break
            await asyncio.sleep(_POLL_S)
        progress.update(bar, completed=order.done, description=order.state)
    if order.state is not OrderState.ALLOCATED:
        typer.echo(f"The order is {order.state}.", err=True)
        raise typer.Exit(1)
