"""Applications: somebody wants to be a merchant, an operator decides, the first key is fetched once.

Anybody may apply. The applicant's token is all there is to follow an application with.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Final

import msgspec
from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody, QueryParameter

from obverse.access.model import Scope
from obverse.doors.rest.auth import Allow, Applicant, Everyone, application_of, caller_of
from obverse.doors.rest.merchant_shapes import (
    ONE_TIME_ONLY,
    Accepts,
    AcquirerId,
    DecisionBody,
    FeePlanShape,
    MerchantNo,
    PayoutBody,
    PayoutView,
    Terminals,
    bank_account,
    decision,
    payout_view,
    terms,
)
from obverse.doors.rest.services import HttpRequest, services
from obverse.doors.rest.shapes import (
    After,
    Body,
    Category,
    Limit,
    ListView,
    Metadata,
    Reason,
    Text,
    View,
    list_view,
    page_request,
)
from obverse.kit.ids import ApplicationId, from_text, to_text
from obverse.merchants import Application, ApplicationState, Details, Rhythm

_MANAGERS: Final = Allow(Scope.MERCHANTS)


class NewApplication(Body, frozen=True):
    """`contact` is whom to ask, and where. The account can be given later, by way of the operator."""

    name: Text
    category: Category
    acquirer_id: AcquirerId
    merchant_no: MerchantNo
    contact: Text
    terminals: Terminals = ()
    payout: PayoutBody | None = None
    metadata: Metadata = msgspec.field(default_factory=dict)


class Approval(Body, frozen=True):
    """The terms on which the applicant becomes a merchant."""

    reason: Reason
    fee_plan: FeePlanShape = FeePlanShape()
    accepts: Accepts = ONE_TIME_ONLY


class ApplicationView(View, frozen=True):
    """`token` is filled in the answer that took the application in, and never again."""

    id: str
    object: str
    state: ApplicationState
    merchant: str | None
    reason: str | None
    name: str
    category: str
    acquirer_id: str
    merchant_no: str
    contact: str
    terminals: Sequence[str]
    payout: PayoutView
    created: datetime
    decided: datetime | None
    key_fetched: bool
    metadata: Mapping[str, str]
    token: str | None


class FirstKeyView(View, frozen=True):
    """The applicant's first API key; `token` is shown here and never again."""

    id: str
    object: str
    merchant: str
    token: str


# the applicant


@post("/v1/merchant_applications", before_request=Everyone(), tags=["merchant applications"])
async def create_application(request: HttpRequest, data: JSONBody[NewApplication]) -> ApplicationView:
    """Apply to be a merchant. Keep the `token`: with it, `/v1/merchant_applications/current` tells the state.

    One address may apply twenty times an hour.
    """
    details = Details(
        name=data.name,
        category=data.category,
        acquirer_id=data.acquirer_id,
        merchant_no=data.merchant_no,
        terminals=data.terminals,
        rhythm=Rhythm(data.payout.rhythm) if data.payout else Rhythm.DAILY,
        metadata=data.metadata,
        contact=data.contact,
    )
    account = bank_account(data.payout.account) if data.payout else None
    origin = request.client.host if request.client else ""
    application, token = await services(request).applications.apply(details, account, origin)
    return _view(application, token.reveal())


@get("/v1/merchant_applications/current", before_request=Applicant(), tags=["merchant applications"])
async def get_own_application(request: HttpRequest) -> ApplicationView:
    """The application that this token stands for."""
    return _view(application_of(request))


@post("/v1/merchant_applications/current/key", before_request=Applicant(), tags=["merchant applications"])
async def create_first_key(request: HttpRequest) -> FirstKeyView:
    """Make the first API key of the merchant that this application has become. Once; keep its token."""
    application = application_of(request)
    key_id, token = await services(request).applications.first_key(application.id)
    return FirstKeyView(
        to_text("key", key_id), "api_key", to_text("mer", application.merchant_id), token.reveal()
    )


# the operator


@get("/v1/merchant_applications", before_request=_MANAGERS, tags=["merchant applications"])
async def list_applications(
    request: HttpRequest,
    limit: Limit = 20,
    after: After = None,
    state_: Annotated[ApplicationState | None, QueryParameter(name="state")] = None,
) -> ListView[ApplicationView]:
    """Applications, newest first."""
    states = tuple(ApplicationState) if state_ is None else (state_,)
    page = await services(request).applications.list(page_request("app", limit, after), states)
    return list_view("app", page, _view)


@get(
    "/v1/merchant_applications/{application_id:str}",
    before_request=_MANAGERS,
    tags=["merchant applications"],
)
async def get_application(request: HttpRequest, application_id: FromPath[str]) -> ApplicationView:
    """One application."""
    return _view(await services(request).applications.get(_id(application_id)))


@post(
    "/v1/merchant_applications/{application_id:str}/approve",
    before_request=_MANAGERS,
    status_code=200,
    tags=["merchant applications"],
)
async def approve_application(
    request: HttpRequest, application_id: FromPath[str], data: JSONBody[Approval]
) -> ApplicationView:
    """Make the applicant a merchant on these terms. Repeating it makes no second; other terms are refused."""
    return _view(
        await services(request).applications.approve(
            _id(application_id),
            terms(data.fee_plan, data.accepts),
            decision(caller_of(request), data.reason),
        )
    )


@post(
    "/v1/merchant_applications/{application_id:str}/reject",
    before_request=_MANAGERS,
    status_code=200,
    tags=["merchant applications"],
)
async def reject_application(
    request: HttpRequest, application_id: FromPath[str], data: JSONBody[DecisionBody]
) -> ApplicationView:
    """Refuse. The applicant is told the reason; the account it gave is forgotten."""
    decided = decision(caller_of(request), data.reason)
    return _view(await services(request).applications.reject(_id(application_id), decided))


def _id(text: str) -> ApplicationId:
    return ApplicationId(from_text("app", text))


def _view(application: Application, token: str | None = None) -> ApplicationView:
    details = application.details
    approved = application.state is ApplicationState.APPROVED
    return ApplicationView(
        id=to_text("app", application.id),
        object="merchant_application",
        state=application.state,
        merchant=to_text("mer", application.merchant_id) if approved else None,
        reason=application.reason,
        name=details.name,
        category=details.category,
        acquirer_id=details.acquirer_id,
        merchant_no=details.merchant_no,
        contact=details.contact,
        terminals=details.terminals,
        payout=payout_view(details.rhythm, application.account),
        created=application.created_at,
        decided=application.decided_at,
        key_fetched=application.key_id is not None,
        metadata=details.metadata,
        token=token,
    )


ROUTES: Final[list[HTTPRouteHandler]] = [
    create_application,
    get_own_application,
    create_first_key,
    list_applications,
    get_application,
    approve_application,
    reject_application,
]
