"""Presentments: our claims at the card company, for operators; what it bills, for members."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Final

from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from obverse.access.model import Scope
from obverse.authorization.model import ActionKind
from obverse.cards import Viewer, sight
from obverse.clearing.presentments import (
    Charge,
    Direction,
    FileState,
    PaymentState,
    Presentment,
    PresentmentFile,
    PresentmentState,
)
from obverse.doors.rest.auth import Allow, caller_of
from obverse.doors.rest.services import HttpRequest, services
from obverse.doors.rest.shapes import (
    After,
    Body,
    Limit,
    ListView,
    Reason,
    View,
    id_text,
    list_view,
    page_request,
)
from obverse.kit.ids import MemberId, PresentmentFileId, PresentmentId, from_text, to_text
from obverse.members import MemberNotFound

_OPERATORS: Final = Allow(Scope.OPERATE)


class Decision(Body, frozen=True):
    """What an operator decides about a rejected presentment, and why."""

    reason: Reason


class SumView(View, frozen=True):
    count: int
    amount: int


class PresentmentFileView(View, frozen=True):
    """`due` is `accepted` and what earlier files left over (`carried`, never positive); the card company pays
    it with `reference` on its transfer. `problem` says why the file is not further yet, or was refused."""

    id: str
    object: str
    reference: str
    business_day: date
    sequence: int
    state: FileState
    problem: str | None
    currency: str
    debits: SumView
    credits: SumView
    rejected_count: int
    accepted: int | None
    carried: int
    due: int | None
    received: int
    payment: PaymentState
    sha256: str | None
    created: datetime
    acknowledged: datetime | None


class PresentmentView(View, frozen=True):
    """`arn` is how the card company names it (DE 31); `is_final` lets it release the rest of its hold."""

    id: str
    object: str
    payment: str
    action: str
    direction: Direction
    amount: int
    currency: str
    arn: str
    approval_code: str | None
    is_final: bool
    state: PresentmentState
    file: str | None
    reject_reason: str | None
    created: datetime


class ChargePartView(View, frozen=True):
    """`state` is null until it is presented."""

    source: str
    amount: int
    state: PresentmentState | None


class ChargeView(View, frozen=True):
    """What a card company bills (`debit`) or gives back (`credit`); `merchant` is null for a card that was
    handed over."""

    id: str
    object: str
    kind: ActionKind
    direction: Direction
    amount: int
    currency: str
    payment: str
    card: str
    merchant: str | None
    parts: Sequence[ChargePartView]
    created: datetime


@post("/v1/presentment_files", before_request=_OPERATORS, status_code=200, tags=["presentments"])
async def present_now(request: HttpRequest) -> Sequence[PresentmentFileView]:
    """Present what waits, without waiting for the cut-off; empty where nothing does."""
    return [_file_view(file) for file in await services(request).presentments.present_now()]


@get("/v1/presentment_files", before_request=_OPERATORS, tags=["presentments"])
async def list_presentment_files(
    request: HttpRequest, limit: Limit = 20, after: After = None
) -> ListView[PresentmentFileView]:
    """Files to the card company, newest first."""
    page = await services(request).presentments.list_files(page_request("pfile", limit, after))
    return list_view("pfile", page, _file_view)


@get("/v1/presentment_files/{presentment_file_id:str}", before_request=_OPERATORS, tags=["presentments"])
async def get_presentment_file(
    request: HttpRequest, presentment_file_id: FromPath[str]
) -> PresentmentFileView:
    """One file, and where the money for it stands."""
    return _file_view(await services(request).presentments.get_file(_file_id(presentment_file_id)))


@post(
    "/v1/presentment_files/{presentment_file_id:str}/resubmit",
    before_request=_OPERATORS,
    status_code=200,
    tags=["presentments"],
)
async def resubmit_presentment_file(
    request: HttpRequest, presentment_file_id: FromPath[str], data: JSONBody[Decision]
) -> PresentmentFileView:
    """Let the next file carry everything that is rejected of this one."""
    file = await services(request).presentments.resubmit_file(
        _file_id(presentment_file_id), actor=caller_of(request).actor, reason=data.reason
    )
    return _file_view(file)


@get("/v1/presentments", before_request=_OPERATORS, tags=["presentments"])
async def list_presentments(
    request: HttpRequest,
    limit: Limit = 20,
    after: After = None,
    file: FromQuery[str | None] = None,
    state_: Annotated[PresentmentState | None, QueryParameter(name="state")] = None,
) -> ListView[PresentmentView]:
    """Presentments, newest first: all, those of one file, or those in one state."""
    page = await services(request).presentments.list(
        page_request("pres", limit, after), _file_id(file) if file is not None else None, state_
    )
    return list_view("pres", page, _view)


@get("/v1/presentments/{presentment_id:str}", before_request=_OPERATORS, tags=["presentments"])
async def get_presentment(request: HttpRequest, presentment_id: FromPath[str]) -> PresentmentView:
    """One presentment."""
    return _view(await services(request).presentments.get(_id(presentment_id)))


@post(
    "/v1/presentments/{presentment_id:str}/resubmit",
    before_request=_OPERATORS,
    status_code=200,
    tags=["presentments"],
)
async def resubmit_presentment(
    request: HttpRequest, presentment_id: FromPath[str], data: JSONBody[Decision]
) -> PresentmentView:
    """Let the next file carry a rejected presentment again."""
    presentment = await services(request).presentments.resubmit(
        _id(presentment_id), actor=caller_of(request).actor, reason=data.reason
    )
    return _view(presentment)


@post(
    "/v1/presentments/{presentment_id:str}/write_off",
    before_request=_OPERATORS,
    status_code=200,
    tags=["presentments"],
)
async def write_off_presentment(
    request: HttpRequest, presentment_id: FromPath[str], data: JSONBody[Decision]
) -> PresentmentView:
    """Give a rejected presentment up: the programme bears it. Repeating it changes nothing."""
    presentment = await services(request).presentments.write_off(
        _id(presentment_id), actor=caller_of(request).actor, reason=data.reason
    )
    return _view(presentment)


@get(
    "/v1/members/{member_id:str}/card_company_charges",
    before_request=Allow(Scope.MEMBERS, members=True),
    tags=["members"],
)
async def list_card_company_charges(
    request: HttpRequest, member_id: FromPath[str], limit: Limit = 20, after: After = None
) -> ListView[ChargeView]:
    """What card companies bill this member for linked cards, newest first; members see their own (OT-18)."""
    wanted = MemberId(from_text("mem", member_id))
    caller_of(request).require_member(wanted, MemberNotFound())
    page = await services(request).presentments.charges(wanted, page_request("act", limit, after))
    return list_view("act", page, _charge_view)


def _id(text: str) -> PresentmentId:
    return PresentmentId(from_text("pres", text))


def _file_id(text: str) -> PresentmentFileId:
    return PresentmentFileId(from_text("pfile", text))


def _file_view(file: PresentmentFile) -> PresentmentFileView:
    totals = file.totals
    return PresentmentFileView(
        id=to_text("pfile", file.id),
        object="presentment_file",
        reference=file.reference,
        business_day=file.business_day,
        sequence=file.sequence,
        state=file.state,
        problem=file.problem,
        currency=file.currency,
        debits=SumView(totals.debit_count, totals.debit_minor),
        credits=SumView(totals.credit_count, totals.credit_minor),
        rejected_count=file.rejected_count,
        accepted=file.accepted_minor,
        carried=file.carried_minor,
        due=file.due_minor,
        received=file.received_minor,
        payment=file.payment,
        sha256=file.sha256.hex() if file.sha256 is not None else None,
        created=file.created_at,
        acknowledged=file.acknowledged_at,
    )


def _view(presentment: Presentment) -> PresentmentView:
    return PresentmentView(
        id=to_text("pres", presentment.id),
        object="presentment",
        payment=to_text("auth", presentment.authorization_id),
        action=to_text("act", presentment.action_id),
        direction=presentment.direction,
        amount=presentment.amount.amount_minor,
        currency=presentment.amount.currency,
        arn=presentment.arn,
        approval_code=presentment.approval_code,
        is_final=presentment.is_final,
        state=presentment.state,
        file=id_text("pfile", presentment.file_id),
        reject_reason=presentment.reject_reason,
        created=presentment.created_at,
    )


def _charge_view(charge: Charge) -> ChargeView:
    shows_place = sight(charge, Viewer.MEMBER).payments
    return ChargeView(
        id=to_text("act", charge.id),
        object="card_company_charge",
        kind=charge.kind,
        direction=charge.direction,
        amount=charge.amount_minor,
        currency=charge.currency,
        payment=to_text("auth", charge.authorization_id),
        card=to_text("card", charge.card_id),
        merchant=to_text("mer", charge.merchant_id) if shows_place else None,
        parts=[
            ChargePartView(to_text("src", part.source_id), part.amount_minor, part.state)
            for part in charge.parts
        ],
        created=charge.created_at,
    )


ROUTES: Final[list[HTTPRouteHandler]] = [
    present_now,
    list_presentment_files,
    get_presentment_file,
    resubmit_presentment_file,
    list_presentments,
    get_presentment,
    resubmit_presentment,
    write_off_presentment,
    list_card_company_charges,
]
