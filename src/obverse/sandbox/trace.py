"""Who said what to whom: every partner reports what passes, with numbers masked before they are kept.

To hear each message once, the side that is called reports it; where the platform is called, the caller does.
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from obverse.kit.clock import Clock
from obverse.kit.secret import mask_number
from obverse.sandbox.wire import Message

KEPT_MAX: Final = 5000

_SHOWN: Final = frozenset(
    map(
        str,
        [
            *(3, 4, 7, 11, 12, 13, 18, 22, 25, 32, 37, 38, 39, 41, 42, 43, 49, 50, 54, 60, 63, 66, 70),
            *(74, 76, 86, 88, 90, 97, 100),
        ],
    )
)
"""Never DE 14, 35, 45, 48, 52, 55 or 110; DE 2 only masked."""

_KINDS: Final = {
    "1": "authorization",
    "2": "purchase",
    "3": "batch upload",
    "4": "reversal",
    "5": "totals",
    "8": "network management",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One message. `number` counts up without gaps, so a reader can ask for what it has not seen."""

    number: int
    at: datetime
    sender: str
    receiver: str
    kind: str
    fields: Mapping[str, str]


class Trace:
    """The last messages of this sandbox, and a callback for whoever wants each as it passes."""

    def __init__(self, clock: Clock, on_entry: Callable[[Entry], None] | None = None) -> None:
        self._clock = clock
        self._on_entry = on_entry
        self._entries: deque[Entry] = deque(maxlen=KEPT_MAX)
        self._count = 0

    def iso8583(self, sender: str, receiver: str, message: Message) -> None:
        """Report an ISO 8583 message; only fields that can hold no secret are kept, DE 2 masked."""
        self._keep(sender, receiver, describe(message), mask_message(message))

    def http(self, sender: str, receiver: str, kind: str, fields: Mapping[str, str]) -> None:
        """Report an HTTP call or answer; the caller passes only fields that may be seen."""
        self._keep(sender, receiver, kind, fields)

    def since(self, number: int) -> list[Entry]:
        """Everything kept after entry `number`, oldest first."""
        return [entry for entry in self._entries if entry.number > number]

    def _keep(self, sender: str, receiver: str, kind: str, fields: Mapping[str, str]) -> None:
        self._count += 1
        entry = Entry(self._count, self._clock.now(), sender, receiver, kind, fields)
        self._entries.append(entry)
        if self._on_entry is not None:
            self._on_entry(entry)


def mask_message(message: Message) -> dict[str, str]:
    """The fields of a message that may be shown."""
    shown = {name: value.strip() for name, value in message.items() if name in _SHOWN}
    return ({"2": mask_number(message["2"])} if "2" in message else {}) | shown


def describe(message: Message) -> str:
    """What kind of message this is, in a few words for people.

    >>> describe({"t": "0101"}), describe({"t": "0430"})
    ('0101 authorization, repeated', '0430 reversal answer')
    """
    kind = _KINDS.get(message["t"][1], "message")
    if message["t"][2] in "13":
        return f"{message['t']} {kind} answer"
    return f"{message['t']} {kind}" + (", repeated" if message["t"][3] == "1" else "")
