"""Every decline and every refusal that can reach a terminal has a response code."""

import inspect

import pytest
from msgspec.structs import replace
from tests.factories.acquirer import authorization

from obverse.authorization import errors as authorization_errors
from obverse.authorization.model import Decline, Status
from obverse.kit import errors as kit_errors
from obverse.kit.errors import NotFound, ObverseError, Unavailable
from obverse.networks.iso8583 import response_codes

NEVER_AT_THIS_DOOR = {"error", "cannot_start", "balances_needed"}


@pytest.mark.parametrize("decline", list(Decline))
def test_every_decline_has_a_row(decline: Decline) -> None:
    declined = replace(authorization(), status=Status.DECLINED, decline=decline)
    code = response_codes.of_payment(declined)
    assert len(code) == 2
    assert code != response_codes.APPROVED


@pytest.mark.parametrize("module", [kit_errors, authorization_errors], ids=["kit", "authorization"])
def test_every_refusal_has_a_row(module: object) -> None:
    classes = [c for _, c in inspect.getmembers(module, inspect.isclass) if issubclass(c, ObverseError)]
    codes = {c.code for c in classes} - NEVER_AT_THIS_DOOR
    assert codes <= response_codes.REFUSALS.keys()


def test_guesses_look_alike() -> None:
    """A wrong number, a wrong expiry date, a wrong CVV and a code that is no good look the same (P17)."""
    guesses = (
        Decline.UNKNOWN_CARD,
        Decline.WRONG_DETAILS,
        Decline.UNKNOWN_CODE,
        Decline.CODE_USED,
        Decline.CODE_EXPIRED,
        Decline.TOO_MANY_GUESSES,
    )
    assert {response_codes.DECLINES[guess] for guess in guesses} == {"14"}


@pytest.mark.parametrize(
    ("status", "code"),
    [(Status.APPROVED, "00"), (Status.REVERSED, "21"), (Status.PROCESSING, "09")],
)
def test_a_payment_is_answered_by_its_status(status: Status, code: str) -> None:
    assert response_codes.of_payment(replace(authorization(), status=status)) == code


def test_refusals_are_answered_by_their_code() -> None:
    assert response_codes.of_refusal(Unavailable()) == "96"
    assert response_codes.of_refusal(NotFound("payment")) == "25"
