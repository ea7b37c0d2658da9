"""What the presentments room needs from the card company, and from the other rooms."""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from obverse.clearing.presentments.model import Presentment, PresentmentFile, Totals


class Rejection(msgspec.Struct, frozen=True):
    """One presentment that the card company does not take: its `arn`, and why, as a code."""

    arn: str
    reason: str


class Acknowledgement(msgspec.Struct, frozen=True):
    """What the card company says of one file.

    `refused` is why it takes nothing of it; else it takes all but `rejections`, and `accepted` is what it
    has counted and added up itself.
    """

    refused: str | None = None
    rejections: Sequence[Rejection] = ()
    accepted: Totals = Totals()


class CardCompanyFiles(Protocol):
    """The card company's file exchange."""

    async def send(self, file: PresentmentFile, members: Sequence[Presentment]) -> bytes:
        """Write the file in memory, hand it over and return its SHA-256. Safe to repeat: the id tells.

        Raises `NoAnswer`, `NotTaken`, and `Unavailable` where our own vault cannot be asked.
        """
        ...

    async def acknowledgement(self, file: PresentmentFile) -> Acknowledgement | None:
        """What was said of this file; None while the card company is still reading it.

        Raises `NoAnswer`, `UnreadableAnswer`, and `PresentmentFileNotFound` where it has no such file.
        """
        ...
