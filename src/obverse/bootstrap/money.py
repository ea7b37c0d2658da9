"""The money chain, joined: what happens to a payment's money after its approval."""

import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Final

from obverse.authorization import Engine
from obverse.authorization.model import Decline
from obverse.billing import Billing, BillTerms, Issuing
from obverse.cards import Cards, StoredValueCards
from obverse.clearing.claims import ClaimFiles, Claims, FileWork
from obverse.clearing.presentments import Presentments, Programme
from obverse.clearing.presentments.jobs import Exchange
from obverse.disputes import Disputes
from obverse.disputes import Terms as DisputeTerms
from obverse.doors.rest.declines import FOR_MERCHANTS
from obverse.draws import Draws
from obverse.invoicing import Invoicing
from obverse.kit.calendar import Calendar
from obverse.kit.clock import Clock
from obverse.kit.database import Database
from obverse.kit.ids import NewId, PartitionId, VaultCardId
from obverse.kit.jobs import Chore
from obverse.kit.money import CurrencyCode
from obverse.kit.secret import Secret
from obverse.kit.settings import Settings
from obverse.letters import Letters
from obverse.members import Members
from obverse.merchants import Merchants
from obverse.networks.bank import BankApi, BankFiles, read_document
from obverse.networks.card_company import CardCompanyFileExchange, FileFormat, Identity
from obverse.networks.webhooks import WebhookClient
from obverse.notifications import Courier, FanOut, Webhooks, sweep
from obverse.reconciliation import Reconciliation
from obverse.settlement import Reports, Routine, Settlements
from obverse.treasury import BankAccount, Desk, Treasury
from obverse.vault import OpenedCard, Vault
from obverse.wallet import Balances, Wallet

_CARRY_OUT_CLAIMS_EVERY: Final = timedelta(milliseconds=500)
_SWEEP_CLAIMS_EVERY: Final = timedelta(seconds=10)
_SEND_EVERY: Final = timedelta(seconds=1)
_ASK_EVERY: Final = timedelta(seconds=1)
_READ_STATEMENTS_EVERY: Final = timedelta(seconds=2)
_EXCHANGE_FILES_EVERY: Final = timedelta(seconds=1)
_FINISH_DISPUTES_EVERY: Final = timedelta(seconds=2)
_END_ANSWER_TIMES_EVERY: Final = timedelta(minutes=1)
_FINISH_DRAWS_EVERY: Final = timedelta(seconds=2)
_RECONCILE_EVERY: Final = timedelta(hours=1)
_FAN_OUT_EVERY: Final = timedelta(milliseconds=250)
_SETTLE_EVERY: Final = timedelta(seconds=1)
_BILL_EVERY: Final = timedelta(seconds=1)
_TAKE_BILL_PAYMENTS_EVERY: Final = timedelta(seconds=1)
_FOLLOW_BILLS_EVERY: Final = timedelta(minutes=1)
_INVOICE_ISSUERS_EVERY: Final = timedelta(seconds=1)
_SWEEP_WEBHOOKS_EVERY: Final = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Foundation:
    """What the rooms of the money chain stand on."""

    settings: Settings
    database: Database
    vault: Vault
    clock: Clock
    new_id: NewId
    engine: Engine
    merchants: Merchants
    partitions: Sequence[PartitionId]
    calendar: Calendar
    letters: Letters
    members: Members
    cards: Cards
    stored_cards: StoredValueCards
    wallet: Wallet
    balances: Balances


@dataclass(frozen=True, slots=True)
class MoneyRooms:
    """The rooms between an approval and everybody's being paid."""

    treasury: "TreasuryRoom"
    settlement: "SettlementRoom"
    presentments: "PresentmentRoom"
    claims: "ClaimRoom"
    webhooks: "WebhookRoom"
    disputes: Disputes
    draws: Draws
    billing: "BillingRoom"
    invoicing: Invoicing
    reconciliation: Reconciliation


def join_money_rooms(base: Foundation) -> MoneyRooms:
    """Make each room and hand it what it needs of the others."""
    treasury = _treasury(base)
    return MoneyRooms(
        treasury=treasury,
        settlement=_settlement(base, treasury.service),
        presentments=_presentments(base, treasury.service),
        claims=_claims(base),
        webhooks=_webhooks(base),
        disputes=_disputes(base),
        draws=_draws(base, treasury.service),
        billing=_billing(base, treasury.service),
        invoicing=_invoicing(base, treasury.service),
        reconciliation=_reconciliation(base),
    )


