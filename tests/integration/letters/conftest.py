from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

import pytest
from tests.factories.letters import a_letter
from tests.factories.mailbox import Mailbox, a_courier, a_mailbox
from tests.factories.vault import a_vault

from obverse.kit.clock import Clock
from obverse.kit.database import Database
from obverse.kit.ids import NewId
from obverse.kit.paging import PageRequest
from obverse.kit.secret import Secret
from obverse.letters import Channel, Courier, Letter, Letters, LetterStatus
from obverse.networks.mail import MailClient
from obverse.networks.sms import SmsClient
from obverse.vault import Vault


@dataclass
class Post:
    """The letters room with couriers that are sent out by hand, and everybody's mailbox."""

    database: Database
    vault: Vault
    clock: Clock
    new_id: NewId
    letters: Letters
    box: Mailbox
    mail: Courier
    sms: Courier

    async def post(self, *letters: Letter) -> int:
        async with self.database.transaction() as conn:
            return await self.letters.post(conn, letters or [a_letter()])

    async def statuses(self) -> Sequence[LetterStatus]:
        return (await self.letters.list(PageRequest(100))).items

    async def only(self) -> LetterStatus:
        (status,) = await self.statuses()
        return status

    async def news(self) -> list[tuple[str, str]]:
        async with self.database.connection() as conn:
            return [tuple(row) for row in await conn.fetch("select type, data::text from events order by id")]


@pytest.fixture
async def post(
    database: Database, clock: Clock, new_id: NewId, random_bytes: Callable[[int], bytes]
) -> AsyncIterator[Post]:
    vault = a_vault()
    async with a_mailbox(clock) as box:
        mail, sms = (
            MailClient(box.relay, timeout_s=1),
            SmsClient(box.settings["sms_url"], Secret("test"), timeout_s=1),
        )
        yield Post(
            database,
            vault,
            clock,
            new_id,
            Letters(database, vault, clock=clock, new_id=new_id),
            box,
            a_courier(mail, database, vault, clock, new_id),
            a_courier(sms, database, vault, clock, new_id, Channel.SMS),
        )
        await mail.close()
        await sms.close()
