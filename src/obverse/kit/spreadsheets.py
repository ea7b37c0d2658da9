"""CSV files for people (RFC 4180): spreadsheets open them as they are, and nothing in them runs there."""

import csv
import io
from typing import Final

BYTE_ORDER_MARK: Final = "\N{ZERO WIDTH NO-BREAK SPACE}"
"""Comes first: without it spreadsheets take Korean for something else."""

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")


def row(*cells: object) -> str:
    r"""One line of a file. No text in it is taken for a formula: who wrote it could run one at who reads it.

    Source: OWASP, CSV injection.

    >>> row("=HYPERLINK(0)", "A + B", -1)
    "'=HYPERLINK(0),A + B,-1\r\n"
    """
    written = io.StringIO()
    csv.writer(written).writerow([_defused(cell) if isinstance(cell, str) else cell for cell in cells])
    return written.getvalue()


def _defused(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text
