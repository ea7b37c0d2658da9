"""A purchase at a till: a member gets a number on the phone, the shop's terminal charges it over ISO 8583.

Start `make demo` first, then: .venv/bin/python examples/purchase_at_a_till.py [demo.json]
"""

import asyncio
import json
import sys
from pathlib import Path
from random import SystemRandom
from typing import Any

import httpx

from obverse.kit.clock import Clock
from obverse.kit.secret import Secret
from obverse.sandbox.terminal import Receipt, Shop, Till


async def main(demo: dict[str, Any]) -> None:
    number, expiry, cvv = await number_on_the_phone(demo["rest_url"], demo["members"][0])
    merchant = demo["merchants"][0]
    shop = Shop(merchant["acquirer_id"], merchant["merchant_no"], merchant["terminals"][0], merchant["name"])
    house = demo["clearing_house"]
    async with Till(house["host"], house["port"], shop, clock=Clock(), rng=SystemRandom()) as till:
        show("first", await till.purchase(number, expiry, cvv, 34_000, entry="typed"))
        show("repeat of the same", await till.repeat())
        show("second", await till.purchase(number, expiry, cvv, 34_000, entry="typed"))


async def number_on_the_phone(url: str, member: dict[str, Any]) -> tuple[Secret, str, Secret]:
    """Sign in and get a fresh one-time number: what the member reads out or types in."""
    async with httpx.AsyncClient(base_url=url, trust_env=False) as phone:
        login = {"member": member["id"], "password": member["password"]}
        session = (await phone.post("/v1/sessions", json=login)).raise_for_status().json()
        phone.headers["Authorization"] = f"Bearer {session['token']}"
        card = (await phone.post("/v1/cards", json={})).raise_for_status().json()
        face = (await phone.post(f"/v1/cards/{card['id']}/reveal")).raise_for_status().json()
    expiry = f"{face['exp_year'] % 100:02d}{face['exp_month']:02d}"
    return Secret(face["number"]), expiry, Secret(face["cvv"])


def show(which: str, receipt: Receipt) -> None:
    """Print DE 39, and the approval code where there is one."""
    print(f"{which}: {receipt.response_code} {receipt.approval_code or ''}".rstrip())


if __name__ == "__main__":
    file = Path(sys.argv[1] if len(sys.argv) > 1 else ".obverse/demo.json")
    asyncio.run(main(json.loads(file.read_text())))
