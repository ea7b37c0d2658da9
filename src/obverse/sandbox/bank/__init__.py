"""A bank: accounts, transfers that are carried out once per id, statements in camt.053, over HTTP."""

from obverse.sandbox.bank.book import BankBook
from obverse.sandbox.bank.model import BankAccount, Entry, Order, Outcome, Status
from obverse.sandbox.bank.site import Bank

__all__ = ["Bank", "BankAccount", "BankBook", "Entry", "Order", "Outcome", "Status"]