def money_chores(rooms: MoneyRooms) -> Sequence[Chore]:
    """What the money chain does by itself, again and again."""
    return [
        *_treasury_chores(rooms.treasury),
        *_settlement_chores(rooms.settlement),
        *_presentment_chores(rooms.presentments),
        *_claim_chores(rooms.claims),
        *_billing_chores(rooms.billing),
        Chore("invoice points issuers", _INVOICE_ISSUERS_EVERY, rooms.invoicing.run),
        *_webhook_chores(rooms.webhooks),
        Chore("finish disputes", _FINISH_DISPUTES_EVERY, rooms.disputes.finish),
        Chore("end times to answer", _END_ANSWER_TIMES_EVERY, rooms.disputes.mark_unanswered),
        Chore("finish draws", _FINISH_DRAWS_EVERY, rooms.draws.finish),
        Chore("reconcile", _RECONCILE_EVERY, rooms.reconciliation.run_hourly),
    ]


# treasury --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TreasuryRoom:
    """The bank account, what operators do about it, and the line to the bank, which is to be closed."""

    service: Treasury
    desk: Desk
    bank: BankApi | BankFiles


def _treasury(base: Foundation) -> TreasuryRoom:
    settings = base.settings
    own = BankAccount(settings.bank_code, Secret(settings.bank_account), settings.bank_account_holder)
    bank: BankApi | BankFiles
    if settings.bank_channel == "api":
        bank = BankApi(settings.bank_url, own)
    else:
        bank = BankFiles(settings.bank_folder, own, calendar=base.calendar, now=base.clock.now)
    service = Treasury(
        base.database,
        base.vault,
        bank,
        read_document,
        clock=base.clock,
        new_id=base.new_id,
        calendar=base.calendar,
        own=own,
        currency=CurrencyCode(settings.currency),
    )
    desk = Desk(base.database, base.vault, service, clock=base.clock, new_id=base.new_id)
    return TreasuryRoom(service, desk, bank)


def _treasury_chores(room: TreasuryRoom) -> Sequence[Chore]:
    return [
        Chore("send bank transfers", _SEND_EVERY, room.service.send),
        Chore("ask for bank transfers", _ASK_EVERY, room.service.ask),
        Chore("read bank statements", _READ_STATEMENTS_EVERY, room.service.read_statements),
    ]


# claims ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ClaimRoom:
    """Claims one by one, whose last notes are written when they stop; files, and who carries them out."""

    service: Claims
    files: ClaimFiles
    work: FileWork


def _claims(base: Foundation) -> ClaimRoom:
    database, engine, clock, new_id = base.database, base.engine, base.clock, base.new_id
    return ClaimRoom(
        Claims(database, engine, clock=clock, new_id=new_id),
        ClaimFiles(database, engine, base.vault, clock=clock, new_id=new_id),
        FileWork(database, engine, clock=clock, new_id=new_id),
    )


def _claim_chores(room: ClaimRoom) -> Sequence[Chore]:
    return [
        Chore("carry out claim files", _CARRY_OUT_CLAIMS_EVERY, room.work.carry_out_due),
        Chore("sweep claim files", _SWEEP_CLAIMS_EVERY, room.work.sweep),
    ]


# presentments ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PresentmentRoom:
    """Our claims at the card company, and the line to its file exchange, which is to be closed."""

    service: Presentments
    exchange: Exchange
    card_company: CardCompanyFileExchange


def _presentments(base: Foundation, treasury: Treasury) -> PresentmentRoom:
    settings, identity = base.settings, Identity()

    async def open_cards(ids: Sequence[VaultCardId]) -> Mapping[VaultCardId, OpenedCard]:
        async with base.database.connection() as conn:
            return await base.vault.open_cards(conn, ids)

    card_company = CardCompanyFileExchange(
        settings.card_company_files_url,
        open_cards,
        FileFormat(base.calendar.zone, settings.live, identity),
    )
    programme = Programme(base.calendar, CurrencyCode(settings.currency), identity.acquirer_id)
    service = Presentments(
        base.database, programme, clock=base.clock, new_id=base.new_id, random_bytes=os.urandom
    )
    exchange = Exchange(base.database, service, card_company, treasury, clock=base.clock, new_id=base.new_id)
    return PresentmentRoom(service, exchange, card_company)


def _presentment_chores(room: PresentmentRoom) -> Sequence[Chore]:
    return [Chore("exchange clearing files", _EXCHANGE_FILES_EVERY, room.exchange.run)]


