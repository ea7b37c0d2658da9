"""Payments as bytes, encoded before the clock starts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from typing import Final

import msgspec

from obverse.kit.ids import AccountId, to_text
from obverse.kit.secret import Secret
from obverse.members import Member
from obverse.merchants import Merchant
from obverse.networks.iso8583 import encode, frame
from obverse.networks.iso8583.additional import write_subelements
from obverse.networks.iso8583.fields import (
    DE2_CARD_NUMBER,
    DE3_PROCESSING_CODE,
    DE4_AMOUNT,
    DE7_TRANSMITTED_AT,
    DE11_STAN,
    DE14_EXPIRY,
    DE22_ENTRY_MODE,
    DE32_ACQUIRER,
    DE37_RRN,
    DE41_TERMINAL,
    DE42_MERCHANT,
    DE48_ADDITIONAL_DATA,
    DE49_CURRENCY,
    DE63_POINTS,
    DE90_ORIGINAL,
    MTI,
    SUBELEMENT_CVV,
)
from obverse.networks.iso8583.origins import original_data

AMOUNT_MINOR: Final = 1_000
_PICKS: Final = "03051|30003052|300"

_references = count(1)
"""One for all runs: no two payments of a benchmark share a request key."""


@dataclass(frozen=True, slots=True)
class Payment:
    """A fresh one-time card at a merchant; expiry is YYMM."""

    number: Secret
    expiry: str
    cvv: Secret
    account_id: AccountId
    """What is debited: a member's credit line, or what card companies owe."""
    merchant: Merchant


def iso8583_messages(payments: Sequence[Payment]) -> list[bytes]:
    """0100, online, with CVV; the trace number is the position in this list."""
    transmitted_at = _now()
    return [
        _iso8583("0100", payment, stan, transmitted_at, next(_references))
        for stan, payment in enumerate(payments)
    ]


def iso8583_mixed(payments: Sequence[Payment]) -> list[bytes]:
    """0100, swiped: 300 of each of two points accounts, the rest on the card (DE 63)."""
    transmitted_at = _now()
    messages = []
    for stan, payment in enumerate(payments):
        fields = _fields("0100", payment, stan, transmitted_at, next(_references))
        picks = {DE14_EXPIRY: payment.expiry, DE22_ENTRY_MODE: "020", DE63_POINTS: _PICKS}
        messages.append(frame(encode(fields | picks)))
    return messages


def iso8583_scans(payments: Sequence[Payment]) -> list[bytes]:
    """0100 by barcode: the payment code stands where the number stands."""
    transmitted_at = _now()
    return [
        frame(
            encode(
                _fields("0100", payment, stan, transmitted_at, next(_references)) | {DE22_ENTRY_MODE: "030"}
            )
        )
        for stan, payment in enumerate(payments)
    ]


def iso8583_sales_and_refunds(payments: Sequence[Payment]) -> tuple[list[bytes], list[bytes]]:
    """0200 for each payment, captured at once, and the 0200 that gives it back in whole."""
    sold_at = _now()
    references = [next(_references) for _ in payments]
    numbered = list(enumerate(zip(payments, references, strict=True)))
    sales = [_iso8583("0200", payment, stan, sold_at, rrn) for stan, (payment, rrn) in numbered]
    refunds = [_refund(payment, stan, sold_at, rrn) for stan, (payment, rrn) in numbered]
    return sales, refunds


def claim_file(payments: Sequence[Payment], approval_codes: Sequence[str]) -> bytes:
    """A claim file of one merchant; one line for each payment."""
    lines = [
        f"capture,BENCH-{next(_references)},{payment.number.reveal()},{code},{AMOUNT_MINOR},,,"
        for payment, code in zip(payments, approval_codes, strict=True)
    ]
    trailer = f"trailer,{len(lines)},{len(lines) * AMOUNT_MINOR}"
    return "\n".join(["header,1,KRW", *lines, trailer, ""]).encode()


def _now() -> str:
    return f"{datetime.now(UTC):%m%d%H%M%S}"


def _iso8583(mti: str, payment: Payment, stan: int, transmitted_at: str, rrn: int) -> bytes:
    fields = _fields(mti, payment, stan, transmitted_at, rrn) | {
        DE14_EXPIRY: payment.expiry,
        DE22_ENTRY_MODE: "810",
        DE48_ADDITIONAL_DATA: write_subelements({SUBELEMENT_CVV: payment.cvv.reveal()}),
    }
    return frame(encode(fields))


def _refund(payment: Payment, stan: int, sold_at: str, rrn: int) -> bytes:
    original = original_data("0200", sold_at, f"{stan:06d}", payment.merchant.acquirer_id)
    fields = _fields("0200", payment, stan, sold_at, rrn) | {
        DE3_PROCESSING_CODE: "200000",
        DE90_ORIGINAL: original,
    }
    return frame(encode(fields))


def _fields(mti: str, payment: Payment, stan: int, transmitted_at: str, rrn: int) -> dict[str, str]:
    merchant = payment.merchant
    return {
        MTI: mti,
        DE2_CARD_NUMBER: payment.number.reveal(),
        DE3_PROCESSING_CODE: "000000",
        DE4_AMOUNT: f"{AMOUNT_MINOR:012d}",
        DE7_TRANSMITTED_AT: transmitted_at,
        DE11_STAN: f"{stan:06d}",
        DE32_ACQUIRER: merchant.acquirer_id,
        DE37_RRN: f"{rrn:012d}",
        DE41_TERMINAL: merchant.terminals[0],
        DE42_MERCHANT: f"{merchant.merchant_no:15}",
        DE49_CURRENCY: "410",
    }


def rest_payments(payments: Sequence[Payment], token: Secret) -> list[bytes]:
    """`POST /v1/payments`, each with an Idempotency-Key, as an integrator sends it."""
    return [_post("/v1/payments", _payment_body(payment), token) for payment in payments]


def rest_orders(members: Sequence[Member], total: int, token: Secret) -> list[bytes]:
    """`POST /v1/cards`, for one member after the other."""
    return [
        _post("/v1/cards", {"member": to_text("mem", members[n % len(members)].id)}, token)
        for n in range(total)
    ]


def _payment_body(payment: Payment) -> dict[str, object]:
    return {
        "card_number": payment.number.reveal(),
        "exp_month": int(payment.expiry[2:]),
        "exp_year": 2000 + int(payment.expiry[:2]),
        "cvv": payment.cvv.reveal(),
        "amount": AMOUNT_MINOR,
        "currency": "KRW",
        "merchant": to_text("mer", payment.merchant.id),
        "terminal": payment.merchant.terminals[0],
    }


def _post(path: str, body: dict[str, object], token: Secret) -> bytes:
    content = msgspec.json.encode(body)
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token.reveal()}\r\n"
        f"Content-Type: application/json\r\nIdempotency-Key: bench-{next(_references)}\r\n"
        f"Content-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content
