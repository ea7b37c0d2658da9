"""The codes room for tests, and a phone's half of it: a key pair, and what it opens."""

import base64
from datetime import timedelta
from typing import Any

import msgspec
from joserfc import jwe
from joserfc.jwk import ECKey
from tests.factories.stored_value import a_calendar
from tests.factories.wallet import BIN, House

from obverse.bootstrap.codes import CodeRooms
from obverse.codes import CodeBatches, CodeTerms, Devices, PublicKey
from obverse.kit.ids import PartitionId

INTERVAL = timedelta(seconds=180)


def codes_rooms(house: House, terms: CodeTerms | None = None, partitions: int = 1) -> CodeRooms:
    """The rooms as the bootstrap joins them; nothing runs by itself."""
    given: dict[str, Any] = {"clock": house.clock, "new_id": house.new_id}
    return CodeRooms(
        devices=Devices(house.database, house.members, **given),
        batches=CodeBatches(
            house.database,
            house.vault,
            house.members,
            house.balances,
            house.letters,
            random_bytes=house.random_bytes,
            bin_=BIN,
            partitions=[PartitionId(p) for p in range(partitions)],
            calendar=a_calendar(),
            terms=terms or CodeTerms(interval=INTERVAL),
            **given,
        ),
    )


def a_key() -> ECKey:
    """A fresh pair, as a phone makes one."""
    return ECKey.generate_key("P-256")


def public_half(key: ECKey) -> PublicKey:
    public = key.as_dict(private=False)
    return PublicKey(str(public["x"]), str(public["y"]))


def jwk_of(key: ECKey) -> dict[str, str]:
    """The public half as it is sent to the platform."""
    public = key.as_dict(private=False)
    return {name: str(public[name]) for name in ("kty", "crv", "x", "y")}


def opened(sealed: str, key: ECKey) -> dict[str, Any]:
    """What is in a batch, for whoever has this key. Raises what joserfc raises for everybody else."""
    plain = jwe.decrypt_compact(sealed, key, algorithms=["ECDH-ES", "A256GCM"]).plaintext
    assert plain is not None
    contents: dict[str, Any] = msgspec.json.decode(plain)
    return contents


def header_of(sealed: str) -> dict[str, Any]:
    """The part that everybody can read."""
    first = sealed.partition(".")[0]
    header: dict[str, Any] = msgspec.json.decode(base64.urlsafe_b64decode(first + "=" * (-len(first) % 4)))
    return header