# settlement ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SettlementRoom:
    """Settling days, reading what came of it, and what happens without being asked."""

    service: Settlements
    reports: Reports
    routine: Routine


def _settlement(base: Foundation, treasury: Treasury) -> SettlementRoom:
    currency = CurrencyCode(base.settings.currency)
    service = Settlements(
        base.database,
        base.merchants,
        treasury,
        clock=base.clock,
        new_id=base.new_id,
        calendar=base.calendar,
        currency=currency,
    )
    reports = Reports(base.database, clock=base.clock, calendar=base.calendar, currency=currency)
    return SettlementRoom(service, reports, Routine(service, opens_days=base.settings.settle_days))


def _settlement_chores(room: SettlementRoom) -> Sequence[Chore]:
    return [Chore("settle", _SETTLE_EVERY, room.routine.run)]


# billing ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class BillingRoom:
    """Drawing up bills, and what becomes of them."""

    service: Billing
    issuing: Issuing


def _billing(base: Foundation, treasury: Treasury) -> BillingRoom:
    terms = BillTerms(base.settings.bill_due_days, base.settings.bill_grace_days)
    clock, new_id = base.clock, base.new_id
    service = Billing(base.database, treasury, base.calendar, terms, clock=clock, new_id=new_id)
    issuing = Issuing(
        base.database, base.calendar, terms, clock=clock, new_id=new_id, random_bytes=os.urandom
    )
    return BillingRoom(service, issuing)


def _billing_chores(room: BillingRoom) -> Sequence[Chore]:
    return [
        Chore("issue bills", _BILL_EVERY, room.issuing.issue_due),
        Chore("take bill payments", _TAKE_BILL_PAYMENTS_EVERY, room.service.take_payments),
        Chore("follow bills", _FOLLOW_BILLS_EVERY, room.service.follow_up),
    ]


# invoicing -------------------------------------------------------------------------------------------------


def _invoicing(base: Foundation, treasury: Treasury) -> Invoicing:
    return Invoicing(
        base.database,
        treasury,
        base.calendar,
        base.settings.points_invoice_due_days,
        clock=base.clock,
        new_id=base.new_id,
        random_bytes=os.urandom,
    )


# webhooks --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class WebhookRoom:
    """Endpoints, and what tells them of events. `courier` is started and stopped, `client` closed."""

    service: Webhooks
    client: WebhookClient
    fan_out: FanOut
    courier: Courier
    sweep: Callable[[], Awaitable[None]]


def _webhooks(base: Foundation) -> WebhookRoom:
    private = base.settings.webhooks_to_private_addresses and not base.settings.live
    # Receivers compare a message's time with their own clock, which nobody moves.
    client = WebhookClient(now=Clock().now, private=private)
    service = Webhooks(
        base.database,
        base.vault,
        client,
        clock=base.clock,
        new_id=base.new_id,
        random_bytes=os.urandom,
        private=private,
    )
    told = {decline.value: FOR_MERCHANTS[decline].code for decline in Decline}
    courier = Courier(base.database, base.vault, client, base.clock, base.new_id, told)
    fan_out = FanOut(base.database, base.clock, base.new_id, courier.wake)
    return WebhookRoom(service, client, fan_out, courier, partial(sweep, base.database, base.clock))


def _webhook_chores(room: WebhookRoom) -> Sequence[Chore]:
    return [
        Chore("hand on events", _FAN_OUT_EVERY, room.fan_out.run),
        Chore("sweep webhooks", _SWEEP_WEBHOOKS_EVERY, room.sweep),
    ]


# disputes and draws ----------------------------------------------------------------------------------------


def _disputes(base: Foundation) -> Disputes:
    settings = base.settings
    terms = DisputeTerms(
        window=timedelta(days=settings.dispute_days),
        answer_time=timedelta(days=settings.dispute_answer_days),
    )
    return Disputes(base.database, base.engine, clock=base.clock, new_id=base.new_id, terms=terms)


def _draws(base: Foundation, treasury: Treasury) -> Draws:
    return Draws(
        base.database,
        base.engine,
        base.cards,
        base.vault,
        treasury,
        clock=base.clock,
        new_id=base.new_id,
    )


# reconciliation --------------------------------------------------------------------------------------------


def _reconciliation(base: Foundation) -> Reconciliation:
    return Reconciliation(
        base.database,
        clock=base.clock,
        new_id=base.new_id,
        calendar=base.calendar,
        currency=CurrencyCode(base.settings.currency),
    )
