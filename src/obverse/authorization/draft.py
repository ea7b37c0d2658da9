"""What a batch touches, as it will be saved: its own copies, and notes of what has changed. Pure."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from msgspec.structs import replace

from obverse.authorization import rules
from obverse.authorization.commands import ByKey, Payment, Shown
from obverse.authorization.inputs import Loaded, Makers
from obverse.authorization.model import Action, ActionKind, Authorization, Leg, LegStatus
from obverse.authorization.movements import Movements
from obverse.authorization.ports import LegRequest, PointsRequest
from obverse.authorization.usage import CardUsage
from obverse.cards.model import Card, CardKind, CardUse
from obverse.codes.model import Code
from obverse.kit.errors import InvalidRequest, KeyReused, NotFound
from obverse.kit.ids import (
    ActionId,
    AuthorizationId,
    CardId,
    MerchantId,
    PartitionId,
    PointsMessageId,
)
from obverse.kit.money import Money
from obverse.ledger.rules import Books
from obverse.points.model import MessageKind, PointsMessage
from obverse.points.rules import units_due_back
from obverse.wallet.model import Lot

_TAKE_NOTHING: Final = frozenset({LegStatus.DECLINED, LegStatus.UNKNOWN, LegStatus.REVERSING})
"""Legs whose issuer has taken nothing, or was told to give back whatever it has."""


class Draft:
    """Copies of cards, accounts and authorizations, changed as the batch decides command after command.

    What is public here is for `saving`, and `asks` for the engine; nothing reaches the database before.
    """

    def __init__(self, partition_id: PartitionId, loaded: Loaded, *, now: datetime, makers: Makers) -> None:
        self.partition_id = partition_id
        self.now = now
        self.books = Books(loaded.accounts)
        self._movements = Movements(self.books, makers.new_id, now)
        self.inserted: dict[AuthorizationId, None] = {}
        self.updated: dict[AuthorizationId, None] = {}
        self.actions: list[Action] = []
        """Steps taken in this batch, to be stored."""
        self.withdrawn: set[AuthorizationId] = set()
        """Payments of which card companies need not be told in a clearing file any more."""
        self.news: list[tuple[str, Authorization, Action | None]] = []
        """Event types and what they are about, in order."""
        self.legs_to_reverse: list[tuple[AuthorizationId, int]] = []
        self.asks: dict[AuthorizationId, list[tuple[int, LegRequest | PointsRequest]]] = {}
        """What is to be asked outside once this batch is committed, by leg position."""
        self.points_messages: list[PointsMessage] = []
        """What points issuers are to be told."""
        self.spent_codes: dict[bytes, Code] = {}
        """Payment codes as this batch leaves them, those that it has changed."""
        self.guesses: Counter[tuple[MerchantId, str]] = Counter()
        """Codes that were tried and never made, by merchant and terminal."""
        self.makers = makers
        self._cards = loaded.cards
        self._cards_by_id = {card.id: card for card in loaded.cards.values()}
        self._sources = loaded.sources
        self._lots = {source_id: list(lots) for source_id, lots in loaded.lots.items()}
        self._programmes = loaded.programmes
        self._loaded = loaded
        self.opened_lots: list[Lot] = []
        """Lots that loads of this batch put money into, to be opened where they are not."""
        self._usages: dict[CardId, CardUsage] = {}
        self._by_id = {a.id: a for a in loaded.authorizations}
        self._by_key = {a.request_key: a.id for a in self._by_id.values()}
        self._actions = {action.request_key: action for action in loaded.actions}
        self._presented = loaded.presented

    def authorizations(self, ids: Iterable[AuthorizationId]) -> list[Authorization]:
        """These authorizations as the batch leaves them."""
        return [self._by_id[id_] for id_ in ids]

    def card_uses(self) -> list[CardUse]:
        """What is left of every card whose counters a decision changed."""
        return [
            CardUse(id_, usage.uses_left, usage.spent_minor, usage.pin_failures, usage.state)
            for id_, usage in self._usages.items()
            if usage != CardUsage.of(self._cards_by_id[id_])
        ]

    def _open_lot(self, lot: Lot) -> None:
        """See to it that money can go into this lot, and be spent from it by who comes next."""
        self.opened_lots.append(lot)
        self.books.open(lot.account_id)
        lots = self._lots.setdefault(lot.source_id, [])
        if all(lot.account_id != known.account_id for known in lots):
            lots.append(lot)
            lots.sort(key=lambda known: (known.expires_at, known.account_id))

    def _get(self, payment: Payment | None) -> Authorization:
        if isinstance(payment, ByKey):
            found = self._with_number(self._get(self._by_key.get(payment.request_key)), payment.shown)
            if payment.currency not in (None, found.amount.currency):
                raise InvalidRequest("The payment was made in another currency.", "currency")
            return found
        if payment is None or payment not in self._by_id:
            raise NotFound("payment")
        return self._by_id[payment]

    def _with_number(self, found: Authorization, shown: Shown) -> Authorization:
        """The payment, for whoever knows the number it was made with; for others there is none (P12)."""
        card = self._card_of(found)
        if card is None:
            return found
        if shown.code_hash is not None:
            code = self._code(shown.code_hash)
            is_known = code is not None and code.used_by == found.id
        elif card.kind is CardKind.REGISTERED:
            is_known = card.number_hash in shown.number_hashes
        else:
            is_known = card.serial == shown.serial
        if not is_known:
            raise NotFound("payment")
        return found

    def _code(self, code_hash: bytes) -> Code | None:
        """A payment code as the batch has it so far."""
        return self.spent_codes.get(code_hash) or self._loaded.codes.get(code_hash)

    def _card_of(self, authorization: Authorization) -> Card | None:
        return self._cards_by_id.get(authorization.card_id) if authorization.card_id is not None else None

    def _usage(self, card: Card) -> CardUsage:
        usage = self._usages.get(card.id)
        if usage is None:
            usage = self._usages[card.id] = CardUsage.of(card)
        return usage

    def _add(self, authorization: Authorization) -> Authorization:
        self._by_id[authorization.id] = authorization
        self._by_key[authorization.request_key] = authorization.id
        self.inserted[authorization.id] = None
        return authorization

    def _update(
        self, authorization: Authorization, *, news: str | None, action: Action | None = None
    ) -> Authorization:
        if any(leg.units is not None for leg in authorization.legs):
            legs = [self._return_units(authorization, leg) for leg in authorization.legs]
            authorization = replace(authorization, legs=legs)
        self._by_id[authorization.id] = authorization
        if authorization.id not in self.inserted:
            self.updated[authorization.id] = None
        if news is not None:
            self.news.append((news, authorization, action))
        return authorization

    def _return_units(self, authorization: Authorization, leg: Leg) -> Leg:
        """See to it that as many units go back to their issuer as belong to the money that went back."""
        if leg.units is None or leg.status in _TAKE_NOTHING:
            return leg
        due = units_due_back(leg.units, leg.amount_minor, leg.released_minor + leg.refunded_minor)
        if due <= leg.units_back:
            return leg
        more = due - leg.units_back
        self._tell_issuer(authorization.id, leg, MessageKind.GIVE_BACK, more, leg.units_back)
        return replace(leg, units_back=due)

    def _undo_leg(self, authorization_id: AuthorizationId, leg: Leg) -> Leg:
        """Have a leg undone outside that may have happened there, however long that takes (P8, P9)."""
        if leg.units is None:
            self.legs_to_reverse.append((authorization_id, leg.position))
            return leg
        self._tell_issuer(authorization_id, leg, MessageKind.CANCEL)
        return replace(leg, units_back=leg.units)

    def _tell_issuer(
        self,
        authorization_id: AuthorizationId,
        leg: Leg,
        kind: MessageKind,
        units: int | None = None,
        units_before: int | None = None,
    ) -> None:
        assert leg.network_ref is not None, "a leg is named before it is sent"
        self.points_messages.append(
            PointsMessage(
                id=PointsMessageId(self.makers.new_id()),
                partition_id=self.partition_id,
                source_id=leg.source_id,
                authorization_id=authorization_id,
                position=leg.position,
                reference=leg.network_ref,
                kind=kind,
                created_at=self.now,
                units=units,
                units_before=units_before,
            )
        )

    def _note(
        self,
        authorization: Authorization,
        kind: ActionKind,
        parts: Sequence[int],
        key: str,
        *,
        tell: bool,
        asked: str = "",
    ) -> Action:
        """Note a step. With `tell`, card companies hear of their parts of it in their next clearing file."""
        assert authorization.merchant_id is not None, "what was approved has a merchant"
        presented = any(
            part for part, leg in zip(parts, authorization.legs, strict=True) if rules.is_presented(leg.kind)
        )
        action = Action(
            id=ActionId(self.makers.new_id()),
            authorization_id=authorization.id,
            merchant_id=authorization.merchant_id,
            kind=kind,
            amount=Money(sum(parts), authorization.amount.currency),
            parts=parts,
            request_key=key,
            asked=asked,
            to_present=tell and presented,
            created_at=self.now,
            to_invoice=any(
                part for part, leg in zip(parts, authorization.legs, strict=True) if leg.units is not None
            ),
        )
        self._actions[key] = action
        self.actions.append(action)
        return action

    def _taken_before(self, authorization: Authorization, key: str, kind: ActionKind, asked: str) -> bool:
        """Whether this very step was taken before. Raises `KeyReused` where its key was for another one."""
        action = self._actions.get(key)
        if action is None:
            return False
        if (action.authorization_id, action.kind, action.asked) != (authorization.id, kind, asked):
            raise KeyReused
        return True
