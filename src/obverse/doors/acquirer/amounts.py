"""What an answer says of money: how much was approved where that is less than was asked, and what is left."""

from collections.abc import Mapping

from obverse.authorization.model import LOADS, Authorization, Purpose, Status
from obverse.kit.money import Money
from obverse.networks.iso8583.additional import AVAILABLE, REQUESTED, additional_amounts
from obverse.networks.iso8583.codec import Fields
from obverse.networks.iso8583.fields import DE3_PROCESSING_CODE, DE4_AMOUNT, DE54_AMOUNTS


def amounts_told(request: Fields, decided: Authorization) -> Mapping[str, str]:
    """DE 4 and 54 of the answer, where it has any of its own.

    A purchase that is approved in whole tells no balance: the shop has not asked, and it is none of its
    business.
    """
    if decided.status is not Status.APPROVED:
        return {}
    told: dict[str, str] = {}
    amounts: dict[str, Money] = {}
    currency, asked = decided.amount.currency, decided.requested_minor
    if decided.balance_minor is not None and (decided.purpose is not Purpose.PURCHASE or asked is not None):
        amounts[AVAILABLE] = Money(decided.balance_minor, currency)
    if asked is not None:
        amounts[REQUESTED] = Money(asked, currency)
        told[DE4_AMOUNT] = f"{decided.amount.amount_minor:012d}"
    if amounts:
        told[DE54_AMOUNTS] = additional_amounts(_account_type(request, decided.purpose), amounts)
    return told


def _account_type(request: Fields, purpose: Purpose) -> str:
    """DE 3, its last four digits: the account that money comes from, and the one that it goes to."""
    code = request[DE3_PROCESSING_CODE]
    return code[4:6] if purpose in LOADS else code[2:4]
