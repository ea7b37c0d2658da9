"""Metered sessions: calls, voice and content that are charged while they run (PP-5, PP-7)."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final

from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from msgspec import Meta

from obverse.access.model import Scope
from obverse.doors.rest.answer import Answer, Repeatable
from obverse.doors.rest.auth import Allow, caller_of
from obverse.doors.rest.declines import FOR_MEMBERS, FOR_MERCHANTS, DeclineView
from obverse.doors.rest.services import HttpRequest, services
from obverse.doors.rest.shapes import (
    After,
    Body,
    CardNumber,
    Cvv,
    ExpMonth,
    ExpYear,
    Id,
    Limit,
    ListView,
    View,
    list_view,
    page_request,
)
from obverse.kit.errors import InvalidRequest
from obverse.kit.ids import MeterSessionId, from_text, to_text
from obverse.kit.secret import Secret
from obverse.metering import Credential, Opening, Session, SessionNotFound, SessionState
from obverse.metering.rules import SECONDS_MAX, charged_minor, granted_seconds

_SERVICES: Final = Allow(Scope.PAYMENTS, merchant_keys=True)

Pin = Annotated[str, Meta(pattern="^[0-9]{4,6}$", max_length=6)]
Seconds = Annotated[int, Meta(ge=0, le=SECONDS_MAX, description="From the beginning of the session.")]
Piece = Annotated[int, Meta(ge=1, le=SECONDS_MAX)]
TariffName = Annotated[str, Meta(min_length=1, max_length=40, pattern=r"^[\x20-\x7e]+$(?!\n)")]
Reference = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^[\x20-\x7e]+$(?!\n)")]


class NewMeteredSession(Body, frozen=True):
    """The holder shows number and PIN, or number, expiry and CVV.

    `seconds` is how much to reserve at first; without it, the tariff says. `reference` is the service's own
    name for the session.
    """

    card_number: CardNumber
    pin: Pin | None = None
    exp_month: ExpMonth | None = None
    exp_year: ExpYear | None = None
    cvv: Cvv | None = None
    merchant: Id | None = None
    tariff: TariffName = "default"
    seconds: Piece | None = None
    reference: Reference | None = None


class ConsumeBody(Body, frozen=True):
    """`used` is all that was used so far: a report that comes late or twice counts once."""

    used: Seconds


class ExtendBody(Body, frozen=True):
    """`until` is how far the session is to go on, counted from its beginning like `used`."""

    used: Seconds
    until: Seconds


class CloseBody(Body, frozen=True):
    """`used` is all that was used; without it, what was reported last."""

    used: Seconds | None = None


class BalanceState(StrEnum):
    """Whether there is more where that came from."""

    ENOUGH = "enough"
    LAST = "last"
    """What is granted is all that could be had: end the session when it is used up."""
    GONE = "gone"


class MeteredSessionView(View, frozen=True):
    """`granted_until` and `used` are seconds from the beginning of the session.

    `valid_until` is when the session wants to be heard of again; some time after that it is cut off.
    """

    id: str
    object: str
    merchant: str
    tariff: str
    reference: str | None
    status: SessionState
    used: int
    granted_until: int
    cost: int
    currency: str
    balance: BalanceState
    decline: DeclineView | None
    valid_until: datetime
    created: datetime
    ended: datetime | None


@post(
    "/v1/metered_sessions",
    before_request=_SERVICES,
    operation_class=Repeatable,
    tags=["metered sessions"],
)
async def open_metered_session(
    request: HttpRequest, data: JSONBody[NewMeteredSession]
) -> Answer[MeteredSessionView]:
    """Open a session and reserve its first piece. A decline is an answer: 201 with `status: declined`.

    Send an `Idempotency-Key`; repeating the same request with it gives the session as it stands.
    """
    caller, joined = caller_of(request), services(request)
    merchant_id = caller.merchant_meant(data.merchant)
    if merchant_id is None:
        raise InvalidRequest("merchant is required with a key that is not a merchant's own.", "merchant")
    opening = Opening(
        merchant=await joined.merchants.get(merchant_id),
        credential=_credential(data),
        tariff=data.tariff,
        seconds=data.seconds,
        reference=data.reference,
    )
    opened = await joined.metering.open(opening, key=caller.command_key(request))
    return Answer(_view(request, opened.session), repeated=opened.repeated)


@get("/v1/metered_sessions/{metered_session_id:str}", before_request=_SERVICES, tags=["metered sessions"])
async def get_metered_session(request: HttpRequest, metered_session_id: FromPath[str]) -> MeteredSessionView:
    """One session, as it stands."""
    return _view(request, await _visible(request, metered_session_id))


@get("/v1/metered_sessions", before_request=_SERVICES, tags=["metered sessions"])
async def list_metered_sessions(
    request: HttpRequest,
    limit: Limit = 20,
    after: After = None,
    merchant: FromQuery[str | None] = None,
    reference: Annotated[
        str | None, QueryParameter(description="The service's own name for a session.")
    ] = None,
) -> ListView[MeteredSessionView]:
    """A merchant's sessions, newest first; with a `reference`, the one it names."""
    merchant_id = caller_of(request).merchant_meant(merchant)
    if merchant_id is None:
        raise InvalidRequest("merchant is required with a key that is not a merchant's own.", "merchant")
    page = await services(request).metering.list(
        merchant_id, page_request("mses", limit, after), _printable(reference)
    )
    return list_view("mses", page, lambda session: _view(request, session))


