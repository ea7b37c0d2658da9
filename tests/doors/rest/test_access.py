"""Promise P12 over REST: nobody sees or touches what is another's, on any route there is.

The table below has a row for every route of the app. A route without a row fails the first test, so nobody
adds one without saying what strangers get.
"""

from dataclasses import dataclass
from typing import Any, Final

import httpx
import pytest
import pytest_asyncio
from litestar.routes import HTTPRoute
from tests.factories.authenticator import Authenticator
from tests.factories.claims import a_file, a_line
from tests.factories.codes import a_key, jwk_of
from tests.factories.members import PASSWORD
from tests.factories.plastic import a_plastic_wish
from tests.factories.rest import Member, RestHouse
from tests.factories.stored_value import a_prepaid_card

from obverse.access import Scope
from obverse.doors.rest.auth import Allow, Applicant, Buyer, Everyone, Holder, WalletProgram
from obverse.kit.ids import MemberId, from_text, to_text

pytestmark = pytest.mark.asyncio(loop_scope="module")
PUBLIC: Final = "public"
"""Needs no token."""
EMPTY: Final = "empty list"
"""Answered, with nothing of the victim's in it."""
OWN: Final = "own"
"""Answered, about the caller's own things only."""
EVERY_MEMBERS: Final = "every member's"
"""Answered, about what every member may know."""
AMOUNT: Final = {"amount": 100, "currency": "KRW"}
ACCOUNT: Final = {"bank_code": "004", "number": "110222333444", "holder": "Stranger"}
CHARGE: Final = {"amount": 10_000, "means": "bank_transfer"}
BY_NUMBER: Final = {"card_number": "9410120000000000", "pin": "0000"}
CART: Final = {
    "reference": "customer 7",
    "items": [{"name": "Tea", "quantity": 1, "unit_amount": 100}],
    "total": 100,
    "currency": "KRW",
}
COMPLAINT: Final = {"payment": "{auth}", "reason": "not_received", "statement": "It never came."}
PUBLIC_KEY: Final = jwk_of(a_key())
MISSING: Final = "mem_01h455vb4pex5vsknk084sn02q"


@dataclass(frozen=True)
class Row:
    """What another merchant's key and another member's session get; ids in `{}` are the victim's."""

    merchant: int | str
    member: int | str
    body: dict[str, Any] | None = None
    anonymous: int | str = 401


