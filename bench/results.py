"""What is measured, what is to be reached, and how both are shown."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Final, Literal

import msgspec
from rich.console import Console
from rich.table import Table

Against = Literal["tpcb", "on_us_iso8583"]


@dataclass(frozen=True, slots=True)
class Load:
    """A row of the benchmark; its goals are those of the requirements."""

    name: str
    what: str
    against: Against | None = None
    ratio_min: float | None = None
    per_second_min: float | None = None
    p50_ms_max: float | None = None
    p99_ms_max: float | None = None
    grown_mib_max: float | None = None
    rounds: int = 3
    """How often it is measured; what takes a minute is its own average."""


LOADS: Final = (
    Load("on_us_iso8583", "one-time purchases, on-us, ISO 8583", "tpcb", 2.0, p99_ms_max=50),
    Load("prepaid", "prepaid purchases, on-us, ISO 8583", "tpcb", 2.0, p99_ms_max=50),
    Load("one_merchant", "the same, all at one merchant", "on_us_iso8583", 0.9),
    Load("on_us_rest", "the same over REST", "tpcb", 0.8),
    Load("off_us", "real card at the card company", "on_us_iso8583", 0.4),
    Load("mixed", "points of two issuers + real card, one payment", "on_us_iso8583", 0.2),
    Load("scan", "payment codes at tills, on-us, ISO 8583", "on_us_iso8583", 1.0),
    Load("refunds", "refunds of captured payments, ISO 8583", "on_us_iso8583", 0.8),
    Load("claims", "a claim file, matched and paid line by line", "on_us_iso8583", 0.8, rounds=1),
    Load("single", "one request at a time, ISO 8583", p50_ms_max=3),
    Load("issue", "one-time numbers, one by one, REST", per_second_min=1_500),
    Load("issue_bulk", "one-time numbers, 20,000 in one order", per_second_min=20_000),
    Load("codes", "payment codes, made, stored and sealed to phones", per_second_min=20_000),
    Load("fan_out", "balances of 20 issuers, the slowest after 100 ms", p50_ms_max=150, rounds=1),
    Load(
        "settlement",
        "a business day of 1 million captures, settled",
        per_second_min=20_000,
        grown_mib_max=32,
        rounds=1,
    ),
    Load("bulk_order", "10,000 gifts in one order, paid to allocated", per_second_min=1_000, rounds=1),
    Load(
        "statements",
        "100,000 members hear of their day, by mail",
        per_second_min=1_667,
        grown_mib_max=32,
        rounds=1,
    ),
    Load("start", "empty directory to first answer", p50_ms_max=5_000),
    Load("full_tables", "1 million cards, 10 million payments stored", "on_us_iso8583", 0.8),
)


@dataclass(frozen=True, slots=True)
class Measured:
    """One measurement of one load; None where it has no meaning."""

    per_second: float | None = None
    p50_ms: float | None = None
    p99_ms: float | None = None
    batch_mean: float | None = None
    rows: int | None = None
    """Authorizations stored when it began."""
    hottest: float | None = None
    """Share of the account that most payments touch."""
    grown_mib: float | None = None
    """How much more memory the process held at its peak than before."""


@dataclass(slots=True)
class Results:
    """All measurements of a run; its medians are what is reported."""

    tpcb: list[float] = field(default_factory=list)
    measured: dict[str, list[Measured]] = field(default_factory=dict)

    def add(self, load: str, measured: Measured) -> None:
        self.measured.setdefault(load, []).append(measured)

    def median(self, load: str, name: str) -> float | None:
        """The median of one figure of a load, over its repetitions."""
        values = [v for m in self.measured.get(load, ()) if (v := getattr(m, name)) is not None]
        return median(values) if values else None

    def ratio(self, load: Load) -> float | None:
        """Against what the load is compared with, in this run."""
        per_second = self.median(load.name, "per_second")
        against = median(self.tpcb) if load.against == "tpcb" else None
        if load.against == "on_us_iso8583":
            against = self.median("on_us_iso8583", "per_second")
        return per_second / against if per_second is not None and against else None

    def line(self, load: Load) -> dict[str, str | float | None]:
        """One JSON line, rounded to what means something."""
        rate = load.name not in ("single", "start", "fan_out")
        grown_mib = _rounded(self.median(load.name, "grown_mib"), 1)
        return {
            "load": load.name,
            "per_second": _rounded(self.median(load.name, "per_second"), 1) if rate else None,
            "tpcb_per_second": _rounded(median(self.tpcb), 1) if self.tpcb else None,
            "ratio": _rounded(self.ratio(load), 3),
            "p50_ms": _rounded(self.median(load.name, "p50_ms"), 3),
            "p99_ms": _rounded(self.median(load.name, "p99_ms"), 3),
            "batch_mean": _rounded(self.median(load.name, "batch_mean"), 1),
        } | ({} if grown_mib is None else {"grown_mib": grown_mib})

    def shares(self, load: Load) -> Mapping[str, float]:
        """Per goal, how much of it was reached: 1 or more is reached."""
        found: dict[str, float] = {}
        ratio, per_second = self.ratio(load), self.median(load.name, "per_second")
        if load.ratio_min is not None and ratio is not None:
            found["ratio"] = ratio / load.ratio_min
        if load.per_second_min is not None and per_second is not None:
            found["per second"] = per_second / load.per_second_min
        ceilings = {"p50_ms": load.p50_ms_max, "p99_ms": load.p99_ms_max, "grown_mib": load.grown_mib_max}
        for name, ceiling in ceilings.items():
            value = self.median(load.name, name)
            if ceiling is not None and value:
                found[name.rpartition("_")[0]] = ceiling / value
        return found


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None or math.isnan(value) else round(value, digits)


def write_lines(path: Path, results: Results, loads: Sequence[Load]) -> None:
    """One JSON line per load."""
    lines = [msgspec.json.encode(results.line(load)) + b"\n" for load in loads]
    path.write_bytes(b"".join(lines))


def reach(load: Load) -> str:
    """The goals of a load in words."""
    goals = []
    if load.ratio_min is not None:
        goals.append(f"{load.ratio_min:g} x {'TPC-B' if load.against == 'tpcb' else load.against}")
    if load.per_second_min is not None:
        goals.append(f"{load.per_second_min:,.0f}/s")
    if load.p50_ms_max is not None:
        goals.append(f"p50 < {load.p50_ms_max:g} ms")
    if load.p99_ms_max is not None:
        goals.append(f"p99 < {load.p99_ms_max:g} ms")
    if load.grown_mib_max is not None:
        goals.append(f"< {load.grown_mib_max:g} MiB more")
    return ", ".join(goals)


def cells(results: Results, load: Load) -> list[str]:
    """A load's row under `HEADINGS`."""
    line = results.line(load)
    rows, hottest = results.median(load.name, "rows"), results.median(load.name, "hottest")
    return [
        load.name,
        _shown(line["per_second"], ",.0f"),
        _shown(line["ratio"], ".2f"),
        reach(load),
        _shown(line["p50_ms"], ",.1f"),
        _shown(line["p99_ms"], ",.1f"),
        _shown(line["batch_mean"], ".0f"),
        _shown(rows, ",.0f"),
        _shown(hottest, ".2%"),
        _shown(line.get("grown_mib"), ",.0f"),
    ]


HEADINGS: Final = (
    "load",
    "per second",
    "ratio",
    "reach",
    "p50 ms",
    "p99 ms",
    "batch",
    "stored",
    "hottest",
    "MiB more",
)


def _shown(value: object, form: str) -> str:
    return format(value, form) if value is not None else ""


_WIDTH_MIN: Final = 140
"""Columns of a terminal below which the table would be cut."""


def print_table(console: Console, results: Results, loads: Sequence[Load], durability: str) -> None:
    """All loads at a glance; what fell short is red."""
    tpcb = f"{median(results.tpcb):,.0f}" if results.tpcb else "not taken"
    table = Table(caption="stored: payments in the tables; hottest: its share of all", caption_justify="left")
    for n, heading in enumerate(HEADINGS):
        table.add_column(heading, justify="left" if n in (0, 3) else "right", no_wrap=n == 0)
    for load in loads:
        short = any(share < 1 for share in results.shares(load).values())
        table.add_row(*cells(results, load), style="red" if short else None)
    console = Console(width=max(console.width, _WIDTH_MIN))
    console.print(f"pgbench TPC-B: {tpcb} per second. {durability}", highlight=False)
    console.print(table)
