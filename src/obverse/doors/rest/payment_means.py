"""What a payment is paid with: a card's number or a code, what its holder picks, and a passkey beside it."""

from collections.abc import Sequence
from typing import Annotated, Any, Final, Protocol

from msgspec import Meta

from obverse.authorization.model import AuthorizationRequest, Entry, Tender
from obverse.authorization.proof import needs_cvv
from obverse.codes import digits_of
from obverse.doors.rest.services import Services
from obverse.doors.rest.shapes import PRINTABLE, Body, Id, PositiveAmount
from obverse.kit.errors import InvalidRequest
from obverse.kit.ids import SourceId, from_text
from obverse.kit.money import Money
from obverse.kit.secret import Secret
from obverse.merchants import Merchant
from obverse.vault.numbers import CODE_DIGITS

PICKS_MAX: Final = 10

CodeText = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=512,
        pattern=PRINTABLE,
        description="A payment code: its digits, or the text of its QR as it was scanned.",
        extra_json_schema={"format": "password"},
    ),
]
QuoteReference = Annotated[
    str,
    Meta(
        pattern="^[A-Z2-9]{12}$",
        max_length=12,
        description="Of what `POST /v1/points_balances` told.",
        examples=["QK7M2WZ9ABCD"],
    ),
]


class Pick(Body, frozen=True):
    """One pick of the holder's: a funding source by its id, or points by the number they were shown under.

    Without `amount`, as much as there is and is needed.
    """

    source: Id | None = None
    number: Annotated[int, Meta(ge=1, le=99)] | None = None
    amount: PositiveAmount | None = None


Picks = Annotated[
    list[Pick], Meta(max_length=PICKS_MAX, examples=[[{"number": 1, "amount": 4000}, {"number": 2}]])
]


class PasskeyProof(Body, frozen=True):
    """What `navigator.credentials.get` made of the options of a code challenge, as `toJSON()` writes it."""

    credential: dict[str, Any]


class Shown(Protocol):
    """What a request shows of a card beside its number."""

    @property
    def exp_month(self) -> int | None: ...
    @property
    def exp_year(self) -> int | None: ...
    @property
    def pin(self) -> str | None: ...
    @property
    def entry(self) -> Entry: ...


class CardOrCode(Shown, Protocol):
    """The same where a payment code may stand in for the card."""

    @property
    def card_number(self) -> str | None: ...
    @property
    def code(self) -> str | None: ...
    @property
    def cvv(self) -> str | None: ...


def expiry_of(payment: Shown) -> str | None:
    """YYMM. Raises `InvalidRequest` where too little came beside a number that could have been guessed."""
    if payment.exp_year is not None and payment.exp_month is not None:
        expiry = f"{payment.exp_year % 100:02d}{payment.exp_month:02d}"
    else:
        expiry = None
    if needs_cvv(payment.entry) and payment.pin is None:
        for name in ("exp_month", "exp_year", "cvv"):
            if getattr(payment, name) is None:
                raise InvalidRequest(f"{name} is required for this way of entry.", name)
    return expiry


def number_shown(payment: CardOrCode) -> tuple[Secret, str | None, Entry]:
    """Number or code, expiry, and the way of entry. Raises `InvalidRequest` unless it is one of the two."""
    if payment.code is None:
        if payment.card_number is None:
            raise InvalidRequest("card_number is required, or a code.", "card_number")
        return Secret(payment.card_number), expiry_of(payment), payment.entry
    for name in ("card_number", "exp_month", "exp_year", "cvv"):
        if getattr(payment, name) is not None:
            raise InvalidRequest(f"With a code there is no {name}.", name)
    if payment.entry not in (Entry.ONLINE, Entry.BARCODE):
        raise InvalidRequest("A code is scanned: leave entry out.", "entry")
    return code_digits(payment.code), None, Entry.BARCODE


def code_digits(scanned: str) -> Secret:
    """The digits of a code as it was scanned. Raises `InvalidRequest` for what cannot be one."""
    digits = digits_of(scanned)
    if len(digits.reveal()) != CODE_DIGITS:
        raise InvalidRequest(f"A code has {CODE_DIGITS} digits.", "code")
    return digits


def tender_of(picks: Sequence[Pick]) -> tuple[Tender, ...]:
    """What was picked, in this order. Raises `InvalidRequest` for a pick of nothing, or of two things."""
    return tuple(_tender(pick) for pick in picks)


def _tender(pick: Pick) -> Tender:
    if (pick.source is None) == (pick.number is None):
        raise InvalidRequest("Name each pick by its source or by its number.", "tender")
    source_id = SourceId(from_text("src", pick.source, "tender")) if pick.source is not None else None
    return Tender(pick.amount, pick.number, source_id)


def approved_by_passkey(merchant: Merchant, code: Secret, amount: Money) -> str:
    """What a member stands by when their passkey answers a code challenge: this, and no other payment."""
    return f"pay:{merchant.id.hex}:{code.reveal()}:{amount.amount_minor}:{amount.currency}"


async def check_passkey(joined: Services, asked: AuthorizationRequest, proof: PasskeyProof) -> None:
    """See that a code's holder stands by this payment. Raises `PasskeyRefused`, which spends nothing."""
    if asked.entry is not Entry.BARCODE or asked.merchant is None:
        raise InvalidRequest("A passkey comes with a code.", "passkey")
    about = approved_by_passkey(asked.merchant, asked.number, asked.amount)
    holder = await joined.holder_of_code(asked.number)
    await joined.members.passkeys.approve(holder, about, asked.request_key, proof.credential)
