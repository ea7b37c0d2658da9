"""What the relay may ask of an issuer: each call takes a body and gives the answer to it."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

import msgspec

from obverse.sandbox.faults import MessageKind
from obverse.sandbox.points_issuer import wire
from obverse.sandbox.points_issuer.book import Book, Refusal, Take
from obverse.sandbox.points_issuer.linking import Links
from obverse.sandbox.points_issuer.profiles import Profile
from obverse.sandbox.points_issuer.van_line import VanLine
from obverse.sandbox.points_issuer.wire import Answer, answer
from obverse.sandbox.trace import Trace

RELAY: Final = "Obverse"
BOASTED: Final = 1_000_000
"""How many units more there are by a wrong balance."""

_SHOWN: Final = 5
"""Of how many items in a set the trace says more than their number."""

_BALANCES: Final = msgspec.json.Decoder(wire.BalancesBody)
_TAKES: Final = msgspec.json.Decoder(wire.TakesBody)
_CONFIRMATIONS: Final = msgspec.json.Decoder(wire.ConfirmationsBody)
_CANCELLATIONS: Final = msgspec.json.Decoder(wire.CancellationsBody)
_LINK: Final = msgspec.json.Decoder(wire.LinkBody)
_PROOF: Final = msgspec.json.Decoder(wire.ProofBody)

Work = Callable[[bytes], Awaitable[Answer]]
"""Raises `msgspec.MsgspecError` for a body that is none, `ReferenceReused`."""


class RelayDesk:
    """One issuer's calls for the relay, by path: `work`."""

    def __init__(
        self, profile: Profile, book: Book, links: Links, van_line: VanLine | None, trace: Trace
    ) -> None:
        self._profile, self._book, self._links = profile, book, links
        self._van_line, self._trace = van_line, trace
        self._takes_path = "/holds" if profile.two_phase else "/deductions"
        self._work: Mapping[str, tuple[MessageKind, Work]] = {
            "/balances": (MessageKind.POINTS_BALANCES, self._balances),
            self._takes_path: (MessageKind.POINTS_TAKES, self._take),
            "/cancellations": (MessageKind.POINTS_CANCELLATIONS, self._cancel),
            "/links": (MessageKind.POINTS_LINKS, self._link),
        } | (
            {"/confirmations": (MessageKind.POINTS_CONFIRMATIONS, self._confirm)} if profile.two_phase else {}
        )

    def work(self, path: str) -> tuple[MessageKind, Work] | None:
        """What is done at a path, and its line of the fault menu; None where nothing is."""
        start, _, name = path.partition("/links/")
        if not start and name.endswith("/proof"):
            return MessageKind.POINTS_LINKS, lambda body: self._prove(name.removesuffix("/proof"), body)
        return self._work.get(path)

    async def boast(self, body: bytes) -> Answer:
        """Balances, of which each is more than there is."""
        return await self._balances(body, BOASTED)

    async def _balances(self, body: bytes, more: int = 0) -> Answer:
        asked = _BALANCES.decode(body).accounts
        self._heard("/balances", {"accounts": str(len(asked))})
        rows = [_row(handle, self._book.balance(handle), more) for handle in asked]
        units = [str(row.units) for row in rows[:_SHOWN] if row.units is not None]
        self._said({"units": ", ".join(units)})
        return answer(200, {"balances": rows})

    async def _take(self, body: bytes) -> Answer:
        asked = _TAKES.decode(body).takes
        self._heard(self._takes_path, _shown(asked))
        takes = self._book.take_all(asked)
        self._tell_van(takes)
        results = [_result(take) for take in takes]
        approved = sum(result.approval_code is not None for result in results)
        self._said({"approved": str(approved), "declined": str(len(results) - approved)})
        return answer(200, {"results": results})

    async def _confirm(self, body: bytes) -> Answer:
        asked = _CONFIRMATIONS.decode(body).confirmations
        self._heard("/confirmations", {"confirmations": str(len(asked))})
        results = [
            wire.Outcome(each.reference, "confirmed" if self._book.confirm(each.reference) else "unknown")
            for each in asked
        ]
        return answer(200, {"results": results})

    async def _cancel(self, body: bytes) -> Answer:
        asked = _CANCELLATIONS.decode(body).cancellations
        self._heard("/cancellations", {"cancellations": str(len(asked))})
        units = sum(
            self._book.give_back(each.reference, each.units, each.units_before or 0) for each in asked
        )
        self._said({"units_back": str(units)})
        known = [self._book.taken(each.reference) for each in asked]
        self._tell_van([take for take in known if take is not None])
        return answer(200, {"results": [wire.Outcome(each.reference, "cancelled") for each in asked]})

    async def _link(self, body: bytes) -> Answer:
        number = _LINK.decode(body).account
        self._heard("/links", {"account": f"ends in {number[-4:]}"})
        return await self._links.begin(number)

    async def _prove(self, link: str, body: bytes) -> Answer:
        code = _PROOF.decode(body).code
        self._heard("/links/.../proof", {})
        return self._links.prove(link, code)

    def _tell_van(self, takes: Sequence[Take]) -> None:
        if self._van_line is not None:
            for take in takes:
                self._van_line.tell(take)

    def _heard(self, path: str, fields: Mapping[str, str]) -> None:
        self._trace.http(RELAY, self._profile.name, f"POST {path}", fields)

    def _said(self, fields: Mapping[str, str]) -> None:
        self._trace.http(self._profile.name, RELAY, "200", fields)


def _row(handle: str, balance: int | Refusal, more: int) -> wire.BalanceRow:
    if isinstance(balance, Refusal):
        return wire.BalanceRow(handle, error=balance)
    return wire.BalanceRow(handle, balance + more)


def _result(take: Take) -> wire.TakeResult:
    """The answer to a take, the same each time; one that was given back whole stays called off."""
    if take.refusal is not None or take.state == "cancelled":
        return wire.TakeResult(take.ask.reference, "declined", reason=take.refusal or Refusal.CANCELLED)
    return wire.TakeResult(take.ask.reference, "approved", approval_code=take.approval_code)


def _shown(asked: Sequence[wire.TakeAsk]) -> Mapping[str, str]:
    """What may be seen of takes: never the account."""
    shown = asked[:_SHOWN]
    fields = {"takes": str(len(asked)), "units": ", ".join(str(ask.units) for ask in shown)}
    terminals = [ask.terminal.terminal for ask in shown if ask.terminal is not None]
    return fields | ({"terminals": ", ".join(terminals)} if terminals else {})
