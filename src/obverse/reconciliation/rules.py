"""Which findings are news. Pure: no I/O, no clock."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Final

import msgspec

from obverse.kit.money import CurrencyCode
from obverse.ledger.model import HOUSE_ACCOUNTS, AccountKind
from obverse.reconciliation.model import Break, BreakKind, BreakState, Comparison, Finding

PATIENCE: Final = timedelta(days=2)
"""How long partners may take before their silence is a break: a banking day and the night around it."""


class Changes(msgspec.Struct, frozen=True):
    """What a run has to write down: findings that are new, and open breaks that have gone."""

    new: Sequence[Finding]
    gone: Sequence[Break]


def compare(findings: Iterable[Finding], known: Iterable[Break]) -> Changes:
    """Tell new findings from known ones.

    `known` are the breaks that are open, and those that an operator has resolved: a difference that was
    explained stays explained for as long as it is the same to the last unit.
    """
    found = {(finding.kind, finding.subject): finding for finding in findings}
    explained = {_fact(b.finding) for b in known if b.state is BreakState.RESOLVED}
    still_open = {(b.finding.kind, b.finding.subject): b for b in known if b.state is BreakState.OPEN}
    gone = [b for key, b in still_open.items() if found.get(key) != b.finding]
    kept = {_fact(b.finding) for b in still_open.values()} | explained
    return Changes([finding for finding in found.values() if _fact(finding) not in kept], gone)


def house_findings(
    ours: Mapping[AccountKind, int], ledger: Mapping[AccountKind, int], currency: CurrencyCode
) -> list[Finding]:
    """Compare what the programme's own accounts should hold (debits less credits) with what they do hold."""
    return [
        Finding(BreakKind.HOUSE_ACCOUNT_DIFFERS, kind, ours.get(kind, 0), ledger.get(kind, 0), currency)
        for kind in HOUSE_ACCOUNTS
        if ours.get(kind, 0) != ledger.get(kind, 0)
    ]


def comparisons(
    ours: Mapping[AccountKind, int],
    ledger: Mapping[AccountKind, int],
    partners: Mapping[AccountKind, int],
) -> list[Comparison]:
    """The three sums of every house account, in the order of the chart of accounts."""
    return [
        Comparison(kind, ours.get(kind, 0), ledger.get(kind, 0), partners.get(kind))
        for kind in HOUSE_ACCOUNTS
    ]


def _fact(finding: Finding) -> tuple[str, str, int, int]:
    return (finding.kind, finding.subject, finding.expected_minor, finding.found_minor)
