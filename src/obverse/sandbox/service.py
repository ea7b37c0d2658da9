"""All partners together, in one process."""

import asyncio
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Final, Protocol

from obverse.kit.clock import Clock
from obverse.kit.errors import CannotStart
from obverse.kit.http_server import HttpServer
from obverse.sandbox.bank import Bank, BankAccount, BankBook
from obverse.sandbox.card_company import (
    BankLine,
    Book,
    CardCompany,
    Clearing,
    FileExchange,
    make_cards,
    pay_through,
)
from obverse.sandbox.clearing_house import NAME as HOUSE
from obverse.sandbox.clearing_house import ClearingHouse, Results, Route, StandIn, Van
from obverse.sandbox.control import Partners, create_app
from obverse.sandbox.credit_bureau import CreditBureau
from obverse.sandbox.faults import FaultMenu
from obverse.sandbox.mailbox import Box, MailServer, SmsProvider
from obverse.sandbox.mall import Mall, MallSite
from obverse.sandbox.points_issuer import PROFILES, PointsIssuer
from obverse.sandbox.trace import Entry, Trace

CARD_COMPANY_BIN: Final = "953010"
PROVIDER: Final = "Obverse"
"""Its name in the trace."""


@dataclass(frozen=True, slots=True)
class SandboxSettings:
    """Where the partners listen (port 0: any free one) and where they find the provider's acquirer door."""

    host: str = "127.0.0.1"
    clearing_house_port: int = 8585
    card_company_port: int = 8586
    card_company_files_port: int = 8587
    mall_port: int = 8590
    credit_bureau_port: int = 8591
    control_port: int = 8592
    bank_port: int = 8593
    mail_port: int = 8594
    sms_port: int = 8595
    van_port: int = 8596
    points_issuers_port: int = 8601
    """Of the first; the others have those that follow."""
    acquirer_host: str = "127.0.0.1"
    acquirer_port: int = 8583
    provider_bin: str = "941012"
    provider_acquirer_id: str = "941012"
    """DE 32 of what the provider itself sends to card companies."""
    card_company_account: str = "200100200300"
    """Pays for clearing files, to the provider's account at the same bank."""
    provider_bank: str = "090"
    provider_account: str = "100200300400"
    provider_holder: str = PROVIDER
    currency: str = "KRW"
    time_zone: str = "Asia/Seoul"
    """Where the bank's days begin and end."""
    clearing_house_timeout_s: float = 7.0
    """Longer than the provider's own deadline, so that its answer is the one that counts."""
    seed: int = 1
    cards: int = 4


class _Partner(Protocol):
    async def start(self, host: str, port: int) -> None: ...


