"""Agents' cards: made in batches, listed once for the maker, counted and reconciled (PP-4)."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Final

from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody
from litestar.response import Stream

from obverse.access.model import Scope
from obverse.doors.rest.answer import Answer, Repeatable
from obverse.doors.rest.auth import Allow, caller_of
from obverse.doors.rest.merchant_shapes import DecisionBody
from obverse.doors.rest.services import HttpRequest, services
from obverse.doors.rest.shapes import (
    After,
    Body,
    Id,
    Limit,
    ListView,
    PositiveAmount,
    Reason,
    View,
    list_view,
    page_request,
)
from obverse.kit.ids import CardBatchId, MerchantId, ProgrammeId, from_text, to_text
from obverse.kit.spreadsheets import row
from obverse.wallet import BatchCount, BatchState, BatchWish, CardBatch

_OPERATORS: Final = Allow(Scope.OPERATE)
_TAGS: Final = ["agents"]
_HEADER: Final = row("card", "number", "expiry", "cvv", "pin")


class NewCardBatch(Body, frozen=True):
    """`count` cards, 1 to 100,000, of one denomination for a merchant who is an agent."""

    programme: Id
    merchant: Id
    count: int
    denomination: PositiveAmount
    reason: Reason


class BatchCountView(View, frozen=True):
    """In cards; `activated_value` is what cards say was sold, `ledger_value` what the ledger has for them."""

    made: int
    unsold: int
    activated: int
    voided: int
    activated_value: int
    ledger_value: int
    agrees: bool


class CardBatchView(View, frozen=True):
    """`counts` is filled when one batch is looked at. `exported` is when the maker's list was fetched."""

    id: str
    object: str
    programme: str
    merchant: str
    state: BatchState
    count: int
    denomination: int
    currency: str
    exported: datetime | None
    created: datetime
    counts: BatchCountView | None


@post("/v1/card_batches", before_request=_OPERATORS, operation_class=Repeatable, tags=_TAGS)
async def create_card_batch(request: HttpRequest, data: JSONBody[NewCardBatch]) -> Answer[CardBatchView]:
    """Make a batch of cards that are worth nothing until an agent sells them.

    A repeat with the same `Idempotency-Key` makes no second one.
    """
    caller = caller_of(request)
    wish = BatchWish(
        ProgrammeId(from_text("prog", data.programme, "programme")),
        MerchantId(from_text("mer", data.merchant, "merchant")),
        data.count,
        data.denomination,
    )
    batch, repeated = await services(request).card_batches.make(
        wish, actor=caller.actor, reason=data.reason, request_key=caller.request_key(request)
    )
    return Answer(_view(batch), repeated=repeated)


@get("/v1/card_batches", before_request=_OPERATORS, tags=_TAGS)
async def list_card_batches(
    request: HttpRequest, limit: Limit = 20, after: After = None
) -> ListView[CardBatchView]:
    """All batches, newest first."""
    page = await services(request).card_batches.list(page_request("cbat", limit, after))
    return list_view("cbat", page, _view)


@get("/v1/card_batches/{batch_id:str}", before_request=_OPERATORS, tags=_TAGS)
async def get_card_batch(request: HttpRequest, batch_id: FromPath[str]) -> CardBatchView:
    """One batch: what of it is sold, by the cards and by the ledger."""
    batch, count = await services(request).card_batches.get(_id(batch_id))
    return _view(batch, count)


@post("/v1/card_batches/{batch_id:str}/export", before_request=_OPERATORS, status_code=200, tags=_TAGS)
async def export_card_batch(
    request: HttpRequest, batch_id: FromPath[str], data: JSONBody[DecisionBody]
) -> Stream:
    """Numbers and PINs for the maker, as CSV. Once: after that nobody can tell the PINs."""
    id_ = _id(batch_id)
    parts = await services(request).card_batches.export(
        id_, actor=caller_of(request).actor, reason=data.reason
    )

    async def csv() -> AsyncIterator[str]:
        yield _HEADER
        async for cards in parts:
            # Numbers and PINs are revealed here, on their way to the maker, and nowhere else.
            yield "".join(
                row(to_text("card", c.card_id), c.number.reveal(), c.expiry, c.cvv.reveal(), c.pin.reveal())
                for c in cards
            )

    name = f"{to_text('cbat', id_)}.csv"
    return Stream(csv(), media_type="text/csv", headers=download(name))


@post("/v1/card_batches/{batch_id:str}/close", before_request=_OPERATORS, status_code=200, tags=_TAGS)
async def close_card_batch(
    request: HttpRequest, batch_id: FromPath[str], data: JSONBody[DecisionBody]
) -> CardBatchView:
    """Make what is not sold worth nothing, for good."""
    closed = await services(request).card_batches.close(
        _id(batch_id), actor=caller_of(request).actor, reason=data.reason
    )
    return _view(closed)


def download(name: str) -> dict[str, str]:
    """Headers of a file that is not to be kept by anything on its way."""
    return {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}


def _id(text: str) -> CardBatchId:
    return CardBatchId(from_text("cbat", text))


def _view(batch: CardBatch, count: BatchCount | None = None) -> CardBatchView:
    return CardBatchView(
        id=to_text("cbat", batch.id),
        object="card_batch",
        programme=to_text("prog", batch.programme_id),
        merchant=to_text("mer", batch.merchant_id),
        state=batch.state,
        count=batch.count,
        denomination=batch.face_value_minor,
        currency=batch.currency,
        exported=batch.exported_at,
        created=batch.created_at,
        counts=_counts(count) if count is not None else None,
    )


def _counts(count: BatchCount) -> BatchCountView:
    return BatchCountView(
        made=count.made,
        unsold=count.unsold,
        activated=count.activated,
        voided=count.voided,
        activated_value=count.activated_minor,
        ledger_value=count.ledger_minor,
        agrees=count.activated_minor == count.ledger_minor,
    )


ROUTES: Final[list[HTTPRouteHandler]] = [
    create_card_batch,
    list_card_batches,
    get_card_batch,
    export_card_batch,
    close_card_batch,
]
