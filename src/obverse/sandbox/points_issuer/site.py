"""An issuer on its port: signed requests of the relay, as the fault menu has them, and malls' wishes.

It answers thousands of takes a second while the platform is measured, so no framework stands between.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping
from random import Random
from typing import Any, Final

import msgspec

from obverse.kit.clock import Clock
from obverse.kit.http_server import HttpServer
from obverse.kit.secret import Secret
from obverse.sandbox.faults import Fault, FaultMenu, FaultRule, MessageKind
from obverse.sandbox.points_issuer import mall_desk, wire
from obverse.sandbox.points_issuer.book import Book, ReferenceReused
from obverse.sandbox.points_issuer.linking import Links, Texts
from obverse.sandbox.points_issuer.mall_desk import MallDesk
from obverse.sandbox.points_issuer.profiles import Profile
from obverse.sandbox.points_issuer.relay_desk import RELAY, RelayDesk, Work
from obverse.sandbox.points_issuer.van_line import VanLine
from obverse.sandbox.points_issuer.wire import Answer, answer
from obverse.sandbox.trace import Trace

_GARBAGE: Final = Answer(200, b"<html>we are moving house</html>")
_NO_SUCH_CALL: Final = answer(404, {"error": "no_such_call"})


class PointsIssuer(HttpServer):
    """One issuer. Its faults, on a menu of its own: slow, late, silent, lost, close (works, then hangs up),
    break (works, then a 500), refuse (a 503; on `connection`: nobody listens), garbage, duplicate (does it
    twice), wrong_balance."""

    def __init__(
        self,
        profile: Profile,
        faults: FaultMenu,
        trace: Trace,
        clock: Clock,
        rng: Random,
        *,
        sms_url: str,
        van_url: str,
        machine_time: Callable[[], float] = time.time,
    ) -> None:
        """`machine_time`, in Unix seconds, is what signatures are dated by: the clock may be moved."""
        super().__init__(self)
        self.profile, self.faults, self.name = profile, faults, profile.name
        self.book = Book(rng, two_phase=profile.two_phase)
        self.secret: Secret | None = None
        """What requests to us are signed with; until it is set, nobody is believed."""
        self.van_line = VanLine(profile.name, van_url) if profile.tells_van else None
        self.mall_desk = MallDesk(profile, self.book, trace)
        self._texts = Texts(sms_url, profile.name)
        links = Links(self.book, self._texts, profile.name, clock, rng)
        self._relay_desk = RelayDesk(profile, self.book, links, self.van_line, trace)
        self._trace, self._machine_time = trace, machine_time
        self._closing = asyncio.Event()
        self._host = ""

    @property
    def url(self) -> str:
        return f"http://{self._host}:{self.port}"

    async def start(self, host: str, port: int = 0, *, reuse_port: bool = False) -> None:
        self._host = host
        self._closing.clear()
        await super().start(host, port, reuse_port=reuse_port)

    async def stop(self) -> None:
        await self._hang_up()
        await self._texts.close()
        await self.mall_desk.close()
        if self.van_line is not None:
            await self.van_line.close()

    async def set_fault(self, kind: MessageKind, rule: FaultRule | None) -> None:
        """Change the menu; a rule on `CONNECTION` takes effect at once, and until it is taken off."""
        was_down = MessageKind.CONNECTION in self.faults.rules()
        self.faults.set(kind, rule)
        is_down = MessageKind.CONNECTION in self.faults.rules()
        if is_down and not was_down:
            await self._hang_up()
        elif was_down and not is_down:
            await self.start(self._host, self.port)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one request (ASGI)."""
        body = await _body(receive)
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        told = await self._answer(scope["method"], scope["path"], headers, body)
        length = str(len(told.body) if told is not None else 1).encode()
        fields = [(b"content-type", b"application/json"), (b"content-length", length)]
        status = told.status if told is not None else 200
        await send({"type": "http.response.start", "status": status, "headers": fields})
        if told is not None:
            await send({"type": "http.response.body", "body": told.body})
        # Else uvicorn hangs up on whoever waits for the body that was announced.

    async def _answer(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer | None:
        """What is answered; None hangs up."""
        try:
            if method != "POST":
                return _NO_SUCH_CALL
            if path.startswith(mall_desk.PATH):
                return await self._for_mall(path.removeprefix(mall_desk.PATH), body)
            if not wire.is_signed(self.secret, headers, body, self._machine_time):
                self._trace.http(RELAY, self.name, f"POST {path}", {"signature": "wrong"})
                return answer(401, {"error": "signature"})
            found = self._relay_desk.work(path)
            return _NO_SUCH_CALL if found is None else await self._misbehave(*found, body)
        except msgspec.MsgspecError:
            return answer(400, {"error": "body"})  # a complaint could carry what was sent
        except ReferenceReused:
            return answer(409, {"error": "reference_reused"})

    async def _for_mall(self, path: str, body: bytes) -> Answer:
        if not path:
            return await self.mall_desk.pay(msgspec.json.decode(body, type=wire.MallPaymentBody))
        return self.mall_desk.void(path.removeprefix("/").removesuffix("/void"))

    async def _misbehave(self, kind: MessageKind, work: Work, body: bytes) -> Answer | None:
        """Do the work and answer, or as much of both as the fault leaves."""
        rule = self.faults.take(kind)
        if rule is None:
            return await work(body)
        if rule.fault is Fault.REFUSE:
            return answer(503, {"error": "closed"})
        if rule.fault is Fault.LOST:
            return await self._never()
        if rule.fault is Fault.SLOW:
            await self._pause(rule.delay_ms)
        done = await (self._relay_desk.boast if rule.fault is Fault.WRONG_BALANCE else work)(body)
        match rule.fault:
            case Fault.DUPLICATE:
                return await work(body)
            case Fault.LATE:
                await self._pause(rule.delay_ms)
            case Fault.SILENT:
                return await self._never()
            case Fault.BREAK:
                return answer(500, {"error": "broken"})
            case Fault.CLOSE:
                return None
            case Fault.GARBAGE:
                return _GARBAGE
        return done

    async def _pause(self, delay_ms: int) -> None:
        """Wait, but not while somebody wants to close."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._closing.wait(), delay_ms / 1000)

    async def _never(self) -> Answer | None:
        await self._closing.wait()
        return None

    async def _hang_up(self) -> None:
        self._closing.set()
        await super().stop()


async def _body(receive: Any) -> bytes:
    parts = []
    more = True
    while more:
        message = await receive()
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(parts)
