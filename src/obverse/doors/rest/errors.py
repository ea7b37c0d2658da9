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

from obverse.charging.rules import TYPED_WINDOW
from obverse.doors.rest.tracing import request_id_of
from obverse.kit.errors import ObverseError
from obverse.members.rules import LOCK_OUT, LONGEST
from obverse.merchants.rules import ORIGIN_WINDOW
from obverse.orders import BulkRefused, LineProblem
from obverse.orders.rules import SEND_AGAIN_AFTER

_log = structlog.get_logger("obverse.doors.rest")

PROBLEM_JSON: Final = "application/problem+json"

PROBLEMS: Final[dict[str, tuple[int, str]]] = {
    # how to ask
    "invalid_request": (400, "Invalid request"),
    "unauthenticated": (401, "Not signed in"),
    "not_permitted": (403, "Not permitted"),
    "sandbox_only": (403, "Sandbox only"),
    "not_found": (404, "Not found"),
    "method_not_allowed": (405, "Method not allowed"),
    "still_running": (409, "Still running"),
    "body_too_large": (413, "Body too large"),
    "client_gone": (400, "Connection closed"),
    "wrong_content_type": (415, "Body is not JSON"),
    "idempotency_key_reused": (422, "Idempotency key reused"),
    "internal_error": (500, "Internal error"),
    "unavailable": (503, "Not available at the moment"),
    # members
    "member_not_found": (404, "No such member"),
    "member_suspended": (409, "Member suspended"),
    "already_registered": (409, "Details in use"),
    "wrong_credentials": (401, "Wrong ID or password"),
    "sign_in_locked": (429, "Too many attempts"),
    "too_many_attempts": (429, "Too many attempts"),
    "member_id_taken": (409, "Member ID taken"),
    "nickname_taken": (409, "Nickname taken"),
    "profile_not_found": (404, "No profile"),
    "profile_exists": (409, "There is a profile already"),
    "wrong_password": (422, "Wrong password"),
    "second_factor_required": (401, "Second factor required"),
    "wrong_code": (422, "Code not valid"),
    "totp_active": (409, "One-time codes in use already"),
    "session_not_found": (404, "No such session"),
    "passkey_not_found": (404, "No such passkey"),
    "passkey_refused": (422, "Passkey not accepted"),
    "too_many_passkeys": (409, "Too many passkeys"),
    "last_means_of_sign_in": (409, "Last means of signing in"),
    "recovery_invalid": (404, "No such recovery"),
    "wrong_answer": (422, "Wrong answer"),
    # merchants and keys
    "merchant_not_found": (404, "No such merchant"),
    "merchant_number_taken": (409, "Merchant number taken"),
    "merchant_closed": (409, "Merchant is closed"),
    "application_not_found": (404, "No such application"),
    "application_decided": (409, "Decided before"),
    "application_not_approved": (409, "Not approved"),
    "first_key_fetched": (409, "First key fetched before"),
    "too_many_applications": (429, "Too many applications"),
    "api_key_not_found": (404, "No such API key"),
    "api_key_over": (409, "Key rotated or revoked before"),
    # cards
    "card_not_found": (404, "No such card"),
    "card_closed": (409, "Card is closed"),
    "card_handed_over": (409, "Card was handed over"),
    "card_not_giveable": (409, "Card cannot be handed over"),
    "claim_link_exists": (409, "There is a claim link already"),
    "claim_link_invalid": (404, "No such claim link"),
    "card_inactive": (409, "Card is not in use yet"),
    "holder_unknown": (404, "No such holder token"),
    "wrong_pin": (403, "Wrong PIN"),
    "pin_locked": (409, "PIN is locked"),
    "programme_not_found": (404, "No such programme"),
    "programme_closed": (409, "Programme is closed"),
    "card_not_physical": (409, "Card is not made of plastic"),
    "fulfilment_exists": (409, "Card is being made"),
    "fulfilment_not_found": (404, "No such fulfilment"),
    "fulfilment_moved": (409, "Step does not follow"),
    "no_agent": (409, "Merchant is no agent"),
    "card_batch_not_found": (404, "No such card batch"),
    "card_batch_exported": (409, "List was fetched before"),
    "card_batch_closed": (409, "Card batch is closed"),
    # funding
    "registration_refused": (422, "Registration refused"),
    "card_not_verified": (422, "Card not verified"),
    "card_already_linked": (409, "Card linked already"),
    "credit_line_exists": (409, "There is a credit line already"),
    "source_not_found": (404, "No such funding source"),
    "source_not_active": (409, "Funding source suspended"),
    # bills
    "bill_not_found": (404, "No such bill"),
    "credit_line_not_found": (404, "No credit line"),
    "month_not_over": (409, "Month not over"),
    "month_passed": (409, "Month passed"),
    # payments
    "not_capturable": (409, "Nothing to capture"),
    "already_captured": (409, "Captured before"),
    "capture_too_large": (422, "More than was authorized"),
    "authorization_expired": (409, "Authorization expired"),
    "nothing_to_release": (409, "Nothing is held"),
    "release_too_large": (422, "More than is held"),
    "not_refundable": (409, "Nothing to refund"),
    "refund_too_large": (422, "More than was captured"),
    "not_disputed": (409, "No such dispute is open"),
    # disputes
    "dispute_not_found": (404, "No such dispute"),
    "load_spent": (409, "Paid in and spent since"),
    "points_rule_not_found": (404, "No such points rule"),
    "not_disputable": (409, "Nothing to dispute"),
    "dispute_too_large": (422, "More than is left of the payment"),
    "dispute_too_late": (409, "Too late to dispute"),
    "already_disputed": (409, "Disputed before"),
    "dispute_closed": (409, "Dispute has ended"),
    "answer_closed": (409, "No answer is awaited"),
    "answer_pending": (409, "Merchant may still answer"),
    "document_not_accepted": (422, "Document not accepted"),
    "too_many_documents": (409, "Too many documents"),
    # metered sessions
    "metered_session_not_found": (404, "No such metered session"),
    "metered_session_over": (409, "Session has ended"),
    "metered_payment": (409, "Payment of a metered session"),
    "tariff_not_found": (404, "No such tariff"),
    "tariff_exists": (409, "There is a tariff from then on"),
    "calling_server_taken": (409, "Calling server of another merchant"),
    # draws
    "draw_not_found": (404, "No such draw"),
    "not_drawable": (409, "Card cannot be drawn"),
    "nothing_to_draw": (409, "Nothing left to draw"),
    "account_not_refused": (409, "Account was not refused"),
    "break_not_found": (404, "No such break"),
    "break_not_open": (409, "Break has ended"),
    # sales and charges
    "sale_not_found": (404, "No such sale"),
    "means_not_offered": (422, "Not payable like that"),
    "sale_not_cancellable": (409, "Too late to cancel"),
    "nothing_waiting": (409, "No refund waits"),
    "charge_not_found": (404, "No such charge"),
    "too_many_cards_typed": (429, "Too many cards tried"),
    "automatic_charge_not_found": (404, "No automatic charge"),
    "card_not_in_hand": (422, "Wrong number or PIN"),
    "card_not_chargeable": (409, "Card cannot be charged"),
    "charge_unit": (422, "Not a multiple of the unit"),
    "balance_ceiling": (409, "Card would hold too much"),
    "balance_not_refundable": (409, "Not refundable"),
    "gift_not_refundable": (409, "Gifts are not refunded"),
    "nothing_to_refund": (409, "Nothing left to refund"),
    "bank_account_not_found": (404, "No such bank account"),
    "bank_account_linked": (409, "Bank account linked already"),
    "too_many_bank_accounts": (429, "Too many bank accounts"),
    "bank_code_wrong": (422, "Code not valid"),
    "bank_account_not_provable": (409, "Bank account cannot be proved"),
    # checkouts
    "checkout_not_found": (404, "No such checkout"),
    "checkout_exists": (409, "Reference in use"),
    "checkout_mismatch": (409, "Not the kept order"),
    "checkout_expired": (409, "Kept order expired"),
    "checkout_void": (409, "Kept order is void"),
    # claims
    "claim_file_not_found": (404, "No such claim file"),
    "claim_not_found": (404, "No such claim"),
    "claim_decided": (409, "Decided otherwise"),
    "numbers_exhausted": (503, "No numbers left"),
    # settlement
    "day_not_over": (409, "Day is not over"),
    "day_passed": (409, "Later day settled before"),
    "settlement_not_found": (404, "No such settlement"),
    "statement_not_found": (404, "No such statement"),
    "payout_not_found": (404, "No such payout"),
    # presentments
    "presentment_not_found": (404, "No such presentment"),
    "presentment_file_not_found": (404, "No such presentment file"),
    "presentment_not_rejected": (409, "Not rejected"),
    "nothing_rejected": (409, "Nothing is rejected"),
    # bank
    "bank_transfer_not_found": (404, "No such bank transfer"),
    "bank_transfer_not_refused": (409, "The bank has not refused it"),
    "receipt_not_found": (404, "No such receipt"),
    "receipt_placed": (409, "Placed before"),
    "sender_unknown": (409, "Sender not known"),
    "statement_unreadable": (422, "Statement cannot be read"),
    "statement_not_ours": (422, "Statement of another account"),
    # orders
    "order_not_found": (404, "No such order"),
    "piece_not_found": (404, "No such piece"),
    "programme_not_sold": (422, "Not for sale"),
    "not_giftable": (422, "Not to be given"),
    "order_not_open": (409, "Order does not allow it"),
    "piece_not_open": (409, "Too late for this card"),
    "gift_sent_just_now": (429, "Sent a moment ago"),
    "bulk_file_refused": (422, "File has wrong lines"),
    "too_many_orders": (429, "Too many orders"),
    # letters
    "letter_not_found": (404, "No such letter"),
    "letter_under_way": (409, "Letter is under way"),
    "letter_forgotten": (409, "Letter is forgotten"),
    # webhooks
    "webhook_endpoint_not_found": (404, "No such webhook endpoint"),
    "webhook_delivery_not_found": (404, "No such delivery"),
    "webhook_endpoint_disabled": (409, "Webhook endpoint is disabled"),
    "webhook_replay_running": (409, "A replay is running"),
    "too_many_webhook_endpoints": (409, "Too many webhook endpoints"),
}

