"""An agent's counter over REST: cards that are sold, and cash that is taken for cards in use (PP-4, WA-6).

Both are payments the other way round: they are looked up, repeated and cancelled like one.
"""

from typing import Final

from litestar import post
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody

from obverse.access.model import Scope
from obverse.authorization.model import AuthorizationRequest, Entry, Purpose
from obverse.doors.rest.answer import Answer, Repeatable
from obverse.doors.rest.auth import Allow, caller_of
from obverse.doors.rest.payment_views import AuthorizationView
from obverse.doors.rest.payments import answer_to, merchant_of
from obverse.doors.rest.services import HttpRequest, services
from obverse.doors.rest.shapes import Body, CardNumber, Currency, Id, PositiveAmount, Text, money
from obverse.kit.secret import Secret

_AGENTS: Final = Allow(Scope.PAYMENTS, merchant_keys=True)


class NewLoad(Body, frozen=True):
    """What an agent has taken for a card. `merchant` is implied by a merchant's key, else required."""

    card_number: CardNumber
    amount: PositiveAmount
    currency: Currency
    merchant: Id | None = None
    terminal: Text | None = None
    entry: Entry = Entry.BARCODE


@post("/v1/card_activations", before_request=_AGENTS, operation_class=Repeatable, tags=["agents"])
async def activate_card(request: HttpRequest, data: JSONBody[NewLoad]) -> Answer[AuthorizationView]:
    """Sell a card of the agent's for what is printed on it: it is good from now on, and the agent owes us
    the money. A decline is an answer: 201 with `status: declined`."""
    return await _load(request, data, Purpose.ACTIVATION)


@post("/v1/loads", before_request=_AGENTS, operation_class=Repeatable, tags=["agents"])
async def load_card(request: HttpRequest, data: JSONBody[NewLoad]) -> Answer[AuthorizationView]:
    """Pay cash that the agent has taken into a card that is in use. A decline is an answer, as above."""
    return await _load(request, data, Purpose.LOAD)


async def _load(request: HttpRequest, data: NewLoad, purpose: Purpose) -> Answer[AuthorizationView]:
    caller, joined = caller_of(request), services(request)
    merchant = await merchant_of(joined, caller, data.merchant)
    wanted = AuthorizationRequest(
        request_key=caller.command_key(request),
        number=Secret(data.card_number),
        expiry=None,
        cvv=None,
        amount=money(data.amount, data.currency),
        merchant=merchant,
        terminal=data.terminal,
        entry=data.entry,
        capture=True,
        purpose=purpose,
    )
    return answer_to(await joined.engine.authorize(wanted), merchant, caller)


ROUTES: Final[list[HTTPRouteHandler]] = [activate_card, load_card]
