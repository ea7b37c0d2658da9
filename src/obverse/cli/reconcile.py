"""`obverse reconcile`: compare payments, ledger and partners now, and print what does not fit."""

import os

from rich.console import Console
from rich.table import Table

from obverse.bootstrap import open_database
from obverse.kit.clock import Clock, ClockFollower
from obverse.kit.ids import uuid7_source
from obverse.kit.money import CurrencyCode
from obverse.kit.paging import PageRequest
from obverse.kit.settings import Settings
from obverse.reconciliation import BreakState, Reconciliation


async def reconcile(settings: Settings) -> int:
    """Run once and print it. Returns the exit code: 1 while breaks are open."""
    console = Console()
    async with open_database(settings) as (database, _):
        clock = Clock()
        follower = ClockFollower(database, clock)
        await follower.start()
        await follower.stop()  # where the platform's time stands is all that is wanted of it
        reconciliation = Reconciliation(
            database,
            clock=clock,
            new_id=uuid7_source(clock.now_ms, os.urandom),
            calendar=settings.calendar(),
            currency=CurrencyCode(settings.currency),
        )
        run = await reconciliation.run()
        page = await reconciliation.list(PageRequest(limit=100), BreakState.OPEN)
    sums = Table("account", "ours", "ledger", "partner", title=f"{run.ran_at:%Y-%m-%d %H:%M} UTC")
    for c in run.comparisons:
        partner = "" if c.partner_minor is None else f"{c.partner_minor:,}"
        sums.add_row(c.topic, f"{c.ours_minor:,}", f"{c.ledger_minor:,}", partner)
    console.print(sums)
    if not page.items:
        console.print("[green]Everything fits.[/green]")
        return 0
    breaks = Table("break", "about", "expected", "found", "since")
    for b in page.items:
        f = b.finding
        breaks.add_row(
            f.kind, f.subject, f"{f.expected_minor:,}", f"{f.found_minor:,}", f"{b.found_at:%Y-%m-%d %H:%M}"
        )
    console.print(breaks)
    more = " or more" if page.next_after else ""
    console.print(f"[red]{len(page.items)}{more} open.[/red] See docs/reconciliation.md.")
    return 1
