"""The messages that go to the card company."""

from dataclasses import dataclass
from typing import Final

from obverse.authorization.ports import LegRequest
from obverse.kit.money import Money, numeric_code
from obverse.networks.card_company.ports import CardFace
from obverse.networks.card_company.references import Reference
from obverse.networks.iso8583.additional import write_subelements
from obverse.networks.iso8583.fields import (
    DE2_CARD_NUMBER,
    DE3_PROCESSING_CODE,
    DE4_AMOUNT,
    DE7_TRANSMITTED_AT,
    DE11_STAN,
    DE12_LOCAL_TIME,
    DE13_LOCAL_DATE,
    DE14_EXPIRY,
    DE18_MERCHANT_CATEGORY,
    DE22_ENTRY_MODE,
    DE25_CONDITION,
    DE32_ACQUIRER,
    DE37_RRN,
    DE41_TERMINAL,
    DE42_MERCHANT,
    DE43_NAME_LOCATION,
    DE48_ADDITIONAL_DATA,
    DE49_CURRENCY,
    DE70_NETWORK_CODE,
    DE90_ORIGINAL,
    MTI,
    SUBELEMENT_BIRTH_DATE,
    SUBELEMENT_CVV,
)
from obverse.networks.iso8583.origins import original_data
from obverse.wallet.model import CardDetails

_PURCHASE: Final = "000000"
_ONLINE: Final = "810"
_NORMAL: Final = "00"
_ACCOUNT_CHECK: Final = "51"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who we are to the card company: the merchant behind a payment is named in DE 43 only."""

    acquirer_id: str = "941012"
    terminal: str = "OBVERSE1"
    merchant_no: str = "OBVERSE"


def payment(identity: Identity, reference: Reference, leg: LegRequest, card: CardFace) -> dict[str, str]:
    """0100 for one leg of a payment."""
    return {
        MTI: "0100",
        **_common(identity, reference, card, leg.amount),
        DE12_LOCAL_TIME: reference.transmitted_at[4:],
        DE13_LOCAL_DATE: reference.transmitted_at[:4],
        DE18_MERCHANT_CATEGORY: leg.merchant_category,
        DE22_ENTRY_MODE: _ONLINE,
        DE25_CONDITION: _NORMAL,
        DE43_NAME_LOCATION: printable(leg.merchant_name).ljust(40),
    }


def check(identity: Identity, reference: Reference, details: CardDetails, amount: Money) -> dict[str, str]:
    """0100 for nothing: is this card real, alive, and this person's own (OT-4)?"""
    own = {SUBELEMENT_CVV: details.cvv.reveal(), SUBELEMENT_BIRTH_DATE: details.birth_date.reveal()}
    return {
        MTI: "0100",
        **_common(identity, reference, details, amount),
        DE12_LOCAL_TIME: reference.transmitted_at[4:],
        DE13_LOCAL_DATE: reference.transmitted_at[:4],
        DE22_ENTRY_MODE: _ONLINE,
        DE25_CONDITION: _ACCOUNT_CHECK,
        DE48_ADDITIONAL_DATA: write_subelements(own),
    }


def reversal(
    identity: Identity, reference: Reference, leg: LegRequest, card: CardFace, original: Reference
) -> dict[str, str]:
    """0420: undo `original`; it carries a DE 7 and DE 11 of its own."""
    return {
        MTI: "0420",
        **_common(identity, reference, card, leg.amount),
        DE90_ORIGINAL: original_data("0100", original.transmitted_at, original.stan, identity.acquirer_id),
    }


def network(identity: Identity, reference: Reference, network_code: str) -> dict[str, str]:
    """0800: sign-on or echo test."""
    return {
        MTI: "0800",
        DE7_TRANSMITTED_AT: reference.transmitted_at,
        DE11_STAN: reference.stan,
        DE32_ACQUIRER: identity.acquirer_id,
        DE70_NETWORK_CODE: network_code,
    }


def _common(identity: Identity, reference: Reference, card: CardFace, amount: Money) -> dict[str, str]:
    """What payments, checks and reversals share. The real number is in the clear from here to the socket."""
    return {
        DE2_CARD_NUMBER: card.number.reveal(),
        DE3_PROCESSING_CODE: _PURCHASE,
        DE4_AMOUNT: f"{amount.amount_minor:012d}",
        DE7_TRANSMITTED_AT: reference.transmitted_at,
        DE11_STAN: reference.stan,
        DE14_EXPIRY: f"{card.exp_year % 100:02d}{card.exp_month:02d}",
        DE32_ACQUIRER: identity.acquirer_id,
        DE37_RRN: reference.rrn,
        DE41_TERMINAL: f"{identity.terminal:<8}",
        DE42_MERCHANT: f"{identity.merchant_no:<15}",
        DE49_CURRENCY: numeric_code(amount.currency),
    }


def printable(name: str) -> str:
    """DE 43 takes 40 printable ASCII characters; others become question marks."""
    text = name.encode("ascii", "replace").decode("ascii")
    return "".join(c if c.isprintable() else " " for c in text)[:40]
