"""Which findings are news, and how long silence is none. Pure: no I/O, no clock."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec

from obverse.kit.calendar import Calendar
from obverse.kit.money import CurrencyCode
from obverse.ledger.model import HOUSE_ACCOUNTS, AccountKind
from obverse.reconciliation.model import Break, BreakKind, Comparison, Finding

_PATIENCE_BANKING_DAYS: Final = 2
"""How long partners may take before their silence is a break."""
_DAY: Final = timedelta(days=1)
_UNLIKE_PARTNER: Final[Mapping[str, BreakKind]] = {
    AccountKind.CARD_COMPANY_RECEIVABLE: BreakKind.CARD_COMPANY_BALANCE_DIFFERS,
    AccountKind.BANK: BreakKind.BANK_BALANCE_DIFFERS,
}


class Changes(msgspec.Struct, frozen=True):
    """What a run has to write down: findings that are new, and known breaks that have gone."""

    new: Sequence[Finding]
    gone: Sequence[Break]


def silent_since(now: datetime, calendar: Calendar) -> datetime:
    """What waits since before this moment has had two whole banking days and the holidays among them."""
    day, passed = calendar.business_day(now), 0
    while passed < _PATIENCE_BANKING_DAYS:
        day -= _DAY
        if not calendar.is_holiday(day):
            passed += 1
    return calendar.cut_off_of(day - _DAY)


def compare(findings: Iterable[Finding], known: Iterable[Break]) -> Changes:
    """Tell new findings from known ones: what the run before has seen, be it open or explained.

    Of two sums that grow day by day the difference counts: as long as it is the same to the last unit, it is
    the same fact.
    """
    found = {_fact(finding): finding for finding in findings}
    seen = {_fact(each.finding): each for each in known}
    return Changes(
        new=[finding for fact, finding in found.items() if fact not in seen],
        gone=[each for fact, each in seen.items() if fact not in found],
    )


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


def differences(compared: Iterable[Comparison], currency: CurrencyCode) -> list[Finding]:
    """House accounts that are not what the rooms that use them say, or not what the partner says."""
    findings = []
    for each in compared:
        ledger, partner = each.ledger_minor, each.partner_minor
        if ledger != each.ours_minor:
            kind = BreakKind.HOUSE_ACCOUNT_DIFFERS
            findings.append(Finding(kind, each.topic, each.ours_minor, ledger, currency))
        if partner is not None and partner != ledger:
            findings.append(Finding(_UNLIKE_PARTNER[each.topic], each.topic, ledger, partner, currency))
    return findings


def _fact(finding: Finding) -> tuple[str, str, int]:
    return (finding.kind, finding.subject, finding.difference_minor)
