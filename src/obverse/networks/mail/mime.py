"""A letter as a mail message (RFC 5322): text and HTML, each whole, for the reader to choose (RFC 2046).

Written by hand: the standard library's message classes take many times as long, and statements go out by the
hundred thousand. Everything that comes from outside is encoded, so nothing of it can be read as a header.
"""

import base64
from email.utils import format_datetime
from typing import Final

from obverse.kit.ids import to_text
from obverse.letters.model import Written

_WORD_BYTES_MAX: Final = 39
"""52 characters of base64: with what stands around them, `Subject: ` included, less than 76 (RFC 2047 2)."""

_LINE_MAX: Final = 76


def compose(letter: Written, sender_name: str, sender: str) -> bytes:
    """The message. Its Message-ID follows from the letter's id, so that a letter sent twice is one message.

    A letter without HTML is text alone.
    """
    id_ = to_text("let", letter.id)
    headers = (
        f"From: {encoded(sender_name)} <{sender}>\r\n"
        f"To: {letter.to.reveal()}\r\n"
        f"Subject: {encoded(letter.subject)}\r\n"
        f"Date: {format_datetime(letter.created_at)}\r\n"
        f"Message-ID: <{id_}@{sender.rpartition('@')[2]}>\r\n"
        "Auto-Submitted: auto-generated\r\n"
        "MIME-Version: 1.0\r\n"
    )
    text = _part("plain", letter.text)
    if letter.html is None:
        return (headers + text).encode("ascii")
    # No line of base64 begins with "--".
    parts = f"--{id_}\r\n{text}--{id_}\r\n{_part('html', letter.html)}--{id_}--\r\n"
    kind = f'Content-Type: multipart/alternative; boundary="{id_}"\r\n\r\n'
    return (headers + kind + parts).encode("ascii")


def encoded(text: str) -> str:
    """A text as a header may hold it: encoded words of UTF-8 wherever there is more than plain letters.

    >>> encoded("Statement of 3 May"), encoded("선물")
    ('Statement of 3 May', '=?utf-8?b?7ISg66y8?=')
    """
    if text.isascii() and text.isprintable() and "=?" not in text and len(text) <= _WORD_BYTES_MAX:
        return text
    words, word = [], b""
    for letter in text:
        if len(word) + len(letter.encode()) > _WORD_BYTES_MAX:
            words.append(word)
            word = b""
        word += letter.encode()
    return "\r\n ".join([f"=?utf-8?b?{base64.b64encode(each).decode()}?=" for each in [*words, word]])


def _part(kind: str, text: str) -> str:
    body = base64.b64encode(text.encode()).decode()
    lines = "\r\n".join([body[at : at + _LINE_MAX] for at in range(0, len(body), _LINE_MAX)])
    return f"Content-Type: text/{kind}; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n{lines}\r\n"
