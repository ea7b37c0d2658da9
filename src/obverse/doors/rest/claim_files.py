"""Claim files: send one, follow it, fetch what became of every line. Described in docs/claim-files.md."""

from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Final

from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery
from litestar.response import Stream

from obverse.access.model import Scope
from obverse.clearing.claims import Bucket, ClaimFile, ClaimFileNotFound, Count, FileProblem, FileState
from obverse.clearing.claims.results import RESULT_HEADER, result_lines
from obverse.doors.rest.answer import Answer
from obverse.doors.rest.auth import Allow, caller_of
from obverse.doors.rest.merchant_claims import MerchantClaimView, viewed_by
from obverse.doors.rest.request import BODY_OPTION, DoorRequest, raw_header
from obverse.doors.rest.services import HttpRequest, services
from obverse.doors.rest.shapes import After, Limit, ListView, View, list_view, page_request
from obverse.kit.errors import InvalidRequest
from obverse.kit.ids import ClaimFileId, from_text, to_text

FILE_BYTES_MAX: Final = 50_000_000

_MERCHANTS: Final = Allow(Scope.PAYMENTS, merchant_keys=True)
_TAGS: Final = ["claims of merchants"]


class CountView(View, frozen=True):
    claims: int
    amount: int


class ClaimFileView(View, frozen=True):
    """A file and its report so far. `total` is what is in it; `report` says what became of it, and is
    complete once the file is `done`. A file that is `refused` as a whole says its `problem`."""

    id: str
    object: str
    merchant: str
    status: FileState
    problem: FileProblem | None
    currency: str | None
    size: int
    total: CountView
    report: Mapping[Bucket, CountView]
    created: datetime
    done: datetime | None


@post("/v1/claim_files", before_request=_MERCHANTS, opt={BODY_OPTION: FILE_BYTES_MAX}, tags=_TAGS)
async def create_claim_file(
    request: HttpRequest, merchant: FromQuery[str | None] = None
) -> Answer[ClaimFileView]:
    """Send a claim file as the body, `Content-Type: text/csv`, at most 50 MB.

    The answer comes when all of it is read and its totals are checked; its claims are paid after that. The
    same file again gets the same answer, and pays nothing.
    """
    merchant_id = caller_of(request).merchant_meant(merchant)
    if merchant_id is None:
        raise InvalidRequest("merchant is required with a key that is not a merchant's own.", "merchant")
    content_type = raw_header(request, b"content-type") or b""
    if content_type.split(b";")[0].strip().lower() != b"text/csv":
        raise InvalidRequest("Send the file as text/csv.", "Content-Type")
    await services(request).merchants.get(merchant_id)
    assert isinstance(request, DoorRequest), "the app makes no others"
    file, repeated = await services(request).claim_files.receive(merchant_id, request.pieces())
    return Answer(_view(file), repeated=repeated)


@get("/v1/claim_files", before_request=_MERCHANTS, tags=_TAGS)
async def list_claim_files(
    request: HttpRequest,
    limit: Limit = 20,
    after: After = None,
    merchant: FromQuery[str | None] = None,
) -> ListView[ClaimFileView]:
    """Claim files, newest first."""
    page = await services(request).claim_files.list(
        page_request("cfile", limit, after), caller_of(request).merchant_meant(merchant)
    )
    return list_view("cfile", page, _view)


@get("/v1/claim_files/{file_id:str}", before_request=_MERCHANTS, tags=_TAGS)
async def get_claim_file(request: HttpRequest, file_id: FromPath[str]) -> ClaimFileView:
    """One file and its report so far."""
    return _view(await _visible(request, file_id))


@get("/v1/claim_files/{file_id:str}/claims", before_request=_MERCHANTS, tags=_TAGS)
async def list_claims_of_file(
    request: HttpRequest, file_id: FromPath[str], limit: Limit = 20, after: After = None
) -> ListView[MerchantClaimView]:
    """The claims of a file, in the order of the file."""
    file = await _visible(request, file_id)
    page = await services(request).claim_files.claims(file, page_request("claim", limit, after))
    return list_view("claim", page, viewed_by(caller_of(request)))


@get("/v1/claim_files/{file_id:str}/result", before_request=_MERCHANTS, media_type="text/csv", tags=_TAGS)
async def get_claim_file_result(request: HttpRequest, file_id: FromPath[str]) -> Stream:
    """Every line of a file and what became of it, as CSV."""
    file = await _visible(request, file_id)
    files = services(request).claim_files

    async def csv() -> AsyncIterator[str]:
        yield RESULT_HEADER
        async for records in files.results(file):
            yield result_lines(records)

    name = f"{to_text('cfile', file.id)}.csv"
    disposition = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Stream(csv(), media_type="text/csv", headers=disposition)


async def _visible(request: HttpRequest, file_id: str) -> ClaimFile:
    """The file, if this caller may know that it exists (P12)."""
    file = await services(request).claim_files.get(ClaimFileId(from_text("cfile", file_id)))
    if caller_of(request).merchant_id not in (None, file.merchant_id):
        raise ClaimFileNotFound
    return file


def _view(file: ClaimFile) -> ClaimFileView:
    return ClaimFileView(
        id=to_text("cfile", file.id),
        object="claim_file",
        merchant=to_text("mer", file.merchant_id),
        status=file.state,
        problem=file.problem,
        currency=file.currency,
        size=file.size_bytes,
        total=_count(file.claims),
        report={bucket: _count(file.report.get(bucket, Count())) for bucket in Bucket},
        created=file.created_at,
        done=file.done_at,
    )


def _count(count: Count) -> CountView:
    return CountView(count.lines, count.amount_minor)


ROUTES: Final[list[HTTPRouteHandler]] = [
    create_claim_file,
    list_claim_files,
    get_claim_file,
    list_claims_of_file,
    get_claim_file_result,
]
