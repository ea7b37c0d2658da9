"""Draws: the holder of a handed-over card takes its amount to a bank account of their own (OT-8).

A draw is a payment at a merchant of the house, decided by the engine like any other; the money then leaves by
the treasury instead of by settlement. Giver and recipient learn nothing of each other: the one sees that the
card was drawn, the other an amount from nobody in particular.
"""

from obverse.draws.errors import AccountNotRefused, DrawNotFound, NotDrawable, NothingToDraw
from obverse.draws.jobs import draws_rekey
from obverse.draws.model import Draw, Drawn, DrawState, Wish
from obverse.draws.rules import HOUSE_MERCHANT
from obverse.draws.service import Draws

__all__ = [
    "HOUSE_MERCHANT",
    "AccountNotRefused",
    "Draw",
    "DrawNotFound",
    "DrawState",
    "Drawn",
    "Draws",
    "NotDrawable",
    "NothingToDraw",
    "Wish",
    "draws_rekey",
]
