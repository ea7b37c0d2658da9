"""Issuers of points: accounts, holds or deductions, links, over signed HTTP (docs/messages/points-issuer.md).

There are three of them, each on a port of its own: `PROFILES`. They answer the relay, tell the VAN where they
are of that kind (PR-7), and take points for malls by asking the relay whose they are (PR-9).
"""

from obverse.sandbox.points_issuer.book import Account, Book, Take
from obverse.sandbox.points_issuer.counter import points_routes
from obverse.sandbox.points_issuer.profiles import (
    CORNER_STAMPS,
    PROFILES,
    SKY_MILES,
    STAR_POINTS,
    Profile,
)
from obverse.sandbox.points_issuer.site import PointsIssuer

__all__ = [
    "CORNER_STAMPS",
    "PROFILES",
    "SKY_MILES",
    "STAR_POINTS",
    "Account",
    "Book",
    "PointsIssuer",
    "Profile",
    "Take",
    "points_routes",
]
