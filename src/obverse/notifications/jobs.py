"""Handing on events and sending them: what makes P13 true.

A commit leaves an event in the outbox. `FanOut` turns events into deliveries, one per endpoint that wants to
hear; `Courier` sends what is due. Each step is a commit of its own and can be repeated: a process that dies
between sending and noting it leaves a delivery that another one takes on, under the same id.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Final

import msgspec
import structlog

from obverse.kit import events, outbox
from obverse.kit.clock import Clock
from obverse.kit.database import Connection, Database
from obverse.kit.errors import NotFound, Unavailable
from obverse.kit.events import Event
from obverse.kit.ids import (
    IDS_STRAY,
    DeliveryId,
    EndpointId,
    EventId,
    MerchantId,
    NewId,
    first_id_of,
    from_text,
)
from obverse.kit.outbox import Position, Reader
from obverse.kit.telemetry import WEBHOOK_ATTEMPTS, WEBHOOK_ENDPOINTS_DISABLED, WEBHOOK_SECONDS
from obverse.notifications import rules
from obverse.notifications.model import Due, Message, News, Progress, ReplayState, SealedSecret
from obverse.notifications.ports import SecretVault, Sender
from obverse.notifications.repository import deliveries, endpoints, fan_out
from obverse.notifications.service import endpoint_data

BATCH: Final = 1_000
"""Events handed on in one commit."""
SENDING_MAX: Final = 256
"""Messages under way in one process."""
SENDING_EACH_MAX: Final = 8
"""Of these, to one endpoint; one at a time while it fails. So a slow one leaves room for the others."""
LEASE: Final = timedelta(seconds=60)
"""How long a process has for an attempt it took on before another may; a sender gives up much sooner."""
_POLL_S: Final = 0.25
_PAUSE_S: Final = 1.0
_STOP_S_MAX: Final = 5
_SWEEP_BATCH: Final = 5_000

_log = structlog.get_logger(__name__)


class FanOut:
    """Makes deliveries of events, for the endpoints that want them."""

    def __init__(self, database: Database, clock: Clock, new_id: NewId, on_news: Callable[[], None]) -> None:
        """`on_news` is called after every commit that made something due."""
        self._database = database
        self._clock = clock
        self._new_id = new_id
        self._on_news = on_news

    async def run(self) -> None:
        """Hand on everything that is settled, and go on with replays in between: news goes first.

        Processes take turns.
        """
        replaying = True
        while replaying:
            while await self._hand_on():
                continue
            replaying = await self._replay()

    async def _hand_on(self) -> bool:
        """One batch, in one commit with the note of how far it got; whether there may be more."""
        async with self._database.transaction() as conn:
            if not await outbox.take_turn(conn, Reader.WEBHOOKS):
                return False
            outstanding = await fan_out.outstanding(conn)
            if outstanding is None:
                return False
            news = await fan_out.read(conn, outstanding, BATCH)
            if not news:
                return False
            owed = rules.wanted(news, await fan_out.listeners(conn, _merchants(news)))
            await self._make_due(conn, owed)
            await outbox.advance(conn, Reader.WEBHOOKS, Position(news[-1].txid, news[-1].event_id))
        self._on_news()
        return len(news) == BATCH

    async def _replay(self) -> bool:
        """One batch of a replay; whether there may be more."""
        async with self._database.transaction() as conn:
            found = await fan_out.next_replay(conn)
            if found is None:
                return False
            replay, listener = found
            last_id = EventId(first_id_of(replay.until + IDS_STRAY))
            read = await fan_out.read_between(conn, replay, last_id, BATCH)
            everything = msgspec.structs.replace(listener, listens_from=0)
            owed = rules.wanted([news for news, within in read if within], [everything])
            await self._make_due(conn, owed, again=True)
            done = len(read) < BATCH
            await fan_out.save_replay(
                conn,
                msgspec.structs.replace(
                    replay,
                    state=ReplayState.DONE if done else ReplayState.RUNNING,
                    reached=read[-1][0].event_id if read else replay.reached,
                    deliveries=replay.deliveries + len(owed),
                ),
            )
        self._on_news()
        return True

    async def _make_due(
        self, conn: Connection, owed: list[tuple[EventId, EndpointId]], *, again: bool = False
    ) -> None:
        if owed:
            due = {pair: DeliveryId(self._new_id()) for pair in owed}
            await deliveries.insert(conn, due, self._clock.now(), again=again)


class Courier:
    """Sends what is due, in one process, until it is stopped.

    It goes round: note what came of the last attempts, take on what is due, in one commit; send. While that
    commit is made more answers come in, so the more there is to do, the more is done at once.
    """

    def __init__(
        self,
        database: Database,
        vault: SecretVault,
        sender: Sender,
        clock: Clock,
        new_id: NewId,
        decline_codes: Mapping[str, str],
    ) -> None:
        """`decline_codes` has what a merchant is told for every exact reason (PF-11)."""
        self._database = database
        self._vault = vault
        self._sender = sender
        self._clock = clock
        self._new_id = new_id
        self._decline_codes = decline_codes
        self._sending: dict[asyncio.Task[None], EndpointId] = {}
        self._came_of_it: list[Progress] = []
        self._news = asyncio.Event()
        self._stopping = False
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin in the background; needs no database yet."""
        self._task = asyncio.create_task(self._work(), name="webhook courier")

    async def stop(self) -> None:
        """Take on no more, wait some seconds for answers, and note them; others send the rest."""
        if self._task is None:
            return
        self._stopping = True
        self.wake()
        await asyncio.wait([self._task])
        if self._sending:
            _, late = await asyncio.wait(self._sending, timeout=_STOP_S_MAX)
            for task in late:
                task.cancel()
        try:
            await self._go_round()
        except Unavailable:
            _log.warning("webhooks_postponed", reason="database unavailable")

    def wake(self) -> None:
        """Look for what is due now rather than in a moment."""
        self._news.set()

    async def _work(self) -> None:
        while not self._stopping:
            self._news.clear()
            try:
                taken = await self._go_round()
            except Unavailable:
                _log.warning("webhooks_postponed", reason="database unavailable")
                await asyncio.sleep(_PAUSE_S)
            except Exception:  # noqa: BLE001 - a defect must not end it: events are owed to others as well
                _log.exception("webhooks_postponed")
                await asyncio.sleep(_PAUSE_S)
            else:
                if not taken:
                    await self._until_news()

    async def _until_news(self) -> None:
        try:
            await asyncio.wait_for(self._news.wait(), _POLL_S)
        except TimeoutError:
            return  # time for the poll: something may have become due by itself

    async def _go_round(self) -> int:
        """Returns how many deliveries were taken on."""
        came_of_it, self._came_of_it = self._came_of_it, []
        free = 0 if self._stopping else SENDING_MAX - len(self._sending)
        try:
            async with self._database.transaction() as conn:
                if came_of_it:
                    await self._save(conn, came_of_it)
                due = await self._claim(conn, free) if free else []
                secrets = await self._secrets(conn, due)
        except BaseException:
            self._came_of_it = came_of_it + self._came_of_it
            raise
        for delivery in due:
            if delivery.endpoint_id not in secrets:
                continue  # deleted this very moment
            task = asyncio.create_task(self._deliver(delivery, secrets[delivery.endpoint_id]))
            self._sending[task] = delivery.endpoint_id
            task.add_done_callback(self._sending.pop)
        return len(due)

    async def _claim(self, conn: Connection, free: int) -> list[Due]:
        now = self._clock.now()
        busy = Counter(self._sending.values())
        return await deliveries.claim(conn, busy, now, now + LEASE, each_max=SENDING_EACH_MAX, limit=free)

    async def _secrets(self, conn: Connection, due: list[Due]) -> Mapping[EndpointId, Sequence[SealedSecret]]:
        ids = {delivery.endpoint_id for delivery in due}
        return await endpoints.load_secrets(conn, sorted(ids), self._clock.now()) if ids else {}

    async def _deliver(self, due: Due, secrets: Sequence[SealedSecret]) -> None:
        try:
            attempt = await self._sender.send(self._message(due, secrets))
        except Exception:  # noqa: BLE001 - it stays due, and is taken on again when its lease is over
            _log.exception("webhook_not_sent", endpoint=str(due.endpoint_id), event=str(due.event.id))
            return
        WEBHOOK_ATTEMPTS.labels(attempt.problem or "delivered").inc()
        WEBHOOK_SECONDS.observe(attempt.duration_ms / 1000)
        self._came_of_it.append(rules.after(due, attempt, self._clock.now()))
        self.wake()

    def _message(self, due: Due, secrets: Sequence[SealedSecret]) -> Message:
        return Message(
            id=rules.message_id(due),
            url=due.url,
            body=rules.body(due, self._decline_codes),
            secrets=[self._vault.open(each.sealed, rules.secret_context(each.id)) for each in secrets],
        )

    async def _save(self, conn: Connection, progress: list[Progress]) -> None:
        now = self._clock.now()
        await deliveries.save(conn, progress, now)
        await endpoints.set_health(conn, rules.reached(progress), now)
        gone, failed = rules.given_up(progress)
        disabled = dict(await endpoints.disable_failing(conn, gone, None)) if gone else {}
        if failed:
            disabled |= await endpoints.disable_failing(conn, failed, now - rules.DISABLED_AFTER)
        if disabled:
            await self._tell_of(conn, disabled)

    async def _tell_of(self, conn: Connection, disabled: Mapping[EndpointId, MerchantId | None]) -> None:
        now = self._clock.now()
        await events.append(
            conn,
            [
                Event(EventId(self._new_id()), rules.DISABLED_TYPE, id_, endpoint_data(id_, merchant_id), now)
                for id_, merchant_id in disabled.items()
            ],
        )
        WEBHOOK_ENDPOINTS_DISABLED.inc(len(disabled))
        _log.warning("webhook_endpoints_disabled", endpoints=[str(id_) for id_ in disabled])


