"""Consent to having one's purchases counted: looked up, given, taken back (WA-15)."""

from datetime import datetime
from typing import Final

from litestar import get, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody

from obverse.access.model import Scope
from obverse.doors.rest.auth import Allow, caller_of
from obverse.doors.rest.services import HttpRequest, services
from obverse.doors.rest.shapes import Body, View
from obverse.history import Consent
from obverse.kit.ids import MemberId, from_text, to_text
from obverse.members import MemberNotFound


class NewConsent(Body, frozen=True):
    """Whether the member's purchases may be counted, among those of others, from now on."""

    given: bool


class ConsentView(View, frozen=True):
    """Where a member stands. `since` is when consent was given or withdrawn; None where it never was."""

    object: str
    member: str
    given: bool
    since: datetime | None


@get(
    "/v1/members/{member_id:str}/consent", before_request=Allow(Scope.MEMBERS, members=True), tags=["members"]
)
async def get_consent(request: HttpRequest, member_id: FromPath[str]) -> ConsentView:
    """Whether this member's purchases are counted. Members see their own."""
    wanted = MemberId(from_text("mem", member_id))
    caller_of(request).require_member(wanted, MemberNotFound())
    await services(request).members.get(wanted)
    return _view(wanted, await services(request).consents.of(wanted))


@put("/v1/members/{member_id:str}/consent", before_request=Allow(members=True), tags=["members"])
async def put_consent(
    request: HttpRequest, member_id: FromPath[str], data: JSONBody[NewConsent]
) -> ConsentView:
    """Give consent for what is bought from now on, or take it back. Only members themselves do.

    What is taken back counts from now on: months that have been counted stay as they are, nothing of this
    member is counted any more. May be repeated.
    """
    wanted = MemberId(from_text("mem", member_id))
    caller_of(request).require_member(wanted, MemberNotFound())
    return _view(wanted, await services(request).consents.set(wanted, given=data.given))


def _view(member_id: MemberId, consent: Consent | None) -> ConsentView:
    given = consent is not None and consent.withdrawn_at is None
    since = None if consent is None else consent.withdrawn_at or consent.given_at
    return ConsentView("consent", to_text("mem", member_id), given, since)


ROUTES: Final[list[HTTPRouteHandler]] = [get_consent, put_consent]
