"""What was delivered, in memory: the last messages, for whoever looks into the mailbox of a person."""

from collections import deque
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any, Final

KEPT_MAX: Final = 2_000


@dataclass(frozen=True, slots=True)
class Kept:
    """One message as its reader sees it. `id` is the mail's Message-ID, or the id of the text message."""

    number: int
    id: str
    channel: str
    to: str
    sender: str
    subject: str
    text: str
    html: str
    at: datetime


class Box:
    """The last messages, oldest first."""

    def __init__(self) -> None:
        self._kept: deque[Kept] = deque(maxlen=KEPT_MAX)
        self._taken = 0

    @property
    def taken(self) -> int:
        """How many messages were ever taken."""
        return self._taken

    def letters(self, to: str | None = None, after: int = 0) -> list[Kept]:
        """Messages after number `after`; with `to`, those for this address or telephone number."""
        return [kept for kept in self._kept if kept.number > after and to in (None, kept.to)]

    def take_mail(self, to: str, raw: bytes, at: datetime) -> Kept:
        """Keep a mail, read as a mail programme would read it."""
        mail = message_from_bytes(raw, policy=SMTP)
        return self._keep(
            id=str(mail["Message-ID"] or ""),
            channel="mail",
            to=to,
            sender=str(mail["From"] or ""),
            subject=str(mail["Subject"] or ""),
            text=_body(mail, "plain"),
            html=_body(mail, "html"),
            at=at,
        )

    def take_sms(self, id_: str, to: str, text: str, at: datetime) -> None:
        """Keep a text message; one whose id is known is the same one again."""
        if not any(kept.id == id_ for kept in self._kept):
            self._keep(id=id_, channel="sms", to=to, sender="", subject="", text=text, html="", at=at)

    def _keep(self, **what: Any) -> Kept:
        self._taken += 1
        kept = Kept(number=self._taken, **what)
        self._kept.append(kept)
        return kept


def _body(mail: EmailMessage, kind: str) -> str:
    part = mail.get_body((kind,))
    return str(part.get_content()) if part is not None else ""
