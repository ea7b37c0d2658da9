"""Orders left with us by members, asked for by malls.

The comparison is committed before the engine is asked, and the payment's key is made from the checkout's id:
a request that matches pays once, and asking again gives the same answer.
"""

from hmac import compare_digest
from typing import Final

from msgspec.structs import replace

from obverse.authorization import Authorization, AuthorizationRequest, Engine, Entry
from obverse.authorization import repository as payments
from obverse.cards import CardHandedOver, Cards
from obverse.checkouts import repository, rules
from obverse.checkouts.errors import CheckoutExists, CheckoutNotFound, CheckoutVoid
from obverse.checkouts.model import Checkout, CheckoutState, Kept, Order
from obverse.kit import events
from obverse.kit.clock import Clock
from obverse.kit.database import Connection, Database
from obverse.kit.errors import NotFound
from obverse.kit.events import Event
from obverse.kit.ids import CardId, CheckoutId, EventId, MemberId, MerchantId, NewId, from_text, to_text
from obverse.kit.secret import Secret
from obverse.merchants import Merchant
from obverse.vault import Vault

SESSION_PREFIX: Final = "ob_cs_"
_ID_LETTERS: Final = 26


class Checkouts:
    """Keeps orders, compares them, and has those that match paid once (WA-7)."""

    def __init__(
        self, database: Database, engine: Engine, cards: Cards, vault: Vault, *, clock: Clock, new_id: NewId
    ) -> None:
        self._database = database
        self._engine = engine
        self._cards = cards
        self._vault = vault
        self._clock = clock
        self._new_id = new_id

    # the member and the wallet program ---------------------------------------------------------------------

    async def keep(self, member_id: MemberId, card_id: CardId, merchant_id: MerchantId, order: Order) -> Kept:
        """Keep an order for this mall until it asks, or for some minutes.

        The same order again is the same checkout; another one of the same member's takes its place. The
        caller has seen that the card is the member's. Raises `InvalidRequest`, `CheckoutExists`.
        """
        now = self._clock.now()
        new = Checkout(
            id=CheckoutId(self._new_id()),
            merchant_id=merchant_id,
            member_id=member_id,
            card_id=card_id,
            order=rules.canonical(order),
            state=CheckoutState.KEPT,
            created_at=now,
            expires_at=now + rules.LIFETIME,
        )
        async with self._database.transaction() as conn:
            # A twin that was faster is there by the second look: then it may be the very same order.
            kept = await self._keep(conn, new) or await self._keep(conn, new)
        if kept is None:
            raise CheckoutExists
        return Kept(kept, self._session(kept.id), repeated=kept.id != new.id)

    async def _keep(self, conn: Connection, new: Checkout) -> Checkout | None:
        """The checkout that is there afterwards, or None where somebody else was quicker."""
        newest = await self._lock_newest(conn, new.merchant_id, new.order.reference)
        if newest is not None and rules.same_again(newest, new):
            return newest
        if newest is not None and rules.is_forgotten(newest, new.created_at):
            newest = await self._as_decided(conn, newest)
        if newest is not None:
            await repository.save(conn, rules.make_way(newest, new))
        if not await repository.insert(conn, new):
            return None
        await self._tell(conn, "kept", new)
        return new

    async def _as_decided(self, conn: Connection, forgotten: Checkout) -> Checkout:
        """A matched checkout whose process died before it noted what the engine has said: what is paid is no
        void order's, also for a mall that asks again only now."""
        card = await self._cards.lock(conn, forgotten.card_id)
        found = await payments.find_by_key(conn, card.partition_id, [_request_key(forgotten)])
        if not found:
            return forgotten
        state, payment_id = rules.conclude(found[0])
        return replace(forgotten, state=state, authorization_id=payment_id)

    async def of_session(self, token: Secret) -> Checkout:
        """The checkout whose wallet program holds this token. Raises `CheckoutNotFound`."""
        async with self._database.connection() as conn:
            checkout = await repository.find(conn, self._opened(token))
        if checkout is None:
            raise CheckoutNotFound
        return rules.settled(checkout, self._clock.now())

    async def withdraw(self, checkout_id: CheckoutId) -> Checkout:
        """Take back an order that the mall has not asked for; one that is decided stays as it is."""
        async with self._database.transaction() as conn:
            checkout = await repository.lock(conn, checkout_id)
            if checkout is None:
                raise CheckoutNotFound
            checkout = rules.settled(checkout, self._clock.now())
            if checkout.state is CheckoutState.KEPT:
                checkout = replace(checkout, state=CheckoutState.WITHDRAWN)
            await repository.save(conn, checkout)
        return checkout

    # the mall ----------------------------------------------------------------------------------------------

    async def pay(
        self, merchant: Merchant, asked: Order, *, key: str | None, capture: bool = False
    ) -> Authorization:
        """Have the order paid that this merchant names, if it is exactly the kept one.

        Asking again gives the same answer, also when the member has left another order since, if both
        requests have the same `key`. While a card company is silent the answer is `processing`. Raises
        `InvalidRequest`, `CheckoutNotFound`, `CheckoutMismatch`, `CheckoutExpired`, `CheckoutVoid`,
        `KeyReused`, `Unavailable`.
        """
        asked = rules.canonical(asked)
        async with self._database.transaction() as conn:
            before = await repository.lock_by_key(conn, key) if key is not None else None
            if before is None:
                before = await self._lock_newest(conn, merchant.id, asked.reference)
            checkout, refused = rules.match(before, asked, key)
            if checkout is not None and checkout != before:
                await repository.save(conn, checkout)
                await self._tell(conn, _news(checkout), checkout)
        if refused is not None:
            raise refused
        assert checkout is not None, "what is not there is refused"
        payment = await self._authorize(checkout, merchant, capture)
        if checkout.authorization_id is None:
            await self._conclude(checkout.id, payment)
        return payment

    async def _authorize(self, checkout: Checkout, merchant: Merchant, capture: bool) -> Authorization:
        card = await self._cards.get(checkout.card_id)
        if card.member_id != checkout.member_id:
            raise CheckoutVoid  # another member has claimed it: what it pays is for that one to say
        try:
            face = self._cards.reveal(card)
        except CardHandedOver:
            raise CheckoutVoid from None
        request = AuthorizationRequest(
            request_key=_request_key(checkout),
            number=face.number,
            expiry=face.expiry,
            cvv=face.cvv,
            amount=checkout.order.total,
            merchant=merchant,
            terminal=None,
            entry=Entry.ONLINE,
            capture=capture,
        )
        return await self._engine.authorize(request)

    async def _conclude(self, checkout_id: CheckoutId, payment: Authorization) -> None:
        state, payment_id = rules.conclude(payment)
        async with self._database.transaction() as conn:
            checkout = await repository.lock(conn, checkout_id)
            assert checkout is not None, "no checkout is ever deleted"
            if checkout.state is CheckoutState.MATCHED:
                await repository.save(conn, replace(checkout, state=state, authorization_id=payment_id))

    # in pieces ---------------------------------------------------------------------------------------------

    async def _lock_newest(
        self, conn: Connection, merchant_id: MerchantId, reference: str
    ) -> Checkout | None:
        """The newest order under this reference, with what time has done to it written down."""
        found = await repository.lock_newest(conn, merchant_id, reference)
        if found is None:
            return None
        checkout = rules.settled(found, self._clock.now())
        if checkout != found:
            await repository.save(conn, checkout)
        return checkout

    def _session(self, checkout_id: CheckoutId) -> Secret:
        """The token of this checkout: made anew whenever it is asked for, and stored nowhere."""
        id_ = to_text("chk", checkout_id)[-_ID_LETTERS:]
        return Secret(f"{SESSION_PREFIX}{id_}{self._vault.token_hash(Secret(f'checkout:{id_}')).hex()}")

    def _opened(self, token: Secret) -> CheckoutId:
        id_ = token.reveal().removeprefix(SESSION_PREFIX)[:_ID_LETTERS]
        try:
            checkout_id = CheckoutId(from_text("chk", f"chk_{id_}"))
        except NotFound:
            raise CheckoutNotFound from None
        if not compare_digest(self._session(checkout_id).reveal(), token.reveal()):
            raise CheckoutNotFound
        return checkout_id

    async def _tell(self, conn: Connection, verb: str, checkout: Checkout) -> None:
        """Without the reference, which is the mall's own and may say anything."""
        told = {
            "checkout": to_text("chk", checkout.id),
            "merchant": to_text("mer", checkout.merchant_id),
            "card": to_text("card", checkout.card_id),
        }
        now = self._clock.now()
        await events.append(
            conn, [Event(EventId(self._new_id()), f"checkout.{verb}", checkout.id, told, now)]
        )


def _request_key(checkout: Checkout) -> str:
    return f"checkout:{checkout.id}"


def _news(checkout: Checkout) -> str:
    if checkout.state is CheckoutState.KEPT:
        return "mismatched"
    return "voided" if checkout.state is CheckoutState.VOID else checkout.state.value