ROWS: Final[dict[tuple[str, str], Row]] = {
    ("POST", "/v1/payments"): Row(
        404, 403, {**AMOUNT, "card_number": "9410120000000000", "merchant": "{mer}"}
    ),
    ("POST", "/v1/payments/dry_run"): Row(
        404, 404, {**AMOUNT, "card": "{card}", "card_number": "{number}", "merchant": "{mer}"}
    ),
    ("POST", "/v1/balance_inquiries"): Row(
        404, 403, {"currency": "KRW", "card_number": "9410120000000000", "pin": "0000", "merchant": "{mer}"}
    ),
    ("POST", "/v1/points_balances"): Row(
        404, 403, {"currency": "KRW", "card_number": "9410120000000000", "pin": "0000", "merchant": "{mer}"}
    ),
    ("POST", "/v1/code_challenges"): Row(
        404, 403, {**AMOUNT, "code": "9410120000000000000", "merchant": "{mer}"}
    ),
    ("POST", "/v1/card_activations"): Row(
        404, 403, {**AMOUNT, "card_number": "9410120000000000", "merchant": "{mer}"}
    ),
    ("POST", "/v1/loads"): Row(404, 403, {**AMOUNT, "card_number": "9410120000000000", "merchant": "{mer}"}),
    ("POST", "/v1/checkouts"): Row(403, 404, {**CART, "merchant": "{mer}", "card": "{card}"}),
    ("GET", "/v1/checkouts/current"): Row(401, 401),
    ("POST", "/v1/checkouts/current/withdraw"): Row(401, 401),
    ("POST", "/v1/checkouts/matched_payments"): Row(404, 403, CART),
    ("GET", "/v1/payments"): Row(EMPTY, 404),
    ("GET", "/v1/authorizations"): Row(EMPTY, 404),
    ("GET", "/v1/payments/{auth}"): Row(404, 404),
    ("GET", "/v1/authorizations/{auth}"): Row(404, 404),
    ("POST", "/v1/payments/{auth}/cancel"): Row(404, 403),
    ("POST", "/v1/payments/{auth}/capture"): Row(404, 403),
    ("POST", "/v1/payments/{auth}/refund"): Row(404, 403),
    ("GET", "/v1/payments/{auth}/actions"): Row(404, 404),
    ("POST", "/v1/cards"): Row(403, 404, {"member": "{mem}"}),
    ("GET", "/v1/cards"): Row(403, EMPTY),
    ("GET", "/v1/cards/{card}"): Row(403, 404),
    ("POST", "/v1/cards/{card}/reveal"): Row(403, 404),
    ("POST", "/v1/cards/{card}/suspend"): Row(403, 404),
    ("POST", "/v1/cards/{card}/resume"): Row(403, 404),
    ("POST", "/v1/cards/{card}/close"): Row(403, 404),
    ("POST", "/v1/cards/{card}/hand_over"): Row(403, 404),
    ("POST", "/v1/cards/{card}/withdraw"): Row(403, 404),
    ("POST", "/v1/prepaid_cards"): Row(
        403, 404, {"member": "{mem}", "programme": "{prog}", "pin": "4821", "pin_again": "4821"}
    ),
    ("POST", "/v1/held_cards"): Row(422, 422, BY_NUMBER, anonymous=422),
    ("POST", "/v1/adopted_cards"): Row(403, 404, {"holder_token": "ob_holder_guess"}),
    ("PATCH", "/v1/cards/{card}"): Row(403, 404, {"name": "Mine now"}),
    ("GET", "/v1/cards/{card}/balance"): Row(403, 404),
    ("PUT", "/v1/cards/{card}/funding"): Row(403, 404, {"sources": ["{src}"]}),
    ("POST", "/v1/registered_cards"): Row(403, 404, {"member": "{mem}", "source": "{src}"}),
    ("PUT", "/v1/cards/{card}/pin"): Row(403, 404, {"pin": "4821", "pin_again": "4821"}),
    ("GET", "/v1/cards/{card}/pin"): Row(403, 404),
    ("GET", "/v1/cards/{card}/preview.svg"): Row(403, 404),
    ("POST", "/v1/cards/{card}/plastic"): Row(
        403,
        404,
        {
            "embossed_name": "Stranger",
            "design": "gold",
            "place": "home",
            "address": {"recipient": "Stranger", "address": "1 Elsewhere", "postal_code": "04637"},
        },
    ),
    ("GET", "/v1/card_designs"): Row(PUBLIC, PUBLIC, anonymous=PUBLIC),
    ("GET", "/v1/fulfilments"): Row(403, EMPTY),
    ("GET", "/v1/fulfilments/{ful}"): Row(403, 404),
    ("POST", "/v1/fulfilment_runs"): Row(403, 403, {"count": 1}),
    ("POST", "/v1/fulfilment_runs/{run}/export"): Row(403, 403, {"reason": "a try"}),
    ("POST", "/v1/fulfilments/{ful}/post"): Row(403, 403, {"tracking": "1", "reason": "a try"}),
    ("POST", "/v1/fulfilments/{ful}/deliver"): Row(403, 403, {"reason": "a try"}),
    ("POST", "/v1/fulfilments/{ful}/return"): Row(403, 403, {"reason": "a try"}),
    ("GET", "/v1/catalogue"): Row(PUBLIC, PUBLIC, anonymous=PUBLIC),
    ("POST", "/v1/programmes"): Row(403, 403, {}),
    ("GET", "/v1/programmes"): Row(403, 403),
    ("GET", "/v1/programmes/{prog}"): Row(403, 403),
    ("PATCH", "/v1/programmes/{prog}"): Row(403, 403, {"name": "Mine now", "reason": "a try"}),
    ("POST", "/v1/programmes/{prog}/close"): Row(403, 403, {"reason": "a try"}),
    ("POST", "/v1/card_batches"): Row(403, 403, {}),
    ("GET", "/v1/card_batches"): Row(403, 403),
    ("GET", "/v1/card_batches/{cbat}"): Row(403, 403),
    ("POST", "/v1/card_batches/{cbat}/export"): Row(403, 403, {"reason": "a try"}),
    ("POST", "/v1/card_batches/{cbat}/close"): Row(403, 403, {"reason": "a try"}),
    ("POST", "/v1/claims"): Row(404, 404, {"token": "ob_claim_guess"}, anonymous=404),
    ("GET", "/v1/claims/current"): Row(401, 401),
    ("PATCH", "/v1/claims/current"): Row(401, 401, {"name": "Mine now"}),
    ("GET", "/v1/claims/current/balance"): Row(401, 401),
    ("GET", "/v1/claims/current/pin"): Row(401, 401),
    ("PUT", "/v1/claims/current/pin"): Row(401, 401, {"pin": "4821", "pin_again": "4821"}),
    ("POST", "/v1/claims/current/reveal"): Row(401, 401),
    ("GET", "/v1/claims/current/payments"): Row(401, 401),
    ("GET", "/v1/claims/current/history"): Row(401, 401),
    ("GET", "/v1/claims/current/history.csv"): Row(401, 401),
    ("POST", "/v1/claims/current/draws"): Row(401, 401, {"account": ACCOUNT}),
    ("GET", "/v1/claims/current/draws"): Row(401, 401),
    ("PUT", "/v1/claims/current/draws/{draw}/account"): Row(401, 401, ACCOUNT),
    ("POST", "/v1/claims/current/disputes"): Row(401, 401, COMPLAINT),
    ("GET", "/v1/claims/current/disputes"): Row(401, 401),
    ("GET", "/v1/claims/current/disputes/{dis}"): Row(401, 401),
    ("POST", "/v1/claims/current/disputes/{dis}/withdraw"): Row(401, 401),
    ("GET", "/v1/claims/current/disputes/{dis}/documents/{number}"): Row(401, 401),
    ("POST", "/v1/orders/quote"): Row(400, 400, {}, anonymous=400),
    ("POST", "/v1/orders"): Row(400, 400, {}, anonymous=400),
    ("POST", "/v1/bulk_orders"): Row(400, 400, {}, anonymous=400),
    ("GET", "/v1/orders/current"): Row(401, 401),
    ("POST", "/v1/orders/current/cancel"): Row(401, 401, {}),
    ("POST", "/v1/orders/current/reveal"): Row(401, 401),
    ("GET", "/v1/orders/current/pieces"): Row(401, 401),
    ("GET", "/v1/orders/current/pieces/{number}"): Row(401, 401),
    ("POST", "/v1/orders/current/pieces/{number}/set_up"): Row(
        401, 401, {"pin": "482913", "pin_again": "482913"}
    ),
    ("PUT", "/v1/orders/current/pieces/{number}/gift"): Row(
        401, 401, {"mail": "stranger@example.com", "sender": "Stranger"}
    ),
    ("POST", "/v1/orders/current/pieces/{number}/gift/resend"): Row(401, 401),
    ("POST", "/v1/orders/current/pieces/{number}/gift/withdraw"): Row(401, 401),
    ("GET", "/v1/orders"): Row(403, 403),
    ("GET", "/v1/orders/{ord}"): Row(403, 403),
    ("POST", "/v1/disputes"): Row(403, 404, COMPLAINT),
    ("GET", "/v1/disputes"): Row(EMPTY, EMPTY),
    ("GET", "/v1/disputes/{dis}"): Row(404, 404),
    ("POST", "/v1/disputes/{dis}/withdraw"): Row(403, 404),
    ("POST", "/v1/disputes/{dis}/documents"): Row(404, 403),
    ("GET", "/v1/disputes/{dis}/documents/{number}"): Row(404, 404),
    ("POST", "/v1/disputes/{dis}/answer"): Row(404, 403, {"text": "Not mine to say."}),
    ("POST", "/v1/disputes/{dis}/accept"): Row(404, 403),
    ("POST", "/v1/disputes/{dis}/decide"): Row(403, 403, {"outcome": "member_pays", "reason": "a try"}),
    ("POST", "/v1/members"): Row(403, 403, {}),
    ("GET", "/v1/members/{mem}"): Row(403, 404),
    ("GET", "/v1/members/availability"): Row(OWN, OWN, anonymous=PUBLIC),
    ("GET", "/v1/members/me/profile"): Row(403, 404),
    ("POST", "/v1/members/me/profile"): Row(403, 400, {}),
    ("PATCH", "/v1/members/me/profile"): Row(403, 404, {"nickname": "mine"}),
    ("PUT", "/v1/members/me/question"): Row(403, 422, {"question": "Who?", "answer": "It is me."}),
    ("POST", "/v1/members/me/mail"): Row(403, 404, {"mail": "a@b.example"}),
    ("POST", "/v1/members/me/mobile"): Row(403, 404, {"mobile": "+821012345678"}),
    ("POST", "/v1/members/me/mail/confirm"): Row(403, 404, {"code": "123456"}),
    ("POST", "/v1/members/me/mobile/confirm"): Row(403, 404, {"code": "123456"}),
    ("GET", "/v1/members/me/sign_ins"): Row(403, OWN),
    ("PUT", "/v1/members/me/password"): Row(
        403, 422, {"password": "a new one", "password_again": "a new one", "current_password": "a guess"}
    ),
    ("DELETE", "/v1/members/me/password"): Row(403, 403),
    ("POST", "/v1/members/me/passkeys/options"): Row(403, 422, {"current_password": "a guess"}),
    ("POST", "/v1/members/me/passkeys"): Row(403, 422, {"name": "mine", "credential": {}}),
    ("GET", "/v1/members/me/passkeys"): Row(403, EMPTY),
    ("DELETE", "/v1/members/me/passkeys/{pkey}"): Row(403, 404),
    ("POST", "/v1/members/me/totp"): Row(403, 422, {"current_password": "a guess"}),
    ("POST", "/v1/members/me/totp/confirm"): Row(403, 422, {"code": "123456"}),
    ("POST", "/v1/members/me/totp/remove"): Row(403, 403, {"code": "123456"}),
    ("POST", "/v1/recoveries"): Row(OWN, OWN, {"mail": "nobody@mail.example"}, anonymous=PUBLIC),
    ("POST", "/v1/recoveries/open"): Row(404, 404, {"token": "ob_rec_guess"}, anonymous=404),
    ("POST", "/v1/recoveries/redeem"): Row(
        404, 404, {"token": "ob_rec_guess", "answer": "a guess"}, anonymous=404
    ),
    ("POST", "/v1/members/{mem}/suspend"): Row(403, 403),
    ("POST", "/v1/members/{mem}/reinstate"): Row(403, 403),
    ("POST", "/v1/sessions"): Row(401, 401, {"member": MISSING, "password": "a guess at it"}),
    ("GET", "/v1/sessions"): Row(403, OWN),
    ("POST", "/v1/sessions/passkey/options"): Row(OWN, OWN, anonymous=PUBLIC),
    ("POST", "/v1/sessions/passkey"): Row(422, 422, {"credential": {}}, anonymous=422),
    ("DELETE", "/v1/sessions/current"): Row(403, OWN),
    ("DELETE", "/v1/sessions/{ses}"): Row(403, 404),
    ("GET", "/v1/funding_sources"): Row(403, 404),
    ("POST", "/v1/linked_cards"): Row(
        403,
        404,
        {
            "member": "{mem}",
            "card_number": "9530100000000005",
            "exp_month": 1,
            "exp_year": 2030,
            "cvv": "123",
            "birth_date": "900101",
        },
    ),
    ("POST", "/v1/credit_lines"): Row(403, 403, {"member": "{mem}", "limit": 1, "currency": "KRW"}),
    ("POST", "/v1/funding_sources/{src}/remove"): Row(403, 404),
    ("PUT", "/v1/funding_sources/order"): Row(403, 404, {"sources": ["{src}"], "member": "{mem}"}),
    ("POST", "/v1/devices"): Row(
        403, OWN, {"name": "Phone", "public_key": PUBLIC_KEY, "current_password": PASSWORD.reveal()}
    ),
    ("GET", "/v1/devices"): Row(403, EMPTY),
    ("POST", "/v1/devices/{dev}/remove"): Row(403, 404),
    ("POST", "/v1/devices/{dev}/code_batches"): Row(403, 404, {"card": "{card}"}),
    ("POST", "/v1/bank_accounts"): Row(403, OWN, {"account": ACCOUNT}),
    ("GET", "/v1/bank_accounts"): Row(403, EMPTY),
    ("GET", "/v1/bank_accounts/{src}"): Row(403, 404),
    ("POST", "/v1/bank_accounts/{src}/prove"): Row(403, 404, {"code": "123456"}),
    ("POST", "/v1/bank_accounts/{src}/remove"): Row(403, 404),
    ("POST", "/v1/cards/{card}/charges"): Row(403, 404, CHARGE),
    ("GET", "/v1/cards/{card}/charges"): Row(403, 404),
    ("POST", "/v1/cards/{card}/given_value"): Row(403, 403, {"amount": 10_000, "reason": "a try"}),
    ("POST", "/v1/claims/current/charges"): Row(401, 401, CHARGE),
    ("GET", "/v1/claims/current/charges"): Row(401, 401),
    ("POST", "/v1/charges"): Row(422, 422, {**CHARGE, **BY_NUMBER}, anonymous=422),
    ("GET", "/v1/charges"): Row(403, 403),
    ("GET", "/v1/charges/{chg}"): Row(403, 404),
    ("POST", "/v1/charges/{chg}/cancel"): Row(403, 404),
    ("PUT", "/v1/automatic_charges/{card}"): Row(403, 404, {"threshold": 1, "amount": 10_000}),
    ("GET", "/v1/automatic_charges"): Row(403, EMPTY),
    ("GET", "/v1/automatic_charges/{card}"): Row(403, 404),
    ("POST", "/v1/automatic_charges/{card}/remove"): Row(403, 404),
    ("POST", "/v1/cards/{card}/balance_refunds"): Row(403, 404, {"account": ACCOUNT}),
    ("GET", "/v1/cards/{card}/balance_refunds"): Row(403, 404),
    ("POST", "/v1/claims/current/balance_refunds"): Row(401, 401, {"account": ACCOUNT}),
    ("GET", "/v1/claims/current/balance_refunds"): Row(401, 401),
    ("POST", "/v1/balance_refunds"): Row(422, 422, {"account": ACCOUNT, **BY_NUMBER}, anonymous=422),
    ("GET", "/v1/sales"): Row(403, 403),
    ("GET", "/v1/sales/{sale}"): Row(403, 403),
    ("POST", "/v1/sales/{sale}/refund_account"): Row(403, 403, {"account": ACCOUNT, "reason": "a try"}),
    ("POST", "/v1/points_rules"): Row(403, 403, {"basis_points": 1, "validity_months": 1, "reason": "x"}),
    ("POST", "/v1/points_rules/{prule}/end"): Row(403, 403, {"reason": "x"}),
    ("GET", "/v1/points_rules"): Row(403, 403),
    ("GET", "/v1/points"): Row(403, 404),
    ("GET", "/v1/points_messages"): Row(403, 403),
    ("POST", "/v1/points_issuers"): Row(403, 403, {}),
    ("GET", "/v1/points_issuers"): Row(403, 403),
    ("GET", "/v1/points_issuers/{pis}"): Row(403, 403),
    ("GET", "/v1/points_issuers/{pis}/health"): Row(403, 403),
    ("PATCH", "/v1/points_issuers/{pis}"): Row(403, 403, {"name": "Mine now", "reason": "a try"}),
    ("POST", "/v1/points_issuers/{pis}/suspend"): Row(403, 403, {"reason": "a try"}),
    ("POST", "/v1/points_issuers/{pis}/resume"): Row(403, 403, {"reason": "a try"}),
    ("POST", "/v1/points_issuers/{pis}/rotate_secret"): Row(403, 403, {"reason": "a try"}),
    ("POST", "/v1/points_rates"): Row(403, 403, {}),
    ("GET", "/v1/points_rates"): Row(403, 403),
    ("POST", "/v1/points_rates/{prt}/end"): Row(403, 403, {"reason": "a try"}),
    ("POST", "/v1/points_accounts"): Row(
        403, 404, {"issuer": "{pis}", "account": "77001234", "card": "{card}"}
    ),
    ("GET", "/v1/members/me/points_issuers"): Row(403, EVERY_MEMBERS),
    ("GET", "/v1/points_accounts"): Row(403, EMPTY),
    ("GET", "/v1/points_accounts/{pacc}"): Row(403, 404),
    ("POST", "/v1/points_accounts/{pacc}/prove"): Row(403, 404, {"code": "123456"}),
    ("POST", "/v1/points_accounts/{pacc}/unlink"): Row(403, 404),
    ("POST", "/v1/points_lookups"): Row(403, 403, {"card_number": "{number}"}),
    ("GET", "/v1/points/movements"): Row(403, 404),
    ("POST", "/v1/points_invoices"): Row(403, 403, {"issuer": "pis_1", "reason": "x"}),
    ("GET", "/v1/points_invoices"): Row(403, 403),
    ("GET", "/v1/points_invoices/{pinv}"): Row(403, 403),
    ("GET", "/v1/points_invoices/{pinv}/lines"): Row(403, 403),
    ("GET", "/v1/points_invoices/{pinv}/invoice.csv"): Row(403, 403),
    ("POST", "/v1/bills"): Row(403, 403, {"month": "2020-01"}),
    ("GET", "/v1/bills"): Row(403, 404),
    ("GET", "/v1/bills/{bill}"): Row(403, 404),
    ("GET", "/v1/bills/{bill}/lines"): Row(403, 404),
    ("GET", "/v1/bills/{bill}/bill.csv"): Row(403, 404),
    ("GET", "/v1/members/{mem}/credit"): Row(403, 404),
    ("GET", "/v1/history"): Row(403, 404),
    ("GET", "/v1/history.csv"): Row(403, 404),
    ("GET", "/v1/daily_statements"): Row(403, 404),
    ("GET", "/v1/members/{mem}/consent"): Row(403, 404),
    ("PUT", "/v1/members/{mem}/consent"): Row(403, 404, {"given": True}),
    ("GET", "/v1/aggregates"): Row(404, 403),
    ("POST", "/v1/merchants"): Row(403, 403, {}),
    ("GET", "/v1/merchants"): Row(403, 403),
    ("GET", "/v1/merchants/{mer}"): Row(404, 403),
    ("PATCH", "/v1/merchants/{mer}"): Row(403, 403, {"name": "Mine now", "reason": "a try"}),
    ("PUT", "/v1/merchants/{mer}/payout"): Row(403, 403, {"reason": "a try", "account": {}}),
    ("POST", "/v1/merchants/{mer}/tariffs"): Row(403, 403, {"reason": "a try"}),
    ("GET", "/v1/merchants/{mer}/tariffs"): Row(404, 403),
    ("PUT", "/v1/merchants/{mer}/calling_server"): Row(403, 403, {"reason": "a try"}),
    ("POST", "/v1/metered_sessions"): Row(
        404, 403, {"card_number": "9410120000000000", "pin": "1234", "merchant": "{mer}"}
    ),
    ("GET", "/v1/metered_sessions"): Row(EMPTY, 403),
    ("GET", "/v1/metered_sessions/{mses}"): Row(404, 403),
    ("POST", "/v1/metered_sessions/{mses}/consume"): Row(404, 403, {"used": 1}),
    ("POST", "/v1/metered_sessions/{mses}/extend"): Row(404, 403, {"used": 1, "until": 60}),
    ("POST", "/v1/metered_sessions/{mses}/close"): Row(404, 403, {"used": 1}),
    ("POST", "/v1/merchants/{mer}/suspend"): Row(403, 403, {"reason": "a try"}),
    ("POST", "/v1/merchants/{mer}/resume"): Row(403, 403, {"reason": "a try"}),
    ("POST", "/v1/merchants/{mer}/close"): Row(403, 403, {"reason": "a try"}),
    ("POST", "/v1/merchant_applications"): Row(400, 400, {}, anonymous=400),
    ("GET", "/v1/merchant_applications"): Row(403, 403),
    ("GET", "/v1/merchant_applications/current"): Row(401, 401),
    ("POST", "/v1/merchant_applications/current/key"): Row(401, 401),
    ("GET", "/v1/merchant_applications/{app}"): Row(403, 403),
    ("POST", "/v1/merchant_applications/{app}/approve"): Row(403, 403, {"reason": "a try"}),
    ("POST", "/v1/merchant_applications/{app}/reject"): Row(403, 403, {"reason": "a try"}),
    ("POST", "/v1/api_keys"): Row(403, 403, {}),
    ("GET", "/v1/api_keys"): Row(403, 403),
    ("POST", "/v1/api_keys/{key}/revoke"): Row(403, 403),
    ("POST", "/v1/api_keys/{key}/rotate"): Row(404, 403, {"old_valid_for_seconds": 0}),
    ("GET", "/v1/events"): Row(403, 403),
    ("GET", "/v1/audit_log"): Row(403, 403),
    ("POST", "/v1/webhook_endpoints"): Row(400, 403, {"url": "http://inside"}),
    ("GET", "/v1/webhook_endpoints"): Row(EMPTY, 403),
    ("GET", "/v1/webhook_endpoints/{whe}"): Row(404, 403),
    ("PATCH", "/v1/webhook_endpoints/{whe}"): Row(404, 403, {"description": "mine"}),
    ("DELETE", "/v1/webhook_endpoints/{whe}"): Row(404, 403),
    ("POST", "/v1/webhook_endpoints/{whe}/enable"): Row(404, 403),
    ("POST", "/v1/webhook_endpoints/{whe}/disable"): Row(404, 403),
    ("POST", "/v1/webhook_endpoints/{whe}/rotate_secret"): Row(404, 403),
    ("POST", "/v1/webhook_endpoints/{whe}/test"): Row(404, 403),
    ("GET", "/v1/webhook_endpoints/{whe}/deliveries"): Row(404, 403),
    ("POST", "/v1/webhook_endpoints/{whe}/deliveries/{dlv}/resend"): Row(404, 403),
    ("POST", "/v1/webhook_endpoints/{whe}/replays"): Row(404, 403, {"since": "2026-01-01T00:00:00Z"}),
    ("GET", "/v1/webhook_endpoints/{whe}/replays"): Row(404, 403),
    ("POST", "/v1/settlements"): Row(403, 403, {"day": "2026-11-19"}),
    ("GET", "/v1/settlements"): Row(403, 403),
    ("GET", "/v1/settlements/{stl}"): Row(403, 403),
    ("GET", "/v1/statements"): Row(EMPTY, 403),
    ("GET", "/v1/statements/{stm}"): Row(404, 403),
    ("GET", "/v1/statements/{stm}/statement.csv"): Row(404, 403),
    ("GET", "/v1/statements/{stm}/statement.pdf"): Row(404, 403),
    ("GET", "/v1/payouts"): Row(EMPTY, 403),
    ("GET", "/v1/payouts/{payout}"): Row(404, 403),
    ("GET", "/v1/bank_transfers"): Row(403, 403),
    ("GET", "/v1/bank_transfers/{bank}"): Row(403, 403),
    ("POST", "/v1/bank_transfers/{bank}/retry"): Row(403, 403, {"account": ACCOUNT, "reason": "a try"}),
    ("GET", "/v1/receipts"): Row(403, 403),
    ("GET", "/v1/receipts/{rcpt}"): Row(403, 403),
    ("POST", "/v1/receipts/{rcpt}/assign"): Row(403, 403, {"reference": "OBV-B-0", "reason": "a try"}),
    ("POST", "/v1/receipts/{rcpt}/place"): Row(403, 403, {"house_account": "fee_income", "reason": "a try"}),
    ("POST", "/v1/receipts/{rcpt}/return"): Row(403, 403, {"reason": "a try"}),
    ("POST", "/v1/bank_statements"): Row(403, 403),
    ("POST", "/v1/presentment_files"): Row(403, 403),
    ("GET", "/v1/presentment_files"): Row(403, 403),
    ("GET", "/v1/presentment_files/{pfile}"): Row(403, 403),
    ("POST", "/v1/presentment_files/{pfile}/resubmit"): Row(403, 403, {"reason": "a try"}),
    ("POST", "/v1/claim_files"): Row(404, 403),
    ("GET", "/v1/claim_files"): Row(EMPTY, 403),
    ("GET", "/v1/claim_files/{cfile}"): Row(404, 403),
    ("GET", "/v1/claim_files/{cfile}/claims"): Row(404, 403),
    ("GET", "/v1/claim_files/{cfile}/result"): Row(404, 403),
    ("GET", "/v1/merchant_claims"): Row(EMPTY, 403),
    ("GET", "/v1/merchant_claims/{claim}"): Row(404, 403),
    ("GET", "/v1/claim_exceptions"): Row(403, 403),
    ("POST", "/v1/claim_exceptions/{claim}/pay"): Row(403, 403, {"reason": "a try"}),
    ("POST", "/v1/claim_exceptions/{claim}/refuse"): Row(403, 403, {"reason": "a try"}),
    ("GET", "/v1/presentments"): Row(403, 403),
    ("GET", "/v1/presentments/{pres}"): Row(403, 403),
    ("POST", "/v1/presentments/{pres}/resubmit"): Row(403, 403, {"reason": "a try"}),
    ("POST", "/v1/presentments/{pres}/write_off"): Row(403, 403, {"reason": "a try"}),
    ("GET", "/v1/members/{mem}/card_company_charges"): Row(403, 404),
    ("POST", "/v1/reconciliation_runs"): Row(403, 403),
    ("GET", "/v1/reconciliation_runs/latest"): Row(403, 403),
    ("GET", "/v1/letters"): Row(403, 403),
    ("POST", "/v1/letters/{let}/send_again"): Row(403, 403, {"reason": "a try"}),
    ("GET", "/v1/breaks"): Row(403, 403),
    ("POST", "/v1/breaks/{brk}/resolve"): Row(403, 403, {"reason": "a try"}),
    ("GET", "/v1/ledger/trial_balance"): Row(403, 403),
    ("POST", "/v1/simulate/advance_clock"): Row(403, 403, {"seconds": 1}),
    ("GET", "/health"): Row(PUBLIC, PUBLIC, anonymous=PUBLIC),
    ("GET", "/metrics"): Row(PUBLIC, PUBLIC, anonymous=PUBLIC),
    ("GET", "/"): Row(PUBLIC, PUBLIC, anonymous=PUBLIC),
    ("GET", "/docs"): Row(PUBLIC, PUBLIC, anonymous=PUBLIC),
    ("GET", "/docs/style.css"): Row(PUBLIC, PUBLIC, anonymous=PUBLIC),
    ("GET", "/v1/openapi"): Row(PUBLIC, PUBLIC, anonymous=PUBLIC),
}
QUERIES: Final = {
    ("GET", "/v1/history"): "?member={mem}&card={card}",
    ("GET", "/v1/history.csv"): "?member={mem}",
    ("GET", "/v1/daily_statements"): "?member={mem}",
    ("GET", "/v1/aggregates"): "?by=month&since=2026-01&until=2026-12&merchant={mer}",
    ("GET", "/v1/payments"): "?card={card}",
    ("GET", "/v1/authorizations"): "?card={card}",
    ("GET", "/v1/funding_sources"): "?member={mem}",
    ("GET", "/v1/members/availability"): "?nickname=nobody1",
    ("GET", "/v1/bills"): "?member={mem}",
    ("GET", "/v1/points"): "?member={mem}",
    ("GET", "/v1/points/movements"): "?member={mem}",
    ("POST", "/v1/disputes/{dis}/documents"): "?name=proof.txt",
    ("POST", "/v1/claim_files"): "?merchant={mer}",
}
_PREFIXES: Final = {
    "payment_id": "auth",
    "card_id": "card",
    "member_id": "mem",
    "source_id": "src",
    "session_id": "ses",
    "passkey_id": "pkey",
    "merchant_id": "mer",
    "key_id": "key",
    "device_id": "dev",
    "dispute_id": "dis",
    "draw_id": "draw",
    "application_id": "app",
    "endpoint_id": "whe",
    "delivery_id": "dlv",
    "presentment_file_id": "pfile",
    "file_id": "cfile",
    "claim_id": "claim",
    "presentment_id": "pres",
    "settlement_id": "stl",
    "statement_id": "stm",
    "payout_id": "payout",
    "bill_id": "bill",
    "points_invoice_id": "pinv",
    "points_account_id": "pacc",
    "issuer_id": "pis",
    "rate_id": "prt",
    "bank_transfer_id": "bank",
    "receipt_id": "rcpt",
    "break_id": "brk",
    "order_id": "ord",
    "letter_id": "let",
    "charge_id": "chg",
    "bank_account_id": "src",
    "sale_id": "sale",
    "metered_session_id": "mses",
    "programme_id": "prog",
    "fulfilment_id": "ful",
    "batch_id": "cbat",
    "rule_id": "prule",
}


