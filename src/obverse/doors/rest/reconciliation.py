"""Reconciliation: run it, see its sums, and explain what does not fit. Operators only."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Final

from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody, QueryParameter

from obverse.access.model import Scope
from obverse.doors.rest.auth import Allow, caller_of
from obverse.doors.rest.services import HttpRequest, services
from obverse.doors.rest.shapes import After, Body, Limit, ListView, Reason, View, list_view, page_request
from obverse.kit.errors import NotFound
from obverse.kit.ids import BreakId, from_text, to_text
from obverse.reconciliation import Break, BreakKind, BreakState, Run

_OPERATORS: Final = Allow(Scope.OPERATE)


class Explanation(Body, frozen=True):
    """Why a break is none, or how it was mended. Goes to the audit log."""

    reason: Reason


class ComparisonView(View, frozen=True):
    """One topic three ways, debits less credits; `partner` is null where there is none to ask."""

    topic: str
    ours: int
    ledger: int
    partner: int | None


class RunView(View, frozen=True):
    id: str
    object: str
    ran: datetime
    found: int
    cleared: int
    comparisons: Sequence[ComparisonView]


class BreakView(View, frozen=True):
    """`expected` is what our records say, `found` what the other side says; `subject` is what it is about.

    `gone` is when a run did not see the difference any more, whether or not it had been explained.
    """

    id: str
    object: str
    kind: BreakKind
    subject: str
    expected: int
    found: int
    currency: str
    state: BreakState
    reason: str | None
    created: datetime
    ended: datetime | None
    gone: datetime | None


@post("/v1/reconciliation_runs", before_request=_OPERATORS, tags=["reconciliation"])
async def run_reconciliation(request: HttpRequest) -> RunView:
    """Compare payments, ledger and partners now; differences become breaks. It also runs every hour."""
    return _run(await services(request).reconciliation.run())


@get("/v1/reconciliation_runs/latest", before_request=_OPERATORS, tags=["reconciliation"])
async def get_latest_run(request: HttpRequest) -> RunView:
    """The sums of the last run."""
    latest = await services(request).reconciliation.latest()
    if latest is None:
        raise NotFound("reconciliation run")
    return _run(latest)


@get("/v1/breaks", before_request=_OPERATORS, tags=["reconciliation"])
async def list_breaks(
    request: HttpRequest,
    limit: Limit = 20,
    after: After = None,
    state_: Annotated[BreakState | None, QueryParameter(name="state")] = None,
) -> ListView[BreakView]:
    """What does not fit, newest first."""
    page = await services(request).reconciliation.list(page_request("brk", limit, after), state_)
    return list_view("brk", page, _view)


@post(
    "/v1/breaks/{break_id:str}/resolve",
    before_request=_OPERATORS,
    status_code=200,
    tags=["reconciliation"],
)
async def resolve_break(
    request: HttpRequest, break_id: FromPath[str], data: JSONBody[Explanation]
) -> BreakView:
    """Explain a break. It comes back when its difference is another one, or was gone in between."""
    id_ = BreakId(from_text("brk", break_id))
    actor = caller_of(request).actor
    return _view(await services(request).reconciliation.resolve(id_, data.reason, actor))


def _run(run: Run) -> RunView:
    return RunView(
        id=to_text("run", run.id),
        object="reconciliation_run",
        ran=run.ran_at,
        found=run.found,
        cleared=run.cleared,
        comparisons=[
            ComparisonView(c.topic, c.ours_minor, c.ledger_minor, c.partner_minor) for c in run.comparisons
        ],
    )


def _view(found: Break) -> BreakView:
    finding = found.finding
    return BreakView(
        id=to_text("brk", found.id),
        object="break",
        kind=finding.kind,
        subject=finding.subject,
        expected=finding.expected_minor,
        found=finding.found_minor,
        currency=finding.currency,
        state=found.state,
        reason=found.reason,
        created=found.found_at,
        ended=found.ended_at,
        gone=found.gone_at,
    )


ROUTES: Final[list[HTTPRouteHandler]] = [run_reconciliation, get_latest_run, list_breaks, resolve_break]
