"""The cards' SQL: `cards`, whose they are (`holding`), claim `links`, and hashes on older keys."""

from obverse.cards.repository.cards import (
    find,
    find_by_request,
    find_page,
    get,
    insert,
    insert_stored_value,
    load,
    lock,
    lock_one,
    next_serials,
    of_holder,
    save_uses,
    set_state,
)
from obverse.cards.repository.holding import (
    count_pin_failure,
    hand_on,
    pin_hints,
    set_details,
    set_holder,
    set_pin,
)
from obverse.cards.repository.links import (
    find_link,
    insert_links,
    links_of_cards,
    mark_claimed,
    mark_withdrawn,
)
from obverse.cards.repository.rekeying import (
    StaleCard,
    count_stale,
    lock_stale,
    rehash,
)

__all__ = [
    "StaleCard",
    "count_pin_failure",
    "count_stale",
    "find",
    "find_by_request",
    "find_link",
    "find_page",
    "get",
    "hand_on",
    "insert",
    "insert_links",
    "insert_stored_value",
    "links_of_cards",
    "load",
    "lock",
    "lock_one",
    "lock_stale",
    "mark_claimed",
    "mark_withdrawn",
    "next_serials",
    "of_holder",
    "pin_hints",
    "rehash",
    "save_uses",
    "set_details",
    "set_holder",
    "set_pin",
    "set_state",
]
