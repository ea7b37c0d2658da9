"""A card company: the issuer of the real cards that members link, reached over ISO 8583.

It keeps its own cards, limits and holds, and answers with the response codes an issuer uses. `Book` is what
it knows, `rules` how it decides, `CardCompany` the host on the wire with its fault menu.
"""

from obverse.sandbox.card_company.book import Book, Statement
from obverse.sandbox.card_company.cards import make_cards
from obverse.sandbox.card_company.host import CardCompany
from obverse.sandbox.card_company.model import Code, Hold, RealCard

__all__ = ["Book", "CardCompany", "Code", "Hold", "RealCard", "Statement", "make_cards"]
