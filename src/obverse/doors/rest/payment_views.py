"""An authorization as each party may see it (PF-11, OT-8)."""

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Final

from obverse.authorization.model import (
    Authorization,
    Decision,
    Entry,
    Leg,
    LegPlan,
    LegStatus,
    Purpose,
    Status,
)
from obverse.doors.rest.declines import FOR_MEMBERS, FOR_MERCHANTS, DeclineView, RuleView, explain
from obverse.doors.rest.shapes import View, id_text
from obverse.kit.ids import MerchantId, to_text
from obverse.kit.money import Money
from obverse.merchants import Merchant

_CARD: Final = "card"


class MerchantRef(View, frozen=True):
    id: str
    name: str
    category: str


class LegView(View, frozen=True):
    """One source's share. Points of an issuer have `units` at `rate`, which is units per minor unit of money,
    how many of them went back, and the issuer's own approval.

    A merchant is shown no `source`, and of what is no issuer's points only that a `card` pays it.
    """

    source: str | None
    kind: str
    amount: int
    status: LegStatus
    units: int | None = None
    rate: str | None = None
    units_back: int | None = None
    approval_code: str | None = None


class AuthorizationView(View, frozen=True):
    """One payment. `rules` are for those who may see the reverse of the card, else null, and so are `legs`,
    unless points of issuers have a part in it: a merchant's receipt shows those, and the rest (PR-8).
    """

    id: str
    object: str
    status: Status
    amount: int
    captured: int
    released: int
    refunded: int
    disputed: int
    currency: str
    approval_code: str | None
    decline: DeclineView | None
    card: str | None
    merchant: MerchantRef | None
    terminal: str | None
    entry: Entry | None
    legs: Sequence[LegView] | None
    rules: Sequence[RuleView] | None
    created: datetime
    purpose: Purpose = Purpose.PURCHASE
    requested: int | None = None
    """What was asked for, where less was approved."""
    balance: int | None = None
    """What the card had left, for those who may know."""


class LegPlanView(View, frozen=True):
    """What one source would pay, shown as a leg is."""

    source: str | None
    kind: str
    amount: int
    units: int | None = None
    rate: str | None = None


class DecisionView(View, frozen=True):
    """What would be decided. Nothing was moved, and the card is as it was (PF-9)."""

    object: str
    status: Status
    amount: int
    currency: str
    decline: DeclineView | None
    legs: Sequence[LegPlanView] | None
    rules: Sequence[RuleView] | None


def authorization_view(
    authorization: Authorization, merchant: Merchant | None, *, reasons: bool
) -> AuthorizationView:
    """`reasons` shows rule, split and card; without it every declined guess looks like every other."""
    decline = authorization.decline
    told = FOR_MEMBERS if reasons else FOR_MERCHANTS
    names_card = reasons or decline is None
    return AuthorizationView(
        id=to_text("auth", authorization.id),
        object="authorization",
        status=authorization.status,
        amount=authorization.amount.amount_minor,
        captured=authorization.captured_minor,
        released=authorization.released_minor,
        refunded=authorization.refunded_minor,
        disputed=authorization.disputed_minor,
        currency=authorization.amount.currency,
        approval_code=authorization.approval_code,
        decline=told[decline] if decline is not None else None,
        card=id_text("card", authorization.card_id) if names_card else None,
        merchant=_merchant_ref(merchant.id, merchant.name, merchant.category) if merchant else None,
        terminal=authorization.terminal,
        entry=authorization.entry,
        legs=_legs(authorization, reasons=reasons),
        rules=explain(authorization.failed_rules) if reasons else None,
        created=authorization.created_at,
        purpose=authorization.purpose,
        requested=authorization.requested_minor,
        balance=authorization.balance_minor if reasons or _tells_balance(authorization) else None,
    )


def _tells_balance(authorization: Authorization) -> bool:
    """Whether a merchant is told what is left: not of a purchase that was approved in whole."""
    return authorization.purpose is not Purpose.PURCHASE or authorization.requested_minor is not None


def without_place(authorization: Authorization) -> AuthorizationView:
    """What the giver of a handed-over card sees: that it was spent and how much, not where (OT-8).

    Nor that the recipient disputes it: what was credited for that counts as given back, as on the bill.
    """
    shown = authorization_view(authorization, None, reasons=False)
    return AuthorizationView(
        id=shown.id,
        object=shown.object,
        status=shown.status,
        amount=shown.amount,
        captured=shown.captured,
        released=shown.released,
        refunded=shown.refunded + shown.disputed,
        disputed=0,
        currency=shown.currency,
        approval_code=None,
        decline=shown.decline,
        card=id_text("card", authorization.card_id),
        merchant=None,
        terminal=None,
        entry=None,
        legs=None,
        rules=None,
        created=shown.created,
    )


def _legs(authorization: Authorization, *, reasons: bool) -> list[LegView] | None:
    legs = authorization.legs
    if not (reasons or _mixes_points(legs)):
        return None
    return [
        LegView(
            source=to_text("src", leg.source_id) if reasons else None,
            kind=_kind(leg, reasons=reasons),
            amount=leg.amount_minor,
            status=leg.status,
            units=leg.units,
            rate=str(leg.rate) if leg.rate is not None else None,
            units_back=leg.units_back if leg.units is not None else None,
            approval_code=leg.network_approval if leg.units is not None else None,
        )
        for leg in legs
    ]


def _mixes_points(legs: Sequence[Leg | LegPlan]) -> bool:
    return any(leg.units is not None for leg in legs)


def _kind(leg: Leg | LegPlan, *, reasons: bool) -> str:
    return leg.kind if reasons or leg.units is not None else _CARD


def decision_view(decision: Decision, amount: Money, *, reasons: bool) -> DecisionView:
    told = FOR_MEMBERS if reasons else FOR_MERCHANTS
    decline = decision.decline
    return DecisionView(
        object="decision",
        status=Status.APPROVED if decline is None else Status.DECLINED,
        amount=amount.amount_minor,
        currency=amount.currency,
        decline=told[decline] if decline is not None else None,
        legs=_plan(decision, reasons=reasons),
        rules=explain(decision.failed_rules) if reasons else None,
    )


def _plan(decision: Decision, *, reasons: bool) -> list[LegPlanView] | None:
    if not (reasons or _mixes_points(decision.legs)):
        return None
    return [
        LegPlanView(
            source=to_text("src", leg.source_id) if reasons else None,
            kind=_kind(leg, reasons=reasons),
            amount=leg.amount_minor,
            units=leg.units,
            rate=str(leg.rate) if leg.rate is not None else None,
        )
        for leg in decision.legs
    ]


@lru_cache(4096)
def _merchant_ref(id_: MerchantId, name: str, category: str) -> MerchantRef:
    return MerchantRef(to_text("mer", id_), name, category)
