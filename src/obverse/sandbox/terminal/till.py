"""The terminal itself: it numbers its messages, can repeat the last one, and can take a purchase back."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from types import TracebackType
from typing import Final, Self

from obverse.kit.clock import Clock
from obverse.kit.secret import Secret
from obverse.sandbox.errors import NoAnswer
from obverse.sandbox.link import Link
from obverse.sandbox.terminal.messages import (
    ACTIVATION,
    BALANCE,
    DEPOSIT,
    PURCHASE,
    REFUND,
    TAKES_PARTIAL,
    CardEntry,
    Shop,
    echo,
    purchase,
    refund,
    repeat,
    reversal,
    totals,
    upload,
)
from obverse.sandbox.terminal.paper import refund_slip, screen, slip
from obverse.sandbox.terminal.pin_pad import PinPad
from obverse.sandbox.terminal.points import Pick, PointsField, picks_field, read_points
from obverse.sandbox.trace import Trace
from obverse.sandbox.wire import AVAILABLE, Message, amounts

OUT_OF_BALANCE: Final = "95"
PARTLY: Final = "10"
IN_PROGRESS: Final = "09"

_ASKS_MAX: Final = 20
_AGAIN_S: Final = 0.25


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
        """In whole; `PARTLY` is another code."""
        return self.response_code == "00"

    @property
    def amount_minor(self) -> int:
        """DE 4 of the answer: less than was asked for where a part was approved."""
        return int(self.answer.get("4", "0"))

    @property
    def points(self) -> PointsField:
        """DE 63 of the answer. Raises `BrokenFrame`."""
        return read_points(self.answer.get("63", ""))

    @property
    def balance_minor(self) -> int | None:
        """What the card still holds (DE 54), where it was told."""
        told = amounts(self.answer).get(AVAILABLE)
        return None if told is None else int(told)


@dataclass(slots=True)
class Batch:
    """The day's sales, until they are paid. `number` is used once."""

    number: int
    sales: list[tuple[Receipt, int]] = field(default_factory=list)
    """Approved sales and how much of each is claimed, in minor units."""
    refunds: list[tuple[Receipt, int]] = field(default_factory=list)

    @property
    def text(self) -> str:
        """DE 60."""
        return f"{self.number:06d}"


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
        pad: PinPad | None = None,
    ) -> None:
        self.shop = shop
        self._link = Link(host, port)
        self._clock, self._timeout_s = clock, timeout_s
        self._trace, self._far_end = trace, far_end
        self._pad = pad or PinPad()
        self._stan = rng.randrange(1_000_000)  # a restarted till must not repeat the numbers it has used
        self._last: Message | None = None
        self._loses_line = False
        self.batch = Batch(rng.randrange(1, 500_000))

    async def purchase(
        self,
        number: Secret,
        expiry: str,
        cvv: Secret | None,
        amount_minor: int,
        *,
        entry: str = "chip",
        capture: bool = False,
        pin: Secret | None = None,
        partial: bool = False,
    ) -> Receipt:
        """Ask for approval (0100), or for approval and the money at once (0200). `expiry` is YYMM.

        With a `pin` typed into the pad; `partial` says that less will do, and the rest is paid otherwise.
        """
        card = CardEntry(number, expiry, cvv, pin)
        message = self._request(card, amount_minor, entry, capture=capture)
        self._last = message | {"60": TAKES_PARTIAL} if partial else message
        return await self._ask(self._last)

    async def inquire(self, card: CardEntry, *, entry: str = "swipe") -> Receipt:
        """Ask what the card still holds, and what its points are worth here (0100, 31xxxx)."""
        return await self._ask(self._request(card, 0, entry, code=BALANCE))

    async def pay(
        self,
        card: CardEntry,
        amount_minor: int,
        picks: Sequence[Pick] = (),
        quote: str | None = None,
        *,
        entry: str = "swipe",
        capture: bool = True,
    ) -> Receipt:
        """Sell something (0200), or only ask for approval (0100), with what the holder has picked of `quote`.

        The rest is on the card.
        """
        message = self._request(card, amount_minor, entry, capture=capture)
        field_63 = picks_field(picks, quote)
        self._last = message | {"63": field_63} if field_63 else message
        return await self._ask(self._last)

    async def scan(
        self, code: Secret, amount_minor: int, pin: Secret | None = None, *, capture: bool = True
    ) -> Receipt:
        """Sell something for a payment code that the scanner has read off a phone (0200, DE 22 030)."""
        card = CardEntry(code, None, pin=pin)
        return await self.pay(card, amount_minor, entry="barcode", capture=capture)

    async def deposit(self, card: CardEntry, amount_minor: int, *, entry: str = "swipe") -> Receipt:
        """Pay cash that was handed over into a card (0200, 21xxxx); taken back like a purchase."""
        self._last = self._request(card, amount_minor, entry, capture=True, code=DEPOSIT)
        return await self._ask(self._last)

    async def activate(self, card: CardEntry, face_value_minor: int, *, entry: str = "barcode") -> Receipt:
        """Sell a card for what is printed on it (0200, 28xxxx)."""
        self._last = self._request(card, face_value_minor, entry, capture=True, code=ACTIVATION)
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

    async def ask_again(self) -> Receipt:
        """What became of the last request: repeat it until there is an answer that is not "under way"."""
        for _ in range(_ASKS_MAX):
            try:
                answer = await self.repeat()
            except NoAnswer:
                continue
            if answer.response_code != IN_PROGRESS:
                return answer
            await asyncio.sleep(_AGAIN_S)
        raise NoAnswer

    async def cancel(self, receipt: Receipt | None = None) -> Receipt:
        """Take a purchase back, whatever became of it (0400); without an answer again as advice (0420)."""
        try:
            return await self.reverse(receipt)
        except NoAnswer:
            return await self.reverse(receipt, advice=True)

    async def refund(self, receipt: Receipt, amount_minor: int) -> Receipt:
        """Give (part of) a sale back (0200, 20xxxx); any number of times, up to all of it."""
        message = refund(self.shop, receipt.request, amount_minor, self._clock.now(), self._next_stan())
        return await self._ask(message)

    def lose_line(self) -> None:
        """Let the next request go out, and the line break before its answer comes."""
        self._loses_line = True

    def screen(self, inquiry: Receipt) -> Sequence[str]:
        """What the holder sees after an inquiry, line by line."""
        points = inquiry.points
        return screen(self.shop, points.accounts, inquiry.balance_minor, inquiry.response_code)

    def slip(self, receipt: Receipt) -> str:
        """What the till prints for a payment or a refund."""
        if receipt.request["3"] == REFUND:
            return refund_slip(self.shop, receipt.request, receipt.answer)
        points = receipt.points
        return slip(self.shop, receipt.request, receipt.answer, points.parts, points.reason)

    def claim(self, receipt: Receipt, amount_minor: int, *, refund: bool = False) -> None:
        """Put a sale, or money that went back for one, into the day's batch."""
        (self.batch.refunds if refund else self.batch.sales).append((receipt, amount_minor))

    async def upload(self) -> list[Receipt]:
        """Send everything in the batch (0320), one after the other. Sending it again changes nothing."""
        entries = [(*sale, False) for sale in self.batch.sales] + [
            (*sale, True) for sale in self.batch.refunds
        ]
        return [
            await self._ask(
                upload(
                    self.shop, receipt.request, receipt.approval_code or "", amount_minor, self.batch.text,
                    self._clock.now(), self._next_stan(), refund=refund,
                )
            )
            for receipt, amount_minor, refund in entries
        ]  # fmt: skip

    async def reconcile(self) -> Receipt:
        """Send the batch's totals (0500): 00 where the far end has the same, 95 where it has not.

        Raises `ValueError` for an empty batch, which has no card to tell whom the totals are for.
        """
        entries = self.batch.sales + self.batch.refunds
        if not entries:
            raise ValueError("There is nothing in this batch.")
        message = totals(
            self.shop, [amount for _, amount in self.batch.sales],
            [amount for _, amount in self.batch.refunds], self.batch.text, entries[0][0].request["2"][:6],
            self._clock.now(), self._next_stan(),
        )  # fmt: skip
        return await self._ask(message)

    async def close_day(self) -> Receipt:
        """Reconcile; where totals differ upload everything and reconcile again. 00 begins a new batch."""
        answer = await self.reconcile()
        if answer.response_code == OUT_OF_BALANCE:
            await self.upload()
            answer = await self.reconcile()
        if answer.approved:
            self.batch = Batch(self.batch.number + 1)
        return answer

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

    def _request(
        self, card: CardEntry, amount_minor: int, entry: str, *, capture: bool = False, code: str = PURCHASE
    ) -> Message:
        moment, stan = self._clock.now(), self._next_stan()
        message = purchase(self.shop, amount_minor, entry, moment, stan, capture=capture, code=code)
        return message | card.fields(self._pad)

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
        if self._loses_line:
            self._loses_line = False
            await self._link.ask_and_hang_up(message)
        answer = await self._link.ask(message, self._timeout_s)
        if self._trace is not None:
            self._trace.iso8583(self._far_end, self.shop.name, answer)
        return Receipt(
            answer.get("39", ""), answer.get("38"), message.get("37", ""), request=message, answer=answer
        )
