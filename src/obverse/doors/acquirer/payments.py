"""From a typed message to the engine and back to DE 39: what the door does besides moving bytes."""

from collections.abc import Callable
from datetime import datetime

import structlog

from obverse.authorization.errors import NothingToRelease
from obverse.authorization.model import Authorization, AuthorizationRequest, Decline, Status
from obverse.clearing.claims import Attempt, ClaimKind, Road
from obverse.doors.acquirer.amounts import amounts_told
from obverse.doors.acquirer.batches import reconcile, upload
from obverse.doors.acquirer.points import points_told, shown
from obverse.doors.acquirer.ports import ClaimDesk, MerchantDirectory, PaymentEngine, PointsDesk
from obverse.kit.errors import ObverseError, Unavailable
from obverse.kit.money import Money
from obverse.merchants.model import Merchant
from obverse.networks.iso8583 import response_codes
from obverse.networks.iso8583.batches import ReconciliationMessage, UploadMessage
from obverse.networks.iso8583.messages import (
    CaptureMessage,
    NetworkMessage,
    PaymentMessage,
    RefundMessage,
    ReportMessage,
    ReversalMessage,
    answer,
)
from obverse.networks.iso8583.pin_blocks import PinKeys

_NETWORK_CODES = frozenset({"001", "002", "301"})
"""DE 70: sign-on, sign-off, echo test."""

log = structlog.get_logger(__name__)

Business = (
    PaymentMessage
    | ReportMessage
    | CaptureMessage
    | RefundMessage
    | ReversalMessage
    | UploadMessage
    | ReconciliationMessage
)
"""What needs the engine to be answered."""


def answer_network(message: NetworkMessage) -> bytes:
    """Sign-on, sign-off and echo test: always welcome, and nothing depends on them."""
    known = message.network_code in _NETWORK_CODES
    code = response_codes.APPROVED if known else response_codes.FUNCTION_NOT_SUPPORTED
    return answer(message.fields, code)


