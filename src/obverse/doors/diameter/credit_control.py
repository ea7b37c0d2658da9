"""Credit-Control-Requests: what each asks of a session, and how it is answered (RFC 8506).

Only what calls need is spoken: one service in a session, units of time (CC-Time). What another application of
credit control would need is refused, never passed over.
"""

from collections.abc import Collection
from typing import Any, Final

import structlog

from obverse.authorization import AuthorizationRequest, Entry, Status
from obverse.authorization.model import Purpose
from obverse.doors.diameter import wire
from obverse.doors.diameter.connection import Identity
from obverse.doors.diameter.ports import BalanceDesk, MerchantDirectory, PriceList, Sessions
from obverse.doors.diameter.results import of_decline, of_refusal
from obverse.doors.diameter.wire import Refused
from obverse.kit.errors import ObverseError
from obverse.kit.money import Money, numeric_code
from obverse.kit.secret import Secret
from obverse.merchants import Merchant
from obverse.metering import (
    Credential,
    Opening,
    Report,
    Session,
    SessionState,
)
from obverse.metering.model import Answered, Tariff
from obverse.metering.rules import SECONDS_MAX, charged_minor, cost_minor, granted_seconds

log = structlog.get_logger(__name__)

PIN_PARAMETER, EXPIRY_PARAMETER, CVV_PARAMETER = 1, 2, 3
"""Service-Parameter-Types of ours: what the holder has shown beside the number."""
DEFAULT_TARIFF: Final = "default"
_SESSION_ID_MAX: Final = 255
_REQUIRED: Final = {
    "session_id": wire.names.AVP_SESSION_ID,
    "origin_host": wire.names.AVP_ORIGIN_HOST,
    "origin_realm": wire.names.AVP_ORIGIN_REALM,
    "destination_realm": wire.names.AVP_DESTINATION_REALM,
    "auth_application_id": wire.names.AVP_AUTH_APPLICATION_ID,
    "service_context_id": wire.names.AVP_SERVICE_CONTEXT_ID,
    "cc_request_type": wire.names.AVP_CC_REQUEST_TYPE,
    "cc_request_number": wire.names.AVP_CC_REQUEST_NUMBER,
}


