"""The claim file: bytes in, claims out, as they come. Pure. Described in docs/claim-files.md.

Lines are looked at one by one and nothing of an earlier one is kept, so a file may be of any length. A line
that is no claim is a `BrokenLine` and the others go on; only header, trailer and totals can break the file.
"""

import csv
import hashlib
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Final, NamedTuple

from obverse.clearing.claims.model import BrokenLine, Claim, ClaimKind, Count, FileProblem
from obverse.kit.ids import MerchantId
from obverse.kit.money import AMOUNT_MINOR_MAX, CurrencyCode, Money, currency_exists
from obverse.kit.secret import Secret

LINE_BYTES_MAX: Final = 1_000
VERSION: Final = "1"
COLUMNS: Final = (
    "kind", "reference", "card_number", "approval_code", "amount", "terminal", "time", "final",
)  # fmt: skip
REFERENCE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,39}")
"""Begins with a letter or digit, so that no spreadsheet takes it for a formula."""

_BOM: Final = b"\xef\xbb\xbf"
_NUMBER: Final = re.compile(r"[0-9]{12,19}")
_APPROVAL_CODE: Final = re.compile(r"[A-Za-z0-9]{6}")
_NOT_DIGIT: Final = re.compile(r"[^0-9]")
_AMOUNT: Final = re.compile(r"[0-9]{1,12}")
_SUM: Final = re.compile(r"[0-9]{1,18}")
_TERMINAL: Final = re.compile(r"[A-Za-z0-9]{0,8}")
_FINAL: Final = {"": True, "final": True, "partial": False}
_KINDS: Final = {kind.value: kind for kind in ClaimKind}


class Line(NamedTuple):
    number: int
    """In the file, from 1."""
    content: Claim | BrokenLine


class ClaimFileReader:
    """Reads one file in pieces of any size: `feed` them, `finish`, then ask what `problem` it has."""

    def __init__(self, merchant_id: MerchantId) -> None:
        self.currency: CurrencyCode | None = None
        self.size_bytes = 0
        self._digest = hashlib.sha256()
        self._merchant_id = merchant_id
        self._rest = b""
        self._line = 0
        self._count = 0
        self._sum_minor = 0
        self._unreadable = 0
        self._problem: FileProblem | None = None
        self._trailer: tuple[str, ...] | None = None

    @property
    def claims(self) -> Count:
        """Detail lines so far, and the sum of their amounts as far as they can be read."""
        return Count(self._count, self._sum_minor)

    @property
    def sha256(self) -> str:
        """Of every byte so far, in hexadecimal."""
        return self._digest.hexdigest()

    @property
    def problem(self) -> FileProblem | None:
        """What is wrong with the file as a whole, once it is finished."""
        return self._problem or self._totals()

    def feed(self, data: bytes) -> list[Line]:
        """The claims that end in this piece."""
        self._digest.update(data)
        self.size_bytes += len(data)
        if self._problem is not None:
            return []
        *whole, self._rest = (self._rest + data).split(b"\n")
        lines = list(self._read(whole))
        self._rest = self._rest[: LINE_BYTES_MAX + 1]  # more of it than may be is as good as all of it
        return lines

    def finish(self) -> list[Line]:
        """The last line, where nothing ends it."""
        rest, self._rest = self._rest, b""
        return list(self._read([rest])) if rest else []

    def _read(self, whole: list[bytes]) -> Iterator[Line]:
        for raw in whole:
            if self._problem is not None:
                return
            self._line += 1
            columns = _columns(raw.removeprefix(_BOM) if self._line == 1 else raw)
            if self._line == 1:
                self._header(columns)
            elif columns == () and not raw.strip():
                continue  # blank lines at the end are what editors leave
            elif self._trailer is not None:
                self._problem = FileProblem.AFTER_TRAILER
            elif columns[:1] == ("trailer",):
                self._trailer = columns
            else:
                yield Line(self._line, self._detail(columns))

    def _header(self, columns: tuple[str, ...]) -> None:
        if len(columns) != 3 or columns[:2] != ("header", VERSION) or not currency_exists(columns[2]):
            self._problem = FileProblem.NO_HEADER
        else:
            self.currency = CurrencyCode(columns[2])

    def _detail(self, columns: tuple[str, ...]) -> Claim | BrokenLine:
        self._count += 1
        assert self.currency is not None, "the header is read first"
        content = _claim(columns, self._merchant_id, self.currency)
        if isinstance(content, Claim):
            self._sum_minor += content.amount.amount_minor
        elif content.amount_minor is not None:
            self._sum_minor += content.amount_minor
        else:
            self._unreadable += 1
        return content

    def _totals(self) -> FileProblem | None:
        if self.currency is None:
            return FileProblem.NO_HEADER
        trailer = self._trailer
        if trailer is None or len(trailer) != 3 or not all(_SUM.fullmatch(each) for each in trailer[1:]):
            return FileProblem.NO_TRAILER
        if int(trailer[1]) != self._count:
            return FileProblem.WRONG_COUNT
        # A line whose amount cannot be read may have carried any amount, so the sum can only be too small.
        missing = int(trailer[2]) - self._sum_minor
        if missing < 0 or (missing > 0 and not self._unreadable):
            return FileProblem.WRONG_SUM
        return None


def _columns(raw: bytes) -> tuple[str, ...]:
    """A line's columns; none for what is too long, is no text, or is not quoted properly."""
    if len(raw) > LINE_BYTES_MAX:
        return ()
    try:
        text = raw.removesuffix(b"\r").decode()
        if not text.isprintable():
            return ()
        return tuple(next(csv.reader([text], strict=True), ()))
    except (UnicodeDecodeError, csv.Error):
        return ()


def _claim(columns: tuple[str, ...], merchant_id: MerchantId, currency: CurrencyCode) -> Claim | BrokenLine:
    if len(columns) != len(COLUMNS):
        return BrokenLine(None)
    kind, reference, number, approval_code, amount, terminal, time, final = columns
    moment = _moment(time)
    checks = (
        ("kind", kind in _KINDS),
        ("reference", bool(REFERENCE.fullmatch(reference))),
        ("card_number", bool(_NUMBER.fullmatch(number))),
        # A reference is kept and shown, which a number must never be, however it is written.
        ("reference", number not in _NOT_DIGIT.sub("", reference)),
        ("approval_code", bool(_APPROVAL_CODE.fullmatch(approval_code))),
        ("amount", bool(_AMOUNT.fullmatch(amount)) and 0 < int(amount) <= AMOUNT_MINOR_MAX),
        ("terminal", bool(_TERMINAL.fullmatch(terminal))),
        ("time", moment is not None or not time),
        ("final", final in _FINAL),
    )
    wrong = next((name for name, fits in checks if not fits), None)
    if wrong is not None:
        return BrokenLine(wrong, int(amount) if _AMOUNT.fullmatch(amount) else None)
    return Claim(
        merchant_id=merchant_id,
        kind=_KINDS[kind],
        number=Secret(number),
        approval_code=approval_code.upper(),
        amount=Money(int(amount), currency),
        reference=reference,
        terminal=terminal or None,
        claimed_at=moment,
        final=_FINAL[final],
    )


def _moment(text: str) -> datetime | None:
    """RFC 3339 with its offset, of this century, or None."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None and 2000 <= moment.year < 2100 else None