@post(
    "/v1/metered_sessions/{metered_session_id:str}/consume",
    before_request=_SERVICES,
    status_code=200,
    tags=["metered sessions"],
)
async def consume_metered_session(
    request: HttpRequest, metered_session_id: FromPath[str], data: JSONBody[ConsumeBody]
) -> MeteredSessionView:
    """Report what was used so far. Reports that come late, twice or out of order take nothing back."""
    session = await _visible(request, metered_session_id)
    return _view(request, await services(request).metering.consume(session.id, data.used))


@post(
    "/v1/metered_sessions/{metered_session_id:str}/extend",
    before_request=_SERVICES,
    status_code=200,
    tags=["metered sessions"],
)
async def extend_metered_session(
    request: HttpRequest, metered_session_id: FromPath[str], data: JSONBody[ExtendBody]
) -> MeteredSessionView:
    """Report what was used, and reserve so much that the session may go on until `until`.

    Repeating it reserves nothing twice. Where the balance is short, what it allows is granted.
    """
    session = await _visible(request, metered_session_id)
    return _view(request, await services(request).metering.extend(session.id, data.used, data.until))


@post(
    "/v1/metered_sessions/{metered_session_id:str}/close",
    before_request=_SERVICES,
    status_code=200,
    tags=["metered sessions"],
)
async def close_metered_session(
    request: HttpRequest, metered_session_id: FromPath[str], data: JSONBody[CloseBody | None] = None
) -> MeteredSessionView:
    """End the session: what was used is paid, the rest given back. Closing again changes nothing."""
    session = await _visible(request, metered_session_id)
    used = data.used if data is not None else None
    return _view(request, await services(request).metering.close(session.id, used))


async def _visible(request: HttpRequest, metered_session_id: str) -> Session:
    """The session, if this caller may know that it exists (P12)."""
    session = await services(request).metering.get(MeterSessionId(from_text("mses", metered_session_id)))
    if caller_of(request).merchant_id not in (None, session.merchant_id):
        raise SessionNotFound
    return session


def _credential(data: NewMeteredSession) -> Credential:
    if data.pin is None and None in (data.exp_month, data.exp_year, data.cvv):
        raise InvalidRequest("Send the pin, or exp_month, exp_year and cvv.", "pin")
    expiry = None
    if data.exp_year is not None and data.exp_month is not None:
        expiry = f"{data.exp_year % 100:02d}{data.exp_month:02d}"
    return Credential(
        Secret(data.card_number),
        pin=Secret(data.pin) if data.pin is not None else None,
        expiry=expiry,
        cvv=Secret(data.cvv) if data.cvv is not None else None,
    )


def _printable(reference: str | None) -> str | None:
    if reference is not None and not reference.isprintable():
        raise InvalidRequest("A reference has printable characters only.", "reference")
    return reference


def _view(request: HttpRequest, session: Session) -> MeteredSessionView:
    texts = FOR_MEMBERS if caller_of(request).sees_reasons else FOR_MERCHANTS
    return MeteredSessionView(
        id=to_text("mses", session.id),
        object="metered_session",
        merchant=to_text("mer", session.merchant_id),
        tariff=session.tariff.name,
        reference=session.reference,
        status=session.state,
        used=session.used_seconds,
        granted_until=granted_seconds(session),
        cost=charged_minor(session),
        currency=session.tariff.currency,
        balance=_balance(session),
        decline=texts[session.decline] if session.decline is not None else None,
        valid_until=session.valid_until,
        created=session.created_at,
        ended=session.ended_at,
    )


def _balance(session: Session) -> BalanceState:
    if not session.is_last:
        return BalanceState.ENOUGH
    return BalanceState.LAST if session.used_seconds < granted_seconds(session) else BalanceState.GONE


ROUTES: Final[list[HTTPRouteHandler]] = [
    open_metered_session,
    get_metered_session,
    list_metered_sessions,
    consume_metered_session,
    extend_metered_session,
    close_metered_session,
]
