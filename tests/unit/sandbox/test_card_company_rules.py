"""How the sandbox's card company decides."""

import pytest
from tests.factories.sandbox import a_card, a_check, a_payment, a_request

from obverse.kit.secret import Secret
from obverse.sandbox.card_company.model import Code, RealCard, Request
from obverse.sandbox.card_company.rules import decide, read

CHECK = {"is_check": True, "amount_minor": 0, "cvv": "123", "birth_date": "900101"}


@pytest.mark.parametrize(
    ("request_", "card", "held_minor", "code"),
    [
        pytest.param(a_request(), a_card(), 0, "00", id="good"),
        pytest.param(a_request(), a_card(), 66_000, "00", id="exactly the limit"),
        pytest.param(a_request(), a_card(), 66_001, "51", id="over the limit"),
        pytest.param(a_request(), None, 0, "14", id="unknown card"),
        pytest.param(a_request(expiry="3007"), a_card(), 0, "54", id="wrong expiry"),
        pytest.param(a_request(expiry="2606"), a_card(expiry="2606"), 0, "54", id="expired"),
        pytest.param(a_request(expiry="2607"), a_card(expiry="2607"), 0, "00", id="last month"),
        pytest.param(a_request(), a_card(blocked=True), 0, "62", id="blocked"),
        pytest.param(a_request(currency="840"), a_card(), 0, "12", id="other currency"),
        pytest.param(a_request(cvv="999"), a_card(), 0, "63", id="wrong cvv"),
        pytest.param(a_request(amount_minor=0), a_card(), 0, "13", id="nothing to pay"),
        pytest.param(a_request(**CHECK), a_card(), 100_000, "00", id="check, even at the limit"),
        pytest.param(a_request(**CHECK | {"cvv": "999"}), a_card(), 0, "63", id="check, wrong cvv"),
        pytest.param(a_request(**CHECK | {"cvv": None}), a_card(), 0, "63", id="check without cvv"),
        pytest.param(
            a_request(**CHECK | {"birth_date": "900102"}), a_card(), 0, "05", id="check, wrong birth date"
        ),
        pytest.param(a_request(**CHECK | {"birth_date": None}), a_card(), 0, "05", id="check, no birth date"),
        pytest.param(a_request(**CHECK | {"amount_minor": 1}), a_card(), 0, "13", id="check with an amount"),
    ],
)
def test_the_response_code_follows_from_card_and_request(
    request_: Request, card: RealCard | None, held_minor: int, code: str
) -> None:
    assert decide(request_, card, held_minor=held_minor, month="2607") == code


def test_a_payment_is_read_from_its_fields() -> None:
    request = read(a_payment())
    assert request is not None
    assert (request.amount_minor, request.currency, request.is_check) == (34_000, "410", False)
    assert request.merchant == "A shop"


def test_a_check_brings_cvv_and_birth_date() -> None:
    request = read(a_check())
    assert request is not None
    assert (request.cvv, request.birth_date, request.is_check) == ("123", "900101", True)


@pytest.mark.parametrize(
    "broken",
    [
        {"2": ""},
        {"4": "00000003400x"},
        {"14": "    "},
        {"49": "KRW"},
        {"48": "92999"},
        {"48": "9"},
    ],
    ids=["no number", "letters in the amount", "no expiry", "letters in the currency", "short 48", "stub 48"],
)
def test_a_broken_payment_is_a_format_error(broken: dict[str, str]) -> None:
    assert read(a_payment(**broken)) is None


def test_the_cards_secrets_do_not_print() -> None:
    card = a_card(cvv=Secret("987"))
    assert "987" not in repr(card)
    assert card.number.reveal() not in repr(card)
    assert Code.APPROVED == "00"
