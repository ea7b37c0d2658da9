"""What a terminal is told: declines and refusals as DE 39.

A terminal learns the reason only as far as it helps the person at the till; guesses at a number, its expiry
date or its CVV all look alike (P17, PF-11). Tests assert that every `Decline` and every refusal that can get
here has a row.
"""

from typing import Final

from obverse.authorization.model import Authorization, Decline, Purpose, Status
from obverse.authorization.proof import needs_cvv
from obverse.clearing.claims import Outcome, Reason, Verdict, told
from obverse.kit.errors import ObverseError

APPROVED: Final = "00"
PARTLY_APPROVED: Final = "10"
"""For less than was asked: DE 4 says how much."""
APPROVALS: Final = frozenset({APPROVED, PARTLY_APPROVED})
IN_PROGRESS: Final = "09"
INVALID_TRANSACTION: Final = "12"
INVALID_AMOUNT: Final = "13"
NO_ACTION_TAKEN: Final = "21"
NOT_LOCATED: Final = "25"
FORMAT_ERROR: Final = "30"
UNKNOWN_MERCHANT: Final = "03"
FUNCTION_NOT_SUPPORTED: Final = "40"
RECEIVED_TOO_LATE: Final = "68"
BATCH_CLOSED: Final = "80"
ISSUER_INOPERATIVE: Final = "91"
DUPLICATE: Final = "94"
RECONCILE_ERROR: Final = "95"
SYSTEM_MALFUNCTION: Final = "96"

DECLINES: Final[dict[Decline, str]] = {
    Decline.UNKNOWN_CARD: "14",
    Decline.WRONG_DETAILS: "14",
    Decline.UNKNOWN_MERCHANT: "03",
    Decline.CARD_SUSPENDED: "62",
    Decline.CARD_CLOSED: "62",
    Decline.CARD_EXPIRED: "54",
    Decline.CARD_USED: "57",
    Decline.WRONG_MERCHANT: "58",
    Decline.WRONG_CATEGORY: "58",
    Decline.WRONG_CURRENCY: "12",
    Decline.PER_PAYMENT_LIMIT: "61",
    Decline.AMOUNT_LIMIT: "61",
    Decline.FUNDING_INACTIVE: "05",
    Decline.INSUFFICIENT_FUNDS: "51",
    Decline.CARD_COMPANY_DECLINED: "05",
    Decline.CARD_COMPANY_UNAVAILABLE: ISSUER_INOPERATIVE,
    Decline.CARD_COMPANY_LATE: RECEIVED_TOO_LATE,
    Decline.NOT_ACCEPTED_HERE: "57",
    Decline.CARD_INACTIVE: "78",
    Decline.WRONG_PIN: "55",
    Decline.PIN_LOCKED: "75",
    Decline.WRONG_SERVICE: "57",
    Decline.STORED_VALUE_NOT_ALLOWED: "57",
    Decline.NOT_AN_AGENT: "58",
    Decline.NOT_CHARGEABLE: "57",
    Decline.CHARGE_UNIT: INVALID_AMOUNT,
    Decline.BALANCE_CEILING: "61",
    Decline.NOT_ACTIVATABLE: "57",
    Decline.NOT_REGISTERED: "56",
    Decline.UNKNOWN_CODE: "14",
    Decline.CODE_USED: "14",
    Decline.CODE_EXPIRED: "14",
    Decline.TOO_MANY_GUESSES: "14",
    Decline.PROOF_NEEDED: "70",
    Decline.TENDER_INVALID: INVALID_TRANSACTION,
    Decline.TENDER_TOO_LARGE: INVALID_AMOUNT,
    Decline.QUOTE_EXPIRED: INVALID_TRANSACTION,
    Decline.POINTS_NOT_ACCEPTED: "57",
    Decline.POINTS_BELOW_MINIMUM: INVALID_AMOUNT,
    Decline.POINTS_ABOVE_MAXIMUM: INVALID_AMOUNT,
    Decline.INSUFFICIENT_POINTS: "51",
    Decline.POINTS_ISSUER_DECLINED: "05",
    Decline.POINTS_ISSUER_UNAVAILABLE: ISSUER_INOPERATIVE,
    Decline.POINTS_ISSUER_LATE: RECEIVED_TOO_LATE,
    Decline.REVERSED: NO_ACTION_TAKEN,
    Decline.KEY_REUSED: DUPLICATE,
}