class CreditControl:
    """Answers requests; the same Session-Id and CC-Request-Number, flagged or not, get the same answer."""

    def __init__(
        self,
        sessions: Sessions,
        prices: PriceList,
        merchants: MerchantDirectory,
        engine: BalanceDesk,
        identity: Identity,
        *,
        relays: Collection[str],
        validity_s: int,
    ) -> None:
        self._sessions = sessions
        self._prices = prices
        self._merchants = merchants
        self._engine = engine
        self._identity = identity
        self._relays = relays
        self._validity_s = validity_s

    async def answer(self, request: Any, peer: str) -> Any:
        """The answer to one request that came from this peer; never raises for what the request says."""
        try:
            reply = await self._answer(request, peer)
        except Refused as refused:
            reply = self._reply(request, refused.result_code, refused.avp)
        except ObverseError as refused:
            reply = self._reply(request, of_refusal(refused))
        except Exception as error:  # noqa: BLE001 - whoever asks is answered; the message may quote values
            log.error("diameter.request_failed", error=type(error).__name__)
            reply = self._reply(request, wire.UNABLE_TO_COMPLY)
        return reply

    async def _answer(self, request: Any, peer: str) -> Any:
        _check(request, self._identity.realm)
        merchant = await self._merchant_of(wire.text_of(request.origin_host).lower(), peer)
        match request.cc_request_type:
            case wire.names.E_CC_REQUEST_TYPE_INITIAL_REQUEST:
                return await self._open(request, merchant)
            case wire.names.E_CC_REQUEST_TYPE_UPDATE_REQUEST:
                return await self._update(request, merchant)
            case wire.names.E_CC_REQUEST_TYPE_TERMINATION_REQUEST:
                return await self._terminate(request, merchant)
            case wire.names.E_CC_REQUEST_TYPE_EVENT_REQUEST:
                return await self._event(request, merchant)
        raise Refused(wire.INVALID_AVP_VALUE, _avp(wire.names.AVP_CC_REQUEST_TYPE, request.cc_request_type))

    async def _merchant_of(self, origin_host: str, peer: str) -> Merchant:
        """The merchant whose calling server asks, itself or by a relay. Raises `Refused`."""
        merchant_id = await self._prices.merchant_of_host(origin_host)
        if merchant_id is None or (peer != origin_host and peer not in self._relays):
            raise Refused(wire.AUTHORIZATION_REJECTED)
        return await self._merchants.get(merchant_id)

    # sessions ----------------------------------------------------------------------------------------------

    async def _open(self, request: Any, merchant: Merchant) -> Any:
        session = await self._opened(request, merchant)
        if session.state is SessionState.DECLINED:
            raise Refused(of_decline(session.decline))
        answered = await self._sessions.answer_opening(session, request.cc_request_number)
        return self._granted(request, answered)

    async def _opened(self, request: Any, merchant: Merchant) -> Session:
        opening = Opening(
            merchant=merchant,
            credential=_credential(request),
            tariff=_tariff_name(request),
            seconds=_requested(request) or None,
            reference=request.session_id,
        )
        key = f"diameter:{merchant.id.hex}:{request.session_id}"
        return (await self._sessions.open(opening, key=key)).session

    async def _update(self, request: Any, merchant: Merchant) -> Any:
        session = await self._sessions.find(merchant.id, request.session_id)
        wanted = _requested(request)
        report = Report(request.cc_request_number, _used(request), wanted)
        answered = await self._sessions.report(session.id, report)
        if wanted is None:
            return self._with_cost(self._reply(request, wire.SUCCESS), answered.session)
        return self._granted(request, answered)

    async def _terminate(self, request: Any, merchant: Merchant) -> Any:
        session = await self._sessions.find(merchant.id, request.session_id)
        await self._sessions.report(session.id, Report(request.cc_request_number, _used(request), None))
        closed = await self._sessions.close(session.id)
        return self._with_cost(self._reply(request, wire.SUCCESS), closed)

    def _granted(self, request: Any, answered: Answered) -> Any:
        session = answered.session
        if not answered.granted_seconds:
            raise Refused(of_decline(session.decline, was_open=True))
        reply = self._with_cost(self._reply(request, wire.SUCCESS), session)
        reply.granted_service_unit = wire.GrantedServiceUnit(cc_time=answered.granted_seconds)
        reply.validity_time = self._validity_s
        if answered.is_last:
            reply.final_unit_indication = wire.FinalUnitIndication(
                final_unit_action=wire.names.E_FINAL_UNIT_ACTION_TERMINATE
            )
        return reply

    # events ------------------------------------------------------------------------------------------------

    async def _event(self, request: Any, merchant: Merchant) -> Any:
        match request.requested_action:
            case wire.names.E_REQUESTED_ACTION_DIRECT_DEBITING:
                return await self._debit(request, merchant)
            case wire.names.E_REQUESTED_ACTION_CHECK_BALANCE:
                return await self._check_balance(request, merchant)
            case wire.names.E_REQUESTED_ACTION_PRICE_ENQUIRY:
                tariff, seconds = await self._wanted(request, merchant)
                reply = self._reply(request, wire.SUCCESS)
                reply.cost_information = _cost(tariff, cost_minor(tariff, seconds))
                return reply
            case None:
                raise Refused(wire.MISSING_AVP, _avp(wire.names.AVP_REQUESTED_ACTION))
        raise Refused(wire.INVALID_AVP_VALUE, _avp(wire.names.AVP_REQUESTED_ACTION, request.requested_action))

    async def _debit(self, request: Any, merchant: Merchant) -> Any:
        """All that is wanted, at once, or nothing."""
        _, seconds = await self._wanted(request, merchant)
        session = await self._opened(request, merchant)
        if session.state is SessionState.DECLINED:
            raise Refused(of_decline(session.decline))
        if session.state is SessionState.OPEN:
            enough = granted_seconds(session) >= seconds
            session = await self._sessions.close(session.id, seconds if enough else 0)
        if not charged_minor(session):
            raise Refused(of_decline(session.decline, was_open=True))
        reply = self._with_cost(self._reply(request, wire.SUCCESS), session)
        reply.granted_service_unit = wire.GrantedServiceUnit(cc_time=seconds)
        return reply

    async def _check_balance(self, request: Any, merchant: Merchant) -> Any:
        tariff, seconds = await self._wanted(request, merchant)
        shown = _credential(request)
        asked = await self._engine.authorize(
            AuthorizationRequest(
                request_key=f"diameter:{merchant.id.hex}:{request.session_id}",
                number=shown.number,
                expiry=shown.expiry,
                cvv=shown.cvv,
                amount=Money(0, tariff.currency),
                merchant=merchant,
                terminal=None,
                entry=Entry.METERED,
                pin=shown.pin,
                purpose=Purpose.INQUIRY,
            )
        )
        if asked.status is not Status.APPROVED:
            raise Refused(of_decline(asked.decline))
        enough = (asked.balance_minor or 0) >= cost_minor(tariff, seconds)
        reply = self._reply(request, wire.SUCCESS)
        reply.check_balance_result = (
            wire.names.E_CHECK_BALANCE_RESULT_ENOUGH_CREDIT
            if enough
            else wire.names.E_CHECK_BALANCE_RESULT_NO_CREDIT
        )
        return reply

    async def _wanted(self, request: Any, merchant: Merchant) -> tuple[Tariff, int]:
        tariff = await self._prices.in_effect(merchant.id, _tariff_name(request))
        return tariff, _requested(request) or tariff.grant_seconds

    # answers -----------------------------------------------------------------------------------------------

    def _reply(self, request: Any, result_code: int, failed: wire.Avp | None = None) -> Any:
        reply = wire.answer(request, self._identity.origin_host, self._identity.realm, result_code, failed)
        for copied in ("cc_request_type", "cc_request_number"):
            if (value := getattr(request, copied, None)) is not None:
                setattr(reply, copied, value)
        return reply

    def _with_cost(self, reply: Any, session: Session) -> Any:
        """What the session has cost so far, for whoever tells the caller."""
        reply.cost_information = _cost(session.tariff, charged_minor(session))
        return reply