@dataclass(frozen=True)
class Victim:
    """Somebody with one of everything."""

    member: Member
    ids: dict[str, str]

    def fill(self, text: str) -> str:
        for name, id_ in self.ids.items():
            text = text.replace("{" + name + "}", id_)
        return text

    def body(self, row: Row, kind: str) -> dict[str, Any] | None:
        if row.body is None:
            return None
        filled = {k: self.fill(v) if isinstance(v, str) else v for k, v in row.body.items()}
        # In a dry run a member may name cards only, and a merchant numbers only.
        unwanted = {"merchant": "card", "member": "card_number"}.get(kind)
        return (
            filled
            if len(filled) < 5 or "birth_date" in filled
            else {k: v for k, v in filled.items() if k != unwanted}
        )


@pytest_asyncio.fixture(loop_scope="module")
async def victim(rest: RestHouse) -> Victim:
    member = await rest.member()
    card = await rest.card(member)
    face = await rest.face(member, card)
    payment = (await rest.pay(face)).json()
    key = (
        await rest.client.post(
            "/v1/api_keys", json={"name": "k", "scopes": ["payments"]}, headers=rest.operator
        )
    ).json()
    endpoint, delivery = await _webhook(rest)
    file, claim = await _claim(rest)
    issuer, points_account = await _points_account(rest, member)
    return Victim(
        member,
        {
            "auth": payment["id"],
            "card": card["id"],
            "number": face["card_number"],
            "mem": member.id,
            "src": card["funding"][0]["source"],
            "ses": await _session(rest, member),
            "pkey": await _passkey(rest, member),
            "mer": rest.merchant_id,
            "key": key["id"],
            "app": "app_01h455vb4pex5vsknk084sn02q",
            "whe": endpoint,
            "dlv": delivery,
            "dis": await _dispute(rest, member),
            "dev": await _device(rest, member),
            "draw": "draw_01h455vb4pex5vsknk084sn02q",
            "cfile": file,
            "claim": claim,
            "pfile": "pfile_01h455vb4pex5vsknk084sn02q",
            "pres": "pres_01h455vb4pex5vsknk084sn02q",
            "stl": "stl_01h455vb4pex5vsknk084sn02q",
            "stm": "stm_01h455vb4pex5vsknk084sn02q",
            "bank": "bank_01h455vb4pex5vsknk084sn02r",
            "rcpt": "rcpt_01h455vb4pex5vsknk084sn02q",
            "payout": "bank_01h455vb4pex5vsknk084sn02q",
            "bill": "bill_01h455vb4pex5vsknk084sn02q",
            "pinv": "pinv_01h455vb4pex5vsknk084sn02q",
            "pis": issuer,
            "prt": "prt_01h455vb4pex5vsknk084sn02q",
            "pacc": points_account,
            "brk": "brk_01h455vb4pex5vsknk084sn02q",
            "ord": "ord_01h455vb4pex5vsknk084sn02q",
            "let": "let_01h455vb4pex5vsknk084sn02q",
            "chg": await _charge(rest, member),
            "sale": "sale_01h455vb4pex5vsknk084sn02q",
            "mses": "mses_01h455vb4pex5vsknk084sn02q",
            "ful": await _fulfilment(rest, member),
            "prog": "prog_01h455vb4pex5vsknk084sn02q",
            "cbat": "cbat_01h455vb4pex5vsknk084sn02q",
            "run": "98765432109",
        },
    )


