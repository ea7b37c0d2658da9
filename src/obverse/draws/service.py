"""Drawing a handed-over card: noted, paid like any purchase at the house's own merchant, sent by the bank.

The note comes first and in a commit of its own. The payment has a key made from the draw's id, and the bank
transfer an id that the note carries, so each happens once; what was killed in between `finish` completes.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from msgspec.structs import replace

from obverse.authorization import Authorization, AuthorizationRequest, Engine, Entry
from obverse.authorization import repository as payments
from obverse.cards import Card, Cards, Viewer
from obverse.cards import repository as card_rows
from obverse.draws import repository, rules
from obverse.draws.errors import AccountNotRefused, DrawNotFound
from obverse.draws.model import Draw, Drawn, DrawState, Wish
from obverse.kit import events
from obverse.kit.clock import Clock
from obverse.kit.database import Connection, Database
from obverse.kit.errors import KeyReused, ObverseError
from obverse.kit.events import Event
from obverse.kit.ids import BankTransferId, CardId, DrawId, EventId, NewId, PartitionId, to_text
from obverse.kit.money import CurrencyCode, Money
from obverse.kit.paging import Page, PageRequest
from obverse.kit.secret import Secret
from obverse.ledger import repository as ledger
from obverse.merchants import MerchantNumberTaken, MerchantState
from obverse.merchants import repository as merchants
from obverse.treasury import BankAccount, TransferOrder, TransferState, Treasury
from obverse.treasury import repository as bank_transfers
from obverse.treasury.rules import check_bank_account
from obverse.vault import Vault

_AT_ONCE: Final = 100
"""Draws that the background takes up in one go."""


class Draws:
    """What the holders of handed-over cards take to their own bank accounts (OT-8)."""

    def __init__(
        self,
        database: Database,
        engine: Engine,
        cards: Cards,
        vault: Vault,
        treasury: Treasury,
        *,
        clock: Clock,
        new_id: NewId,
    ) -> None:
        self._database = database
        self._engine = engine
        self._cards = cards
        self._vault = vault
        self._treasury = treasury
        self._clock = clock
        self._new_id = new_id
        self._house = rules.house_merchant(clock.now())

    async def start(self, partitions: Sequence[PartitionId], currency: CurrencyCode) -> None:
        """Open the merchant at which cards are drawn, where it is not there yet."""
        stored = replace(self._house, state=MerchantState.CLOSED)
        try:
            async with self._database.transaction() as conn:
                await ledger.open_accounts(conn, rules.house_payables(partitions, currency))
                if not await merchants.load(conn, [stored.id]):
                    await merchants.insert(conn, stored)
        except MerchantNumberTaken:
            return  # another process has just done it

    # what the holder asks ----------------------------------------------------------------------------------

    async def draw(self, card: Card, wish: Wish, *, key: str) -> Drawn:
        """Take money from this card to the holder's account. Safe to repeat with the same `key`.

        The engine decides as over any payment, and a decline is an answer. While a card company is silent the
        draw is `ASKED`, and is completed in the background.

        Raises `NotDrawable`, `InvalidRequest`, `NothingToDraw`, `KeyReused`, `Unavailable`.
        """
        rules.check_holder(card)
        check_bank_account(wish.account)
        account_hash = self._account_hash(wish.account)
        fingerprint = self._vault.token_hash(Secret(f"{card.id}|{wish.amount_minor}|{account_hash.hex()}"))
        async with self._database.transaction() as conn:
            earlier = await repository.find_by_key(conn, key)
            if earlier is None:
                amount = Money(rules.drawn_minor(card, wish.amount_minor), card.currency)
                draw = await self._new(conn, card, amount, wish.account, (key, fingerprint))
                if not await repository.insert(conn, draw):
                    earlier = await repository.find_by_key(conn, key)
        if earlier is not None:
            if earlier.fingerprint != fingerprint:
                raise KeyReused
            draw = earlier
        if draw.state is DrawState.ASKED:
            await self._complete([draw])
        (drawn,) = await self._with_transfers([draw.id])
        return replace(drawn, repeated=earlier is not None)

    async def _new(
        self, conn: Connection, card: Card, amount: Money, account: BankAccount, request: tuple[str, bytes]
    ) -> Draw:
        id_ = DrawId(self._new_id())
        key, fingerprint = request
        await self._vault.pin_keys(conn)
        return Draw(
            id=id_,
            partition_id=card.partition_id,
            card_id=card.id,
            amount=amount,
            state=DrawState.ASKED,
            decline=None,
            transfer_id=BankTransferId(self._new_id()),
            account=self._vault.seal(_written(account), account_context(id_)),
            account_hash=self._account_hash(account),
            request_key=key,
            fingerprint=fingerprint,
            created_at=self._clock.now(),
        )

    async def list(self, card: Card, page: PageRequest) -> Page[Drawn]:
        """The draws of this card, newest first."""
        async with self._database.connection() as conn:
            found = await repository.find_page(conn, page, card.id)
        drawn = await self._with_transfers([draw.id for draw in found.items])
        return Page(drawn, found.next_after)

    async def correct(self, card: Card, draw_id: DrawId, account: BankAccount) -> Drawn:
        """Send a draw that the bank has refused to another account; the same account again changes nothing.

        Raises `DrawNotFound`, `InvalidRequest`, `AccountNotRefused`.
        """
        check_bank_account(account)
        account_hash = self._account_hash(account)
        async with self._database.transaction() as conn:
            draw = (await repository.lock(conn, [draw_id])).get(draw_id)
            if draw is None or draw.card_id != card.id:
                raise DrawNotFound
            states = await bank_transfers.states(conn, [draw.transfer_id])
            if states.get(draw.transfer_id) is TransferState.REFUSED:
                await self._treasury.redirect(conn, draw.transfer_id, account)
                await repository.set_account(conn, draw_id, account_hash)
            elif draw.account_hash != account_hash:
                raise AccountNotRefused
        (drawn,) = await self._with_transfers([draw_id])
        return drawn

    async def drawn(self, card_ids: Sequence[CardId]) -> set[CardId]:
        """Those of these cards of which something was drawn: all that their givers learn."""
        async with self._database.connection() as conn:
            return await repository.find_drawn(conn, card_ids)

    async def _with_transfers(self, ids: Sequence[DrawId]) -> Sequence[Drawn]:
        """These draws in this order, each with its bank transfer."""
        async with self._database.connection() as conn:
            draws = await repository.load(conn, ids)
            transfers = await bank_transfers.load_transfers(
                conn, [draw.transfer_id for draw in draws.values()]
            )
        return [Drawn(draws[id_], transfers.get(draws[id_].transfer_id)) for id_ in ids]

    # doing it ----------------------------------------------------------------------------------------------

    async def finish(self) -> int:
        """Complete what a crash or a silent card company has left; returns how many were taken up."""
        async with self._database.connection() as conn:
            asked = await repository.find_asked(conn, _AT_ONCE)
        await self._complete(asked)
        return len(asked)

    async def _complete(self, asked: Sequence[Draw]) -> None:
        """Have these paid for, and order what was approved; the first trouble is raised at the end."""
        cards = await self._cards_of(asked)
        answers = await asyncio.gather(
            *[self._pay(draw, cards[draw.card_id]) for draw in asked], return_exceptions=True
        )
        paid = [
            (draw, answer)
            for draw, answer in zip(asked, answers, strict=True)
            if isinstance(answer, Authorization)
        ]
        troubles = [answer for answer in answers if isinstance(answer, BaseException)]
        try:
            await self._order(paid)
        except ObverseError:
            # One that cannot be ordered must not take the others down with it.
            troubles += [trouble for one in paid if (trouble := await self._order_alone(one))]
        if troubles:
            raise troubles[0]

    async def _order_alone(self, paid: tuple[Draw, Authorization]) -> ObverseError | None:
        try:
            await self._order([paid])
        except ObverseError as refused:
            return refused
        return None

    async def _cards_of(self, draws: Sequence[Draw]) -> Mapping[CardId, Card]:
        found: dict[CardId, Card] = {}
        async with self._database.connection() as conn:
            for partition_id, of_partition in _by_partition(draws):
                ids = [draw.card_id for draw in of_partition]
                found |= {card.id: card for card in await card_rows.find(conn, partition_id, [], ids)}
        return found

    async def _pay(self, draw: Draw, card: Card) -> Authorization:
        """An ordinary payment at the house's own merchant; asked for twice it happens once."""
        face = self._cards.reveal(card, Viewer.RECIPIENT)
        request = AuthorizationRequest(
            request_key=f"draw:{draw.id}",
            number=face.number,
            expiry=face.expiry,
            cvv=face.cvv,
            amount=draw.amount,
            merchant=self._house,
            terminal=None,
            entry=Entry.ONLINE,
            capture=True,
        )
        return await self._engine.authorize(request)

    async def _order(self, paid: Sequence[tuple[Draw, Authorization]]) -> None:
        """One commit: the house's payable becomes money in transit, and each draw says so."""
        if not paid:
            return
        payment_of = {draw.id: payment.id for draw, payment in paid}
        async with self._database.transaction() as conn:
            # As they stand now: an operator may have undone one since it was approved.
            locked: dict[DrawId, Authorization] = {}
            for partition_id, of_partition in _by_partition([draw for draw, _ in paid]):
                ids = [payment_of[draw.id] for draw in of_partition]
                rows = {row.id: row for row in await payments.lock(conn, partition_id, ids, [])}
                locked |= {draw.id: rows[payment_of[draw.id]] for draw in of_partition}
            after = [(draw, rules.conclude(draw, locked[draw.id])) for draw, _ in paid]
            ordered = [pair for pair in after if pair[1].state is DrawState.ORDERED]
            await self._treasury.order(conn, [self._transfer(*pair) for pair in ordered])
            concluded = [draw for _, draw in after if draw.state is not DrawState.ASKED]
            first = await repository.conclude(conn, concluded)
            await self._announce(conn, [draw for draw in concluded if draw.id in first])

    def _transfer(self, before: Draw, ordered: Draw) -> TransferOrder:
        assert before.account is not None, "a draw that is asked for says where to"
        return TransferOrder(
            id=ordered.transfer_id,
            partition_id=ordered.partition_id,
            amount=ordered.amount,
            to=_read(self._vault.open(before.account, account_context(before.id))),
            reference=rules.reference(ordered.transfer_id),
            subject_id=ordered.id,
            debit_account_id=self._house.account_id,
        )

    async def _announce(self, conn: Connection, draws: Sequence[Draw]) -> None:
        """What events tell leads neither to the card nor to the account (OT-8)."""
        now = self._clock.now()
        news = [
            Event(
                EventId(self._new_id()),
                f"draw.{draw.state}",
                draw.id,
                {
                    "draw": to_text("draw", draw.id),
                    "amount": draw.amount.amount_minor,
                    "currency": draw.amount.currency,
                },
                now,
            )
            for draw in draws
        ]
        await events.append(conn, news)

    def _account_hash(self, account: BankAccount) -> bytes:
        return self._vault.token_hash(_written(account))


def _by_partition(draws: Sequence[Draw]) -> list[tuple[PartitionId, list[Draw]]]:
    """Draws by their partition, in its order."""
    partitions = sorted({draw.partition_id for draw in draws})
    return [(p, [draw for draw in draws if draw.partition_id == p]) for p in partitions]


def account_context(draw_id: DrawId) -> bytes:
    """What binds a sealed account to its draw."""
    return f"draw_account:{draw_id}".encode()


def _written(account: BankAccount) -> Secret:
    return Secret(msgspec.json.encode([account.bank_code, account.number.reveal(), account.holder]).decode())


def _read(written: Secret) -> BankAccount:
    bank_code, number, holder = msgspec.json.decode(written.reveal(), type=tuple[str, str, str])
    return BankAccount(bank_code, Secret(number), holder)
