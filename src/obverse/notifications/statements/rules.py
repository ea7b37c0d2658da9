"""When a day begins, ends and is told, and what is said of it. No I/O, no clock."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from obverse.history.model import EntryKind
from obverse.kit.ids import LetterId
from obverse.kit.money import CurrencyCode, Money
from obverse.letters import Channel, Language, Letter
from obverse.members import Contact
from obverse.notifications.statements.model import Day, Line

TOLD_AT: Final = time(8)
"""On the next morning, on the member's own clock: nobody wants a text message at midnight."""

CAUGHT_UP: Final = timedelta(hours=27)
"""How far before a day one looks for what is not told yet: whoever moves from the time zone of one end of the
world to that of the other has a day that began up to 26 hours earlier."""

LINES_MAX: Final = 100
"""What a letter lists; a text message lists fewer."""
SMS_LINES_MAX: Final = 10

SPENT: Final = frozenset({EntryKind.PAYMENT, EntryKind.CALL})
RECEIVED: Final = frozenset(EntryKind) - SPENT - {EntryKind.PAYOUT, EntryKind.EXPIRY}

_DAY: Final = timedelta(days=1)


def begins(day: date, zone: ZoneInfo) -> datetime:
    """The first moment of a day, in UTC; it ends with the first moment of the next.

    A day on which clocks are changed has 23 or 25 hours.
    """
    return datetime.combine(day, time(), zone).astimezone(UTC)


def told_at(day: date, zone: ZoneInfo) -> datetime:
    """When a day is told, in UTC."""
    return datetime.combine(day + _DAY, TOLD_AT, zone).astimezone(UTC)


def letter(letter_id: LetterId, day: Day, contact: Contact, currency: CurrencyCode) -> Letter | None:
    """What is sent of this day, by the way this member chose; None where they want nothing (WA-13)."""
    match contact.statements:
        case "mail":
            channel, to, most = Channel.MAIL, contact.mail, LINES_MAX
        case "sms":
            channel, to, most = Channel.SMS, contact.mobile, SMS_LINES_MAX
        case _:
            return None
    if to is None:
        return None
    return Letter(
        id=letter_id,
        channel=channel,
        to=to,
        template="statement",
        language=contact.language,
        data=_said(day, contact.language, currency, most),
        subject_id=day.member_id,
        member_id=day.member_id,
        once=f"statement:{day.member_id}:{day.day}",
        time_zone=contact.time_zone,
    )


def _said(day: Day, language: Language, currency: CurrencyCode, most: int) -> Mapping[str, object]:
    lines = day.lines[:most]
    return {
        "day": day.day,
        "count": day.entries,
        "more": day.entries - len(lines),
        "rows": [
            {
                "at": line.at,
                "merchant": _what(line, language),
                "amount": Money(line.minor, CurrencyCode(line.currency)),
                "balance": None,
            }
            for line in lines
        ],
        "spent": Money(day.spent_minor, currency),
        "received": Money(day.received_minor, currency),
        "link": "/history",
    }


def _what(line: Line, language: Language) -> str:
    """Where, and what unless it was a payment; the card where there is nothing else to tell."""
    what = WORDS[language][line.kind]
    where = line.merchant or line.name or (f"···· {line.last_four}" if line.last_four else "")
    if line.kind is EntryKind.PAYMENT and line.merchant:
        return line.merchant
    return f"{what} · {where}" if where else what


WORDS: Final[Mapping[Language, Mapping[EntryKind, str]]] = {
    Language.ENGLISH: {
        EntryKind.BOUGHT: "Card bought",
        EntryKind.CHARGE: "Charged",
        EntryKind.LOAD: "Charged in cash",
        EntryKind.GIFT: "Gift received",
        EntryKind.POINTS: "Points",
        EntryKind.PAYMENT: "Payment",
        EntryKind.CALL: "Call",
        EntryKind.REFUND: "Refund",
        EntryKind.RELEASE: "Cancelled",
        EntryKind.PAYOUT: "Rest paid out",
        EntryKind.EXPIRY: "Expired",
    },
    Language.KOREAN: {
        EntryKind.BOUGHT: "카드 구매",
        EntryKind.CHARGE: "충전",
        EntryKind.LOAD: "현금 충전",
        EntryKind.GIFT: "선물 받음",
        EntryKind.POINTS: "포인트",
        EntryKind.PAYMENT: "결제",
        EntryKind.CALL: "통화",
        EntryKind.REFUND: "환불",
        EntryKind.RELEASE: "취소",
        EntryKind.PAYOUT: "잔액 환급",
        EntryKind.EXPIRY: "유효기간 만료",
    },
}