async def _dispute(rest: RestHouse, member: Member) -> str:
    """A dispute of this member's about something they bought."""
    bought = await rest.pay(await rest.face(member, await rest.card(member)), capture=True)
    complaint = COMPLAINT | {"payment": bought.json()["id"]}
    opened = await rest.client.post("/v1/disputes", json=complaint, headers=member.headers)
    id_: str = opened.json()["id"]
    return id_


async def _charge(rest: RestHouse, member: Member) -> str:
    """A charge of a prepaid card of this member's."""
    owner = await rest.house.members.get(MemberId(from_text("mem", member.id)))
    card, _, _ = await a_prepaid_card(rest.house, member=owner)
    path = f"/v1/cards/{to_text('card', card.id)}/charges"
    id_: str = (await rest.client.post(path, json=CHARGE, headers=member.headers)).json()["id"]
    return id_


async def _fulfilment(rest: RestHouse, member: Member) -> str:
    """A prepaid card of this member's on its way to being one of plastic."""
    owner = await rest.house.members.get(MemberId(from_text("mem", member.id)))
    card, _, _ = await a_prepaid_card(rest.house, member=owner)
    return to_text("ful", (await rest.house.fulfilments.ask(card.id, a_plastic_wish())).id)


async def _device(rest: RestHouse, member: Member) -> str:
    """A phone of this member's."""
    body = {"name": "phone", "public_key": jwk_of(a_key()), "current_password": PASSWORD.reveal()}
    id_: str = (await rest.client.post("/v1/devices", json=body, headers=member.headers)).json()["id"]
    return id_


