"""Sending letters, and what keys that turn over need of them.

A letter is sent at least once: a courier that dies between sending and noting it leaves a letter that another
one takes over, under the same id. So whoever gets it twice gets it with one Message-ID. Source: P13.
"""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import structlog

from obverse.kit import events
from obverse.kit.clock import Clock
from obverse.kit.database import Database
from obverse.kit.errors import Unavailable
from obverse.kit.events import Event
from obverse.kit.ids import EventId, LetterId, NewId, to_text
from obverse.kit.resealing import Resealing
from obverse.kit.telemetry import LETTER_ATTEMPTS
from obverse.letters import repository, rules
from obverse.letters.model import Attempt, Channel, Due, LetterState, Problem, Progress, Written
from obverse.letters.ports import Carrier, Sealer
from obverse.letters.rendering import Renderer
from obverse.letters.service import letter_context, read_contents

AT_ONCE: Final = 8
"""Letters of one channel under way in one process."""
BATCH: Final = 500
"""Letters taken in hand by one commit; one more notes what came of them."""
LEASE: Final = timedelta(minutes=5)
"""How long a courier has for what it took in hand before another may take it over."""
_BATCH_S_MAX: Final = 120.0
"""After this it begins no more of them, and puts the rest back: a slow mail server is not a lost courier."""
_POLL_S: Final = 0.5
_PAUSE_S: Final = 2.0
"""After trouble that is not a letter's own."""
_STOP_S_MAX: Final = 10.0

_log = structlog.get_logger(__name__)


class Courier:
    """Sends what is due of one channel, in one process, until it is stopped. Several may do so at once."""

    def __init__(
        self,
        channel: Channel,
        carrier: Carrier,
        renderer: Renderer,
        database: Database,
        sealer: Sealer,
        *,
        clock: Clock,
        new_id: NewId,
    ) -> None:
        self._channel = channel
        self._carrier = carrier
        self._renderer = renderer
        self._database = database
        self._sealer = sealer
        self._clock = clock
        self._new_id = new_id
        self._batch = BATCH
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin in the background; needs no database yet."""
        self._task = asyncio.create_task(self._work(), name=f"{self._channel} courier")

    async def stop(self) -> None:
        """Begin no more letters, wait some seconds for those under way, and note what came of them."""
        self._stopping.set()
        if self._task is not None:
            _, late = await asyncio.wait([self._task], timeout=_STOP_S_MAX)
            for task in late:
                task.cancel()
            await asyncio.wait([self._task])

    async def _work(self) -> None:
        while not self._stopping.is_set():
            rest_s = _PAUSE_S
            try:
                if await self.go_round():
                    continue
                rest_s = _POLL_S if self._batch == BATCH else _PAUSE_S
            except Unavailable:
                _log.warning("letters_postponed", channel=self._channel, reason="database unavailable")
            except Exception:  # noqa: BLE001 - a defect must not end it: others wait for their letters as well
                _log.exception("letters_postponed", channel=self._channel)
            await self._rest(rest_s)

    async def _rest(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except TimeoutError:
            return

    async def go_round(self) -> bool:
        """Send one batch of what is due; whether to look for more at once."""
        until = self._clock.now() + LEASE
        async with self._database.transaction() as conn:
            due = await repository.claim(conn, self._channel, self._clock.now(), until, self._batch)
        if not due:
            return False
        round_ = _Round(deque(due))
        ends_at = asyncio.get_running_loop().time() + _BATCH_S_MAX
        async with asyncio.TaskGroup() as group:
            for _ in range(min(AT_ONCE, len(due))):
                group.create_task(self._send_some(round_, ends_at))
        await self._note(round_, until)
        self._batch = 1 if round_.is_cut_off else BATCH
        return not round_.is_cut_off

    async def _send_some(self, round_: "_Round", ends_at: float) -> None:
        loop = asyncio.get_running_loop()
        while round_.waiting and not round_.is_cut_off and not self._stopping.is_set():
            if loop.time() >= ends_at:
                return
            due = round_.waiting.popleft()
            attempt = await self._send(due)
            LETTER_ATTEMPTS.labels(self._channel, attempt.problem or "sent").inc()
            round_.tried.append((due, attempt))
            if attempt.problem is Problem.UNREACHABLE:
                round_.is_cut_off = True

    async def _send(self, due: Due) -> Attempt:
        if due.attempts > rules.ATTEMPTS_MAX:
            # Taken in hand that often and never noted: whatever is wrong, its reader has copies enough.
            return Attempt(Problem.POSTPONED)
        try:
            letter = self._written(due)
        except Exception as error:  # noqa: BLE001 - one that cannot be written must not hold up the others
            self._report("letter_not_written", due, error)
            return Attempt(Problem.NOT_WRITTEN)
        try:
            return await self._carrier.carry(letter)
        except Exception as error:  # noqa: BLE001 - a defect on the way is no reason to give letters up
            self._report("letter_not_carried", due, error)
            return Attempt(Problem.UNREACHABLE)

    def _report(self, what: str, due: Due, error: Exception) -> None:
        """What the error says is not told: it may quote the letter."""
        _log.error(what, letter=to_text("let", due.id), template=due.template, error=type(error).__name__)

    def _written(self, due: Due) -> Written:
        contents = read_contents(self._sealer.open(due.sealed, letter_context(due.id)))
        return self._renderer.write(due, contents)

    async def _note(self, round_: "_Round", until: datetime) -> None:
        """Through an outage too: what is not noted is sent once more."""
        while True:
            try:
                return await self._save(round_, until)
            except Unavailable:
                if self._stopping.is_set() or self._clock.now() >= until:
                    raise
                await self._rest(_PAUSE_S)

    async def _save(self, round_: "_Round", until: datetime) -> None:
        now = self._clock.now()
        progress = [rules.after(due, attempt, now) for due, attempt in round_.tried]
        async with self._database.transaction() as conn:
            saved = await repository.save(conn, progress, now, until)
            if round_.waiting:
                await repository.put_back(conn, [due.id for due in round_.waiting], now, until)
            news = [
                self._event(due, each)
                for (due, _), each in zip(round_.tried, progress, strict=True)
                if each.id in saved and each.state in (LetterState.BOUNCED, LetterState.FAILED)
            ]
            await events.append(conn, news)

    def _event(self, due: Due, progress: Progress) -> Event:
        data = {
            "letter": to_text("let", due.id),
            "template": due.template,
            "channel": due.channel,
            "subject": str(due.subject_id),
        }
        return Event(EventId(self._new_id()), f"letter.{progress.state}", due.id, data, self._clock.now())


@dataclass(slots=True)
class _Round:
    """One batch: what is still to be tried, and what came of the rest."""

    waiting: deque[Due]
    tried: list[tuple[Due, Attempt]] = field(default_factory=list)
    is_cut_off: bool = False
    """Nobody could be reached: the others are not tried now."""


def letters_rekey(sealer: Sealer) -> Resealing[LetterId]:
    """Addresses and contents follow when keys change."""
    return Resealing("letters", sealer, repository, letter_context)
