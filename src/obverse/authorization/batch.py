"""One batch of commands, decided one after the other over the state loaded for all of them. Pure.

Deciding changes only the batch's `Draft` (`draft.py`), so the second of two requests for one card sees what
the first has left.
"""

from collections.abc import Mapping
from typing import Final

from msgspec.structs import replace

from obverse.authorization import proof, rules, usage
from obverse.authorization.actions import UNDOABLE
from obverse.authorization.commands import (
    AnswerAgain,
    Authorize,
    Capture,
    CloseDispute,
    Command,
    Conclude,
    Expire,
    LegReversed,
    OpenDispute,
    Refund,
    Release,
    Reverse,
    ReverseByKey,
)
from obverse.authorization.errors import BalancesNeeded
from obverse.authorization.known import KnownCard
from obverse.authorization.loads import authorize_load, load_leg
from obverse.authorization.model import (
    LOADS,
    Authorization,
    AuthorizationRequest,
    Decision,
    Decline,
    Entry,
    Leg,
    LegPlan,
    LegStatus,
    Purpose,
    Status,
)
from obverse.authorization.ports import LegAnswer, LegRequest, PointsRequest, Terminal
from obverse.authorization.recognition import Recognition
from obverse.cards.model import CardState
from obverse.kit.errors import ObverseError
from obverse.kit.money import Money
from obverse.merchants.model import Merchant
from obverse.points.model import MessageKind

_TO_BE_UNDONE: Final = frozenset({LegStatus.UNKNOWN, LegStatus.REVERSING})
_UNDONE_UNSEEN: Final = frozenset({LegStatus.UNKNOWN, LegStatus.REVERSED})
"""Off-us legs that were or will be reversed without anybody having seen their answer."""


