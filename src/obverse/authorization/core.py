"""The engine's middle: batches of commands, carried out partition by partition, and looking payments up."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from msgspec.structs import replace

from obverse.authorization import repository
from obverse.authorization.batch import Batch
from obverse.authorization.batcher import Batcher
from obverse.authorization.commands import Authorize, Command, Shown
from obverse.authorization.inputs import Makers
from obverse.authorization.loading import load, missed
from obverse.authorization.model import Action, Authorization, Status
from obverse.authorization.ports import LegRequest, PointsRequest
from obverse.authorization.saving import save
from obverse.cards import repository as cards
from obverse.cards.rules import partition_of
from obverse.codes.rules import partition_of as code_partition_of
from obverse.kit.clock import Clock
from obverse.kit.database import Database
from obverse.kit.errors import NotFound
from obverse.kit.ids import AuthorizationId, CardId, MerchantId, PartitionId
from obverse.kit.paging import Page, PageRequest
from obverse.kit.secret import Secret
from obverse.vault import Vault
from obverse.vault.numbers import is_payment_code


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """How the engine runs; times in seconds."""

    bin: str
    partitions: int = 1
    batch_size_max: int = 400
    patience_s: float = 3.0
    """How long a request may wait for the database before it is refused with `Unavailable`."""
    hold: timedelta = timedelta(days=7)
    """How long an approval waits to be captured before its money is released."""


class Core:
    """Carries out commands: those for one partition are decided together, and answered after the commit."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        clock: Clock,
        makers: Makers,
        settings: EngineSettings,
        observe_batch: Callable[[int], None] = lambda _: None,
        wake_courier: Callable[[], None] = lambda: None,
    ) -> None:
        self._wake_courier = wake_courier
        self._database = database
        self._vault = vault
        self._clock = clock
        self._makers = makers
        self._settings = settings
        self._observe_batch = observe_batch
        self._partitions = [PartitionId(p) for p in range(settings.partitions)]
        self._batchers = {p: self._batcher(p) for p in self._partitions}
        self._asks: dict[AuthorizationId, Sequence[tuple[int, LegRequest | PointsRequest]]] = {}
        """What is to be asked outside about payments that were just opened here."""
        self._workers: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        self._workers = [asyncio.create_task(b.run()) for b in self._batchers.values()]

    async def stop(self) -> None:
        """Finish what was submitted, then stop: nobody who was promised an answer is left without one."""
        for batcher in self._batchers.values():
            batcher.close()
        await asyncio.gather(*self._workers)

    async def get(self, id_: AuthorizationId) -> Authorization:
        """One authorization as it stands. Raises `NotFound`, `Unavailable`."""
        async with self._database.connection() as conn:
            found = await repository.find(conn, self._partitions, id_)
        if found is None:
            raise NotFound("payment")
        return found

    async def actions_of(self, authorization: Authorization) -> Sequence[Action]:
        """Everything that was done to a payment after its approval, oldest first."""
        async with self._database.connection() as conn:
            return await repository.actions_of(conn, authorization.partition_id, authorization.id)

    async def list(
        self,
        page: PageRequest,
        *,
        card_id: CardId | None = None,
        merchant_id: MerchantId | None = None,
        status: Status | None = None,
    ) -> Page[Authorization]:
        """Authorizations, newest first."""
        async with self._database.connection() as conn:
            return await repository.find_page(
                conn,
                self._partitions,
                page,
                card_id=card_id,
                merchant_id=merchant_id,
                status=status,
            )

    async def _submit(
        self, id_: AuthorizationId, command: Command, partition_id: PartitionId | None = None
    ) -> Authorization:
        if partition_id is None:
            only = self._partitions[0] if len(self._partitions) == 1 else None
            partition_id = only if only is not None else (await self.get(id_)).partition_id
        return await self._batchers[partition_id].submit(command)

    def _batcher(self, partition_id: PartitionId) -> Batcher[Command, Authorization]:
        async def carry_out(commands: Sequence[Command]) -> Sequence[Authorization | Exception]:
            return await self._carry_out(partition_id, commands)

        return Batcher(
            carry_out,
            size_max=self._settings.batch_size_max,
            patience_s=self._settings.patience_s,
            observe=self._observe_batch,
        )

    async def _carry_out(
        self, partition_id: PartitionId, commands: Sequence[Command]
    ) -> Sequence[Authorization | Exception]:
        """One batch: load, decide, save, commit."""
        while True:
            async with self._database.transaction() as conn:
                now = self._clock.now()
                loaded = await load(conn, partition_id, commands, now)
                # A card may be missing because its hash has moved to a key this process has not read.
                keys_are_old = missed(loaded, commands) and self._vault.reload_if_changed()
                if not keys_are_old:
                    batch = Batch(partition_id, loaded, now=now, makers=self._makers)
                    results = [batch.decide(command) for command in commands]
                    await save(conn, batch)
            if not keys_are_old:
                self._asks.update(batch.asks)
                if batch.points_messages:
                    self._wake_courier()
                return results
            commands = [self._rehashed(c) if isinstance(c, Authorize) else c for c in commands]

    def _number_hashes(self, number: Secret) -> Sequence[bytes]:
        return [keyed.digest for keyed in self._vault.number_hashes(number)]

    def _rehashed(self, command: Authorize) -> Authorize:
        return replace(command, number_hashes=self._number_hashes(command.request.number))

    def _serial_of(self, number: Secret) -> int | None:
        return self._vault.serial_of(number, self._settings.bin)

    def _code_hash(self, number: Secret) -> bytes | None:
        """The hash of what is a payment code by its form; None for any other number."""
        if not is_payment_code(number, self._settings.bin):
            return None
        return self._vault.token_hash(number)

    def _shown(self, number: Secret) -> Shown:
        """The number as proof that whoever shows it knows a payment that was made with it."""
        if (code_hash := self._code_hash(number)) is not None:
            return Shown(code_hash=code_hash)
        if (serial := self._serial_of(number)) is not None:
            return Shown(serial)
        self._vault.reload_if_changed()  # its hash may have moved to a key that this process has not read
        return Shown(number_hashes=self._number_hashes(number))

    async def _home_of(self, number: Secret) -> PartitionId:
        """The partition that a number's serial or a code carries, or that a registered card is kept in; what
        is no number of ours goes to the first."""
        if len(self._partitions) == 1:
            return self._partitions[0]
        home = self._home_told_by(number)
        if home is None:
            async with self._database.connection() as conn:
                home = await cards.partition_of_number(conn, self._number_hashes(number))
                if home is None and self._vault.reload_if_changed():
                    home = await cards.partition_of_number(conn, self._number_hashes(number))
        return home if home is not None and home in self._batchers else self._partitions[0]

    def _home_told_by(self, number: Secret) -> PartitionId | None:
        """The partition that a number of ours or a code carries; None for any other number."""
        value = self._vault.code_value(number, self._settings.bin)
        if value is not None:
            return code_partition_of(value)
        serial = self._serial_of(number)
        return None if serial is None else partition_of(serial)
