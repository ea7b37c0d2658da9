"""The card company, as a client sees it: ISO 8583 over one connection, and clearing files over HTTP.

Asks for approval of linked cards, checks them with zero-amount requests, and reverses what may have
happened. It never repeats a payment and never guesses an outcome. Sequence: docs/iso8583.md. What was
captured goes out in clearing files, written when they are sent: docs/clearing-files.md.
"""

from obverse.networks.card_company.client import CardCompanyClient, ClientSettings
from obverse.networks.card_company.files import CardCompanyFileExchange
from obverse.networks.card_company.ipm import FileFormat
from obverse.networks.card_company.link import Health
from obverse.networks.card_company.ports import CardFace, OpenCards
from obverse.networks.card_company.requests import Identity

__all__ = [
    "CardCompanyClient",
    "CardCompanyFileExchange",
    "CardFace",
    "ClientSettings",
    "FileFormat",
    "Health",
    "Identity",
    "OpenCards",
]
