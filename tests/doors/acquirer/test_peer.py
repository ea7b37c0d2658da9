"""An implementation of ISO 8583 that shares no code with ours gets its answers, and reads what we write."""

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.factories.iso8583 import purchase, reversal
from tests.factories.peer import Peer

from obverse.networks.iso8583 import decode

if TYPE_CHECKING:
    from tests.doors.acquirer.conftest import Door

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "iso8583.json").read_text())


@pytest.fixture(scope="module")
def peer() -> Peer:
    return Peer.install()


async def test_an_independent_peer_gets_an_approval(door: "Door", peer: Peer) -> None:
    answer = await peer.ask(purchase(), door.door.port)
    assert (answer["t"], answer["39"], answer["38"]) == ("0110", "00", "A1B2C3")
    assert answer["11"] == purchase()["11"]


async def test_an_independent_peer_gets_a_decline(door: "Door", peer: Peer) -> None:
    answer = await peer.ask(purchase(DE4="000001000000"), door.door.port)
    assert (answer["t"], answer["39"]) == ("0110", "61")
    assert "38" not in answer


async def test_an_independent_peer_reverses(door: "Door", peer: Peer) -> None:
    await peer.ask(purchase(), door.door.port)
    answer = await peer.ask(reversal(purchase()), door.door.port)
    assert (answer["t"], answer["39"]) == ("0410", "00")


async def test_peer_and_platform_read_each_others_messages(peer: Peer) -> None:
    fields = [vector["fields"] for vector in VECTORS]
    by_peer, by_us = await asyncio.gather(
        peer.pack(fields), peer.unpack([vector["message"] for vector in VECTORS])
    )
    assert [decode(message.encode()) for message in by_peer] == fields
    assert by_us == fields
