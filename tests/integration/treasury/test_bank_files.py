"""The treasury against a folder: files for the bank are written once, files of the bank's are read once."""

import os
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from lxml import etree
from tests.factories.treasury import (
    OWN,
    TreasuryHouse,
    a_statement,
    an_entry,
    korea,
    treasury_house,
)
from tests.factories.wallet import House

from obverse.kit.errors import CannotStart
from obverse.networks.bank import BankFiles
from obverse.networks.bank.xml import all_of, text_at
from obverse.treasury.ports import Asked, Verdict


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "bank"


@pytest.fixture
def files(folder: Path, house: House) -> BankFiles:
    return BankFiles(folder, OWN, calendar=korea(), now=house.clock.now)


@pytest.fixture
async def treasury(house: House, files: BankFiles) -> TreasuryHouse:
    return await treasury_house(house, files)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_file() and path.name != ".lock")


def orders_in(path: Path) -> list[str | None]:
    document = etree.parse(str(path)).getroot()
    return [
        text_at(each, "PmtId/EndToEndId") for each in all_of(document, "CstmrCdtTrfInitn/PmtInf/CdtTrfTxInf")
    ]


def later(treasury: TreasuryHouse) -> None:
    clock = treasury.house.clock
    clock.move_to(clock.offset + timedelta(minutes=10))


async def test_orders_go_out_as_one_file_and_are_confirmed_by_a_statement(
    treasury: TreasuryHouse, folder: Path
) -> None:
    orders = [treasury.an_order(1_000) for _ in range(3)]
    await treasury.order(*orders)
    await treasury.treasury.send()
    (name,) = names(folder / "out")
    assert sorted(orders_in(folder / "out" / name)) == sorted(order.id.hex for order in orders)
    assert names(folder / "out" / "written") == [name]
    assert await treasury.state(orders[0]) == "sent"
    entries = [
        an_entry("1000", direction="DBIT", ref=f"E{n}", e2e=order.id.hex) for n, order in enumerate(orders)
    ]
    (folder / "in" / "statement.xml").write_bytes(a_statement(*entries))
    assert await treasury.treasury.read_statements() == 1
    assert {await treasury.state(order) for order in orders} == {"done"}
    assert await treasury.balances() == {"merchant_payable": 3_000, "bank": -3_000}
    assert (names(folder / "in"), names(folder / "in" / "done")) == ([], ["statement.xml"])


@pytest.mark.parametrize("carried", ["waits", "was moved to taken", "was deleted by the carrier"])
async def test_what_was_written_is_never_written_again(
    treasury: TreasuryHouse, folder: Path, carried: str
) -> None:
    order = treasury.an_order()
    await treasury.order(order)
    await treasury.treasury.send()
    (name,) = names(folder / "out")
    if carried == "was moved to taken":
        (folder / "out" / name).rename(folder / "out" / "taken" / name)
    if carried == "was deleted by the carrier":
        (folder / "out" / name).unlink()
    for _ in range(3):
        later(treasury)
        await treasury.treasury.ask()
        await treasury.treasury.send()
    assert await treasury.state(order) == "sent"
    assert names(folder / "out") == ([name] if carried == "waits" else [])


@pytest.mark.parametrize("when", ["before the file", "after the file", "taken before we were back"])
async def test_p14_a_kill_around_the_writing_of_a_file_pays_once(
    treasury: TreasuryHouse, folder: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    class Killed(BaseException):
        pass

    def killed(*_: object) -> None:
        raise Killed

    order = treasury.an_order()
    await treasury.order(order)
    with monkeypatch.context() as patched:
        if when == "before the file":
            patched.setattr(os, "link", killed)
        else:
            patched.setattr(Path, "rename", killed)
        with pytest.raises(Killed):
            await treasury.treasury.send()
    if when == "taken before we were back":
        (name,) = [each for each in names(folder / "out") if not each.startswith(".")]
        (folder / "out" / name).rename(folder / "out" / "taken" / name)
    later(treasury)
    await treasury.treasury.ask()
    await treasury.treasury.send()
    files = [each for each in names(folder / "out") if not each.startswith(".")]
    taken = names(folder / "out" / "taken")
    assert len(files) + len(taken) == 1
    assert await treasury.state(order) == "sent"


async def test_a_batch_that_comes_too_late_is_not_written(
    treasury: TreasuryHouse, folder: Path, files: BankFiles
) -> None:
    await treasury.order(treasury.an_order())
    batch = await treasury.treasury._claim()
    assert batch is not None
    later(treasury)  # this process stood still; another one has asked, and found no such file
    assert [answer.verdict for answer in await files.submit(batch)] == [Verdict.NO_ANSWER]
    assert names(folder / "out") == []


async def test_a_name_that_is_taken_is_not_written_over(
    treasury: TreasuryHouse, folder: Path, files: BankFiles
) -> None:
    await treasury.order(treasury.an_order())
    batch = await treasury.treasury._claim()
    assert batch is not None
    there = folder / "out" / f"{batch.id.hex}.xml"
    there.write_bytes(b"somebody's")
    assert [answer.verdict for answer in await files.submit(batch)] == [Verdict.NO_ANSWER]
    assert there.read_bytes() == b"somebody's"


async def test_what_was_not_written_is_sent_again(files: BankFiles) -> None:
    answers = await files.outcomes([Asked(uuid4(), uuid4())])
    assert [answer.verdict for answer in answers] == [Verdict.UNKNOWN_ID]


async def test_a_file_that_cannot_be_read_is_kept_for_people(treasury: TreasuryHouse, folder: Path) -> None:
    for n in range(2):
        (folder / "in" / "broken.xml").write_bytes(b"<html>%d</html>" % n)
        await treasury.treasury.read_statements()
    (folder / "in" / "ours.xml").write_bytes(a_statement(an_entry()))
    (folder / "in" / "notes.txt").write_text("not for us")
    await treasury.treasury.read_statements()
    assert names(folder / "in" / "refused") == ["broken-2.xml", "broken.xml"]
    assert names(folder / "in") == ["notes.txt"]
    assert await treasury.events("bank_statement.refused") == 2
    assert await treasury.balances() == {"bank": 34_000, "suspense": -34_000}


def test_a_folder_that_cannot_be_made_is_told_at_start(tmp_path: Path, house: House) -> None:
    (tmp_path / "bank").write_text("a file")
    with pytest.raises(CannotStart, match="OBVERSE_BANK_FOLDER"):
        BankFiles(tmp_path / "bank", OWN, calendar=korea(), now=house.clock.now)
