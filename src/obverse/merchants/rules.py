"""What a merchant's data must look like, what it pays, and what may become of an application. No I/O."""

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final
from uuid import UUID

from msgspec import UNSET
from msgspec.structs import asdict, replace

from obverse.kit.errors import InvalidRequest, NotPermitted
from obverse.kit.ids import to_text
from obverse.kit.metadata import check_metadata
from obverse.kit.money import AMOUNT_MINOR_MAX
from obverse.merchants.errors import ApplicationDecided, MerchantClosed, TooManyApplications
from obverse.merchants.model import (
    Application,
    ApplicationState,
    Details,
    FeePlan,
    Merchant,
    MerchantChange,
    MerchantState,
    Rhythm,
    Terms,
)

NAME_LENGTH_MAX: Final = 100
CONTACT_LENGTH_MAX: Final = 200
TERMINALS_MAX: Final = 1_000
ACCEPTS_MAX: Final = 20
ACCEPTS_POINTS_MAX: Final = 100
BASIS_POINTS_MAX: Final = 10_000

ORIGIN_WINDOW: Final = timedelta(hours=1)
APPLICATIONS_PER_ORIGIN_MAX: Final = 20
"""Per address and hour: enough for a shopping centre behind one address."""
APPLICATIONS_OPEN_MAX: Final = 1_000
"""That wait for a decision in all: more than operators read in a day."""

_CARD_KIND: Final = re.compile(r"[a-z_]{1,40}")


# what must be so --------------------------------------------------------------------------------------------


def check_merchant(merchant: Merchant) -> None:
    """Refuse what ISO 8583 could not carry or a statement could not print. Raises `InvalidRequest`."""
    _check_identity(merchant)
    check_terms(Terms(merchant.fee_plan, merchant.accepts))
    if len(merchant.accepts_points) > ACCEPTS_POINTS_MAX:
        raise InvalidRequest(f"Name at most {ACCEPTS_POINTS_MAX} points issuers.", "accepts_points")
    if not 0 <= (merchant.code_proof_from_minor or 0) <= AMOUNT_MINOR_MAX:
        raise InvalidRequest("Give an amount from which a code needs a proof.", "code_proof_from")


def check_details(details: Details) -> None:
    """The same for what an applicant says of itself. Raises `InvalidRequest`."""
    _check_identity(details)
    if len(details.contact) > CONTACT_LENGTH_MAX or not details.contact.isprintable():
        raise InvalidRequest(f"A contact has up to {CONTACT_LENGTH_MAX} printable characters.", "contact")


def check_terms(terms: Terms) -> None:
    """Refuse fees beyond the amount and kinds of cards that cannot be. Raises `InvalidRequest`."""
    plan = terms.fee_plan
    if not (0 <= plan.basis_points <= BASIS_POINTS_MAX and 0 <= plan.fixed_minor <= AMOUNT_MINOR_MAX):
        raise InvalidRequest(f"A fee is 0 to {BASIS_POINTS_MAX} basis points and an amount.", "fee_plan")
    if not 1 <= len(terms.accepts) <= ACCEPTS_MAX or not all(map(_CARD_KIND.fullmatch, terms.accepts)):
        raise InvalidRequest("Name the kinds of cards that are accepted, at least one.", "accepts")


def _check_identity(who: Merchant | Details) -> None:
    if not 1 <= len(who.name.strip()) <= NAME_LENGTH_MAX or not who.name.isprintable():
        raise InvalidRequest(f"A name has 1 to {NAME_LENGTH_MAX} printable characters.", "name")
    if not (len(who.category) == 4 and _is_digits(who.category)):
        raise InvalidRequest("A merchant category has four digits (ISO 18245).", "category")
    if not (1 <= len(who.acquirer_id) <= 11 and _is_digits(who.acquirer_id)):
        raise InvalidRequest("An acquirer id has 1 to 11 digits (DE 32).", "acquirer_id")
    if not _fits(who.merchant_no, 15):
        raise InvalidRequest("A merchant number has 1 to 15 letters or digits (DE 42).", "merchant_no")
    _check_terminals(who.terminals)
    check_metadata(who.metadata)


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


# fees -------------------------------------------------------------------------------------------------------