async def _points_account(rest: RestHouse, member: Member) -> tuple[str, str]:
    """A points issuer, and a proved account of this member's with it."""
    issuer = await rest.points.issuer()
    account = await rest.points.account(MemberId(from_text("mem", member.id)), issuer)
    return to_text("pis", issuer.id), to_text("src", account.id)


async def _session(rest: RestHouse, member: Member) -> str:
    """The session that this member is signed in with."""
    sessions = await rest.client.get("/v1/sessions", headers=member.headers)
    id_: str = sessions.json()["data"][0]["id"]
    return id_


async def _passkey(rest: RestHouse, member: Member) -> str:
    """A passkey of this member's."""
    path = "/v1/members/me/passkeys"
    proof = {"current_password": PASSWORD.reveal()}
    begun = await rest.client.post(f"{path}/options", json=proof, headers=member.headers)
    options = begun.json()["public_key"]
    body = {"name": "phone", "credential": Authenticator().create(options)}
    id_: str = (await rest.client.post(path, json=body, headers=member.headers)).json()["id"]
    return id_


async def _claim(rest: RestHouse) -> tuple[str, str]:
    """A claim file of the merchant's, and the claim in it."""
    sent = {**rest.merchant, "Content-Type": "text/csv"}
    file = (await rest.client.post("/v1/claim_files", content=a_file([a_line()]), headers=sent)).json()
    claims = await rest.client.get(f"/v1/claim_files/{file['id']}/claims", headers=rest.merchant)
    return file["id"], claims.json()["data"][0]["id"]


