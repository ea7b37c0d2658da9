"""The whole platform, asked by an implementation of ISO 8583 that shares no code with ours."""

from pathlib import Path

from tests.factories.estate import Estate
from tests.factories.peer import Peer
from tests.factories.platform import running


async def test_an_independent_peer_is_approved_once_and_declined_then(estate: Estate, tmp_path: Path) -> None:
    peer = Peer.install()
    (face,) = await estate.on_us_cards(1)
    first = estate.purchase(face)
    async with running(tmp_path / "log", estate.settings(tmp_path / "data")) as platform:
        approved = await peer.ask(first, platform.acquirer_port)
        repeated = await peer.ask(first, platform.acquirer_port)
        declined = await peer.ask(estate.purchase(face), platform.acquirer_port)
    assert (approved["t"], approved["39"]) == ("0110", "00")
    assert (repeated["39"], repeated["38"]) == ("00", approved["38"])
    assert (declined["39"], declined.get("38")) == ("57", None)
    (stored,) = await estate.fetch("select approval_code from authorizations where status = 'approved'")
    assert stored["approval_code"] == approved["38"]
    await estate.books_are_right()
