"""Demo merchants and members: registered through the REST door once, found again at later starts."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

import httpx

from obverse.cli.demo.stack import Standing
from obverse.cli.journeys.places import LinkedCard, MemberPlace, MerchantPlace, Places
from obverse.kit.errors import CannotStart

ACQUIRER_ID: Final = "620001"
_MERCHANTS: Final = (
    ("Hanbit Mall", "5732", "MALL", ("WEB00001",)),
    ("Corner Shop", "5411", "SHOP", ("TILL0001", "TILL0002")),
    ("Station Kiosk", "5994", "KIOSK", ("TILL0001",)),
)
FEE_PLAN: Final = {"basis_points": 250, "fixed": 0}
"""What merchants of the demo pay: 2.5 % of each capture."""
_TIMEOUT_S: Final = 30.0


async def settle_in(standing: Standing, file: Path) -> Places:
    """Make what stands ready for use, and write down in `file` where and who everything is.

    What an earlier start has registered is used again, as long as the platform still knows it.
    Raises `CannotStart`.
    """
    before = await _still_known(standing, file)
    places = before or await _register(standing)
    async with _client(standing.control_url) as control:
        for member in places.members:
            for card in member.linked_cards:
                await _ask(control, "PUT", "/cards", asdict(card))
        await _ask(control, "PUT", "/mall", _mall(places.merchants[0], standing.rest_url))
    places.save(file)
    return places


async def _still_known(standing: Standing, file: Path) -> Places | None:
    try:
        places = Places.load(file)
    except (OSError, ValueError):
        return None
    async with _client(standing.rest_url, places.api_key) as rest:
        for path in (f"/v1/merchants/{places.merchants[-1].id}", f"/v1/members/{places.members[-1].id}"):
            if (await rest.get(path)).status_code != httpx.codes.OK:
                return None
    return replace(places, **_addresses(standing))


async def _register(standing: Standing) -> Places:
    api_key = await standing.new_api_key()
    async with _client(standing.rest_url, api_key) as rest, _client(standing.control_url) as control:
        # Merchant numbers are unique, and an earlier demo may have left its own.
        mark = secrets.token_hex(3).upper()
        merchants = [await _merchant(rest, mark, *one) for one in _MERCHANTS]
        members = [await _member(rest, control, credit=credit) for credit in (False, True)]
    return Places(api_key=api_key, members=members, merchants=merchants, **_addresses(standing))


async def _merchant(
    rest: httpx.AsyncClient, mark: str, name: str, category: str, kind: str, terminals: Sequence[str]
) -> MerchantPlace:
    identity = {
        "name": name,
        "category": category,
        "acquirer_id": ACQUIRER_ID,
        "merchant_no": f"{kind}-{mark}",
        "terminals": terminals,
    }
    account = f"{secrets.randbelow(10**12):012d}"
    terms = {
        "reason": "The demonstration needs shops.",
        "fee_plan": FEE_PLAN,
        "payout": {"account": {"bank_code": "004", "number": account, "holder": name}},
    }
    merchant = await _ask(rest, "POST", "/v1/merchants", identity | terms)
    key = await _ask(
        rest,
        "POST",
        "/v1/api_keys",
        {
            "name": f"{name}'s own",
            "scopes": ["payments", "reports", "webhooks"],
            "merchant": merchant["id"],
        },
    )
    return MerchantPlace(
        id=merchant["id"],
        api_key=key["token"],
        bank_account=account,
        **identity,  # type: ignore[arg-type]
    )


async def _member(rest: httpx.AsyncClient, control: httpx.AsyncClient, *, credit: bool) -> MemberPlace:
    card = LinkedCard(**await _ask(control, "POST", "/cards", {}))
    password = secrets.token_urlsafe(12)
    face = asdict(card)
    application = {
        "identity_number": f"{card.birth_date}-1{secrets.randbelow(100_000):05d}1",
        "address": "1 Sejong-daero, Seoul",
        "password": password,
        "card_number": card.number,
        "credit_line": credit,
    } | {name: face[name] for name in ("exp_month", "exp_year", "cvv", "birth_date")}
    member = await _ask(rest, "POST", "/v1/members", application)
    sources = [source["id"] for source in member["funding_sources"]]
    return MemberPlace(member["id"], password, sources, [card])


def _mall(merchant: MerchantPlace, rest_url: str) -> Mapping[str, Any]:
    return {
        "id": merchant.id,
        "acquirer_id": merchant.acquirer_id,
        "merchant_no": merchant.merchant_no,
        "terminal": merchant.terminals[0],
        "name": merchant.name,
        "category": merchant.category,
        "rest_url": rest_url,
        "api_key": merchant.api_key,
    }


def _addresses(standing: Standing) -> dict[str, Any]:
    return {
        "rest_url": standing.rest_url,
        "docs_url": f"{standing.rest_url}/docs",
        "acquirer": standing.acquirer,
        "clearing_house": standing.clearing_house,
        "diameter": standing.diameter,
        "mall_url": standing.mall_url,
        "control_url": standing.control_url,
        "origin": standing.origin,
    }


def _client(url: str, token: str = "") -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return httpx.AsyncClient(base_url=url, headers=headers, timeout=_TIMEOUT_S, trust_env=False)


async def _ask(
    client: httpx.AsyncClient, method: str, path: str, body: Mapping[str, Any]
) -> Mapping[str, Any]:
    response = await client.request(method, path, json=body)
    answer: Mapping[str, Any] = response.json()
    if response.is_error:
        raise CannotStart(f"{method} {path} was refused: {answer.get('detail', response.status_code)}")
    return answer