_PIN_DECLINES: Final = frozenset({Decline.WRONG_PIN, Decline.PIN_LOCKED})

REFUSALS: Final[dict[str, str]] = {
    "pin_block_refused": "63",
    "unavailable": SYSTEM_MALFUNCTION,
    "not_found": NOT_LOCATED,
    "still_running": IN_PROGRESS,
    "idempotency_key_reused": DUPLICATE,
    "iso8583_format_error": FORMAT_ERROR,
    "invalid_request": INVALID_TRANSACTION,
    "not_permitted": INVALID_TRANSACTION,
    "not_capturable": INVALID_TRANSACTION,
    "already_captured": DUPLICATE,
    "capture_too_large": INVALID_AMOUNT,
    "authorization_expired": "54",
    "nothing_to_release": NO_ACTION_TAKEN,
    "release_too_large": INVALID_AMOUNT,
    "not_refundable": INVALID_TRANSACTION,
    "refund_too_large": INVALID_AMOUNT,
    "not_disputed": INVALID_TRANSACTION,
    "load_spent": NO_ACTION_TAKEN,
}
"""By `ObverseError.code`. Any other refusal of a request that made sense is an invalid transaction."""


CLAIMS: Final[dict[Reason, str]] = {
    Reason.NO_SUCH_PAYMENT: NOT_LOCATED,
    Reason.WRONG_CURRENCY: INVALID_TRANSACTION,
    Reason.NOT_APPROVED: INVALID_TRANSACTION,
    Reason.REVERSED: NO_ACTION_TAKEN,
    Reason.ALREADY_CAPTURED: DUPLICATE,
    Reason.CAPTURE_TOO_LARGE: INVALID_AMOUNT,
    Reason.EXPIRED: DECLINES[Decline.CARD_EXPIRED],
    Reason.NOT_REFUNDABLE: INVALID_TRANSACTION,
    Reason.REFUND_TOO_LARGE: INVALID_AMOUNT,
    Reason.REFERENCE_REUSED: DUPLICATE,
    Reason.BATCH_CLOSED: BATCH_CLOSED,
    Reason.REFUSED_BY_OPERATOR: "05",
    Reason.NOT_COVERED: DECLINES[Decline.INSUFFICIENT_FUNDS],
    Reason.UNEXPECTED: IN_PROGRESS,
}
"""Why a claim of a terminal's batch was not paid; a late one waits for an operator."""


def of_claim(verdict: Verdict) -> str:
    """DE 39 for a claim of a terminal's batch (0320), the same for its repeats."""
    if verdict.outcome is Outcome.PAID or verdict.reason is None:
        return APPROVED
    return CLAIMS[told(verdict.reason)]


def of_payment(authorization: Authorization) -> str:
    """DE 39 for the answer to a payment, or to its repeat.

    Whoever has the card in the pad may be told that the PIN was wrong; who only typed a number might have
    made it up, and learns the same from every guess (P17).
    """
    if authorization.status is Status.APPROVED:
        return _of_approval(authorization)
    if authorization.status is Status.REVERSED:
        return NO_ACTION_TAKEN
    if authorization.status is Status.EXPIRED:
        return DECLINES[Decline.CARD_EXPIRED]
    if authorization.status is Status.PROCESSING:
        return IN_PROGRESS
    if authorization.decline in _PIN_DECLINES and needs_cvv(authorization.entry):
        return DECLINES[Decline.WRONG_DETAILS]
    return DECLINES[authorization.decline] if authorization.decline else SYSTEM_MALFUNCTION


def _of_approval(approved: Authorization) -> str:
    if approved.purpose is Purpose.INQUIRY and approved.balance_minor is None:
        return DECLINES[Decline.NOT_CHARGEABLE]  # nothing is ever stored on this card
    return APPROVED if approved.requested_minor is None else PARTLY_APPROVED


def of_refusal(error: ObverseError) -> str:
    """DE 39 for a request that was refused rather than declined."""
    return REFUSALS.get(error.code, INVALID_TRANSACTION)
