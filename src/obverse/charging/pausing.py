"""Stopping a card from charging itself, and telling its member."""

from datetime import datetime

from obverse.cards import Card
from obverse.cards import repository as card_rows
from obverse.charging import repository
from obverse.kit import events
from obverse.kit.clock import Clock
from obverse.kit.database import Connection
from obverse.kit.events import Event
from obverse.kit.ids import CardId, EventId, LetterId, NewId, to_text
from obverse.letters import Channel, Letter, Letters
from obverse.members import Contact, Members, Statements


class Pausing:
    """What happens when a card could not be charged by itself: it is not tried again, and that is said."""

    def __init__(self, members: Members, letters: Letters, *, clock: Clock, new_id: NewId) -> None:
        self._members = members
        self._letters = letters
        self._clock = clock
        self._new_id = new_id

    async def pause(self, conn: Connection, card_id: CardId, reason: str) -> None:
        """In the caller's commit; a card that charges itself no more stays as it is."""
        rule = await repository.pause_automatic(conn, card_id, reason)
        if rule is None:
            return
        now = self._clock.now()
        data = {"card": to_text("card", card_id), "member": to_text("mem", rule.member_id), "reason": reason}
        await events.append(
            conn, [Event(EventId(self._new_id()), "automatic_charge.paused", card_id, data, now)]
        )
        contact = (await self._members.profiles.contacts(conn, [rule.member_id])).get(rule.member_id)
        (card,) = await card_rows.find(conn, rule.partition_id, [], [card_id])
        if contact is not None and (letter := self._letter(card, contact, now)) is not None:
            await self._letters.post(conn, [letter])

    def _letter(self, card: Card, contact: Contact, now: datetime) -> Letter | None:
        by_sms = contact.statements is Statements.SMS or contact.mail is None
        to = contact.mobile if by_sms else contact.mail
        if to is None:
            return None
        return Letter(
            id=LetterId(self._new_id()),
            channel=Channel.SMS if by_sms else Channel.MAIL,
            to=to,
            template="automatic_charge_paused",
            language=contact.language,
            data={
                "card": f"{card.name} ···· {card.last_four}".strip(),
                "link": f"/cards/{to_text('card', card.id)}",
            },
            subject_id=card.id,
            member_id=card.member_id,
            once=f"automatic_charge_paused:{card.id}:{now.isoformat()}",
            time_zone=contact.time_zone,
        )