class Payments:
    """Answers one business message at a time; any number may be under way."""

    def __init__(
        self,
        engine: PaymentEngine,
        claims: ClaimDesk,
        merchants: MerchantDirectory,
        now: Callable[[], datetime],
        pin_keys: PinKeys,
        points: PointsDesk | None,
    ) -> None:
        self._pin_keys = pin_keys
        self._points = points
        self._engine = engine
        self._claims = claims
        self._merchants = merchants
        self._now = now

    def arrived(self) -> datetime:
        """The platform's time, taken when a message comes in."""
        return self._now()

    async def answer(self, message: Business, arrived: datetime) -> bytes:
        """Decide and write the answer; whatever goes wrong becomes a response code."""
        try:
            if isinstance(message, PaymentMessage):
                return await self._pay(message, arrived)
            if isinstance(message, ReversalMessage):
                return await self._reverse(message, arrived)
            if isinstance(message, ReportMessage):
                return await self._report(message, arrived)
            if isinstance(message, RefundMessage):
                return await self._refund(message, arrived)
            if isinstance(message, CaptureMessage):
                return await self._capture(message, arrived)
            merchant = await self._merchant(message.acquirer, message.merchant_no, message.terminal)
            if isinstance(message, UploadMessage):
                return await upload(message, merchant, self._claims)
            return await reconcile(message, merchant, self._claims)
        except Unavailable:
            return self.give_up(message, arrived)
        except ObverseError as error:
            return answer(message.fields, response_codes.of_refusal(error))
        except Exception:
            log.exception("acquirer.defect", mti=message.fields["t"])
            return self.give_up(message, arrived)

    def give_up(self, message: Business, arrived: datetime) -> bytes:
        """Answer "system malfunction", and see to it that a payment so answered holds no money.

        The engine may have committed it all the same, and the terminal has been told that it did not happen.
        """
        if isinstance(message, PaymentMessage):
            key = message.origin.request_key(arrived)
            terminal = message.origin.terminal
            self._engine.reverse_later(
                key, message.number, message.amount, None, terminal, in_doubt_since=arrived
            )
        return answer(message.fields, response_codes.SYSTEM_MALFUNCTION)

    async def _pay(self, message: PaymentMessage, arrived: datetime) -> bytes:
        origin, block = message.origin, message.pin_block
        request = AuthorizationRequest(
            request_key=origin.request_key(arrived),
            number=message.number,
            expiry=message.expiry,
            cvv=message.cvv,
            amount=message.amount,
            merchant=await self._merchant(origin.acquirer, message.merchant_no, origin.terminal),
            terminal=origin.terminal,
            entry=message.entry,
            capture=message.capture,
            pin=None if block is None else self._pin_keys.open(block, message.number),
            partial=message.partial,
            purpose=message.purpose,
            tender=message.picked.tender,
            quote=message.picked.quote,
            rrn=origin.rrn or None,
        )
        authorization = await self._engine.authorize(request)
        points = await shown(self._points, authorization, request.merchant)
        code = response_codes.of_payment(authorization) if points is None else response_codes.APPROVED
        approval_code = authorization.approval_code if code in response_codes.APPROVALS else None
        amounts = amounts_told(message.fields, authorization, points)
        split = await points_told(self._points, authorization, points)
        return answer(message.fields, code, approval_code, {**amounts, **split})

    async def _report(self, message: ReportMessage, arrived: datetime) -> bytes:
        """Take in what somebody has approved for us (WA-9). The money is spent: what the card no longer has
        is an operator's to deal with, and no reason to refuse the news."""
        origin = message.origin
        request = AuthorizationRequest(
            request_key=origin.request_key(arrived),
            number=message.number,
            expiry=message.expiry,
            cvv=None,
            amount=message.amount,
            merchant=await self._merchant(origin.acquirer, message.merchant_no, origin.terminal),
            terminal=origin.terminal,
            entry=message.entry,
            capture=True,
            partial=True,
            reported=True,
            approval_code=message.approval_code,
        )
        authorization = await self._engine.authorize(request)
        missing_minor = _missing_minor(authorization)
        if not missing_minor:
            return answer(message.fields, response_codes.of_payment(authorization))
        await self._claims.note_uncovered(
            authorization, missing_minor, message.approval_code, message.number.reveal()[-4:]
        )
        return answer(message.fields, response_codes.APPROVED)

    async def _capture(self, message: CaptureMessage, arrived: datetime) -> bytes:
        payment = message.original.request_key(arrived)
        key = message.origin.request_key(arrived)
        try:
            captured = await self._engine.capture_by_key(payment, message.number, message.amount, key=key)
        except ObverseError as refused:
            await self._claims.note(_attempt(message, ClaimKind.CAPTURE, key), refused)
            raise
        return answer(message.fields, response_codes.of_payment(captured))

    async def _refund(self, message: RefundMessage, arrived: datetime) -> bytes:
        payment = message.original.request_key(arrived)
        key = message.origin.request_key(arrived)
        try:
            refunded = await self._engine.refund_by_key(payment, message.number, message.amount, key=key)
        except ObverseError as refused:
            await self._claims.note(_attempt(message, ClaimKind.REFUND, key), refused)
            raise
        return answer(message.fields, response_codes.of_payment(refunded))

    async def _reverse(self, message: ReversalMessage, arrived: datetime) -> bytes:
        if message.kept_minor:
            return await self._reverse_in_part(message, arrived)
        original = message.original
        merchant = await self._merchant(original.acquirer, message.merchant_no, original.terminal)
        authorization = await self._engine.reverse(
            original.request_key(arrived),
            message.number,
            message.amount,
            None if merchant is None else merchant.id,
            original.terminal,
        )
        return answer(message.fields, _of_reversal(authorization))

    async def _reverse_in_part(self, message: ReversalMessage, arrived: datetime) -> bytes:
        """Release the difference, or give it back where the sale was complete at once (0200)."""
        payment = message.original.request_key(arrived), message.number
        undone = Money(message.amount.amount_minor - message.kept_minor, message.amount.currency)
        key = message.origin.request_key(arrived)
        try:
            authorization = await self._engine.release_by_key(*payment, undone, key=key)
        except NothingToRelease:
            # A key of its own: the repeat, too, asks for the release first, and must not find a refund there.
            authorization = await self._engine.refund_by_key(*payment, undone, key=f"undone:{key}")
        return answer(message.fields, response_codes.of_payment(authorization))

    async def _merchant(self, acquirer: str, merchant_no: str, terminal: str) -> Merchant | None:
        """The merchant, if this terminal is one of its own; a stranger's terminal is no merchant of ours."""
        merchant = await self._merchants.find(acquirer, merchant_no)
        return merchant if merchant is not None and terminal in merchant.terminals else None


def _attempt(message: CaptureMessage | RefundMessage, kind: ClaimKind, key: str) -> Attempt:
    """What an operator is to see of a completion or refund that was refused."""
    return Attempt(
        road=Road.ISO8583,
        kind=kind,
        request_key=key,
        amount_minor=message.amount.amount_minor,
        currency=message.amount.currency,
        terminal=message.origin.terminal,
        reference=message.origin.rrn or None,
        last_four=message.number.reveal()[-4:],
        final=True,
    )


def _missing_minor(reported: Authorization) -> int:
    """What of a reported payment could not be taken of a card and for a merchant that we know; else 0."""
    if reported.card_id is None or reported.merchant_id is None:
        return 0
    if reported.status is Status.DECLINED and reported.decline is not Decline.KEY_REUSED:
        return reported.amount.amount_minor
    if reported.status is Status.APPROVED and reported.requested_minor is not None:
        return reported.requested_minor - reported.amount.amount_minor
    return 0


def _of_reversal(authorization: Authorization) -> str:
    """A reversal is acknowledged once no money is held: undone now, earlier, or never approved."""
    if authorization.status in (Status.REVERSED, Status.DECLINED):
        return response_codes.APPROVED
    return response_codes.NO_ACTION_TAKEN
