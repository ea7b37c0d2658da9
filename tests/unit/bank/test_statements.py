"""camt.053 and pain.002 are read as banks write them; what is hostile or broken is refused."""

from datetime import date
from uuid import uuid4

import pytest
from tests.factories.treasury import DAY, a_statement, an_entry

from obverse.networks.bank import read_document
from obverse.networks.bank.xml import BYTES_MAX
from obverse.treasury import Direction, Statement, StatementUnreadable
from obverse.treasury.model import StatusReport

DETAIL = (
    "<TxDtls><Refs><EndToEndId>{e2e}</EndToEndId></Refs><AmtDtls><TxAmt>"
    '<Amt Ccy="{currency}">{amount}</Amt></TxAmt></AmtDtls></TxDtls>'
)


def read_one(content: bytes) -> Statement:
    (statement,) = read_document(content)
    assert isinstance(statement, Statement)
    return statement


@pytest.mark.parametrize("version", ["02", "03", "04", "05", "06", "07", "08"])
def test_a_statement_of_any_version_we_name_is_read(version: str) -> None:
    status = "<Sts><Cd>BOOK</Cd></Sts>" if version > "06" else "<Sts>BOOK</Sts>"
    content = a_statement(
        an_entry(text="bill OBV-B-7G2K1X9M4Q", status=status),
        version=version,
        opening="-500",
        closing="33500",
    )
    statement = read_one(content)
    assert (statement.account_number.reveal(), statement.currency, statement.day) == (
        "100200300400",
        "KRW",
        DAY,
    )
    assert (statement.opening_minor, statement.closing_minor) == (-500, 33_500)
    (entry,) = statement.entries
    assert (entry.reference, entry.direction, entry.amount_minor) == ("E1", Direction.CREDIT, 34_000)
    assert (entry.text, entry.counterparty, entry.booked_on) == ("bill OBV-B-7G2K1X9M4Q", "A member", DAY)
    assert entry.account is not None
    assert (entry.account.bank_code, entry.account.number.reveal()) == ("004", "333444555666")


def test_what_is_not_booked_yet_is_left_for_the_statement_in_which_it_is() -> None:
    pending = an_entry(ref="P1", status="<Sts>PDNG</Sts>")
    assert [entry.reference for entry in read_one(a_statement(pending, an_entry())).entries] == ["E1"]


@pytest.mark.parametrize(
    ("currency", "amount", "minor"),
    [("KRW", "34000", 34_000), ("KRW", "34000.00", 34_000), ("USD", "12.30", 1_230), ("USD", "7", 700)],
)
def test_amounts_become_minor_units_of_their_currency(currency: str, amount: str, minor: int) -> None:
    (entry,) = read_one(a_statement(an_entry(amount, currency=currency), currency=currency)).entries
    assert entry.amount_minor == minor


def test_an_entrys_own_reference_counts_within_its_day_only() -> None:
    (entry,) = read_one(a_statement(an_entry(ref=None, ntry_ref="17"))).entries
    assert entry.reference == "2026-11-20/17"


def test_a_collective_entry_is_read_payment_by_payment() -> None:
    ids = [uuid4().hex, uuid4().hex]
    details = "".join(DETAIL.format(e2e=id_, amount=17_000, currency="KRW") for id_ in ids)
    content = a_statement(with_details(details))
    entries = read_one(content).entries
    assert [(e.reference, e.amount_minor, e.end_to_end_id) for e in entries] == [
        ("E1/1", 17_000, ids[0]),
        ("E1/2", 17_000, ids[1]),
    ]


@pytest.mark.parametrize(
    "second",
    [
        pytest.param(DETAIL.format(e2e="b", amount=16_999, currency="KRW"), id="one won short"),
        pytest.param(DETAIL.format(e2e="b", amount=17_000, currency="USD"), id="other money"),
        pytest.param("<TxDtls><Refs/></TxDtls>", id="no amount"),
    ],
)
def test_a_collective_entry_that_does_not_add_up_stays_whole(second: str) -> None:
    first = DETAIL.format(e2e="a", amount=17_000, currency="KRW")
    (entry,) = read_one(a_statement(with_details(first + second))).entries
    assert (entry.reference, entry.amount_minor, entry.end_to_end_id) == ("E1", 34_000, None)


def with_details(details: str) -> str:
    entry = an_entry(direction="DBIT")
    return entry[: entry.index("<TxDtls>")] + details + entry[entry.index("</NtryDtls>") :]


@pytest.mark.parametrize("account", [None, "12", "not a number"])
def test_an_account_that_cannot_be_paid_to_is_no_way_back(account: str | None) -> None:
    (entry,) = read_one(a_statement(an_entry(account=account))).entries
    assert entry.account is None


def test_a_document_may_hold_several_statements() -> None:
    first, second = a_statement(an_entry()).decode(), a_statement(an_entry(ref="E2"), id_="S2").decode()
    middle = second[second.index("<Stmt>") : second.index("</BkToCstmrStmt>")]
    content = first.replace("</BkToCstmrStmt>", middle + "</BkToCstmrStmt>").encode()
    assert [each.id for each in read_document(content) if isinstance(each, Statement)] == ["S1", "S2"]


