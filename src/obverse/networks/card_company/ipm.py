"""Clearing files as bytes: presentments out, acknowledgements in (IPM, 1014-byte blocks, Latin-1).

Written and taken apart by cardutil. Of what comes back only the outer shape is left to it: its reader of PDS
fields trusts their lengths, and one that is negative keeps it busy for ever. Layout: docs/clearing-files.md.
"""

import io
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any, Final

from cardutil import CardutilError
from cardutil.config import config
from cardutil.mciipm import IpmReader, IpmWriter
from iso4217 import Currency as Iso4217

from obverse.clearing.presentments import (
    Acknowledgement,
    Direction,
    Presentment,
    PresentmentFile,
    Rejection,
    UnreadableAnswer,
)
from obverse.clearing.presentments.model import Totals
from obverse.kit.ids import VaultCardId
from obverse.kit.money import CurrencyCode, numeric_code
from obverse.networks.card_company.ports import CardFace
from obverse.networks.card_company.references import Reference
from obverse.networks.card_company.requests import Identity, printable

# At debug level cardutil logs every record, card number and all.
logging.getLogger("cardutil").setLevel(logging.WARNING)

Record = dict[str, Any]

_FIRST_PRESENTMENT: Final = "200"
_FINANCIAL_POSITION: Final = "685"
_MESSAGE_EXCEPTION: Final = "691"
_TRAILER: Final = "695"
_HEADER: Final = "697"
_FILE_REJECT: Final = "699"

_PROCESSING_CODES: Final = {Direction.DEBIT: "000000", Direction.CREDIT: "200000"}
_MORE_TO_COME: Final = "1403"
_LAST_ONE: Final = "1404"
_ELECTRONIC_COMMERCE: Final = "100050S00000"
"""DE 22: no terminal, an electronic order, card not present, nobody authenticated."""
_ELECTRONIC_TERMINAL: Final = "CT6"
_TO_THE_CARD_COMPANY: Final = "001"

REASONS: Final = {
    "0001": "unknown_card",
    "0002": "no_approval",
    "0003": "more_than_approved",
    "0004": "duplicate",
    "0005": "wrong_currency",
    "0006": "more_than_charged",
    "0901": "wrong_totals",
    "0902": "unreadable",
}
"""Error codes of PDS 0005. One that is not here is shown as `error_<code>`."""
_REASON: Final = slice(7, 11)

_WITHOUT_PDS: Final = {
    bit: {name: value for name, value in field.items() if name != "field_processor"}
    for bit, field in config["bit_config"].items()
}
_PDS_CARRIERS: Final = ("DE48", "DE62", "DE123", "DE124", "DE125")


@dataclass(frozen=True, slots=True)
class FileFormat:
    """What all of our files have in common. Times in them are local times in `zone`."""

    zone: tzinfo
    live: bool
    identity: Identity


def file_id(file: PresentmentFile, identity: Identity) -> str:
    """PDS 0105: type, business day, who we are, and which of that day's files it is."""
    day = f"{file.business_day:%y%m%d}"
    return f"{_TO_THE_CARD_COMPANY}{day}{identity.acquirer_id:0>11}{file.sequence:05d}"


def write(
    file: PresentmentFile,
    members: Sequence[Presentment],
    cards: Mapping[VaultCardId, CardFace],
    format_: FileFormat,
) -> bytes:
    """The file, with the real numbers in it: for the wire, and nowhere else."""
    out = io.BytesIO()
    writer = IpmWriter(out, blocked=True)
    writer.write_many(_records(file, members, cards, format_))
    writer.close()
    return out.getvalue()


def _records(
    file: PresentmentFile,
    members: Sequence[Presentment],
    cards: Mapping[VaultCardId, CardFace],
    format_: FileFormat,
) -> Iterator[Record]:
    id_ = file_id(file, format_.identity)
    yield {
        "MTI": "1644",
        "DE24": _HEADER,
        "DE71": 1,
        "PDS0105": id_,
        "PDS0122": "P" if format_.live else "T",
        "PDS1000": file.reference,
    }
    for number, member in enumerate(members, 2):
        yield _presentment(member, cards[member.vault_card_id], number, format_)
    yield {
        "MTI": "1644",
        "DE24": _TRAILER,
        "DE71": len(members) + 2,
        "PDS0105": id_,
        "PDS0301": f"{sum(member.amount.amount_minor for member in members):016d}",
        "PDS0306": f"{len(members) + 2:08d}",
    }


