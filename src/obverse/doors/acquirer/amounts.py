"""What an answer says of money: how much was approved where that is less than was asked, and what is left."""

from collections.abc import Mapping

from obverse.authorization.model import LOADS, Authorization, Purpose, Status
from obverse.kit.money import AMOUNT_MINOR_MAX, CurrencyCode, Money
from obverse.networks.iso8583.additional import (
    AMOUNTS_MAX,
    AVAILABLE,
    OWN_ACCOUNT,
    POINTS_ACCOUNTS,
    REQUESTED,
    Told,
    additional_amounts,
)
from obverse.networks.iso8583.codec import Fields
from obverse.networks.iso8583.fields import DE3_PROCESSING_CODE, DE4_AMOUNT, DE54_AMOUNTS
from obverse.points.quotes import Shown


def amounts_told(request: Fields, decided: Authorization, points: Shown | None = None) -> Mapping[str, str]:
    """DE 4 and 54 of the answer, where it has any of its own.

    A purchase that is approved in whole tells no balance: the shop has not asked, and it is none of its
    business.
    """
    if decided.status is not Status.APPROVED:
        return {}
    told: dict[str, str] = {}
    account_type = _account_type(request, decided.purpose)
    currency, asked = decided.amount.currency, decided.requested_minor
    if points is not None:
        told[DE54_AMOUNTS] = additional_amounts(
            _worth(account_type, decided.balance_minor, points, currency)[:AMOUNTS_MAX]
        )
        return told
    amounts: list[Told] = []
    if decided.balance_minor is not None and (decided.purpose is not Purpose.PURCHASE or asked is not None):
        amounts.append(Told(account_type, AVAILABLE, Money(decided.balance_minor, currency)))
    if asked is not None:
        amounts.append(Told(account_type, REQUESTED, Money(asked, currency)))
        told[DE4_AMOUNT] = f"{decided.amount.amount_minor:012d}"
    if amounts:
        told[DE54_AMOUNTS] = additional_amounts(amounts)
    return told


def _worth(account_type: str, stored_minor: int | None, points: Shown, currency: CurrencyCode) -> list[Told]:
    """What can be spent in all, and where it is: on the card itself, and in each account that is known."""
    worth = {each.number: each.worth_minor for each in points.lines if each.worth_minor is not None}
    parts = [(OWN_ACCOUNT, stored_minor)] if stored_minor is not None else []
    parts += [
        (POINTS_ACCOUNTS[number - 1], minor)
        for number, minor in worth.items()
        if number <= len(POINTS_ACCOUNTS)
    ]
    total = (stored_minor or 0) + sum(worth.values())
    return [
        Told(type_, AVAILABLE, Money(min(minor, AMOUNT_MINOR_MAX), currency))
        for type_, minor in [(account_type, total), *parts]
    ]


def _account_type(request: Fields, purpose: Purpose) -> str:
    """DE 3, its last four digits: the account that money comes from, and the one that it goes to."""
    code = request[DE3_PROCESSING_CODE]
    return code[4:6] if purpose in LOADS else code[2:4]
