"""Clearing files byte by byte: what we write, read back by cardutil; what comes back, in every shape."""

import io
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from cardutil.mciipm import IpmReader, IpmWriter, VbsWriter
from tests.factories.presentments import a_file, a_presentment

from obverse.clearing.presentments import (
    Acknowledgement,
    Direction,
    Presentment,
    PresentmentFile,
    Rejection,
    UnreadableAnswer,
)
from obverse.clearing.presentments.model import Totals
from obverse.kit.secret import Secret
from obverse.networks.card_company import FileFormat, Identity, ipm
from obverse.sandbox.card_company import ipm as theirs
from obverse.sandbox.card_company.model import FileReason, Reason

CARD_NUMBER = "9530101234567896"
SEOUL = ZoneInfo("Asia/Seoul")
FORMAT = FileFormat(SEOUL, live=False, identity=Identity())
OUR_ID = "00126112000000941012" + "00001"
GOLDEN = Path(__file__).parents[2] / "vectors" / "ipm.json"


@dataclass(frozen=True)
class Face:
    number: Secret
    exp_month: int = 6
    exp_year: int = 2030


MEMBERS = [
    a_presentment(
        34_000,
        arn="09410126324000000000429",
        paid_at=datetime(2026, 11, 20, 14, 30, 5, tzinfo=UTC),
        network_ref="1120143005|000001|RRN000000001",
        merchant_name="Café & Books",
    ),
    a_presentment(
        4_000,
        arn="09410126324000000000437",
        direction=Direction.CREDIT,
        is_final=False,
        paid_at=datetime(2026, 11, 19, 15, 0, tzinfo=UTC),
        network_ref=None,
        category=None,
        approval_code=None,
        merchant_name="",
    ),
]
FILE = a_file(MEMBERS, business_day=date(2026, 11, 20))


def written(file: PresentmentFile = FILE, members: Sequence[Presentment] = MEMBERS) -> bytes:
    return ipm.write(
        file, members, {member.vault_card_id: Face(Secret(CARD_NUMBER)) for member in members}, FORMAT
    )


def read_back(content: bytes) -> list[dict[str, Any]]:
    """As cardutil reads it; the fields that carry PDS fields are left out, their contents are not."""
    return [
        {name: value for name, value in record.items() if name != "DE48"}
        for record in IpmReader(io.BytesIO(content), blocked=True)
    ]


def test_every_field_of_a_file_is_read_back_as_it_was_meant() -> None:
    header, debit, credit, trailer = read_back(written())
    assert header == {
        "MTI": "1644",
        "DE24": "697",
        "DE71": 1,
        "PDS0105": OUR_ID,
        "PDS0122": "T",
        "PDS1000": "OBV-P-ABCDEFGH23",
    }
    assert debit == {
        "MTI": "1240",
        "DE2": CARD_NUMBER,
        "DE3": "000000",
        "DE4": 34_000,
        "DE12": datetime(2026, 11, 20, 23, 30, 5),  # noqa: DTZ001 - local time is what is on the wire
        "DE22": "100050S00000",
        "DE24": "200",
        "DE25": "1404",
        "DE26": 5942,
        "DE31": "09410126324000000000429",
        "DE32": "941012",
        "DE33": "941012",
        "DE37": "RRN000000001",
        "DE38": "654321",
        "DE41": "OBVERSE1",
        "DE42": "OBVERSE        ",
        "DE43": "Caf? & Books",
        "DE49": "410",
        "DE71": 2,
        "DE94": "941012",
        "PDS0023": "CT6",
        "PDS0148": "4100",
    }
    assert credit == {
        "MTI": "1240",
        "DE2": CARD_NUMBER,
        "DE3": "200000",
        "DE4": 4_000,
        "DE12": datetime(2026, 11, 20),  # noqa: DTZ001
        "DE22": "100050S00000",
        "DE24": "200",
        "DE31": "09410126324000000000437",
        "DE32": "941012",
        "DE33": "941012",
        "DE41": "OBVERSE1",
        "DE42": "OBVERSE        ",
        "DE49": "410",
        "DE71": 3,
        "DE94": "941012",
        "PDS0023": "CT6",
        "PDS0148": "4100",
    }
    assert trailer == {
        "MTI": "1644",
        "DE24": "695",
        "DE71": 4,
        "PDS0105": OUR_ID,
        "PDS0301": "0000000000038000",
        "PDS0306": "00000004",
    }


def test_a_capture_with_more_to_come_says_so() -> None:
    _, first, _ = read_back(written(members=[a_presentment(is_final=False)]))
    assert first["DE25"] == "1403"


def test_a_file_is_the_same_bytes_whenever_it_is_written() -> None:
    assert written() == written() == bytes.fromhex(json.loads(GOLDEN.read_text())["presentments"])


def test_a_file_comes_in_blocks_of_1014_bytes() -> None:
    content = written(members=[a_presentment() for _ in range(100)])
    blocks = [content[start : start + 1014] for start in range(0, len(content), 1014)]
    assert {(len(block), block[-2:]) for block in blocks} == {(1014, b"@@")}


def test_p11_cardutil_logs_no_record_even_when_everything_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        read_back(written())
    assert CARD_NUMBER not in caplog.text


# acknowledgements ------------------------------------------------------------------------------------------


def read(content: bytes) -> Acknowledgement:
    return ipm.read_acknowledgement(content, FILE, Identity())


def test_an_acknowledgement_of_another_making_is_understood() -> None:
    assert read(bytes.fromhex(json.loads(GOLDEN.read_text())["acknowledgement"])) == Acknowledgement(
        rejections=[Rejection("09410126324000000000437", "no_approval")], accepted=Totals(1, 34_000, 0, 0)
    )


