"""The result file: every line of a claim file and what became of it, as CSV. Pure."""

from collections.abc import Iterable
from typing import Final

from obverse.clearing.claims.model import ClaimRecord
from obverse.clearing.claims.rules import told

RESULT_HEADER: Final = "line,kind,reference,last_four,approval_code,amount,status,reason,column,repeated\n"


def result_lines(records: Iterable[ClaimRecord]) -> str:
    """One line each. None needs quotes: what a merchant writes freely was checked as it came in."""
    return "".join(
        [
            f"{record.line},{record.kind if record.reference else ''},{record.reference or ''},"
            f"{record.last_four or ''},{record.approval_code or ''},{_amount(record)},{record.outcome},"
            f"{told(record.reason) if record.reason else ''},{record.column or ''},"
            f"{'yes' if record.repeated else 'no'}\n"
            for record in records
        ]
    )


def _amount(record: ClaimRecord) -> str:
    return "" if record.amount_minor is None else str(record.amount_minor)
