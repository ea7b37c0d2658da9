"""The app: every room's routes, one way in for bodies, one way out for refusals."""

from itertools import chain
from typing import Final

from litestar import Litestar
from litestar.datastructures import State
from litestar.exceptions import HTTPException

from obverse.doors.rest import (
    aggregates,
    api_keys,
    audit_log,
    automatic_charges,
    balance_inquiries,
    balance_refunds,
    bank_accounts,
    bills,
    card_activations,
    card_batches,
    card_pins,
    cards,
    charges,
    checkouts,
    claim_files,
    claims,
    consents,
    disputes,
    docs_page,
    draws,
    events,
    fulfilments,
    funding_sources,
    gifts,
    health,
    history,
    ledger,
    letters,
    members,
    merchant_applications,
    merchant_claims,
    merchants,
    metered_sessions,
    orders,
    payment_steps,
    payments,
    points,
    prepaid_cards,
    presentments,
    profiles,
    programmes,
    reconciliation,
    sales,
    sessions,
    settlements,
    sign_in_means,
    simulate,
    statements,
    tariffs,
    treasury,
    webhooks,
)
from obverse.doors.rest.auth import Nobody
from obverse.doors.rest.body import StrictJson
from obverse.doors.rest.errors import on_defect, on_http_error, on_refusal
from obverse.doors.rest.openapi import describe_filters, document_problems, openapi_config
from obverse.doors.rest.request import DoorRequest
from obverse.doors.rest.services import Services
from obverse.doors.rest.tracing import before_send
from obverse.kit.errors import ObverseError

ROOMS: Final = (
    payments,
    payment_steps,
    balance_inquiries,
    card_activations,
    checkouts,
    points,
    merchant_claims,
    claim_files,
    programmes,
    cards,
    prepaid_cards,
    card_pins,
    card_batches,
    fulfilments,
    claims,
    orders,
    gifts,
    draws,
    charges,
    automatic_charges,
    balance_refunds,
    bank_accounts,
    sales,
    disputes,
    members,
    profiles,
    sessions,
    sign_in_means,
    funding_sources,
    bills,
    history,
    statements,
    consents,
    aggregates,
    merchants,
    tariffs,
    metered_sessions,
    merchant_applications,
    api_keys,
    events,
    audit_log,
    letters,
    webhooks,
    treasury,
    ledger,
    presentments,
    reconciliation,
    settlements,
    simulate,
    health,
    docs_page,
)


def create_app(services: Services) -> Litestar:
    """Build the REST door over these services. The caller starts and stops what is behind them."""
    app = Litestar(
        route_handlers=list(chain.from_iterable(room.ROUTES for room in ROOMS)),
        state=State({"services": services}),
        dto=StrictJson,
        return_dto=None,
        request_class=DoorRequest,
        exception_handlers={
            ObverseError: on_refusal,
            HTTPException: on_http_error,
            Exception: on_defect,
        },
        before_request=Nobody(),
        before_send=[before_send],
        openapi_config=openapi_config(),
        logging_config=None,
        debug=False,
    )
    document_problems(app.openapi_schema)
    describe_filters(app.openapi_schema)
    return app
