"""Challenges for the passkey of whoever shows a payment code (PC-5, PC-6)."""

from typing import Final

from litestar import post
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody

from obverse.access.model import Scope
from obverse.doors.rest.auth import Allow, caller_of
from obverse.doors.rest.payment_means import CodeText, approved_by_passkey, code_digits
from obverse.doors.rest.payments import merchant_of
from obverse.doors.rest.services import HttpRequest, services
from obverse.doors.rest.sessions import PasskeyOptionsView
from obverse.doors.rest.shapes import Body, Currency, Id, PositiveAmount, money

_PAYERS: Final = Allow(Scope.PAYMENTS, merchant_keys=True)


class NewCodeChallenge(Body, frozen=True):
    """The payment that the holder of a code shall stand by. `merchant` as with a payment."""

    code: CodeText
    amount: PositiveAmount
    currency: Currency
    merchant: Id | None = None


@post("/v1/code_challenges", before_request=_PAYERS, status_code=200, tags=["payments"])
async def create_code_challenge(request: HttpRequest, data: JSONBody[NewCodeChallenge]) -> PasskeyOptionsView:
    """Options for the passkey of whoever shows this code, good for five minutes, this payment, and once.

    They look the same whether or not there is such a code. What the passkey answers goes into `passkey` of
    `POST /v1/payments`.
    """
    joined = services(request)
    merchant = await merchant_of(joined, caller_of(request), data.merchant)
    about = approved_by_passkey(merchant, code_digits(data.code), money(data.amount, data.currency))
    return PasskeyOptionsView("code_challenge", joined.members.passkeys.approval_options(about))


ROUTES: Final[list[HTTPRouteHandler]] = [create_code_challenge]
