"""Journeys for people to read: each step with its time, and beneath it who says what to whom."""

from rich.console import Console
from rich.markup import escape

from obverse.cli.journeys.running import Journey, StepReport


class Printer:
    """Prints as the steps are walked, and counts what failed."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self.steps = 0
        self.failed = 0

    def journey(self, journey: type[Journey]) -> None:
        self._console.print()
        self._console.rule(f"[bold]{journey.code}[/bold]  {escape(journey.title)}", align="left")

    def step(self, report: StepReport) -> None:
        self.steps += 1
        mark = "[green]✓[/green]" if report.problem is None else "[red]✗[/red]"
        self._console.print(
            f"{mark} {escape(report.title)}  [dim]{report.seconds * 1000:,.0f} ms[/dim]",
            highlight=False,
            soft_wrap=True,
        )
        for line in report.lines:
            self._console.print(
                f"    [cyan]{escape(line.sender):>14} → {escape(line.receiver):<14}[/cyan]"
                f"  [dim]{escape(line.text)}[/dim]",
                highlight=False,
                soft_wrap=True,
            )
        if report.books:
            self._console.print(
                f"    [magenta]{'ledger':>14}[/magenta]  {_told(report)}", highlight=False, soft_wrap=True
            )
        if report.problem is not None:
            self.failed += 1
            self._console.print(f"    [red]{escape(report.problem)}[/red]", highlight=False)

    def total(self) -> None:
        colour = "red" if self.failed else "green"
        text = (
            f"{self.steps} steps, {self.failed} failed"
            if self.failed
            else f"All {self.steps} steps as they should be"
        )
        self._console.print(f"\n[{colour}]{text}.[/{colour}]")


def _told(report: StepReport) -> str:
    """The accounts that the journey has left a balance on; plus is owed to us, minus is what we owe."""
    told = []
    for line in report.books:
        held = f" (held {line.pending_minor:+,})" if line.pending_minor else ""
        told.append(f"[dim]{line.kind}[/dim] {line.posted_minor:+,}{held}")
    return "  ".join(told)
