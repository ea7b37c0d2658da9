"""The three issuers of the sandbox, as different as they come."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Profile:
    """What an issuer calls itself and its units, and what it can."""

    id: str
    name: str
    short_name: str
    unit: str
    two_phase: bool
    """Whether it holds and confirms; else it only deducts and cancels."""
    tells_van: bool = False
    units_per_minor: int = 1
    """What it asks of malls for each minor unit of money."""


SKY_MILES: Final = Profile("sky_miles", "Sky Miles", "SKY MILES", "miles", two_phase=True, units_per_minor=2)
STAR_POINTS: Final = Profile(
    "star_points", "Star Points", "STAR POINTS", "points", two_phase=True, tells_van=True
)
CORNER_STAMPS: Final = Profile("corner_stamps", "Corner Stamps", "CORNER STAMP", "stamps", two_phase=False)

PROFILES: Final = (SKY_MILES, STAR_POINTS, CORNER_STAMPS)
