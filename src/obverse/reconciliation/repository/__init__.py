"""The room's SQL: `questions` over everybody's tables, `breaks` for what came of them."""

from obverse.reconciliation.repository.breaks import (
    end,
    find_page,
    insert_breaks,
    insert_run,
    known_breaks,
    latest_run,
    lock,
)
from obverse.reconciliation.repository.questions import (
    ask,
    closing_balance,
    house_positions,
    house_positions_of_rooms,
    owed_by_card_companies,
)

__all__ = [
    "ask",
    "closing_balance",
    "end",
    "find_page",
    "house_positions",
    "house_positions_of_rooms",
    "insert_breaks",
    "insert_run",
    "known_breaks",
    "latest_run",
    "lock",
    "owed_by_card_companies",
]
