"""Every journey of the requirements that can be walked so far, step by step, over HTTP and ISO 8583."""

from dataclasses import asdict, fields, is_dataclass
from random import Random

import pytest

from obverse.bootstrap import open_database
from obverse.cli.journeys import JOURNEYS, Journey, Places, World, walk
from obverse.cli.journeys.people import Member
from obverse.cli.journeys.places import LinkedCard
from obverse.cli.journeys.wallets import WalletMember
from obverse.kit.clock import Clock
from obverse.kit.secret import Secret
from obverse.kit.settings import Settings
from obverse.ledger import Ledger

pytestmark = pytest.mark.asyncio(loop_scope="module")
LONGEST_PIN = 6


@pytest.mark.parametrize("kind", JOURNEYS, ids=lambda kind: kind.code)
async def test_every_step_is_as_the_requirements_say_and_p11_tells_no_secret(
    kind: type[Journey], places: Places
) -> None:
    async with World(places, Clock(), Random()) as world:
        journey = kind(world)
        reports = await walk(journey)
    assert [f"{report.title}: {report.problem}" for report in reports if report.problem] == []
    assert len(reports) >= 5

    told = "\n".join(line.text for report in reports for line in report.lines)
    keys = [places.api_key, *[merchant.api_key for merchant in places.merchants]]
    secrets = [*secrets_of(journey), *keys, "password=", "cvv", "pin="]
    assert len(secrets) > len(keys) + 3, "somebody in this journey has one of their own"
    assert [secret for secret in secrets if secret in told] == []
    assert "POST /v1/" in told


async def test_p02_after_all_of_them_every_balance_follows_from_the_journal(
    places: Places, settings: Settings
) -> None:
    async with open_database(settings) as (database, _):
        assert await Ledger(database).check() == []
        assert any(line.credits_posted_minor for line in await Ledger(database).trial_balance())


def secrets_of(known: object) -> list[str]:
    """What the people of this journey know that nobody else may read: the longer ones, which are found."""
    match known:
        case Secret():
            return [known.reveal()] if len(known.reveal()) > LONGEST_PIN else []
        case LinkedCard():
            return [known.number]
        case WalletMember():
            return [known.password, known.mail, known.mobile]
        case Member():
            return [known.password]
        case list() | tuple():
            return [secret for each in known for secret in secrets_of(each)]
        case Journey():
            return secrets_of(list(vars(known).values()))
    return secrets_of([getattr(known, field.name) for field in fields(known)]) if is_dataclass(known) else []


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
