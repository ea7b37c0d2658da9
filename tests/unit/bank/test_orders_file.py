"""pain.001 files hold to the published schema, and say exactly what was ordered."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
import sepaxml
from lxml import etree
from tests.factories.treasury import OWN, a_bank_account

from obverse.kit.money import KRW, CurrencyCode, Money
from obverse.networks.bank import pain001
from obverse.networks.bank.xml import all_of, text_at
from obverse.treasury.ports import Batch, Outgoing

SCHEMA = Path(sepaxml.__file__).parent / "schemas" / "pain.001.001.03.xsd"
NOW = datetime(2026, 11, 20, 3, 0, 0, 123456, tzinfo=UTC)


@pytest.fixture(scope="module")
def schema() -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(str(SCHEMA)))


def an_outgoing(amount_minor: int = 50_000, currency: CurrencyCode = KRW, **changes) -> Outgoing:
    given = {
        "wire_id": uuid4(),
        "amount": Money(amount_minor, currency),
        "to": a_bank_account(),
        "reference": "Settlement 2026-11-20",
    } | changes
    return Outgoing(**given)


def a_batch(*orders: Outgoing) -> Batch:
    return Batch(uuid4(), NOW, NOW + timedelta(seconds=30), orders)


def written(batch: Batch) -> etree._Element:
    return etree.fromstring(pain001.write(batch, OWN, date(2026, 11, 23)))


@pytest.mark.parametrize("count", [1, 2, 500])
def test_a_file_validates_against_the_published_schema(schema: etree.XMLSchema, count: int) -> None:
    schema.assertValid(written(a_batch(*(an_outgoing() for _ in range(count)))))


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"to": a_bank_account(holder="주식회사 한빛몰 <&> \"'")}, id="Korean, and marks of XML"),
        pytest.param({"to": a_bank_account(holder="N" * 70), "reference": "R" * 70}, id="the longest texts"),
        pytest.param({"to": a_bank_account("123456")}, id="the shortest account"),
        pytest.param({"amount": Money(999_999_999_999, KRW)}, id="the largest amount"),
        pytest.param({"amount": Money(1, CurrencyCode("USD"))}, id="a cent"),
    ],
)
def test_whatever_may_be_ordered_can_be_written(schema: etree.XMLSchema, changes: dict) -> None:
    order = an_outgoing(**changes)
    document = written(a_batch(order))
    schema.assertValid(document)
    transaction = all_of(document, "CstmrCdtTrfInitn/PmtInf/CdtTrfTxInf")[0]
    assert text_at(transaction, "Cdtr/Nm") == order.to.holder
    assert text_at(transaction, "CdtrAcct/Id/Othr/Id") == order.to.number.reveal()


def test_the_file_says_what_was_ordered() -> None:
    batch = a_batch(an_outgoing(50_000), an_outgoing(34_000))
    root = all_of(written(batch), "CstmrCdtTrfInitn")[0]
    header, block = all_of(root, "GrpHdr")[0], all_of(root, "PmtInf")[0]
    assert text_at(header, "MsgId") == batch.id.hex
    assert text_at(header, "CreDtTm") == "2026-11-20T03:00:00Z"
    for part in (header, block):
        assert (text_at(part, "NbOfTxs"), text_at(part, "CtrlSum")) == ("2", "84000")
    assert text_at(block, "ReqdExctnDt") == "2026-11-23"
    assert text_at(block, "DbtrAcct/Id/Othr/Id") == "100200300400"
    assert text_at(block, "DbtrAgt/FinInstnId/ClrSysMmbId/MmbId") == "090"
    told = [
        (
            text_at(each, "PmtId/EndToEndId"),
            text_at(each, "Amt/InstdAmt"),
            all_of(each, "Amt/InstdAmt")[0].get("Ccy"),
            text_at(each, "CdtrAgt/FinInstnId/ClrSysMmbId/MmbId"),
            text_at(each, "RmtInf/Ustrd"),
        )
        for each in all_of(block, "CdtTrfTxInf")
    ]
    first, second = batch.orders
    reference = "Settlement 2026-11-20"
    assert told == [
        (first.wire_id.hex, "50000", "KRW", "004", reference),
        (second.wire_id.hex, "34000", "KRW", "004", reference),
    ]


def test_the_same_batch_gives_the_same_bytes() -> None:
    batch = a_batch(an_outgoing())
    day = date(2026, 11, 23)
    assert pain001.write(batch, OWN, day) == pain001.write(batch, OWN, day)


def test_amounts_have_the_decimals_of_their_currency() -> None:
    document = written(a_batch(an_outgoing(1_230, CurrencyCode("USD")), an_outgoing(70, CurrencyCode("USD"))))
    root = all_of(document, "CstmrCdtTrfInitn")[0]
    assert text_at(root, "GrpHdr/CtrlSum") == "13.00"
    amounts = [each.text for each in all_of(root, "PmtInf/CdtTrfTxInf/Amt/InstdAmt")]
    assert amounts == ["12.30", "0.70"]
