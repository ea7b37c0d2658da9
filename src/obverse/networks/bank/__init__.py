"""The bank: its API over HTTP, or ISO 20022 files in a folder (pain.001 out, camt.053 and pain.002 in).

Both implement `treasury.ports.Bank`: what is sent has an id that the bank must not carry out twice, and what
got no answer is asked for before it is sent again. Over the API it also collects, for sales. Formats and
folders: docs/bank.md.
"""

from obverse.networks.bank.api import BankApi
from obverse.networks.bank.collections import BankCollections
from obverse.networks.bank.files import BankFiles
from obverse.networks.bank.reading import read_document

__all__ = ["BankApi", "BankCollections", "BankFiles", "read_document"]
