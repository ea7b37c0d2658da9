"""What sales need from outside: a bank that collects."""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

import msgspec

from obverse.kit.money import Money
from obverse.treasury import BankAccount
from obverse.treasury.ports import Answer


class Collection(msgspec.Struct, frozen=True):
    """Money to be taken from somebody's account, by the mandate they gave when it was linked.

    `id` is what the bank must not carry out twice; `reference` is what our statement will show.
    """

    id: UUID
    amount: Money
    payer: BankAccount
    mandate: str
    reference: str


class Collector(Protocol):
    """The programme's bank, asked to collect."""

    async def collect(self, collections: Sequence[Collection]) -> Sequence[Answer]:
        """One answer each, in their order; asking again with the same id tells what became of it.

        Never raises for what happens at the far end: without a clear answer it is `NO_ANSWER`.
        """
        ...
