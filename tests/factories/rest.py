"""The REST door over a real house, in this process."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import httpx
from litestar import Litestar
from tests.factories.accrual import points_room
from tests.factories.billing import billing_rooms
from tests.factories.claims import ClaimRooms, claim_rooms
from tests.factories.codes import codes_rooms
from tests.factories.disputes import disputes_room
from tests.factories.draws import FakeBank, a_treasury, draws_room
from tests.factories.engine import makers_of
from tests.factories.invoicing import an_invoicing
from tests.factories.ledger import P0
from tests.factories.members import PASSWORD
from tests.factories.merchants import a_merchant, applications_room
from tests.factories.metering import metering_rooms
from tests.factories.orders import around
from tests.factories.points import PointsHouse, points_house
from tests.factories.points_accounts import FakePoints, quotes_of
from tests.factories.presentments import presentments_room
from tests.factories.reconciliation import a_reconciliation
from tests.factories.sales import selling_rooms
from tests.factories.settlement import settlement_rooms
from tests.factories.telling import telling_rooms
from tests.factories.wallet import (
    BIN,
    House,
    a_member_with_credit_line,
    a_member_with_linked_card,
    build_house,
)
from tests.factories.webhooks import WebhookHouse, webhook_house

from obverse.access import MERCHANT_SCOPES, Access, Scope
from obverse.authorization import Engine, EngineSettings
from obverse.authorization.ports import LegAnswer, LegOutcome, LegRequest
from obverse.bootstrap.holders import Holders
from obverse.checkouts import Checkouts
from obverse.doors.rest import PointsRelay, Services, create_app
from obverse.kit import audit, events
from obverse.kit.clock import Clock
from obverse.kit.database import Connection, Database
from obverse.kit.ids import ApiKeyId, MerchantId, NewId, PointsIssuerId, from_text, to_text
from obverse.kit.money import KRW
from obverse.kit.paging import Page, PageRequest
from obverse.kit.secret import Secret
from obverse.ledger import Ledger
from obverse.letters import Letters
from obverse.orders import Allocation, Orders
from obverse.points import MessageLog
from obverse.treasury import Desk, Treasury
from obverse.wallet import CardDetails

_references = count(1)
_orders = count(1)


@dataclass
class FakeCardCompany:
    """A card company that gives one answer to everything, and remembers what it was asked."""

    outcome: LegOutcome = LegOutcome.APPROVED
    asked: list[LegRequest] = field(default_factory=list)
    reversed: list[LegRequest] = field(default_factory=list)

    def new_reference(self) -> str:
        return f"1120120000|{next(_references):06d}|RRN"

    async def authorize(self, leg: LegRequest) -> LegAnswer:
        self.asked.append(leg)
        return LegAnswer(self.outcome, "00" if self.outcome is LegOutcome.APPROVED else None, "A1B2C3")

    async def reverse(self, leg: LegRequest) -> bool:
        self.reversed.append(leg)
        return True


@dataclass
class FakeHealth:
    database: bool = True
    card_company: bool = True

    async def check(self) -> dict[str, bool]:
        return {"database": self.database, "card_company": self.card_company}


@dataclass
class FakeClockControl:
    """Moves the clock of this process, which is the only one."""

    clock: Clock

    async def advance(self, by: timedelta) -> datetime:
        self.clock.move_to(self.clock.offset + by)
        return self.clock.now()


@dataclass
class Member:
    """A member as a client knows one: an ID, a session token, a card and what is on it."""

    id: str
    token: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


@dataclass
class RestHouse:
    """A running platform behind its REST door, with an operator's key and one merchant with its own."""

    house: House
    engine: Engine
    access: Access
    app: Litestar
    client: httpx.AsyncClient
    card_company: FakeCardCompany
    health: FakeHealth
    treasury: Treasury
    bank: FakeBank
    webhooks: WebhookHouse
    claims: ClaimRooms
    allocation: Allocation
    points: PointsHouse
    points_network: FakePoints
    operator: dict[str, str] = field(default_factory=dict)
    merchant_id: str = ""
    merchant: dict[str, str] = field(default_factory=dict)

    async def key(
        self, *scopes: Scope, merchant: str | None = None, issuer: str | None = None, live: bool = False
    ) -> dict[str, str]:
        """Headers of a fresh API key."""
        merchant_id = MerchantId(from_text("mer", merchant)) if merchant else None
        issuer_id = PointsIssuerId(from_text("pis", issuer)) if issuer else None
        _, token = await self.access.create(
            "test", frozenset(scopes), merchant_id=merchant_id, live=live, issuer_id=issuer_id
        )
        return {"Authorization": f"Bearer {token.reveal()}"}

    async def another_merchant(self) -> tuple[str, dict[str, str]]:
        """A merchant's id and the headers of its key."""
        id_ = to_text("mer", (await a_merchant(self.house.merchants)).id)
        return id_, await self.key(*MERCHANT_SCOPES, merchant=id_)

    async def member(self, *, linked: bool = False) -> Member:
        """A member with a credit line (or a linked card), signed in."""
        make = a_member_with_linked_card if linked else a_member_with_credit_line
        member, _ = await make(self.house)
        id_ = to_text("mem", member.id)
        _, token = await self.house.members.sign_in(id_, PASSWORD)
        return Member(id_, token.reveal())

    async def card(self, member: Member, **body: Any) -> dict[str, Any]:
        """A fresh card of this member."""
        answer = await self.client.post("/v1/cards", json=body, headers=member.headers)
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def face(self, member: Member, card: dict[str, Any]) -> dict[str, Any]:
        """What a shop asks for, as the fields of a payment."""
        answer = await self.client.post(f"/v1/cards/{card['id']}/reveal", headers=member.headers)
        assert answer.status_code == 200, answer.text
        face = answer.json()
        return {
            "card_number": face["number"],
            "exp_month": face["exp_month"],
            "exp_year": face["exp_year"],
            "cvv": face["cvv"],
        }

    async def pay(
        self,
        face: dict[str, Any],
        headers: dict[str, str] | None = None,
        key: str | None = None,
        **changes: Any,
    ) -> httpx.Response:
        """Ask for 34,000 won with the merchant's key."""
        body = {**face, "amount": 34_000, "currency": "KRW", **changes}
        sent = {**(headers or self.merchant), "Idempotency-Key": key or f"order {next(_orders)}"}
        return await self.client.post("/v1/payments", json=body, headers=sent)


