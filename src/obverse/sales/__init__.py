"""Sales: how stored value is paid for, by card or by bank.

Orders and charges open a sale, have it paid, and allocate what was paid; nothing is allocated before. A card
pays through the engine at a merchant of the house, a bank transfer by its reference, a linked bank account
by collection. What is given back goes where it came from. Source: PP-2, PP-8, PP-9, WA-6.
"""

from obverse.sales.at_bank import SalesAtBank
from obverse.sales.errors import (
    GivesBackTooMuch,
    MeansNotOffered,
    NothingWaiting,
    SaleNotCancellable,
    SaleNotFound,
    SaleNotPaid,
)
from obverse.sales.jobs import sales_rekey
from obverse.sales.model import (
    How,
    Means,
    RefundState,
    Sale,
    SaleRefund,
    SaleState,
    SaleWish,
    SubjectKind,
)
from obverse.sales.ports import Collection, Collector
from obverse.sales.rules import PAYABLE, SALES_MERCHANT
from obverse.sales.service import Sales

__all__ = [
    "PAYABLE",
    "SALES_MERCHANT",
    "Collection",
    "Collector",
    "GivesBackTooMuch",
    "How",
    "Means",
    "MeansNotOffered",
    "NothingWaiting",
    "RefundState",
    "Sale",
    "SaleNotCancellable",
    "SaleNotFound",
    "SaleNotPaid",
    "SaleRefund",
    "SaleState",
    "SaleWish",
    "Sales",
    "SalesAtBank",
    "SubjectKind",
    "sales_rekey",
]
