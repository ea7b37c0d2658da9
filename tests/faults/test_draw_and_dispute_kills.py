"""Draws and disputes survive kill -9: every one that is asked for again ends as one, its money moved once."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from random import Random

import pytest
from tests.factories.callers import HungUp, RestAnswer, RestLine, http_request
from tests.factories.estate import AMOUNT_MINOR, BOTTOMLESS, Estate
from tests.factories.members import PASSWORD
from tests.factories.platform import PlatformProcess
from tests.factories.waiting import eventually
from tests.factories.wallet import a_member_with_credit_line

from obverse.cards import Card, Controls, Order
from obverse.kit.ids import to_text
from obverse.kit.money import KRW

EACH = 40
KILLS = 6
SECONDS_MAX = 60
ACCOUNT = {"bank_code": "004", "number": "110222333444", "holder": "Recipient"}


@dataclass
class Client:
    """Asks again and again until there is an answer, as a client does whose connections break."""

    platform: PlatformProcess
    answered: int = 0
    hung_up: int = 0

    async def ask(self, path: str, token: str, body: object = None, key: str | None = None) -> RestAnswer:
        raw = http_request("POST", path, token, body, key)
        deadline = time.monotonic() + SECONDS_MAX
        while True:
            assert time.monotonic() < deadline, path
            try:
                line = await RestLine.open(self.platform.rest_port)
                answer = await line.ask_raw(raw)
                line.close()
            except (HungUp, OSError):
                self.hung_up += 1
                await asyncio.sleep(0.02)
                continue
            if answer.status < 500:
                self.answered += 1
                return answer
            await asyncio.sleep(0.02)


async def cards_of_one_member(estate: Estate) -> tuple[str, Sequence[Card]]:
    """A session of a member, and cards on a bottomless credit line."""
    member, source = await a_member_with_credit_line(estate.house, BOTTOMLESS)
    _, session = await estate.house.members.sign_in(to_text("mem", member.id), PASSWORD)
    controls = Controls(amount_limit_minor=AMOUNT_MINOR)
    order = Order(source.partition_id, member.id, KRW, controls, (source.id,))
    return session.reveal(), (await estate.house.cards.issue(order, count=EACH)).cards


async def holder_of(estate: Estate, card: Card) -> str:
    """The token of somebody who was given this card."""
    _, link = await estate.house.cards.hand_over(card.id)
    _, token = await estate.house.cards.claim(link)
    return token.reveal()


async def draw(client: Client, holder: str, name: int) -> None:
    answer = await client.ask("/v1/claims/current/draws", holder, {"account": ACCOUNT}, f"draw {name}")
    assert (answer.status, answer.body["status"]) == (201, "on_its_way"), answer.raw


async def dispute_and_accept(client: Client, estate: Estate, session: str, payment: str, name: int) -> None:
    complaint = {"payment": payment, "reason": "not_received", "statement": "It never came."}
    opened = await client.ask("/v1/disputes", session, complaint, f"dispute {name}")
    assert (opened.status, opened.body["state"]) == (201, "open"), opened.raw
    accepted = await client.ask(f"/v1/disputes/{opened.body['id']}/accept", estate.token)
    assert (accepted.status, accepted.body["state"]) == (200, "closed"), accepted.raw


def has_come_far_enough(client: Client, wanted: int, tasks: Sequence[asyncio.Task[None]]) -> bool:
    return client.answered >= wanted or all(task.done() for task in tasks)


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_p05_draws_and_disputes_move_their_money_once_whenever_the_platform_is_killed(
    estate: Estate, platform: PlatformProcess
) -> None:
    client = Client(platform)
    session, cards = await cards_of_one_member(estate)
    holders = [await holder_of(estate, card) for card in (await cards_of_one_member(estate))[1]]
    payments = []
    for name, card in enumerate(cards):
        face = estate.house.cards.reveal(card)
        line = await RestLine.open(platform.rest_port)
        bought = await line.ask_raw(estate.rest_payment(face, f"order {name}", capture=True))
        payments.append(bought.body["id"])
        line.close()

    at_once = asyncio.Semaphore(8)

    async def in_turn(work) -> None:
        async with at_once:
            await work

    tasks = [asyncio.create_task(in_turn(draw(client, h, n))) for n, h in enumerate(holders)] + [
        asyncio.create_task(in_turn(dispute_and_accept(client, estate, session, p, n)))
        for n, p in enumerate(payments)
    ]
    rng = Random(9)
    for _ in range(KILLS):
        wanted = client.answered + rng.randrange(5, 15)
        await eventually(partial(has_come_far_enough, client, wanted, tasks), SECONDS_MAX)
        platform.kill()
        await platform.start()
    await asyncio.gather(*tasks)

    assert client.hung_up > 0, "the kills met no request under way"
    (draws,) = await estate.fetch(
        "select count(*) as drawn, count(distinct d.transfer_id) as orders, sum(t.amount_minor) as minor"
        " from draws as d join bank_transfers as t on t.id = d.transfer_id where d.state = 'ordered'"
    )
    assert (draws["drawn"], draws["orders"], draws["minor"]) == (EACH, EACH, EACH * AMOUNT_MINOR)
    steps = await estate.fetch("select kind, count(*) as times from actions group by 1 order by 1")
    assert {row["kind"]: row["times"] for row in steps} == {
        "capture": 2 * EACH, "dispute": EACH, "dispute_lost": EACH,
    }  # fmt: skip
    news = await estate.fetch(
        "select type, count(*) as times from events where type like 'd%' group by 1 order by 1"
    )
    assert {row["type"]: row["times"] for row in news} == {
        "dispute.closed": EACH, "dispute.opened": EACH, "draw.ordered": EACH,
    }  # fmt: skip
    await estate.books_are_right()
