"""Webhook endpoints over REST."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from tests.factories.rest import RestHouse
from tests.factories.waiting import eventually
from tests.factories.webhooks import URL

from obverse.access import Scope

pytestmark = pytest.mark.asyncio(loop_scope="module")
PATH = "/v1/webhook_endpoints"


@pytest_asyncio.fixture(loop_scope="module")
async def endpoint(rest: RestHouse) -> AsyncIterator[dict[str, Any]]:
    """The merchant's endpoint, as the answer that made it shows it."""
    answer = await rest.client.post(PATH, json={"url": URL}, headers=rest.merchant)
    assert answer.status_code == 201, answer.text
    yield answer.json()
    await rest.client.delete(f"{PATH}/{answer.json()['id']}", headers=rest.merchant)


async def test_an_endpoint_is_shown_with_its_secret_once(rest: RestHouse, endpoint: dict[str, Any]) -> None:
    assert re.fullmatch(r"whsec_[A-Za-z0-9+/]{43}=", endpoint["secret"])
    assert (endpoint["object"], endpoint["state"]) == ("webhook_endpoint", "enabled")
    assert endpoint["merchant"] == rest.merchant_id
    shown = (await rest.client.get(f"{PATH}/{endpoint['id']}", headers=rest.merchant)).json()
    assert shown == {**endpoint, "secret": None}
    listed = (await rest.client.get(PATH, headers=rest.merchant)).json()
    assert listed["data"] == [shown]


async def test_a_new_secret_is_shown_once_too(rest: RestHouse, endpoint: dict[str, Any]) -> None:
    rotated = await rest.client.post(f"{PATH}/{endpoint['id']}/rotate_secret", headers=rest.merchant)
    assert rotated.status_code == 200
    assert rotated.json()["secret"] not in (None, endpoint["secret"])


async def test_what_is_left_out_of_a_change_stays(rest: RestHouse, endpoint: dict[str, Any]) -> None:
    path = f"{PATH}/{endpoint['id']}"
    types = ["authorization.captured", "authorization.refunded"]
    await rest.client.patch(path, json={"event_types": types}, headers=rest.merchant)
    described = await rest.client.patch(path, json={"description": "orders"}, headers=rest.merchant)
    assert (described.json()["event_types"], described.json()["description"]) == (types, "orders")
    everything = await rest.client.patch(path, json={"event_types": None}, headers=rest.merchant)
    assert (everything.json()["event_types"], everything.json()["url"]) == (None, URL)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"url": "http://shop.example/"},
        {"url": "https://127.0.0.1@shop.example/"},
        {"url": URL, "event_types": []},
        {"url": URL, "event_types": ["card.issued"]},
        {"url": URL, "event_types": ["Not a type"]},
        {"url": URL, "events": ["authorization.captured"]},
        {"url": URL, "description": "a\x00b"},
    ],
)
async def test_an_endpoint_that_must_not_be_is_refused(rest: RestHouse, body: dict[str, Any]) -> None:
    answer = await rest.client.post(PATH, json=body, headers=rest.merchant)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")


async def test_an_address_inside_is_refused(rest: RestHouse) -> None:
    rest.webhooks.sender.refused_hosts = ("inside",)
    answer = await rest.client.post(PATH, json={"url": "https://inside.example"}, headers=rest.merchant)
    assert (answer.status_code, answer.json()["param"]) == (400, "url")


