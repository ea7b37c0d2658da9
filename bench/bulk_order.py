"""A company's order of 10,000 gifts: from paid to every card, balance, claim link and mail being there."""

import asyncio
import time
from typing import Any, Final

import httpx

from bench.card_company import real_cards
from bench.errors import BenchFailed
from bench.processes import Platform
from bench.results import Measured
from obverse.bootstrap import Rooms
from obverse.kit.clock import Clock
from obverse.kit.ids import to_text
from obverse.programmes import Terms

_GIFTS: Final = 10_000
_AMOUNT: Final = 10_000
_PATIENCE_S: Final = 60.0
_POLL_S: Final = 0.02


async def order_in_bulk(platform: Platform, rooms: Rooms) -> Measured:
    """Order over REST, paid by a real card; the clock starts with the answer that says so."""
    programme = await rooms.stored_value.cards.programmes.create(
        Terms(
            name="Bench",
            denominations=(_AMOUNT,),
            charge_unit_minor=None,
            ceiling_minor=1_000_000,
            validity_months=12,
            giftable=True,
        ),
        actor="bench",
        reason="bench",
    )
    lines = [f"staff{n}@company.example,Staff {n},{_AMOUNT},Thank you" for n in range(_GIFTS)]
    body = {
        "buyer": {"name": "A Company", "phone": "02-123-4567", "mail": "orders@company.example"},
        "sender": "A Company",
        "programme": to_text("prog", programme.id),
        "payment": {"means": "card", "card": _card()},
        "file": "\n".join(["mail,name,amount,message", *lines]),
    }
    address = f"http://127.0.0.1:{platform.rest_port}/v1"
    async with httpx.AsyncClient(timeout=_PATIENCE_S, trust_env=False) as door:
        placed = (await door.post(f"{address}/bulk_orders", json=body)).json()
        if placed.get("status") != "paid":
            raise BenchFailed(f"The order was not paid: {placed.get('code', placed.get('status'))}")
        began = time.perf_counter()
        buyer = {"Authorization": f"Bearer {placed['token']}"}
        while placed["status"] != "allocated":
            if time.perf_counter() - began > _PATIENCE_S:
                raise BenchFailed(f"Only {placed['done']:,} of {_GIFTS:,} gifts were made.")
            await asyncio.sleep(_POLL_S)
            placed = (await door.get(f"{address}/orders/current", headers=buyer)).json()
    return Measured(per_second=_GIFTS / (time.perf_counter() - began))


def _card() -> dict[str, Any]:
    """A real card that the bench's card company knows."""
    real = real_cards(Clock().now())[0]
    return {
        "card_number": real.number.reveal(),
        "exp_month": int(real.expiry[2:]),
        "exp_year": 2000 + int(real.expiry[:2]),
        "cvv": real.cvv.reveal(),
        "birth_date": real.birth_date,
    }
