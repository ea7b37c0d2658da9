"""Making cards for agents to sell, and keeping count of them (PP-4).

A batch is worthless until its cards are sold at a till, one by one, which is the engine's. Its PINs stand on
one list that is fetched once, for the maker; after that nobody can tell them.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from hashlib import sha256
from typing import Final

import msgspec
from msgspec.structs import replace

from obverse.cards.model import CardKind, CardState, StoredValueOrder
from obverse.cards.rules import controls_of, end_of_face, face_expiry
from obverse.cards.stored_value import StoredValueCards
from obverse.kit import audit, events
from obverse.kit.audit import AuditEntry
from obverse.kit.clock import Clock
from obverse.kit.database import Connection, Database
from obverse.kit.errors import KeyReused
from obverse.kit.events import Event
from obverse.kit.ids import AuditId, CardBatchId, CardId, EventId, NewId, PartitionId, to_text
from obverse.kit.paging import Page, PageRequest
from obverse.kit.resealing import Resealing
from obverse.kit.secret import Secret
from obverse.merchants.service import Merchants
from obverse.programmes import repository as programmes
from obverse.programmes.model import Programme
from obverse.vault.service import Vault
from obverse.wallet.balances import Balances
from obverse.wallet.batch_model import (
    BatchCount,
    BatchState,
    BatchWish,
    CardBatch,
    MadeCard,
    check_wish,
    pin_of,
)
from obverse.wallet.errors import BatchClosed, BatchExported, BatchNotFound, NoAgent
from obverse.wallet.repository import batches as rows

_SEED_BYTES: Final = 32
_AT_ONCE: Final = 500


class CardBatches:
    """The batches of this platform's agents."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        merchants: Merchants,
        stored_cards: StoredValueCards,
        balances: Balances,
        *,
        clock: Clock,
        new_id: NewId,
        random_bytes: Callable[[int], bytes],
        partitions: Sequence[PartitionId],
    ) -> None:
        self._database = database
        self._vault = vault
        self._merchants = merchants
        self._stored_cards = stored_cards
        self._balances = balances
        self._clock = clock
        self._new_id = new_id
        self._random_bytes = random_bytes
        self._partitions = partitions

    async def make(
        self, wish: BatchWish, *, actor: str, reason: str, request_key: str | None = None
    ) -> tuple[CardBatch, bool]:
        """Make a batch of cards that an agent is to sell; returns it, and whether it was made before.

        Safe to repeat with the same `request_key`. Raises `InvalidRequest`, `ProgrammeNotFound`,
        `ProgrammeClosed`, `MerchantNotFound`, `NoAgent`, `KeyReused`, `NumbersExhausted`.
        """
        reason = audit.check_reason(reason)
        fingerprint = sha256(msgspec.json.encode(wish)).digest()
        if request_key is not None and (earlier := await self._earlier(request_key, fingerprint)):
            return earlier, True
        if not (await self._merchants.get(wish.merchant_id)).is_agent:
            raise NoAgent
        async with self._database.transaction() as conn:
            programme = await programmes.load_open(conn, wish.programme_id)
            check_wish(wish, programme)
            await self._vault.pin_keys(conn)
            batch, seed = self._batch(wish, programme)
            if await rows.insert(conn, batch, request_key, fingerprint):
                await self._make_cards(conn, batch, programme, seed)
                await self._tell(conn, batch, "card_batch.made", actor, reason)
                return batch, False
        assert request_key is not None, "nothing else can collide"
        earlier = await self._earlier(request_key, fingerprint)
        assert earlier is not None, "the insert met it, and batches are never deleted"
        return earlier, True

    async def _earlier(self, request_key: str, fingerprint: bytes) -> CardBatch | None:
        async with self._database.connection() as conn:
            found = await rows.by_request(conn, request_key)
        if found is not None and found[1] != fingerprint:
            raise KeyReused
        return found[0] if found is not None else None

    def _batch(self, wish: BatchWish, programme: Programme) -> tuple[CardBatch, Secret]:
        id_ = CardBatchId(self._new_id())
        seed = Secret(self._random_bytes(_SEED_BYTES).hex())
        batch = CardBatch(
            id=id_,
            partition_id=self._partitions[id_.int % len(self._partitions)],
            programme_id=programme.id,
            merchant_id=wish.merchant_id,
            state=BatchState.OPEN,
            count=wish.count,
            face_value_minor=wish.denomination_minor,
            currency=programme.currency,
            seed=self._vault.seal(seed, _seed_context(id_)),
            exported_at=None,
            created_at=self._clock.now(),
        )
        return batch, seed

    async def _make_cards(
        self, conn: Connection, batch: CardBatch, programme: Programme, seed: Secret
    ) -> None:
        order = StoredValueOrder(
            partition_id=batch.partition_id,
            kind=CardKind.PREPAID,
            programme_id=programme.id,
            currency=programme.currency,
            controls=controls_of(programme),
            expires_at=end_of_face(batch.created_at),
            state=CardState.INACTIVE,
            batch_id=batch.id,
            face_value_minor=batch.face_value_minor,
        )
        for start in range(0, batch.count, _AT_ONCE):
            size = min(_AT_ONCE, batch.count - start)
            sources = await self._balances.open(conn, batch.partition_id, batch.currency, size)
            await self._stored_cards.make(
                conn, order, [source.id for source in sources], lambda serial: pin_of(seed, serial)
            )

    # finding -----------------------------------------------------------------------------------------------

    async def get(self, id_: CardBatchId) -> tuple[CardBatch, BatchCount]:
        """A batch, and how it stands by cards and ledger. Raises `BatchNotFound`."""
        async with self._database.connection() as conn:
            batch = _present(await rows.load(conn, id_))
            return batch, await rows.count(conn, id_)

    async def list(self, page: PageRequest) -> Page[CardBatch]:
        """All batches, newest first."""
        async with self._database.connection() as conn:
            return await rows.find_page(conn, page)

    # what becomes of it ------------------------------------------------------------------------------------

    async def export(self, id_: CardBatchId, *, actor: str, reason: str) -> AsyncIterator[Sequence[MadeCard]]:
        """The maker's list, in parts: numbers and PINs. It is made once; that it was is on record before.

        Raises `BatchNotFound`, `BatchExported`, `BatchClosed`, `InvalidRequest`.
        """
        reason = audit.check_reason(reason)
        async with self._database.transaction() as conn:
            batch = _present(await rows.lock(conn, id_))
            if batch.seed is None:
                raise BatchExported
            if batch.state is BatchState.CLOSED:
                raise BatchClosed
            seed = self._vault.open(batch.seed, _seed_context(id_))
            await rows.forget_seed(conn, id_, self._clock.now())
            await self._tell(conn, batch, "card_batch.exported", actor, reason)
        return self._lines(id_, seed)

    async def _lines(self, id_: CardBatchId, seed: Secret) -> AsyncIterator[Sequence[MadeCard]]:
        after: CardId | None = None
        while True:
            async with self._database.connection() as conn:
                found = await rows.cards_of(conn, id_, after, _AT_ONCE)
            if not found:
                return
            after = found[-1].id
            yield [self._line(card, seed) for card in found]

    def _line(self, card: rows.BatchCard, seed: Secret) -> MadeCard:
        number, expiry = self._vault.card_number(card.bin, card.serial), face_expiry(card.created_at)
        return MadeCard(card.id, number, expiry, self._vault.cvv(number, expiry), pin_of(seed, card.serial))

    async def close(self, id_: CardBatchId, *, actor: str, reason: str) -> CardBatch:
        """Make what was not sold worth nothing, for good: stolen, lost, or given back.

        Repeating it changes nothing. Raises `BatchNotFound`, `InvalidRequest`.
        """
        reason = audit.check_reason(reason)
        async with self._database.transaction() as conn:
            batch = _present(await rows.lock(conn, id_))
            if batch.state is BatchState.OPEN:
                batch = replace(batch, state=BatchState.CLOSED)
                await rows.close(conn, id_)
                await self._tell(conn, batch, "card_batch.closed", actor, reason)
        return batch

    async def _tell(self, conn: Connection, batch: CardBatch, news: str, actor: str, reason: str) -> None:
        now, subject = self._clock.now(), to_text("cbat", batch.id)
        told = {
            "merchant": to_text("mer", batch.merchant_id),
            "programme": to_text("prog", batch.programme_id),
            "cards": str(batch.count),
            "face_value": str(batch.face_value_minor),
        }
        entry = AuditEntry(AuditId(self._new_id()), actor, news, subject, reason, now, told)
        await audit.record(conn, [entry])
        await events.append(conn, [Event(EventId(self._new_id()), news, batch.id, told, now)])


def batch_seeds_rekey(vault: Vault) -> Resealing[CardBatchId]:
    """What PINs of batches are drawn from follows when keys change."""
    return Resealing("seeds of card batches", vault, rows, _seed_context)


def _seed_context(id_: CardBatchId) -> bytes:
    """What binds a sealed seed to its batch."""
    return f"card_batch:{id_}".encode()


def _present(batch: CardBatch | None) -> CardBatch:
    if batch is None:
        raise BatchNotFound
    return batch
