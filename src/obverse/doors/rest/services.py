"""What the bootstrap joins for this door."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeAlias

from litestar import Request

from obverse.access import Access
from obverse.accrual import Points
from obverse.authorization import Engine
from obverse.billing import Billing, Issuing
from obverse.cards import Cards, Fulfilments, Pins
from obverse.charging import Automatic, CardsInHand, Charging, Refunding
from obverse.checkouts import Checkouts
from obverse.clearing.claims import ClaimFiles, Claims
from obverse.clearing.presentments import Presentments
from obverse.codes import CodeBatches, Devices
from obverse.disputes import Disputes
from obverse.draws import Draws
from obverse.history import Aggregates, Consents, History
from obverse.invoicing import Invoicing
from obverse.kit.audit import AuditEntry
from obverse.kit.events import Event
from obverse.kit.ids import MemberId
from obverse.kit.paging import Page, PageRequest
from obverse.kit.secret import Secret
from obverse.ledger import Ledger
from obverse.letters import Letters
from obverse.members import HolderForm, Members
from obverse.merchants import Applications, Merchants
from obverse.metering import Metering, Tariffs
from obverse.notifications import Webhooks
from obverse.notifications.statements import Statements
from obverse.orders import Orders
from obverse.points import IssuerRates, Issuers, Links, Lookups, MessageLog, Quotes
from obverse.points.ports import IssuerLine
from obverse.programmes import Programmes
from obverse.reconciliation import Reconciliation
from obverse.sales import Sales
from obverse.settlement import Reports, Settlements
from obverse.treasury import Desk, Treasury
from obverse.wallet import BankAccounts, CardBatches, CardFunding, RegisteredCards, StandIns, Wallet

HttpRequest: TypeAlias = Request[Any, Any, Any]


MatchHolder: TypeAlias = Callable[[Secret, HolderForm], Awaitable[bool | None]]
"""Whether a filled form names the holder of the card with this number; None where nobody is known (WA-8)."""

HolderOfCode: TypeAlias = Callable[[Secret], Awaitable[MemberId | None]]
"""For whom a payment code was made; None for one that never was."""

ReadEvents: TypeAlias = Callable[[PageRequest], Awaitable[Page[Event]]]
"""Reads the outbox, newest first."""

ReadAudit: TypeAlias = Callable[[PageRequest, str | None], Awaitable[Page[AuditEntry]]]
"""Reads the audit log, newest first; with a subject, what was decided about it."""


class ClockControl(Protocol):
    """Moves the platform's clock forward, for every process at once (PF-10)."""

    async def advance(self, by: timedelta) -> datetime:
        """Return the new time. Raises `InvalidRequest` for a step that is not forward."""
        ...


class Health(Protocol):
    """Asks the things the platform cannot work without."""

    async def check(self) -> Mapping[str, bool]:
        """One answer per dependency: `database`, `card_company`."""
        ...


@dataclass(frozen=True, slots=True)
class PointsRelay:
    """What operators, members, shops and issuers ask about the points of issuers outside."""

    issuers: Issuers
    rates: IssuerRates
    links: Links
    lookups: Lookups
    quotes: Quotes
    messages: MessageLog
    line: IssuerLine


@dataclass(frozen=True, slots=True)
class Services:
    """The rooms this door opens onto. `live` refuses everything under `/v1/simulate`."""

    engine: Engine
    claims: Claims
    claim_files: ClaimFiles
    cards: Cards
    pins: Pins
    fulfilments: Fulfilments
    programmes: Programmes
    stand_ins: StandIns
    card_batches: CardBatches
    registered_cards: RegisteredCards
    card_funding: CardFunding
    wallet: Wallet
    members: Members
    merchants: Merchants
    disputes: Disputes
    draws: Draws
    sales: Sales
    orders: Orders
    bank_accounts: BankAccounts
    charging: Charging
    automatic_charges: Automatic
    refunding: Refunding
    cards_in_hand: CardsInHand
    billing: Billing
    issuing: Issuing
    invoicing: Invoicing
    applications: Applications
    presentments: Presentments
    points: Points
    relay: PointsRelay
    reconciliation: Reconciliation
    settlements: Settlements
    reports: Reports
    treasury: Treasury
    bank_desk: Desk
    metering: Metering
    tariffs: Tariffs
    access: Access
    ledger: Ledger
    events: ReadEvents
    audit: ReadAudit
    webhooks: Webhooks
    history: History
    consents: Consents
    aggregates: Aggregates
    daily_statements: Statements
    letters: Letters
    checkouts: Checkouts
    devices: Devices
    code_batches: CodeBatches
    match_holder: MatchHolder
    holder_of_code: HolderOfCode
    clock_control: ClockControl
    health: Health
    live: bool = False


def services(request: HttpRequest) -> Services:
    """The services of the app that received this request."""
    joined: Services = request.app.state.services
    return joined
