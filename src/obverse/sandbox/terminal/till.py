"""The terminal itself: it numbers its messages, can repeat the last one, and can take a purchase back."""

from dataclasses import dataclass, field
from random import Random
from types import TracebackType
from typing import Self

from obverse.kit.clock import Clock
from obverse.kit.secret import Secret
from obverse.sandbox.link import Link
from obverse.sandbox.terminal.messages import CardEntry, Shop, echo, purchase, repeat, reversal
from obverse.sandbox.trace import Trace
from obverse.sandbox.wire import Message


@dataclass(frozen=True, slots=True)
class Receipt:
    """What came back. `request` is what was sent, kept so that it can be repeated or reversed."""

    response_code: str
    """DE 39."""
    approval_code: str | None
    """DE 38."""
    reference: str
    """DE 37."""
    request: Message = field(repr=False)
    answer: Message = field(repr=False)

    @property
    def approved(self) -> bool:
        return self.response_code == "00"


class Till:
    """One terminal. Every call raises `Unreachable` or `NoAnswer` where no answer came back.

    `trace` is given where the far end does not report by itself what it hears: when that is the provider.
    """

    def __init__(
        self,
        host: str,
        port: int,
        shop: Shop,
        *,
        clock: Clock,
        rng: Random,
        timeout_s: float = 10.0,
        trace: Trace | None = None,
        far_end: str = "Obverse",
    ) -> None:
        self.shop = shop
        self._link = Link(host, port)
        self._clock, self._timeout_s = clock, timeout_s
        self._trace, self._far_end = trace, far_end
        self._stan = rng.randrange(1_000_000)  # a restarted till must not repeat the numbers it has used
        self._last: Message | None = None

    async def purchase(
        self,
        number: Secret,
        expiry: str,
        cvv: Secret | None,
        amount_minor: int,
        *,
        entry: str = "chip",
        capture: bool = False,
    ) -> Receipt:
        """Ask for approval (0100), or for approval and the money at once (0200). `expiry` is YYMM."""
        message = purchase(
            self.shop, amount_minor, entry, self._clock.now(), self._next_stan(), capture=capture
        )
        self._last = message | CardEntry(number, expiry, cvv).fields()
        return await self._ask(self._last)

    async def repeat(self) -> Receipt:
        """Send the last purchase again, marked as a repeat (0101): the answer must be the same."""
        return await self._ask(repeat(self._purchase()))

    async def reverse(self, receipt: Receipt | None = None, *, advice: bool = False) -> Receipt:
        """Take back a purchase, the last one by default (0400; as an advice 0420)."""
        original = receipt.request if receipt is not None else self._purchase()
        message = reversal(
            self.shop, original, Secret(original["2"]), self._clock.now(), self._next_stan(), advice=advice
        )
        return await self._ask(message)

    async def echo(self) -> bool:
        """Whether the far end is alive."""
        return (await self._ask(echo(self._clock.now(), self._next_stan()))).approved

    async def close(self) -> None:
        await self._link.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _purchase(self) -> Message:
        if self._last is None:
            raise ValueError("This till has not asked for anything yet.")
        return self._last

    def _next_stan(self) -> str:
        self._stan = (self._stan + 1) % 1_000_000
        return f"{self._stan:06d}"

    async def _ask(self, message: Message) -> Receipt:
        if self._trace is not None:
            self._trace.iso8583(self.shop.name, self._far_end, message)
        answer = await self._link.ask(message, self._timeout_s)
        if self._trace is not None:
            self._trace.iso8583(self._far_end, self.shop.name, answer)
        return Receipt(
            answer.get("39", ""), answer.get("38"), message.get("37", ""), request=message, answer=answer
        )
