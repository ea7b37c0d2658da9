"""A card company: the issuer of the real cards that members link, reached over ISO 8583 and by files.

It keeps its own cards, limits and holds, and answers with the response codes an issuer uses. `Book` is what
it knows, `rules` how it decides, `CardCompany` the host on the wire with its fault menu. Its other half
clears: `FileExchange` takes presentments by HTTP, `Clearing` charges cardholders for them and pays for them.
"""

from obverse.sandbox.card_company.book import Book, Statement
from obverse.sandbox.card_company.cards import make_cards
from obverse.sandbox.card_company.clearing import Clearing, Payment
from obverse.sandbox.card_company.exchange import BankLine, FileExchange, pay_through
from obverse.sandbox.card_company.host import CardCompany
from obverse.sandbox.card_company.model import Bill, Code, Hold, RealCard

__all__ = [
    "BankLine",
    "Bill",
    "Book",
    "CardCompany",
    "Clearing",
    "Code",
    "FileExchange",
    "Hold",
    "Payment",
    "RealCard",
    "Statement",
    "make_cards",
    "pay_through",
]
