"""All rooms over one database, joined; nothing of it runs yet."""

import asyncio
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from obverse.access import MERCHANT_SCOPES, Access
from obverse.authorization import Authorization, AuthorizationRequest, Engine, EngineSettings, Makers
from obverse.authorization.jobs import Reversals
from obverse.bootstrap.codes import CodeRooms, join_code_rooms
from obverse.bootstrap.letters import LettersRoom, join_letters
from obverse.bootstrap.money import Foundation, MoneyRooms, join_money_rooms
from obverse.bootstrap.points import PointsRooms, join_points_rooms
from obverse.bootstrap.points import points_client as points_client_of
from obverse.bootstrap.stored_value import StoredValueRooms, join_stored_value_rooms
from obverse.bootstrap.telling import TellingRooms, join_telling_rooms
from obverse.cards import Cards, StoredValueCards, pin_hash_of
from obverse.codes import CodePolicy
from obverse.doors.rest.declines import FOR_MERCHANTS
from obverse.kit import telemetry
from obverse.kit.clock import Clock
from obverse.kit.database import Connection, Database
from obverse.kit.errors import Unavailable
from obverse.kit.ids import (
    AccountId,
    ApiKeyId,
    DrawnInAdvance,
    MerchantId,
    NewId,
    PartitionId,
    VaultCardId,
    uuid7_source,
)
from obverse.kit.money import CurrencyCode
from obverse.kit.secret import Secret
from obverse.kit.settings import Settings
from obverse.ledger import Account, AccountKind, Ledger
from obverse.ledger import repository as ledger_repository
from obverse.letters import Letters
from obverse.members import Members, Passwords, RelyingParty
from obverse.merchants import Applications, Merchants
from obverse.networks.card_company import CardCompanyClient, ClientSettings
from obverse.networks.credit_bureau import CreditBureauClient
from obverse.networks.points_issuer import PointsIssuerClient
from obverse.vault import OpenedCard, Vault
from obverse.wallet import Balances, Terms, Wallet


class MeasuredEngine(Engine):
    """The engine, counting how payments come out and how long they take."""

    async def authorize(self, request: AuthorizationRequest) -> Authorization:
        began = time.perf_counter()
        try:
            authorization = await super().authorize(request)
        except Unavailable:
            telemetry.AUTHORIZATIONS.labels("unavailable", "").inc()
            raise
        decline = authorization.decline
        # Everybody may read the metrics, so they tell no more of a guess than the merchant is told (P17).
        reason = FOR_MERCHANTS[decline].code if decline is not None else ""
        telemetry.AUTHORIZATIONS.labels(authorization.status, reason).inc()
        telemetry.DECISION_SECONDS.observe(time.perf_counter() - began)
        return authorization


@dataclass(frozen=True, slots=True)
class Rooms:
    """All rooms over one database, joined; nothing of it runs yet."""

    engine: Engine
    reversals: Reversals
    cards: Cards
    wallet: Wallet
    members: Members
    merchants: Merchants
    applications: Applications
    access: Access
    ledger: Ledger
    card_company: CardCompanyClient
    bureau: CreditBureauClient
    money: MoneyRooms
    stored_value: StoredValueRooms
    points: PointsRooms
    points_client: PointsIssuerClient
    codes: CodeRooms
    letters: LettersRoom
    telling: TellingRooms
    partitions: Sequence[PartitionId]


def join_rooms(settings: Settings, database: Database, vault: Vault, clock: Clock) -> Rooms:
    """Make every room and hand each what it needs of the others."""
    new_id = uuid7_source(clock.now_ms, DrawnInAdvance(os.urandom))
    partitions = [PartitionId(number) for number in range(settings.partitions)]
    currency = CurrencyCode(settings.currency)
    card_company = _card_company(settings, database, vault, clock, currency)
    bureau = CreditBureauClient(settings.credit_bureau_url)
    access = Access(database, vault, clock, new_id, os.urandom)
    merchants = Merchants(database, _OpenPayable(partitions, currency), vault, clock=clock, new_id=new_id)
    points_client, points_news = points_client_of(settings, database, vault, new_id), asyncio.Event()
    letters = join_letters(settings, database, vault, clock=clock, new_id=new_id)
    members = _members(settings, database, vault, clock, new_id, letters.service)
    balances = Balances(database, partitions, clock=clock, new_id=new_id)
    cards = _cards(settings, database, vault, clock, new_id, merchants, balances)
    wallet = _wallet(settings, database, vault, clock, new_id, members, cards, bureau, card_company)
    base = Foundation(
        settings=settings,
        database=database,
        vault=vault,
        clock=clock,
        new_id=new_id,
        engine=_engine(
            settings, database, vault, clock, card_company, new_id, points_client, points_news.set
        ),
        merchants=merchants,
        partitions=partitions,
        calendar=settings.calendar(),
        letters=letters.service,
        members=members,
        cards=cards,
        stored_cards=StoredValueCards(vault, clock=clock, new_id=new_id, bin_=settings.bin),
        wallet=wallet,
        balances=balances,
    )
    money = join_money_rooms(base)
    return Rooms(
        engine=base.engine,
        reversals=Reversals(database, base.engine, card_company),
        cards=cards,
        wallet=wallet,
        members=members,
        merchants=merchants,
        applications=_applications(settings, database, vault, clock, new_id, merchants, access),
        access=access,
        ledger=Ledger(database),
        card_company=card_company,
        bureau=bureau,
        money=money,
        stored_value=join_stored_value_rooms(base, money),
        points=join_points_rooms(base, points_client, points_news),
        points_client=points_client,
        codes=join_code_rooms(base),
        letters=letters,
        telling=join_telling_rooms(base, members),
        partitions=partitions,
    )


