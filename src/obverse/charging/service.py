"""Charging cards: noted with its sale, paid, and put into the card's balance once the money is there.

The note is made under the card's lock, where balance and charges under way are added up: of two that would
pass the ceiling together one is refused. When the money comes it is asked again, and what does not fit any
more goes back. Money moves into the balance in the commit that ends sale and charge: no charge is paid
without a lot, and no lot is there without a payment.
"""

from collections.abc import Sequence
from hashlib import sha256
from typing import Final

import msgspec
from msgspec.structs import replace

from obverse.cards import Card, CardNotFound, Viewer
from obverse.cards import repository as card_rows
from obverse.charging import repository, rules
from obverse.charging.errors import ChargeNotFound, TooManyCardsTyped
from obverse.charging.following import Following
from obverse.charging.model import Charge, Charged, ChargeKind, ChargeState, ChargeWish
from obverse.charging.pausing import Pausing
from obverse.kit import audit
from obverse.kit.audit import AuditEntry
from obverse.kit.calendar import Calendar
from obverse.kit.clock import Clock
from obverse.kit.database import Connection, Database
from obverse.kit.errors import KeyReused
from obverse.kit.ids import AuditId, CardId, ChargeId, NewId, to_text
from obverse.kit.money import Money
from obverse.kit.paging import Page, PageRequest
from obverse.kit.secret import Secret
from obverse.ledger import AccountKind
from obverse.ledger.rules import house_account
from obverse.programmes import Programme
from obverse.programmes import repository as programmes
from obverse.sales import Sale, Sales, SaleWish, SubjectKind
from obverse.treasury import BankAccount
from obverse.vault import Vault
from obverse.wallet import Balances, Funding, LotKind


