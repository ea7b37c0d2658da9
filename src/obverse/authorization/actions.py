"""What is done to a payment after its approval: captured, released, refunded, disputed, undone. Pure."""

from collections.abc import Callable, Sequence
from typing import Final

from msgspec.structs import replace

from obverse.authorization import rules, usage
from obverse.authorization.commands import Capture, CloseDispute, Expire, OpenDispute, Refund, Release
from obverse.authorization.draft import Draft
from obverse.authorization.errors import (
    AlreadyCaptured,
    AuthorizationExpired,
    CaptureTooLarge,
    LoadSpent,
    NotCapturable,
    NotDisputed,
    NothingToRelease,
    NotRefundable,
    RefundTooLarge,
    ReleaseTooLarge,
)
from obverse.authorization.model import (
    LOADS,
    ActionKind,
    Authorization,
    Decline,
    Leg,
    LegStatus,
    Purpose,
    Status,
)
from obverse.cards.model import CardState
from obverse.kit.errors import KeyReused

UNDOABLE: Final = frozenset({Status.PROCESSING, Status.APPROVED, Status.EXPIRED})
_BEING_UNDONE: Final = frozenset({LegStatus.REVERSING, LegStatus.REVERSED})
_CAPTURABLE: Final = frozenset({Status.APPROVED, Status.EXPIRED})
_GIVES_BACK: Final = frozenset({Status.APPROVED, Status.REVERSED})
"""A payment that was undone gives back what its merchant won in a dispute since."""
_HOLDS_MONEY: Final = frozenset({LegStatus.HELD, LegStatus.APPROVED})


