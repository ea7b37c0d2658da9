"""Every rule's answer, as a dry run and those who may know are told it (PF-9, PF-11)."""

import pytest

from obverse.authorization.model import Rule
from obverse.doors.rest.declines import explain


@pytest.mark.parametrize(
    ("failed", "unasked_from"),
    [
        (Rule(0), None),
        (Rule.KNOWN_CARD | Rule.MERCHANT_ACTIVE, Rule.CARD_DETAILS),
        (Rule.CARD_DETAILS, Rule.CARD_STATE),
        (Rule.FUNDING_ACTIVE | Rule.EXPIRY, Rule.FUNDS),
        (Rule.CARD_STATE | Rule.FUNDS, None),
    ],
    ids=str,
)
def test_a_rule_that_was_not_asked_does_not_count_as_passed(failed: Rule, unasked_from: Rule | None) -> None:
    for rule, told in zip(Rule, explain(failed), strict=True):
        unasked = unasked_from is not None and rule >= unasked_from
        assert told.result == ("fail" if rule in failed else "not_asked" if unasked else "pass")
