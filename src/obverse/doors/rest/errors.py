"""Refusals on their way out: code -> status and title, as problem details (RFC 9457).

A problem says what to change and never repeats what came. `code` is stable; clients switch on it.
"""

import re
import traceback
from collections.abc import Sequence
from typing import Any, Final

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException

from obverse.doors.rest.problems import PROBLEMS, RETRY_AFTER_S
from obverse.doors.rest.tracing import request_id_of
from obverse.kit.errors import ObverseError
from obverse.orders import BulkRefused, LineProblem

_log = structlog.get_logger("obverse.doors.rest")

PROBLEM_JSON: Final = "application/problem+json"

_HTTP_CODES: Final[dict[int, tuple[str, str]]] = {
    404: ("not_found", "There is nothing at this address."),
    405: ("method_not_allowed", "This address does not take that method."),
    415: ("wrong_content_type", "Send the body as application/json."),
}

_MISSING: Final = re.compile(r"Missing required query parameter '([a-z_]{1,40})' ")


class Unauthenticated(ObverseError):
    """No token, or one that is unknown, expired or revoked: the three look the same."""

    code = "unauthenticated"

    def __init__(self) -> None:
        super().__init__("Send a valid API key or session token as `Authorization: Bearer ...`.")


class SandboxOnly(ObverseError):
    """`/v1/simulate` was called with a live key, or on a live platform."""

    code = "sandbox_only"

    def __init__(self) -> None:
        super().__init__("Simulation is for the sandbox; live keys may not use it.")


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """RFC 9457, with a stable `code`, the `param` to change and the `request_id` to quote.

    `lines` are there where a file was refused: each that is wrong, and why.
    """

    type: str
    title: str
    status: int
    detail: str
    code: str
    param: str | None
    request_id: str
    doc_url: str
    lines: Sequence[LineProblem] | None = None


def problem(
    request: Request[Any, Any, Any],
    code: str,
    detail: str,
    param: str | None = None,
    headers: dict[str, str] | None = None,
    lines: Sequence[LineProblem] | None = None,
) -> Response[Problem]:
    """Answer with one problem."""
    status, title = PROBLEMS[code]
    return Response(
        Problem(
            type=f"urn:obverse:problem:{code}",
            title=title,
            status=status,
            detail=detail,
            code=code,
            param=param,
            request_id=request_id_of(request.scope),
            doc_url=f"/docs#{code}",
            lines=lines,
        ),
        status_code=status,
        media_type=PROBLEM_JSON,
        headers=headers,
    )


def on_refusal(request: Request[Any, Any, Any], error: ObverseError) -> Response[Problem]:
    """Any room's refusal, by its code."""
    if error.code not in PROBLEMS:
        return on_defect(request, error)
    status, _ = PROBLEMS[error.code]
    headers: dict[str, str] = {}
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if status in (429, 503):
        headers["Retry-After"] = str(RETRY_AFTER_S.get(error.code, 1))
    lines = error.lines if isinstance(error, BulkRefused) else None
    return problem(request, error.code, str(error), error.param, headers, lines)


def on_http_error(request: Request[Any, Any, Any], error: HTTPException) -> Response[Any]:
    """What Litestar refuses before a handler is reached. Its own message may echo input and is dropped."""
    if error.status_code >= 500:
        return on_defect(request, error)
    if isinstance(error, ValidationException):
        param = _param_of(error)
        if param == "data":
            return problem(request, "invalid_request", "A JSON body is required.")
        detail = f"{param} is missing or not valid." if param else "The request is not valid."
        return problem(request, "invalid_request", detail, param)
    code, detail = _HTTP_CODES.get(error.status_code, ("invalid_request", "The request is not valid."))
    return problem(request, code, detail, headers=_allowed(error))


def on_defect(request: Request[Any, Any, Any], error: Exception) -> Response[Problem]:
    """A defect of ours: logged as type and place only, because messages of drivers quote values (P11)."""
    _log.error(
        "request_failed",
        request_id=request_id_of(request.scope),
        route=request.scope.get("path_template"),
        error=type(error).__name__,
        frames=traceback.format_tb(error.__traceback__)[-6:],
    )
    return problem(request, "internal_error", "Something broke on our side. Quote the request_id.")


def _param_of(error: ValidationException) -> str | None:
    """The parameter Litestar complains about; names come from our own signatures.

    There, one whose name Python or Litestar keeps for itself ends in `_`; outside it does not.
    """
    if missing := _MISSING.match(error.detail):
        return missing[1]
    first = error.extra[0] if isinstance(error.extra, list) and error.extra else None
    key = first.get("key") if isinstance(first, dict) else None
    return key.rstrip("_") if isinstance(key, str) and key.isidentifier() and len(key) <= 40 else None


def _allowed(error: HTTPException) -> dict[str, str] | None:
    return {"Allow": error.headers["allow"]} if error.headers and "allow" in error.headers else None
