"""Companies' lists: read whole or not at all; every line that is wrong is named with its reason."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.factories.programmes import some_terms

from obverse.kit.errors import ObverseError
from obverse.kit.ids import ProgrammeId, to_text
from obverse.kit.secret import Secret
from obverse.orders import BulkRefused, BulkTerms, Design, Line
from obverse.orders.file_format import check, read
from obverse.orders.rules import BULK_LINES_MAX

EVERYDAY = some_terms()
OTHER = some_terms(id=ProgrammeId(UUID(int=8)), giftable=False)
KNOWN = {each.id: each for each in (EVERYDAY, OTHER)}
SENDER = Secret("A Company")


def lines_of(content: str, *, default: ProgrammeId | None = EVERYDAY.id) -> list[Line]:
    return check(*read(content, BulkTerms(SENDER, default)), KNOWN)


def test_a_list_may_have_its_columns_in_any_order_and_a_mark_of_excel() -> None:
    content = (
        "\ufeffAmount,design,mail,programme,name,message\r\n"
        f'10000,birthday,a@example.com,{to_text("prog", EVERYDAY.id)},"Kim, A",Happy day\r\n'
        "\r\n5000,,b@example.com,,,\r\n"
    )

    first, second = lines_of(content)

    assert first.gift is not None
    assert second.gift is not None
    assert (first.denomination_minor, first.gift.design, first.gift.name) == (
        10_000, Design.BIRTHDAY, Secret("Kim, A"),
    )  # fmt: skip
    assert (second.denomination_minor, second.gift.sender, second.gift.message) == (5_000, SENDER, None)


@pytest.mark.parametrize(
    ("row", "column"),
    [
        pytest.param(",5000,,,", "mail", id="no address"),
        pytest.param("a@example.com,-5000,,,", "amount", id="less than nothing"),
        pytest.param("a@example.com,5000.00,,,", "amount", id="decimals"),
        pytest.param("a@example.com,\u0665\u0660\u0660\u0660,,,", "amount", id="other digits"),
        pytest.param("a@example.com,99999999999999999999999,,,", "amount", id="too large to be money"),
        pytest.param("a@example.com,6000,,,", "amount", id="not sold"),
        pytest.param("a@example.com,5000,prog_1,,", "programme", id="no such programme"),
        pytest.param(f"a@example.com,5000,{to_text('prog', OTHER.id)},,", "programme", id="not to be given"),
        pytest.param("a@example.com,5000,,lilac,", "design", id="no such design"),
        pytest.param(f"a@example.com,5000,,,{'x' * 301}", "message", id="a long message"),
        pytest.param('a@example.com,5000,,,"two\nlines"', "message", id="a message of two lines"),
        pytest.param("a@example.com,5000,", None, id="fields missing"),
        pytest.param('a@example.com,5000,,,"never closed', None, id="a quote that is not closed"),
    ],
)
def test_a_wrong_line_is_named_and_its_value_is_not_repeated(row: str, column: str | None) -> None:
    content = f"mail,amount,programme,design,message\nok@example.com,5000,,,\n{row}\n"

    with pytest.raises(BulkRefused) as refused:
        lines_of(content)

    (problem,) = refused.value.lines
    assert problem.line >= 3
    assert problem.column == column
    assert not any(value and value in problem.reason for value in row.split(","))


@pytest.mark.parametrize(
    "header", ["", "mail", "mail,amount,salary", "mail,amount,mail", "Mail;Amount"], ids=repr
)
def test_a_file_without_the_header_is_another_file(header: str) -> None:
    with pytest.raises(ObverseError):
        lines_of(f"{header}\na@example.com,5000\n")


def test_a_line_without_a_programme_needs_one_of_the_whole_file() -> None:
    with pytest.raises(BulkRefused):
        lines_of("mail,amount\na@example.com,5000\n", default=None)


def test_a_file_of_too_many_lines_is_refused_before_all_of_it_is_read() -> None:
    with pytest.raises(ObverseError, match="At most"):
        lines_of("mail,amount\n" + "a@example.com,5000\n" * (BULK_LINES_MAX + 1))


@given(st.text(max_size=300))
def test_p15_whatever_is_sent_is_taken_or_refused(content: str) -> None:
    try:
        lines_of("mail,amount\n" + content)
    except ObverseError:
        return
