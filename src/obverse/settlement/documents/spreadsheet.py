"""A statement's actions as CSV (RFC 4180), written as they are read."""

from collections.abc import AsyncIterator, Sequence
from datetime import tzinfo
from typing import Final

from obverse.kit.ids import to_text
from obverse.kit.spreadsheets import BYTE_ORDER_MARK, row
from obverse.settlement.documents.words import WORDS, Language
from obverse.settlement.model import Entry, Statement

_COLUMNS: Final = (
    "day", "merchant", "time", "kind", "payment", "action", "amount", "fee", "net", "currency",
)  # fmt: skip


async def write_rows(
    statement: Statement,
    merchant_name: str,
    currency: str,
    parts: AsyncIterator[Sequence[Entry]],
    zone: tzinfo,
    language: Language,
) -> AsyncIterator[bytes]:
    """A statement's actions, part by part: no more of them are in memory than `parts` gives at once.

    `amount` has the sign of what it adds to what the merchant is owed, `fee` is what the platform keeps,
    `net` is the difference; they add up to the statement's own sums. Amounts in minor units.
    """
    words = WORDS[language]
    yield (BYTE_ORDER_MARK + row(*[words[column] for column in _COLUMNS])).encode()
    async for part in parts:
        rows = [
            row(
                statement.day.isoformat(),
                merchant_name,
                entry.created_at.astimezone(zone).isoformat(timespec="seconds"),
                words[entry.kind],
                to_text("auth", entry.authorization_id),
                to_text("act", entry.id),
                entry.amount_minor,
                entry.fee_minor,
                entry.amount_minor - entry.fee_minor,
                currency,
            )
            for entry in part
        ]
        yield "".join(rows).encode()
