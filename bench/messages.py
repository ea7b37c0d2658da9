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
    MTI,
    SUBELEMENT_CVV,
)
from obverse.networks.iso8583.messages import write_subelements

AMOUNT_MINOR: Final = 1_000

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
    transmitted_at = f"{datetime.now(UTC):%m%d%H%M%S}"
    return [_iso8583(payment, stan, transmitted_at) for stan, payment in enumerate(payments)]


def _iso8583(payment: Payment, stan: int, transmitted_at: str) -> bytes:
    merchant = payment.merchant
    fields = {
        MTI: "0100",
        DE2_CARD_NUMBER: payment.number.reveal(),
        DE3_PROCESSING_CODE: "000000",
        DE4_AMOUNT: f"{AMOUNT_MINOR:012d}",
        DE7_TRANSMITTED_AT: transmitted_at,
        DE11_STAN: f"{stan:06d}",
        DE14_EXPIRY: payment.expiry,
        DE22_ENTRY_MODE: "810",
        DE32_ACQUIRER: merchant.acquirer_id,
        DE37_RRN: f"{next(_references):012d}",
        DE41_TERMINAL: merchant.terminals[0],
        DE42_MERCHANT: f"{merchant.merchant_no:15}",
        DE48_ADDITIONAL_DATA: write_subelements({SUBELEMENT_CVV: payment.cvv.reveal()}),
        DE49_CURRENCY: "410",
    }
    return frame(encode(fields))


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
