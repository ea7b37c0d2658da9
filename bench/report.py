"""The pages in docs/: the chart, and the table in benchmarks.md."""

from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Final

from bench.chart import draw
from bench.results import HEADINGS, Load, Results, cells

_BEGIN: Final = "<!-- results: written by make bench -->"
_END: Final = "<!-- end of results -->"


def renew(docs: Path, results: Results, loads: Sequence[Load], durability: str) -> None:
    """Put the figures of a complete run into the chart and the page; the rest of the page stays."""
    tpcb = f"pgbench TPC-B of the same run: {median(results.tpcb):,.0f} per second."
    caption = f"{tpcb} {durability}"
    (docs / "benchmark.svg").write_text(draw(results, loads, tpcb))
    page = docs / "benchmarks.md"
    before, _, rest = page.read_text().partition(_BEGIN)
    _, _, after = rest.partition(_END)
    page.write_text(f"{before}{_BEGIN}\n{_table(results, loads, caption)}{_END}{after}")


def _table(results: Results, loads: Sequence[Load], caption: str) -> str:
    rows = [HEADINGS, ["---"] * len(HEADINGS), *[cells(results, load) for load in loads]]
    return f"{caption}\n\n" + "".join(f"| {' | '.join(row)} |\n" for row in rows)
