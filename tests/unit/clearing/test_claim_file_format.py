"""The claim file as bytes, the hostile ones included (P15)."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.factories.claims import NUMBER, SHOP, a_file, a_line

from obverse.clearing.claims.file_format import LINE_BYTES_MAX, ClaimFileReader, Line
from obverse.clearing.claims.model import BrokenLine, Claim, ClaimKind, Count, FileProblem
from obverse.kit.money import KRW, Money


def read(data: bytes, size: int = 64 * 1024) -> tuple[list[Line], FileProblem | None, Count]:
    """The lines, what is wrong with the file, and what is in it."""
    reader = ClaimFileReader(SHOP)
    lines = [line for at in range(0, len(data), size) for line in reader.feed(data[at : at + size])]
    lines += reader.finish()
    return lines, reader.problem, reader.claims


def column(line: str) -> str | None:
    """Which column of this line is said to be wrong; "" where none is."""
    ((_, content),), _, _ = read(a_file([line]))
    return content.column if isinstance(content, BrokenLine) else ""


def test_a_line_is_read_into_a_claim() -> None:
    ((number, claim),), problem, count = read(a_file([a_line("refund", reference="R-1", final="partial")]))
    assert (number, problem, count) == (2, None, Count(1, 34_000))
    assert isinstance(claim, Claim)
    assert (claim.kind, claim.number.reveal(), claim.approval_code) == (ClaimKind.REFUND, NUMBER, "A2B3C4")
    assert (claim.amount, claim.reference, claim.terminal) == (Money(34_000, KRW), "R-1", "TERM0001")
    assert claim.claimed_at is not None
    assert claim.claimed_at.isoformat() == "2026-11-20T09:30:00+09:00"
    assert not claim.final


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({"kind": "sale"}, "kind"),
        ({"reference": "=1+1"}, "reference"),
        ({"reference": "x" * 41}, "reference"),
        ({"reference": f"A{NUMBER}"}, "reference"),
        ({"reference": f"{NUMBER[:4]}-{NUMBER[4:8]}.{NUMBER[8:12]}/{NUMBER[12:]}"}, "reference"),
        ({"number": "94101212345678X3"}, "card_number"),
        ({"number": "1" * 20}, "card_number"),
        ({"number": "９４１０１２１２３４５６７８９３"}, "card_number"),
        ({"code": "A2B3C"}, "approval_code"),
        ({"amount": "0"}, "amount"),
        ({"amount": "-1"}, "amount"),
        ({"amount": "1.5"}, "amount"),
        ({"amount": "1e3"}, "amount"),
        ({"amount": "1" * 13}, "amount"),
        ({"amount": "٣"}, "amount"),
        ({"terminal": "TERM00001"}, "terminal"),
        ({"time": "yesterday"}, "time"),
        ({"time": "2026-11-20T09:30:00"}, "time"),
        ({"time": "0001-01-01T00:00:00+14:00"}, "time"),
        ({"final": "yes"}, "final"),
        ({"terminal": "", "time": "", "final": "final"}, ""),
    ],
    ids=str,
)
def test_a_broken_line_names_its_first_wrong_column(changes: dict, wrong: str) -> None:
    assert column(a_line(**changes)) == wrong


@pytest.mark.parametrize(
    "line",
    [
        "", "capture", "," * 6, "," * 8, a_line() + ",more", '"capture', 'cap"ture,"',
        "x" * (LINE_BYTES_MAX + 1),
        a_line() + "\x00", a_line(reference="A\tB"), "capture;R;1;2;3;;;",
    ],
    ids=[
        "blank", "one column", "seven", "nine", "one more", "open quote", "stray quote", "huge", "NUL", "tab",
        "semicolons",
    ],
)  # fmt: skip
def test_what_is_no_line_is_broken_as_a_whole_and_the_next_one_is_read(line: str) -> None:
    good = a_line()
    lines, problem, count = read(a_file([line, good], trailer="trailer,2,34000"))
    if line:
        assert lines[0].content == BrokenLine(None)
        assert (problem, count) == (None, Count(2, 34_000))
    else:
        assert (problem, count) == (FileProblem.WRONG_COUNT, Count(1, 34_000)), "blank lines do not count"
    assert isinstance(lines[-1].content, Claim)


def test_quotes_carriage_returns_and_a_byte_order_mark_are_read_as_every_spreadsheet_writes_them() -> None:
    quoted = ",".join(f'"{each}"' for each in a_line().split(","))
    data = b"\xef\xbb\xbf" + a_file([quoted], trailer="trailer,1,34000").replace(b"\n", b"\r\n")
    ((_, claim),), problem, _ = read(data)
    assert (isinstance(claim, Claim), problem) == (True, None)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", FileProblem.NO_HEADER),
        (a_line().encode(), FileProblem.NO_HEADER),
        (a_file([a_line()], header="header,2,KRW"), FileProblem.NO_HEADER),
        (a_file([a_line()], header="header,1,XXQ"), FileProblem.NO_HEADER),
        (a_file([a_line()]).decode().encode("utf-16"), FileProblem.NO_HEADER),
        (b"\x00" * 5_000, FileProblem.NO_HEADER),
        (b"x" * 300_000, FileProblem.NO_HEADER),
        (a_file([a_line()], trailer=""), FileProblem.NO_TRAILER),
        (a_file([a_line()], trailer="trailer,1,-5"), FileProblem.NO_TRAILER),
        (a_file([a_line()], trailer="trailer,1,34000,0"), FileProblem.NO_TRAILER),
        (a_file([a_line()], trailer="trailer,2,34000"), FileProblem.WRONG_COUNT),
        (a_file([a_line()], trailer="trailer,1,33999"), FileProblem.WRONG_SUM),
        (a_file([a_line()], trailer="trailer,1,34001"), FileProblem.WRONG_SUM),
        (a_file([a_line(amount="x")], trailer="trailer,1,34000"), None),
        (a_file([a_line(), a_line(amount="x")], trailer="trailer,2,33999"), FileProblem.WRONG_SUM),
        (a_file([a_line()]) + a_line().encode(), FileProblem.AFTER_TRAILER),
        (a_file([a_line()]) + a_file([a_line()]), FileProblem.AFTER_TRAILER),
        (a_file([a_line()]) + b"\n\r\n\n", None),
        (a_file([]), None),
        (a_file([a_line()])[:-1], None),
    ],
    ids=[
        "empty", "no header", "version", "currency", "UTF-16", "NULs", "no line ends", "no trailer",
        "negative", "four columns", "count", "sum too small", "sum too large", "unreadable amount",
        "less than can be read", "a line after it", "two files", "blank lines", "no claims",
        "no last newline",
    ],
)  # fmt: skip
def test_a_file_is_whole_or_refused(data: bytes, problem: FileProblem | None) -> None:
    assert read(data)[1] is problem


def test_lines_in_another_encoding_are_broken() -> None:
    korean = a_line(reference="주문").encode("euc-kr")
    data = a_file(["HERE", a_line()], trailer="trailer,2,68000").replace(b"HERE", korean)
    lines, problem, _ = read(data)
    assert (lines[0].content, problem) == (BrokenLine(None), None)


def test_a_huge_line_costs_no_memory() -> None:
    reader = ClaimFileReader(SHOP)
    reader.feed(b"header,1,KRW\n")
    for _ in range(100):
        reader.feed(b"x" * 64 * 1024)
    assert len(reader._rest) <= LINE_BYTES_MAX + 1


@given(st.integers(1, 200))
def test_where_the_pieces_are_cut_does_not_matter(size: int) -> None:
    data = a_file([a_line(), "broken", a_line(amount="x")], trailer="trailer,3,34000")
    assert read(data, size) == read(data)


@given(st.lists(st.one_of(st.binary(max_size=80), st.just(a_line().encode())), max_size=8))
def test_p15_whatever_bytes_come_the_reader_reads_on(lines: list[bytes]) -> None:
    data = b"\n".join([b"header,1,KRW", *lines, b"trailer,1,34000"])
    found, _, count = read(data, 7)
    assert len(found) == count.lines
    assert all(isinstance(line.content, Claim | BrokenLine) for line in found)


def test_the_file_that_the_docs_show_is_one() -> None:
    page = (Path(__file__).parents[3] / "docs" / "claim-files.md").read_text()
    shown = page.split("```\n")[1]
    lines, problem, count = read(shown.encode())
    assert (problem, count) == (None, Count(3, 50_000))
    assert all(isinstance(line.content, Claim) for line in lines)
