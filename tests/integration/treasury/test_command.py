"""`obverse bank import`: a statement from a file, once."""

import asyncio
import subprocess
from pathlib import Path

import pytest
from tests.factories.platform import environment, obverse
from tests.factories.treasury import TreasuryHouse, a_statement, an_entry


async def run(database_url: str, folder: Path, file: Path) -> subprocess.CompletedProcess[str]:
    settings = environment(data_dir=folder, database_url=database_url, key_file=folder / "keys.json")
    command = obverse("bank", "import", str(file))
    return await asyncio.to_thread(
        subprocess.run, command, env=settings, capture_output=True, text=True, check=False
    )


async def test_a_statement_is_imported_once(
    treasury: TreasuryHouse, database_url: str, tmp_path: Path
) -> None:
    file = tmp_path / "statement.xml"
    file.write_bytes(a_statement(an_entry()))
    first, second = (
        await run(database_url, tmp_path, file),
        await run(database_url, tmp_path, file),
    )
    assert (first.returncode, second.returncode) == (0, 0), first.stderr
    assert first.stdout.startswith("1 receipts")
    assert "1 entries known" in second.stdout
    assert await treasury.balances() == {"bank": 34_000, "suspense": -34_000}


@pytest.mark.parametrize("content", [b"<html/>", a_statement(account="999888777666")])
async def test_what_is_no_statement_of_ours_is_told_in_one_line(
    treasury: TreasuryHouse, database_url: str, tmp_path: Path, content: bytes
) -> None:
    file = tmp_path / "statement.xml"
    file.write_bytes(content)
    done = await run(database_url, tmp_path, file)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("The statement ")
    assert "Traceback" not in done.stderr
