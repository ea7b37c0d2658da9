"""Daily statements: of which days a member was told (WA-13)."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Final

from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromQuery, QueryParameter

from obverse.access.model import Scope
from obverse.doors.rest.auth import Allow, caller_of
from obverse.doors.rest.funding_sources import member_named
from obverse.doors.rest.services import HttpRequest, services
from obverse.doors.rest.shapes import Limit, View, id_text
from obverse.notifications.statements import Told


class DailyStatementView(View, frozen=True):
    """A day on which something happened. `letter` is None where no statements are wanted."""

    object: str
    day: date
    entries: int
    letter: str | None


class DailyStatementsView(View, frozen=True):
    """Newest first; ask for those `before` the last day to go on."""

    data: Sequence[DailyStatementView]
    has_more: bool


@get("/v1/daily_statements", before_request=Allow(Scope.MEMBERS, members=True), tags=["history"])
async def list_daily_statements(
    request: HttpRequest,
    limit: Limit = 20,
    before: Annotated[date | None, QueryParameter(description="Days before this one.")] = None,
    member: FromQuery[str | None] = None,
) -> DailyStatementsView:
    """Of which days a member was told, newest first. Days without a transaction have no statement."""
    member_id = member_named(caller_of(request), member)
    told = await services(request).daily_statements.of_member(member_id, before, limit + 1)
    return DailyStatementsView([_view(each) for each in told[:limit]], len(told) > limit)


def _view(told: Told) -> DailyStatementView:
    return DailyStatementView("daily_statement", told.day, told.entries, id_text("let", told.letter_id))


ROUTES: Final[list[HTTPRouteHandler]] = [list_daily_statements]
