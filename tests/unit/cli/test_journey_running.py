"""How journeys are walked, told and written down."""

import stat
from dataclasses import replace
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from obverse.cli.demo import journeys
from obverse.cli.journeys import Journey, MerchantPlace, Places, Printer, walk
from obverse.cli.journeys.narration import Line, Narration
from obverse.cli.journeys.places import LinkedCard, MemberPlace
from obverse.cli.journeys.running import check, step
from obverse.cli.journeys.world import BookLine
from obverse.kit.clock import Clock
from obverse.kit.errors import CannotStart
from obverse.kit.settings import Settings

CARD = LinkedCard("BA1", "9530101234567896", 6, 2030, "123", "900101")
PLACES = Places(
    rest_url="http://127.0.0.1:8080",
    docs_url="http://127.0.0.1:8080/docs",
    acquirer=("127.0.0.1", 8583),
    clearing_house=("127.0.0.1", 8585),
    diameter=("127.0.0.1", 3868),
    mall_url="http://127.0.0.1:8590",
    control_url="http://127.0.0.1:8592",
    origin="http://localhost:8080",
    api_key="ob_test_sk_x",
    members=[MemberPlace("mem_1", "a password", ["src_1"], [CARD])],
    merchants=[MerchantPlace("mer_1", "Mall", "5732", "620001", "MALL-1", ["WEB00001"], "ob_test_sk_y")],
)


class QuietWorld:
    """A world in which one line is said in every step."""

    async def told(self) -> list[Line]:
        return [Line(datetime(2026, 7, 1, tzinfo=UTC), "Till", "Clearing house", "0100 [authorization]")]

    async def books(self) -> list[BookLine]:
        return [BookLine("merchant_payable", -34_000, 0), BookLine("member_receivable", 34_000, 1_000)]


class ThreeSteps(Journey):
    code = "X-J1"
    title = "Three steps"

    receipt: str
    slip: str

    @step("The first is fine")
    async def first(self) -> None:
        self.slip = "a slip"
        check("one and one", 1 + 1, 2)

    @step("The second fails")
    async def second(self) -> None:
        check("the answer", "14", "00")
        self.receipt = "never printed"

    @step("The third needs the second")
    async def third(self) -> None:
        check("the receipt", self.receipt, "printed")

    @step("The fourth breaks down")
    async def fourth(self) -> None:
        raise ConnectionError("hung up")

    @step("The fifth is fine again")
    async def fifth(self) -> None:
        check("the slip", self.slip, "a slip")


class MoreSteps(ThreeSteps):
    """Inherits them all."""


@pytest.mark.parametrize("kind", [ThreeSteps, MoreSteps])
async def test_a_failed_step_does_not_keep_the_others_from_being_tried(kind: type[Journey]) -> None:
    reports = await walk(kind(QuietWorld()))  # type: ignore[arg-type]
    assert [report.problem for report in reports] == [
        None,
        "the answer: expected '00', found '14'.",
        "Not reached: an earlier step has not given receipt.",
        "ConnectionError: hung up",
        None,
    ]


async def test_steps_are_printed_with_their_time_what_was_said_and_what_went_wrong() -> None:
    written = StringIO()
    printer = Printer(Console(file=written, width=200))
    printer.journey(ThreeSteps)
    await walk(ThreeSteps(QuietWorld()), printer.step)  # type: ignore[arg-type]
    printer.total()
    text = written.getvalue()
    assert (printer.steps, printer.failed) == (5, 3)
    for part in ("X-J1", "✓ The first is fine", " ms", "Till → Clearing house", "[authorization]"):
        assert part in text
    assert "✗ The second fails" in text
    assert "ledger  merchant_payable -34,000  member_receivable +34,000 (held +1,000)" in text
    assert "5 steps, 3 failed." in text


def test_the_demo_file_is_read_as_it_was_written_and_is_its_owners_alone(tmp_path: Path) -> None:
    file = tmp_path / "demo.json"
    PLACES.save(file)
    replace(PLACES, api_key="ob_test_sk_z").save(file)
    assert Places.load(file) == replace(PLACES, api_key="ob_test_sk_z")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["demo.json"]


@pytest.mark.parametrize("text", ["", "{", "{}", "[]", '{"rest_url": "x"}'])
def test_a_file_that_is_no_demo_file_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "demo.json").write_text(text)
    with pytest.raises(ValueError):
        Places.load(tmp_path / "demo.json")


def test_p11_only_fields_that_may_be_seen_are_told() -> None:
    narration = Narration(Clock())
    body = {"amount": 34_000, "card_number": "9410121234567893", "cvv": "123", "password": "secret"}
    narration.call("Mina", "Mall", "POST /checkout", body)
    narration.answer(
        "Obverse", "Mina", 201, {"token": "tok", "id": "card_01j5xxxxxxxxxxxxxxabcd", "status": 9}
    )
    assert [line.text for line in narration.take()] == [
        "POST /checkout  amount=34,000",
        "201  id=card_..abcd",
    ]
    assert narration.take() == []


def test_messages_of_the_partners_are_told_in_a_few_words() -> None:
    narration = Narration(Clock())
    request = {"2": "941012******7893", "4": "000000034000", "11": "000001", "37": "1"}
    for kind, fields in (
        ("0100 authorization", request),
        ("0110 authorization answer", request | {"38": "ABC123", "39": "00"}),
        ("POST /v1/standing", {"identity_number": "***"}),
    ):
        at = "2026-07-01T12:00:00Z"
        narration.message({"from": "a", "to": "b", "kind": kind, "fields": fields, "at": at})
    assert [line.text for line in narration.take()] == [
        "0100 authorization  941012******7893  34,000 won  trace 000001",
        "0110 authorization answer  00  approval ABC123  trace 000001",
        "POST /v1/standing  identity_number=***",
    ]


async def test_a_journey_that_there_is_not_is_said_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match=r"There is no journey OT-J9\."):
        await journeys(Settings.load(data_dir=tmp_path), ["OT-J1", "OT-J9"])
