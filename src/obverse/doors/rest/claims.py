"""Claims: another person takes over a card that was handed to them, and spends it (OT-8).

The recipient needs no account. The holder token is all there is, and nothing here tells of the member.
"""

from typing import Annotated, Final

from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody
from msgspec import Meta

from obverse.cards import Card, Viewer
from obverse.doors.rest.auth import Everyone, Holder
from obverse.doors.rest.cards import CardFaceView, CardView, card_view, face_view
from obverse.doors.rest.services import HttpRequest, services
from obverse.doors.rest.shapes import Body, View
from obverse.kit.secret import Secret


class NewClaim(Body, frozen=True):
    token: Annotated[str, Meta(min_length=1, max_length=200, extra_json_schema={"format": "password"})]


class ClaimView(View, frozen=True):
    """`holder_token` is shown once; it goes into `Authorization: Bearer ...` of `/v1/claims/current`."""

    object: str
    card: CardView
    holder_token: str


@post("/v1/claims", before_request=Everyone(), tags=["claims"])
async def create_claim(request: HttpRequest, data: JSONBody[NewClaim]) -> ClaimView:
    """Claim a card. Of any number of claims with one token, the first gets the card."""
    card, holder_token = await services(request).cards.claim(Secret(data.token))
    return ClaimView("claim", card_view(card, Viewer.RECIPIENT), holder_token.reveal())


@get("/v1/claims/current", before_request=Holder(), tags=["claims"])
async def get_claim(request: HttpRequest) -> CardView:
    """The card that this holder token stands for."""
    return card_view(_card_of(request), Viewer.RECIPIENT)


@post("/v1/claims/current/reveal", before_request=Holder(), status_code=200, tags=["claims"])
async def reveal_claim(request: HttpRequest) -> CardFaceView:
    """Number, expiry and CVV, for the recipient."""
    card = _card_of(request)
    return face_view(card, services(request).cards.reveal(card, Viewer.RECIPIENT))


def _card_of(request: HttpRequest) -> Card:
    card: Card = request.scope["auth"]
    return card


ROUTES: Final[list[HTTPRouteHandler]] = [create_claim, get_claim, reveal_claim]
