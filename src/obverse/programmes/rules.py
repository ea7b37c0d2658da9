"""What the terms of a programme may be, and what may become of them. No I/O, no clock."""

from collections.abc import Collection, Mapping
from typing import Final

from msgspec.structs import asdict, replace

from obverse.kit.errors import InvalidRequest
from obverse.kit.ids import MerchantId, to_text
from obverse.kit.metadata import check_metadata
from obverse.kit.money import AMOUNT_MINOR_MAX
from obverse.programmes.errors import ProgrammeClosed
from obverse.programmes.model import Programme, ProgrammeState, Terms

NAME_LENGTH_MAX: Final = 60
DENOMINATIONS_MAX: Final = 50
VALIDITY_MONTHS_MAX: Final = 36
"""As long as a card's number is good on its face."""
CATEGORIES_MAX: Final = 100
MERCHANTS_MAX: Final = 1_000
SERVICES: Final = frozenset({"goods", "content", "voice", "calls"})
"""What a merchant's category may stand for (PP-5)."""


def check_terms(terms: Terms) -> None:
    """Refuse terms under which no card could be sold, charged or spent. Raises `InvalidRequest`."""
    if not 1 <= len(terms.name.strip()) <= NAME_LENGTH_MAX or not terms.name.isprintable():
        raise InvalidRequest(f"A name has 1 to {NAME_LENGTH_MAX} printable characters.", "name")
    if not 1 <= terms.ceiling_minor <= AMOUNT_MINOR_MAX:
        raise InvalidRequest(f"A ceiling is 1 to {AMOUNT_MINOR_MAX}.", "ceiling")
    _check_denominations(terms)
    unit = terms.charge_unit_minor
    if unit is not None and not 1 <= unit <= terms.ceiling_minor:
        raise InvalidRequest("Charges come in units of 1 up to the ceiling.", "charge_unit")
    if not terms.denominations and unit is None:
        raise InvalidRequest("Name denominations or a charge_unit; else nothing is paid in.", "charge_unit")
    if not 1 <= terms.validity_months <= VALIDITY_MONTHS_MAX:
        raise InvalidRequest(f"Validity is 1 to {VALIDITY_MONTHS_MAX} months.", "validity_months")
    _check_restrictions(terms)
    check_metadata(terms.metadata)


def _check_denominations(terms: Terms) -> None:
    given = terms.denominations
    if len(given) > DENOMINATIONS_MAX or list(given) != sorted(set(given)):
        raise InvalidRequest(
            f"Name up to {DENOMINATIONS_MAX} denominations, each once, smallest first.", "denominations"
        )
    if given and not 1 <= given[0] <= given[-1] <= terms.ceiling_minor:
        raise InvalidRequest("A denomination is 1 up to the ceiling.", "denominations")


def _check_restrictions(terms: Terms) -> None:
    if terms.services is not None:
        _check_named(terms.services, len(SERVICES), "services")
        if not SERVICES.issuperset(terms.services):
            raise InvalidRequest(f"A service is one of {', '.join(sorted(SERVICES))}.", "services")
    if terms.categories is not None:
        _check_named(terms.categories, CATEGORIES_MAX, "categories")
        if not all(len(c) == 4 and c.isascii() and c.isdigit() for c in terms.categories):
            raise InvalidRequest("A merchant category has four digits (ISO 18245).", "categories")
    if terms.merchants is not None:
        _check_named(terms.merchants, MERCHANTS_MAX, "merchants")


def _check_named(named: Collection[object], count_max: int, param: str) -> None:
    if not 1 <= len(named) <= count_max or len(set(named)) != len(named):
        raise InvalidRequest(f"Name 1 to {count_max} {param}, each once, or none at all.", param)


def check_merchants(terms: Terms, known: Collection[MerchantId]) -> None:
    """Refuse merchants that nobody knows. Raises `InvalidRequest`."""
    if not set(terms.merchants or ()).issubset(known):
        raise InvalidRequest("One of these merchants does not exist.", "merchants")


def terms_of(programme: Programme) -> Terms:
    """What an operator has decided about this programme."""
    return Terms(**{name: getattr(programme, name) for name in Terms.__struct_fields__})


def change(programme: Programme, terms: Terms) -> Programme:
    """The programme with these terms, for what is bought from now on. Raises `ProgrammeClosed`."""
    if programme.state is ProgrammeState.CLOSED:
        raise ProgrammeClosed(programme.id)
    return replace(programme, **{name: getattr(terms, name) for name in Terms.__struct_fields__})


def differences(before: Programme, after: Programme) -> Mapping[str, str]:
    """What changed, field by field, as the audit log shall tell it: `{"giftable": "False -> True"}`."""
    old, new = asdict(terms_of(before)), asdict(terms_of(after))
    return {
        name: f"{_told(name, old[name])} -> {_told(name, new[name])}"
        for name in old
        if old[name] != new[name]
    }


def _told(name: str, value: object) -> str:
    if name == "metadata":
        return "..."
    if name == "merchants" and isinstance(value, tuple):
        return f"{len(value)}: {', '.join(to_text('mer', id_) for id_ in value[:10])}"
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "none"
    return "any" if value is None else str(value)
