"""What the rooms say, as Diameter result codes (RFC 6733, 7.1; RFC 8506, 9)."""

from typing import Final

from obverse.authorization import Decline
from obverse.doors.diameter import wire
from obverse.kit.errors import InvalidRequest, KeyReused, NotFound, ObverseError, Unavailable
from obverse.metering import SessionNotFound, SessionOver, TariffNotFound

RESULT_OF_DECLINE: Final[dict[Decline, int]] = {
    **dict.fromkeys(Decline, wire.USER_UNKNOWN),
    Decline.WRONG_PIN: wire.AUTHENTICATION_REJECTED,
    Decline.INSUFFICIENT_FUNDS: wire.CREDIT_LIMIT_REACHED,
    Decline.AMOUNT_LIMIT: wire.CREDIT_LIMIT_REACHED,
    Decline.PER_PAYMENT_LIMIT: wire.CREDIT_LIMIT_REACHED,
    Decline.UNKNOWN_MERCHANT: wire.AUTHORIZATION_REJECTED,
    Decline.CARD_COMPANY_DECLINED: wire.CREDIT_LIMIT_REACHED,
    Decline.CARD_COMPANY_UNAVAILABLE: wire.TOO_BUSY,
    Decline.CARD_COMPANY_LATE: wire.TOO_BUSY,
    Decline.REVERSED: wire.UNABLE_TO_COMPLY,
    Decline.KEY_REUSED: wire.UNABLE_TO_COMPLY,
}
"""As generic as what merchants are told elsewhere: whatever is wrong with a card looks like no card (P17)."""

_RESULT_OF_REFUSAL: Final[tuple[tuple[type[ObverseError], int], ...]] = (
    (SessionNotFound, wire.UNKNOWN_SESSION_ID),
    (SessionOver, wire.UNKNOWN_SESSION_ID),
    (TariffNotFound, wire.RATING_FAILED),
    (NotFound, wire.AUTHORIZATION_REJECTED),
    (InvalidRequest, wire.INVALID_AVP_VALUE),
    (KeyReused, wire.UNABLE_TO_COMPLY),
    (Unavailable, wire.TOO_BUSY),
)


def of_decline(decline: Decline | None, *, was_open: bool = False) -> int:
    """The result of a decline; to a card that was let in before, the service is denied instead.

    >>> of_decline(Decline.CARD_SUSPENDED), of_decline(Decline.CARD_SUSPENDED, was_open=True)
    (5030, 4010)
    """
    code = RESULT_OF_DECLINE[decline] if decline is not None else wire.CREDIT_LIMIT_REACHED
    return wire.END_USER_SERVICE_DENIED if was_open and code == wire.USER_UNKNOWN else code


def of_refusal(refused: ObverseError) -> int:
    """The result of what a room refuses."""
    found = (code for kind, code in _RESULT_OF_REFUSAL if isinstance(refused, kind))
    return next(found, wire.UNABLE_TO_COMPLY)
