"""Looking into mailboxes: the part of the sandbox's control app that shows what people got."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from litestar import get
from litestar.params import FromQuery

from obverse.sandbox.mailbox.box import Box


class MessageInBox(msgspec.Struct, frozen=True, rename={"sender": "from"}):
    """`id` is the Message-ID; a text message has neither sender nor subject nor HTML."""

    number: int
    id: str
    channel: str
    to: str
    sender: str
    subject: str
    text: str
    html: str
    at: datetime


def mailbox_routes(box: Box) -> list[Any]:
    """`GET /mailbox?to=&after=`: messages, oldest first."""

    @get("/mailbox")
    async def mailbox(
        to: FromQuery[str | None] = None, after: FromQuery[int] = 0
    ) -> Mapping[str, Sequence[MessageInBox]]:
        return {
            "data": [
                msgspec.convert(kept, MessageInBox, from_attributes=True) for kept in box.letters(to, after)
            ]
        }

    return [mailbox]