@asynccontextmanager
async def open_rest_house(
    database: Database,
    folder: Path,
    clock: Clock,
    new_id: NewId,
    random_bytes: Callable[[int], bytes],
    *,
    live: bool = False,
) -> AsyncIterator[RestHouse]:
    """Everything from the database to the door, started and stopped."""
    house = build_house(database, folder / "keys.json", clock, new_id, random_bytes)
    card_company = FakeCardCompany()
    makers = makers_of(house, card_company.new_reference)
    points_network = FakePoints()
    points = points_house(house, network=points_network)
    engine = Engine(
        database,
        house.vault,
        card_company,
        clock,
        makers,
        EngineSettings(bin=BIN),
        points=points_network,
    )
    access = Access(database, house.vault, clock, new_id, random_bytes)
    health = FakeHealth()
    webhooks = webhook_house(database, house.vault, clock, new_id, random_bytes)
    bank = FakeBank()
    treasury = a_treasury(house, bank)
    draws = draws_room(house, engine, treasury)
    billing, issuing = billing_rooms(house, treasury)
    claims = claim_rooms(house, engine)
    telling = telling_rooms(house)
    settlements, reports = settlement_rooms(house, treasury)
    selling = selling_rooms(house, engine, treasury)
    ordering = around(house, selling.sales)
    metering, tariffs = metering_rooms(house, engine)
    codes = codes_rooms(house)
    holders = Holders(database, house.vault, house.members, bin_=BIN, partitions=[P0])
    app = create_app(
        Services(
            engine=engine,
            claims=claims.service,
            claim_files=claims.files,
            cards=house.cards,
            pins=house.pins,
            fulfilments=house.fulfilments,
            programmes=house.programmes,
            stand_ins=house.stand_ins,
            card_batches=house.batches,
            registered_cards=house.registered,
            card_funding=house.card_funding,
            wallet=house.wallet,
            members=house.members,
            merchants=house.merchants,
            disputes=disputes_room(house, engine),
            draws=draws,
            sales=selling.sales,
            orders=Orders(ordering),
            bank_accounts=selling.accounts,
            charging=selling.charging,
            automatic_charges=selling.automatic,
            refunding=selling.refunding,
            cards_in_hand=selling.in_hand,
            billing=billing,
            issuing=issuing,
            invoicing=an_invoicing(house, treasury),
            applications=applications_room(
                house.merchants, database, clock, new_id, partial(_first_key, access, live), house.vault
            ),
            reconciliation=a_reconciliation(house),
            settlements=settlements,
            reports=reports,
            treasury=treasury,
            bank_desk=Desk(database, house.vault, treasury, clock=clock, new_id=new_id),
            presentments=presentments_room(house),
            metering=metering,
            tariffs=tariffs,
            access=access,
            ledger=Ledger(database),
            events=partial(_read_events, database),
            audit=partial(_read_audit, database),
            webhooks=webhooks.webhooks,
            history=telling.history,
            consents=telling.consents,
            aggregates=telling.aggregates,
            daily_statements=telling.statements,
            letters=Letters(database, house.vault, clock=clock, new_id=new_id),
            points=points_room(house),
            relay=PointsRelay(
                points.issuers,
                points.rates,
                points.links,
                points.lookups,
                quotes_of(house, points_network),
                MessageLog(database),
                points_network,
            ),
            checkouts=Checkouts(database, engine, house.cards, house.vault, clock=clock, new_id=new_id),
            devices=codes.devices,
            code_batches=codes.batches,
            match_holder=holders.match,
            holder_of_code=holders.of_code,
            clock_control=FakeClockControl(clock),
            health=health,
            live=live,
        )
    )
    await engine.start()
    await Ledger(database).open_house([P0], KRW)
    await draws.start([P0], KRW)
    await selling.sales.start([P0], KRW)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://obverse.test") as client:
        rest = RestHouse(
            house, engine, access, app, client, card_company, health, treasury, bank, webhooks, claims,
            Allocation(ordering), points, points_network,
        )  # fmt: skip
        rest.operator = await rest.key(*Scope, live=live)
        rest.merchant_id, rest.merchant = await rest.another_merchant()
        yield rest
    await claims.service.stop()
    await engine.stop()


async def _read_events(database: Database, page: PageRequest) -> Page[events.Event]:
    async with database.connection() as conn:
        return await events.read_page(conn, page)


async def _read_audit(database: Database, page: PageRequest, subject: str | None) -> Page[audit.AuditEntry]:
    async with database.connection() as conn:
        return await audit.read_page(conn, page, subject)


async def _first_key(
    access: Access, live: bool, conn: Connection, merchant_id: MerchantId
) -> tuple[ApiKeyId, Secret]:
    key, token = await access.create_in(conn, "first key", MERCHANT_SCOPES, merchant_id, live)
    return key.id, token


def card_fields(details: CardDetails) -> dict[str, Any]:
    """A real card as a client sends it."""
    return {
        "card_number": details.number.reveal(),
        "exp_month": details.exp_month,
        "exp_year": details.exp_year,
        "cvv": details.cvv.reveal(),
        "birth_date": details.birth_date.reveal(),
    }
