"""The load generator: a process of its own that sends ready-made messages and times the answers.

It shares the machine's cores with what it measures, so all it does while the clock runs is to copy bytes: the
messages were encoded before, and of an answer it reads the trace number and the response code where they are.

Closed loop: every connection has a fixed number of requests in flight, and an answer is followed by the next
request. Paced: requests fall due at a fixed rate whatever the answers do, and a latency counts from the
moment at which its request was due, so that a stall is seen by all who had to wait for it.
"""

import asyncio
import gc
import sys
import time
from array import array
from collections.abc import Sequence
from typing import Final, Literal, cast

import msgspec
import uvloop

_ISO_BITMAP: Final = slice(6, 22)
_ISO_STAN_AT: Final = 52
_ISO_CODE_AT: Final = 78
"""In a frame with its two bytes of length, without the digits of DE 2; DE 12, 13 and 38 are absent."""
_ISO_DONE_FIELDS: Final = (2, 3, 4, 7, 11, 32, 37, 39, 41, 42, 49)
_ISO_APPROVED_FIELDS: Final = (*_ISO_DONE_FIELDS, 38)
_ISO_APPROVAL_CODE_LENGTH: Final = 6
_TICK_S: Final = 0.001
_DRAIN_S: Final = 15.0
_now: Final = time.perf_counter
"""Not the loop's time, which uvloop tells in whole milliseconds."""


class Job(msgspec.Struct, frozen=True):
    """What to send where. `per_second` None is a closed loop; `expected` is in every right REST answer.
    `approves`: a right ISO 8583 answer has an approval code; `also` are fields that it has besides."""

    wire: Literal["iso8583", "rest"]
    port: int
    connections: int
    in_flight: int
    per_second: float | None
    warm_up_s: float
    seconds: float
    messages: list[bytes]
    expected: bytes = b'"status":"approved"'
    approves: bool = True
    also: tuple[int, ...] = ()
    digits: int = 16
    """Of the number in DE 2."""


class Outcome(msgspec.Struct, frozen=True):
    """What came of it. `sent` counts the warm-up too; `unexpected` is the first wrong answer, masked."""

    sent: int
    per_second: float
    p50_ms: float
    p99_ms: float
    unexpected: str | None


class _Run:
    """Which message is next, and how long each answer took."""

    def __init__(self, job: Job, loop: asyncio.AbstractEventLoop) -> None:
        self.messages = job.messages
        self.began = array("d", bytes(8 * len(job.messages)))
        self.latencies = array("d")
        self.next = 0
        self.in_flight = 0
        self.stopped = False
        self.unexpected: str | None = None
        self.done: asyncio.Future[None] = loop.create_future()
        self.start = _now()
        self.measured_from = self.start + job.warm_up_s
        self.measured_until = self.measured_from + job.seconds
        self._interval = 1 / job.per_second if job.per_second else None
        self.due = 0 if self._interval else len(self.messages)

    def take(self, now: float) -> bytes | None:
        """The next message that is due, counted as sent."""
        index = self.next
        if index >= self.due or self.stopped:
            return None
        self.began[index] = self.start + index * self._interval if self._interval else now
        self.next = index + 1
        self.in_flight += 1
        if self.next == len(self.messages):
            self.stop(now)
        return self.messages[index]

    def answered(self, index: int, now: float) -> None:
        self.in_flight -= 1
        if self.measured_from <= now <= self.measured_until:
            self.latencies.append(now - self.began[index])
        if self.stopped and not self.in_flight and not self.done.done():
            self.done.set_result(None)

    def stop(self, now: float) -> None:
        """Send no more; a run whose messages ran out is measured up to here."""
        if not self.stopped:
            self.stopped = True
            self.measured_until = min(self.measured_until, now)
        if not self.in_flight and not self.done.done():
            self.done.set_result(None)

    def fail(self, answer: str) -> None:
        if self.unexpected is None:
            self.unexpected = answer
        self.stop(_now())
        if not self.done.done():
            self.done.set_result(None)

    def pace(self, now: float) -> None:
        """Let fall due what is due by now."""
        assert self._interval is not None
        self.due = min(len(self.messages), int((now - self.start) / self._interval) + 1)


class _Caller(asyncio.Protocol):
    """One connection."""

    def __init__(self, run: _Run, job: Job) -> None:
        self._run = run
        self._free = job.in_flight
        self._rest = b""
        self._transport: asyncio.Transport
        self._expected = job.expected

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._run.done.done():
            self._run.fail("the connection was closed")

    def fill(self, now: float, count: int) -> bool:
        """Send up to `count` requests; False if none could be sent."""
        messages: list[bytes] = []
        while len(messages) < count and self._free and (message := self._run.take(now)) is not None:
            self._free -= 1
            messages.append(message)
            self._sent()
        if messages:
            self._transport.write(b"".join(messages))
        return bool(messages)

    def _sent(self) -> None:
        """Note what was sent last."""