@pytest.mark.parametrize("reason", list(Reason))
def test_what_the_sandbox_says_is_understood(reason: Reason) -> None:
    presented = theirs.read(written())
    good, bad = presented.items
    answer = theirs.acknowledge(presented, [theirs.Judged(good, None), theirs.Judged(bad, reason)])
    assert read(answer) == Acknowledgement(
        rejections=[Rejection(bad.arn, reason.name.lower())], accepted=Totals(1, 34_000, 0, 0)
    )


@pytest.mark.parametrize("reason", list(FileReason))
def test_a_file_reject_is_understood(reason: FileReason) -> None:
    assert read(theirs.reject(OUR_ID, reason)) == Acknowledgement(refused=reason.name.lower())


def ack(*said: dict[str, Any], **changes: Any) -> bytes:
    """Header, what is said and trailer, by cardutil."""
    out = io.BytesIO()
    writer = IpmWriter(out, blocked=True)
    count = len(said) + 2
    trailer = {"MTI": "1644", "DE24": "695", "DE71": count, "PDS0306": f"{count:08d}"} | changes
    writer.write_many([{"MTI": "1644", "DE24": "697", "DE71": 1, "PDS0105": "002"}, *said, trailer])
    writer.close()
    return out.getvalue()


def position(**changes: Any) -> dict[str, Any]:
    return {
        "MTI": "1644",
        "DE24": "685",
        "DE71": 2,
        "PDS0300": OUR_ID,
        "PDS0390": "38000",
        "PDS0391": "0",
        "PDS0400": "1",
        "PDS0401": "0",
    } | changes


def rejection(**changes: Any) -> dict[str, Any]:
    return {
        "MTI": "1644",
        "DE24": "691",
        "DE31": MEMBERS[0].arn,
        "DE71": 2,
        "PDS0005": "D0002100001000",
        "PDS0280": OUR_ID,
    } | changes


def test_an_error_code_that_nobody_knows_is_shown_as_it_is() -> None:
    answer = read(ack(rejection(PDS0005="D0002107777000"), position()))
    assert answer.rejections == [Rejection(MEMBERS[0].arn, "error_7777")]


def a_negative_length() -> bytes:
    """A PDS field seven bytes shorter than nothing: cardutil's own reader never comes to its end."""
    out = io.BytesIO()
    writer = VbsWriter(out, blocked=True)
    bitmap = (1 << 127 | 1 << (128 - 48)).to_bytes(16, "big")
    writer.write(b"1644" + bitmap + b"007" + b"0105-07")
    writer.close()
    return out.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"<html>we are moving house</html>", id="a web page"),
        pytest.param(written(), id="our own file"),
        pytest.param(ack(), id="nothing said"),
        pytest.param(ack(rejection()), id="no position"),
        pytest.param(ack(position(), position()), id="two positions"),
        pytest.param(ack(position(PDS0300="00126112000000941012" + "00002")), id="another file's position"),
        pytest.param(ack(rejection(PDS0280="x"), position()), id="another file's rejection"),
        pytest.param(ack(position(PDS0390="many")), id="letters for a sum"),
        pytest.param(ack(rejection(PDS0005="D0002"), position()), id="no reason"),
        pytest.param(ack(position(), PDS0306="00000009"), id="wrong count"),
        pytest.param(ack(position())[:150], id="cut off"),
        pytest.param(a_negative_length(), id="a field of negative length"),
    ],
)
def test_anything_but_a_whole_answer_of_this_file_is_unreadable(content: bytes) -> None:
    with pytest.raises(UnreadableAnswer):
        read(content)


def test_hostile_bytes_are_unreadable_and_nothing_worse() -> None:
    rng = Random(7)
    good = ack(rejection(), position())
    for _ in range(2_000):
        bad = bytearray(good)
        for _ in range(rng.randrange(1, 6)):
            bad[rng.randrange(len(bad) // 2)] = rng.randrange(256)
        try:
            read(bytes(bad))
        except UnreadableAnswer:
            continue


# the sandbox's own reading ---------------------------------------------------------------------------------


def test_the_sandbox_reads_what_we_mean() -> None:
    presented = theirs.read(written())
    assert (presented.file_id, presented.reference) == (OUR_ID, "OBV-P-ABCDEFGH23")
    debit, credit = presented.items
    assert (debit.card_number, debit.amount_minor, debit.is_credit) == (CARD_NUMBER, 34_000, False)
    assert (debit.approval_code, debit.currency, debit.is_final, debit.number) == ("654321", "410", True, 2)
    assert (credit.amount_minor, credit.is_credit, credit.approval_code) == (4_000, True, "")


def with_trailer(**changes: Any) -> bytes:
    records = [record | changes if record["DE24"] == "695" else record for record in read_back(written())]
    out = io.BytesIO()
    writer = IpmWriter(out, blocked=True)
    writer.write_many(records)
    writer.close()
    return out.getvalue()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        pytest.param(with_trailer(PDS0301="0000000000038001"), FileReason.WRONG_TOTALS, id="wrong sum"),
        pytest.param(with_trailer(PDS0306="00000005"), FileReason.WRONG_TOTALS, id="wrong count"),
        pytest.param(with_trailer(PDS0105="another"), FileReason.UNREADABLE, id="another file's trailer"),
        pytest.param(with_trailer(DE24="697"), FileReason.UNREADABLE, id="no trailer"),
        pytest.param(written()[:500], FileReason.UNREADABLE, id="cut off"),
        pytest.param(b"nothing of the kind", FileReason.UNREADABLE, id="another kind of file"),
    ],
)
def test_the_sandbox_takes_whole_files_only(content: bytes, reason: FileReason) -> None:
    with pytest.raises(theirs.BadFile) as caught:
        theirs.read(content)
    assert caught.value.reason is reason
