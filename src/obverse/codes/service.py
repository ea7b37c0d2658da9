"""Making payment codes for phones: one to be shown now, or as many as a phone may hold."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

from obverse.cards import repository as cards
from obverse.cards.model import Card
from obverse.codes import making_rules as rules
from obverse.codes import repository
from obverse.codes.making_model import CHUNK, Batch, BatchRow, BatchWish, CodeTerms, NewCode, Window
from obverse.codes.making_rules import Granted, Known, Purse
from obverse.codes.rules import value_of
from obverse.codes.sealing import seal
from obverse.codes.telling import Notices
from obverse.kit import events
from obverse.kit.calendar import Calendar
from obverse.kit.clock import Clock
from obverse.kit.database import Connection, Database
from obverse.kit.errors import ObverseError
from obverse.kit.events import Event
from obverse.kit.ids import CardId, CodeBatchId, DeviceId, EventId, MemberId, NewId, PartitionId, to_text
from obverse.kit.secret import Secret
from obverse.ledger import repository as ledger
from obverse.letters import Letters
from obverse.members import Members
from obverse.vault import Vault
from obverse.wallet import Balances, SourceKind
from obverse.wallet import repository as wallet
from obverse.wallet.model import STORED

_MINUTE: Final = timedelta(minutes=1)
_RANDOM_BYTES: Final = 8
"""So many that no value is likelier than another by more than one part in a billion."""


class CodeBatches:
    """Makes codes in batches, each sealed to the device that it is for."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        members: Members,
        balances: Balances,
        letters: Letters,
        *,
        clock: Clock,
        new_id: NewId,
        random_bytes: Callable[[int], bytes],
        bin_: str,
        partitions: Sequence[PartitionId],
        calendar: Calendar,
        terms: CodeTerms,
    ) -> None:
        self._database = database
        self._vault = vault
        self._members = members
        self._balances = balances
        self._notices = Notices(members, letters, terms.notices_a_day, new_id=new_id)
        self._clock = clock
        self._new_id = new_id
        self._random_bytes = random_bytes
        self._bin = bin_
        self._partitions = partitions
        self._calendar = calendar
        self._terms = terms

    async def make(self, member_id: MemberId, device_id: DeviceId, card_id: CardId, count: int = 1) -> Batch:
        """Make codes of a member's card for one of the member's devices (PC-1 to PC-4).

        What that device still had of that card for later is replaced. Asking twice gives other codes.
        Raises `InvalidRequest`, `MemberNotFound`, `MemberSuspended`, `DeviceNotFound`, `CardNotFound`,
        `CardNotPresentable`, `NothingAvailable`, `TooManyCodeBatches`.
        """
        (made,) = await self.make_all([BatchWish(member_id, device_id, card_id, count)])
        if isinstance(made, ObverseError):
            raise made
        return made

    async def make_all(self, wishes: Sequence[BatchWish]) -> list[Batch | ObverseError]:
        """The same for many at once in one commit; what is refused leaves the others alone.

        Raises `InvalidRequest` for a count that is out of bounds.
        """
        for wish in wishes:
            rules.check_count(wish.count, self._terms)
        now = self._clock.now()
        async with self._database.transaction() as conn:
            asked = await self._load(conn, wishes, now)
            purse = await self._purse(conn, [known.card for known in asked if known.card is not None])
            answers = [
                rules.decide(wish, known, purse, now) for wish, known in zip(wishes, asked, strict=True)
            ]
            granted = [answer for answer in answers if isinstance(answer, Granted)]
            drafts = [self._draft(each, now) for each in granted]
            if drafts:
                await repository.replace(conn, [(d.batch.device_id, d.batch.card_id) for d in drafts], now)
                await self._announce(conn, drafts)
                await self._fill(conn, drafts)
        sealed = iter([await self._sealed(draft) for draft in drafts])
        return [next(sealed) if isinstance(answer, Granted) else answer for answer in answers]

    # what is known -----------------------------------------------------------------------------------------

    async def _load(self, conn: Connection, wishes: Sequence[BatchWish], now: datetime) -> list[Known]:
        """Lock the devices: codes are made for each by one at a time, and never after it was removed."""
        members = await self._members.share(conn, sorted({wish.member_id for wish in wishes}))
        devices = await repository.lock_devices(conn, {wish.device_id for wish in wishes})
        found = await cards.load(conn, self._partitions, list({wish.card_id for wish in wishes}))
        made = await repository.made_since(conn, devices, now - _MINUTE)
        return [
            Known(
                devices.get(wish.device_id),
                members.get(wish.member_id),
                found.get(wish.card_id),
                made.get(wish.device_id, 0),
            )
            for wish in wishes
        ]

    async def _purse(self, conn: Connection, found: Sequence[Card]) -> Purse:
        """What is behind these cards at this moment; the payment decides anew, so nothing is locked."""
        sources = await wallet.load_sources(conn, {id_ for card in found for id_ in card.funding})
        stored = [source.id for source in sources.values() if source.kind in STORED]
        lines = [s for s in sources.values() if s.kind is SourceKind.CREDIT_LINE and s.account_id is not None]
        accounts = []
        for partition_id in {line.partition_id for line in lines}:
            ids = [line.account_id for line in lines if line.partition_id == partition_id and line.account_id]
            accounts += await ledger.find_accounts(conn, partition_id, ids)
        return Purse(
            sources=sources,
            lots=await self._balances.of(conn, stored) if stored else {},
            accounts={account.id: account for account in accounts},
        )

    # making ------------------------------------------------------------------------------------------------

    def _draft(self, granted: Granted, now: datetime) -> "_Draft":
        wish = granted.wish
        batch = BatchRow(
            id=CodeBatchId(self._new_id()),
            partition_id=granted.card.partition_id,
            device_id=wish.device_id,
            member_id=wish.member_id,
            card_id=wish.card_id,
            count=wish.count,
            created_at=now,
            made_on=self._calendar.local_date(now),
        )
        return _Draft(batch, granted, rules.windows(now, wish.count, self._terms.interval))

    async def _fill(self, conn: Connection, drafts: Sequence["_Draft"]) -> None:
        """Give every window digits of its own, some hundred at a time: others want to run as well."""
        places = [(draft, number) for draft in drafts for number in range(draft.batch.count)]
        for start in range(0, len(places), CHUNK):
            blank = places[start : start + CHUNK]
            while blank:
                blank = await self._fill_some(conn, blank)

    async def _fill_some(
        self, conn: Connection, blank: Sequence[tuple["_Draft", int]]
    ) -> list[tuple["_Draft", int]]:
        """Draw digits and store their hashes; returns the places whose digits are somebody's already."""
        drawn = [self._draw(draft.batch.partition_id) for draft, _ in blank]
        rows: dict[bytes, tuple[CodeBatchId, bytes, datetime]] = {}
        for (_, hash_), (draft, number) in zip(drawn, blank, strict=True):
            rows.setdefault(hash_, (draft.batch.id, hash_, draft.windows[number].valid_from))
        good_for = self._terms.interval + rules.CLOCK_GRACE
        stored = await repository.insert_codes(conn, list(rows.values()), good_for)
        left = []
        for (digits, hash_), (draft, number) in zip(drawn, blank, strict=True):
            if hash_ in stored:
                stored.discard(hash_)
                draft.digits[number] = digits
            else:
                left.append((draft, number))
        return left

    def _draw(self, partition_id: PartitionId) -> tuple[Secret, bytes]:
        random = int.from_bytes(self._random_bytes(_RANDOM_BYTES), "big")
        digits = self._vault.payment_code(self._bin, value_of(random, partition_id))
        return digits, self._vault.token_hash(digits)

    async def _announce(self, conn: Connection, drafts: Sequence["_Draft"]) -> None:
        """Count the batches, and tell of them: everybody by an event, the member by a letter."""
        await self._notices.post(conn, [(d.batch, d.granted.device, d.granted.card) for d in drafts])
        await repository.insert_batches(conn, [draft.batch for draft in drafts])
        news = [
            Event(
                EventId(self._new_id()),
                "codes.made",
                draft.batch.id,
                {
                    "batch": to_text("cbch", draft.batch.id),
                    "member": to_text("mem", draft.batch.member_id),
                    "device": to_text("dev", draft.batch.device_id),
                    "card": to_text("card", draft.batch.card_id),
                    "count": draft.batch.count,
                },
                draft.batch.created_at,
            )
            for draft in drafts
        ]
        await events.append(conn, news)

    async def _sealed(self, draft: "_Draft") -> Batch:
        await asyncio.sleep(0)  # each costs a multiplication on the curve
        batch, interval = draft.batch, self._terms.interval
        codes = [NewCode(draft.digits[n], window) for n, window in enumerate(draft.windows)]
        return Batch(
            id=batch.id,
            device_id=batch.device_id,
            card_id=batch.card_id,
            count=batch.count,
            sealed=seal(draft.granted.device, batch.card_id, codes),
            made_at=batch.created_at,
            renew_at=rules.renew_at(batch.created_at, batch.count, interval),
            ends_at=draft.windows[-1].expires_at,
        )


class _Draft:
    """A batch while it is made: its windows, and the digits that each has got so far."""

    __slots__ = ("batch", "digits", "granted", "windows")

    def __init__(self, batch: BatchRow, granted: Granted, windows: Sequence[Window]) -> None:
        self.batch = batch
        self.granted = granted
        self.windows = windows
        self.digits: dict[int, Secret] = {}
