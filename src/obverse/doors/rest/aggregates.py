"""Figures about what consenting members buy: merchants read their own, operators all (WA-15)."""

from collections.abc import Sequence
from typing import Annotated, Final

from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromQuery, QueryParameter

from obverse.access.model import Scope
from obverse.billing import Month
from obverse.doors.rest.auth import Allow, caller_of
from obverse.doors.rest.services import HttpRequest, services
from obverse.doors.rest.shapes import View
from obverse.history import Dimension, Figure

_A_MONTH: Final = "A calendar month, `2026-11`."


class FigureView(View, frozen=True):
    """`key` is a month, a category, a merchant's id, or what cards were bought for: empty for numbers of one
    use. `average` is rounded down to whole minor units."""

    key: str
    currency: str
    purchases: int
    amount: int
    average: int


class AggregatesView(View, frozen=True):
    """Sums over cells of one month, merchant, category and denomination, each made up by enough members.

    What is behind smaller cells is in none of these figures, so a total is the total of what is shown.
    """

    object: str
    by: Dimension
    data: Sequence[FigureView]


@get("/v1/aggregates", before_request=Allow(Scope.REPORTS, merchant_keys=True), tags=["reports"])
async def get_aggregates(
    request: HttpRequest,
    by: FromQuery[Dimension],
    since: Annotated[str, QueryParameter(description=_A_MONTH)],
    until: Annotated[str, QueryParameter(description=_A_MONTH + " Included.")],
    merchant: FromQuery[str | None] = None,
) -> AggregatesView:
    """What was bought in some months, as counts, sums and averages. Months appear once all is claimed."""
    merchant_id = caller_of(request).merchant_meant(merchant)
    figures = await services(request).aggregates.figures(
        by, Month.parse(since), Month.parse(until), merchant_id
    )
    return AggregatesView("aggregates", by, [_view(figure) for figure in figures])


def _view(figure: Figure) -> FigureView:
    return FigureView(
        key=figure.key,
        currency=figure.amount.currency,
        purchases=figure.purchases,
        amount=figure.amount.amount_minor,
        average=figure.average_minor,
    )


ROUTES: Final[list[HTTPRouteHandler]] = [get_aggregates]
