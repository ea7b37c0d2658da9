"""P9: a charge is paid and in its card, or neither, through kills and a silent card company."""

import asyncio
from dataclasses import dataclass
from functools import partial
from random import Random

import pytest
from tests.factories.estate import BOTTOMLESS, Estate
from tests.factories.ledger import P0
from tests.factories.members import PASSWORD, an_application
from tests.factories.platform import PlatformProcess
from tests.factories.stored_value import a_prepaid_card
from tests.factories.waiting import eventually
from tests.factories.wallet import card_details
from tests.faults.test_draw_and_dispute_kills import Client, has_come_far_enough

from obverse.kit.ids import to_text
from obverse.kit.money import KRW
from obverse.ledger import Ledger
from obverse.sandbox.card_company.cards import make_card
from obverse.sandbox.faults import Fault, FaultRule, MessageKind

EACH = 20
KILLS = 3
AMOUNT = 10_000
SECONDS_MAX = 60
OVER = {"done", "declined"}


@dataclass
class Told:
    """What clients were told of their charges in the end."""

    done: int = 0
    declined: int = 0


async def charge(client: Client, told: Told, session: str, card: str, source: str, name: int) -> None:
    """Charge a card, and ask again under the same key until it is known what came of it."""
    body = {"amount": AMOUNT, "means": "card", "source": source}
    while True:
        answer = await client.ask(f"/v1/cards/{card}/charges", session, body, f"charge {name}")
        assert answer.status == 201, answer.raw
        if answer.body["status"] in OVER:
            break
        await asyncio.sleep(0.2)
    told.done += answer.body["status"] == "done"
    told.declined += answer.body["status"] == "declined"


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_p09_no_charge_is_paid_without_a_lot_nor_a_lot_there_without_a_payment(
    estate: Estate, platform: PlatformProcess
) -> None:
    await Ledger(estate.house.database).open_house([P0], KRW)
    real = make_card(estate.rng, estate.house.clock.now(), limit_minor=BOTTOMLESS)
    estate.card_company.book.add(real)
    details = card_details(
        number=real.number, exp_month=int(real.expiry[2:]), exp_year=2000 + int(real.expiry[:2])
    )
    member, (source,) = await estate.house.wallet.register(an_application(), details, credit=False)
    _, session = await estate.house.members.sign_in(to_text("mem", member.id), PASSWORD)
    cards = [(await a_prepaid_card(estate.house, member=member, balance_minor=0))[0] for _ in range(EACH)]
    client, told, at_once = Client(platform), Told(), asyncio.Semaphore(8)

    async def in_turn(name: int) -> None:
        async with at_once:
            card, paid_by = to_text("card", cards[name].id), to_text("src", source.id)
            await charge(client, told, session.reveal(), card, paid_by, name)

    rule = FaultRule(Fault.SILENT, chance=0.15)
    await estate.card_company.set_fault(MessageKind.AUTHORIZATION, rule)
    tasks = [asyncio.create_task(in_turn(name)) for name in range(EACH)]
    rng = Random(9)
    for _ in range(KILLS):
        wanted = client.answered + rng.randrange(2, 6)
        await eventually(partial(has_come_far_enough, client, wanted, tasks), SECONDS_MAX)
        platform.kill()
        await platform.start()
    await asyncio.gather(*tasks)

    assert client.hung_up > 0, "the kills met no request under way"
    assert told.done + told.declined == EACH
    (held,) = await estate.fetch(
        "select count(*) as lots, sum(credits_posted_minor - debits_posted_minor)::bigint as minor"
        " from accounts where kind = 'stored_balance' and credits_posted_minor > 0"
    )
    assert (held["lots"], held["minor"]) == (told.done, told.done * AMOUNT)
    # What the company holds is what was charged, once all that it never answered is reversed.
    book, number = estate.card_company.book, real.number.reveal()
    await eventually(lambda: book.statement(number).held_minor == told.done * AMOUNT, SECONDS_MAX)
    await estate.books_are_right()