class _Iso8583Caller(_Caller):
    """Many requests in flight; the trace number of an answer is the index of its request."""

    def __init__(self, run: _Run, job: Job) -> None:
        super().__init__(run, job)
        usual = _ISO_APPROVED_FIELDS if job.approves else _ISO_DONE_FIELDS
        self._bitmap = _bitmap([*usual, *job.also])
        code_at = _ISO_CODE_AT + job.digits + (_ISO_APPROVAL_CODE_LENGTH if job.approves else 0)
        self._stan = slice(_ISO_STAN_AT + job.digits, _ISO_STAN_AT + job.digits + 6)
        self._code = slice(code_at, code_at + 2)

    def data_received(self, data: bytes) -> None:
        run, now = self._run, _now()
        data = self._rest + data if self._rest else data
        at, size, answers = 0, len(data), 0
        while size - at >= 2 and (end := at + 2 + (data[at] << 8 | data[at + 1])) <= size:
            frame = data[at:end]
            at = end
            answers += 1
            if frame[_ISO_BITMAP] != self._bitmap or frame[self._code] != b"00":
                answer = frame.decode("ascii", "replace")
                return run.fail(f"{answer[2:22]} ... {answer[84:]}")  # without the card number
            run.answered(int(frame[self._stan]), now)
        self._rest = data[at:]
        self._free += answers
        self.fill(now, self._free)
        return None


class _RestCaller(_Caller):
    """One request in flight: HTTP/1.1 answers in order, and servers do not work on several at once."""

    _index = 0

    def _sent(self) -> None:
        self._index = self._run.next - 1

    def data_received(self, data: bytes) -> None:
        self._rest += data
        head, found, body = self._rest.partition(b"\r\n\r\n")
        if not found or len(body) < _content_length(head):
            return None
        if not self._rest.startswith(b"HTTP/1.1 201") or self._expected not in body:
            return self._run.fail(f"{head[:60]!r} {body[:300]!r}")
        now = _now()
        self._rest = b""
        self._free += 1
        self._run.answered(self._index, now)
        self.fill(now, 1)
        return None


def _content_length(head: bytes) -> int:
    at = head.lower().find(b"content-length:")
    return int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0


def _bitmap(fields: Sequence[int]) -> bytes:
    return b"%016X" % sum(1 << (64 - number) for number in fields)


async def generate(job: Job) -> Outcome:
    """Send the job's messages and time the answers."""
    loop = asyncio.get_running_loop()
    kind = _Iso8583Caller if job.wire == "iso8583" else _RestCaller
    run = _Run(job, loop)
    callers = [
        (await loop.create_connection(lambda: kind(run, job), "127.0.0.1", job.port))[1]
        for _ in range(job.connections)
    ]
    now = _now()
    run.measured_from += now - run.start
    run.measured_until += now - run.start
    run.start = now
    if job.per_second is None:
        for caller in callers:
            caller.fill(now, job.in_flight)
    else:
        pacing = loop.create_task(_pace(run, callers))
        pacing.add_done_callback(lambda _: None)
    loop.call_later(run.measured_until - now, lambda: run.stop(_now()))
    deadline = run.measured_until - now + _DRAIN_S
    try:
        await asyncio.wait_for(run.done, deadline)
    except TimeoutError:
        run.unexpected = f"{run.in_flight} requests were not answered"
    latencies = sorted(run.latencies)
    return Outcome(
        sent=run.next,
        per_second=len(latencies) / max(run.measured_until - run.measured_from, 1e-9),
        p50_ms=_quantile_ms(latencies, 0.5),
        p99_ms=_quantile_ms(latencies, 0.99),
        unexpected=run.unexpected,
    )


async def _pace(run: _Run, callers: Sequence[_Caller]) -> None:
    turn = 0
    while not run.stopped:
        now = _now()
        run.pace(now)
        refused = 0
        while run.next < run.due and refused < len(callers) and not run.stopped:
            refused = 0 if callers[turn % len(callers)].fill(now, 1) else refused + 1
            turn += 1
        await asyncio.sleep(_TICK_S)


def _quantile_ms(latencies: Sequence[float], share: float) -> float:
    return latencies[int(len(latencies) * share)] * 1000 if latencies else 0.0


def main() -> None:
    """Read a job from stdin, write its outcome to stdout."""
    job = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=Job)
    gc.collect()
    gc.freeze()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        outcome = runner.run(generate(job))
    sys.stdout.buffer.write(msgspec.json.encode(outcome))


if __name__ == "__main__":
    main()
