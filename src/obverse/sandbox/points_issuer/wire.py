"""What passes between an issuer and whoever asks it: bodies and signatures. Unknown fields are ignored."""

import base64
import hmac
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from obverse.kit.secret import Secret

ITEMS_MAX: Final = 200
TOLERANCE_S: Final = 300
"""How far a signature's time may be from ours, either way."""

Reference = Annotated[str, Meta(min_length=1, max_length=100)]
Count = Annotated[int, Meta(ge=1, le=10**15)]
Text = Annotated[str, Meta(max_length=200)]


class Terminal(msgspec.Struct, frozen=True):
    """Where it is paid: how the terminal's VAN knows it, and its reference of this payment (DE 37)."""

    acquirer: str
    merchant_no: str
    terminal: str
    rrn: str | None


class TakeAsk(msgspec.Struct, frozen=True):
    """Units to be held or deducted from the account that we call `account`."""

    reference: Reference
    account: Text
    units: Count
    merchant: Text
    amount: Count
    currency: Annotated[str, Meta(pattern="^[A-Z]{3}$")]
    terminal: Terminal | None


class TakeResult(msgspec.Struct, frozen=True, omit_defaults=True):
    """`approval_code`, or the `reason` why there is none."""

    reference: str
    status: str
    approval_code: str | None = None
    reason: str | None = None


class ConfirmAsk(msgspec.Struct, frozen=True):
    reference: Reference


class CancelAsk(msgspec.Struct, frozen=True):
    """Give back everything, or `units` on top of the `units_before` that went back earlier."""

    reference: Reference
    units: Count | None
    units_before: Annotated[int, Meta(ge=0)] | None


class Outcome(msgspec.Struct, frozen=True):
    reference: str
    status: str


class BalanceRow(msgspec.Struct, frozen=True, omit_defaults=True):
    """`units`, or the `error` why there are none to be told."""

    account: str
    units: int | None = None
    error: str | None = None


class BalancesBody(msgspec.Struct, frozen=True):
    accounts: Annotated[list[Text], Meta(min_length=1, max_length=ITEMS_MAX)]


class TakesBody(msgspec.Struct, frozen=True):
    takes: Annotated[list[TakeAsk], Meta(min_length=1, max_length=ITEMS_MAX)]


class ConfirmationsBody(msgspec.Struct, frozen=True):
    confirmations: Annotated[list[ConfirmAsk], Meta(min_length=1, max_length=ITEMS_MAX)]


class CancellationsBody(msgspec.Struct, frozen=True):
    cancellations: Annotated[list[CancelAsk], Meta(min_length=1, max_length=ITEMS_MAX)]


class LinkBody(msgspec.Struct, frozen=True):
    account: Annotated[str, Meta(min_length=1, max_length=40)]


class ProofBody(msgspec.Struct, frozen=True):
    code: Annotated[str, Meta(min_length=1, max_length=20)]


class MallPaymentBody(msgspec.Struct, frozen=True):
    """A mall's wish for points: whose they are, its buyer says by a card number (PR-9)."""

    card_number: Annotated[str, Meta(pattern="^[0-9]{12,19}$")]
    amount: Count
    order: Reference
    merchant: Text


class Answer(msgspec.Struct, frozen=True):
    """An HTTP answer, ready to be sent."""

    status: int
    body: bytes


def answer(status: int, body: Mapping[str, object]) -> Answer:
    return Answer(status, msgspec.json.encode(body))


def is_signed(
    secret: Secret | None, headers: Mapping[str, str], body: bytes, now: Callable[[], float]
) -> bool:
    """Whether this body was signed with our secret just now, as Standard Webhooks has it."""
    id_, stamp = headers.get("webhook-id"), headers.get("webhook-timestamp", "")
    if secret is None or not id_ or not (stamp.isascii() and stamp.isdigit()):
        return False
    if abs(now() - int(stamp)) > TOLERANCE_S:
        return False
    key = base64.b64decode(secret.reveal().removeprefix("whsec_"))
    digest = hmac.new(key, f"{id_}.{stamp}.".encode() + body, sha256).digest()
    ours = b"v1," + base64.b64encode(digest)
    told = headers.get("webhook-signature", "").encode().split(b" ")
    return any(hmac.compare_digest(ours, theirs) for theirs in told)