class Actions(Draft):
    """Decides every step after an approval over its draft; `Batch` adds the approval itself."""

    # capture -------------------------------------------------------------------------------------------

    def _capture(self, command: Capture) -> Authorization:
        authorization = self._get(command.payment)
        wanted = command.amount_minor
        asked = rules.asked(wanted, final=command.final)
        if self._taken_before(authorization, command.key, ActionKind.CAPTURE, asked):
            return replace(authorization, repeated=True)
        if authorization.status not in _CAPTURABLE or wanted == 0 or not authorization.amount.amount_minor:
            raise NotCapturable
        if authorization.open_minor == 0:
            return self._capture_nothing_open(authorization, command, asked)
        amount_minor = authorization.open_minor if wanted is None else wanted
        if amount_minor > authorization.open_minor:
            raise CaptureTooLarge
        parts = rules.parts_from_first([leg.open_minor for leg in authorization.legs], amount_minor)
        for leg, part in zip(authorization.legs, parts, strict=True):
            if part:
                self._movements.post(authorization, leg, part)
        captured = self._captured(authorization, parts, command.key, asked=asked)
        if command.final and captured.open_minor:
            return self._release_parts(captured, _open(captured), f"rest of:{command.key}", news=None)
        return captured

    def _capture_nothing_open(
        self, authorization: Authorization, command: Capture, asked: str
    ) -> Authorization:
        """Time has released it, or it is captured: then asking for all there is asks for nothing more."""
        if authorization.expired_minor:
            if not command.late:
                raise AuthorizationExpired(authorization)
            return self._capture_late(authorization, command, asked)
        if command.amount_minor is None and authorization.captured_minor:
            return replace(authorization, repeated=True)
        raise AlreadyCaptured

    def _capture_late(self, authorization: Authorization, command: Capture, asked: str) -> Authorization:
        """Its hold is gone: the money is taken as it is there now, or not at all.

        Only on-us legs can be: the card companies of the others were told that nothing will come.
        """
        limits = [0 if rules.is_off_us(leg.kind) else leg.released_minor for leg in authorization.legs]
        most = min(sum(limits), authorization.expired_minor)
        amount_minor = most if command.amount_minor is None else command.amount_minor
        if not most:
            raise NotCapturable
        if amount_minor > most:
            raise CaptureTooLarge
        parts = rules.parts_from_first(limits, amount_minor)
        taken = [(leg, part) for leg, part in zip(authorization.legs, parts, strict=True) if part]
        for leg, part in taken:
            available = self.books.available_minor(leg.debit_account_id)
            if available is not None and available < part:
                raise NotCapturable
        for leg, part in taken:
            self._movements.take_late(authorization, leg, part)
        revived = _counted(
            replace(authorization, status=Status.APPROVED),
            parts,
            lambda leg, part: replace(leg, released_minor=leg.released_minor - part),
            released_minor=authorization.released_minor - amount_minor,
            expired_minor=authorization.expired_minor - amount_minor,
        )
        card = self._card_of(revived)
        if card is not None:
            usage.release(self._usage(card), -amount_minor)
        return self._captured(revived, parts, command.key, asked=asked)

    def _captured(
        self,
        authorization: Authorization,
        parts: Sequence[int],
        key: str,
        *,
        asked: str = "",
        news: str | None = "authorization.captured",
    ) -> Authorization:
        """Count a capture whose money has been moved."""
        first = authorization.captured_minor == 0
        legs = [
            replace(leg, captured_minor=leg.captured_minor + part)
            for leg, part in zip(authorization.legs, parts, strict=True)
        ]
        captured = replace(authorization, captured_minor=authorization.captured_minor + sum(parts), legs=legs)
        card = self._card_of(captured)
        if card is not None and first:
            usage.capture(self._usage(card), card.controls.spent_on)
        kind = ActionKind.LOAD if captured.purpose in LOADS else ActionKind.CAPTURE
        action = self._note(captured, kind, parts, key, tell=True, asked=asked)
        return self._update(captured, news=news, action=action)

    # release -------------------------------------------------------------------------------------------

    def _release(self, command: Release) -> Authorization:
        authorization = self._get(command.payment)
        wanted = command.amount_minor
        asked = rules.asked(wanted)
        if self._taken_before(authorization, command.key, ActionKind.RELEASE, asked):
            return replace(authorization, repeated=True)
        if authorization.status is Status.REVERSED and wanted is None:
            return replace(authorization, repeated=True)
        if authorization.status is not Status.APPROVED or not authorization.open_minor or wanted == 0:
            raise NothingToRelease
        amount_minor = authorization.open_minor if wanted is None else wanted
        if amount_minor > authorization.open_minor:
            raise ReleaseTooLarge
        parts = rules.parts_from_last([leg.open_minor for leg in authorization.legs], amount_minor)
        if amount_minor == authorization.open_minor and not authorization.captured_minor:
            self._note(authorization, ActionKind.RELEASE, parts, command.key, tell=False, asked=asked)
            return self._reverse(authorization)
        return self._release_parts(
            authorization, parts, command.key, asked=asked, news="authorization.released"
        )

    def _expire(self, command: Expire) -> Authorization:
        authorization = self._get(command.id)
        if authorization.status is not Status.APPROVED or not authorization.open_minor:
            return authorization
        expired = replace(
            authorization,
            status=authorization.status if authorization.captured_minor else Status.EXPIRED,
            expired_minor=authorization.open_minor,
        )
        key = f"expiry:{authorization.id}"
        return self._release_parts(expired, _open(expired), key, news="authorization.expired")

    def _release_parts(
        self,
        authorization: Authorization,
        parts: Sequence[int],
        key: str,
        *,
        asked: str = "",
        news: str | None,
    ) -> Authorization:
        for leg, part in zip(authorization.legs, parts, strict=True):
            if part:
                self._movements.void(authorization, leg, part)
        card = self._card_of(authorization)
        if card is not None:
            usage.release(self._usage(card), sum(parts))
        released = replace(
            authorization,
            released_minor=authorization.released_minor + sum(parts),
            legs=[
                self._release_leg(authorization, leg, part)
                for leg, part in zip(authorization.legs, parts, strict=True)
            ],
        )
        action = self._note(released, ActionKind.RELEASE, parts, key, tell=False, asked=asked)
        return self._update(released, news=news, action=action)

    def _release_leg(self, authorization: Authorization, leg: Leg, part: int) -> Leg:
        """A card company is only told of a leg that is given up whole: a clearing file releases the rest."""
        leg = replace(leg, released_minor=leg.released_minor + part)
        if leg.released_minor < leg.amount_minor or not rules.is_presented(leg.kind):
            return leg
        return replace(self._undo_leg(authorization.id, leg), status=LegStatus.REVERSING)

    # refund --------------------------------------------------------------------------------------------

    def _refund(self, command: Refund) -> Authorization:
        authorization = self._get(command.payment)
        wanted = command.amount_minor
        asked = rules.asked(wanted)
        if self._taken_before(authorization, command.key, ActionKind.REFUND, asked):
            return replace(authorization, repeated=True)
        amount_minor = _refundable(authorization) if wanted is None else wanted
        parts = _from_last(authorization, amount_minor)
        for leg, part in zip(authorization.legs, parts, strict=True):
            if part:
                self._movements.give_back(authorization, leg, part)
        refunded = _counted(
            authorization,
            parts,
            lambda leg, part: replace(leg, refunded_minor=leg.refunded_minor + part),
            refunded_minor=authorization.refunded_minor + amount_minor,
        )
        action = self._note(refunded, ActionKind.REFUND, parts, command.key, tell=True, asked=asked)
        return self._update(refunded, news="authorization.refunded", action=action)

    # disputes ------------------------------------------------------------------------------------------

    def _open_dispute(self, command: OpenDispute) -> Authorization:
        authorization = self._get(command.id)
        amount_minor = command.amount_minor
        asked = rules.asked(amount_minor)
        if self._taken_before(authorization, command.key, ActionKind.DISPUTE, asked):
            return replace(authorization, repeated=True)
        if authorization.disputed_minor:
            raise NotRefundable
        parts = _from_last(authorization, amount_minor)
        disputed = _counted(
            authorization,
            parts,
            lambda leg, part: self._dispute_leg(authorization, leg, part),
            disputed_minor=amount_minor,
        )
        action = self._note(disputed, ActionKind.DISPUTE, parts, command.key, tell=True, asked=asked)
        return self._update(disputed, news="authorization.disputed", action=action)

    def _dispute_leg(self, authorization: Authorization, leg: Leg, part: int) -> Leg:
        if not part:
            return leg
        hold_id = self._movements.credit_provisionally(
            authorization, leg, part, hold=not rules.is_presented(leg.kind)
        )
        return replace(leg, disputed_minor=part, dispute_hold_id=hold_id)

    def _close_dispute(self, command: CloseDispute) -> Authorization:
        authorization = self._get(command.id)
        kind = ActionKind.DISPUTE_LOST if command.merchant_pays else ActionKind.DISPUTE_WON
        asked = rules.asked(command.amount_minor)
        if self._taken_before(authorization, command.key, kind, asked):
            return replace(authorization, repeated=True)
        amount_minor = authorization.disputed_minor
        if not amount_minor or amount_minor != command.amount_minor:
            raise NotDisputed
        parts = [leg.disputed_minor for leg in authorization.legs]
        settle = self._movements.merchant_pays if command.merchant_pays else self._movements.member_pays
        for leg in authorization.legs:
            if leg.disputed_minor:
                settle(authorization, leg)
        paid_back = amount_minor if command.merchant_pays else 0
        closed = _counted(
            authorization,
            parts,
            lambda leg, part: replace(
                leg,
                refunded_minor=leg.refunded_minor + (part if command.merchant_pays else 0),
                disputed_minor=0,
                dispute_hold_id=None,
            ),
            refunded_minor=authorization.refunded_minor + paid_back,
            disputed_minor=0,
        )
        # Of a dispute that the merchant loses card companies were told when it was opened.
        action = self._note(closed, kind, parts, command.key, tell=not command.merchant_pays, asked=asked)
        return self._update(closed, news=f"authorization.{kind}", action=action)

    # undo ----------------------------------------------------------------------------------------------

    def _reverse(self, authorization: Authorization) -> Authorization:
        """Undo a payment in whole: what is held is released, what was captured is taken back."""
        if authorization.status not in UNDOABLE:
            return authorization
        self._check_load(authorization)
        self.asks.pop(authorization.id, None)
        told = self._card_companies_were_told(authorization)
        taken_back = [leg.refundable_minor for leg in authorization.legs]
        rest = authorization.amount.amount_minor - authorization.released_minor
        self._give_back(authorization, rest, was_approved=authorization.status is Status.APPROVED)
        undone = replace(
            authorization,
            status=Status.REVERSED,
            decline=Decline.REVERSED,
            deadline_at=None,
            expired_minor=0,
            released_minor=authorization.released_minor + authorization.open_minor,
            refunded_minor=authorization.refunded_minor + sum(taken_back),
            legs=[self._reverse_leg(authorization, leg, told=told) for leg in authorization.legs],
        )
        action = None
        if sum(taken_back):
            key = f"reversal:{authorization.id}"
            kind = ActionKind.LOAD_REVERSAL if undone.purpose in LOADS else ActionKind.REVERSAL
            action = self._note(undone, kind, taken_back, key, tell=told)
            if not told:
                self.withdrawn.add(authorization.id)
        return self._update(undone, news="authorization.reversed", action=action)

    def _check_load(self, authorization: Authorization) -> None:
        """Money that was paid in is taken back only while it is there (P4); a card that was sold is not good
        any more. Raises `LoadSpent`."""
        if authorization.purpose not in LOADS:
            return
        for leg in authorization.legs:
            if (self.books.available_minor(leg.credit_account_id) or 0) < leg.refundable_minor:
                raise LoadSpent
        card = self._card_of(authorization)
        if card is not None and authorization.purpose is Purpose.ACTIVATION:
            self._usage(card).state = CardState.INACTIVE

    def _unless_taken(self, authorization: Authorization, key: str | None) -> Authorization:
        """The payment, if its undoing comes without a key or with a new one. Raises `KeyReused`.

        Undoing needs no key of its own: it can be asked for twice and is done once.
        """
        if key in self._actions:
            raise KeyReused
        return authorization

    def _card_companies_were_told(self, authorization: Authorization) -> bool:
        """Whether a reversal message would come too late, so that a credit has to follow the debit.

        Parts that went back to the card company's cardholder in another way are told of there as well.
        """
        return (
            authorization.id in self._presented
            or authorization.refunded_minor + authorization.disputed_minor > 0
        )

    def _reverse_leg(self, authorization: Authorization, leg: Leg, *, told: bool) -> Leg:
        if leg.status in _HOLDS_MONEY and leg.open_minor:
            self._movements.void(authorization, leg, leg.open_minor)
        if leg.refundable_minor:
            self._movements.give_back(authorization, leg, leg.refundable_minor)
        counted = replace(
            leg,
            released_minor=leg.released_minor + leg.open_minor,
            refunded_minor=leg.refunded_minor + leg.refundable_minor,
        )
        if rules.is_undone_here(leg, told=told):
            return replace(counted, status=LegStatus.REVERSED)
        if leg.status in _BEING_UNDONE:
            return counted
        return replace(
            self._undo_leg(authorization.id, counted),
            status=LegStatus.UNKNOWN if leg.status is LegStatus.SENT else LegStatus.REVERSING,
        )

    def _give_back(self, authorization: Authorization, amount_minor: int, *, was_approved: bool) -> None:
        card = self._card_of(authorization)
        if card is not None and authorization.purpose is Purpose.PURCHASE:
            usage.give_back(
                self._usage(card), amount_minor, card.controls.spent_on, was_approved=was_approved
            )


def _open(authorization: Authorization) -> list[int]:
    return [leg.open_minor for leg in authorization.legs]


def _refundable(authorization: Authorization) -> int:
    left = authorization.refundable_minor
    is_load = authorization.purpose in LOADS
    if authorization.status not in _GIVES_BACK or not left or is_load:
        raise NotRefundable
    return left


def _from_last(authorization: Authorization, amount_minor: int) -> list[int]:
    """How an amount goes back to the legs it was taken from (P16)."""
    if not 0 < amount_minor <= _refundable(authorization):
        raise RefundTooLarge
    return rules.parts_from_last([leg.refundable_minor for leg in authorization.legs], amount_minor)


def _counted(
    authorization: Authorization, parts: Sequence[int], change: Callable[[Leg, int], Leg], **totals: int
) -> Authorization:
    legs = [change(leg, part) for leg, part in zip(authorization.legs, parts, strict=True)]
    return replace(authorization, legs=legs, **totals)
