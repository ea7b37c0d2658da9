"""The ledger's trial balance. Operators only."""

from collections.abc import Sequence
from typing import Final

from litestar import get
from litestar.handlers import HTTPRouteHandler

from obverse.access.model import Scope
from obverse.doors.rest.auth import Allow
from obverse.doors.rest.services import HttpRequest, services
from obverse.doors.rest.shapes import View


class TrialBalanceLineView(View, frozen=True):
    """All accounts of one kind and currency, in minor units."""

    kind: str
    currency: str
    debits_pending: int
    debits_posted: int
    credits_pending: int
    credits_posted: int


class TrialBalanceView(View, frozen=True):
    """`balanced` is whether debits equal credits in every currency, which they always should (P2)."""

    object: str
    balanced: bool
    lines: Sequence[TrialBalanceLineView]


@get("/v1/ledger/trial_balance", before_request=Allow(Scope.OPERATE), tags=["operation"])
async def get_trial_balance(request: HttpRequest) -> TrialBalanceView:
    """The journal, added up by currency and kind of account."""
    lines = [
        TrialBalanceLineView(
            kind=line.kind,
            currency=line.currency,
            debits_pending=line.debits_pending_minor,
            debits_posted=line.debits_posted_minor,
            credits_pending=line.credits_pending_minor,
            credits_posted=line.credits_posted_minor,
        )
        for line in await services(request).ledger.trial_balance()
    ]
    return TrialBalanceView("trial_balance", _is_balanced(lines), lines)


def _is_balanced(lines: Sequence[TrialBalanceLineView]) -> bool:
    net: dict[tuple[str, str], int] = {}
    for line in lines:
        for state, difference in (
            ("pending", line.debits_pending - line.credits_pending),
            ("posted", line.debits_posted - line.credits_posted),
        ):
            net[line.currency, state] = net.get((line.currency, state), 0) + difference
    return not any(net.values())


ROUTES: Final[list[HTTPRouteHandler]] = [get_trial_balance]
