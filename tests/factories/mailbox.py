"""Everybody's mailbox for tests: the sandbox's mail server and SMS provider, and couriers that send to them.

async with a_mailbox() as box, couriers(box, database, vault, clock, new_id):
    ...
    letter = await box.letter_to("x@y.example")
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any

from tests.factories.letters import RENDERER
from tests.factories.waiting import eventually

from obverse.kit.clock import Clock
from obverse.kit.database import Database
from obverse.kit.ids import NewId
from obverse.kit.secret import Secret
from obverse.letters import Channel, Courier
from obverse.letters.ports import Carrier, Sealer
from obverse.networks.mail import MailClient, Relay
from obverse.networks.sms import SmsClient
from obverse.sandbox.faults import Fault, FaultMenu, FaultRule, MessageKind
from obverse.sandbox.mailbox import Box, Kept, MailServer, SmsProvider
from obverse.sandbox.trace import Trace

HOST = "127.0.0.1"


@dataclass
class Mailbox:
    """What people got, and how the mail server and the SMS provider misbehave."""

    mail: MailServer
    sms: SmsProvider
    faults: FaultMenu
    box: Box = field(init=False)

    def __post_init__(self) -> None:
        self.box = self.mail.box

    @property
    def settings(self) -> dict[str, Any]:
        """Where a platform sends to, as its settings."""
        return {
            "smtp_port": self.mail.port,
            "sms_url": f"http://{HOST}:{self.sms.port}",
            "sms_key": "test",
        }

    @property
    def relay(self) -> Relay:
        return Relay(HOST, self.mail.port, "none", "Obverse <no-reply@obverse.example>")

    def misbehave(self, fault: Fault, kind: MessageKind = MessageKind.MAIL, **how: Any) -> None:
        self.faults.set(kind, FaultRule(fault, **how))

    def letters_to(self, to: str) -> list[Kept]:
        """Everything this address or telephone number got, oldest first."""
        return self.box.letters(to)

    async def letter_to(self, to: str, *, count: int = 1, seconds: float = 10) -> Kept:
        """The newest letter to this address or telephone number, as soon as there are `count`."""
        await eventually(lambda: len(self.letters_to(to)) >= count, seconds)
        return self.letters_to(to)[-1]


@asynccontextmanager
async def a_mailbox(clock: Clock | None = None) -> AsyncIterator[Mailbox]:
    """Mail server and SMS provider on free ports."""
    clock, faults, box = clock or Clock(), FaultMenu(Random(1)), Box()
    trace = Trace(clock)
    mail, sms = MailServer(box, faults, trace, clock), SmsProvider(box, faults, trace, clock)
    await mail.start(HOST)
    await sms.start(HOST)
    try:
        yield Mailbox(mail, sms, faults)
    finally:
        await sms.stop()
        await mail.stop()


@asynccontextmanager
async def couriers(
    box: Mailbox, database: Database, sealer: Sealer, clock: Clock, new_id: NewId
) -> AsyncIterator[None]:
    """Everything that is due is sent to this mailbox while the block runs."""
    mail, sms = MailClient(box.relay), SmsClient(box.settings["sms_url"], Secret("test"))
    both = [
        a_courier(carrier, database, sealer, clock, new_id, channel)
        for channel, carrier in ((Channel.MAIL, mail), (Channel.SMS, sms))
    ]
    for courier in both:
        await courier.start()
    try:
        yield
    finally:
        await asyncio.gather(*[courier.stop() for courier in both])
        await mail.close()
        await sms.close()


def a_courier(
    carrier: Carrier,
    database: Database,
    sealer: Sealer,
    clock: Clock,
    new_id: NewId,
    channel: Channel = Channel.MAIL,
) -> Courier:
    return Courier(channel, carrier, RENDERER, database, sealer, clock=clock, new_id=new_id)