async def _webhook(rest: RestHouse) -> tuple[str, str]:
    """The merchant's one endpoint, and a delivery to it."""
    path = "/v1/webhook_endpoints"
    known = (await rest.client.get(path, headers=rest.merchant)).json()["data"]
    if not known:
        body = {"url": "https://shop.example/hooks"}
        known = [(await rest.client.post(path, json=body, headers=rest.merchant)).json()]
    tested = await rest.client.post(f"{path}/{known[0]['id']}/test", headers=rest.merchant)
    return known[0]["id"], tested.json()["id"]


def routes_of(rest: RestHouse) -> set[tuple[str, str]]:
    """Every route of the app with our names for its ids."""
    found = set()
    for route in rest.app.routes:
        assert isinstance(route, HTTPRoute)
        path = route.path_format
        for name, prefix in _PREFIXES.items():
            path = path.replace("{" + name + "}", "{" + prefix + "}")
        found |= {(method, path) for method in route.methods if method != "OPTIONS"}
    return {(method, path) for method, path in found if not path.startswith("/v1/openapi/")}


async def test_p12_every_route_has_a_row_here(rest: RestHouse) -> None:
    assert routes_of(rest) == set(ROWS)


async def test_p12_every_route_says_who_may_call_it(rest: RestHouse) -> None:
    for route in rest.app.routes:
        assert isinstance(route, HTTPRoute)
        for handler in route.route_handlers:
            if handler.http_methods == {"OPTIONS"}:
                continue
            callers = handler.resolve_before_request()
            asked = Allow | Applicant | Buyer | Holder | WalletProgram | Everyone
            assert isinstance(callers, asked), str(handler)


