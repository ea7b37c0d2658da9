"""Every journey of the requirements that can be walked so far, step by step, over HTTP and ISO 8583."""

from dataclasses import asdict
from random import Random

import pytest

from obverse.cli.journeys import JOURNEYS, Journey, Places, World, walk
from obverse.cli.journeys.hand_over import HandOver
from obverse.cli.journeys.independent_provider import IndependentProvider
from obverse.kit.clock import Clock

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize("journey", JOURNEYS, ids=lambda journey: journey.code)
async def test_every_step_is_as_the_requirements_say(journey: type[Journey], places: Places) -> None:
    async with World(places, Clock(), Random()) as world:
        reports = await walk(journey(world))
    assert [f"{report.title}: {report.problem}" for report in reports if report.problem] == []
    assert len(reports) >= 5


@pytest.mark.parametrize("kind", [IndependentProvider, HandOver], ids=lambda kind: kind.code)
async def test_p11_what_is_told_of_a_journey_holds_no_secret(
    kind: type[IndependentProvider | HandOver], places: Places
) -> None:
    async with World(places, Clock(), Random()) as world:
        journey = kind(world)
        reports = await walk(journey)
    told = "\n".join(line.text for report in reports for line in report.lines)
    secrets = [
        journey.real_card.number,
        journey.number.number.reveal(),
        journey.member.password,
        places.api_key,
        *[merchant.api_key for merchant in places.merchants],
        "password=",
        "cvv",
    ]
    if isinstance(journey, HandOver):
        secrets += [journey.claim_token.reveal(), journey.claimed.number.reveal()]
    assert [secret for secret in secrets if secret in told] == []
    assert journey.real_card.number[-4:] in told


async def test_the_demo_file_says_where_and_who_everything_is(places: Places) -> None:
    assert len(places.members) == 2
    assert all(member.password and member.linked_cards for member in places.members)
    assert {"id", "acquirer_id", "merchant_no", "terminals"} <= asdict(places.merchants[0]).keys()
    assert places.docs_url.startswith(places.rest_url)


async def test_a_demo_member_signs_in_and_a_demo_merchants_key_works(places: Places) -> None:
    member, merchant = places.members[1], places.merchants[1]
    async with World(places, Clock(), Random()) as world:
        session = await world.person("Somebody").post(
            "/v1/sessions", {"member": member.id, "password": member.password}
        )
        own = await world.person("The shop", merchant.api_key).get(f"/v1/merchants/{merchant.id}")
        foreign = await world.person("The shop", merchant.api_key).get(
            f"/v1/merchants/{places.merchants[0].id}"
        )
    assert (session.status, own.status, foreign.status) == (201, 200, 404)
