"""A history as CSV (RFC 4180), written as it is read: one column for each kind of movement (PP-10)."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import tzinfo
from typing import Final

from obverse.history.model import Entry, EntryKind
from obverse.kit.ids import to_text
from obverse.kit.spreadsheets import BYTE_ORDER_MARK, row
from obverse.settlement.documents import Language

_MOVEMENTS: Final = ("purchases", "charges", "payments", "refunds", "calls", "other")
_COLUMNS: Final = ("date", "card", "merchant", "kind", *_MOVEMENTS, "balance", "currency", "state", "entry")

_COLUMN_OF: Final[Mapping[EntryKind, str]] = {
    EntryKind.BOUGHT: "purchases",
    EntryKind.GIFT: "purchases",
    EntryKind.CHARGE: "charges",
    EntryKind.LOAD: "charges",
    EntryKind.PAYMENT: "payments",
    EntryKind.REFUND: "refunds",
    EntryKind.RELEASE: "refunds",
    EntryKind.CALL: "calls",
    EntryKind.POINTS: "other",
    EntryKind.PAYOUT: "other",
    EntryKind.EXPIRY: "other",
}

WORDS: Final[Mapping[Language, Mapping[str, str]]] = {
    Language.EN: {
        "date": "Date",
        "card": "Card",
        "merchant": "Merchant",
        "kind": "Kind",
        "purchases": "Purchases",
        "charges": "Charges",
        "payments": "Payments",
        "refunds": "Refunds",
        "calls": "Calls",
        "other": "Other",
        "balance": "Balance",
        "currency": "Currency",
        "state": "State",
        "entry": "Entry",
        "pending": "pending",
        "final": "final",
        "bought": "bought",
        "charge": "charge",
        "load": "cash charge",
        "gift": "gift",
        "points": "points",
        "payment": "payment",
        "call": "call",
        "refund": "refund",
        "release": "cancelled",
        "payout": "rest paid out",
        "expiry": "expired",
    },
    Language.KO: {
        "date": "일시",
        "card": "카드",
        "merchant": "가맹점",
        "kind": "구분",
        "purchases": "구매",
        "charges": "충전",
        "payments": "결제",
        "refunds": "환불",
        "calls": "통화",
        "other": "기타",
        "balance": "잔액",
        "currency": "통화 단위",
        "state": "상태",
        "entry": "거래 번호",
        "pending": "승인",
        "final": "완료",
        "bought": "구매",
        "charge": "충전",
        "load": "현금 충전",
        "gift": "선물",
        "points": "포인트",
        "payment": "결제",
        "call": "통화",
        "refund": "환불",
        "release": "취소",
        "payout": "잔액 환급",
        "expiry": "유효기간 만료",
    },
}


async def write_rows(
    parts: AsyncIterator[Sequence[Entry]], zone: tzinfo, language: Language
) -> AsyncIterator[bytes]:
    """The file, part by part: no more of it is in memory than `parts` gives at once.

    Amounts in minor units, below zero where something was taken; no balance where nothing is stored.
    """
    words = WORDS[language]
    yield (BYTE_ORDER_MARK + row(*[words[column] for column in _COLUMNS])).encode()
    async for part in parts:
        yield "".join([_row(entry, zone, words) for entry in part]).encode()


def _row(entry: Entry, zone: tzinfo, words: Mapping[str, str]) -> str:
    column = _COLUMN_OF[entry.kind]
    return row(
        entry.at.astimezone(zone).isoformat(timespec="seconds"),
        f"{entry.card_name} {entry.card_last_four or ''}".strip(),
        entry.merchant_name or "",
        words[entry.kind],
        *[entry.amount.amount_minor if column == each else "" for each in _MOVEMENTS],
        "" if entry.balance_minor is None else entry.balance_minor,
        entry.amount.currency,
        words["pending" if entry.is_pending else "final"],
        to_text("ent", entry.id),
    )
