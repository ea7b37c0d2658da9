"""Telling members that codes were made for them, but not each time (PC-1)."""

from collections.abc import Sequence
from datetime import date
from typing import Final, TypeAlias

from obverse.cards.model import Card
from obverse.codes import repository
from obverse.codes.making_model import BatchRow, Device
from obverse.kit.database import Connection
from obverse.kit.ids import LetterId, MemberId, NewId
from obverse.letters import Channel, Letter, Letters
from obverse.members import Contact, Members

TEMPLATE: Final = "payment_codes_made"

Made: TypeAlias = tuple[BatchRow, Device, Card]
"""A batch, with the device and the card that it is for."""


class Notices:
    """Posts the first few notices of a day; the last one says that it is the last."""

    def __init__(self, members: Members, letters: Letters, a_day: int, *, new_id: NewId) -> None:
        self._members = members
        self._letters = letters
        self._a_day = a_day
        self._new_id = new_id

    async def post(self, conn: Connection, made: Sequence[Made]) -> None:
        """Tell of batches of one day, before they are stored, in the commit that stores them."""
        told = await self._to_tell(conn, made)
        members = sorted({batch.member_id for (batch, _, _), _ in told})
        contacts = await self._members.profiles.contacts(conn, members) if members else {}
        letters = [
            self._letter(batch, device, card, number, contacts[batch.member_id])
            for (batch, device, card), number in told
            if batch.member_id in contacts
        ]
        await self._letters.post(conn, [letter for letter in letters if letter is not None])

    async def _to_tell(self, conn: Connection, made: Sequence[Made]) -> list[tuple[Made, int]]:
        """Those that are told of, each with its number in its member's day."""
        day, members = made[0][0].made_on, {batch.member_id for batch, _, _ in made}
        counts = dict(await repository.made_on(conn, members, day))
        told = []
        for each in made:
            member_id = each[0].member_id
            number = counts[member_id] = counts.get(member_id, 0) + 1
            if number <= self._a_day:
                told.append((each, number))
        return told

    def _letter(
        self, batch: BatchRow, device: Device, card: Card, number: int, contact: Contact
    ) -> Letter | None:
        """By text message, for whoever can be reached: it has to be seen while it can still be stopped."""
        if contact.mobile is None:
            return None
        return Letter(
            id=LetterId(self._new_id()),
            channel=Channel.SMS,
            to=contact.mobile,
            template=TEMPLATE,
            language=contact.language,
            data={
                "card": f"{card.name} ···· {card.last_four}".strip(),
                "device": device.name,
                "count": batch.count,
                "at": batch.created_at,
                "is_last": number == self._a_day,
            },
            subject_id=batch.id,
            member_id=batch.member_id,
            # Two that are made at the same moment count alike, and one of them is told.
            once=_once(batch.member_id, batch.made_on, number),
            time_zone=contact.time_zone,
        )


def _once(member_id: MemberId, day: date, number: int) -> str:
    return f"codes_made:{member_id}:{day}:{number}"
