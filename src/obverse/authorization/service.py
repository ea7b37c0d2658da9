"""The engine: one decision for every door."""

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import Final

import structlog
from msgspec.structs import replace

from obverse.authorization import repository
from obverse.authorization.batch import Batch
from obverse.authorization.commands import (
    AnswerAgain,
    Authorize,
    Conclude,
    LegReversed,
    ReverseByKey,
)
from obverse.authorization.core import EngineSettings
from obverse.authorization.errors import LoadSpent
from obverse.authorization.inputs import Makers
from obverse.authorization.loading import load_for_dry_run, missed
from obverse.authorization.model import (
    Authorization,
    AuthorizationRequest,
    Decision,
    Leg,
    LegStatus,
    Purpose,
    Status,
)
from obverse.authorization.ports import CardCompany, LegAnswer
from obverse.authorization.steps import Steps
from obverse.kit.clock import Clock
from obverse.kit.database import Database
from obverse.kit.errors import NotFound, Unavailable
from obverse.kit.ids import AuthorizationId, MerchantId
from obverse.kit.money import Money
from obverse.kit.secret import Secret
from obverse.vault import Vault

_POLL_S: Final = 0.1
_TROUBLE_PAUSE_S: Final = 1.0

_log = structlog.get_logger(__name__)


class Engine(Steps):
    """Decides every payment, whatever the door, in batches: load, decide, save, one commit.

    Answers are given only after the commit. Every command may be repeated: the same request key finds the
    first answer. Methods raise `Unavailable` when the database is gone for longer than the patience; the
    outcome is unknown then, and repeating the command tells it.
    """

    def __init__(
        self,
        database: Database,
        vault: Vault,
        card_company: CardCompany,
        clock: Clock,
        makers: Makers,
        settings: EngineSettings,
        observe_batch: Callable[[int], None] = lambda _: None,
    ) -> None:
        super().__init__(database, vault, clock, makers, settings, observe_batch)
        self._card_company = card_company
        self._in_flight: dict[AuthorizationId, asyncio.Task[Authorization]] = {}
        self._later: set[asyncio.Task[None]] = set()
        self._in_doubt: Counter[str] = Counter()
        """Request keys by how many tasks of `_later` are at them."""

    async def stop(self) -> None:
        """Finish what was begun, then stop: nobody who was promised an answer is left without one."""
        if begun := [*self._in_flight.values(), *self._later]:
            await asyncio.wait(begun, timeout=self._settings.patience_s)
        for task in self._later:
            task.cancel()
        await super().stop()

    # what doors ask ------------------------------------------------------------------------------------

    async def authorize(self, request: AuthorizationRequest) -> Authorization:
        """Decide a payment and hold the money, or take it at once where the request says so.

        A repeat gets the first answer; if that is still `processing` when the network's time is over, so is
        the answer. Raises `Unavailable`.
        """
        command = self._authorize_command(request)
        authorization = await self._batchers[self._partition_of(request.number)].submit(command)
        # The first to get through may be a repeat too, of one that was refused and is about to be undone.
        repeats_doubt = request.request_key in self._in_doubt
        if authorization.id != command.id:
            return replace(await self._answer_again(authorization), repeated=True)
        if authorization.status is Status.PROCESSING:
            authorization = await asyncio.shield(self._complete(authorization))
        return await self._answer_again(authorization) if repeats_doubt else authorization

    async def dry_run(self, request: AuthorizationRequest) -> Decision:
        """Say what would be decided now, every rule and the exact split, with nothing moved (PF-9)."""
        command = self._authorize_command(request)
        partition_id = self._partition_of(request.number)
        now = self._clock.now()
        async with self._database.connection() as conn:
            loaded = await load_for_dry_run(conn, partition_id, command, now)
            if missed(loaded, [command]) and self._vault.reload_if_changed():
                command = self._rehashed(command)
                loaded = await load_for_dry_run(conn, partition_id, command, now)
        return Batch(partition_id, loaded, now=now, makers=self._makers).preview(command)

    async def reverse(
        self,
        request_key: str,
        number: Secret,
        amount: Money,
        merchant_id: MerchantId | None = None,
        terminal: str | None = None,
    ) -> Authorization:
        """Undo the payment with this request key; one that has not come yet will be declined (P8).

        Repeating it changes nothing. Raises `NotFound` where that payment was made with another number,
        `Unavailable`.
        """
        mark = AuthorizationId(self._makers.new_id())
        serial = self._serial_of(number)
        command = ReverseByKey(mark, request_key, serial, amount, merchant_id, terminal)
        return await self._batchers[self._partition_of(number)].submit(command)

    def reverse_later(
        self,
        request_key: str,
        number: Secret,
        amount: Money,
        merchant_id: MerchantId | None = None,
        terminal: str | None = None,
        *,
        in_doubt_since: datetime,
    ) -> None:
        """Undo a payment whose terminal had to be told no while its outcome was unknown; tries until done.

        `in_doubt_since` is when that request arrived. An older payment behind the same key, or one whose
        approval a repeat has been told of since, has an answer already and stays as it is.
        """
        mark = AuthorizationId(self._makers.new_id())
        serial = self._serial_of(number)
        command = ReverseByKey(mark, request_key, serial, amount, merchant_id, terminal, in_doubt_since)

        async def until_done() -> None:
            while True:
                try:
                    await self._batchers[self._partition_of(number)].submit(command)
                except Unavailable:
                    await asyncio.sleep(_POLL_S)
                except NotFound:
                    return  # the key is another payment's, and this one was refused for it
                except LoadSpent:
                    _log.error("load_is_spent_and_stays", partition=self._partition_of(number))
                    return  # the agent was told no and has the cash: people have to settle it
                except Exception:  # noqa: BLE001 - money is held until this is done, whatever is wrong
                    _log.exception("payment_not_undone_yet")
                    await asyncio.sleep(_TROUBLE_PAUSE_S)
                else:
                    return

        def done(task: asyncio.Task[None]) -> None:
            self._later.discard(task)
            self._in_doubt[request_key] -= 1
            if not self._in_doubt[request_key]:
                del self._in_doubt[request_key]

        task = asyncio.create_task(until_done())
        self._later.add(task)
        self._in_doubt[request_key] += 1
        task.add_done_callback(done)

    # what the jobs ask ---------------------------------------------------------------------------------

    async def recover(self, limit: int = 500) -> int:
        """Close payments whose card companies should have answered long ago: their process has died.

        Whatever may have happened at a card company is then reversed. Returns how many were closed.
        """
        closed = 0
        for partition_id in self._partitions:
            async with self._database.connection() as conn:
                overdue = await repository.find_overdue(conn, partition_id, self._clock.now(), limit)
            forgotten = [id_ for id_ in overdue if id_ not in self._in_flight]
            for id_ in forgotten:  # whoever wanted these had gone before its commit, and asked nobody
                self._asks.pop(id_, None)
            batcher = self._batchers[partition_id]
            await asyncio.gather(*[batcher.submit(Conclude(id_, {})) for id_ in forgotten])
            closed += len(forgotten)
        return closed

    async def leg_reversed(self, authorization: Authorization, leg: Leg) -> bool:
        """Note that a card company has acknowledged the reversal of this leg, as it was read before.

        False where the leg has changed meanwhile, so that it has to be reversed once more.
        """
        command = LegReversed(authorization.id, leg.position, leg.status)
        now = await self._batchers[authorization.partition_id].submit(command)
        return now.legs[leg.position].status is LegStatus.REVERSED

    # how it is done ------------------------------------------------------------------------------------

    async def _complete(self, opened: Authorization) -> Authorization:
        """Ask the card companies and close the payment in a task of its own: no hanging up stops it."""
        task = asyncio.create_task(self._ask_and_conclude(opened))
        self._in_flight[opened.id] = task
        task.add_done_callback(lambda _: self._in_flight.pop(opened.id, None))
        return await task

    async def _ask_and_conclude(self, opened: Authorization) -> Authorization:
        asks = self._asks.pop(opened.id, ())  # none where it was reversed in the batch that opened it
        answers: list[LegAnswer] = await asyncio.gather(
            *[self._card_company.authorize(request) for _, request in asks]
        )
        by_position = {position: answer for (position, _), answer in zip(asks, answers, strict=True)}
        return await self._batchers[opened.partition_id].submit(Conclude(opened.id, by_position))

    async def _answer_again(self, first: Authorization) -> Authorization:
        """The answer to a repeat; an approval is noted as told before it is told, see `reverse_later`."""
        if first.status is Status.PROCESSING:
            first = await self._await_outcome(first)
        if first.status is not Status.APPROVED or first.answered_again:
            return first
        return await self._batchers[first.partition_id].submit(AnswerAgain(first.id))

    async def _await_outcome(self, authorization: Authorization) -> Authorization:
        """A repeat came while its first is still asking: wait with it, wherever it runs."""
        task = self._in_flight.get(authorization.id)
        if task is not None:
            return await asyncio.shield(task)
        while authorization.deadline_at is not None and self._clock.now() < authorization.deadline_at:
            await asyncio.sleep(_POLL_S)
            authorization = await self.get(authorization.id)
        return authorization

    def _authorize_command(self, request: AuthorizationRequest) -> Authorize:
        number = request.number
        cvv_ok = None
        if request.cvv is not None:
            cvv_ok = request.expiry is not None and self._vault.cvv_matches(
                number, request.expiry, request.cvv
            )
        return Authorize(
            id=AuthorizationId(self._makers.new_id()),
            request=request,
            number_hashes=self._number_hashes(number),
            cvv_ok=cvv_ok,
            fingerprint=self._fingerprint(request),
            pin_hash=self._vault.pin_hash(number, request.pin) if request.pin is not None else None,
        )

    def _fingerprint(self, request: AuthorizationRequest) -> bytes:
        """A keyed hash of what a repeat must have in common with the first request (P6)."""
        merchant = request.merchant.id.hex if request.merchant is not None else ""
        facts = (
            request.number.reveal(),
            request.expiry or "",
            request.cvv.reveal() if request.cvv is not None else "",
            str(request.amount.amount_minor),
            request.amount.currency,
            merchant,
            request.terminal or "",
            request.entry,
            "capture" if request.capture else "",
            *_further(request),
        )
        return self._vault.token_hash(Secret("|".join(facts)))[:16]


def _further(request: AuthorizationRequest) -> list[str]:
    """What only some requests carry; the others keep the fingerprint that they always had."""
    given = {
        "pin": request.pin.reveal() if request.pin is not None else "",
        "partial": "yes" if request.partial else "",
        "purpose": request.purpose if request.purpose is not Purpose.PURCHASE else "",
        "holder": "" if request.holder_matches is None else str(request.holder_matches),
        "reported": "yes" if request.reported else "",
        "approval_code": request.approval_code or "",
    }
    return [f"{name}={value}" for name, value in given.items() if value]
