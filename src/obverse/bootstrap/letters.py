"""Letters, joined: the room, and the couriers that take letters to the mail relay and the SMS provider."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from obverse.kit.clock import Clock
from obverse.kit.database import Database
from obverse.kit.ids import NewId
from obverse.kit.jobs import Chore
from obverse.kit.settings import Settings
from obverse.letters import Channel, Courier, Letters, Renderer
from obverse.networks.mail import MailClient, Relay
from obverse.networks.sms import SmsClient
from obverse.vault import Vault

_FORGET_EVERY: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class LettersRoom:
    """Posting letters, and who sends them."""

    service: Letters
    couriers: Sequence[Courier]
    mail: MailClient
    sms: SmsClient

    async def start(self, stack: AsyncExitStack) -> None:
        """Begin to send; when the stack is left, stop and hang up."""
        for client in (self.mail, self.sms):
            stack.push_async_callback(client.close)
        for courier in self.couriers:
            await courier.start()
            stack.push_async_callback(courier.stop)


def join_letters(
    settings: Settings, database: Database, vault: Vault, *, clock: Clock, new_id: NewId
) -> LettersRoom:
    """Make the room and its couriers; nothing of it runs yet."""
    renderer = Renderer(public_url=settings.public_url, time_zone=settings.time_zone)
    relay = Relay(
        host=settings.smtp_host,
        port=settings.smtp_port,
        tls=settings.smtp_tls,
        sender=settings.mail_from,
        user=settings.smtp_user,
        password=settings.smtp_password,
    )
    mail, sms = MailClient(relay), SmsClient(settings.sms_url, settings.sms_key)
    couriers = [
        Courier(channel, carrier, renderer, database, vault, clock=clock, new_id=new_id)
        for channel, carrier in ((Channel.MAIL, mail), (Channel.SMS, sms))
    ]
    return LettersRoom(Letters(database, vault, clock=clock, new_id=new_id), couriers, mail, sms)


def letter_chores(room: LettersRoom) -> Sequence[Chore]:
    """What happens to letters by itself, besides their being sent."""
    return [Chore("forget letters", _FORGET_EVERY, room.service.forget)]
