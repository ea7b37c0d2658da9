"""What a merchant's data must look like. No I/O."""

from collections.abc import Sequence
from typing import Final

from obverse.kit.errors import InvalidRequest
from obverse.kit.metadata import check_metadata
from obverse.merchants.model import Merchant

NAME_LENGTH_MAX: Final = 100
TERMINALS_MAX: Final = 1_000


def check_merchant(merchant: Merchant) -> None:
    """Refuse what ISO 8583 could not carry or a statement could not print. Raises `InvalidRequest`."""
    if not 1 <= len(merchant.name.strip()) <= NAME_LENGTH_MAX or not merchant.name.isprintable():
        raise InvalidRequest(f"A name has 1 to {NAME_LENGTH_MAX} printable characters.", "name")
    if not (len(merchant.category) == 4 and _is_digits(merchant.category)):
        raise InvalidRequest("A merchant category has four digits (ISO 18245).", "category")
    if not (1 <= len(merchant.acquirer_id) <= 11 and _is_digits(merchant.acquirer_id)):
        raise InvalidRequest("An acquirer id has 1 to 11 digits (DE 32).", "acquirer_id")
    if not _fits(merchant.merchant_no, 15):
        raise InvalidRequest("A merchant number has 1 to 15 letters or digits (DE 42).", "merchant_no")
    _check_terminals(merchant.terminals)
    check_metadata(merchant.metadata)


def _check_terminals(terminals: Sequence[str]) -> None:
    if len(terminals) > TERMINALS_MAX or len(set(terminals)) != len(terminals):
        raise InvalidRequest(f"At most {TERMINALS_MAX} terminals, each named once.", "terminals")
    if not all(_fits(terminal, 8) for terminal in terminals):
        raise InvalidRequest("A terminal has 1 to 8 letters or digits (DE 41).", "terminals")


def _is_digits(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _fits(text: str, length_max: int) -> bool:
    # ISO 8583 pads these fields with spaces, so a space of their own at either end would be lost.
    return 1 <= len(text) <= length_max and text.isascii() and text.isprintable() and text == text.strip()