def _presentment(member: Presentment, card: CardFace, number: int, format_: FileFormat) -> Record:
    """1240: cardutil leaves out what is None or empty."""
    identity = format_.identity
    currency = numeric_code(member.amount.currency)
    return {
        "MTI": "1240",
        "DE2": card.number.reveal(),
        "DE3": _PROCESSING_CODES[member.direction],
        "DE4": member.amount.amount_minor,
        "DE12": member.paid_at.astimezone(format_.zone),
        "DE22": _ELECTRONIC_COMMERCE,
        "DE24": _FIRST_PRESENTMENT,
        "DE25": _reason_code(member),
        "DE26": member.category,
        "DE31": member.arn,
        "DE32": identity.acquirer_id,
        "DE33": identity.acquirer_id,
        "DE37": Reference.parse(member.network_ref).rrn if member.network_ref else None,
        "DE38": member.approval_code,
        "DE41": identity.terminal,
        "DE42": identity.merchant_no,
        "DE43": printable(member.merchant_name),
        "DE49": currency,
        "DE71": number,
        "DE94": identity.acquirer_id,
        "PDS0023": _ELECTRONIC_TERMINAL,
        "PDS0148": f"{currency}{_exponent(member.amount.currency)}",
    }


def _reason_code(member: Presentment) -> str | None:
    if member.direction is Direction.CREDIT:
        return None
    return _LAST_ONE if member.is_final else _MORE_TO_COME


def _exponent(currency: CurrencyCode) -> int:
    return Iso4217(currency).exponent or 0


# what comes back -------------------------------------------------------------------------------------------


def read_acknowledgement(content: bytes, file: PresentmentFile, identity: Identity) -> Acknowledgement:
    """What the card company says of this file. Raises `UnreadableAnswer` for anything but a whole answer."""
    try:
        return _understand(list(_read(content)), file_id(file, identity))
    except (CardutilError, ValueError, KeyError, IndexError, UnicodeError):
        # Not chained: the error would carry the record.
        raise UnreadableAnswer from None


def _read(content: bytes) -> Iterator[Record]:
    for record in IpmReader(io.BytesIO(content), iso_config=_WITHOUT_PDS, blocked=True):
        yield record | dict(_private_fields(record))


def _private_fields(record: Record) -> Iterator[tuple[str, str]]:
    """The PDS fields of a record. Raises `ValueError` where lengths do not add up."""
    for carrier in _PDS_CARRIERS:
        text = record.get(carrier, "")
        while text:
            tag, length = text[:4], text[4:7]
            if not (tag + length).isdecimal() or len(text) < 7 + int(length):
                raise ValueError(carrier)
            yield f"PDS{tag}", text[7 : 7 + int(length)]
            text = text[7 + int(length) :]


def _understand(records: Sequence[Record], id_: str) -> Acknowledgement:
    """One header, what is said, and a trailer that counts them all. Raises `ValueError`, `KeyError`."""
    header, *said, trailer = records
    ends = header["DE24"], trailer["DE24"], int(trailer["PDS0306"])
    if ends != (_HEADER, _TRAILER, len(records)) or any(each["MTI"] != "1644" for each in records):
        raise ValueError(ends)
    refusals = [_reason(each) for each in said if each["DE24"] == _FILE_REJECT and _is_of(each, id_)]
    if refusals:
        return Acknowledgement(refused=refusals[0])
    rejections = [
        Rejection(each["DE31"], _reason(each))
        for each in said
        if each["DE24"] == _MESSAGE_EXCEPTION and _is_of(each, id_)
    ]
    (position,) = (each for each in said if each["DE24"] == _FINANCIAL_POSITION)
    if position["PDS0300"] != id_ or len(rejections) + 1 != len(said):
        raise ValueError(id_)
    return Acknowledgement(rejections=rejections, accepted=_accepted(position))


def _is_of(record: Record, id_: str) -> bool:
    return bool(record["PDS0280"] == id_)


def _reason(record: Record) -> str:
    code = record["PDS0005"][_REASON]
    if len(code) != 4 or not code.isdecimal():
        raise ValueError("PDS0005")
    return REASONS.get(code, f"error_{code}")


def _accepted(position: Record) -> Totals:
    names: Iterable[str] = ("PDS0400", "PDS0390", "PDS0401", "PDS0391")
    return Totals(*(int(position[name]) for name in names))
