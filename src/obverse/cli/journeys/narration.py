"""Who says what to whom: what the journey's own people say, and what the sandbox partners report."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from obverse.kit.clock import Clock
from obverse.sandbox.trace import Entry

_TOLD_OF_A_CALL: Final = ("amount", "currency", "credit_line", "entry", "road", "order")
_TOLD_OF_AN_ANSWER: Final = (
    "id",
    "status",
    "state",
    "code",
    "approval_code",
    "standing",
    "balanced",
    "amount",
)
_ID: Final = re.compile(r"\b([a-z]+_)0[0-9a-z]{7,}([0-9a-z]{4})\b")


@dataclass(frozen=True, slots=True)
class Line:
    at: datetime
    sender: str
    receiver: str
    text: str


class Narration:
    """Collects lines until they are taken. What it shows is picked by name, so that no secret can slip in."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lines: list[Line] = []

    def call(self, sender: str, receiver: str, what: str, body: Mapping[str, Any]) -> None:
        self._say(sender, receiver, what, _picked(body, _TOLD_OF_A_CALL))

    def answer(self, sender: str, receiver: str, status: int, body: Mapping[str, Any]) -> None:
        told = {name: value for name, value in body.items() if name != "status" or isinstance(value, str)}
        decline = body.get("decline")
        because = {"decline": decline["code"]} if isinstance(decline, Mapping) else {}
        self._say(sender, receiver, str(status), _picked(told, _TOLD_OF_AN_ANSWER) | because)

    def message(self, reported: Mapping[str, Any]) -> None:
        """One entry of the sandbox's own trace, which is masked already."""
        at = datetime.fromisoformat(reported["at"])
        self._pass(at, reported["from"], reported["to"], reported["kind"], reported["fields"])

    def passed(self, entry: Entry) -> None:
        """The same, where the journey itself stands at the till."""
        self._pass(entry.at, entry.sender, entry.receiver, entry.kind, entry.fields)

    def say(self, sender: str, receiver: str, what: str) -> None:
        """Something with no secret in it."""
        self._say(sender, receiver, what, {})

    def take(self) -> Sequence[Line]:
        """What was said since the last time, in the order in which it was said."""
        lines = sorted(self._lines, key=lambda line: line.at)
        self._lines.clear()
        return lines

    def _pass(self, at: datetime, sender: str, receiver: str, kind: str, reported: Mapping[str, Any]) -> None:
        # What is reported whole is there to be checked, and told by what is beside it.
        fields = {name: value for name, value in reported.items() if name != "whole"}
        told = _iso8583(fields) if "11" in fields else _pairs(fields)
        self._lines.append(Line(at, sender, receiver, _line(kind, told)))

    def _say(self, sender: str, receiver: str, what: str, told: Mapping[str, Any]) -> None:
        self._lines.append(Line(self._clock.now(), sender, receiver, _line(what, _pairs(told))))


def _picked(body: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: body[name] for name in names if body.get(name) not in (None, "", False)}


def _iso8583(fields: Mapping[str, str]) -> list[str]:
    """A request by card, amount and trace number; an answer by what it says and the same trace number."""
    told = [f"trace {fields['11']}"]
    if "39" in fields:
        return [fields["39"], *([f"approval {fields['38']}"] if "38" in fields else []), *told]
    return [fields.get("2", ""), f"{int(fields.get('4', '0')):,} won", *told]


def _line(what: str, told: Sequence[str]) -> str:
    """One line, with ids cut to their last letters: they are there to be recognised, not to be copied."""
    return _ID.sub(r"\1..\2", "  ".join([what, *told]))


def _pairs(told: Mapping[str, Any]) -> list[str]:
    return [f"{name}={_value(value)}" for name, value in told.items()]


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value)
