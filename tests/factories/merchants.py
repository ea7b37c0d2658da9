"""Merchants for tests."""

import os
from datetime import datetime
from itertools import count

from tests.factories.vault import a_vault

from obverse.kit.clock import Clock
from obverse.kit.database import Connection, Database
from obverse.kit.ids import AccountId, MerchantId, NewId, PartitionId
from obverse.kit.money import KRW
from obverse.kit.secret import Secret
from obverse.ledger import repository as ledger
from obverse.ledger.model import Account, AccountKind
from obverse.merchants import (
    AccountVault,
    Applications,
    BankAccount,
    Decision,
    Details,
    MakeKey,
    Merchant,
    Merchants,
)

ACQUIRER = "410001"
_numbers = count(1)


def opens_payable(partitions: int = 1):
    """The ledger's side of onboarding, as the bootstrap joins it."""

    async def open_payable(
        conn: Connection, merchant_id: MerchantId, account_id: AccountId, now: datetime
    ) -> None:
        await ledger.open_accounts(
            conn,
            [
                Account(
                    PartitionId(partition),
                    account_id,
                    AccountKind.MERCHANT_PAYABLE,
                    merchant_id,
                    KRW,
                    floor_minor=None,
                    rolled_up=True,
                )
                for partition in range(partitions)
            ],
        )

    return open_payable


def merchants_room(
    database: Database,
    clock: Clock,
    new_id: NewId,
    partitions: int = 1,
    vault: AccountVault | None = None,
) -> Merchants:
    return Merchants(database, opens_payable(partitions), vault or a_vault(), clock=clock, new_id=new_id)


def applications_room(
    merchants: Merchants,
    database: Database,
    clock: Clock,
    new_id: NewId,
    make_key: MakeKey,
    vault: AccountVault | None = None,
) -> Applications:
    return Applications(
        database, merchants, vault or a_vault(), make_key, clock=clock, new_id=new_id, random_bytes=os.urandom
    )


def a_bank_account(number: str = "110123456789", **changes: str) -> BankAccount:
    """A bank account that its bank could know."""
    given = {"bank_code": "088", "holder": "Hanbit Mall"} | changes
    return BankAccount(number=Secret(number), **given)


BY_HAND = Decision("key_01h455vb4pex5vsknk084sn02q", "as agreed")
"""An operator's decision that needs no other reason."""


def details(**changes: object) -> Details:
    """What an applicant nobody else looks like says of itself."""
    number = next(_numbers)
    given = {
        "name": f"Hopeful {number}",
        "category": "5732",
        "acquirer_id": ACQUIRER,
        "merchant_no": f"HOPE{number:09d}",
        "terminals": (f"H{number:07d}",),
        "contact": "owner@hopeful.example",
    } | changes
    return Details(**given)  # type: ignore[arg-type]


async def a_merchant(merchants: Merchants, *, category: str = "5732", **changes) -> Merchant:
    """A merchant nobody else uses."""
    number = next(_numbers)
    given = {
        "name": f"Mall {number}",
        "category": category,
        "acquirer_id": ACQUIRER,
        "merchant_no": f"MALL{number:09d}",
        "terminals": [f"T{number:07d}"],
    } | changes
    return await merchants.onboard(**given)
