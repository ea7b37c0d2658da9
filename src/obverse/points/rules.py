"""What points are worth and how many a payment takes or gets back. Pure integer arithmetic."""

from collections.abc import Mapping
from typing import Final
from uuid import UUID, uuid5

from obverse.kit.ids import AccountId, MerchantId, PartitionId, PointsIssuerId
from obverse.kit.money import CurrencyCode
from obverse.ledger.model import Account, AccountKind
from obverse.points.model import Rate

_RECEIVABLES: Final = UUID("5f0e9a2c-7d51-5b0e-9a64-0b2f6c1d8e37")

Rates = Mapping[tuple[PointsIssuerId, MerchantId | None], Rate]
"""Rates in force by issuer and merchant; None as the merchant is the issuer's rate for everybody."""


def units_for(rate: Rate, amount_minor: int) -> int:
    """How many units an amount takes: rounded up to the rate's step, so less than a step is lost (PR-6).

    >>> units_for(Rate(2, 1), 4_000), units_for(Rate(1, 10), 34), units_for(Rate(1, 10, step_units=5), 34)
    (8000, 4, 5)
    """
    exact = -(-amount_minor * rate.numerator // rate.denominator)
    return -(-exact // rate.step_units) * rate.step_units


def worth_minor(rate: Rate, units: int) -> int:
    """What units pay for, whole steps of them: a fraction of a minor unit is nothing.

    >>> worth_minor(Rate(2, 1), 8_001), worth_minor(Rate(1, 10, step_units=5), 9)
    (4000, 50)
    """
    usable = units - units % rate.step_units
    return usable * rate.denominator // rate.numerator if usable >= rate.minimum_units else 0


def most_minor(rate: Rate, units: int, amount_minor: int) -> int:
    """The largest part of an amount that these units pay for without giving away a whole step of them."""
    fitting = amount_minor * rate.numerator // rate.denominator
    return min(amount_minor, worth_minor(rate, min(units, fitting)))


def units_due_back(units: int, amount_minor: int, given_back_minor: int) -> int:
    """How many of a leg's units have to be back once this much of its amount went back; all for all (P16).

    >>> [units_due_back(7, 3, back) for back in (0, 1, 2, 3)]
    [0, 2, 4, 7]
    """
    return units * given_back_minor // amount_minor if amount_minor else 0


def rate_at(rates: Rates, issuer_id: PointsIssuerId, merchant_id: MerchantId) -> Rate | None:
    """The rate that holds at a merchant: its own, or the issuer's for everybody; None where there is none."""
    return rates.get((issuer_id, merchant_id)) or rates.get((issuer_id, None))


def receivable(issuer_id: PointsIssuerId, partition_id: PartitionId, currency: CurrencyCode) -> Account:
    """What an issuer owes for its points that were spent; its id is derived, so nobody has to look it up."""
    return Account(
        partition_id=partition_id,
        id=AccountId(uuid5(_RECEIVABLES, f"{issuer_id}:{partition_id}:{currency}")),
        kind=AccountKind.POINTS_ISSUER_RECEIVABLE,
        owner_id=issuer_id,
        currency=currency,
        floor_minor=None,
        rolled_up=True,
    )
