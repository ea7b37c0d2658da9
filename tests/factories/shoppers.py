"""Load with a memory: shoppers pay at both doors, through kills and outages, and note what they are told."""

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from random import Random

from tests.factories.books import nothing_is_held_for_what_was_undone
from tests.factories.callers import AcquirerLine, HungUp, RestLine
from tests.factories.estate import Estate
from tests.factories.platform import PlatformProcess

from obverse.cards import CardFace
from obverse.networks.iso8583.codec import Fields
from obverse.sandbox.faults import Fault, FaultRule, MessageKind

ANSWER_SECONDS_MAX = 10.0
"""Within this a door that is up has answered, whatever is broken behind it."""

FINAL_SECONDS_MAX = 60.0
"""P7: within this after recovery every request has a final answer."""

MALFUNCTION, IN_PROGRESS = "96", "09"
_LINES = 24
_keys = count(1)


@dataclass(frozen=True, slots=True)
class Told:
    """A final answer as a shop got it. `reason` is DE 39 or the code of the decline."""

    approved: bool
    approval_code: str | None
    reason: str | None


@dataclass(slots=True)
class Payment:
    """One payment that a shop wants, under one request key for good, and its history."""

    request_key: str
    fields: Fields | None
    """What goes to the acquirer door, or None for a payment at the REST door."""
    raw: bytes
    """What goes to the REST door."""
    told: list[Told] = field(default_factory=list)
    attempts: int = 0
    was_refused: bool = False
    """The till was told "system malfunction" when it asked for the first time: no money may be held."""

    @property
    def is_open(self) -> bool:
        return not self.told and not self.was_refused


