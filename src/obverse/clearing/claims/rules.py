"""Which authorization a claim stands for, and what the engine's answer means for it. Pure.

Only what can never change about a payment is decided here: whose it is, its currency, whether it was ever
approved. How much is left of it is the engine's to say, under its locks and by the claim's key: a claim that
was paid and comes again must not be told that nothing is left.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Final

from obverse.authorization.model import Authorization, Entry, Status
from obverse.clearing.claims.model import (
    Bucket,
    Claim,
    ClaimKind,
    ClaimRecord,
    Count,
    Outcome,
    Reason,
    Verdict,
)
from obverse.kit.ids import AuthorizationId

_REASONS: Final = {
    "not_capturable": Reason.NOT_APPROVED,
    "already_captured": Reason.ALREADY_CAPTURED,
    "capture_too_large": Reason.CAPTURE_TOO_LARGE,
    "authorization_expired": Reason.EXPIRED,
    "not_refundable": Reason.NOT_REFUNDABLE,
    "refund_too_large": Reason.REFUND_TOO_LARGE,
    "idempotency_key_reused": Reason.REFERENCE_REUSED,
    "not_found": Reason.NO_SUCH_PAYMENT,
    "payment_not_found": Reason.NO_SUCH_PAYMENT,
}
"""By the code of the engine's refusal."""

_NEVER_APPROVED: Final = frozenset({Status.PROCESSING, Status.DECLINED})


def match(claim: Claim, authorization: Authorization | None) -> Verdict:
    """Compare a claim with the payment that has its number and approval code, or with none (OT-16).

    A sale that was approved and captured at once is its own claim: claimed again for the same amount, as
    tills do at the end of their day, it has been paid.
    """
    if authorization is None:
        return _refused(Reason.NO_SUCH_PAYMENT)
    if authorization.merchant_id != claim.merchant_id:
        return _refused(Reason.WRONG_MERCHANT)
    if authorization.amount.currency != claim.amount.currency:
        return _refused(Reason.WRONG_CURRENCY)
    if authorization.status in _NEVER_APPROVED or not authorization.amount.amount_minor:
        return _refused(Reason.NOT_APPROVED)
    if claim.kind is ClaimKind.CAPTURE and authorization.entry is Entry.METERED:
        return _refused(Reason.ALREADY_CAPTURED)  # its session takes what was used, and nothing but that
    if (
        claim.kind is ClaimKind.CAPTURE
        and authorization.captured_at_once
        and authorization.status is Status.APPROVED
        and authorization.amount == claim.amount
    ):
        return Verdict(Outcome.PAID, repeated=True)
    return Verdict(Outcome.MATCHED)


def verdict_of(refusal_code: str) -> Verdict:
    """What a refusal of the engine means for a claim: refused as well, or an operator has to decide."""
    reason = _REASONS.get(refusal_code, Reason.UNEXPECTED)
    if reason in (Reason.EXPIRED, Reason.UNEXPECTED):
        return Verdict(Outcome.EXCEPTION, reason)
    return _refused(reason)


def again(record: ClaimRecord, standing: ClaimRecord, verdict: Verdict) -> Verdict:
    """The answer to a claim whose reference has been answered before by `standing`.

    What the engine has paid it has compared. An exception is open or was refused by an operator, so the
    engine knows nothing of it, and the comparison is made here.
    """
    if verdict.outcome is Outcome.PAID:
        return Verdict(Outcome.PAID, repeated=True)
    if verdict.outcome is Outcome.EXCEPTION:
        if _facts(record) != _facts(standing):
            return _refused(Reason.REFERENCE_REUSED)
        return Verdict(standing.outcome, standing.reason, repeated=True)
    return verdict


def overtakes(record: ClaimRecord, standing: ClaimRecord, verdict: Verdict) -> bool:
    """Whether this claim was paid while another with its reference was put on the list of exceptions."""
    waits = standing.outcome is Outcome.EXCEPTION and verdict.outcome is Outcome.PAID
    return waits and _facts(record) != _facts(standing)


def told(reason: Reason) -> Reason:
    """What a merchant is told: a payment of somebody else's is none that it could know of (P12, P17).

    >>> told(Reason.WRONG_MERCHANT)
    <Reason.NO_SUCH_PAYMENT: 'no_such_payment'>
    """
    return Reason.NO_SUCH_PAYMENT if reason is Reason.WRONG_MERCHANT else reason


def own_payment(record: ClaimRecord) -> AuthorizationId | None:
    """The payment that was found, if it is the claiming merchant's own (P12)."""
    return record.authorization_id if record.reason is not Reason.WRONG_MERCHANT else None


def bucket(record: ClaimRecord) -> Bucket | None:
    """Under what a claim is counted; None while it is not decided."""
    if record.outcome is Outcome.MATCHED:
        return None
    if record.outcome is Outcome.PAID:
        if record.repeated:
            return Bucket.REPEATED
        return Bucket.CAPTURED if record.kind is ClaimKind.CAPTURE else Bucket.REFUNDED
    return Bucket.REFUSED if record.outcome is Outcome.REFUSED else Bucket.EXCEPTION


def tally(records: Iterable[ClaimRecord]) -> Mapping[Bucket, Count]:
    """How many claims fall under what, and for how much."""
    lines: dict[Bucket, int] = defaultdict(int)
    amounts: dict[Bucket, int] = defaultdict(int)
    for record in records:
        under = bucket(record)
        if under is not None:
            lines[under] += 1
            amounts[under] += record.amount_minor or 0
    return {under: Count(count, amounts[under]) for under, count in lines.items()}


def moved(before: ClaimRecord, after: ClaimRecord) -> Mapping[Bucket, Count]:
    """What a later decision changes in the report of the claim's file."""
    change: dict[Bucket, Count] = {}
    for record, sign in ((before, -1), (after, 1)):
        under = bucket(record)
        if under is not None:
            so_far = change.get(under, Count())
            amount_minor = so_far.amount_minor + sign * (record.amount_minor or 0)
            change[under] = Count(so_far.lines + sign, amount_minor)
    return change


def _refused(reason: Reason) -> Verdict:
    return Verdict(Outcome.REFUSED, reason)


def _facts(record: ClaimRecord) -> tuple[object, ...]:
    return record.kind, record.amount_minor, record.currency, record.authorization_id
