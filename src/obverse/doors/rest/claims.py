"""Claims: another person takes over a card that was handed to them, and spends it (OT-8).

The recipient needs no account. The holder token is all there is, and nothing here tells of the member.
"""

from typing import Annotated, Final

from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody
from msgspec import Meta

from obverse.authorization import Authorization, Status
from obverse.cards import Card, NewPin, Viewer
from obverse.doors.rest.auth import Everyone, Holder, bearer
from obverse.doors.rest.cards import CardFaceView, CardView, card_view, face_view
from obverse.doors.rest.errors import Unauthenticated
from obverse.doors.rest.payment_views import AuthorizationView, authorization_view
from obverse.doors.rest.services import HttpRequest, Services, services
from obverse.doors.rest.shapes import (
    After,
    Body,
    Limit,
    ListView,
    PinText,
    Text,
    View,
    list_view,
    page_request,
)
from obverse.kit.ids import MemberId
from obverse.kit.paging import Page
from obverse.kit.secret import Secret
from obverse.merchants import Merchant


class NewClaim(Body, frozen=True):
    """The card's new number needs a new PIN: give it now, typed twice, or later. `as_member` is for a member
    who is signed in and wants the card among their own."""

    token: Annotated[str, Meta(min_length=1, max_length=200, extra_json_schema={"format": "password"})]
    pin: PinText | None = None
    pin_again: PinText | None = None
    pin_hint: Text | None = None
    as_member: bool = False


class ClaimView(View, frozen=True):
    """`holder_token` is shown once; it goes into `Authorization: Bearer ...` of `/v1/claims/current`. There
    is none where the card is a member's now."""

    object: str
    card: CardView
    holder_token: str | None


@post("/v1/claims", before_request=Everyone(), tags=["claims"])
async def create_claim(request: HttpRequest, data: JSONBody[NewClaim]) -> ClaimView:
    """Claim a card. Of any number of claims with one token, the first gets the card."""
    joined = services(request)
    pin = None
    if data.pin is not None:
        pin = NewPin(Secret(data.pin), Secret(data.pin_again or ""), data.pin_hint)
    member_id = await _signed_in(request, joined) if data.as_member else None
    card, token = await joined.cards.claim(Secret(data.token), member_id=member_id, pin=pin)
    if token is None:
        return ClaimView("claim", card_view(card, Viewer.MEMBER), None)
    return ClaimView("claim", card_view(card, Viewer.RECIPIENT), token.reveal())


@get("/v1/claims/current", before_request=Holder(), tags=["claims"])
async def get_claim(request: HttpRequest) -> CardView:
    """The card that this holder token stands for."""
    return card_view(card_held(request), Viewer.RECIPIENT)


@post("/v1/claims/current/reveal", before_request=Holder(), status_code=200, tags=["claims"])
async def reveal_claim(request: HttpRequest) -> CardFaceView:
    """Number, expiry and CVV, for the recipient."""
    card = card_held(request)
    return face_view(card, services(request).cards.reveal(card, Viewer.RECIPIENT))


@get("/v1/claims/current/payments", before_request=Holder(), tags=["claims"])
async def list_claim_payments(
    request: HttpRequest, limit: Limit = 20, after: After = None
) -> ListView[AuthorizationView]:
    """What the card has paid for, newest first, so that its holder can name what they dispute."""
    joined, card = services(request), card_held(request)
    page = await joined.engine.list(
        page_request("auth", limit, after), card_id=card.id, status=Status.APPROVED
    )
    # Checks for nothing may be the giver's, from before the card was handed over.
    paid = [payment for payment in page.items if payment.amount.amount_minor > 0]
    shown = {
        payment.id: authorization_view(payment, await merchant_paid(joined, payment), reasons=False)
        for payment in paid
    }
    return list_view("auth", Page(paid, page.next_after), lambda payment: shown[payment.id])


async def _signed_in(request: HttpRequest, joined: Services) -> MemberId:
    session = await joined.members.session(bearer(request))
    if session is None:
        raise Unauthenticated
    return session.member_id


async def merchant_paid(joined: Services, payment: Authorization) -> Merchant | None:
    """Whom a payment went to."""
    merchant_id = payment.merchant_id
    return await joined.merchants.get(merchant_id) if merchant_id is not None else None


def card_held(request: HttpRequest) -> Card:
    """The card whose holder is calling."""
    card: Card = request.scope["auth"]
    return card


ROUTES: Final[list[HTTPRouteHandler]] = [create_claim, get_claim, reveal_claim, list_claim_payments]
