"""Clearing files as this card company reads and writes them: IPM in 1014-byte blocks, by cardutil.

Its own reading of docs/clearing-files.md; nothing is shared with the platform but the bytes.
"""

import io
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from cardutil import CardutilError
from cardutil.mciipm import IpmReader, IpmWriter

from obverse.sandbox.card_company.model import FileReason, Item, Reason

# At debug level cardutil logs every record, card number and all.
logging.getLogger("cardutil").setLevel(logging.WARNING)

_WRONG_FIELD: Final = {
    Reason.UNKNOWN_CARD: "D0002",
    Reason.NO_APPROVAL: "D0038",
    Reason.MORE_THAN_APPROVED: "D0004",
    Reason.DUPLICATE: "D0031",
    Reason.WRONG_CURRENCY: "D0049",
    Reason.MORE_THAN_CHARGED: "D0004",
    FileReason.WRONG_TOTALS: "P0301",
    FileReason.UNREADABLE: "D0071",
}


class BadFile(Exception):
    """A file that is not taken, and why."""

    def __init__(self, reason: FileReason) -> None:
        self.reason = reason
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class Presented:
    """A file as it came: its id (PDS 0105), the sender's reference (PDS 1000), and what it presents."""

    file_id: str
    reference: str
    items: Sequence[Item]


@dataclass(frozen=True, slots=True)
class Judged:
    """One presentment and why it was not taken; None: it was."""

    item: Item
    reason: Reason | None


def read(content: bytes) -> Presented:
    """Read a whole file. Raises `BadFile`."""
    try:
        header, *body, trailer = IpmReader(io.BytesIO(content), blocked=True)
        presented = Presented(header["PDS0105"], header["PDS1000"], [_item(record) for record in body])
        kinds = (header["MTI"], header["DE24"], trailer["MTI"], trailer["DE24"])
        total, count = int(trailer["PDS0301"]), int(trailer["PDS0306"])
    except (CardutilError, KeyError, ValueError):
        raise BadFile(FileReason.UNREADABLE) from None
    if kinds != ("1644", "697", "1644", "695") or trailer["PDS0105"] != presented.file_id:
        raise BadFile(FileReason.UNREADABLE)
    if (total, count) != (sum(item.amount_minor for item in presented.items), len(body) + 2):
        raise BadFile(FileReason.WRONG_TOTALS)
    return presented


def _item(record: dict[str, Any]) -> Item:
    if (record["MTI"], record["DE24"]) != ("1240", "200"):
        raise ValueError(record["MTI"])
    return Item(
        number=record["DE71"],
        card_number=record["DE2"],
        is_credit=record["DE3"].startswith("20"),
        amount_minor=record["DE4"],
        currency=record["DE49"],
        approval_code=record.get("DE38", ""),
        arn=record["DE31"],
        merchant=record.get("DE43", ""),
        is_final=record.get("DE25") == "1404",
    )


def acknowledge(presented: Presented, judged: Sequence[Judged]) -> bytes:
    """One 691 for each presentment that is not taken, and a 685 that adds up all the others."""
    taken = [each.item for each in judged if each.reason is None]
    debits = [item.amount_minor for item in taken if not item.is_credit]
    credits = [item.amount_minor for item in taken if item.is_credit]
    refused = [
        {
            "DE24": "691",
            "DE31": each.item.arn,
            "PDS0005": _error(each.reason),
            "PDS0138": f"{each.item.number:08d}",
            "PDS0280": presented.file_id,
        }
        for each in judged
        if each.reason is not None
    ]
    position = {
        "DE24": "685",
        "DE25": "6861",
        "PDS0300": presented.file_id,
        "PDS0390": f"{sum(debits):016d}",
        "PDS0391": f"{sum(credits):016d}",
        "PDS0400": f"{len(debits):010d}",
        "PDS0401": f"{len(credits):010d}",
        "PDS0402": f"{len(taken):010d}",
    }
    return _write(presented.file_id, [*refused, position])


def reject(file_id: str, reason: FileReason) -> bytes:
    """A 699: nothing of the file is taken."""
    record = {"DE24": "699", "PDS0005": _error(reason), "PDS0280": file_id}
    return _write(file_id, [record])


def file_id_in(content: bytes) -> str:
    """The id in the header of a file of which nothing else may be readable; empty where there is none."""
    try:
        return str(next(IpmReader(io.BytesIO(content), blocked=True))["PDS0105"])
    except (CardutilError, KeyError, ValueError, StopIteration):
        return ""


def _error(reason: Reason | FileReason) -> str:
    return f"{_WRONG_FIELD[reason]}10{reason}000"


def _write(file_id: str, records: Sequence[dict[str, Any]]) -> bytes:
    out = io.BytesIO()
    writer = IpmWriter(out, blocked=True)
    count = len(records) + 2
    own_id = {"PDS0105": f"002{file_id[3:]}"}
    writer.write({"MTI": "1644", "DE24": "697", "DE71": 1} | own_id)
    for number, record in enumerate(records, 2):
        writer.write({"MTI": "1644", "DE71": number} | record)
    writer.write({"MTI": "1644", "DE24": "695", "DE71": count, "PDS0306": f"{count:08d}"} | own_id)
    writer.close()
    return out.getvalue()
