"""The card company, as a client sees it: ISO 8583 over one connection, many requests in flight.

Asks for approval of linked cards, checks them with zero-amount requests, and reverses what may have
happened. It never repeats a payment and never guesses an outcome. Sequence: docs/iso8583.md.
"""

from obverse.networks.card_company.client import CardCompanyClient, ClientSettings
from obverse.networks.card_company.link import Health
from obverse.networks.card_company.ports import CardFace, OpenCards

__all__ = ["CardCompanyClient", "CardFace", "ClientSettings", "Health", "OpenCards"]
