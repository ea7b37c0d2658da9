"""Disputes: open, follow, answer with documents, accept, withdraw, decide.

Whoever holds the card disputes: a member by their session, the recipient of a handed-over card by its holder
token. The giver of a card neither opens nor sees a dispute about it (OT-8).
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Final
from urllib.parse import quote

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from msgspec import Meta

from obverse.access.model import Scope
from obverse.authorization import Authorization
from obverse.cards import Card, HeldBy
from obverse.disputes import (
    DOCUMENT_BYTES_MAX,
    MEDIA_TYPES,
    Complaint,
    Dispute,
    DisputeNotFound,
    Document,
    Outcome,
    Party,
    Reason,
    State,
)
from obverse.doors.rest.answer import Answer, Repeatable
from obverse.doors.rest.auth import Allow, Caller, Holder, caller_of
from obverse.doors.rest.claims import card_held
from obverse.doors.rest.openapi import takes_file
from obverse.doors.rest.payments import visible_payment
from obverse.doors.rest.request import BODY_OPTION, raw_header
from obverse.doors.rest.services import HttpRequest, Services, services
from obverse.doors.rest.shapes import (
    After,
    Body,
    Id,
    Limit,
    ListView,
    PositiveAmount,
    View,
    list_view,
    page_request,
)
from obverse.doors.rest.shapes import Reason as AuditReason
from obverse.kit.errors import NotFound
from obverse.kit.ids import AuthorizationId, DisputeId, from_text, to_text
from obverse.kit.paging import Page

_MEMBERS: Final = Allow(members=True)
_MERCHANTS: Final = Allow(Scope.PAYMENTS, merchant_keys=True)
_READERS: Final = Allow(Scope.PAYMENTS, merchant_keys=True, members=True)

LongText = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=2_000,
        # Lines may be broken; other control characters are refused as everywhere.
        pattern=r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$",
    ),
]


class NewDispute(Body, frozen=True):
    """`statement` goes to the merchant as it is. Without an amount, all that is left of the payment."""

    payment: Id
    reason: Reason
    statement: LongText
    amount: PositiveAmount | None = None


class NewAnswer(Body, frozen=True):
    """What the merchant has to say. Hand in documents first: after the answer there is no room for more."""

    text: LongText


class NewDecision(Body, frozen=True):
    """`reason` goes into the audit log."""

    outcome: Outcome
    reason: AuditReason


class DocumentView(View, frozen=True):
    number: int
    name: str
    media_type: str
    size: int


class DisputeView(View, frozen=True):
    """The same for everybody who may see it: nothing in it tells of the card or who holds it."""

    id: str
    object: str
    payment: str
    merchant: str
    amount: int
    currency: str
    reason: Reason
    statement: str
    state: State
    answer_due: datetime
    answer: str | None
    documents: Sequence[DocumentView]
    outcome: Outcome | None
    ended_by: Party | None
    ended: datetime | None
    created: datetime


# the holder of the card


@post("/v1/disputes", before_request=_MEMBERS, operation_class=Repeatable, tags=["disputes"])
async def create_dispute(request: HttpRequest, data: JSONBody[NewDispute]) -> Answer[DisputeView]:
    """Dispute a captured payment. The amount is credited at once, and cannot be spent until this has ended.

    Send an `Idempotency-Key`; repeating the same request with it opens one dispute.
    """
    joined, caller = services(request), caller_of(request)
    payment = await visible_payment(joined, caller, data.payment)
    if payment.card_id is None:
        raise NotFound("payment")
    card = await joined.cards.get(payment.card_id)
    return await _open(request, caller, payment, card, HeldBy.MEMBER, data)


@post("/v1/claims/current/disputes", before_request=Holder(), operation_class=Repeatable, tags=["claims"])
async def create_claim_dispute(request: HttpRequest, data: JSONBody[NewDispute]) -> Answer[DisputeView]:
    """The same for the recipient of a card that was handed over."""
    card = card_held(request)
    payment = await services(request).engine.get(AuthorizationId(from_text("auth", data.payment)))
    if payment.card_id != card.id:
        raise NotFound("payment")
    return await _open(request, Caller(card.id.hex), payment, card, HeldBy.RECIPIENT, data)


@post("/v1/disputes/{dispute_id:str}/withdraw", before_request=_MEMBERS, status_code=200, tags=["disputes"])
async def withdraw_dispute(request: HttpRequest, dispute_id: FromPath[str]) -> DisputeView:
    """Give up: the provisional credit is taken back. The payment may be disputed once more."""
    joined, caller = services(request), caller_of(request)
    dispute = await _visible(joined, caller, dispute_id)
    return await _shown(joined, await joined.disputes.withdraw(dispute.id))


@post(
    "/v1/claims/current/disputes/{dispute_id:str}/withdraw",
    before_request=Holder(),
    status_code=200,
    tags=["claims"],
)
async def withdraw_claim_dispute(request: HttpRequest, dispute_id: FromPath[str]) -> DisputeView:
    """The same for the recipient of a card that was handed over."""
    joined = services(request)
    dispute = await _of_holder(request, dispute_id)
    return await _shown(joined, await joined.disputes.withdraw(dispute.id))


@get(
    "/v1/claims/current/disputes/{dispute_id:str}/documents/{number:int}",
    before_request=Holder(),
    tags=["claims"],
)
async def get_claim_document(
    request: HttpRequest, dispute_id: FromPath[str], number: FromPath[int]
) -> Response[bytes]:
    """A document that the merchant handed in, for the recipient of a card that was handed over."""
    return await _file(services(request), await _of_holder(request, dispute_id), number)


@get("/v1/claims/current/disputes/{dispute_id:str}", before_request=Holder(), tags=["claims"])
async def get_claim_dispute(request: HttpRequest, dispute_id: FromPath[str]) -> DisputeView:
    """One dispute about this card, as it stands."""
    return await _shown(services(request), await _of_holder(request, dispute_id))


@get("/v1/claims/current/disputes", before_request=Holder(), tags=["claims"])
async def list_claim_disputes(
    request: HttpRequest, limit: Limit = 20, after: After = None
) -> ListView[DisputeView]:
    """The disputes about this card, newest first."""
    joined = services(request)
    page = page_request("dis", limit, after)
    found = await joined.disputes.list(page, card_id=card_held(request).id, opened_by=HeldBy.RECIPIENT)
    return await _list(joined, found)


# everybody


@get("/v1/disputes", before_request=_READERS, tags=["disputes"])
async def list_disputes(
    request: HttpRequest,
    limit: Limit = 20,
    after: After = None,
    merchant: FromQuery[str | None] = None,
    state_: Annotated[State | None, QueryParameter(name="state")] = None,
) -> ListView[DisputeView]:
    """Disputes, newest first. Merchants see those of their payments, members those they opened."""
    joined, caller = services(request), caller_of(request)
    found = await joined.disputes.list(
        page_request("dis", limit, after),
        merchant_id=caller.merchant_meant(merchant),
        member_id=caller.member_id,
        opened_by=HeldBy.MEMBER if caller.member_id is not None else None,
        state=state_,
    )
    return await _list(joined, found)


@get("/v1/disputes/{dispute_id:str}", before_request=_READERS, tags=["disputes"])
async def get_dispute(request: HttpRequest, dispute_id: FromPath[str]) -> DisputeView:
    """One dispute, as it stands."""
    joined = services(request)
    return await _shown(joined, await _visible(joined, caller_of(request), dispute_id))


@get("/v1/disputes/{dispute_id:str}/documents/{number:int}", before_request=_READERS, tags=["disputes"])
async def get_document(
    request: HttpRequest, dispute_id: FromPath[str], number: FromPath[int]
) -> Response[bytes]:
    """A document that the merchant handed in, as it came."""
    joined = services(request)
    return await _file(joined, await _visible(joined, caller_of(request), dispute_id), number)


# the merchant


@post(
    "/v1/disputes/{dispute_id:str}/documents",
    before_request=_MERCHANTS,
    tags=["disputes"],
    opt={BODY_OPTION: DOCUMENT_BYTES_MAX},
    operation_class=takes_file(*MEDIA_TYPES),
)
async def attach_document(
    request: HttpRequest,
    dispute_id: FromPath[str],
    name: Annotated[str, QueryParameter(description="The file's name, without folders.")],
) -> DocumentView:
    """Hand in a document: the file itself as the body, with its `Content-Type`; at most 1 MB, five in all.

    PDF, PNG, JPEG and plain text are taken. Repeating the same file keeps it once.
    """
    joined = services(request)
    dispute = await _visible(joined, caller_of(request), dispute_id)
    media_type = (raw_header(request, b"content-type") or b"").split(b";")[0].strip().lower()
    content = await request.body()
    document = await joined.disputes.attach(dispute.id, name, media_type.decode("latin-1"), content)
    return _document_view(document)


@post("/v1/disputes/{dispute_id:str}/answer", before_request=_MERCHANTS, status_code=200, tags=["disputes"])
async def answer_dispute(
    request: HttpRequest, dispute_id: FromPath[str], data: JSONBody[NewAnswer]
) -> DisputeView:
    """Answer, once and by `answer_due`; an operator decides then."""
    joined = services(request)
    dispute = await _visible(joined, caller_of(request), dispute_id)
    return await _shown(joined, await joined.disputes.answer(dispute.id, data.text))


@post("/v1/disputes/{dispute_id:str}/accept", before_request=_MERCHANTS, status_code=200, tags=["disputes"])
async def accept_dispute(request: HttpRequest, dispute_id: FromPath[str]) -> DisputeView:
    """Give in: the merchant pays."""
    joined = services(request)
    dispute = await _visible(joined, caller_of(request), dispute_id)
    return await _shown(joined, await joined.disputes.accept(dispute.id))


# the operator


@post(
    "/v1/disputes/{dispute_id:str}/decide",
    before_request=Allow(Scope.OPERATE),
    status_code=200,
    tags=["disputes"],
)
async def decide_dispute(
    request: HttpRequest, dispute_id: FromPath[str], data: JSONBody[NewDecision]
) -> DisputeView:
    """Decide who pays, once the merchant has answered or `answer_due` has passed."""
    joined, caller = services(request), caller_of(request)
    id_ = DisputeId(from_text("dis", dispute_id))
    return await _shown(joined, await joined.disputes.decide(id_, data.outcome, caller.actor, data.reason))


async def _open(
    request: HttpRequest,
    caller: Caller,
    payment: Authorization,
    card: Card,
    by: HeldBy,
    data: NewDispute,
) -> Answer[DisputeView]:
    key = caller.command_key(request)
    joined = services(request)
    complaint = Complaint(data.amount, data.reason, data.statement)
    opened = await joined.disputes.open(payment, card, by, complaint, key=key)
    return Answer(await _shown(joined, opened.dispute), repeated=opened.repeated)


async def _visible(joined: Services, caller: Caller, id_text: str) -> Dispute:
    """The dispute, if this caller may know that it exists (P12)."""
    dispute = await joined.disputes.get(DisputeId(from_text("dis", id_text)))
    if caller.merchant_id not in (None, dispute.merchant_id):
        raise DisputeNotFound
    if caller.member_id is not None and dispute.opened_by is not HeldBy.MEMBER:
        raise DisputeNotFound
    caller.require_member(dispute.member_id, DisputeNotFound())
    return dispute


async def _of_holder(request: HttpRequest, id_text: str) -> Dispute:
    """The same for whoever holds the card."""
    dispute = await services(request).disputes.get(DisputeId(from_text("dis", id_text)))
    if dispute.card_id != card_held(request).id or dispute.opened_by is not HeldBy.RECIPIENT:
        raise DisputeNotFound
    return dispute


async def _file(joined: Services, dispute: Dispute, number: int) -> Response[bytes]:
    """A document as it was handed in; browsers shall keep it, not open it."""
    document, content = await joined.disputes.document(dispute.id, number)
    disposition = f"attachment; filename*=UTF-8''{quote(document.name, safe='')}"
    return Response(content, media_type=document.media_type, headers={"Content-Disposition": disposition})


async def _shown(joined: Services, dispute: Dispute) -> DisputeView:
    documents = await joined.disputes.documents([dispute.id])
    return _view(dispute, documents.get(dispute.id, ()))


async def _list(joined: Services, page: Page[Dispute]) -> ListView[DisputeView]:
    documents = await joined.disputes.documents([dispute.id for dispute in page.items])
    return list_view("dis", page, lambda dispute: _view(dispute, documents.get(dispute.id, ())))


def _view(dispute: Dispute, documents: Sequence[Document]) -> DisputeView:
    return DisputeView(
        id=to_text("dis", dispute.id),
        object="dispute",
        payment=to_text("auth", dispute.authorization_id),
        merchant=to_text("mer", dispute.merchant_id),
        amount=dispute.amount.amount_minor,
        currency=dispute.amount.currency,
        reason=dispute.reason,
        statement=dispute.statement,
        state=dispute.state,
        answer_due=dispute.answer_due_at,
        answer=dispute.answer,
        documents=[_document_view(document) for document in documents],
        outcome=dispute.outcome,
        ended_by=dispute.ended_by,
        ended=dispute.ended_at,
        created=dispute.created_at,
    )


def _document_view(document: Document) -> DocumentView:
    return DocumentView(document.number, document.name, document.media_type, document.size_bytes)


ROUTES: Final[list[HTTPRouteHandler]] = [
    create_dispute,
    list_disputes,
    get_dispute,
    withdraw_dispute,
    attach_document,
    get_document,
    answer_dispute,
    accept_dispute,
    decide_dispute,
    create_claim_dispute,
    list_claim_disputes,
    get_claim_dispute,
    withdraw_claim_dispute,
    get_claim_document,
]
