"""What an issuer is told after it was asked: payments that stand, and units that go back."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Final

import structlog

from obverse.networks.points_issuer import wire
from obverse.networks.points_issuer.asking import ABOUT_THE_REQUEST, in_parts
from obverse.networks.points_issuer.channel import Channel
from obverse.networks.points_issuer.failures import IssuerFailed
from obverse.networks.points_issuer.gathering import SIZE_MAX
from obverse.points.model import MessageKind, PointsMessage

_log = structlog.get_logger(__name__)

_ACKNOWLEDGED: Final = {
    "/confirmations": frozenset({"confirmed", "unknown"}),
    "/cancellations": frozenset({"cancelled"}),
}


async def tell(channel: Channel, messages: Sequence[PointsMessage], give_up_at: float) -> Sequence[bool]:
    """Send all, in sets; True for what was acknowledged. Never raises for what the issuer does."""
    confirmed = [message for message in messages if message.kind is MessageKind.CONFIRM]
    undone = [message for message in messages if message.kind is not MessageKind.CONFIRM]
    sets = [("/confirmations", part) for part in _parts(confirmed)]
    sets += [("/cancellations", part) for part in _parts(undone)]
    answers = await asyncio.gather(*[_tell(channel, path, part, give_up_at) for path, part in sets])
    acknowledged = {
        message.id
        for (_, part), answer in zip(sets, answers, strict=True)
        for message, is_acknowledged in zip(part, answer, strict=True)
        if is_acknowledged
    }
    return [message.id in acknowledged for message in messages]


async def _tell(
    channel: Channel, path: str, messages: Sequence[PointsMessage], give_up_at: float
) -> Sequence[bool | None]:
    async def send(part: Sequence[PointsMessage]) -> Sequence[bool | None]:
        answer = await channel.exchange(
            path, _request(path, part), wire.Results, give_up_at, refusals=ABOUT_THE_REQUEST
        )
        if [result.reference for result in answer.results] != [message.reference for message in part]:
            raise IssuerFailed(is_sent=True)
        for result in answer.results:
            if result.status == "unknown":
                # As it should be where all went back before; else its books are not ours.
                _log.warning("points_issuer_knows_no_take", reference=result.reference)
        return [result.status in _ACKNOWLEDGED[path] for result in answer.results]

    try:
        return await in_parts(messages, send)
    except IssuerFailed:
        return [False] * len(messages)


def _request(path: str, part: Sequence[PointsMessage]) -> wire.Confirmations | wire.Cancellations:
    if path == "/confirmations":
        return wire.Confirmations([wire.Confirmation(message.reference) for message in part])
    return wire.Cancellations(
        [wire.Cancellation(message.reference, message.units, message.units_before) for message in part]
    )


def _parts(messages: Sequence[PointsMessage]) -> Iterator[Sequence[PointsMessage]]:
    for at in range(0, len(messages), SIZE_MAX):
        yield messages[at : at + SIZE_MAX]
