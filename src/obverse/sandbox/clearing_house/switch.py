"""The switch itself: callers on one side, one link per target on the other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from obverse.sandbox.clearing_house.stand_in import StandIn
from obverse.sandbox.errors import KeyInUse, NoAnswer, Unreachable
from obverse.sandbox.link import Link
from obverse.sandbox.listener import Caller, Listener
from obverse.sandbox.trace import Trace
from obverse.sandbox.wire import Frame, Message, answer_to, is_answer

NAME: Final = "Clearing house"

APPROVED: Final = "00"
NO_SUCH_ISSUER: Final = "15"
FORMAT_ERROR: Final = "30"
NO_ANSWER: Final = "68"
"""Sent on, and nothing came back in time: it may have happened, so the asker has to repeat or reverse."""
ISSUER_DOWN: Final = "91"
"""Never sent on: nothing can have happened."""
DUPLICATE_TRACE: Final = "94"


@dataclass(frozen=True, slots=True)
class Route:
    """Numbers that begin with `prefix` go to `name` at host and port.

    `traced` is off where the target reports what it hears by itself.
    """

    prefix: str
    name: str
    host: str
    port: int
    traced: bool = False


class ClearingHouse:
    """Passes requests to the target of their card number, many at a time, and each answer to its asker alone.

    An answer is matched by DE 7, 11, 32, 37, 41, card and amount. Two callers who send different requests
    with the same trace fields cannot both be in flight: the second is refused with 94 (P12). `member_names`
    gives callers their names in the trace by acquirer id (DE 32).
    """

    def __init__(
        self,
        routes: Sequence[Route],
        trace: Trace,
        *,
        timeout_s: float = 7.0,
        member_names: Mapping[str, str] | None = None,
        name: str = NAME,
        stand_in: StandIn | None = None,
    ) -> None:
        """`stand_in` decides for a member that cannot be reached."""
        self.name = name
        self.stand_in = stand_in
        self.lines_down: set[str] = set()
        """Members whose lines are cut: nothing is sent to them."""
        self._routes = sorted(routes, key=lambda route: len(route.prefix), reverse=True)
        self._links = {route.name: Link(route.host, route.port) for route in routes}
        self.timeout_s = timeout_s
        self._trace = trace
        self._member_names = member_names or {}
        self._listener = Listener(self._handle)

    @property
    def port(self) -> int:
        return self._listener.port

    def link_to(self, name: str) -> Link:
        """The line to one target, to see whether it is up. Raises `KeyError`."""
        return self._links[name]

    async def route_to(self, name: str, host: str, port: int) -> None:
        """Find a target somewhere else from now on. Raises `KeyError`."""
        before, self._links[name] = self._links[name], Link(host, port)
        await before.close()

    async def start(self, host: str, port: int = 0) -> None:
        """Raises `OSError` when the port is taken."""
        await self._listener.start(host, port)

    async def stop(self) -> None:
        if self.stand_in is not None:
            await self.stand_in.stop()
        await self._listener.stop()
        for link in self._links.values():
            await link.close()

    async def _handle(self, caller: Caller, frame: Frame) -> None:
        if is_answer(frame.message):
            return
        answer = await self._take(frame)
        await caller.send(answer)  # a caller who has hung up will come back and repeat

    async def pass_on(self, message: Message) -> Message:
        """Take a request from somebody in this house, and return its answer."""
        return (await self._take(Frame(message))).message

    async def _take(self, frame: Frame) -> Frame:
        sender = self._name_of(frame.message)
        self._trace.iso8583(sender, self.name, frame.message)
        answer = await self._answer(frame)
        self._trace.iso8583(self.name, sender, answer.message)
        return answer

    async def _answer(self, frame: Frame) -> Frame:
        message = frame.message
        if message["t"].startswith("08"):
            return answer_to(frame, APPROVED)
        # Totals name no card but, in DE 100, whom they are for.
        number = message.get("2") or message.get("100", "")
        if not number.isdigit() or not {"7", "11"} <= message.keys():
            return answer_to(frame, FORMAT_ERROR)
        route = next((route for route in self._routes if number.startswith(route.prefix)), None)
        if route is None:
            return answer_to(frame, NO_SUCH_ISSUER)
        try:
            answer = await self._forward(route, message)
        except Unreachable:
            return self._answer_for(route, frame)
        except NoAnswer:
            return answer_to(frame, NO_ANSWER)
        except KeyInUse:
            return answer_to(frame, DUPLICATE_TRACE)
        return Frame(answer, answer_to(frame, APPROVED).tpdu)

    def _answer_for(self, route: Route, frame: Frame) -> Frame:
        """The answer in the place of a member that is away: its own is not needed for little money."""
        if self.stand_in is not None and self.stand_in.member == route.name:
            code = self.stand_in.decide(frame.message, lambda advice: self._forward(route, advice))
            if code is not None:
                return answer_to(frame, APPROVED, {"38": code})
        return answer_to(frame, ISSUER_DOWN)

    async def _forward(self, route: Route, message: Message) -> Message:
        if route.name in self.lines_down:
            raise Unreachable(route.host, route.port)
        if route.traced:
            self._trace.iso8583(self.name, route.name, message)
        answer = await self._links[route.name].ask(message, self.timeout_s)
        if route.traced:
            self._trace.iso8583(route.name, self.name, answer)
        return answer

    def _name_of(self, message: Message) -> str:
        """Who is speaking, as people know them: a member by its acquirer id, else by the name in DE 43."""
        acquirer = message.get("32", "")
        return self._member_names.get(acquirer) or message.get("43", "").strip() or f"Acquirer {acquirer}"
