"""One connection to the card company: requests out, answers in, each answer to the request it belongs to."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, cast

import structlog

from obverse.networks.iso8583.codec import Fields, decode, encode
from obverse.networks.iso8583.errors import FormatError, FramingError
from obverse.networks.iso8583.fields import (
    DE4_AMOUNT,
    DE7_TRANSMITTED_AT,
    DE11_STAN,
    DE32_ACQUIRER,
    DE37_RRN,
    DE41_TERMINAL,
    DE42_MERCHANT,
    DE49_CURRENCY,
    MTI,
)
from obverse.networks.iso8583.framing import FrameReader, frame
from obverse.networks.iso8583.messages import answer_mti, is_request

log = structlog.get_logger(__name__)

_ECHOED: Final = (DE37_RRN, DE32_ACQUIRER, DE41_TERMINAL, DE42_MERCHANT, DE4_AMOUNT, DE49_CURRENCY)
"""An answer that carries one of these must carry the request's; DE 7, DE 11 and the type are always there."""
_CLOSED_KEPT: Final = 10_000

_Key = tuple[str, str, str]


class NotSent(Exception):
    """Nothing left this process."""


class NoAnswer(Exception):
    """The request left, and no answer to it came."""


@dataclass(slots=True)
class Health:
    """What an operator wants to know of the line. The counts are since the start of the process."""

    connected: bool = False
    """Connected and signed on."""
    in_flight: int = 0
    connections: int = 0
    """How often a connection was made."""
    late: int = 0
    """Answers to requests that had been given up; the reversal deals with them."""
    duplicate: int = 0
    unknown: int = 0
    """Answers to nothing that was asked, or that contradict what was asked."""


class Link(asyncio.Protocol):
    """Matches answers to requests. Late, duplicate and unknown ones are counted and dropped."""

    def __init__(self, health: Health, on_lost: Callable[[], None]) -> None:
        self._health = health
        self._on_lost = on_lost
        self._transport: asyncio.Transport | None = None
        self._reader = FrameReader()
        self._waiting: dict[_Key, tuple[Fields, asyncio.Future[Fields]]] = {}
        self._closed_requests: OrderedDict[_Key, bool] = OrderedDict()
        self._writable = True
        self.last_heard_at = asyncio.get_running_loop().time()

    async def ask(self, request: Fields) -> Fields:
        """Send a request and wait for its answer; the caller sets the deadline, by cancelling.

        Raises `NotSent` when the line is gone or takes no more, `NoAnswer` when it breaks afterwards.
        """
        transport = self._transport
        key = _key_of(request)
        if transport is None or transport.is_closing() or not self._writable or key in self._waiting:
            raise NotSent
        raw = encode(request)
        future: asyncio.Future[Fields] = asyncio.get_running_loop().create_future()
        # Only what an answer is compared with is kept, and that leaves out the card number.
        self._waiting[key] = ({number: request.get(number, "") for number in _ECHOED}, future)
        self._health.in_flight += 1
        answered = False
        transport.write(frame(raw))
        try:
            answer = await future
            answered = True
            return answer
        finally:
            self._waiting.pop(key, None)
            self._health.in_flight -= 1
            self._remember(key, answered)

    def close(self) -> None:
        """Hang up; whoever still waits gets `NoAnswer`."""
        if self._transport is not None:
            self._transport.abort()

    # -- what asyncio tells us ------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        for _, future in self._waiting.values():
            if not future.done():
                future.set_exception(NoAnswer())
        self._on_lost()

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        try:
            while (received := self._reader.next_frame()) is not None:
                self._take(decode(received.body))
        except (FramingError, FormatError) as error:
            # An answer that cannot be read may be any request's: nothing on this line can be trusted further.
            log.warning("card_company.unreadable", code=error.code, param=error.param)
            self.close()

    def pause_writing(self) -> None:
        self._writable = False

    def resume_writing(self) -> None:
        self._writable = True

    # -- matching -------------------------------------------------------------------------------------------

    def _take(self, answer: Fields) -> None:
        self.last_heard_at = asyncio.get_running_loop().time()
        if is_request(answer[MTI]):
            self._health.unknown += 1
            return
        key = _key_of_answer(answer)
        waiting = self._waiting.get(key)
        if waiting is None or waiting[1].done():
            self._count_stray(key, answered=waiting is not None)
        elif any(answer[number] != waiting[0][number] for number in _ECHOED if number in answer):
            self._health.unknown += 1
        else:
            waiting[1].set_result(answer)

    def _count_stray(self, key: _Key, answered: bool) -> None:
        if answered or self._closed_requests.get(key) is True:
            self._health.duplicate += 1
        elif key in self._closed_requests:
            self._health.late += 1
        else:
            self._health.unknown += 1

    def _remember(self, key: _Key, answered: bool) -> None:
        """Keep for a while how a request ended, to tell late answers from duplicates and strangers."""
        self._closed_requests[key] = answered
        if len(self._closed_requests) > _CLOSED_KEPT:
            self._closed_requests.popitem(last=False)


def _key_of(request: Fields) -> _Key:
    return answer_mti(request[MTI]), request[DE7_TRANSMITTED_AT], request[DE11_STAN]


def _key_of_answer(answer: Fields) -> _Key:
    return answer[MTI], answer.get(DE7_TRANSMITTED_AT, ""), answer.get(DE11_STAN, "")
