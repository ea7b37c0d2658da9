"""History: what happened with a card, over a period, and what of it may be counted.

Reads what other rooms have written down and moves nothing. An entry is what one event did to one funding
source; where something is stored, the balance after it is the ledger's. Consent, and the figures that it
allows, live here too: a cell that few members are behind is part of no figure. Source: PP-10, WA-13, WA-15.
"""

from obverse.history.aggregates import Aggregates
from obverse.history.consents import Consents
from obverse.history.errors import CardNotInHistory
from obverse.history.model import (
    Cell,
    Consent,
    Dimension,
    Entry,
    EntryKind,
    Figure,
    Filter,
    Month,
)
from obverse.history.service import History

__all__ = [
    "Aggregates",
    "CardNotInHistory",
    "Cell",
    "Consent",
    "Consents",
    "Dimension",
    "Entry",
    "EntryKind",
    "Figure",
    "Filter",
    "History",
    "Month",
]
