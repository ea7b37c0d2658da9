"""The client: keeps the line up, and turns what comes back over it into outcomes."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from math import ldexp
from typing import Final

import structlog

from obverse.authorization.ports import LegAnswer, LegOutcome, LegRequest
from obverse.kit.errors import ObverseError
from obverse.kit.money import KRW, CurrencyCode, Money
from obverse.networks.card_company import requests
from obverse.networks.card_company.link import Health, Link, NoAnswer, NotSent
from obverse.networks.card_company.opening import Opening
from obverse.networks.card_company.ports import OpenCards
from obverse.networks.card_company.references import Reference, References
from obverse.networks.card_company.requests import Identity
from obverse.networks.iso8583.codec import Fields
from obverse.networks.iso8583.fields import DE38_APPROVAL_CODE, DE39_RESPONSE_CODE, MTI
from obverse.networks.iso8583.response_codes import (
    APPROVED,
    ISSUER_INOPERATIVE,
    NO_ACTION_TAKEN,
    NOT_LOCATED,
    RECEIVED_TOO_LATE,
    SYSTEM_MALFUNCTION,
)
from obverse.wallet.model import CardDetails
from obverse.wallet.ports import CheckResult

log = structlog.get_logger(__name__)

_SIGN_ON: Final = "001"
_ECHO_TEST: Final = "301"

_UNREACHABLE: Final = frozenset({ISSUER_INOPERATIVE})
"""The switch could not pass the request on: nothing can have happened."""
_UNCLEAR: Final = frozenset({RECEIVED_TOO_LATE, SYSTEM_MALFUNCTION, "08", "10", "11"})
"""The switch passed it on and heard nothing, the issuer broke down over it, or it approved something else
than was asked (in part, with conditions): money may be held there, so it is reversed like a lost answer."""
_REVERSAL_DONE: Final = frozenset({APPROVED, NO_ACTION_TAKEN, NOT_LOCATED})
"""Acknowledged, whether or not there was anything to undo."""


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """Where the card company is, who we are to it, and how patient we are. Seconds throughout."""

    host: str
    port: int
    identity: Identity = field(default_factory=Identity)
    check_currency: CurrencyCode = KRW
    timeout_s: float = 5.0
    """From being asked to the answer, opening the vault included."""
    connect_timeout_s: float = 2.0
    echo_after_s: float = 30.0
    """Silence after which the line is tested."""
    backoff_first_s: float = 0.1
    backoff_max_s: float = 5.0


class CardCompanyClient:
    """Implements `authorization.ports.CardCompany` and `wallet.ports.CardCheck` over ISO 8583.

    While there is no line, every request fails at once as unreachable. A request that left and was not
    answered is never sent again by itself: its reversal is a durable job of the engine.
    """

    def __init__(
        self,
        settings: ClientSettings,
        open_cards: OpenCards,
        *,
        now: Callable[[], datetime],
        random_bytes: Callable[[int], bytes],
    ) -> None:
        self._settings = settings
        self._opening = Opening(open_cards)
        self._references = References(now, random_bytes)
        self._random_bytes = random_bytes
        self._health = Health()
        self._link: Link | None = None
        self._keeper: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to connect; returns at once, because payments without linked cards need no card company."""
        if self._keeper is None:
            self._keeper = asyncio.get_running_loop().create_task(self._keep_connected())

    async def stop(self) -> None:
        """Hang up."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait([self._keeper])
            self._keeper = None

    @property
    def health(self) -> Health:
        return self._health

    # -- authorization.ports.CardCompany --------------------------------------------------------------------

    def new_reference(self) -> str:
        """A fresh `network_ref`, unique among all processes and runs."""
        return str(self._references.new())

    async def authorize(self, leg: LegRequest) -> LegAnswer:
        """Ask for approval of one leg, within the deadline."""
        deadline = self._deadline()
        try:
            async with asyncio.timeout_at(deadline):
                card = await self._opening.open(leg.vault_card_id)
        except (TimeoutError, ObverseError) as error:
            log.warning("card_company.card_not_opened", reason=type(error).__name__)
            return LegAnswer(LegOutcome.UNREACHABLE)
        reference = Reference.parse(leg.network_ref)
        request = requests.payment(self._settings.identity, reference, leg, card)
        return await self._ask_for_approval(request, deadline)

    async def reverse(self, leg: LegRequest) -> bool:
        """Send the reversal and, if it gets no answer, its repeat. True once it is acknowledged."""
        original = Reference.parse(leg.network_ref)
        reference = self._references.next_message(original.rrn)
        try:
            card = await self._opening.open(leg.vault_card_id)
            request = requests.reversal(self._settings.identity, reference, leg, card, original)
            answer = await self._ask(request, self._deadline())
            if answer is None:
                answer = await self._ask({**request, MTI: "0421"}, self._deadline())
        except (NotSent, ObverseError) as error:
            log.debug("card_company.reversal_not_sent", reason=type(error).__name__)
            return False
        return answer is not None and answer.get(DE39_RESPONSE_CODE) in _REVERSAL_DONE

    # -- wallet.ports.CardCheck -----------------------------------------------------------------------------

    async def verify(self, details: CardDetails) -> CheckResult:
        """Send one zero-amount check."""
        nothing = Money(0, self._settings.check_currency)
        request = requests.check(self._settings.identity, self._references.new(), details, nothing)
        answer = await self._ask_for_approval(request, self._deadline())
        if answer.outcome is LegOutcome.APPROVED:
            return CheckResult.VERIFIED
        if answer.outcome is LegOutcome.DECLINED:
            return CheckResult.REFUSED
        return CheckResult.UNREACHABLE

    # -- asking ---------------------------------------------------------------------------------------------

    async def _ask_for_approval(self, request: Fields, deadline: float) -> LegAnswer:
        try:
            answer = await self._ask(request, deadline)
        except NotSent:
            return LegAnswer(LegOutcome.UNREACHABLE)
        code = None if answer is None else answer.get(DE39_RESPONSE_CODE)
        if answer is None or code is None or code in _UNCLEAR:
            return LegAnswer(LegOutcome.NO_ANSWER, code)
        if code in _UNREACHABLE:
            return LegAnswer(LegOutcome.UNREACHABLE, code)
        if code != APPROVED:
            return LegAnswer(LegOutcome.DECLINED, code)
        return LegAnswer(LegOutcome.APPROVED, code, answer.get(DE38_APPROVAL_CODE))

    async def _ask(self, request: Fields, deadline: float) -> Fields | None:
        """The answer, or None when the line broke or the deadline passed. Raises `NotSent`."""
        if self._link is None or not self._health.connected:
            raise NotSent
        return await _answer_by(deadline, self._link, request)

    def _deadline(self) -> float:
        """When a request made now has to be over, in the loop's time."""
        return asyncio.get_running_loop().time() + self._settings.timeout_s

    # -- the line -------------------------------------------------------------------------------------------

    async def _keep_connected(self) -> None:
        attempt = 0
        while True:
            lost = asyncio.Event()
            try:
                self._link = await self._connect(lost)
                attempt = 0
                await self._stay_connected(self._link, lost)
            except (OSError, TimeoutError, NotSent):
                log.debug("card_company.unreachable", attempt=attempt)
            finally:
                self._health.connected = False
                if self._link is not None:
                    self._link.close()
                    self._link = None
            await asyncio.sleep(self._backoff_s(attempt))
            attempt += 1

    async def _connect(self, lost: asyncio.Event) -> Link:
        """Connect and sign on. Raises `OSError`, `TimeoutError`, `NotSent`."""
        settings = self._settings
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(settings.connect_timeout_s):
            _, link = await loop.create_connection(
                lambda: Link(self._health, lost.set), settings.host, settings.port
            )
        try:
            await self._say(link, _SIGN_ON)
        except BaseException:
            link.close()
            raise
        self._health.connected = True
        self._health.connections += 1
        log.info("card_company.connected")
        return link

    async def _stay_connected(self, link: Link, lost: asyncio.Event) -> None:
        """Test the line whenever it was silent; returns or raises when it is gone."""
        loop = asyncio.get_running_loop()
        while not lost.is_set():
            silent_s = loop.time() - link.last_heard_at
            if silent_s >= self._settings.echo_after_s:
                await self._say(link, _ECHO_TEST)
                continue
            try:
                async with asyncio.timeout(self._settings.echo_after_s - silent_s):
                    await lost.wait()
            except TimeoutError:
                continue
        log.warning("card_company.lost")

    async def _say(self, link: Link, network_code: str) -> None:
        """Sign on or test the line. Raises `TimeoutError` where no approval comes back, `NotSent`."""
        message = requests.network(self._settings.identity, self._references.next_message(""), network_code)
        deadline = asyncio.get_running_loop().time() + self._settings.connect_timeout_s
        answer = await _answer_by(deadline, link, message)
        if answer is None or answer.get(DE39_RESPONSE_CODE) != APPROVED:
            raise TimeoutError

    def _backoff_s(self, attempt: int) -> float:
        """Twice as long after each failure; between half and all of that, so that clients do not gang up."""
        longest = min(ldexp(self._settings.backoff_first_s, min(attempt, 30)), self._settings.backoff_max_s)
        return longest * (0.5 + self._random_bytes(1)[0] / 512)


async def _answer_by(deadline: float, link: Link, request: Fields) -> Fields | None:
    try:
        async with asyncio.timeout_at(deadline):
            return await link.ask(request)
    except (NoAnswer, TimeoutError):
        return None
