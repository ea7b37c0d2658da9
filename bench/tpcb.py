"""pgbench's TPC-B on the same server, over the same socket: what all rates are measured against."""

import asyncio
import os
import re
import subprocess
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

from bench.errors import BenchFailed
from obverse.kit.secret import Secret

_DATABASE: Final = "tpcb"
_CLIENTS: Final = 8
_THREADS: Final = 2
_SCALE: Final = 10
_TPS: Final = re.compile(r"^tps = ([0-9.]+)", re.MULTILINE)


class TpcB:
    """8 clients, prepared statements, scale 10."""

    def __init__(self, binaries: Path, url: Secret) -> None:
        address = urlsplit(url.reveal())
        where = parse_qs(address.query)
        self._binaries = binaries
        self._options = ["-h", where["host"][0], "-p", where["port"][0], "-U", str(address.username)]
        self._environment = {**os.environ, "PGPASSWORD": unquote(address.password or "")}

    async def prepare(self) -> None:
        """Make and fill pgbench's tables, in a database of their own."""
        await self._run("createdb", _DATABASE)
        await self._run("pgbench", "-i", "-q", "-s", str(_SCALE), _DATABASE)

    async def measure(self, seconds: int) -> float:
        """Transactions per second."""
        load = ["-c", str(_CLIENTS), "-j", str(_THREADS), "-M", "prepared", "-T", str(seconds)]
        found = _TPS.search(await self._run("pgbench", *load, "-n", _DATABASE))
        if found is None:
            raise BenchFailed("pgbench told no rate.")
        return float(found[1])

    async def _run(self, program: str, *arguments: str) -> str:
        process = await asyncio.create_subprocess_exec(
            str(self._binaries / program),
            *self._options,
            *arguments,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        output, complaint = await process.communicate()
        if process.returncode:
            raise BenchFailed(f"{program}: {complaint.decode(errors='replace').strip()[-300:]}")
        return output.decode()