LAUGHS = """<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY lol "lol"><!ENTITY lol2 "&lol;&lol;&lol;&lol;&lol;">
<!ENTITY lol3 "&lol2;&lol2;&lol2;&lol2;">
<!ENTITY lol4 "&lol3;&lol3;&lol3;&lol3;">]><Document>&lol4;</Document>"""
OUTSIDE = (
    """<?xml version="1.0"?><!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/passwd">]><Document>&x;</Document>"""
)
DECLARED = a_statement(an_entry()).replace(
    b"<Document", b'<!DOCTYPE Document SYSTEM "http://127.0.0.1/d.dtd"><Document'
)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"<html>we are moving house</html>", id="a page"),
        pytest.param(bytes(range(256)), id="bytes"),
        pytest.param(a_statement(an_entry())[:-20], id="the end is missing"),
        pytest.param(LAUGHS.encode(), id="billion laughs"),
        pytest.param(OUTSIDE.encode(), id="an entity from outside"),
        pytest.param(DECLARED, id="a document type in a statement"),
        pytest.param(DECLARED.decode().replace("UTF-8", "UTF-16").encode("utf-16"), id="the same in UTF-16"),
        pytest.param(a_statement(an_entry(), version="01"), id="an older version"),
        pytest.param(a_statement(an_entry(), version="13"), id="a newer version"),
        pytest.param(a_statement(an_entry()).replace(b"camt.053", b"camt.054"), id="another message"),
        pytest.param(a_statement(an_entry("-1")), id="a negative amount"),
        pytest.param(a_statement(an_entry("0")), id="an entry of nothing"),
        pytest.param(a_statement(an_entry("0.5")), id="half a won"),
        pytest.param(a_statement(an_entry("NaN")), id="not a number"),
        pytest.param(a_statement(an_entry("Infinity")), id="infinite"),
        pytest.param(a_statement(an_entry("1e999999999")), id="an exponent"),
        pytest.param(a_statement(an_entry("1" * 13)), id="thirteen digits"),
        pytest.param(a_statement(an_entry(currency="XXY")), id="no such currency"),
        pytest.param(a_statement(an_entry(currency="USD")), id="another currency than the account's"),
        pytest.param(a_statement(an_entry(direction="BOTH")), id="neither in nor out"),
        pytest.param(a_statement(an_entry(day="2026-13-01")), id="no such day"),
        pytest.param(a_statement(an_entry(ref=None)), id="an entry without a reference"),
        pytest.param(a_statement(an_entry()).replace(b"CLBD", b"ITBD"), id="no closing balance"),
        pytest.param(b"<a>" * 100_000, id="too deep"),
        pytest.param(b" " * (BYTES_MAX + 1), id="too large"),
    ],
)
def test_what_is_broken_or_hostile_is_refused(content: bytes) -> None:
    with pytest.raises(StatementUnreadable) as refusal:
        read_document(content)
    assert "root:" not in str(refusal.value)
    assert len(str(refusal.value)) < 120


def test_a_report_tells_which_orders_and_which_files_were_refused() -> None:
    file, refused, accepted = uuid4(), uuid4(), uuid4()
    reason = "<StsRsnInf><Rsn><Cd>AC04</Cd></Rsn><AddtlInf>closed</AddtlInf></StsRsnInf>"
    content = (
        '<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.002.001.03"><CstmrPmtStsRpt><GrpHdr/>'
        f"<OrgnlGrpInfAndSts><OrgnlMsgId>{file.hex}</OrgnlMsgId><GrpSts>RJCT</GrpSts></OrgnlGrpInfAndSts>"
        f"<OrgnlPmtInfAndSts><TxInfAndSts><OrgnlEndToEndId>{refused.hex}</OrgnlEndToEndId><TxSts>RJCT</TxSts>"
        f"{reason}</TxInfAndSts><TxInfAndSts><OrgnlEndToEndId>{accepted.hex}</OrgnlEndToEndId>"
        "<TxSts>ACSC</TxSts></TxInfAndSts><TxInfAndSts><OrgnlEndToEndId>theirs</OrgnlEndToEndId>"
        "<TxSts>RJCT</TxSts></TxInfAndSts></OrgnlPmtInfAndSts></CstmrPmtStsRpt></Document>"
    )
    (report,) = read_document(content.encode())
    assert report == StatusReport({file: ""}, {refused: "AC04 closed"})


def test_dates_with_a_time_are_days_too() -> None:
    content = a_statement(an_entry()).replace(
        b"<BookgDt><Dt>2026-11-20</Dt>", b"<BookgDt><DtTm>2026-11-20T09:30:00+09:00</DtTm>"
    )
    assert read_one(content).entries[0].booked_on == date(2026, 11, 20)
