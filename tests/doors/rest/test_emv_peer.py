"""The QR payload of another implementation, which shares no code with ours (PC-9)."""

from random import Random

from tests.factories.peer import Peer

from obverse.codes import digits_of
from obverse.codes.emv import AID
from obverse.sandbox.phone.emv import LABEL, payload


async def test_a_wallet_that_others_have_written_is_read_and_ours_writes_the_same() -> None:
    rng = Random(5)
    codes = ["".join(rng.choices("0123456789", k=length)) for length in (12, 13, 16, 18, *[19] * 20)]
    filled = [code + "F" * (len(code) % 2) for code in codes]
    written = await Peer.install().payloads(AID.hex().upper(), LABEL, filled)
    assert [digits_of(each).reveal() for each in written] == codes
    assert [payload(code) for code in codes] == written
