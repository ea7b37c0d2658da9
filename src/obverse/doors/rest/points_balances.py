"""What the points behind a card are worth, for a mall's page (PR-4)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from litestar import post
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody

from obverse.access.model import Scope
from obverse.authorization.model import Authorization, AuthorizationRequest, Entry, Purpose, Status
from obverse.doors.rest.auth import Allow, Caller, caller_of
from obverse.doors.rest.declines import FOR_MEMBERS, FOR_MERCHANTS, DeclineView
from obverse.doors.rest.payment_means import CodeText, number_shown
from obverse.doors.rest.payments import check_outcome, merchant_of
from obverse.doors.rest.services import HttpRequest, services
from obverse.doors.rest.shapes import (
    Body,
    CardNumber,
    Currency,
    Cvv,
    ExpMonth,
    ExpYear,
    Id,
    Pin,
    PositiveAmount,
    Text,
    View,
    money,
)
from obverse.kit.secret import Secret
from obverse.points.ports import Trouble
from obverse.points.quotes import Shown, ShownLine
from obverse.points.rules import most_minor

_ASKERS: Final = Allow(Scope.PAYMENTS, merchant_keys=True)
_NOTHING: Final = Shown(())


class NewPointsInquiry(Body, frozen=True):
    """A question about a card's points. The card, or the code that stands for it, is shown as for a payment.

    With `amount`, each row tells how much of it those points could pay.
    """

    currency: Currency
    card_number: CardNumber | None = None
    code: CodeText | None = None
    exp_month: ExpMonth | None = None
    exp_year: ExpYear | None = None
    cvv: Cvv | None = None
    pin: Pin | None = None
    amount: PositiveAmount | None = None
    merchant: Id | None = None
    terminal: Text | None = None
    entry: Entry = Entry.ONLINE


class PointsRowView(View, frozen=True):
    """One points account; payments pick it by `number`. Where its issuer gave no answer, `trouble` says why.

    `rate` is units per minor unit of money; `worth` is what its units would pay here, `covers` how much of
    the amount that was asked about.
    """

    number: int
    issuer: str
    unit: str
    units: int | None
    worth: int | None
    covers: int | None
    rate: str | None
    minimum_units: int | None
    step_units: int | None
    trouble: Trouble | None


class PointsBalancesView(View, frozen=True):
    """Rows hold until `expires` for a payment that names `quote`. A decline shows no rows."""

    object: str
    status: Status
    currency: str
    decline: DeclineView | None
    quote: str | None
    expires: datetime | None
    data: Sequence[PointsRowView]


@post("/v1/points_balances", before_request=_ASKERS, tags=["payments"])
async def ask_points(request: HttpRequest, data: JSONBody[NewPointsInquiry]) -> PointsBalancesView:
    """Ask what points a card has and what they are worth here; nothing is moved, and a code is not used up.

    All issuers are asked at once; one that is slow or down costs its own row only. A decline is an answer,
    as with a payment: wrong PINs and guesses count here too.
    """
    caller, joined = caller_of(request), services(request)
    merchant = await merchant_of(joined, caller, data.merchant)
    number, expiry, entry = number_shown(data)
    answered = await joined.engine.authorize(
        AuthorizationRequest(
            request_key=caller.command_key(request),
            number=number,
            expiry=expiry,
            cvv=Secret(data.cvv) if data.cvv is not None else None,
            amount=money(0, data.currency),
            merchant=merchant,
            terminal=data.terminal,
            entry=entry,
            pin=Secret(data.pin) if data.pin is not None else None,
            purpose=Purpose.INQUIRY,
        )
    )
    check_outcome(answered)
    if answered.status is not Status.APPROVED or answered.card_id is None:
        return _view(answered, _NOTHING, caller, None)
    card = await joined.cards.get(answered.card_id)
    return _view(answered, await joined.relay.quotes.quote(card, merchant), caller, data.amount)


def _view(answered: Authorization, shown: Shown, caller: Caller, amount: int | None) -> PointsBalancesView:
    told = FOR_MEMBERS if caller.sees_reasons else FOR_MERCHANTS
    return PointsBalancesView(
        object="points_balances",
        status=answered.status,
        currency=answered.amount.currency,
        decline=told[answered.decline] if answered.decline is not None else None,
        quote=shown.reference,
        expires=shown.expires_at,
        data=[_row(line, amount) for line in shown.lines],
    )


def _row(line: ShownLine, amount: int | None) -> PointsRowView:
    rate = line.rate
    return PointsRowView(
        number=line.number,
        issuer=line.issuer,
        unit=line.unit,
        units=line.units,
        worth=line.worth_minor,
        covers=_covers(line, amount),
        rate=str(rate) if rate is not None else None,
        minimum_units=rate.minimum_units if rate is not None else None,
        step_units=rate.step_units if rate is not None else None,
        trouble=line.trouble,
    )


def _covers(line: ShownLine, amount: int | None) -> int | None:
    if amount is None or line.rate is None or line.units is None:
        return None
    payable = line.units if line.units_max is None else min(line.units, line.units_max)
    return most_minor(line.rate, payable, amount)


ROUTES: Final[list[HTTPRouteHandler]] = [ask_points]
