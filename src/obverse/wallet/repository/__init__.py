"""The wallet's SQL: `sources` that pay, the `lots` of balances, and the `bank_accounts` of members."""

from obverse.wallet.repository.lots import load_lots, open_lots, revive_lots
from obverse.wallet.repository.sources import (
    insert_sources,
    load_sources,
    lock_sources,
    lock_sources_of_vault_cards,
    set_arrears,
    set_member,
    set_places,
    set_state,
    set_state_of_members,
    sources_of_member,
)

__all__ = [
    "insert_sources",
    "load_lots",
    "load_sources",
    "lock_sources",
    "lock_sources_of_vault_cards",
    "open_lots",
    "revive_lots",
    "set_arrears",
    "set_member",
    "set_places",
    "set_state",
    "set_state_of_members",
    "sources_of_member",
]
