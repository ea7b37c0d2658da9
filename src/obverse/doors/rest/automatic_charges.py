"""Cards that charge themselves when they run short (WA-6); for their members only."""

from datetime import datetime
from typing import Final

from litestar import get, post, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody

from obverse.cards import Card, CardHandedOver, HeldBy
from obverse.charging import AutomaticCharge, AutomaticChargeNotFound, AutomaticState, Shortage
from obverse.doors.rest.auth import Allow, caller_of
from obverse.doors.rest.cards import own_card
from obverse.doors.rest.errors import Unauthenticated
from obverse.doors.rest.services import HttpRequest, services
from obverse.doors.rest.shapes import Body, Id, ListView, PositiveAmount, View, id_text
from obverse.kit.ids import MemberId, SourceId, from_text, to_text

_MEMBERS: Final = Allow(members=True)
_TAGS: Final = ["charges"]


class AutomaticChargeBody(Body, frozen=True):
    """Charge `amount` whenever less than `threshold` may be spent. Without a `source`, the member's first
    that can pays, in the order of their funding sources."""

    threshold: PositiveAmount
    amount: PositiveAmount
    source: Id | None = None


class AutomaticChargeView(View, frozen=True):
    """`paused` with a reason after one that failed: set it again to go on."""

    object: str
    card: str
    status: AutomaticState
    threshold: int
    amount: int
    source: str | None
    pause_reason: str | None
    charge: str | None
    created: datetime


@put("/v1/automatic_charges/{card_id:str}", before_request=_MEMBERS, tags=_TAGS)
async def set_automatic_charge(
    request: HttpRequest, card_id: FromPath[str], data: JSONBody[AutomaticChargeBody]
) -> AutomaticChargeView:
    """Have a card charge itself, three times a day at most; in place of what was set before."""
    joined, member_id = services(request), _member(request)
    card = await own_card(joined, caller_of(request), card_id)
    source_id = SourceId(from_text("src", data.source, "source")) if data.source is not None else None
    wish = Shortage(data.threshold, data.amount, source_id)
    return _view(await joined.automatic_charges.set(_held(card), member_id, wish))


@get("/v1/automatic_charges", before_request=_MEMBERS, tags=_TAGS)
async def list_automatic_charges(request: HttpRequest) -> ListView[AutomaticChargeView]:
    """The member's cards that charge themselves."""
    rules = await services(request).automatic_charges.list(_member(request))
    return ListView([_view(rule) for rule in rules], False, None)


@get("/v1/automatic_charges/{card_id:str}", before_request=_MEMBERS, tags=_TAGS)
async def get_automatic_charge(request: HttpRequest, card_id: FromPath[str]) -> AutomaticChargeView:
    """What a card does when it runs short."""
    return _view(await _own_rule(request, card_id))


@post("/v1/automatic_charges/{card_id:str}/remove", before_request=_MEMBERS, status_code=200, tags=_TAGS)
async def remove_automatic_charge(request: HttpRequest, card_id: FromPath[str]) -> AutomaticChargeView:
    """Have a card charge itself no more; a charge that is under way goes on."""
    rule = await _own_rule(request, card_id)
    await services(request).automatic_charges.remove(rule)
    return _view(rule)


async def _own_rule(request: HttpRequest, card_id: str) -> AutomaticCharge:
    """What this member has set for a card of theirs; what its giver had is none of their business (P12)."""
    joined = services(request)
    card = await own_card(joined, caller_of(request), card_id)
    rule = await joined.automatic_charges.get(card.id)
    if rule.member_id != card.member_id:
        raise AutomaticChargeNotFound
    return rule


def _member(request: HttpRequest) -> MemberId:
    member_id = caller_of(request).member_id
    if member_id is None:
        raise Unauthenticated
    return member_id


def _held(card: Card) -> Card:
    if card.held_by is not HeldBy.MEMBER:
        raise CardHandedOver(card.id)
    return card


def _view(rule: AutomaticCharge) -> AutomaticChargeView:
    return AutomaticChargeView(
        object="automatic_charge",
        card=to_text("card", rule.card_id),
        status=rule.state,
        threshold=rule.threshold_minor,
        amount=rule.amount_minor,
        source=id_text("src", rule.paid_by),
        pause_reason=rule.pause_reason,
        charge=id_text("chg", rule.charge_id),
        created=rule.created_at,
    )


ROUTES: Final[list[HTTPRouteHandler]] = [
    set_automatic_charge,
    list_automatic_charges,
    get_automatic_charge,
    remove_automatic_charge,
]
