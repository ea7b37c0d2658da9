"""Members: join, look up, suspend, reinstate."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Final

from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import Meta

from obverse.access.model import Scope
from obverse.doors.rest.auth import Allow, Everyone, caller_of
from obverse.doors.rest.funding_sources import LinkedCardFields, SourceView, card_details, source_view
from obverse.doors.rest.profiles import ProfileFields, check_twice, profile_of
from obverse.doors.rest.request import origin_of
from obverse.doors.rest.services import HttpRequest, services
from obverse.doors.rest.shapes import (
    BirthDate,
    Body,
    CardNumber,
    Cvv,
    ExpMonth,
    ExpYear,
    SecretText,
    View,
)
from obverse.kit.errors import InvalidRequest
from obverse.kit.ids import MemberId, from_text, to_text
from obverse.kit.secret import Secret
from obverse.members import Application, Member, MemberNotFound, Standing

_MANAGERS: Final = Allow(Scope.MEMBERS)
_CARD_FIELDS: Final = ("card_number", "exp_month", "exp_year", "cvv", "birth_date")


class NewMember(Body, frozen=True):
    """A person joins with a real card (the five card fields), for the programme's own credit, or for the
    wallet alone, with a `profile` (WA-1) and neither; only then may the `address` be left out.

    Nothing is stored before credit standing, duplicates and the card have been checked (OT-1, OT-2). With a
    `profile` the password comes twice.
    """

    identity_number: SecretText
    password: SecretText
    address: (
        Annotated[str, Meta(min_length=1, max_length=500, extra_json_schema={"format": "password"})] | None
    ) = None
    password_again: SecretText | None = None
    profile: ProfileFields | None = None
    card_number: CardNumber | None = None
    exp_month: ExpMonth | None = None
    exp_year: ExpYear | None = None
    cvv: Cvv | None = None
    birth_date: BirthDate | None = None
    credit_line: bool = False


class MemberView(View, frozen=True):
    """A member, without anything that names the person. `funding_sources` is filled at registration."""

    id: str
    object: str
    standing: Standing
    created: datetime
    funding_sources: Sequence[SourceView] | None


class AvailabilityView(View, frozen=True):
    """Whether they are free; null for what was not asked."""

    object: str
    member_id: bool | None
    nickname: bool | None


@post("/v1/members", before_request=_MANAGERS, tags=["members"])
async def create_member(request: HttpRequest, data: JSONBody[NewMember]) -> MemberView:
    """Join (OT-1 to OT-4, WA-1). A member signs in with the `id` in the answer or the ID they chose."""
    check_twice(data.password, data.password_again, required=data.profile is not None)
    profile, answer = None, None
    if data.profile is not None:
        profile, answer = profile_of(data.profile, services(request).members.time_zone)
    application = Application(
        identity_number=Secret(data.identity_number),
        address=None if data.address is None else Secret(data.address),
        password=Secret(data.password),
        profile=profile,
        answer=answer,
    )
    card = _card_of(data)
    if card is None and not data.credit_line and profile is None:
        raise InvalidRequest("Give a card to link, ask for a credit_line, or give a profile.", "card_number")
    details = card_details(card) if card is not None else None
    member, sources = await services(request).wallet.register(application, details, data.credit_line)
    return _view(member, [source_view(source) for source in sources])


@get("/v1/members/availability", before_request=Everyone(), tags=["members"])
async def get_availability(
    request: HttpRequest,
    member_id: Annotated[
        str | None, QueryParameter(max_length=40, description="A member ID somebody thinks of.")
    ] = None,
    nickname: Annotated[
        str | None, QueryParameter(max_length=40, description="A nickname somebody thinks of.")
    ] = None,
) -> AvailabilityView:
    """Whether a member ID or a nickname is free, to be asked while somebody types (WA-1).

    One address may ask sixty times an hour.
    """
    found = await services(request).members.profiles.availability(member_id, nickname, origin_of(request))
    return AvailabilityView("availability", *found)


@get("/v1/members/{member_id:str}", before_request=Allow(Scope.MEMBERS, members=True), tags=["members"])
async def get_member(request: HttpRequest, member_id: FromPath[str]) -> MemberView:
    """One member; members see themselves."""
    wanted = MemberId(from_text("mem", member_id))
    caller_of(request).require_member(wanted, MemberNotFound())
    return _view(await services(request).members.get(wanted))


@post("/v1/members/{member_id:str}/suspend", before_request=_MANAGERS, status_code=200, tags=["members"])
async def suspend_member(request: HttpRequest, member_id: FromPath[str]) -> MemberView:
    """Suspend a member: nothing behind their cards pays until they are reinstated."""
    return _view(await services(request).wallet.suspend(MemberId(from_text("mem", member_id))))


@post("/v1/members/{member_id:str}/reinstate", before_request=_MANAGERS, status_code=200, tags=["members"])
async def reinstate_member(request: HttpRequest, member_id: FromPath[str]) -> MemberView:
    """Lift a suspension."""
    return _view(await services(request).wallet.reinstate(MemberId(from_text("mem", member_id))))


def _card_of(data: NewMember) -> LinkedCardFields | None:
    given = {name: getattr(data, name) for name in _CARD_FIELDS}
    if all(value is None for value in given.values()):
        return None
    for name, value in given.items():
        if value is None:
            raise InvalidRequest(f"{name} is required with a card.", name)
    return LinkedCardFields(**given)


def _view(member: Member, sources: Sequence[SourceView] | None = None) -> MemberView:
    return MemberView(to_text("mem", member.id), "member", member.standing, member.created_at, sources)


ROUTES: Final[list[HTTPRouteHandler]] = [
    create_member,
    get_availability,
    get_member,
    suspend_member,
    reinstate_member,
]
