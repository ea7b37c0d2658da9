"""Statements to take away: CSV that no spreadsheet runs, PDF that can be read."""

import csv
import io
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, date, datetime
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest
from pypdf import PdfReader

from obverse.kit.ids import AccountId, MerchantId, SettlementId, StatementId, to_text
from obverse.merchants import Merchant, MerchantState
from obverse.settlement import Statement, Totals
from obverse.settlement.documents import Language, preferred_language, print_statement, write_rows
from obverse.settlement.documents.paper import LINES_MAX
from obverse.settlement.documents.words import WORDS
from obverse.settlement.model import DaySum, Entry

SEOUL = ZoneInfo("Asia/Seoul")
LATE = datetime(2026, 11, 19, 14, 59, 59, tzinfo=UTC)
"""One second before midnight in Seoul."""


def a_statement(actions: int = 2) -> Statement:
    return Statement(
        id=StatementId(UUID(int=1)),
        settlement_id=SettlementId(UUID(int=2)),
        day=date(2026, 11, 19),
        merchant_id=MerchantId(UUID(int=3)),
        brought_minor=-500,
        totals=Totals(100_000, 2_000, 0, 300, 1_500, actions),
        paid_minor=95_700,
        carried_minor=0,
        created_at=LATE,
    )


def a_merchant(name: str = "한빛 <전자> & Co") -> Merchant:
    return Merchant(
        MerchantId(UUID(int=3)), name, "5732", "410001", "MALL1", (), AccountId(uuid4()),
        MerchantState.ACTIVE, LATE,
    )  # fmt: skip


def some_entries(number: int) -> list[Entry]:
    return [Entry(uuid4(), uuid4(), "capture", 1_000, 15, LATE) for _ in range(number)]  # type: ignore[arg-type]


def printed(statement: Statement, entries: Sequence[Entry], language: Language, name: str = "Mall") -> str:
    sums = [DaySum(statement.day, "capture", len(entries), 1_000 * len(entries), 15 * len(entries))]
    pdf = print_statement(statement, a_merchant(name), "KRW", sums, entries, SEOUL, language)
    return "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages)


async def rows_of(name: str, language: Language = Language.EN, parts: int = 1) -> list[list[str]]:
    async def entries() -> AsyncIterator[Sequence[Entry]]:
        for _ in range(parts):
            yield some_entries(2)

    written = [chunk async for chunk in write_rows(a_statement(), name, "KRW", entries(), SEOUL, language)]
    assert len(written) == 1 + parts, "each part is sent as soon as it is read"
    return list(csv.reader(io.StringIO(b"".join(written).decode("utf-8-sig"))))


@pytest.mark.parametrize(
    "name",
    ['=HYPERLINK("http://evil.example")', "+1", "-1+2", "@SUM(A1)", "\t=1", "\r=1"],
    ids=["equals", "plus", "minus", "at", "tab", "carriage return"],
)
async def test_no_name_is_run_as_a_formula(name: str) -> None:
    rows = await rows_of(name)
    assert rows[1][1] == f"'{name}"


@pytest.mark.parametrize("name", ["Mall", "A + B", 'Says "hi", twice', "한빛\u3000전자"], ids=repr)
async def test_an_ordinary_name_stays_as_it_is(name: str) -> None:
    assert (await rows_of(name))[1][1] == name


async def test_rows_say_local_time_and_what_is_left_of_each_amount() -> None:
    heads, *rows = await rows_of("Mall", parts=3)
    assert len(rows) == 6
    line = dict(zip(heads, rows[0], strict=True))
    assert (line["Time"], line["Kind"]) == ("2026-11-19T23:59:59+09:00", "capture")
    assert (line["Amount"], line["Fee"], line["Net"], line["Currency"]) == ("1000", "15", "985", "KRW")


async def test_korean_rows_have_korean_heads_and_kinds() -> None:
    heads, row, _ = await rows_of("Mall", Language.KO)
    assert heads[0] == "영업일"
    assert row[3] == "매입"


@pytest.mark.parametrize("language", list(Language))
def test_the_pdf_says_all_sums_of_the_statement(language: Language) -> None:
    text = printed(a_statement(), some_entries(2), language, "한빛 <전자> & Co")
    words = WORDS[language]
    for word in (
        "title",
        "brought",
        "captured",
        "refunded",
        "charged_back",
        "loaded",
        "fees",
        "paid",
        "carried",
    ):
        assert words[word] in text
    for part in ("한빛 <전자> & Co", "-500", "100,000", "-2,000", "95,700", "2026-11-19 23:59:59"):
        assert part in text
    assert to_text("stm", a_statement().id) in text


@pytest.mark.parametrize(
    ("actions", "lines", "cut"),
    [(LINES_MAX, LINES_MAX, False), (1_000_000, LINES_MAX, True), (0, 0, False)],
    ids=["as many as fit", "a million", "none"],
)
def test_a_long_statement_is_cut_and_says_so(actions: int, lines: int, cut: bool) -> None:
    text = printed(a_statement(actions), some_entries(min(actions, 2 * LINES_MAX)), Language.EN)
    assert text.count("auth_") == lines
    assert ("The CSV file has all of them" in text) is cut


def test_the_same_statement_is_printed_the_same() -> None:
    entries, sums = some_entries(3), [DaySum(date(2026, 11, 19), "capture", 3, 3_000, 45)]
    args = a_statement(3), a_merchant(), "KRW", sums, entries, SEOUL, Language.KO
    assert print_statement(*args) == print_statement(*args)


@pytest.mark.parametrize(
    ("header", "language"),
    [
        (None, "en"), ("", "en"), ("ko", "ko"), ("KO-kr", "ko"), ("en;q=0.5, ko;q=0.51", "ko"),
        ("ko;q=0.5, en", "en"), ("fr, de;q=0.9", "en"), ("*", "en"), ("ko;q=0", "en"), (",;q=,", "en"),
        ("ko;q=zzz", "ko"),
    ],
    ids=repr,
)  # fmt: skip
def test_the_language_is_the_one_that_the_reader_likes_best(header: str | None, language: str) -> None:
    assert preferred_language(header) == language


def test_both_languages_have_the_same_words() -> None:
    assert WORDS[Language.EN].keys() == WORDS[Language.KO].keys()
