"""What the bootstrap joins for this door."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeAlias

from litestar import Request

from obverse.access import Access
from obverse.authorization import Engine
from obverse.billing import Billing, Issuing
from obverse.cards import Cards
from obverse.clearing.claims import ClaimFiles, Claims
from obverse.clearing.presentments import Presentments
from obverse.disputes import Disputes
from obverse.draws import Draws
from obverse.kit.audit import AuditEntry
from obverse.kit.events import Event
from obverse.kit.paging import Page, PageRequest
from obverse.ledger import Ledger
from obverse.members import Members
from obverse.merchants import Applications, Merchants
from obverse.notifications import Webhooks
from obverse.reconciliation import Reconciliation
from obverse.settlement import Reports, Settlements
from obverse.treasury import Desk, Treasury
from obverse.wallet import Wallet

HttpRequest: TypeAlias = Request[Any, Any, Any]


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
class Services:
    """The rooms this door opens onto. `live` refuses everything under `/v1/simulate`."""

    engine: Engine
    claims: Claims
    claim_files: ClaimFiles
    cards: Cards
    wallet: Wallet
    members: Members
    merchants: Merchants
    disputes: Disputes
    draws: Draws
    billing: Billing
    issuing: Issuing
    applications: Applications
    presentments: Presentments
    reconciliation: Reconciliation
    settlements: Settlements
    reports: Reports
    treasury: Treasury
    bank_desk: Desk
    access: Access
    ledger: Ledger
    events: ReadEvents
    audit: ReadAudit
    webhooks: Webhooks
    clock_control: ClockControl
    health: Health
    live: bool = False


def services(request: HttpRequest) -> Services:
    """The services of the app that received this request."""
    joined: Services = request.app.state.services
    return joined
