"""What a card still holds, for a merchant who has it in hand."""

from datetime import datetime
from typing import Final

from litestar import post
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody

from obverse.access.model import Scope
from obverse.authorization.model import Authorization, AuthorizationRequest, Entry, Purpose, Status
from obverse.doors.rest.answer import Answer, Repeatable
from obverse.doors.rest.auth import Allow, Caller, caller_of
from obverse.doors.rest.declines import FOR_MEMBERS, FOR_MERCHANTS, DeclineView
from obverse.doors.rest.payment_means import expiry_of
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
    Text,
    View,
    money,
)
from obverse.kit.ids import to_text
from obverse.kit.secret import Secret

_ASKERS: Final = Allow(Scope.PAYMENTS, merchant_keys=True)


class NewBalanceInquiry(Body, frozen=True):
    """A question about a card. Whoever only types its number has to know its PIN, or expiry and CVV."""

    card_number: CardNumber
    currency: Currency
    pin: Pin | None = None
    exp_month: ExpMonth | None = None
    exp_year: ExpYear | None = None
    cvv: Cvv | None = None
    merchant: Id | None = None
    terminal: Text | None = None
    entry: Entry = Entry.ONLINE


class BalanceView(View, frozen=True):
    """`balance` is what may be spent, in minor units; null where it is not told or nothing is ever stored."""

    id: str
    object: str
    status: Status
    balance: int | None
    currency: str
    decline: DeclineView | None
    created: datetime


@post("/v1/balance_inquiries", before_request=_ASKERS, operation_class=Repeatable, tags=["payments"])
async def ask_balance(request: HttpRequest, data: JSONBody[NewBalanceInquiry]) -> Answer[BalanceView]:
    """Ask what a card still holds; nothing is moved. A decline is an answer: wrong PINs count here too."""
    caller, joined = caller_of(request), services(request)
    wanted = AuthorizationRequest(
        request_key=caller.command_key(request),
        number=Secret(data.card_number),
        expiry=expiry_of(data),
        cvv=Secret(data.cvv) if data.cvv is not None else None,
        amount=money(0, data.currency),
        merchant=await merchant_of(joined, caller, data.merchant),
        terminal=data.terminal,
        entry=data.entry,
        pin=Secret(data.pin) if data.pin is not None else None,
        purpose=Purpose.INQUIRY,
    )
    answered = await joined.engine.authorize(wanted)
    check_outcome(answered)
    return Answer(_view(answered, caller), repeated=answered.repeated)


def _view(answered: Authorization, caller: Caller) -> BalanceView:
    told = FOR_MEMBERS if caller.sees_reasons else FOR_MERCHANTS
    return BalanceView(
        id=to_text("auth", answered.id),
        object="balance_inquiry",
        status=answered.status,
        balance=answered.balance_minor,
        currency=answered.amount.currency,
        decline=told[answered.decline] if answered.decline is not None else None,
        created=answered.created_at,
    )


ROUTES: Final[list[HTTPRouteHandler]] = [ask_balance]