class WebhookSecretsRekey:
    """Signing secrets: seal anew under the active key. A `Rekey` of the vault's rotation."""

    name = "webhook secrets"

    def __init__(self, vault: SecretVault) -> None:
        self._vault = vault

    async def count(self, conn: Connection) -> int:
        """How many secrets are sealed under an older key."""
        return await endpoints.count_stale_secrets(conn, self._vault.active_encryption)

    async def step(self, conn: Connection, limit: int) -> int:
        """Seal up to `limit` secrets anew in the caller's transaction; returns how many."""
        await self._vault.pin_keys(conn)
        stale = await endpoints.lock_stale_secrets(conn, self._vault.active_encryption, limit)
        fresh = []
        for secret in stale:
            context = rules.secret_context(secret.id)
            opened = self._vault.open(secret.sealed, context)
            fresh.append(SealedSecret(secret.id, secret.endpoint_id, self._vault.seal(opened, context)))
        await endpoints.reseal(conn, fresh)
        return len(fresh)


async def sweep(database: Database, clock: Clock) -> None:
    """Delete what the delivery log keeps no longer, secrets that sign no more, and endpoints long deleted."""
    now = clock.now()
    kept_since = now - rules.KEPT_FOR
    swept = 1
    while swept:
        async with database.transaction() as conn:
            swept = await deliveries.sweep(conn, DeliveryId(first_id_of(kept_since)), _SWEEP_BATCH)
    async with database.transaction() as conn:
        await endpoints.sweep_secrets(conn, now)
        await fan_out.sweep_replays(conn, kept_since)
        await endpoints.sweep_deleted(conn, kept_since)


def _merchants(news: list[News]) -> list[MerchantId]:
    return sorted(set(_merchant_ids(news)))


def _merchant_ids(news: list[News]) -> Iterator[MerchantId]:
    for text in {each.merchant for each in news if each.merchant is not None}:
        try:
            yield MerchantId(from_text("mer", text))
        except NotFound:
            _log.error("event_names_no_merchant", merchant=text)  # and must not hold up the others
