"""A company's list of gifts, as CSV. Described in docs/orders.md. No I/O.

UTF-8 with a header, columns in any order: `mail` and `amount`, and if wanted `name`, `programme`, `message`,
`design`. A list is taken whole or not at all, and every line that is wrong is named at once.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from obverse.kit.errors import InvalidRequest, NotFound, ObverseError
from obverse.kit.ids import ProgrammeId, from_text
from obverse.kit.money import AMOUNT_MINOR_MAX
from obverse.kit.secret import Secret
from obverse.orders import rules
from obverse.orders.errors import BulkRefused, LineProblem
from obverse.orders.model import BulkTerms, Design, Gift, Line
from obverse.programmes import Programme

REQUIRED: Final = frozenset({"mail", "amount"})
COLUMNS: Final = REQUIRED | {"name", "programme", "message", "design"}
PROBLEMS_MAX: Final = 1_000
"""So many wrong lines are named; a file with more is probably another file."""

_COLUMN_OF: Final = {
    "mail": "mail",
    "name": "name",
    "message": "message",
    "denomination": "amount",
    "programme": "programme",
    "gift": "programme",
}
"""The column that a refusal's last word is about."""


class Row(msgspec.Struct, frozen=True):
    """A line of the file, the header being line 1, and what it orders."""

    number: int
    line: Line


def read(content: str, terms: BulkTerms) -> tuple[list[Row], list[LineProblem]]:
    """The lines of a file, and what is wrong with those that cannot be read.

    Raises `BulkRefused` for a header that is none, `InvalidRequest` for too many lines or none.
    """
    reader = csv.reader(io.StringIO(content.removeprefix("\ufeff"), newline=""), strict=True)
    rows: list[Row] = []
    problems: list[LineProblem] = []
    header: list[str] = []
    try:
        for values in reader:
            if not header:
                header = _header(values)
            elif values:
                _read_one(reader.line_num, header, values, terms, rows, problems)
            if len(rows) + len(problems) > rules.BULK_LINES_MAX:
                raise InvalidRequest(f"At most {rules.BULK_LINES_MAX:,} lines in one file.", "file")
    except csv.Error:
        problems.append(LineProblem(reader.line_num, None, "This is not CSV: look at its quotes."))
    if not rows and not problems:
        raise InvalidRequest("The file orders nothing.", "file")
    return rows, problems


def check(
    rows: Sequence[Row], problems: Sequence[LineProblem], programmes: Mapping[ProgrammeId, Programme]
) -> list[Line]:
    """All lines, ready to be ordered. Raises `BulkRefused` with every line that is wrong."""
    found = list(problems)
    lines = []
    for row in rows:
        try:
            gift = rules.checked_gift(row.line.gift) if row.line.gift is not None else None
            line = msgspec.structs.replace(row.line, gift=gift)
            rules.quote_bulk([line], programmes)
            lines.append(line)
        except ObverseError as refused:
            last = (refused.param or "").rpartition(".")[2]
            found.append(LineProblem(row.number, _COLUMN_OF.get(last), str(refused)))
    if found:
        raise BulkRefused(sorted(found, key=lambda problem: problem.line)[:PROBLEMS_MAX])
    return lines


def _header(values: Sequence[str]) -> list[str]:
    names = [value.strip().lower() for value in values]
    if not REQUIRED.issubset(names) or not COLUMNS.issuperset(names) or len(set(names)) < len(names):
        known = ", ".join(sorted(COLUMNS))
        raise BulkRefused([LineProblem(1, None, f"The header names columns, each once, of: {known}.")])
    return names


def _read_one(
    number: int,
    header: Sequence[str],
    values: Sequence[str],
    terms: BulkTerms,
    rows: list[Row],
    problems: list[LineProblem],
) -> None:
    if len(values) != len(header):
        problems.append(LineProblem(number, None, f"It has {len(values)} fields instead of {len(header)}."))
        return
    try:
        rows.append(Row(number, _line(dict(zip(header, map(str.strip, values), strict=True)), terms)))
    except InvalidRequest as wrong:
        problems.append(LineProblem(number, wrong.param, str(wrong)))


def _line(fields: Mapping[str, str], terms: BulkTerms) -> Line:
    gift = Gift(
        mail=Secret(fields["mail"]),
        sender=terms.sender,
        name=_optional(fields, "name"),
        design=_design(fields.get("design", "")),
        message=_optional(fields, "message"),
    )
    return Line(_programme(fields.get("programme", ""), terms), _amount(fields["amount"]), 1, gift)


def _optional(fields: Mapping[str, str], name: str) -> Secret | None:
    return Secret(fields[name]) if fields.get(name) else None


def _amount(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(AMOUNT_MINOR_MAX))):
        raise InvalidRequest("An amount is digits only.", "amount")
    return int(text)


def _design(text: str) -> Design:
    try:
        return Design(text or Design.PLAIN)
    except ValueError:
        raise InvalidRequest(f"A design is one of: {', '.join(Design)}.", "design") from None


def _programme(text: str, terms: BulkTerms) -> ProgrammeId:
    if text:
        try:
            return ProgrammeId(from_text("prog", text))
        except NotFound:
            raise InvalidRequest("There is no such programme.", "programme") from None
    if terms.programme_id is None:
        raise InvalidRequest("Name a programme here, or one for the whole file.", "programme")
    return terms.programme_id
