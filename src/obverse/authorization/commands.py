"""What the engine can be told to do. Commands for one partition are decided together, batch by batch."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from obverse.authorization.model import AuthorizationRequest, LegStatus
from obverse.authorization.ports import LegAnswer
from obverse.kit.ids import AuthorizationId, MerchantId, SourceId
from obverse.kit.money import CurrencyCode, Money


class Authorize(msgspec.Struct, frozen=True):
    """Decide a payment. `id` is given before, so that a batch tried twice recognises its own work.

    `number_hashes` are the number's keyed hashes under every live key, none where a payment code was shown,
    of which there is `code_hash`; `is_ours` tells whether it begins like our numbers. `cvv_ok` is None where
    no CVV came. `fingerprint` is a keyed hash of all that a repeat must have in common. `pin_hash` is None
    where no PIN came with a number. `balances` are units of points where issuers were asked for them, and
    none where they gave no answer.
    """

    id: AuthorizationId
    request: AuthorizationRequest
    number_hashes: Sequence[bytes]
    cvv_ok: bool | None
    fingerprint: bytes
    pin_hash: bytes | None = None
    code_hash: bytes | None = None
    is_ours: bool = True
    balances: Mapping[SourceId, int] | None = None


class Shown(msgspec.Struct, frozen=True):
    """What proves that whoever names a payment knows the number it was made with.

    One of three: the serial behind a number of ours, the hashes of a registered card's own number, or that
    of a payment code.
    """

    serial: int | None = None
    number_hashes: Sequence[bytes] = ()
    code_hash: bytes | None = None


class Conclude(msgspec.Struct, frozen=True):
    """Close a payment whose card companies were asked; a leg without an answer is taken as not answered."""

    id: AuthorizationId
    answers: Mapping[int, LegAnswer]


class Reverse(msgspec.Struct, frozen=True):
    """Undo a payment known by its id. `key` must not be that of another step."""

    id: AuthorizationId
    key: str | None = None


class ReverseByKey(msgspec.Struct, frozen=True):
    """Undo a payment known by its request key, also one that has not arrived yet (P8).

    `shown` is the number it came with: a request key can be guessed, so it is not enough.
    `id` is for the mark that is left where there is nothing to undo, so that the late original is declined.
    `in_doubt_since` is set where the door gives up on a request instead of a terminal asking: a payment that
    is older than that, or that a repeat was told of since, has an answer and is left alone.
    """

    id: AuthorizationId
    request_key: str
    shown: Shown
    amount: Money
    merchant_id: MerchantId | None
    terminal: str | None
    in_doubt_since: datetime | None = None


class ByKey(msgspec.Struct, frozen=True):
    """A payment as a terminal knows it: by its request key and the number it was made with (OT-16).

    `currency` is that of the amount the terminal names, which has to be the payment's own.
    """

    request_key: str
    shown: Shown
    currency: CurrencyCode | None = None


Payment = AuthorizationId | ByKey


class Capture(msgspec.Struct, frozen=True):
    """Claim an approved payment, or the part `amount_minor` of it; None claims all that is open.

    `final` releases what is open after it. `late` lets an expired payment be captured after all.
    `key`, here and below, is the step's own request key: the same step sent again changes nothing.
    """

    payment: Payment
    amount_minor: int | None
    key: str
    final: bool = False
    late: bool = False


class Release(msgspec.Struct, frozen=True):
    """Give up (part of) what is held and not captured; None gives up all of it."""

    payment: Payment
    amount_minor: int | None
    key: str


class Refund(msgspec.Struct, frozen=True):
    """Give back (part of) what was captured, to the legs it came from; None gives back all of it."""

    payment: Payment
    amount_minor: int | None
    key: str


class Expire(msgspec.Struct, frozen=True):
    """Release what is still held of a payment whose time is over."""

    id: AuthorizationId


class OpenDispute(msgspec.Struct, frozen=True):
    """Credit the member provisionally with a part of what was captured."""

    id: AuthorizationId
    amount_minor: int
    key: str


class CloseDispute(msgspec.Struct, frozen=True):
    """End the dispute: either the merchant pays what the member was credited with, or the member does."""

    id: AuthorizationId
    amount_minor: int
    key: str
    merchant_pays: bool


class AnswerAgain(msgspec.Struct, frozen=True):
    """Note that a repeat is about to be told of this approval."""

    id: AuthorizationId


class LegReversed(msgspec.Struct, frozen=True):
    """The reversal of one leg was acknowledged, which was `seen` like this before it was sent.

    If a leg at a card company has changed since, the request itself may have gone out after its reversal,
    which then undid nothing and has to be sent again. A points issuer refuses what comes after its
    cancellation, so there None will do.
    """

    id: AuthorizationId
    position: int
    seen: LegStatus | None


Command = (
    Authorize
    | Conclude
    | Reverse
    | ReverseByKey
    | Capture
    | Release
    | Refund
    | Expire
    | OpenDispute
    | CloseDispute
    | AnswerAgain
    | LegReversed
)