def _cards(
    settings: Settings,
    database: Database,
    vault: Vault,
    clock: Clock,
    new_id: NewId,
    merchants: Merchants,
    balances: Balances,
) -> Cards:
    return Cards(
        database,
        vault,
        merchants,
        balances.hand_on,
        clock=clock,
        random_bytes=os.urandom,
        new_id=new_id,
        bin_=settings.bin,
        partitions=settings.partitions,
        lifetime=timedelta(hours=settings.card_validity_hours),
    )


def _wallet(
    settings: Settings,
    database: Database,
    vault: Vault,
    clock: Clock,
    new_id: NewId,
    members: Members,
    cards: Cards,
    bureau: CreditBureauClient,
    card_company: CardCompanyClient,
) -> Wallet:
    return Wallet(
        database,
        members,
        cards,
        vault,
        bureau,
        card_company,
        clock=clock,
        new_id=new_id,
        own_bin=settings.bin,
        terms=Terms(CurrencyCode(settings.currency), settings.credit_limit_minor),
        month_end=settings.calendar().month_end,
    )


def _members(
    settings: Settings, database: Database, vault: Vault, clock: Clock, new_id: NewId, letters: Letters
) -> Members:
    return Members(
        database,
        vault,
        Passwords(),
        letters,
        clock=clock,
        random_bytes=os.urandom,
        new_id=new_id,
        partitions=settings.partitions,
        party=RelyingParty(settings.rp_id, settings.origin),
        time_zone=settings.time_zone,
    )


def _applications(
    settings: Settings,
    database: Database,
    vault: Vault,
    clock: Clock,
    new_id: NewId,
    merchants: Merchants,
    access: Access,
) -> Applications:
    async def first_key(conn: Connection, merchant_id: MerchantId) -> tuple[ApiKeyId, Secret]:
        key, token = await access.create_in(conn, "first key", MERCHANT_SCOPES, merchant_id, settings.live)
        return key.id, token

    return Applications(
        database, merchants, vault, first_key, clock=clock, new_id=new_id, random_bytes=os.urandom
    )


def _card_company(
    settings: Settings, database: Database, vault: Vault, clock: Clock, currency: CurrencyCode
) -> CardCompanyClient:
    async def open_cards(ids: Sequence[VaultCardId]) -> Mapping[VaultCardId, OpenedCard]:
        async with database.connection() as conn:
            return await vault.open_cards(conn, ids)

    client = ClientSettings(
        host=settings.card_company_host,
        port=settings.card_company_port,
        check_currency=currency,
        timeout_s=settings.off_us_timeout_ms / 1000,
    )
    return CardCompanyClient(client, open_cards, now=clock.now, random_bytes=os.urandom)


def _engine(
    settings: Settings,
    database: Database,
    vault: Vault,
    clock: Clock,
    card_company: CardCompanyClient,
    new_id: NewId,
    points: PointsIssuerClient,
    wake_courier: Callable[[], None],
) -> Engine:
    # The time of points issuers and card companies, one after the other, and some for the commits around it,
    # before another process may step in.
    asking_ms = settings.points_timeout_ms + settings.off_us_timeout_ms
    deadline = timedelta(milliseconds=asking_ms + 2_000)
    makers = Makers(
        new_id,
        DrawnInAdvance(os.urandom),
        card_company.new_reference,
        deadline,
        settings.calendar().months_on,
        partial(pin_hash_of, vault),
        CodePolicy(proof_from_minor=settings.code_proof_from_minor),
    )
    return MeasuredEngine(
        database,
        vault,
        card_company,
        clock,
        makers,
        EngineSettings(
            bin=settings.bin, partitions=settings.partitions, hold=timedelta(days=settings.hold_days)
        ),
        observe_batch=telemetry.BATCH_SIZE.observe,
        points=points,
        wake_courier=wake_courier,
    )


class _OpenPayable:
    """Opens what the platform owes a merchant: one account per partition, as no payment leaves its own."""

    def __init__(self, partitions: Sequence[PartitionId], currency: CurrencyCode) -> None:
        self._partitions = partitions
        self._currency = currency

    async def __call__(
        self, conn: Connection, merchant_id: MerchantId, account_id: AccountId, now: datetime
    ) -> None:
        accounts = [
            Account(
                partition_id=partition_id,
                id=account_id,
                kind=AccountKind.MERCHANT_PAYABLE,
                owner_id=merchant_id,
                currency=self._currency,
                floor_minor=None,
                rolled_up=True,
            )
            for partition_id in self._partitions
        ]
        await ledger_repository.open_accounts(conn, accounts)
