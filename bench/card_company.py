"""The sandbox card company alone, in a process of its own: `python -m bench.card_company <port>`."""

import asyncio
import signal
import sys
from collections.abc import Sequence
from datetime import datetime
from random import Random
from typing import Final

import uvloop

from obverse.kit.clock import Clock
from obverse.sandbox import CardCompany
from obverse.sandbox.card_company import Book
from obverse.sandbox.card_company.cards import make_card
from obverse.sandbox.card_company.model import RealCard
from obverse.sandbox.faults import FaultMenu
from obverse.sandbox.trace import Trace

CARDS: Final = 2_000
_SEED: Final = 83
_LIMIT_MINOR: Final = 10**11


def real_cards(now: datetime) -> Sequence[RealCard]:
    """The same cards in every process."""
    rng = Random(_SEED)
    return [make_card(rng, now, _LIMIT_MINOR) for _ in range(CARDS)]


async def serve(port: int) -> None:
    """Answer until SIGTERM."""
    clock, stop = Clock(), asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    book = Book(real_cards(clock.now()), clock, Random())
    company = CardCompany(book, FaultMenu(Random()), Trace(clock))
    await company.start("127.0.0.1", port)
    await stop.wait()
    await company.stop()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(int(sys.argv[1])))