async def test_a_payment_is_told_to_the_merchant_and_the_log_shows_it(
    rest: RestHouse, endpoint: dict[str, Any]
) -> None:
    house, path = rest.webhooks, f"{PATH}/{endpoint['id']}"
    member = await rest.member()
    payment = (await rest.pay(await rest.face(member, await rest.card(member)))).json()
    await house.courier.start()
    try:
        await house.fan_out.run()
        await eventually(lambda: any(payment["id"].encode() in m.body for m in house.sender.sent))
        tested = await rest.client.post(f"{path}/test", headers=rest.merchant)
        assert (tested.status_code, tested.json()["state"]) == (201, "pending")
        await eventually(lambda: tested.json()["event"] in house.sender.ids())
    finally:
        await house.courier.stop()
    log = (await rest.client.get(f"{path}/deliveries?state=delivered", headers=rest.merchant)).json()["data"]
    assert [each["event_type"] for each in log] == ["webhook_endpoint.tested", "authorization.approved"]
    assert all((each["response_status"], each["attempts"]) == (200, 1) for each in log)
    again = await rest.client.post(f"{path}/deliveries/{log[1]['id']}/resend", headers=rest.merchant)
    assert (again.status_code, again.json()["state"], again.json()["attempts"]) == (200, "pending", 0)


async def test_a_replay_says_how_far_it_is(rest: RestHouse, endpoint: dict[str, Any]) -> None:
    path = f"{PATH}/{endpoint['id']}/replays"
    since = (rest.webhooks.clock.now() - timedelta(hours=1)).isoformat()
    ordered = await rest.client.post(path, json={"since": since}, headers=rest.merchant)
    assert (ordered.status_code, ordered.json()["state"]) == (202, "running")
    twice = await rest.client.post(path, json={"since": since}, headers=rest.merchant)
    assert (twice.status_code, twice.json()["code"]) == (409, "webhook_replay_running")
    await rest.webhooks.fan_out.run()
    (listed,) = (await rest.client.get(path, headers=rest.merchant)).json()["data"]
    assert (listed["id"], listed["state"]) == (ordered.json()["id"], "done")
    for wrong in (
        "0001-01-01T00:00:00Z",
        "2001-01-01T00:00:00Z",
        "2101-01-01T00:00:00Z",
        "yesterday",
        "2026-01-01T00:00:00",
    ):
        answer = await rest.client.post(path, json={"since": wrong}, headers=rest.merchant)
        assert (answer.status_code, answer.json()["param"]) == (400, "since"), wrong


async def test_disabled_enabled_deleted(rest: RestHouse, endpoint: dict[str, Any]) -> None:
    path = f"{PATH}/{endpoint['id']}"
    disabled = await rest.client.post(f"{path}/disable", headers=rest.merchant)
    assert disabled.json()["state"] == "disabled"
    operators_view = await rest.client.get(f"{PATH}?state=disabled", headers=rest.operator)
    assert endpoint["id"] in {each["id"] for each in operators_view.json()["data"]}
    refused = await rest.client.post(f"{path}/test", headers=rest.merchant)
    assert (refused.status_code, refused.json()["code"]) == (409, "webhook_endpoint_disabled")
    assert (await rest.client.post(f"{path}/enable", headers=rest.merchant)).json()["state"] == "enabled"
    deleted = await rest.client.delete(path, headers=rest.merchant)
    assert (deleted.status_code, deleted.json()["deleted"]) == (200, True)
    assert (await rest.client.get(path, headers=rest.merchant)).status_code == 404


async def test_p12_who_hears_everything_must_be_allowed_to_see_everything(rest: RestHouse) -> None:
    key = await rest.key(Scope.WEBHOOKS)
    refused = await rest.client.post(PATH, json={"url": URL}, headers=key)
    assert (refused.status_code, refused.json()["code"]) == (403, "not_permitted")
    assert (await rest.client.get(PATH, headers=key)).status_code == 403
    operator = await rest.key(Scope.WEBHOOKS, Scope.OPERATE)
    made = await rest.client.post(PATH, json={"url": URL}, headers=operator)
    assert (made.status_code, made.json()["merchant"]) == (201, None)


async def test_p12_a_merchants_key_without_the_scope_gets_nowhere(rest: RestHouse) -> None:
    key = await rest.key(Scope.PAYMENTS, merchant=rest.merchant_id)
    assert (await rest.client.get(PATH, headers=key)).status_code == 403