DEFECTS: Final = frozenset(
    {
        "error",
        "acknowledgement_differs",
        "cannot_start",
        "card_company_did_not_take",
        "card_company_no_answer",
        "card_company_unreadable_answer",
        "card_already_stored",
        "claim_answer_stands",
        "currency_mismatch",
        "insufficient_funds",
        "iso8583_format_error",
        "iso8583_framing_error",
        "key_versions_in_use",
        "nothing_pending",
        "pin_block_refused",
        "reversal_not_acknowledged",
        "sale_not_paid",
        "gives_back_too_much",
        "seal_broken",
        "transfer_refused",
        "unknown_account",
        "unknown_key_version",
        "unknown_template",
    }
)
"""Refusals that rooms give one another. One that gets as far as this door is a defect of ours."""

_HTTP_CODES: Final[dict[int, tuple[str, str]]] = {
    404: ("not_found", "There is nothing at this address."),
    405: ("method_not_allowed", "This address does not take that method."),
    415: ("wrong_content_type", "Send the body as application/json."),
}

_MISSING: Final = re.compile(r"Missing required query parameter '([a-z_]{1,40})' ")

_RETRY_AFTER_S: Final = {
    "sign_in_locked": int(LOCK_OUT.total_seconds()),
    "too_many_attempts": int(LONGEST.total_seconds()),
    "too_many_applications": int(ORIGIN_WINDOW.total_seconds()),
    "too_many_cards_typed": int(TYPED_WINDOW.total_seconds()),
    "too_many_orders": int(ORIGIN_WINDOW.total_seconds()),
    "gift_sent_just_now": int(SEND_AGAIN_AFTER.total_seconds()),
}


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
        headers["Retry-After"] = str(_RETRY_AFTER_S.get(error.code, 1))
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
