"""Registering endpoints: secrets, limits, who sees what, and keys that change."""

import asyncio
import base64
from datetime import timedelta
from uuid import UUID

import pytest
from standardwebhooks import Webhook
from tests.factories.waiting import eventually
from tests.factories.webhooks import URL, WebhookHouse, at_work

from obverse.kit.errors import InvalidRequest
from obverse.kit.ids import DeliveryId, MerchantId
from obverse.kit.paging import PageRequest
from obverse.notifications import (
    DeliveryNotFound,
    EndpointChange,
    EndpointDisabled,
    EndpointNotFound,
    EndpointState,
    TooManyEndpoints,
    WebhookSecretsRekey,
)
from obverse.notifications.rules import ENDPOINTS_MAX
from obverse.vault import Vault
from obverse.vault.jobs import retire, rotate

SHOP, OTHER = MerchantId(UUID(int=10)), MerchantId(UUID(int=11))
PAGE = PageRequest()


async def test_a_secret_is_shown_once_and_sealed_where_it_is_kept(house: WebhookHouse) -> None:
    endpoint, secret = await house.webhooks.register(URL, merchant_id=SHOP)
    assert secret.reveal().startswith("whsec_")
    assert len(base64.b64decode(secret.reveal().removeprefix("whsec_"))) == 32
    (row,) = await house.fetch("select ciphertext from webhook_secrets where endpoint_id = $1", endpoint.id)
    assert secret.reveal().encode() not in row["ciphertext"]
    assert await house.webhooks.get(endpoint.id, SHOP) == endpoint


async def test_after_a_rotation_both_secrets_sign_for_a_day_and_then_the_new_one(house: WebhookHouse) -> None:
    endpoint, first = await house.webhooks.register(URL, merchant_id=None)
    second = await house.webhooks.rotate_secret(endpoint.id, None)
    third = await house.webhooks.rotate_secret(endpoint.id, None)
    assert len({first, second, third}) == 3
    async with at_work(house):
        await house.webhooks.test(endpoint.id, None)
        await eventually(lambda: len(house.sender.sent) == 1)
        house.clock.move_to(timedelta(hours=25))
        await house.webhooks.test(endpoint.id, None)
        await eventually(lambda: len(house.sender.sent) == 2)
    assert [list(message.secrets) for message in house.sender.sent] == [[third, second], [third]]
    assert Webhook(third.reveal())


async def test_a_merchant_sees_its_own_endpoints_and_the_platform_all(house: WebhookHouse) -> None:
    own, _ = await house.webhooks.register(URL, merchant_id=SHOP)
    others, _ = await house.webhooks.register(URL, merchant_id=OTHER)
    platforms, _ = await house.webhooks.register(URL, merchant_id=None)

    assert (await house.webhooks.list(PAGE, SHOP)).items == [own]
    assert (await house.webhooks.list(PAGE, None)).items == [platforms, others, own]


async def test_p12_what_is_anothers_looks_missing_whatever_is_asked(house: WebhookHouse) -> None:
    foreign, _ = await house.webhooks.register(URL, merchant_id=OTHER)
    delivery = await house.webhooks.test(foreign.id, OTHER)
    webhooks = house.webhooks
    for attempt in (
        webhooks.get(foreign.id, SHOP),
        webhooks.change(foreign.id, SHOP, EndpointChange(description="x")),
        webhooks.enable(foreign.id, SHOP),
        webhooks.disable(foreign.id, SHOP),
        webhooks.delete(foreign.id, SHOP),
        webhooks.rotate_secret(foreign.id, SHOP),
        webhooks.test(foreign.id, SHOP),
        webhooks.deliveries(foreign.id, SHOP, PAGE),
        webhooks.resend(foreign.id, delivery.id, SHOP),
        webhooks.replay(foreign.id, SHOP, house.clock.now() - timedelta(hours=1)),
        webhooks.replays(foreign.id, SHOP, PAGE),
    ):
        with pytest.raises(EndpointNotFound):
            await attempt
    own, _ = await webhooks.register(URL, merchant_id=SHOP)
    with pytest.raises(DeliveryNotFound):
        await webhooks.resend(own.id, delivery.id, SHOP)
    assert await webhooks.get(foreign.id, OTHER) == foreign


