"""Which differences are news, which are known, which have gone."""

from uuid import uuid4

import pytest
from tests.factories.ledger import NOON

from obverse.kit.ids import BreakId
from obverse.kit.money import KRW
from obverse.ledger import AccountKind
from obverse.reconciliation import Break, BreakKind, BreakState
from obverse.reconciliation.model import Finding
from obverse.reconciliation.rules import compare, house_findings


def a_finding(found: int = 900, subject: str = "pfile_1") -> Finding:
    return Finding(BreakKind.FILE_PAID_DIFFERENTLY, subject, 1_000, found, KRW)


def a_break(finding: Finding, state: BreakState = BreakState.OPEN) -> Break:
    reason = "agreed by telephone" if state is BreakState.RESOLVED else None
    return Break(BreakId(uuid4()), finding, state, reason, NOON, None if state is BreakState.OPEN else NOON)


@pytest.mark.parametrize(
    ("findings", "known", "new", "gone"),
    [
        ([a_finding()], [], 1, 0),
        ([a_finding()], [a_break(a_finding())], 0, 0),
        ([], [a_break(a_finding())], 0, 1),
        ([a_finding(950)], [a_break(a_finding(900))], 1, 1),
        ([a_finding()], [a_break(a_finding(), BreakState.RESOLVED)], 0, 0),
        ([a_finding(950)], [a_break(a_finding(900), BreakState.RESOLVED)], 1, 0),
        ([a_finding(subject="pfile_2")], [a_break(a_finding())], 1, 1),
    ],
    ids=[
        "new",
        "known",
        "gone",
        "the same with other numbers is another",
        "what was explained stays explained",
        "unless its numbers change",
        "another subject is another break",
    ],
)
def test_findings_are_compared_with_what_is_known(
    findings: list[Finding], known: list[Break], new: int, gone: int
) -> None:
    changes = compare(findings, known)
    assert (len(changes.new), len(changes.gone)) == (new, gone)


def test_a_house_account_that_holds_something_else_is_a_finding() -> None:
    ours = {AccountKind.BANK: 5_000, AccountKind.SUSPENSE: -200}
    ledger = {AccountKind.BANK: 5_000, AccountKind.SUSPENSE: -300, AccountKind.FEE_INCOME: -7}
    found = {f.subject: (f.expected_minor, f.found_minor) for f in house_findings(ours, ledger, KRW)}
    assert found == {"suspense": (-200, -300), "fee_income": (0, -7)}
