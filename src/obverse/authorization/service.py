"""The engine: one decision for every door."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final, TypeAlias

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
from obverse.authorization.errors import BalancesNeeded, LoadSpent
from obverse.authorization.inputs import Loaded, Makers
from obverse.authorization.loading import load_for_dry_run, missed
from obverse.authorization.model import (
    Authorization,
    AuthorizationRequest,
    Decision,
    Decline,
    Leg,
    LegStatus,
    Purpose,
    Rule,
    Status,
)
from obverse.authorization.networks import Networks, PointsNetwork
from obverse.authorization.ports import CardCompany
from obverse.authorization.steps import Steps
from obverse.kit.clock import Clock
from obverse.kit.database import Database
from obverse.kit.errors import NotFound, Unavailable
from obverse.kit.ids import AuthorizationId, MerchantId, PartitionId
from obverse.kit.money import Money
from obverse.kit.secret import Secret
from obverse.points.model import Holding
from obverse.vault import Vault

_POLL_S: Final = 0.1
_TROUBLE_PAUSE_S: Final = 1.0

LegName: TypeAlias = tuple[AuthorizationId, int]
"""A leg by its payment and its position in it."""

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
        points: PointsNetwork | None = None,
        wake_courier: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(database, vault, clock, makers, settings, observe_batch, wake_courier)
        self._networks = Networks(card_company, points)
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
        authorization = await self._decide(command, await self._home_of(request.number))
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
        if command.code_hash is not None:  # nobody counts guesses in what is only thought through (P10)
            return Decision(Rule.CODE, Decline.UNKNOWN_CODE)
        partition_id = await self._home_of(request.number)
        while True:
            decision, loaded = await self._preview(command, partition_id)
            if not decision.to_ask:
                return decision
            command = await self._with_balances(command, [loaded.holdings[id_] for id_ in decision.to_ask])

    async def _preview(self, command: Authorize, partition_id: PartitionId) -> tuple[Decision, Loaded]:
        now = self._clock.now()
        async with self._database.connection() as conn:
            loaded = await load_for_dry_run(conn, partition_id, command, now)
            if missed(loaded, [command]) and self._vault.reload_if_changed():
                command = self._rehashed(command)
                loaded = await load_for_dry_run(conn, partition_id, command, now)
        return Batch(partition_id, loaded, now=now, makers=self._makers).preview(command), loaded

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
        command = ReverseByKey(mark, request_key, self._shown(number), amount, merchant_id, terminal)
        return await self._batchers[await self._home_of(number)].submit(command)

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
        shown = self._shown(number)
        command = ReverseByKey(mark, request_key, shown, amount, merchant_id, terminal, in_doubt_since)

        async def until_done() -> None:
            while True:
                try:
                    await self._batchers[await self._home_of(number)].submit(command)
                except Unavailable:
                    await asyncio.sleep(_POLL_S)
                except NotFound:
                    return  # the key is another payment's, and this one was refused for it
                except LoadSpent:
                    _log.error("load_is_spent_and_stays", merchant=merchant_id)
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

    async def legs_cancelled(self, partition_id: PartitionId, legs: Sequence[LegName]) -> None:
        """Note that points issuers have acknowledged the cancellation of these legs."""
        batcher = self._batchers[partition_id]
        await asyncio.gather(*[batcher.submit(LegReversed(*leg, seen=None)) for leg in legs])

    # how it is done ------------------------------------------------------------------------------------

    async def _decide(self, command: Authorize, partition_id: PartitionId) -> Authorization:
        """Have a payment decided; again where points issuers have to be asked for balances first, and where
        others have spent meanwhile what made asking more of them needless."""
        batcher = self._batchers[partition_id]
        while True:
            try:
                return await batcher.submit(command)
            except BalancesNeeded as needed:
                command = await self._with_balances(command, needed.holdings)

    async def _with_balances(self, command: Authorize, holdings: Sequence[Holding]) -> Authorize:
        balances = await self._networks.balances(holdings)
        return replace(command, balances={**(command.balances or {}), **balances})

    async def _complete(self, opened: Authorization) -> Authorization:
        """Ask outside and close the payment in a task of its own: no hanging up stops it."""
        task = asyncio.create_task(self._ask_and_conclude(opened))
        self._in_flight[opened.id] = task
        task.add_done_callback(lambda _: self._in_flight.pop(opened.id, None))
        return await task

    async def _ask_and_conclude(self, opened: Authorization) -> Authorization:
        asks = self._asks.pop(opened.id, ())  # none where it was reversed in the batch that opened it
        answers = await self._networks.ask(asks)
        return await self._batchers[opened.partition_id].submit(Conclude(opened.id, answers))

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
        code_hash = self._code_hash(number)
        return Authorize(
            id=AuthorizationId(self._makers.new_id()),
            request=request,
            number_hashes=self._number_hashes(number) if code_hash is None else (),
            cvv_ok=cvv_ok,
            fingerprint=self._fingerprint(request),
            pin_hash=self._vault.pin_hash(number, request.pin) if request.pin is not None else None,
            code_hash=code_hash,
            is_ours=number.reveal().startswith(self._settings.bin),
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
        "tender": ",".join([f"{t.number or t.source_id}:{t.amount_minor}" for t in request.tender]),
        "quote": request.quote or "",
        "proved": "yes" if request.holder_proved else "",
    }
    return [f"{name}={value}" for name, value in given.items() if value]
