"""Grants at the engine: each is one payment, asked for, captured in part and ended under keys of its own."""

from typing import Final

from obverse.authorization import Authorization, AuthorizationRequest, Engine, Entry
from obverse.authorization.errors import (
    AlreadyCaptured,
    AuthorizationExpired,
    CaptureTooLarge,
    NotCapturable,
    NothingToRelease,
)
from obverse.authorization.repository import payments
from obverse.cards import Cards, HeldBy, Viewer
from obverse.kit.database import Database
from obverse.kit.errors import NotFound
from obverse.kit.money import Money
from obverse.merchants import Merchants
from obverse.metering.model import Credential, Grant, GrantState, Session

_GONE: Final = (AlreadyCaptured, AuthorizationExpired, CaptureTooLarge, NotCapturable, NothingToRelease)
"""Somebody else has ended the payment: then it says itself what was captured."""


class Grants:
    """What a session reserves and pays. Everything here may be repeated and happens once (P6)."""

    def __init__(self, database: Database, engine: Engine, cards: Cards, merchants: Merchants) -> None:
        self._database = database
        self._engine = engine
        self._cards = cards
        self._merchants = merchants

    async def ask(self, session: Session, grant: Grant, shown: Credential | None) -> Authorization:
        """Have a grant decided, as far as the balance goes; a card that was shown once need not be again.

        Raises `Unavailable`.
        """
        shown = shown or await self._revealed(session)
        return await self._engine.authorize(
            AuthorizationRequest(
                request_key=_key(session, grant),
                number=shown.number,
                expiry=shown.expiry,
                cvv=shown.cvv,
                amount=Money(grant.asked_minor, session.tariff.currency),
                merchant=await self._merchants.get(session.merchant_id),
                terminal=None,
                entry=Entry.METERED,
                pin=shown.pin,
                partial=True,
            )
        )

    async def asked_before(self, session: Session, grant: Grant) -> Authorization | None:
        """What the engine said when it was asked for this grant, if it ever was."""
        async with self._database.connection() as conn:
            found = await payments.find_by_key(conn, session.partition_id, [_key(session, grant)])
        return found[0] if found else None

    async def end(self, session: Session, grant: Grant) -> int:
        """Capture what is decided, release the rest; returns what was captured in minor units.

        A grant whose answer nobody noted is undone. Raises `Unavailable`.
        """
        if grant.state is GrantState.ASKED:
            await self._undo(session, grant)
            return 0
        assert grant.authorization_id is not None, "what is settled was approved"
        id_, key, partition_id = grant.authorization_id, f"{_key(session, grant)}:end", session.partition_id
        try:
            if not grant.captured_minor:
                await self._engine.release(id_, key=key, partition_id=partition_id)
                return 0
            # `late`: what was used was used, also where the platform was down for longer than holds last.
            await self._engine.capture(
                id_, grant.captured_minor, key=key, final=True, late=True, partition_id=partition_id
            )
        except _GONE:
            return (await self._engine.get(id_)).captured_minor
        return grant.captured_minor

    async def _undo(self, session: Session, grant: Grant) -> None:
        """Undo a payment of which nobody noted the answer, also one that has yet to come (P8)."""
        payment = await self.asked_before(session, grant)
        if payment is None and session.card_id is not None:
            number = (await self._revealed(session)).number
            amount = Money(grant.asked_minor, session.tariff.currency)
            try:
                await self._engine.reverse(_key(session, grant), number, amount, session.merchant_id)
            except NotFound:  # its card has been given a new number in this very moment
                payment = await self.asked_before(session, grant)
        if payment is not None:
            await self._engine.cancel(payment.id)

    async def _revealed(self, session: Session) -> Credential:
        """What is on the card by now."""
        assert session.card_id is not None, "a session without a card has asked once and was declined"
        card = await self._cards.get(session.card_id)
        face = self._cards.reveal(card, Viewer.MEMBER if card.held_by is HeldBy.MEMBER else Viewer.RECIPIENT)
        return Credential(face.number, expiry=face.expiry, cvv=face.cvv)


def _key(session: Session, grant: Grant) -> str:
    return f"meter:{session.id}:{grant.number}"
