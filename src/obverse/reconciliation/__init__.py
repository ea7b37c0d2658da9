"""Reconciliation: our payments, our ledger and the partners' files have to tell the same.

A run asks every question in one snapshot. Whatever differs is a break: named, listed, and ended either by
itself, when the difference has gone, or by an operator with a reason. Nothing here moves money.
"""

from obverse.reconciliation.errors import BreakNotFound, BreakNotOpen
from obverse.reconciliation.model import Break, BreakKind, BreakState, Comparison, Run
from obverse.reconciliation.service import Reconciliation

__all__ = [
    "Break",
    "BreakKind",
    "BreakNotFound",
    "BreakNotOpen",
    "BreakState",
    "Comparison",
    "Reconciliation",
    "Run",
]