@pytest.mark.parametrize("route", list(ROWS), ids=lambda route: " ".join(route))
async def test_p12_strangers_get_nothing(rest: RestHouse, victim: Victim, route: tuple[str, str]) -> None:
    row = ROWS[route]
    stranger = await rest.member()
    _, other_merchant = await rest.another_merchant()
    no_scopes_for_it = await rest.key(Scope.OPERATE)
    assert no_scopes_for_it
    callers = {
        "anonymous": ({}, row.anonymous),
        "merchant": (other_merchant, row.merchant),
        "member": (stranger.headers, row.member),
    }
    for kind, (headers, expected) in callers.items():
        method, path = route
        answer = await rest.client.request(
            method,
            victim.fill(path + QUERIES.get(route, "")),
            json=victim.body(row, kind),
            headers=headers,
        )
        if expected == EMPTY:
            assert answer.json()["data"] == [], kind
        elif isinstance(expected, int):
            assert answer.status_code == expected, (kind, answer.text)
            given_away = [id_ for name, id_ in victim.ids.items() if id_ in answer.text and name != "mer"]
            assert not given_away, kind
        else:
            assert answer.status_code < 400, (kind, answer.text)


async def test_p12_an_issuers_key_opens_nothing_but_its_look_ups(rest: RestHouse, victim: Victim) -> None:
    issuer = await rest.points.issuer()
    key = await rest.key(Scope.POINTS, issuer=to_text("pis", issuer.id))
    # A key of the platform's own with every scope is no issuer.
    assert (await _look_up(rest, victim, rest.operator)).status_code == 403

    for (method, path), row in ROWS.items():
        if path == "/v1/points_lookups" or row.anonymous != 401:
            continue  # what everybody may do, an issuer may do
        query = QUERIES.get((method, path), "")
        body = victim.body(row, "member")
        answer = await rest.client.request(method, victim.fill(path + query), json=body, headers=key)
        assert answer.status_code in (401, 403), (method, path, answer.text)
    answer = await _look_up(rest, victim, key)
    assert answer.json() == {"object": "points_lookup", "registered": False, "accounts": []}


