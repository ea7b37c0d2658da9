"""Two sandbox points issuers in a process of their own: `python -m bench.points_issuers <port> <port>`.

What requests to them are signed with comes in `BENCH_POINTS_SECRETS`, one after the other.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from random import Random
from typing import Final

import uvloop

from obverse.kit.clock import Clock
from obverse.kit.secret import Secret
from obverse.sandbox.faults import FaultMenu
from obverse.sandbox.points_issuer import PROFILES, Account, PointsIssuer, Profile
from obverse.sandbox.points_issuer.book import Book
from obverse.sandbox.trace import Trace

SECRETS: Final = "BENCH_POINTS_SECRETS"
ISSUERS: Final = PROFILES[:1] + PROFILES[2:]
"""One that holds and confirms, one that only deducts."""
_NOWHERE: Final = "http://127.0.0.1:9"
_UNITS: Final = 10**12


def accounts(at: int, profile: Profile, total: int) -> Sequence[Account]:
    """The accounts of one issuer: the same in every process."""
    return _open(Book(Random(at), two_phase=profile.two_phase), total)


def _open(book: Book, total: int) -> Sequence[Account]:
    return [book.open(f"{number:08d}", "", _UNITS) for number in range(total)]


async def serve(ports: Sequence[int], secrets: Sequence[str], total: int) -> None:
    """Answer until SIGTERM."""
    clock, stop = Clock(), asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    issuers = []
    for at, (profile, port, secret) in enumerate(zip(ISSUERS, ports, secrets, strict=True)):
        issuer = PointsIssuer(
            profile,
            FaultMenu(Random()),
            Trace(clock),
            clock,
            Random(at),
            sms_url=_NOWHERE,
            van_url=_NOWHERE,
        )
        issuer.secret = Secret(secret)
        _open(issuer.book, total)
        await issuer.start("127.0.0.1", port)
        issuers.append(issuer)
    await stop.wait()
    await asyncio.gather(*[issuer.stop() for issuer in issuers])


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        *given, total = sys.argv[1:]
        runner.run(serve([int(port) for port in given], os.environ[SECRETS].split(), int(total)))
