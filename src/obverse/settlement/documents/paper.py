"""A statement on paper (PDF): its sums, per day and kind, and the first of its actions."""

import io
from collections.abc import Sequence
from datetime import tzinfo
from typing import Any, Final
from xml.sax.saxutils import escape

from obverse.kit.ids import to_text
from obverse.merchants import Merchant
from obverse.settlement.documents.words import WORDS, Language, Words
from obverse.settlement.model import DaySum, Entry, Statement

LINES_MAX: Final = 500
"""Actions on paper; a merchant with a million reads them in the CSV file."""

# Every reader has these two, so nothing has to be embedded; they hold Latin letters as well as Korean ones.
_TEXT_FONT: Final = "HYSMyeongJo-Medium"
_HEAD_FONT: Final = "HYGothic-Medium"
_MARGIN: Final = 42
_SMALL: Final = 7
_FAINT: Final = "#d0d0d0"
_SUM_COLUMNS: Final = ("date", "kind", "count", "amount", "fee", "net")
_ENTRY_COLUMNS: Final = ("time", "kind", "payment", "amount", "fee", "net")


def print_statement(
    statement: Statement,
    merchant: Merchant,
    currency: str,
    sums: Sequence[DaySum],
    entries: Sequence[Entry],
    zone: tzinfo,
    language: Language,
) -> bytes:
    """One PDF document, the same bytes for the same statement. Slow: call it in a thread.

    At most `LINES_MAX` of `entries` are shown, with a note where the statement has more.
    """
    from reportlab.lib.pagesizes import A4
    from reportlab.pdfbase.cidfonts import UnicodeCIDFont
    from reportlab.pdfbase.pdfmetrics import registerFont
    from reportlab.platypus import SimpleDocTemplate

    for font in (_TEXT_FONT, _HEAD_FONT):
        registerFont(UnicodeCIDFont(font))
    words, shown = WORDS[language], entries[:LINES_MAX]
    story = [
        _text(words["title"], _HEAD_FONT, 18),
        *_heading(statement, merchant, currency, words),
        _table(_summary(statement, words), right_from=1),
        *_section("sums", [_sum_row(each, words) for each in sums], _SUM_COLUMNS, words),
        *_section("lines", [_entry_row(entry, words, zone) for entry in shown], _ENTRY_COLUMNS, words),
    ]
    if statement.totals.actions > len(shown):
        note = words["cut"].format(shown=f"{len(shown):,}", total=f"{statement.totals.actions:,}")
        story.append(_text(note))
    page = io.BytesIO()
    SimpleDocTemplate(
        page,
        pagesize=A4,
        leftMargin=_MARGIN,
        rightMargin=_MARGIN,
        topMargin=_MARGIN,
        bottomMargin=_MARGIN,
        title=f"{words['title']} {statement.day}",
        author="Obverse",
        invariant=1,
    ).build(story)
    return page.getvalue()


def _heading(statement: Statement, merchant: Merchant, currency: str, words: Words) -> list[Any]:
    rows = [
        # A name may be longer than the page is wide.
        [words["merchant"], _text(merchant.name, size=_SMALL)],
        [words["merchant_no"], merchant.merchant_no],
        [words["day"], statement.day.isoformat()],
        [words["statement"], to_text("stm", statement.id)],
        [words["currency"], currency],
    ]
    return [_table(rows), _text("")]


def _section(title: str, rows: list[list[str]], columns: Sequence[str], words: Words) -> list[Any]:
    """A table under its title; nothing where there are no rows."""
    heads = [words[column] for column in columns]
    amounts_from = columns.index("amount")
    return [_text(words[title], _HEAD_FONT, 13), _table([heads, *rows], amounts_from)] if rows else []


def _summary(statement: Statement, words: Words) -> list[list[str]]:
    totals = statement.totals
    lines = {
        "brought": statement.brought_minor,
        "captured": totals.captured_minor,
        "refunded": -totals.refunded_minor,
        "reversed": -totals.reversed_minor,
        "charged_back": -totals.charged_back_minor,
        "loaded": -totals.loaded_minor,
        "fees": -totals.fees_minor,
        "paid": statement.paid_minor,
        "carried": statement.carried_minor,
    }
    return [[words[name], f"{minor:,}"] for name, minor in lines.items()]


def _sum_row(each: DaySum, words: Words) -> list[str]:
    net_minor = each.amount_minor - each.fee_minor
    amounts = [f"{minor:,}" for minor in (each.actions, each.amount_minor, each.fee_minor, net_minor)]
    return [each.day.isoformat(), words[each.kind], *amounts]


def _entry_row(entry: Entry, words: Words, zone: tzinfo) -> list[str]:
    net_minor = entry.amount_minor - entry.fee_minor
    when = entry.created_at.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")
    payment = to_text("auth", entry.authorization_id)
    amounts = [f"{minor:,}" for minor in (entry.amount_minor, entry.fee_minor, net_minor)]
    return [when, words[entry.kind], payment, *amounts]


def _text(text: str, font: str = _TEXT_FONT, size: int = 9) -> Any:
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.platypus import Paragraph

    leading, above = size * 1.4, size * 0.8 if size > _SMALL else 0
    style = ParagraphStyle(
        f"{font} {size}", fontName=font, fontSize=size, leading=leading, spaceBefore=above, wordWrap="CJK"
    )
    return Paragraph(escape(text), style)


def _table(rows: Sequence[list[Any]], right_from: int | None = None) -> Any:
    """A table whose head repeats on every page; amounts, from column `right_from` on, stand to the right."""
    from reportlab.platypus import LongTable

    style: list[Any] = [
        ("FONT", (0, 0), (-1, -1), _TEXT_FONT, _SMALL),
        ("LINEBELOW", (0, 0), (-1, -1), 0.25, _FAINT),
        ("TOPPADDING", (0, 0), (-1, -1), 2),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 2),
    ]
    if right_from is not None:
        style.append(("ALIGN", (right_from, 0), (-1, -1), "RIGHT"))
    return LongTable(rows, style=style, hAlign="LEFT", repeatRows=1 if len(rows[0]) > 2 else 0, spaceBefore=8)