async def test_a_deleted_endpoint_is_missing_and_its_secret_gone(house: WebhookHouse) -> None:
    endpoint, _ = await house.webhooks.register(URL, merchant_id=SHOP)
    await house.webhooks.test(endpoint.id, SHOP)
    await house.webhooks.delete(endpoint.id, SHOP)
    with pytest.raises(EndpointNotFound):
        await house.webhooks.get(endpoint.id, SHOP)
    assert (await house.webhooks.list(PAGE, SHOP)).items == []
    assert await house.fetch("select 1 from webhook_secrets") == []
    async with at_work(house):
        await asyncio.sleep(0.1)
    assert house.sender.sent == []


async def test_what_may_be_changed_is_changed_and_checked(house: WebhookHouse) -> None:
    endpoint, _ = await house.webhooks.register(URL, merchant_id=SHOP)
    types = ("authorization.captured",)
    wanted = EndpointChange(URL + "/new", types, "new")
    changed = await house.webhooks.change(endpoint.id, SHOP, wanted)
    assert (changed.url, changed.event_types, changed.description) == (URL + "/new", types, "new")
    house.sender.refused_hosts = ("inside",)
    for url in ("http://shop.example", "https://inside.example"):
        with pytest.raises(InvalidRequest):
            await house.webhooks.change(endpoint.id, SHOP, EndpointChange(url))
        with pytest.raises(InvalidRequest):
            await house.webhooks.register(url, merchant_id=SHOP)
    assert await house.webhooks.get(endpoint.id, SHOP) == changed


async def test_changes_of_different_fields_at_once_all_hold(house: WebhookHouse) -> None:
    endpoint, _ = await house.webhooks.register(URL, ("authorization.captured",), merchant_id=SHOP)
    wanted = [
        EndpointChange(url=URL + "/new"),
        EndpointChange(event_types=None),
        EndpointChange(description="x"),
    ]
    await asyncio.gather(*(house.webhooks.change(endpoint.id, SHOP, each) for each in wanted))
    changed = await house.webhooks.get(endpoint.id, SHOP)
    assert (changed.url, changed.event_types, changed.description) == (URL + "/new", None, "x")


async def test_there_are_no_more_endpoints_than_allowed_however_many_register_at_once(
    house: WebhookHouse,
) -> None:
    tries = await asyncio.gather(
        *(house.webhooks.register(URL, merchant_id=SHOP) for _ in range(ENDPOINTS_MAX + 5)),
        return_exceptions=True,
    )
    assert sum(isinstance(each, TooManyEndpoints) for each in tries) == 5
    await house.webhooks.register(URL, merchant_id=OTHER)


async def test_nothing_is_ordered_for_a_disabled_endpoint(house: WebhookHouse) -> None:
    endpoint, _ = await house.webhooks.register(URL, merchant_id=SHOP)
    delivery = await house.webhooks.test(endpoint.id, SHOP)
    disabled = await house.webhooks.disable(endpoint.id, SHOP)
    assert disabled.state is EndpointState.DISABLED
    for attempt in (
        house.webhooks.test(endpoint.id, SHOP),
        house.webhooks.resend(endpoint.id, delivery.id, SHOP),
        house.webhooks.replay(endpoint.id, SHOP, house.clock.now() - timedelta(hours=1)),
    ):
        with pytest.raises(EndpointDisabled):
            await attempt
    assert (await house.webhooks.list(PAGE, None, EndpointState.DISABLED)).items == [disabled]


@pytest.mark.parametrize("days", [-1, 31])
async def test_a_replay_goes_back_a_month_at_most_and_not_into_the_future(
    house: WebhookHouse, days: int
) -> None:
    endpoint, _ = await house.webhooks.register(URL, merchant_id=SHOP)
    with pytest.raises(InvalidRequest):
        await house.webhooks.replay(endpoint.id, SHOP, house.clock.now() - timedelta(days=days))


async def test_no_such_delivery(house: WebhookHouse) -> None:
    endpoint, _ = await house.webhooks.register(URL, merchant_id=SHOP)
    with pytest.raises(DeliveryNotFound):
        await house.webhooks.resend(endpoint.id, DeliveryId(UUID(int=5)), SHOP)


async def test_a_rotation_of_keys_seals_every_secret_anew(house: WebhookHouse, vault: Vault) -> None:
    made = [await house.webhooks.register(URL, merchant_id=SHOP) for _ in range(5)]
    step = WebhookSecretsRekey(vault)
    await rotate(house.database, vault, [step], lambda name, done, total: None, batch=2)
    await retire(house.database, vault, [step])
    async with at_work(house):
        for endpoint, _ in made:
            await house.webhooks.test(endpoint.id, SHOP)
        await eventually(lambda: len(house.sender.sent) == 5)
    assert {message.secrets[0] for message in house.sender.sent} == {secret for _, secret in made}
