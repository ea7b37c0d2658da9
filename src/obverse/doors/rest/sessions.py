"""Sessions: members sign in with password or passkey, see from where, and sign out (OT-5, PF-12)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from litestar import delete, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody

from obverse.doors.rest.auth import Allow, Everyone, bearer, member_of
from obverse.doors.rest.profiles import Code
from obverse.doors.rest.request import origin_of
from obverse.doors.rest.services import HttpRequest, services
from obverse.doors.rest.shapes import (
    After,
    Body,
    Limit,
    ListView,
    SecretText,
    Text,
    View,
    list_view,
    page_request,
)
from obverse.kit.ids import SessionId, from_text, to_text
from obverse.kit.secret import Secret
from obverse.members import Method, Outcome, Session, SignIn

_MEMBERS: Final = Allow(members=True)


class NewSession(Body, frozen=True):
    """`member` is the id that joining gave, or the member ID of the member's choice.

    `otp` is the code of an authenticator app or a recovery code, for who has set that up.
    """

    member: Text
    password: SecretText
    otp: Code | None = None


class PasskeyAssertion(Body, frozen=True):
    """What `navigator.credentials.get` gave, as its `toJSON()` writes it."""

    credential: dict[str, Any]


class SessionView(View, frozen=True):
    """`token` goes into `Authorization: Bearer ...` until `expires`."""

    object: str
    member: str
    token: str
    expires: datetime


class OpenSessionView(View, frozen=True):
    """A session without its token; `current` is the one that asks.

    `origin` is the network it was opened from: /24 of IPv4, /48 of IPv6.
    """

    id: str
    object: str
    current: bool
    method: Method
    origin: str
    created: datetime
    expires: datetime


class SignInView(View, frozen=True):
    """One attempt to sign in. `unfinished`: the password was right and the second factor was not given."""

    id: str
    object: str
    method: Method
    outcome: Outcome
    origin: str
    created: datetime


class PasskeyOptionsView(View, frozen=True):
    """`public_key` is what the browser's WebAuthn call takes, as `parse...OptionsFromJSON` reads it."""

    object: str
    public_key: Mapping[str, Any]


@post("/v1/sessions", before_request=Everyone(), tags=["sessions"])
async def create_session(request: HttpRequest, data: JSONBody[NewSession]) -> SessionView:
    """Sign in. A wrong ID and a wrong password get the same answer, and attempts are limited."""
    otp = None if data.otp is None else Secret(data.otp)
    opened = await services(request).members.sign_in(
        data.member, Secret(data.password), otp=otp, origin=origin_of(request)
    )
    return _opened(*opened)


@post("/v1/sessions/passkey/options", before_request=Everyone(), status_code=200, tags=["sessions"])
async def create_passkey_sign_in_options(request: HttpRequest) -> PasskeyOptionsView:
    """Begin to sign in with a passkey. Nobody says who they are: the device offers what it has for us."""
    return PasskeyOptionsView("passkey_options", services(request).members.passkeys.sign_in_options())


@post("/v1/sessions/passkey", before_request=Everyone(), tags=["sessions"])
async def create_session_by_passkey(request: HttpRequest, data: JSONBody[PasskeyAssertion]) -> SessionView:
    """Sign in with a passkey; it takes the place of password and second factor."""
    passkeys = services(request).members.passkeys
    return _opened(*await passkeys.sign_in(data.credential, origin_of(request)))


@get("/v1/sessions", before_request=_MEMBERS, tags=["sessions"])
async def list_sessions(
    request: HttpRequest, limit: Limit = 20, after: After = None
) -> ListView[OpenSessionView]:
    """This member's open sessions, newest first."""
    members = services(request).members
    page = await members.sessions.list(member_of(request), page_request("ses", limit, after))
    own = await members.session(bearer(request))
    return list_view("ses", page, lambda session: _session_view(session, current=session == own))


@delete("/v1/sessions/current", before_request=_MEMBERS, tags=["sessions"])
async def delete_session(request: HttpRequest) -> None:
    """Sign out: the token is worth nothing from now on."""
    await services(request).members.sign_out(bearer(request))


@delete("/v1/sessions/{session_id:str}", before_request=_MEMBERS, tags=["sessions"])
async def end_session(request: HttpRequest, session_id: FromPath[str]) -> None:
    """End one of this member's sessions, wherever it was opened."""
    wanted = SessionId(from_text("ses", session_id))
    await services(request).members.sessions.end(member_of(request), wanted)


@get("/v1/members/me/sign_ins", before_request=_MEMBERS, tags=["sessions"])
async def list_sign_ins(request: HttpRequest, limit: Limit = 20, after: After = None) -> ListView[SignInView]:
    """How this member signed in, or somebody tried to, in the last 180 days, newest first."""
    members = services(request).members
    page = await members.sessions.history(member_of(request), page_request("sgn", limit, after))
    return list_view("sgn", page, _sign_in_view)


def _opened(session: Session, token: Secret) -> SessionView:
    return SessionView("session", to_text("mem", session.member_id), token.reveal(), session.expires_at)


def _session_view(session: Session, *, current: bool) -> OpenSessionView:
    return OpenSessionView(
        id=to_text("ses", session.id),
        object="session",
        current=current,
        method=session.method,
        origin=session.origin,
        created=session.created_at,
        expires=session.expires_at,
    )


def _sign_in_view(sign_in: SignIn) -> SignInView:
    return SignInView(
        to_text("sgn", sign_in.id),
        "sign_in",
        sign_in.method,
        sign_in.outcome,
        sign_in.origin,
        sign_in.created_at,
    )


ROUTES: Final[list[HTTPRouteHandler]] = [
    create_session,
    create_passkey_sign_in_options,
    create_session_by_passkey,
    list_sessions,
    delete_session,
    end_session,
    list_sign_ins,
]
