"""Every rule's answer, as a dry run and those who may know are told it (PF-9, PF-11)."""

import pytest

from obverse.authorization.model import Rule
from obverse.authorization.rules import ORDER
from obverse.doors.rest.declines import explain


@pytest.mark.parametrize(
    ("failed", "unasked_from"),
    [
        (Rule(0), None),
        (Rule.KNOWN_CARD | Rule.MERCHANT_ACTIVE, Rule.CARD_DETAILS),
        (Rule.CARD_DETAILS, Rule.PIN),
        (Rule.PIN, Rule.PROOF),
        (Rule.CODE, Rule.KNOWN_CARD),
        (Rule.PROOF, Rule.CARD_STATE),
        (Rule.CARD_STATE | Rule.FUNDS, None),
    ],
    ids=str,
)
def test_a_rule_that_was_not_asked_does_not_count_as_passed(failed: Rule, unasked_from: Rule | None) -> None:
    first = ORDER.index(unasked_from) if unasked_from is not None else len(ORDER)
    for at, (rule, told) in enumerate(zip(ORDER, explain(failed), strict=True)):
        unasked = at >= first
        assert told.result == ("fail" if rule in failed else "not_asked" if unasked else "pass")


def test_without_funding_nobody_asks_for_funds() -> None:
    told = {view.rule: view.result for view in explain(Rule.FUNDING_ACTIVE | Rule.EXPIRY)}
    assert (told["funding_active"], told["funds"], told["stand_in_accepted"]) == ("fail", "not_asked", "pass")
