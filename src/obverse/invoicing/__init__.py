"""Invoicing: what points issuers owe for their points that were spent, less what was given back.

The platform pays merchants for points as for everything else, and collects from issuers: month by month, or
when an operator asks, an invoice adds up the steps of payments since the one before; a bank transfer with
its reference pays it. What is left over either way stands on the next one. See docs/points-invoices.md.
"""

from obverse.invoicing.errors import NothingToInvoice, PointsInvoiceNotFound
from obverse.invoicing.model import Invoice, InvoicePayment, InvoiceState, Line
from obverse.invoicing.service import Invoicing

__all__ = [
    "Invoice",
    "InvoicePayment",
    "InvoiceState",
    "Invoicing",
    "Line",
    "NothingToInvoice",
    "PointsInvoiceNotFound",
]
