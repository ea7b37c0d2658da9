"""`obverse reconcile`: the sums, what does not fit, and an exit code that says whether anything does not."""

import asyncio
import subprocess
from pathlib import Path

from tests.factories.platform import environment, obverse
from tests.factories.reconciliation import Programme


async def reconcile(database_url: str, folder: Path) -> subprocess.CompletedProcess[str]:
    settings = environment(data_dir=folder, database_url=database_url, key_file=folder / "keys.json")
    return await asyncio.to_thread(
        subprocess.run, obverse("reconcile"), env=settings, capture_output=True, text=True, check=False
    )


async def test_the_command_says_whether_everything_fits(
    programme: Programme, database_url: str, tmp_path: Path
) -> None:
    await programme.pay(7_000)
    fits = await reconcile(database_url, tmp_path)
    assert (fits.returncode, "Everything fits." in fits.stdout) == (0, True), fits.stderr
    assert "7,000" in fits.stdout

    await programme.bend("update actions set to_present = false")
    for _ in range(2):
        differs = await reconcile(database_url, tmp_path)
        assert (differs.returncode, "2 open." in differs.stdout) == (1, True), differs.stderr
