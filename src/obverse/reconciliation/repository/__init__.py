"""The room's SQL: `questions` over everybody's tables, `house` accounts three ways, `breaks` for what came
of them."""

from obverse.reconciliation.repository.breaks import (
    end,
    find_page,
    insert_breaks,
    insert_run,
    known_breaks,
    latest_run,
    lock,
    resolve,
    take_turn,
)
from obverse.reconciliation.repository.house import (
    house_by_ledger,
    house_by_partners,
    house_by_rooms,
)
from obverse.reconciliation.repository.questions import ask

__all__ = [
    "ask",
    "end",
    "find_page",
    "house_by_ledger",
    "house_by_partners",
    "house_by_rooms",
    "insert_breaks",
    "insert_run",
    "known_breaks",
    "latest_run",
    "lock",
    "resolve",
    "take_turn",
]
