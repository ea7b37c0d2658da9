"""Selling and charging stored value, joined; and the bank accounts that it is paid from."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from obverse.bootstrap.money import Foundation, MoneyRooms
from obverse.charging import Automatic, CardsInHand, Charging, Pausing, Refunding
from obverse.kit.jobs import Chore
from obverse.kit.money import CurrencyCode
from obverse.kit.secret import Secret
from obverse.networks.bank import BankCollections
from obverse.sales import Sales, SalesAtBank
from obverse.treasury import BankAccount
from obverse.wallet import BankAccounts

_FINISH_SALES_EVERY: Final = timedelta(seconds=2)
_TAKE_RECEIPTS_EVERY: Final = timedelta(seconds=1)
_COLLECT_EVERY: Final = timedelta(seconds=1)
_REFUND_EVERY: Final = timedelta(seconds=1)
_FOLLOW_CHARGES_EVERY: Final = timedelta(seconds=1)
_CHARGE_SHORT_EVERY: Final = timedelta(seconds=2)
_SWEEP_EVERY: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class SellingRooms:
    """How stored value is paid for, charged, and refunded. `collector` is to be closed."""

    sales: Sales
    at_bank: SalesAtBank
    collector: BankCollections | None
    bank_accounts: BankAccounts
    charging: Charging
    automatic: Automatic
    refunding: Refunding
    in_hand: CardsInHand


def join_selling_rooms(base: Foundation, money: MoneyRooms) -> SellingRooms:
    """Make each room and hand it what it needs of the others."""
    database, clock, new_id, treasury = base.database, base.clock, base.new_id, money.treasury.service
    collector = _collector(base)
    sales = Sales(
        database,
        base.engine,
        base.cards,
        base.wallet,
        treasury,
        base.vault,
        clock=clock,
        new_id=new_id,
        random_bytes=os.urandom,
        collects=collector is not None,
    )
    accounts = BankAccounts(
        database,
        base.members,
        treasury,
        base.vault,
        clock=clock,
        new_id=new_id,
        random_bytes=os.urandom,
        currency=CurrencyCode(base.settings.currency),
    )
    pausing = Pausing(base.members, base.letters, clock=clock, new_id=new_id)
    charging = Charging(
        database,
        sales,
        base.balances,
        base.calendar,
        pausing,
        base.vault,
        clock=clock,
        new_id=new_id,
        own_account=_own_account(base),
    )
    return SellingRooms(
        sales=sales,
        at_bank=SalesAtBank(database, treasury, accounts, base.vault, collector, clock=clock, new_id=new_id),
        collector=collector,
        bank_accounts=accounts,
        charging=charging,
        automatic=Automatic(database, charging, pausing, clock=clock, new_id=new_id),
        refunding=Refunding(database, base.balances, treasury, base.vault, clock=clock, new_id=new_id),
        in_hand=CardsInHand(
            base.engine, base.cards, sales.house, CurrencyCode(base.settings.currency), new_id
        ),
    )


def _collector(base: Foundation) -> BankCollections | None:
    """A bank that is reached by files takes transfers only."""
    settings = base.settings
    if settings.bank_channel != "api":
        return None
    return BankCollections(settings.bank_url, _own_account(base))


def _own_account(base: Foundation) -> BankAccount:
    settings = base.settings
    return BankAccount(settings.bank_code, Secret(settings.bank_account), settings.bank_account_holder)


def selling_chores(rooms: SellingRooms) -> Sequence[Chore]:
    """What sales and charges do by themselves, again and again."""
    return [
        Chore("finish sales", _FINISH_SALES_EVERY, rooms.sales.finish),
        Chore("take receipts of sales", _TAKE_RECEIPTS_EVERY, rooms.at_bank.take_receipts),
        Chore("collect for sales", _COLLECT_EVERY, rooms.at_bank.collect),
        Chore("refund sales", _REFUND_EVERY, rooms.sales.refund),
        Chore("sweep sales", _SWEEP_EVERY, rooms.sales.sweep),
        Chore("follow charges", _FOLLOW_CHARGES_EVERY, rooms.charging.follow),
        Chore("charge what runs short", _CHARGE_SHORT_EVERY, rooms.automatic.charge_short),
        Chore("sweep bank accounts", _SWEEP_EVERY, rooms.bank_accounts.sweep),
    ]