class Sandbox:
    """Card company, clearing house, credit bureau, bank, mailboxes, points issuers, mall, control app.

    The same seed gives the same cards at every start. Tills are made by whoever stands at one.
    """

    def __init__(
        self, settings: SandboxSettings, clock: Clock, on_entry: Callable[[Entry], None] | None = None
    ) -> None:
        self.settings, self._clock = settings, clock
        rng = Random(settings.seed)  # noqa: S311  (made to be replayed, not to be secret)
        made_later = Random()  # noqa: S311  (cards, orders and traces of one run must not meet those of another)
        self.trace = Trace(clock, on_entry)
        self.faults = FaultMenu(rng)
        book = Book(make_cards(rng, settings.cards, clock.now()), clock, made_later)
        self.card_company = CardCompany(book, self.faults, self.trace, caller_name=HOUSE)
        self.bank = self._make_bank(made_later)
        line = BankLine(
            settings.card_company_account,
            settings.provider_bank,
            settings.provider_account,
            settings.provider_holder,
            settings.currency,
        )
        pay = pay_through(lambda: f"http://{settings.host}:{self.bank.port}", line)
        clearing = Clearing(book, self.faults, self.trace, pay, self.card_company.name)
        self.card_company_files = FileExchange(clearing, self.faults)
        self.credit_bureau = CreditBureau(self.faults, self.trace)
        self.mailbox = Box()
        self.mail_server = MailServer(self.mailbox, self.faults, self.trace, clock)
        self.sms_provider = SmsProvider(self.mailbox, self.faults, self.trace, clock)
        self._rng = made_later
        self.points_issuers: list[PointsIssuer] = []
        self.clearing_house: ClearingHouse
        self.van: Van
        self.mall: MallSite
        self.control: HttpServer

    async def start(self) -> None:
        """Start them all. Raises `CannotStart` when a port is taken; nothing is left listening then."""
        settings = self.settings
        try:
            await self._open(self.card_company, settings.card_company_port, "card company")
            await self._open(
                self.card_company_files, settings.card_company_files_port, "card company's file exchange"
            )
            await self._open(self.credit_bureau, settings.credit_bureau_port, "credit bureau")
            await self._open(self.bank, settings.bank_port, "bank")
            await self._open(self.mail_server, settings.mail_port, "mail server")
            await self._open(self.sms_provider, settings.sms_port, "SMS provider")
            self.clearing_house = self._make_clearing_house()
            await self._open(self.clearing_house, settings.clearing_house_port, "clearing house")
            self.van = Van(self.clearing_house, Results(self.trace), self._clock, self._rng)
            await self._open(self.van, settings.van_port, "VAN")
            await self._open_points_issuers()
            house = (settings.host, self.clearing_house.port)
            points_url = self.points_issuers[0].url
            self.mall = MallSite(Mall(house, self._van_url, points_url, self.trace, self._clock, self._rng))
            await self._open(self.mall, settings.mall_port, "mall")
            self.control = HttpServer(create_app(self._partners(), PROVIDER, self._clock, self._rng))
            await self._open(self.control, settings.control_port, "sandbox control")
        except CannotStart:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop whatever runs."""
        partners = [
            self.card_company,
            self.card_company_files,
            self.credit_bureau,
            self.bank,
            self.mail_server,
            self.sms_provider,
            *self.points_issuers,
        ]
        started = [getattr(self, name, None) for name in ("clearing_house", "van", "mall", "control")]
        running = [*partners, *(each for each in started if each is not None)]
        await asyncio.gather(*[partner.stop() for partner in running])  # each takes its moment to hang up

    def ports(self) -> Mapping[str, int]:
        """Where each partner listens, by name."""
        return {
            "clearing_house": self.clearing_house.port,
            "card_company": self.card_company.port,
            "card_company_files": self.card_company_files.port,
            "credit_bureau": self.credit_bureau.port,
            "bank": self.bank.port,
            "mail": self.mail_server.port,
            "sms": self.sms_provider.port,
            "van": self.van.port,
            **{issuer.profile.id: issuer.port for issuer in self.points_issuers},
            "mall": self.mall.port,
            "control": self.control.port,
        }

    @property
    def _van_url(self) -> str:
        return f"http://{self.settings.host}:{self.van.port}"

    async def _open_points_issuers(self) -> None:
        settings, host = self.settings, self.settings.host
        for at, profile in enumerate(PROFILES):
            issuer = PointsIssuer(
                profile,
                FaultMenu(Random(settings.seed + at)),  # noqa: S311  (made to be replayed)
                self.trace,
                self._clock,
                self._rng,
                sms_url=f"http://{host}:{self.sms_provider.port}",
                van_url=self._van_url,
            )
            self.points_issuers.append(issuer)
            first = settings.points_issuers_port
            await self._open(issuer, first and first + at, profile.name)

    async def _open(self, partner: "_Partner", port: int, name: str) -> None:
        host = self.settings.host
        try:
            await partner.start(host, port)
        except OSError as error:
            raise CannotStart(
                f"The {name} cannot listen on {host}:{port} ({os.strerror(error.errno or 0)}). "
                "Stop what uses that port, or let the demo take free ones: obverse demo --free-ports."
            ) from error

    def _partners(self) -> Partners:
        return Partners(
            self.card_company,
            self.clearing_house,
            self.mall.mall,
            self.bank.book,
            self.mailbox,
            self.points_issuers,
            self.van.results,
            self._van_url,
            self.faults,
            self.trace,
        )

    def _make_bank(self, rng: Random) -> Bank:
        settings = self.settings
        provider = BankAccount(
            settings.provider_bank, settings.provider_account, settings.provider_holder, may_overdraw=True
        )
        book = BankBook(provider, settings.currency, settings.time_zone, self._clock, rng)
        # At the same bank, and as good for its money as the provider.
        book.open(
            BankAccount(
                settings.provider_bank, settings.card_company_account, "Card company", may_overdraw=True
            )
        )
        return Bank(book, self.faults, self.trace, self._clock)

    def _make_clearing_house(self) -> ClearingHouse:
        settings = self.settings
        provider = Route(
            settings.provider_bin, PROVIDER, settings.acquirer_host, settings.acquirer_port, traced=True
        )
        company = Route(CARD_COMPANY_BIN, self.card_company.name, settings.host, self.card_company.port)
        return ClearingHouse(
            [provider, company],
            self.trace,
            timeout_s=settings.clearing_house_timeout_s,
            member_names={settings.provider_acquirer_id: PROVIDER},
            stand_in=StandIn(PROVIDER, self._rng),
        )


async def run(settings: SandboxSettings, clock: Clock | None = None) -> None:
    """Run the sandbox until this task is cancelled. Raises `CannotStart` when a port is taken."""
    sandbox = Sandbox(settings, clock or Clock())
    await sandbox.start()
    try:
        await asyncio.Event().wait()
    finally:
        await sandbox.stop()