class Batch(Recognition):
    """Decides commands in order over its draft, which then says what is to be saved."""

    def decide(self, command: Command) -> Authorization | ObverseError:
        """Carry out one command on the batch's copies; a refusal is returned and changes nothing."""
        try:
            match command:
                case Authorize():
                    return self._authorize(command)
                case Conclude():
                    return self._conclude(self._get(command.id), command.answers)
                case Reverse():
                    return self._reverse(self._unless_taken(self._get(command.id), command.key))
                case ReverseByKey():
                    return self._reverse_by_key(command)
                case Capture():
                    return self._capture(command)
                case Release():
                    return self._release(command)
                case Refund():
                    return self._refund(command)
                case OpenDispute():
                    return self._open_dispute(command)
                case CloseDispute():
                    return self._close_dispute(command)
                case Expire():
                    return self._expire(command)
                case AnswerAgain():
                    return self._answer_again(self._get(command.id))
                case LegReversed():
                    return self._leg_reversed(self._get(command.id), command)
        except ObverseError as refused:
            return refused

    def preview(self, command: Authorize) -> Decision:
        """What `decide` would say of this payment, with nothing noted and nothing moved (PF-9)."""
        return self._decision(command, self._known_card(command))

    # authorize -----------------------------------------------------------------------------------------

    def _authorize(self, command: Authorize) -> Authorization:
        request = command.request
        earlier = self._by_key.get(request.request_key)
        if earlier is not None:
            return self._authorize_again(command, self._by_id[earlier])
        known = self._known_card(command)
        decision = self._decision(command, known)
        if decision.to_ask:
            raise BalancesNeeded([self._loaded.holdings[id_] for id_ in sorted(decision.to_ask)])
        if known is not None and (command.code_hash is None or self._is_good(command.code_hash)):
            proof.count_pin(known.usage, known.pin)
        if known is not None and decision.decline is None and request.purpose in LOADS:
            decision = self._with_lot(request, known)
        if command.code_hash is not None:
            self._use_code(command, command.code_hash, known, decision)
        return self._open(command, known, decision)

    def _decision(self, command: Authorize, known: KnownCard | None) -> Decision:
        request = command.request
        if request.purpose in LOADS:
            return authorize_load(request, known, self.books, now=self.now)
        decision = rules.authorize(
            request, known, self.books, now=self.now, code=self._code_check(command, known)
        )
        if decision.decline is Decline.UNKNOWN_CARD and not command.is_ours:
            return replace(decision, decline=Decline.NOT_REGISTERED)
        return decision

    def _with_lot(self, request: AuthorizationRequest, known: KnownCard) -> Decision:
        """An approved load with its one leg, and the lot for it."""
        leg, lot = load_leg(request, known, months_on=self.makers.months_on, now=self.now)
        self._open_lot(lot)
        if request.purpose is Purpose.ACTIVATION:
            known.usage.state = CardState.ACTIVE
        return Decision(rules.NO_FAILURE, None, [leg])

    def _approval_code(self, request: AuthorizationRequest) -> str:
        """A fresh one, or theirs who have decided for us: the merchant knows no other."""
        return request.approval_code or self.makers.approval_code()

    def _open(self, command: Authorize, known: KnownCard | None, decision: Decision) -> Authorization:
        """Store the decision, and move what it says."""
        request = command.request
        approved = decision.decline is None
        amount = rules.approved_amount(request, decision)
        waits = approved and any(rules.is_off_us(plan.kind) for plan in decision.legs)
        if known is not None and approved and request.purpose is Purpose.PURCHASE:
            usage.spend(known.usage, amount.amount_minor, known.card.controls.spent_on)
        legs = [
            self._open_leg(command, position, plan, waits=waits)
            for position, plan in enumerate(decision.legs)
        ]
        authorization = Authorization(
            partition_id=self.partition_id,
            id=command.id,
            request_key=request.request_key,
            fingerprint=command.fingerprint,
            status=Status.PROCESSING if waits else Status.APPROVED if approved else Status.DECLINED,
            decline=decision.decline,
            failed_rules=decision.failed_rules,
            approval_code=self._approval_code(request) if approved and not waits else None,
            card_id=known.card.id if known is not None else None,
            merchant_id=request.merchant.id if request.merchant is not None else None,
            terminal=request.terminal,
            entry=request.entry,
            category=request.merchant.category if request.merchant is not None else None,
            amount=amount,
            captured_minor=0,
            captured_at_once=request.capture,
            deadline_at=self.now + self.makers.off_us_patience if waits else None,
            created_at=self.now,
            legs=legs,
            purpose=request.purpose,
            requested_minor=request.amount.amount_minor if amount != request.amount else None,
            balance_minor=rules.balance_minor(known, self.books) if approved and known is not None else None,
            reported=request.reported,
        )
        self._add(authorization)
        if waits:
            self._note_asks(command, authorization)
        else:
            self.news.append((f"authorization.{authorization.status}", authorization, None))
        return self._capture_at_once(authorization)

    def _capture_at_once(self, authorization: Authorization) -> Authorization:
        """Count what was taken with the approval, where the request asked for it."""
        wanted = authorization.captured_at_once and authorization.status is Status.APPROVED
        if not wanted or not authorization.amount.amount_minor:
            return authorization
        parts = [leg.amount_minor for leg in authorization.legs]
        return self._captured(authorization, parts, f"at once:{authorization.id}", news=None)

    def _authorize_again(self, command: Authorize, earlier: Authorization) -> Authorization:
        """The first answer once more. A command that finds its own work had lost the answer to its commit,
        not the commit, so its card companies have not been asked yet."""
        if earlier.id == command.id and earlier.status is Status.PROCESSING:
            self._note_asks(command, earlier)
        return _repeated(earlier, command)

    def _note_asks(self, command: Authorize, opened: Authorization) -> None:
        self.asks[opened.id] = [
            (leg.position, self._ask(command, leg)) for leg in opened.legs if leg.status is LegStatus.SENT
        ]

    def _open_leg(self, command: Authorize, position: int, plan: LegPlan, *, waits: bool) -> Leg:
        off_us = rules.is_off_us(plan.kind)
        transfer_id = None
        if not off_us:
            transfer_id = self._movements.take(
                command.id,
                command.request.amount.currency,
                plan,
                at_once=command.request.capture and not waits,
            )
        return Leg(
            position=position,
            source_id=plan.source_id,
            kind=plan.kind,
            amount_minor=plan.amount_minor,
            status=LegStatus.SENT if off_us else LegStatus.HELD if waits else LegStatus.APPROVED,
            debit_account_id=plan.debit_account_id,
            credit_account_id=plan.credit_account_id,
            transfer_id=transfer_id,
            network_ref=self._network_ref(command, position, plan) if off_us else None,
            units=plan.units,
            rate=plan.rate,
        )

    def _network_ref(self, command: Authorize, position: int, plan: LegPlan) -> str:
        """By what the far end knows the leg; a card company wants one of its own form."""
        return self.makers.new_network_ref() if plan.units is None else f"{command.id.hex}-{position}"

    def _ask(self, command: Authorize, leg: Leg) -> LegRequest | PointsRequest:
        merchant = command.request.merchant
        assert merchant is not None, "a payment without a merchant is declined"
        assert leg.network_ref is not None, "a leg is named before it is sent"
        if leg.units is not None:
            return self._ask_for_points(command.request, merchant, leg, leg.network_ref, leg.units)
        vault_card_id = self._sources[leg.source_id].vault_card_id
        assert vault_card_id is not None, "an off-us source stands for a real card"
        return LegRequest(
            network_ref=leg.network_ref,
            vault_card_id=vault_card_id,
            amount=Money(leg.amount_minor, command.request.amount.currency),
            merchant_name=merchant.name,
            merchant_category=merchant.category,
        )

    def _ask_for_points(
        self, request: AuthorizationRequest, merchant: Merchant, leg: Leg, network_ref: str, units: int
    ) -> PointsRequest:
        holding = self._loaded.holdings[leg.source_id]
        terminal = None
        if request.terminal is not None:
            terminal = Terminal(merchant.acquirer_id, merchant.merchant_no, request.terminal, request.rrn)
        return PointsRequest(
            network_ref=network_ref,
            source_id=leg.source_id,
            issuer_id=holding.issuer_id,
            handle=holding.handle,
            units=units,
            amount=Money(leg.amount_minor, request.amount.currency),
            merchant_name=merchant.name,
            terminal=terminal,
        )

    # conclude ------------------------------------------------------------------------------------------

    def _conclude(self, authorization: Authorization, answers: Mapping[int, LegAnswer]) -> Authorization:
        if authorization.status is not Status.PROCESSING:
            return self._conclude_late(authorization, answers)
        decline = rules.conclude(authorization.legs, answers)
        legs = [
            self._conclude_leg(authorization, leg, answers.get(leg.position, rules.NEVER_ANSWERED), decline)
            for leg in authorization.legs
        ]
        amount_minor = authorization.amount.amount_minor
        if decline is not None:
            self._give_back(authorization, amount_minor, was_approved=False)
        concluded = replace(
            authorization,
            status=Status.APPROVED if decline is None else Status.DECLINED,
            decline=decline,
            approval_code=self.makers.approval_code() if decline is None else None,
            deadline_at=None,
            legs=legs,
        )
        self._update(concluded, news=f"authorization.{concluded.status}")
        return self._capture_at_once(concluded)

    def _conclude_late(self, closed: Authorization, answers: Mapping[int, LegAnswer]) -> Authorization:
        """Recovery or a reversal was here first, and what may have happened is being undone.

        The request may have gone out only after its reversal, though, and the card company have acknowledged
        that there was nothing to undo. So a reversal that was sent before this answer does not count.
        """
        again = [
            leg
            for leg in closed.legs
            if leg.status in _UNDONE_UNSEEN and rules.may_have_happened(answers.get(leg.position))
        ]
        if not again:
            return closed
        for leg in again:
            if leg.status is LegStatus.REVERSED:  # one that is not acknowledged yet has its job still
                self._undo_leg(closed.id, leg)
        legs = [replace(leg, status=LegStatus.REVERSING) if leg in again else leg for leg in closed.legs]
        return self._update(replace(closed, legs=legs), news=None)

    def _conclude_leg(
        self, authorization: Authorization, leg: Leg, answer: LegAnswer, decline: Decline | None
    ) -> Leg:
        approved = decline is None
        if leg.status is LegStatus.HELD:
            if not approved:
                self._movements.void(authorization, leg, leg.amount_minor)
            elif authorization.captured_at_once:
                self._movements.post(authorization, leg, leg.amount_minor)
            return replace(leg, status=LegStatus.APPROVED if approved else LegStatus.REVERSED)
        transfer_id = None
        if approved:
            transfer_id = self._movements.take(
                authorization.id,
                authorization.amount.currency,
                leg,
                at_once=authorization.captured_at_once,
            )
            if answer.to_confirm:
                self._tell_issuer(authorization.id, leg, MessageKind.CONFIRM)
        status = rules.leg_after(leg, answer, approved=approved)
        if status in (LegStatus.REVERSING, LegStatus.UNKNOWN):
            leg = self._undo_leg(authorization.id, leg)
        return replace(
            leg,
            status=status,
            transfer_id=transfer_id,
            response_code=answer.response_code,
            network_approval=answer.approval_code,
        )

    # reverse -------------------------------------------------------------------------------------------

    def _reverse_by_key(self, command: ReverseByKey) -> Authorization:
        earlier = self._by_key.get(command.request_key)
        if earlier is not None:
            found = self._by_id[earlier]
            if found.status not in UNDOABLE or rules.was_answered(found, command.in_doubt_since):
                return found
            return self._reverse(self._with_number(found, command.shown))
        mark = Authorization(
            partition_id=self.partition_id,
            id=command.id,
            request_key=command.request_key,
            fingerprint=b"",
            status=Status.REVERSED,
            decline=Decline.REVERSED,
            failed_rules=rules.NO_FAILURE,
            approval_code=None,
            card_id=None,
            merchant_id=command.merchant_id,
            terminal=command.terminal,
            entry=Entry.TYPED,
            category=None,
            amount=command.amount,
            captured_minor=0,
            captured_at_once=False,
            deadline_at=None,
            created_at=self.now,
        )
        return self._add(mark)

    def _answer_again(self, authorization: Authorization) -> Authorization:
        if authorization.status is not Status.APPROVED or authorization.answered_again:
            return authorization
        return self._update(replace(authorization, answered_again=True), news=None)

    def _leg_reversed(self, authorization: Authorization, command: LegReversed) -> Authorization:
        legs = [
            replace(leg, status=LegStatus.REVERSED)
            if leg.position == command.position and _is_as_seen(leg, command.seen)
            else leg
            for leg in authorization.legs
        ]
        return self._update(replace(authorization, legs=legs), news=None)


def _is_as_seen(leg: Leg, seen: LegStatus | None) -> bool:
    return leg.status is seen if seen is not None else leg.status in _TO_BE_UNDONE


def _repeated(earlier: Authorization, command: Authorize) -> Authorization:
    """The first answer to this request key, unless another payment hides behind the same key."""
    if earlier.fingerprint in (command.fingerprint, b""):
        return earlier
    return replace(earlier, status=Status.DECLINED, decline=Decline.KEY_REUSED, approval_code=None, legs=())
