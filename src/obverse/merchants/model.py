"""Merchants as the engine and the doors see them."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

import msgspec

from obverse.kit.ids import AccountId, MerchantId


class MerchantState(StrEnum):
    ACTIVE = "active"
    CLOSED = "closed"


class Merchant(msgspec.Struct, frozen=True):
    """An online mall, a content site or a shop.

    `acquirer_id` and `merchant_no` are ISO 8583 DE 32 and DE 42, by which the acquirer door knows it;
    `terminals` are its DE 41 values. `account_id` is its payable account in the ledger.
    """

    id: MerchantId
    name: str
    category: str
    """ISO 18245 merchant category code."""
    acquirer_id: str
    merchant_no: str
    terminals: tuple[str, ...]
    account_id: AccountId
    state: MerchantState
    created_at: datetime
    metadata: Mapping[str, str] = msgspec.field(default_factory=dict)
