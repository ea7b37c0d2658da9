"""A statement to take away: `spreadsheet` writes all its actions as CSV, `print` its sums as PDF."""

from obverse.settlement.documents.paper import print_statement
from obverse.settlement.documents.spreadsheet import write_rows
from obverse.settlement.documents.words import Language, preferred_language

__all__ = ["Language", "preferred_language", "print_statement", "write_rows"]
