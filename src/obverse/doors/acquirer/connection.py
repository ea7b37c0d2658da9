"""One caller's connection: bytes in, messages to the engine, answers out."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple, cast

import structlog

from obverse.doors.acquirer.limits import Limits
from obverse.doors.acquirer.payments import Business, Payments, answer_network
from obverse.networks.iso8583 import FormatError, Frame, FrameReader, FramingError, frame, response_codes
from obverse.networks.iso8583.messages import NetworkMessage, parse, refusal

log = structlog.get_logger(__name__)


class _InFlight(NamedTuple):
    message: Business
    arrived: datetime
    reply_tpdu: bytes
    give_up_at: float
    """In the loop's time."""


class Connection(asyncio.Protocol):
    """Reads while it may, answers what it reads, and is looked after by the door's one timer (`check`).

    Requests go on being decided when the caller hangs up: they may be committed already, and the caller will
    ask again. Their answers are then dropped, never sent anywhere else (P12).
    """

    def __init__(self, payments: Payments, limits: Limits, on_closed: Callable[["Connection"], None]) -> None:
        self._payments = payments
        self._limits = limits
        self._on_closed = on_closed
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._reader = FrameReader()
        self._in_flight: dict[asyncio.Task[bytes], _InFlight] = {}
        self._outgoing: list[bytes] = []
        self._finishing = False
        self._closed = False
        self._reading = True
        self._last_message_at = self._message_began_at = self._loop.time()
        self._unread_since: float | None = None

    # -- what asyncio tells us ------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=self._limits.answers_waiting_bytes)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._closed = True
        self._outgoing.clear()
        if not self._in_flight:
            self._on_closed(self)

    def data_received(self, data: bytes) -> None:
        if not self._reader.waiting:
            self._message_began_at = self._loop.time()
        self._reader.feed(data)
        self._take_messages()

    def eof_received(self) -> bool:
        """The caller has said all it will; it still gets its answers."""
        self.finish()
        return True

    def pause_writing(self) -> None:
        self._unread_since = self._loop.time()
        self._read_or_wait()

    def resume_writing(self) -> None:
        if not self._closed:
            self._unread_since = None
            self._take_messages()

    # -- what the door asks ---------------------------------------------------------------------------------

    def check(self, now: float) -> None:
        """Answer what took too long, and part from callers who stopped talking or listening."""
        self._give_up_on_late(now)
        limits = self._limits
        if self._transport is None:
            return
        if self._unread_since is not None:
            if now - self._unread_since > limits.slow_reader_timeout_s:
                self._abort("slow_reader")
        elif self._reading and self._reader.waiting:
            if now - self._message_began_at > limits.message_timeout_s:
                self._abort("half_a_message")
        elif not self._in_flight and now - self._last_message_at > limits.idle_timeout_s:
            self._close("idle")

    def finish(self) -> None:
        """Take nothing more in, and hang up after the last answer."""
        self._finishing = True
        self._read_or_wait()
        self._after_answer()

    def give_up(self) -> None:
        """Answer what is still being decided with "system malfunction", and hang up now."""
        self._finishing = True
        self._give_up_on_late(float("inf"))
        self._close("stopped")

    # -- requests -------------------------------------------------------------------------------------------

    def _take_messages(self) -> None:
        try:
            while self._may_read() and (received := self._reader.next_frame()) is not None:
                self._last_message_at = self._message_began_at = self._loop.time()
                self._take(received)
        except FramingError:
            self._close("framing")
        self._read_or_wait()

    def _take(self, received: Frame) -> None:
        try:
            message = parse(received.body)
        except FormatError as error:
            self._refuse(error, received.reply_tpdu)
            return
        if isinstance(message, NetworkMessage):
            self._send(answer_network(message), received.reply_tpdu)
            return
        arrived = self._payments.arrived()
        task = self._loop.create_task(self._payments.answer(message, arrived))
        give_up_at = self._last_message_at + self._limits.request_timeout_s
        self._in_flight[task] = _InFlight(message, arrived, received.reply_tpdu, give_up_at)
        task.add_done_callback(self._decided)

    def _decided(self, task: asyncio.Task[bytes]) -> None:
        request = self._in_flight.pop(task, None)
        if request is not None:
            undecided = task.cancelled()
            reply = self._payments.give_up(request.message, request.arrived) if undecided else task.result()
            self._send(reply, request.reply_tpdu)
            self._after_answer()

    def _give_up_on_late(self, now: float) -> None:
        late = []
        for task, request in self._in_flight.items():
            if request.give_up_at > now:
                break  # they are in order of arrival, and all have the same time
            late.append(task)
        for task in late:
            request = self._in_flight.pop(task)
            task.cancel()
            self._send(self._payments.give_up(request.message, request.arrived), request.reply_tpdu)
        if late:
            self._after_answer()

    def _after_answer(self) -> None:
        if not self._reading:
            self._take_messages()
        if self._in_flight:
            return
        if self._transport is None:
            self._on_closed(self)
        elif self._finishing:
            self._close("finished")

    # -- reading, writing, closing --------------------------------------------------------------------------

    def _may_read(self) -> bool:
        return (
            not self._finishing
            and self._unread_since is None
            and len(self._in_flight) < self._limits.in_flight_max
            and not self._closed
        )

    def _read_or_wait(self) -> None:
        """Leave the socket alone while there is enough to do: the caller's own buffers fill, and it waits."""
        if self._transport is None or self._closed or self._may_read() == self._reading:
            return
        self._reading = not self._reading
        if self._reading:
            self._message_began_at = self._loop.time()
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()

    def _refuse(self, error: FormatError, reply_tpdu: bytes) -> None:
        code = response_codes.FORMAT_ERROR
        if error.field == "t":
            code = response_codes.FUNCTION_NOT_SUPPORTED
        reply = refusal(error, code)
        if reply is None:
            self._close("unreadable")
        else:
            self._send(reply, reply_tpdu)

    def _send(self, message: bytes, tpdu: bytes) -> None:
        """Queue an answer; all that come up in one turn of the loop leave in one write."""
        if self._closed:
            return
        if not self._outgoing:
            self._loop.call_soon(self._flush)
        self._outgoing.append(frame(message, tpdu))

    def _flush(self) -> None:
        if self._outgoing and not self._closed and self._transport is not None:
            self._transport.write(b"".join(self._outgoing))
        self._outgoing.clear()

    def _close(self, reason: str) -> None:
        """Hang up once what is written has been read; `check` sees to it that this has an end."""
        if self._transport is None or self._closed:
            return
        self._flush()
        self._closed = True
        self._unread_since = self._unread_since or self._loop.time()
        log.info("acquirer.closed", reason=reason)
        self._transport.close()

    def _abort(self, reason: str) -> None:
        if self._transport is not None:
            log.info("acquirer.cut_off", reason=reason)
            self._closed = True
            self._transport.abort()
