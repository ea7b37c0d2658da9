"""Look-ups: a points issuer asks which of its own accounts stand behind a card that was typed (PR-9)."""

from collections.abc import Sequence
from typing import Final

from litestar import post
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody

from obverse.doors.rest.auth import PointsIssuerKey, caller_of, issuer_of
from obverse.doors.rest.services import HttpRequest, services
from obverse.doors.rest.shapes import Body, CardNumber, View
from obverse.kit.secret import Secret


class PointsLookup(Body, frozen=True):
    card_number: CardNumber


class FoundAccountView(View, frozen=True):
    """`account` is what the issuer gave us when the account was proved."""

    account: str
    last_four: str


class PointsLookupView(View, frozen=True):
    """`registered` tells a card without points from one that nobody has registered."""

    object: str
    registered: bool
    accounts: Sequence[FoundAccountView]


@post("/v1/points_lookups", before_request=PointsIssuerKey(), status_code=200, tags=["points accounts"])
async def look_up_points(request: HttpRequest, data: JSONBody[PointsLookup]) -> PointsLookupView:
    """Which of the issuer's own accounts are linked with this card. Each question is kept on record."""
    answer = await services(request).relay.lookups.look_up(
        issuer_of(request), Secret(data.card_number), actor=caller_of(request).actor
    )
    return PointsLookupView(
        object="points_lookup",
        registered=answer.registered,
        accounts=[FoundAccountView(found.handle.reveal(), found.last_four) for found in answer.accounts],
    )


ROUTES: Final[list[HTTPRouteHandler]] = [look_up_points]