def _check(request: Any, realm: str) -> None:
    """Refuse what is not there, is not for us, or is more than calls need. Raises `Refused`."""
    for name, code in _REQUIRED.items():
        if getattr(request, name, None) is None:
            raise Refused(wire.MISSING_AVP, _avp(code))
    if wire.text_of(request.destination_realm).lower() != realm:
        raise Refused(wire.REALM_NOT_SERVED)
    if not 1 <= len(request.session_id) <= _SESSION_ID_MAX or not request.session_id.isprintable():
        raise Refused(wire.INVALID_AVP_VALUE, _avp(wire.names.AVP_SESSION_ID, request.session_id))
    if request.multiple_services_credit_control:
        raise Refused(wire.AVP_UNSUPPORTED, _avp(wire.names.AVP_MULTIPLE_SERVICES_CREDIT_CONTROL))


def _credential(request: Any) -> Credential:
    """The number as END_USER_PRIVATE; PIN, or expiry and CVV, as service parameters. Raises `Refused`."""
    numbers = [
        each.subscription_id_data
        for each in request.subscription_id
        if each.subscription_id_type == wire.names.E_SUBSCRIPTION_ID_TYPE_END_USER_PRIVATE
    ]
    if not numbers or numbers[0] is None:
        raise Refused(wire.MISSING_AVP, _avp(wire.names.AVP_SUBSCRIPTION_ID))
    if not (numbers[0].isascii() and numbers[0].isdigit() and 12 <= len(numbers[0]) <= 19):
        raise Refused(wire.USER_UNKNOWN)
    shown = {
        each.service_parameter_type: wire.text_of(each.service_parameter_value)
        for each in request.service_parameter_info
        if each.service_parameter_value is not None
    }
    if PIN_PARAMETER not in shown and not {EXPIRY_PARAMETER, CVV_PARAMETER} <= shown.keys():
        raise Refused(wire.MISSING_AVP, _avp(wire.names.AVP_SERVICE_PARAMETER_INFO))
    if not all(value.isascii() and value.isdigit() and 3 <= len(value) <= 6 for value in shown.values()):
        raise Refused(wire.USER_UNKNOWN)
    return Credential(
        Secret(numbers[0]),
        pin=_secret(shown.get(PIN_PARAMETER)),
        expiry=shown.get(EXPIRY_PARAMETER),
        cvv=_secret(shown.get(CVV_PARAMETER)),
    )


def _secret(text: str | None) -> Secret | None:
    return None if text is None else Secret(text)


def _tariff_name(request: Any) -> str:
    """Service-Identifier names the tariff; without one it is the usual one."""
    return DEFAULT_TARIFF if request.service_identifier is None else str(request.service_identifier)


def _requested(request: Any) -> int | None:
    """How many seconds are wanted; 0 leaves it to the tariff, None wants none."""
    unit = request.requested_service_unit
    return None if unit is None else min(unit.cc_time or 0, SECONDS_MAX)


def _used(request: Any) -> int:
    """What was used since the report before."""
    return min(sum(unit.cc_time or 0 for unit in request.used_service_unit), SECONDS_MAX)


def _cost(tariff: Tariff, amount_minor: int) -> wire.CostInformation:
    return wire.CostInformation(
        unit_value=wire.UnitValue(value_digits=amount_minor, exponent=0),
        currency_code=int(numeric_code(tariff.currency)),
    )


def _avp(code: int, value: Any = None) -> wire.Avp:
    """An AVP to point at; one that did not come is named by its code."""
    return wire.Avp.new(code, value=value)
