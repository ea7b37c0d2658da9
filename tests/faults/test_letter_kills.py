"""P13 for letters: whatever is killed while they are being sent, each arrives, under one Message-ID."""

import asyncio
from collections import Counter
from pathlib import Path

import pytest
from tests.factories.estate import Estate
from tests.factories.letters import a_letter
from tests.factories.mailbox import Mailbox, a_mailbox
from tests.factories.platform import running
from tests.factories.waiting import eventually

from obverse.kit.clock import Clock, ClockFollower
from obverse.kit.ids import LetterId, to_text
from obverse.kit.secret import Secret
from obverse.letters import Letters
from obverse.letters.jobs import LEASE
from obverse.sandbox.faults import Fault, MessageKind

KILLS = 4
LETTERS_A_ROUND = 60


class Correspondence:
    """Letters that were posted, by the addresses they go to."""

    def __init__(self, estate: Estate, box: Mailbox) -> None:
        house = estate.house
        self._house, self._box = house, box
        self._letters = Letters(house.database, house.vault, clock=house.clock, new_id=house.new_id)
        self.posted: dict[str, LetterId] = {}

    async def post(self, count: int) -> None:
        made = [
            a_letter(
                id=LetterId(self._house.new_id()), to=Secret(f"reader{len(self.posted) + n}@mail.example")
            )
            for n in range(count)
        ]
        async with self._house.database.transaction() as conn:
            await self._letters.post(conn, made)
        self.posted |= {letter.to.reveal(): letter.id for letter in made}

    def missing(self) -> set[str]:
        return self.posted.keys() - {kept.to for kept in self._box.box.letters()}


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_p13_every_committed_letter_arrives_under_one_message_id_though_its_courier_is_killed(
    estate: Estate, tmp_path: Path
) -> None:
    async with a_mailbox() as box:
        # Slow enough that every kill meets letters that are taken and not noted yet.
        box.misbehave(Fault.LATE, MessageKind.MAIL, delay_ms=30)
        letters = Correspondence(estate, box)
        clock = ClockFollower(estate.house.database, Clock())
        async with running(
            tmp_path / "platform", estate.settings(tmp_path / "data", **box.settings)
        ) as platform:
            for _ in range(KILLS):
                before = box.box.taken
                await letters.post(LETTERS_A_ROUND)
                await eventually(lambda before=before: box.box.taken > before + 10)
                platform.kill()
                await platform.start()
                # What the dead process had in hand is free for others when its time is over.
                await clock.advance(LEASE)
            await eventually(lambda: not letters.missing(), 60)
            await estate.until_found(
                "select 1 where not exists (select 1 from letters where state <> 'sent')"
            )
    kept = box.box.letters()
    assert {(each.to, each.id) for each in kept} == {
        (to, f"<{to_text('let', id_)}@obverse.example>") for to, id_ in letters.posted.items()
    }
    assert len(letters.posted) == KILLS * LETTERS_A_ROUND
    copies = Counter(each.id for each in kept)
    assert max(copies.values()) > 1, "no kill met a letter under way"


async def test_a_platform_that_is_asked_to_stop_sends_no_letter_twice(estate: Estate, tmp_path: Path) -> None:
    async with a_mailbox() as box:
        box.misbehave(Fault.LATE, MessageKind.MAIL, delay_ms=30)
        letters = Correspondence(estate, box)
        settings = estate.settings(tmp_path / "data", **box.settings)
        await letters.post(LETTERS_A_ROUND)
        while letters.missing():
            async with running(tmp_path / "platform", settings):
                before = box.box.taken
                await eventually(lambda before=before: box.box.taken > before or not letters.missing())
                await asyncio.sleep(0)
    assert box.box.taken == LETTERS_A_ROUND
