"""Every issuer, as the engine, quotes, links and the courier see them."""

import asyncio
import ssl
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Final, TypeVar

from obverse.authorization.ports import LegAnswer, LegOutcome, PointsRequest
from obverse.kit.errors import Unavailable
from obverse.kit.ids import NewId, PointsIssuerId, SourceId
from obverse.kit.secret import Secret
from obverse.networks.points_issuer import wire
from obverse.networks.points_issuer.asking import Asking
from obverse.networks.points_issuer.channel import Channel
from obverse.networks.points_issuer.failures import IssuerFailed, Refused
from obverse.networks.points_issuer.gathering import Gatherer
from obverse.networks.points_issuer.telling import tell
from obverse.points.model import PointsMessage
from obverse.points.ports import (
    BalanceAnswer,
    BalanceAsk,
    IssuerDirectory,
    LinkBegun,
    LinkProof,
    Trouble,
)
from obverse.vault import Vault

T = TypeVar("T")

_NO_SUCH_ACCOUNT: Final = frozenset({400, 404, 422})
_NOT_PROVED: Final = frozenset({400, 404, 410, 422})


class PointsIssuerClient:
    """Implements `authorization.ports.PointsIssuers`, and `PointsBalances`, `LinkIssuers` and `TellIssuers`
    of `points.ports`. It has to be closed in the loop in which it was used."""

    def __init__(
        self,
        directory: IssuerDirectory,
        vault: Vault,
        *,
        now: Callable[[], datetime],
        new_id: NewId,
        timeout_s: float,
        trust: ssl.SSLContext | None = None,
    ) -> None:
        """`now` is the machine's time. `timeout_s` is the one deadline of every call, whatever it does.
        `trust` says whose certificates are believed; by default, those that everybody believes.
        """
        self._directory = directory
        self._vault = vault
        self._now = now
        self._new_id = new_id
        self._timeout_s = timeout_s
        self._trust = trust or ssl.create_default_context()
        self._lines: dict[PointsIssuerId, _Line] = {}

    async def take(self, leg: PointsRequest) -> LegAnswer:
        """Have units held, or deducted where the issuer holds nothing."""
        try:
            return await self._line(leg.issuer_id).takes.ask(leg, self._give_up_at())
        except IssuerFailed as failed:
            return LegAnswer(LegOutcome.NO_ANSWER if failed.is_sent else LegOutcome.UNREACHABLE)

    async def balances(self, asks: Sequence[BalanceAsk]) -> Mapping[SourceId, BalanceAnswer]:
        """Ask every issuer at the same time; an issuer in trouble holds up no other (PR-3)."""
        give_up_at = self._give_up_at()
        answers = await asyncio.gather(*[self._balance(ask, give_up_at) for ask in asks])
        return {ask.source_id: answer for ask, answer in zip(asks, answers, strict=True)}

    async def begin_link(self, issuer_id: PointsIssuerId, account: Secret) -> LinkBegun | None:
        """Have the issuer send the account's owner a code. Raises `Unavailable`."""
        request = wire.LinkRequest(account.reveal())
        link = await self._ask_once(issuer_id, "/links", request, wire.Link, _NO_SUCH_ACCOUNT)
        return LinkBegun(link.link) if link is not None else None

    async def prove_link(self, issuer_id: PointsIssuerId, link: str, code: Secret) -> LinkProof | None:
        """Show the issuer the code that its owner was sent. Raises `Unavailable`."""
        request = wire.ProofRequest(code.reveal())
        proof = await self._ask_once(issuer_id, f"/links/{link}/proof", request, wire.Proof, _NOT_PROVED)
        return LinkProof(Secret(proof.account)) if proof is not None else None

    async def tell(self, issuer_id: PointsIssuerId, messages: Sequence[PointsMessage]) -> Sequence[bool]:
        """Send what an issuer has to be told; True for what it has acknowledged."""
        return await tell(self._line(issuer_id).channel, messages, self._give_up_at())

    def is_answering(self, issuer_id: PointsIssuerId) -> bool | None:
        """Whether an issuer is asked at present, or left alone because it kept failing; None before that."""
        line = self._lines.get(issuer_id)
        return None if line is None else line.channel.is_answering

    async def close(self) -> None:
        """Give up what is under way, and hang up."""
        for line in self._lines.values():
            await line.close()
        self._lines.clear()

    def _give_up_at(self) -> float:
        return asyncio.get_running_loop().time() + self._timeout_s

    async def _balance(self, ask: BalanceAsk, give_up_at: float) -> BalanceAnswer:
        try:
            return await self._line(ask.issuer_id).balances.ask(ask, give_up_at)
        except IssuerFailed as failed:
            return BalanceAnswer(None, Trouble.SLOW if failed.is_late else Trouble.DOWN)

    async def _ask_once(
        self,
        issuer_id: PointsIssuerId,
        path: str,
        request: wire.LinkRequest | wire.ProofRequest,
        answer: type[T],
        refusals: frozenset[int],
    ) -> T | None:
        channel = self._line(issuer_id).channel
        try:
            return await channel.exchange(path, request, answer, self._give_up_at(), refusals=refusals)
        except Refused:
            return None
        except IssuerFailed:
            raise Unavailable("The points issuer does not answer. Try again in a moment.") from None

    def _line(self, issuer_id: PointsIssuerId) -> "_Line":
        line = self._lines.get(issuer_id)
        if line is None:
            channel = Channel(
                issuer_id,
                self._directory,
                self._vault,
                now=self._now,
                new_id=self._new_id,
                timeout_s=self._timeout_s,
                trust=self._trust,
            )
            line = self._lines[issuer_id] = _Line(channel, self._vault)
        return line


class _Line:
    """What is under way with one issuer."""

    def __init__(self, channel: Channel, vault: Vault) -> None:
        asking = Asking(channel, vault)
        self.channel = channel
        self.takes: Gatherer[PointsRequest, LegAnswer] = Gatherer(asking.take)
        self.balances: Gatherer[BalanceAsk, BalanceAnswer] = Gatherer(asking.balances)

    async def close(self) -> None:
        await self.takes.close()
        await self.balances.close()
        await self.channel.close()
