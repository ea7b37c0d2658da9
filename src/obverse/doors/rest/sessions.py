"""Sessions: a member signs in with ID and password, and out again (OT-5)."""

from datetime import datetime
from typing import Final

from litestar import delete, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody

from obverse.doors.rest.auth import Allow, Everyone, bearer, caller_of
from obverse.doors.rest.errors import Unauthenticated
from obverse.doors.rest.services import HttpRequest, services
from obverse.doors.rest.shapes import Body, SecretText, Text, View
from obverse.kit.ids import to_text
from obverse.kit.secret import Secret


class NewSession(Body, frozen=True):
    """`member` is the member ID that registration gave."""

    member: Text
    password: SecretText


class SessionView(View, frozen=True):
    """`token` goes into `Authorization: Bearer ...` until `expires`."""

    object: str
    member: str
    token: str
    expires: datetime


@post("/v1/sessions", before_request=Everyone(), tags=["sessions"])
async def create_session(request: HttpRequest, data: JSONBody[NewSession]) -> SessionView:
    """Sign in. A wrong ID and a wrong password get the same answer, and attempts are limited."""
    session, token = await services(request).members.sign_in(data.member, Secret(data.password))
    return SessionView("session", to_text("mem", session.member_id), token.reveal(), session.expires_at)


@delete("/v1/sessions/current", before_request=Allow(members=True), tags=["sessions"])
async def delete_session(request: HttpRequest) -> None:
    """Sign out: the token is worth nothing from now on."""
    if caller_of(request).member_id is None:
        raise Unauthenticated
    await services(request).members.sign_out(bearer(request))


ROUTES: Final[list[HTTPRouteHandler]] = [create_session, delete_session]