async def _look_up(rest: RestHouse, victim: Victim, headers: dict[str, str]) -> httpx.Response:
    body = {"card_number": victim.ids["number"]}
    return await rest.client.post("/v1/points_lookups", json=body, headers=headers)


FOREIGN_OR_MISSING: Final = [
    ("GET", "/v1/payments/{}", "auth", "merchant"),
    ("GET", "/v1/payments/{}", "auth", "member"),
    ("POST", "/v1/payments/{}/cancel", "auth", "merchant"),
    ("GET", "/v1/cards/{}", "card", "member"),
    ("GET", "/v1/fulfilments/{}", "ful", "member"),
    ("POST", "/v1/cards/{}/reveal", "card", "member"),
    ("POST", "/v1/cards/{}/withdraw", "card", "member"),
    ("GET", "/v1/members/{}", "mem", "member"),
    ("GET", "/v1/members/{}/card_company_charges", "mem", "member"),
    ("POST", "/v1/funding_sources/{}/remove", "src", "member"),
    ("DELETE", "/v1/sessions/{}", "ses", "member"),
    ("DELETE", "/v1/members/me/passkeys/{}", "pkey", "member"),
    ("GET", "/v1/merchants/{}", "mer", "merchant"),
    ("GET", "/v1/claim_files/{}", "cfile", "merchant"),
    ("GET", "/v1/claim_files/{}/result", "cfile", "merchant"),
    ("GET", "/v1/merchant_claims/{}", "claim", "merchant"),
    ("GET", "/v1/disputes/{}", "dis", "merchant"),
    ("GET", "/v1/disputes/{}", "dis", "member"),
    ("POST", "/v1/devices/{}/remove", "dev", "member"),
    ("POST", "/v1/disputes/{}/accept", "dis", "merchant"),
    ("POST", "/v1/disputes/{}/withdraw", "dis", "member"),
    ("GET", "/v1/webhook_endpoints/{}", "whe", "merchant"),
    ("GET", "/v1/webhook_endpoints/{}/deliveries", "whe", "merchant"),
]


@pytest.mark.parametrize(("method", "path", "kind", "caller"), FOREIGN_OR_MISSING)
async def test_p12_a_foreign_object_answers_like_one_that_does_not_exist(
    rest: RestHouse, victim: Victim, method: str, path: str, kind: str, caller: str
) -> None:
    _, other_merchant = await rest.another_merchant()
    headers = other_merchant if caller == "merchant" else (await rest.member()).headers
    foreign = await rest.client.request(method, path.format(victim.ids[kind]), headers=headers)
    missing = await rest.client.request(
        method, path.format(f"{kind}_01h455vb4pex5vsknk084sn02q"), headers=headers
    )

    def without_request_id(answer: Any) -> dict[str, Any]:
        return {name: value for name, value in answer.json().items() if name != "request_id"}

    assert foreign.status_code == missing.status_code == 404
    assert without_request_id(foreign) == without_request_id(missing)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "Basic abc",
        "Bearer ob_test_sk_" + "a" * 32,
        "Bearer \xff",
        "Bearer " + "x" * 9000,
    ],
)
async def test_p12_what_is_no_token_is_not_signed_in(rest: RestHouse, header: str) -> None:
    answer = await rest.client.get("/v1/cards", headers={"Authorization": header.encode("latin-1")})

    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


async def test_p12_a_platform_key_does_what_its_scopes_say_and_no_more(rest: RestHouse) -> None:
    member = await rest.member()
    tries = {
        Scope.PAYMENTS: "/v1/payments",
        Scope.CARDS: f"/v1/cards?member={member.id}",
        Scope.MEMBERS: f"/v1/members/{member.id}",
        Scope.MERCHANTS: "/v1/merchants",
        Scope.OPERATE: "/v1/events",
    }
    for held in Scope:
        key = await rest.key(held)
        for needed, path in tries.items():
            answer = await rest.client.get(path, headers=key)
            assert answer.status_code == (200 if held is needed else 403), (held, path)