class Shoppers:
    """Pay with one card after the other, on several lines of both doors, until told to stop."""

    def __init__(self, estate: Estate, platform: PlatformProcess, faces: list[CardFace]) -> None:
        self._estate = estate
        self._platform = platform
        self._wanted = self._payments(faces)
        self._stopping = False
        self._tasks: list[asyncio.Task[None]] = []
        self.payments: list[Payment] = []
        self.answered = 0
        """Final answers so far."""
        self.malfunctions = 0
        """Answers with DE 39 = 96."""
        self.unavailable = 0
        """Answers with status 503."""
        self.hung_up = 0

    def start(self, lines: int) -> None:
        self._tasks = [asyncio.create_task(self._shop(self._is_till(name))) for name in range(lines)]

    async def until_answered(self, number: int) -> None:
        """Wait for this many more final answers."""
        await self.until(lambda: self.answered, self.answered + number)

    async def until(self, counter: Callable[[], int], wanted: int) -> None:
        """Wait until a counter of these shoppers has got there; fails as soon as a shopper does."""
        deadline = time.monotonic() + FINAL_SECONDS_MAX
        while counter() < wanted:
            for task in self._tasks:
                if task.done():
                    task.result()
            assert time.monotonic() < deadline, f"{counter()} of {wanted} after {FINAL_SECONDS_MAX} s"
            await asyncio.sleep(0.002)

    async def until_both_doors_refuse(self) -> None:
        """Wait for as many 503 at the one door, and 96 at the other, as there are lines."""
        await self.until(lambda: self.unavailable, self.unavailable + _LINES // 2)
        await self.until(lambda: self.malfunctions, self.malfunctions + _LINES // 2)

    async def stop(self) -> None:
        """No new payments; then ask for every one that got no answer, until each has its final one (P7)."""
        self._stopping = True
        await asyncio.gather(*self._tasks)
        began = time.monotonic()
        await asyncio.gather(*[self._ask_until_final(p, began) for p in self.payments if p.is_open])

    # one shopper -------------------------------------------------------------------------------------------

    def _is_till(self, name: int) -> bool:
        return name % 2 == 0

    async def _shop(self, at_till: bool) -> None:
        line: AcquirerLine | RestLine | None = None
        left_open: Payment | None = None
        while not self._stopping:
            if line is None or not line.is_open:
                line = await self._connect(at_till)
                if line is None:
                    continue
            # Every second one that got no answer is asked for at once, the others when all is over.
            payment, left_open = left_open or self._next(at_till), None
            await self._ask(line, payment)
            if payment.is_open and len(self.payments) % 2:
                left_open = payment
        if line is not None:
            line.close()

    async def _connect(self, at_till: bool) -> AcquirerLine | RestLine | None:
        try:
            if at_till:
                return await AcquirerLine.open(self._platform.acquirer_port)
            return await RestLine.open(self._platform.rest_port)
        except OSError:
            await asyncio.sleep(0.02)
            return None

    async def _ask(self, line: AcquirerLine | RestLine, payment: Payment) -> None:
        """Send it once; a line that breaks leaves it open."""
        payment.attempts += 1
        try:
            async with asyncio.timeout(ANSWER_SECONDS_MAX):
                if isinstance(line, AcquirerLine):
                    await self._ask_at_till(line, payment)
                else:
                    await self._ask_online(line, payment)
        except HungUp:
            self.hung_up += 1

    async def _ask_at_till(self, line: AcquirerLine, payment: Payment) -> None:
        assert payment.fields is not None
        repeated = payment.attempts > 1
        again = {"t": payment.fields["t"][:3] + "1"} if repeated else {}
        answer = await line.ask(payment.fields | again)
        code = answer["39"]
        if code == MALFUNCTION:
            self.malfunctions += 1
            payment.was_refused = not repeated
        elif code != IN_PROGRESS:
            self._note(payment, Told(code == "00", answer.get("38"), code))

    async def _ask_online(self, line: RestLine, payment: Payment) -> None:
        answer = await line.ask_raw(payment.raw)
        if answer.status == 503:
            self.unavailable += 1
        elif answer.status != 409:
            assert answer.status == 201, answer.raw
            decline = answer.body["decline"]
            if answer.body["status"] != "processing":
                approved = answer.body["status"] == "approved"
                reason = None if decline is None else decline["code"]
                self._note(payment, Told(approved, answer.body["approval_code"], reason))

    def _note(self, payment: Payment, told: Told) -> None:
        payment.told.append(told)
        self.answered += 1

    async def _ask_until_final(self, payment: Payment, began: float) -> None:
        while payment.is_open:
            assert time.monotonic() - began < FINAL_SECONDS_MAX, f"{payment.request_key} has no final answer"
            line = await self._connect(payment.fields is not None)
            if line is not None:
                await self._ask(line, payment)
                line.close()
            await asyncio.sleep(0.02)

    # what they want ----------------------------------------------------------------------------------------

    def _next(self, at_till: bool) -> Payment:
        self._at_till = at_till
        payment = next(self._wanted)
        self.payments.append(payment)
        return payment

    def _payments(self, faces: list[CardFace]) -> Iterator[Payment]:
        """Every fifth number is tried twice, by two shops that know nothing of one another."""
        for index, face in enumerate(faces):
            for _ in range(2 if index % 5 == 0 else 1):
                yield self._at_till_payment(face) if self._at_till else self._online_payment(face)
        raise AssertionError("the shoppers ran out of cards")

    def _at_till_payment(self, face: CardFace) -> Payment:
        return till_payment(self._estate.purchase(face))

    def _online_payment(self, face: CardFace) -> Payment:
        name = f"order {next(_keys)}"
        return Payment(f"rest:{self._estate.key.id.hex}:{name}", None, self._estate.rest_payment(face, name))


class Tills(Shoppers):
    """The same at tills only, whatever requests they are given to send."""

    def __init__(self, estate: Estate, platform: PlatformProcess, requests: Iterator[Fields]) -> None:
        super().__init__(estate, platform, [])
        self._requests = requests

    def _is_till(self, name: int) -> bool:
        return True

    def _next(self, at_till: bool) -> Payment:
        payment = till_payment(next(self._requests))
        self.payments.append(payment)
        return payment


def till_payment(fields: Fields) -> Payment:
    """A payment at a till, under the request key that the door makes of it."""
    year = datetime.now(UTC).year
    key = f"iso:{year}{fields['7']}:{fields['11']}:{fields['32']}:{fields['41'].rstrip()}:{fields['37']}"
    return Payment(key, fields, b"")


async def shoppers_at(estate: Estate, platform: PlatformProcess) -> Shoppers:
    """Two of three pay on credit, one of three with a real card whose company sometimes says nothing."""
    on_us = await estate.on_us_cards(4_000)
    off_us, _ = await estate.off_us_cards(2_000)
    faces = on_us + off_us
    Random(4).shuffle(faces)
    await estate.card_company.set_fault(MessageKind.AUTHORIZATION, FaultRule(Fault.SILENT, chance=0.01))
    shoppers = Shoppers(estate, platform, faces)
    shoppers.start(_LINES)
    return shoppers


async def all_is_well_after(estate: Estate, shoppers: Shoppers) -> None:
    """Everybody has a final answer, and everything that was ever answered is still so, to the won."""
    await shoppers.stop()
    await drained(estate)
    await history_is_kept(estate, shoppers.payments)
    await card_company_agrees(estate)
    assert {told.approved for p in shoppers.payments for told in p.told} == {True, False}


# afterwards ----------------------------------------------------------------------------------------------


async def drained(estate: Estate) -> None:
    """Wait until recovery and the reversal queue have nothing left to do; at most a minute (P7)."""
    deadline = time.monotonic() + FINAL_SECONDS_MAX
    unsettled = """
        select (select count(*) from authorizations where status = 'processing')
            + (select count(*) from legs where status in ('sent', 'unknown', 'reversing')) as waiting
    """
    while (left := (await estate.fetch(unsettled))[0]["waiting"]) > 0:
        assert time.monotonic() < deadline, f"{left} payments and legs are not settled"
        await asyncio.sleep(0.1)


async def history_is_kept(estate: Estate, payments: list[Payment]) -> None:
    """What shops were told is so, and no number has paid twice."""
    await all_told_is_so(estate, payments)
    approved = await estate.fetch("select card_id from authorizations where status = 'approved'")
    assert len(approved) == len({row["card_id"] for row in approved}), "a number was approved twice"


async def all_told_is_so(estate: Estate, payments: list[Payment]) -> None:
    """Compare what shops were told with what the database says, to the letter."""
    query = "select request_key, status, decline, approval_code from authorizations"
    rows = {row["request_key"]: row for row in await estate.fetch(query)}
    wrong = []
    for payment in payments:
        row = rows.get(payment.request_key)
        for told in payment.told:
            kept = row is not None and (row["status"] == "approved") == told.approved
            if not kept or (told.approved and row["approval_code"] != told.approval_code):
                wrong.append((payment, row))
        if payment.was_refused and row is not None and row["status"] not in ("declined", "reversed"):
            wrong.append((payment, row))
    assert wrong == []
    assert [p for p in payments if p.is_open] == []
    await nothing_is_held_for_what_was_undone(estate.house.database)
    await estate.books_are_right()


async def card_company_agrees(estate: Estate) -> None:
    """The card company holds what our approved off-us legs say, to the won, card by card."""
    ours = await estate.fetch(
        "select v.last_four, sum(l.amount_minor) as held from legs l"
        " join funding_sources s on s.id = l.source_id join vault_cards v on v.id = s.vault_card_id"
        " where l.status = 'approved' group by 1"
    )
    held = {row["last_four"]: int(row["held"]) for row in ours}
    book = estate.card_company.book
    theirs = {}
    for card in book.cards:
        number = card.number.reveal()
        if (minor := book.statement(number).held_minor) > 0:
            theirs[number[-4:]] = minor
    assert theirs == held
