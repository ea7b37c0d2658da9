"""Takes and balances of many payments in one request, and what the answer says of each."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar

from obverse.authorization.ports import LegAnswer, LegOutcome, PointsRequest
from obverse.kit.ids import SourceId
from obverse.kit.secret import Sealed
from obverse.networks.points_issuer import wire
from obverse.networks.points_issuer.channel import Channel
from obverse.networks.points_issuer.failures import IssuerFailed, Refused
from obverse.points.model import Issuer, IssuerState
from obverse.points.ports import BalanceAnswer, BalanceAsk, Trouble
from obverse.points.rules import account_context
from obverse.vault import Vault

ABOUT_THE_REQUEST: Final = frozenset({400, 409, 413, 422})
"""What refuses a set for the sake of one of its items, or for its size."""
_REASONS: Final = frozenset(
    {"insufficient_points", "account_unknown", "account_blocked", "limit", "cancelled"}
)

Item = TypeVar("Item")
Said = TypeVar("Said")


async def in_parts(
    items: Sequence[Item], send: Callable[[Sequence[Item]], Awaitable[Sequence[Said | None]]]
) -> Sequence[Said | None]:
    """Send all in one request; where it is refused, in ever smaller ones, so that one item that an issuer
    refuses does not take its neighbours down. None is said of what has no answer in the end.

    Raises `IssuerFailed` for the first request: what fails later is about a part only.
    """
    try:
        return await send(items)
    except Refused:
        if len(items) == 1:
            return [None]
    middle = len(items) // 2
    answers: list[Said | None] = []
    for part in (items[:middle], items[middle:]):
        try:
            answers += await in_parts(part, send)
        except IssuerFailed:
            answers += [None] * len(part)
    return answers


class Asking:
    """What one issuer is asked."""

    def __init__(self, channel: Channel, vault: Vault) -> None:
        self._channel = channel
        self._vault = vault

    async def take(self, legs: Sequence[PointsRequest], give_up_at: float) -> Sequence[LegAnswer | None]:
        """Raises `IssuerFailed`."""
        issuer = await self._active()
        path = "/holds" if issuer.two_phase else "/deductions"

        async def send(part: Sequence[PointsRequest]) -> Sequence[LegAnswer | None]:
            request = wire.Takes([self._take(leg, issuer) for leg in part])
            answer = await self._channel.exchange(
                path, request, wire.Results, give_up_at, refusals=ABOUT_THE_REQUEST
            )
            if [result.reference for result in answer.results] != [leg.network_ref for leg in part]:
                raise IssuerFailed(is_sent=True)
            return [_taken(result, issuer) for result in answer.results]

        return await in_parts(legs, send)

    async def balances(self, asks: Sequence[BalanceAsk], give_up_at: float) -> Sequence[BalanceAnswer | None]:
        """Raises `IssuerFailed`."""
        await self._active()

        async def send(part: Sequence[BalanceAsk]) -> Sequence[BalanceAnswer | None]:
            request = wire.Accounts([self._handle(ask.source_id, ask.handle) for ask in part])
            answer = await self._channel.exchange(
                "/balances", request, wire.Balances, give_up_at, refusals=ABOUT_THE_REQUEST
            )
            if [balance.account for balance in answer.balances] != request.accounts:
                raise IssuerFailed(is_sent=True)
            return [_balance(balance) for balance in answer.balances]

        return await in_parts(asks, send)

    async def _active(self) -> Issuer:
        """Raises `IssuerFailed`: a suspended issuer is only told what it is owed."""
        issuer = await self._channel.issuer()
        if issuer.state is not IssuerState.ACTIVE:
            raise IssuerFailed(is_sent=False)
        return issuer

    def _handle(self, source_id: SourceId, sealed: Sealed) -> str:
        return self._vault.open(sealed, account_context(source_id)).reveal()

    def _take(self, leg: PointsRequest, issuer: Issuer) -> wire.Take:
        at = leg.terminal if issuer.tells_van else None
        return wire.Take(
            reference=leg.network_ref,
            account=self._handle(leg.source_id, leg.handle),
            units=leg.units,
            merchant=leg.merchant_name,
            amount=leg.amount.amount_minor,
            currency=leg.amount.currency,
            terminal=None
            if at is None
            else wire.Terminal(at.acquirer_id, at.merchant_no, at.terminal, at.rrn),
        )


def _taken(result: wire.Result, issuer: Issuer) -> LegAnswer | None:
    if result.status == "approved" and wire.is_approval_code(result.approval_code):
        return LegAnswer(LegOutcome.APPROVED, approval_code=result.approval_code, to_confirm=issuer.two_phase)
    if result.status == "declined":
        return LegAnswer(
            LegOutcome.DECLINED, response_code=result.reason if result.reason in _REASONS else None
        )
    return None


def _balance(balance: wire.Balance) -> BalanceAnswer:
    units = balance.units
    if balance.error is not None or units is None or not 0 <= units <= wire.UNITS_MAX:
        return BalanceAnswer(None, Trouble.REFUSED)
    return BalanceAnswer(units)
