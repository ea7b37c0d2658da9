"""P13: whatever is killed while webhooks are being sent, every committed event arrives, under one id."""

import asyncio
import os
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook
from tests.factories.callers import HungUp, RestLine
from tests.factories.estate import Estate, rest_body
from tests.factories.platform import PlatformProcess, running
from tests.factories.waiting import eventually
from tests.factories.webhooks import Receiver

from obverse.access import Access, Scope
from obverse.cards import CardFace
from obverse.kit.ids import MerchantId, to_text

KILLS = 5
PAYMENTS_A_ROUND = 40


class Shop:
    """A merchant with an endpoint, at a platform that is killed now and then."""

    def __init__(self, estate: Estate, platform: PlatformProcess) -> None:
        self._estate = estate
        self._platform = platform
        house = estate.house
        self._access = Access(house.database, house.vault, house.clock, house.new_id, os.urandom)

    async def key(self, *scopes: Scope, merchant_id: MerchantId | None = None) -> str:
        _, token = await self._access.create("webhooks", frozenset(scopes), merchant_id)
        return token.reveal()

    async def ask(self, method: str, path: str, token: str, body: Any = None) -> Any:
        line = await RestLine.open(self._platform.rest_port)
        try:
            answer = await line.ask(method, path, token, body)
        finally:
            line.close()
        assert answer.status < 300, answer.raw
        return answer.body

    async def pay(self, faces: list[CardFace]) -> None:
        """Pay with each; whoever gets no answer, because the platform was killed, does not mind."""
        line = await RestLine.open(self._platform.rest_port)
        asked = [line.ask("POST", "/v1/payments", self._estate.token, rest_body(face)) for face in faces]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        unexpected = [
            each for each in answers if isinstance(each, Exception) and not isinstance(each, HungUp)
        ]
        assert not unexpected
        line.cut()

    async def committed(self) -> set[str]:
        """The ids of all events that a merchant is told of, as the database has them."""
        rows = await self._estate.fetch("select id from events where type like 'authorization.%'")
        return {to_text("evt", row["id"]) for row in rows}


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_p13_every_committed_event_arrives_though_the_sender_is_killed_again_and_again(
    estate: Estate, tmp_path: Path
) -> None:
    settings = estate.settings(tmp_path / "data", webhooks_to_private_addresses=True)
    async with running(tmp_path / "platform", settings) as platform, Receiver() as receiver:
        shop = Shop(estate, platform)
        hooks = await shop.key(Scope.WEBHOOKS, merchant_id=estate.shop.id)
        operator = await shop.key(Scope.OPERATE)
        made = await shop.ask("POST", "/v1/webhook_endpoints", hooks, {"url": receiver.url})
        for _ in range(KILLS):
            faces = await estate.on_us_cards(PAYMENTS_A_ROUND)
            paying = asyncio.create_task(shop.pay(faces))
            before = len(receiver.received)
            await eventually(lambda before=before: len(receiver.received) > before + 5)
            receiver.open.clear()
            under_way = len(receiver.received)
            await eventually(lambda under_way=under_way: len(receiver.received) > under_way)
            platform.kill()
            await paying
            receiver.open.set()
            await platform.start()
            # What the dead process had taken on is free for others when its time is over.
            await shop.ask("POST", "/v1/simulate/advance_clock", operator, {"seconds": 3_600})
        await _everything_arrives(shop, receiver)
        await _nothing_is_owed(shop, hooks, made["id"])
        _each_is_the_same_and_signed(receiver, made["secret"])


async def _everything_arrives(shop: Shop, receiver: Receiver) -> None:
    deadline = time.monotonic() + 60
    while missing := await shop.committed() - {each.id for each in receiver.received}:
        assert time.monotonic() < deadline, f"{len(missing)} never arrived"
        await asyncio.sleep(0.05)
    assert len(await shop.committed()) >= KILLS * 10, "the kills left too little to tell"


async def _nothing_is_owed(shop: Shop, token: str, endpoint_id: str) -> None:
    deadline = time.monotonic() + 30
    pending = f"/v1/webhook_endpoints/{endpoint_id}/deliveries?state=pending"
    while (await shop.ask("GET", pending, token))["data"]:
        assert time.monotonic() < deadline, "something is pending for ever"
        await asyncio.sleep(0.05)


def _each_is_the_same_and_signed(receiver: Receiver, secret: str) -> None:
    by_id = defaultdict(list)
    for each in receiver.received:
        by_id[each.id].append(each)
        # Verified against this machine's clock, though the platform's is hours ahead.
        assert Webhook(secret).verify(each.body, dict(each.headers))["id"] == each.id
    assert all(len({each.body for each in same}) == 1 for same in by_id.values())
    assert any(len(same) > 1 for same in by_id.values()), "no kill met a message under way"
