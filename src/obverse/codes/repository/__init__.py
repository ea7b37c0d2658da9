"""Payment codes, the devices they are made for, and guesses at them in the database."""

from obverse.codes.repository.devices import insert_device, lock_devices, lock_member, of_member, set_removed
from obverse.codes.repository.making import (
    delete_over,
    delete_unused,
    forget_batches,
    forget_guesses,
    insert_batches,
    insert_codes,
    made_on,
    made_since,
    replace,
)
from obverse.codes.repository.uses import find, guesses, hour_of, lock, note_guesses, save_uses

__all__ = [
    "delete_over",
    "delete_unused",
    "find",
    "forget_batches",
    "forget_guesses",
    "guesses",
    "hour_of",
    "insert_batches",
    "insert_codes",
    "insert_device",
    "lock",
    "lock_devices",
    "lock_member",
    "made_on",
    "made_since",
    "note_guesses",
    "of_member",
    "replace",
    "save_uses",
    "set_removed",
]
