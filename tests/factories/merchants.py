"""Merchants for tests."""

from datetime import datetime
from itertools import count

from obverse.kit.clock import Clock
from obverse.kit.database import Connection, Database
from obverse.kit.ids import AccountId, MerchantId, NewId, PartitionId
from obverse.kit.money import KRW
from obverse.ledger import repository as ledger
from obverse.ledger.model import Account, AccountKind
from obverse.merchants import Merchant, Merchants

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


def merchants_room(database: Database, clock: Clock, new_id: NewId, partitions: int = 1) -> Merchants:
    return Merchants(database, opens_payable(partitions), clock=clock, new_id=new_id)


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
