"""What points are worth, how many a payment takes or gets back, and what an issuer may be like.

Pure: integer arithmetic, no I/O, no clock.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from math import gcd
from typing import Final
from urllib.parse import urlsplit
from uuid import UUID, uuid5

from obverse.cards.model import Card, CardKind, CardState, HeldBy
from obverse.cards.rules import FUNDING_MAX
from obverse.kit.errors import InvalidRequest
from obverse.kit.ids import AccountId, MerchantId, PartitionId, PointsIssuerId, SourceId
from obverse.kit.money import CurrencyCode
from obverse.kit.secret import Secret
from obverse.ledger.model import Account, AccountKind
from obverse.points.model import Issuer, IssuerTerms, Rate

RATIO_MAX: Final = 1_000_000
"""Of numerator and denominator: the largest amount at the dearest rate stays within eight bytes."""
STEP_UNITS_MAX: Final = 1_000_000
UNITS_MAX: Final = 999_999_999_999
NAME_LENGTH_MAX: Final = 60
SHORT_LENGTH_MAX: Final = 12
"""What a till's display has room for."""
URL_LENGTH_MAX: Final = 500

_ACCOUNT: Final = re.compile(r"[0-9A-Z@._+]{4,64}")

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
    worth = (units - units % rate.step_units) * rate.denominator // rate.numerator
    return worth if units_for(rate, worth) >= rate.minimum_units else 0


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


# what issuers and rates must look like ----------------------------------------------------------------------


def check_terms(terms: IssuerTerms | Issuer, *, https_only: bool) -> None:
    """Refuse what a till could not show or nobody could reach. Raises `InvalidRequest`."""
    if not 1 <= len(terms.name.strip()) <= NAME_LENGTH_MAX or not terms.name.isprintable():
        raise InvalidRequest(f"A name has 1 to {NAME_LENGTH_MAX} printable characters.", "name")
    for param, text in (("short_name", terms.short_name), ("unit", terms.unit)):
        fits = 1 <= len(text) <= SHORT_LENGTH_MAX and text.isascii() and text.isprintable()
        if not fits or text != text.strip():
            raise InvalidRequest(f"Give 1 to {SHORT_LENGTH_MAX} ASCII characters: tills show them.", param)
    if terms.units_max is not None and not 1 <= terms.units_max <= UNITS_MAX:
        raise InvalidRequest(f"A limit is 1 to {UNITS_MAX} units.", "units_max")
    _check_url(terms.url, https_only=https_only)


def _check_url(url: str, *, https_only: bool) -> None:
    schemes = ("https",) if https_only else ("http", "https")
    try:
        parts = urlsplit(url)
        reachable = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:  # brackets or a port that are none
        reachable = False
    if not reachable or len(url) > URL_LENGTH_MAX or not (url.isascii() and url.isprintable()) or " " in url:
        raise InvalidRequest(f"Give an address with a host: {' or '.join(schemes)}.", "url")
    if parts.username is not None or parts.query or parts.fragment:
        raise InvalidRequest("Paths are added to the address: no user, query or fragment.", "url")


def checked_rate(rate: Rate, units_max: int | None) -> Rate:
    """The rate in lowest terms. Raises `InvalidRequest` for one that nobody could pay by.

    >>> checked_rate(Rate(10, 5), None)
    Rate(numerator=2, denominator=1, minimum_units=1, step_units=1)
    """
    for param, number in (("numerator", rate.numerator), ("denominator", rate.denominator)):
        if not 1 <= number <= RATIO_MAX:
            raise InvalidRequest(f"A rate is a fraction of numbers from 1 to {RATIO_MAX}.", param)
    if not 1 <= rate.step_units <= STEP_UNITS_MAX:
        raise InvalidRequest(f"Units are taken in steps of 1 to {STEP_UNITS_MAX}.", "step_units")
    if not 1 <= rate.minimum_units <= UNITS_MAX:
        raise InvalidRequest(f"A minimum is 1 to {UNITS_MAX} units.", "minimum_units")
    if units_max is not None and max(rate.minimum_units, rate.step_units) > units_max:
        raise InvalidRequest("The issuer's limit for one payment lies below it.", "minimum_units")
    common = gcd(rate.numerator, rate.denominator)
    return Rate(rate.numerator // common, rate.denominator // common, rate.minimum_units, rate.step_units)


def takes_points(card: Card, partition_id: PartitionId, now: datetime) -> bool:
    """Whether one more points account of its member, who is in this partition, can stand behind a card.

    One that was somebody else's gift may lie in another partition, and a payment stays in its own.
    """
    return (
        card.kind is not CardKind.GIFT
        and card.partition_id == partition_id
        and card.held_by is HeldBy.MEMBER
        and card.state is not CardState.CLOSED
        and now < card.expires_at
        and len(card.funding) < FUNDING_MAX
    )


def account_form(account: Secret) -> Secret:
    """An account's number in the one form it is known by: as it is printed it may have spaces and dashes.

    Raises `InvalidRequest`.
    """
    form = re.sub(r"[ -]", "", account.reveal()).upper()
    if not _ACCOUNT.fullmatch(form):
        raise InvalidRequest(
            "An account has 4 to 64 letters, digits or @ . _ +, beside spaces and dashes.", "account"
        )
    return Secret(form)


def issuer_context(id_: PointsIssuerId) -> bytes:
    """What binds a sealed secret to its issuer."""
    return f"points_issuer:{id_}".encode()


def account_context(id_: SourceId) -> bytes:
    """What binds a sealed handle to its account."""
    return f"points_account:{id_}".encode()