def fee_minor(plan: FeePlan, amount_minor: int) -> int:
    """What the platform keeps of one capture of `amount_minor`, never more than the amount itself.

    Half a minor unit counts as a whole one. In SQL, over bigint, the very same is
    `least(amount_minor, (amount_minor * basis_points + 5000) / 10000 + fixed_minor)`.

    >>> fee_minor(FeePlan(basis_points=150, fixed_minor=100), 34_000)
    610
    >>> fee_minor(FeePlan(basis_points=50), 100), fee_minor(FeePlan(basis_points=49), 100)
    (1, 0)
    >>> fee_minor(FeePlan(fixed_minor=100), 30)
    30
    """
    return min(amount_minor, (amount_minor * plan.basis_points + 5_000) // 10_000 + plan.fixed_minor)


# changes ----------------------------------------------------------------------------------------------------


def change(merchant: Merchant, wanted: MerchantChange) -> Merchant:
    """The merchant as it shall be. Raises `InvalidRequest`, and `MerchantClosed` where it is too late."""
    if merchant.state is MerchantState.CLOSED:
        raise MerchantClosed
    given = {name: value for name, value in asdict(wanted).items() if value not in (None, UNSET)}
    if wanted.code_proof_from_minor is None:
        given["code_proof_from_minor"] = None
    changed = replace(merchant, **given)
    check_merchant(changed)
    return changed


def differences(before: Merchant, after: Merchant) -> Mapping[str, str]:
    """What changed, field by field, as the audit log shall tell it: `{"category": "5732 -> 5411"}`."""
    old, new = asdict(before), asdict(after)
    return {
        name: f"{_told(old[name])} -> {_told(new[name])}"
        for name in MerchantChange.__struct_fields__
        if old[name] != new[name]
    }


def granted(terms: Terms) -> Mapping[str, str]:
    """Terms as the audit log shall tell them."""
    return {name: _told(value) for name, value in asdict(terms).items()}


def _told(value: object) -> str:
    if isinstance(value, FeePlan):
        return f"{value.basis_points} basis points and {value.fixed_minor}"
    if isinstance(value, frozenset | tuple):
        names = (to_text("pis", each) if isinstance(each, UUID) else str(each) for each in value)
        return ", ".join(sorted(names)) or "none"
    return str(value)


def may_become(merchant: Merchant, state: MerchantState) -> bool:
    """Whether there is anything to do; False for what is so already. Raises `MerchantClosed`."""
    if merchant.state is state:
        return False
    if merchant.state is MerchantState.CLOSED:
        raise MerchantClosed
    return True


def check_paid_by_settlement(merchant: Merchant) -> None:
    """Refuse to have settlement pay what leaves in another way, and so would leave twice.

    Raises `NotPermitted`.
    """
    if merchant.payout.rhythm is Rhythm.NEVER:
        raise NotPermitted("This merchant is the programme's own; its money leaves in another way.")


# applications -----------------------------------------------------------------------------------------------


def origin_of(address: str) -> str:
    """Whom to count an application under: the address, or the network in which one host has its pick of them.

    >>> origin_of("192.0.2.7"), origin_of("2001:db8:1:2:3:4:5:6"), origin_of("::ffff:192.0.2.7")
    ('192.0.2.7', '2001:db8:1:2::/64', '192.0.2.7')
    """
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if not isinstance(found, IPv6Address):
        return str(found)
    return str(found.ipv4_mapped or ip_network((found, 64), strict=False))


def check_room(open_in_all: int, from_this_origin: int) -> None:
    """Whether one more application may come in. Raises `TooManyApplications`."""
    if open_in_all >= APPLICATIONS_OPEN_MAX or from_this_origin >= APPLICATIONS_PER_ORIGIN_MAX:
        raise TooManyApplications


def is_approval_repeated(application: Application, merchant: Merchant | None, terms: Terms) -> bool:
    """Whether this very approval was given before. Raises `ApplicationDecided` where another was."""
    if application.state is ApplicationState.SUBMITTED:
        return False
    if merchant is None or Terms(merchant.fee_plan, merchant.accepts, merchant.is_agent) != terms:
        raise ApplicationDecided
    return True


def is_rejection_repeated(application: Application, reason: str) -> bool:
    """Whether this very rejection was given before. Raises `ApplicationDecided` where another was."""
    if application.state is ApplicationState.SUBMITTED:
        return False
    if application.reason != reason:
        raise ApplicationDecided
    return True
