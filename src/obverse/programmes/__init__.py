"""Programmes: the products that prepaid cards are issued under.

A programme says what its cards cost, what they may be spent on and for how long, whether they can be
charged, given and refunded. Source: PP-1, PP-9, PP-14, PP-15.
"""

from obverse.programmes.errors import ProgrammeClosed, ProgrammeNotFound
from obverse.programmes.model import Programme, ProgrammeState, Terms
from obverse.programmes.ports import KnownMerchants
from obverse.programmes.service import Programmes

__all__ = [
    "KnownMerchants",
    "Programme",
    "ProgrammeClosed",
    "ProgrammeNotFound",
    "ProgrammeState",
    "Programmes",
    "Terms",
]
