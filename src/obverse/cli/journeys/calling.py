"""A calling server's line by Diameter as a journey tells of it."""

from collections.abc import Awaitable, Iterator
from itertools import count
from typing import Final, TypeVar

from obverse.cli.journeys.world import World
from obverse.sandbox.calling import Card, DiameterLine, Granted, NoCall

CALLING_SERVER: Final = "Calling server"

T = TypeVar("T")


class ToldLine:
    """A `Line` on which everything that is said is told, without numbers and PINs."""

    def __init__(self, line: DiameterLine, world: World) -> None:
        self._line, self._world = line, world

    async def open(self, card: Card, seconds: int) -> Granted:
        """As `Line.open`."""
        return self._granted(
            await self._ask(f"CCR initial  seconds={seconds}", self._line.open(card, seconds))
        )

    async def extend(self, granted: Granted, used: int, until: int) -> Granted:
        """As `Line.extend`."""
        what = f"CCR update  used={used}  until={until}"
        return self._granted(await self._ask(what, self._line.extend(granted, used, until)))

    async def close(self, granted: Granted, used: int) -> int:
        """As `Line.close`."""
        cost = await self._ask(f"CCR termination  used={used}", self._line.close(granted, used))
        self._hear(f"CCA  cost={cost:,}")
        return cost

    async def _ask(self, what: str, answer: Awaitable[T]) -> T:
        self._world.tell(CALLING_SERVER, "Obverse", what)
        try:
            return await answer
        except NoCall as refused:
            self._hear(f"CCA {refused.reason}")
            raise

    def _granted(self, granted: Granted) -> Granted:
        self._hear(f"CCA  granted until {granted.until}{', the last' if granted.is_last else ''}")
        return granted

    def _hear(self, what: str) -> None:
        self._world.tell("Obverse", CALLING_SERVER, what)


def calling_line(world: World, origin_host: str) -> DiameterLine:
    """A line to the platform under this name; open it with `async with`."""
    return DiameterLine(*world.places.diameter, origin_host, None, _session_names(world, origin_host))


def _session_names(world: World, origin_host: str) -> Iterator[str]:
    mark = f"{world.rng.getrandbits(64):016x}"
    return (f"{origin_host};{mark};{number}" for number in count(1))
