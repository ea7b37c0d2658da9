"""A mail relay that forgets every message, in a process of its own: `python -m bench.mail_sink <port>`."""

import asyncio
import signal
import sys
from typing import Final, cast

import uvloop

_REPLIES: Final = {b"QUIT": b"221 Bye\r\n", b"DATA": b"354 Go on\r\n", b"EHLO": b"250 sink\r\n"}
_OK: Final = b"250 OK\r\n"
_END: Final = b"\r\n.\r\n"


class Sink(asyncio.Protocol):
    """One connection (RFC 5321), without looking at what is said."""

    def __init__(self) -> None:
        self._heard = b""
        self._in_message = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(b"220 sink\r\n")

    def data_received(self, data: bytes) -> None:
        self._heard += data
        while (end := self._heard.find(_END if self._in_message else b"\r\n")) >= 0:
            line, self._heard = self._heard[:end], self._heard[end + (5 if self._in_message else 2) :]
            verb = b"" if self._in_message else line[:4].upper()
            self._in_message = verb == b"DATA"
            self._transport.write(_REPLIES.get(verb, _OK))


async def serve(port: int) -> None:
    """Answer until SIGTERM."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    server = await loop.create_server(Sink, "127.0.0.1", port)
    await stop.wait()
    server.close()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(int(sys.argv[1])))
