"""What is said in a notice, and to whom. No I/O, no clock."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final
from uuid import UUID

from obverse.kit.ids import LetterId, MemberId, to_text
from obverse.kit.money import Money
from obverse.kit.secret import Secret
from obverse.letters import Channel, Language, Letter
from obverse.members import Contact, Statements
from obverse.notifications.notices.model import Expiring, Use

APPROVED: Final = "authorization.approved"
UNDONE: Final[Mapping[str, str]] = {
    "authorization.refunded": "refunded",
    "authorization.released": "cancelled",
    "authorization.reversed": "cancelled",
}
DECLINED: Final = "authorization.declined"
"""Told of payment codes that were tried though they were used or over, and of nothing else."""
OF_PAYMENTS: Final = (APPROVED, *UNDONE)

ANNOUNCED: Final[Mapping[int, int]] = {30: 7, 7: 0}
"""How many days before something expires that is said, and until how many days before (PP-14)."""

_POINTS: Final = {Language.ENGLISH: "Points", Language.KOREAN: "포인트"}


def announced_between(days: int) -> tuple[timedelta, timedelta]:
    """How far ahead lies what is announced with so many days' notice: after the one, up to the other."""
    return timedelta(days=ANNOUNCED[days]), timedelta(days=days)


def about_use(letter_id: LetterId, use: Use, contact: Contact) -> Letter | None:
    """The receipt for a use, or what is said of its being undone; None where there is nothing to tell."""
    if use.type != DECLINED and (use.amount.amount_minor == 0 or not use.was_approved):
        return None
    template, said = _said_of(use)
    said |= {
        "card": _card(use.card_name, use.card_last_four),
        "at": use.at,
        "merchant": use.merchant or "",
        "link": f"/cards/{to_text('card', use.card_id)}",
    }
    # Whoever tries old codes again and again is told of once an hour.
    tried = f"code_tried:{use.card_id}:{use.at:%Y-%m-%dT%H}"
    once = tried if use.type == DECLINED else f"notice:{use.event_id}"
    return _letter(letter_id, contact, template, said, use.member_id, use.card_id, once)


def _said_of(use: Use) -> tuple[str, dict[str, object]]:
    if use.type == DECLINED:
        return "code_tried", {}
    balance = None if use.balance_minor is None else Money(use.balance_minor, use.amount.currency)
    if use.type in UNDONE:
        step = use.amount if use.step_minor is None else Money(use.step_minor, use.amount.currency)
        return "payment_undone", {"amount": step, "how": "charge" if use.is_load else UNDONE[use.type]}
    if use.is_load:
        return "charged", {"amount": use.amount, "balance": balance, "expires_at": None}
    points = [[each.issuer, f"{each.units:,} {each.unit}"] for each in use.points]
    said: dict[str, object] = {"amount": use.amount, "balance": balance, "points": points}
    return "receipt", said | {"approval_code": use.approval_code}


def about_expiry(letter_id: LetterId, expiring: Expiring, days: int, contact: Contact) -> Letter | None:
    """What will expire; None for whoever cannot be reached."""
    card_id = expiring.card_id
    named = card_id is not None and expiring.card_last_four is not None
    said = {
        "amount": expiring.amount,
        "card": _card(expiring.card_name, expiring.card_last_four or "")
        if named
        else _POINTS[contact.language],
        "expires_at": expiring.expires_at,
        "link": f"/cards/{to_text('card', card_id)}" if card_id is not None else "/points",
    }
    once = f"expiry:{expiring.source_id}:{expiring.expires_at.isoformat()}:{days}"
    return _letter(letter_id, contact, "expiry_notice", said, expiring.member_id, expiring.source_id, once)


def _letter(
    letter_id: LetterId,
    contact: Contact,
    template: str,
    data: Mapping[str, object],
    member_id: MemberId,
    subject_id: UUID,
    once: str,
) -> Letter | None:
    channel, to = _way(contact)
    if to is None:
        return None
    return Letter(
        id=letter_id,
        channel=channel,
        to=to,
        template=template,
        language=contact.language,
        data=data,
        subject_id=subject_id,
        member_id=member_id,
        once=once,
        time_zone=contact.time_zone,
    )


def _way(contact: Contact) -> tuple[Channel, Secret | None]:
    """By text message for whoever wants statements that way, else by mail."""
    if contact.statements is Statements.SMS or contact.mail is None:
        return Channel.SMS, contact.mobile
    return Channel.MAIL, contact.mail


def _card(name: str, last_four: str) -> str:
    return f"{name} ···· {last_four}".strip()
