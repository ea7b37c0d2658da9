"""Points issuers, accounts, rates, quotes and messages in the database."""

from obverse.points.repository.holdings import load_holdings, load_rates
from obverse.points.repository.messages import insert_messages
from obverse.points.repository.quotes import insert_quote, load_quotes

__all__ = ["insert_messages", "insert_quote", "load_holdings", "load_quotes", "load_rates"]
