"""Which differences are news, which are known, which have gone; and when silence is one."""

from datetime import UTC, datetime, time
from uuid import uuid4

import pytest
from tests.factories.ledger import NOON

from obverse.kit.calendar import Calendar
from obverse.kit.ids import BreakId
from obverse.kit.money import KRW
from obverse.ledger import AccountKind
from obverse.reconciliation import Break, BreakKind, BreakState
from obverse.reconciliation.model import Finding
from obverse.reconciliation.rules import compare, comparisons, differences, silent_since

SEOUL = Calendar("Asia/Seoul", time(), "KR")
EARLY = Calendar("Asia/Seoul", time(23, 30), "KR")


def a_finding(found: int = 900, subject: str = "pfile_1", expected: int = 1_000) -> Finding:
    return Finding(BreakKind.FILE_PAID_DIFFERENTLY, subject, expected, found, KRW)


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
        ([a_finding(5_900, expected=6_000)], [a_break(a_finding())], 0, 0),
        ([a_finding()], [a_break(a_finding(), BreakState.RESOLVED)], 0, 0),
        ([a_finding(950)], [a_break(a_finding(900), BreakState.RESOLVED)], 1, 1),
        ([], [a_break(a_finding(), BreakState.RESOLVED)], 0, 1),
        ([a_finding(5_900, expected=6_000)], [a_break(a_finding(), BreakState.RESOLVED)], 0, 0),
        ([a_finding(subject="pfile_2")], [a_break(a_finding())], 1, 1),
    ],
    ids=[
        "new",
        "known",
        "gone",
        "another difference is another break",
        "the same difference of other sums is the same",
        "what was explained stays explained",
        "unless its difference changes",
        "or has gone, and explains nothing any more",
        "and whatever its sums grow to",
        "another subject is another break",
    ],
)
def test_findings_are_compared_with_what_is_known(
    findings: list[Finding], known: list[Break], new: int, gone: int
) -> None:
    changes = compare(findings, known)
    assert (len(changes.new), len(changes.gone)) == (new, gone)


def test_a_house_account_that_rooms_or_partners_see_otherwise_is_a_finding() -> None:
    ours = {AccountKind.CARD_COMPANY_RECEIVABLE: 900, AccountKind.BANK: 5_000, AccountKind.SUSPENSE: -200}
    ledger = ours | {AccountKind.SUSPENSE: -300, AccountKind.FEE_INCOME: -7}
    partners = {AccountKind.CARD_COMPANY_RECEIVABLE: 800, AccountKind.BANK: 5_000}
    compared = comparisons(ours, ledger, partners)
    found = {(f.kind, f.subject, f.expected_minor, f.found_minor) for f in differences(compared, KRW)}
    assert found == {
        (BreakKind.HOUSE_ACCOUNT_DIFFERS, "suspense", -200, -300),
        (BreakKind.HOUSE_ACCOUNT_DIFFERS, "fee_income", 0, -7),
        (BreakKind.CARD_COMPANY_BALANCE_DIFFERS, "card_company_receivable", 900, 800),
    }


def test_a_partner_who_has_said_nothing_yet_differs_from_nobody() -> None:
    assert differences(comparisons({}, {}, {AccountKind.CARD_COMPANY_RECEIVABLE: 0}), KRW) == []


@pytest.mark.parametrize(
    ("now", "calendar", "since"),
    [
        pytest.param("2026-11-26 10:00", SEOUL, "2026-11-24 00:00", id="Thursday: Tuesday and Wednesday"),
        pytest.param("2026-11-24 23:59", SEOUL, "2026-11-20 00:00", id="Tuesday: Friday and Monday"),
        pytest.param("2026-11-25 00:00", SEOUL, "2026-11-23 00:00", id="Wednesday, the moment it begins"),
        pytest.param("2026-11-22 12:00", SEOUL, "2026-11-19 00:00", id="Sunday: Thursday and Friday"),
        pytest.param("2026-09-28 09:00", SEOUL, "2026-09-22 00:00", id="after a harvest festival"),
        pytest.param("2026-11-25 23:29", EARLY, "2026-11-22 23:30", id="before the cut-off"),
        pytest.param("2026-11-25 23:31", EARLY, "2026-11-23 23:30", id="after the cut-off"),
    ],
)
def test_silence_is_long_after_two_whole_banking_days(now: str, calendar: Calendar, since: str) -> None:
    def local(text: str) -> datetime:
        return datetime.fromisoformat(text).replace(tzinfo=calendar.zone).astimezone(UTC)

    assert silent_since(local(now), calendar) == local(since)