class Charging(Following):
    """Money paid into cards that are in use (PP-9, WA-6)."""

    def __init__(
        self,
        database: Database,
        sales: Sales,
        balances: Balances,
        calendar: Calendar,
        pausing: Pausing,
        vault: Vault,
        *,
        clock: Clock,
        new_id: NewId,
        own_account: BankAccount,
    ) -> None:
        """`own_account` is where bank transfers are to go."""
        super().__init__(database, sales, balances, calendar, pausing, clock=clock, new_id=new_id)
        self._vault = vault
        self.own_account: Final = own_account

    # what holders and operators ask ------------------------------------------------------------------------

    async def charge(self, card: Card, wish: ChargeWish, *, key: str) -> Charged:
        """Charge a card (PP-9). Safe to repeat with the same `key`.

        Whoever pays by card is answered by then, unless their card company is silent: then the charge is
        `open` and concluded in the background, like one that waits for the bank.

        Raises `CardNotChargeable`, `ChargeUnit`, `BalanceCeiling`, `InvalidRequest`, `SourceNotFound`,
        `SourceNotActive`, `MeansNotOffered`, `TooManyCardsTyped`, `CardNotVerified`, `KeyReused`,
        `Unavailable`.
        """
        fingerprint = self._fingerprint(card, wish)
        earlier = await self._find(key, fingerprint)
        if earlier is None:
            balance = rules.balance_of(card)
            if wish.how.card is not None:
                await self._count_typed(card)
                # No card company is asked about a charge that cannot be; what counts is decided below.
                async with self._database.transaction() as conn:
                    await self._check(conn, card, wish.amount_minor)
            await self._sales.check(wish.how)
            charge = Charge(
                id=ChargeId(self._new_id()),
                partition_id=card.partition_id,
                card_id=card.id,
                source_id=balance,
                member_id=wish.member_id,
                amount=Money(wish.amount_minor, card.currency),
                kind=ChargeKind.ASKED,
                state=ChargeState.OPEN,
                reason=None,
                request_key=key,
                fingerprint=fingerprint,
                created_at=self._clock.now(),
            )
            async with self._database.transaction() as conn:
                noted = await self.note(conn, charge, wish)
            if noted is None:
                earlier = await self._find(key, fingerprint)
                assert earlier is not None, "the insert met this key, and charges are never deleted"
        id_ = charge.id if earlier is None else earlier.id
        return replace(await self.pay(id_), repeated=earlier is not None)

    async def _count_typed(self, card: Card) -> None:
        """Before any card company is asked: trying out stolen cards is no use here. Raises
        `TooManyCardsTyped`."""
        now = self._clock.now()
        async with self._database.transaction() as conn:
            tried = await repository.count_typed_card(conn, card.id, now, now - rules.TYPED_WINDOW)
        if tried > rules.TYPED_MAX:
            raise TooManyCardsTyped

    async def note(self, conn: Connection, charge: Charge, wish: ChargeWish) -> Sale | None:
        """Note a charge and its sale in the caller's commit; None where one with its key was noted before.

        Raises as `charge`.
        """
        card = await _lock_card(conn, charge)
        # A twin of this request may have had the card's lock before us, and counts towards the ceiling.
        if await repository.find_by_key(conn, charge.request_key) is not None:
            return None
        await self._check(conn, card, charge.amount.amount_minor)
        if not await repository.insert(conn, charge):
            return None
        return await self._sales.open(
            conn,
            SaleWish(
                SubjectKind.CHARGE, charge.id, charge.partition_id, charge.amount, wish.how, wish.member_id
            ),
        )

    async def pay(self, charge_id: ChargeId) -> Charged:
        """Have a charge that was noted paid, as far as that can be done now. Raises `ChargeNotFound`,
        `Unavailable`."""
        charged = await self.get(charge_id)
        if charged.charge.state is ChargeState.OPEN and charged.sale is not None:
            await self._sales.pay(charged.sale.id)
            await self.follow()
            charged = await self.get(charge_id)
        return charged

    async def cancel(self, charge_id: ChargeId) -> Charged:
        """Give up a charge that nobody was asked to pay yet; again changes nothing.

        Raises `ChargeNotFound`, `SaleNotCancellable`.
        """
        charged = await self.get(charge_id)
        charge, sale = charged.charge, charged.sale
        if sale is None or charge.state in (ChargeState.CANCELLED, ChargeState.DECLINED):
            return charged
        async with self._database.transaction() as conn:
            cancelled = await self._sales.cancel(conn, sale.id)
            await self._end(conn, [rules.after_sale(charge, cancelled, self._clock.now())])
        return await self.get(charge_id)

    async def give(self, card: Card, amount_minor: int, *, key: str, actor: str, reason: str) -> Charged:
        """Give value out of the programme's own pocket (kind `given`); an operator answers for it.

        Safe to repeat with the same `key`. Raises `CardNotChargeable`, `BalanceCeiling`, `InvalidRequest`,
        `KeyReused`.
        """
        reason = audit.check_reason(reason)
        fingerprint = sha256(msgspec.json.encode((card.id, amount_minor, "given"))).digest()
        earlier = await self._find(key, fingerprint)
        if earlier is not None:
            return Charged(earlier, None, repeated=True)
        now = self._clock.now()
        charge = Charge(
            id=ChargeId(self._new_id()),
            partition_id=card.partition_id,
            card_id=card.id,
            source_id=rules.balance_of(card),
            member_id=None,
            amount=Money(amount_minor, card.currency),
            kind=ChargeKind.GIVEN,
            state=ChargeState.DONE,
            reason=None,
            request_key=key,
            fingerprint=fingerprint,
            created_at=now,
            ended_at=now,
        )
        async with self._database.transaction() as conn:
            given = await self._give(conn, charge, actor, reason)
        if not given:
            earlier = await self._find(key, fingerprint)
            assert earlier is not None, "the insert met this key, and charges are never deleted"
            return Charged(earlier, None, repeated=True)
        return Charged(charge, None)

    async def _give(self, conn: Connection, charge: Charge, actor: str, reason: str) -> bool:
        card = await _lock_card(conn, charge)
        if await repository.find_by_key(conn, charge.request_key) is not None:
            return False
        programme = await _programme_of(conn, card)
        rules.check_gift(card, charge.amount.amount_minor, self._clock.now())
        await self._check_ceiling(conn, card, programme, charge.amount.amount_minor)
        if not await repository.insert(conn, charge):
            return False
        pocket = house_account(AccountKind.GIVEN_VALUE, charge.partition_id, charge.amount.currency)
        ends = rules.ends_at(card, programme, self._calendar, self._clock.now())
        funding = Funding(charge.source_id, LotKind.GIVEN, charge.amount, pocket.id, ends, charge.id)
        await self._balances.fund(conn, charge.partition_id, [funding])
        await self._announce(conn, [charge])
        data = {"charge": to_text("chg", charge.id), "amount": str(charge.amount.amount_minor)}
        entry = AuditEntry(
            AuditId(self._new_id()),
            actor,
            "value.given",
            to_text("card", charge.card_id),
            reason,
            self._clock.now(),
            data,
        )
        await audit.record(conn, [entry])
        return True

    # reading -----------------------------------------------------------------------------------------------

    async def get(self, charge_id: ChargeId) -> Charged:
        """Raises `ChargeNotFound`."""
        async with self._database.connection() as conn:
            charge = (await repository.load(conn, [charge_id])).get(charge_id)
            if charge is None:
                raise ChargeNotFound
            (charged,) = await self._with_sales(conn, [charge])
        return charged

    async def list(
        self, page: PageRequest, card_id: CardId | None = None, *, viewer: Viewer = Viewer.OPERATOR
    ) -> Page[Charged]:
        """Charges, newest first; with `card_id`, that card's. A holder does not see those of its giver."""
        sees_all = viewer is Viewer.OPERATOR
        async with self._database.connection() as conn:
            found = await repository.find_page(conn, page, card_id, sees_all=sees_all)
            return Page(await self._with_sales(conn, found.items), found.next_after)

    async def _with_sales(self, conn: Connection, charges: Sequence[Charge]) -> Sequence[Charged]:
        sales = await self._sales.of_subjects(conn, SubjectKind.CHARGE, [charge.id for charge in charges])
        return [Charged(charge, sales.get(charge.id)) for charge in charges]

    async def _find(self, key: str, fingerprint: bytes) -> Charge | None:
        async with self._database.connection() as conn:
            earlier = await repository.find_by_key(conn, key)
        if earlier is not None and earlier.fingerprint != fingerprint:
            raise KeyReused
        return earlier

    def _fingerprint(self, card: Card, wish: ChargeWish) -> bytes:
        """What tells whether two requests with one key ask for the same; keyed, as a card may be in it."""
        how, typed = wish.how, wish.how.card
        paid_by = (typed.number.reveal(), typed.exp_month, typed.exp_year) if typed is not None else None
        told = (card.id, wish.amount_minor, how.means, how.source_id, paid_by)
        return self._vault.token_hash(Secret(msgspec.json.encode(told).decode()))

    async def _check(self, conn: Connection, card: Card, amount_minor: int) -> None:
        """Whether the card can be charged with so much now. Raises as `charge`."""
        programme = await _programme_of(conn, card)
        rules.check_card(card, programme, self._clock.now())
        rules.check_amount(amount_minor, programme)
        await self._check_ceiling(conn, card, programme, amount_minor)

    async def _check_ceiling(
        self, conn: Connection, card: Card, programme: Programme, amount_minor: int
    ) -> None:
        balance = rules.balance_of(card)
        lots = (await self._balances.of(conn, [balance]))[balance]
        open_minor = await repository.open_minor(conn, card.id)
        held_minor = rules.held_minor(lots)
        rules.check_ceiling(amount_minor, programme, held_minor=held_minor, open_minor=open_minor)


async def _lock_card(conn: Connection, charge: Charge) -> Card:
    card = await card_rows.lock_one(conn, [charge.partition_id], charge.card_id)
    if card is None:
        raise CardNotFound
    return card


async def _programme_of(conn: Connection, card: Card) -> Programme:
    assert card.programme_id is not None, "stored value is issued under a programme"
    return (await programmes.load(conn, [card.programme_id]))[card.programme_id]
