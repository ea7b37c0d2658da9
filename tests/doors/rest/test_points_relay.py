"""Points issuers, rates, accounts and look-ups over REST (PR-1, PR-6, PR-9, PR-10)."""

from typing import Any

import pytest
from tests.factories.points import CODE, LOOKUPS_PER_MINUTE, a_number
from tests.factories.rest import Member, RestHouse

from obverse.access import Scope
from obverse.kit.ids import MemberId, from_text, to_text
from obverse.wallet import RegistrationWish

pytestmark = pytest.mark.asyncio(loop_scope="module")

ISSUER = {
    "name": "Sky Miles",
    "short_name": "SKY",
    "unit": "miles",
    "url": "https://points.example/relay",
    "two_phase": True,
    "reason": "contract 12",
}


async def _post(rest: RestHouse, path: str, body: Any, headers: dict[str, str], status: int = 200) -> Any:
    answer = await rest.client.post(path, json=body, headers=headers)
    assert answer.status_code == status, answer.text
    return answer.json()


async def _issuer(rest: RestHouse, **changes: Any) -> dict[str, Any]:
    made: dict[str, Any] = await _post(
        rest, "/v1/points_issuers", ISSUER | changes, rest.operator, status=201
    )
    return made


async def _registered(rest: RestHouse) -> tuple[Member, str, str]:
    """A member with a registered card: its id, and its real number."""
    member = await rest.member(linked=True)
    member_id = MemberId(from_text("mem", member.id))
    (source,) = await rest.house.wallet.list(member_id)
    card = (await rest.house.registered.register(member_id, RegistrationWish(source.id))).card
    return member, to_text("card", card.id), (await rest.points.number_of(card)).reveal()


async def test_pr1_operators_take_issuers_in_and_members_link_accounts(rest: RestHouse) -> None:
    issuer = await _issuer(rest, units_max=500_000)
    assert issuer["secret"].startswith("whsec_")
    one = f"/v1/points_issuers/{issuer['id']}"
    shown = (await rest.client.get(one, headers=rest.operator)).json()
    assert (shown["secret"], shown["state"], shown["units_max"]) == (None, "active", 500_000)
    change = {"units_max": None, "unit": "mile", "reason": "as agreed"}
    changed = (await rest.client.patch(one, json=change, headers=rest.operator)).json()
    assert (changed["units_max"], changed["unit"], changed["name"]) == (None, "mile", "Sky Miles")
    for step, state in (("suspend", "suspended"), ("resume", "active")):
        assert (await _post(rest, f"{one}/{step}", {"reason": "x"}, rest.operator))["state"] == state
    health = (await rest.client.get(f"{one}/health", headers=rest.operator)).json()
    assert (health["answering"], health["waiting"], health["since"]) == (True, 0, None)
    rotated = await _post(rest, f"{one}/rotate_secret", {"reason": "leaked"}, rest.operator)
    assert rotated["secret"] not in (None, issuer["secret"])

    member, card, _ = await _registered(rest)
    known = (await rest.client.get("/v1/members/me/points_issuers", headers=member.headers)).json()["data"]
    told = {name: changed[name] for name in ("id", "object", "name", "unit", "state")}
    assert told in known, "and neither address nor secret"
    body = {"issuer": issuer["id"], "account": a_number().reveal(), "card": card}
    linked = await _post(rest, "/v1/points_accounts", body, member.headers, status=201)
    assert (linked["status"], linked["code_sent"]) == ("pending", True)
    prove = f"/v1/points_accounts/{linked['id']}/prove"
    wrong = await _post(rest, prove, {"code": "000000"}, member.headers, status=422)
    assert wrong["code"] == "points_code_wrong"
    proved = await _post(rest, prove, {"code": CODE.reveal()}, member.headers)
    assert (proved["status"], proved["card"], proved["expires"]) == ("proved", card, None)
    funding = (await rest.client.get(f"/v1/cards/{card}", headers=member.headers)).json()["funding"]
    assert [entry["source"] for entry in funding][-1] == linked["id"]
    listed = (await rest.client.get("/v1/points_accounts", headers=member.headers)).json()["data"]
    assert [account["id"] for account in listed] == [linked["id"]]
    unlinked = await _post(rest, f"/v1/points_accounts/{linked['id']}/unlink", None, member.headers)
    assert unlinked["status"] == "removed"


async def test_pr6_rates_are_set_and_ended(rest: RestHouse) -> None:
    issuer = (await _issuer(rest))["id"]
    rate = {"issuer": issuer, "numerator": 20, "denominator": 10, "reason": "as agreed"}
    everywhere = await _post(rest, "/v1/points_rates", rate, rest.operator, status=201)
    assert (everywhere["rate"], everywhere["merchant"], everywhere["ends"]) == ("2", None, None)
    own = await _post(
        rest,
        "/v1/points_rates",
        rate | {"denominator": 7, "merchant": rest.merchant_id, "step_units": 10},
        rest.operator,
        status=201,
    )
    assert (own["rate"], own["step_units"], own["merchant"]) == ("20/7", 10, rest.merchant_id)

    ended = await _post(rest, f"/v1/points_rates/{everywhere['id']}/end", {"reason": "over"}, rest.operator)
    assert ended["ends"] is not None
    listed = await rest.client.get(f"/v1/points_rates?issuer={issuer}", headers=rest.operator)
    assert [found["id"] for found in listed.json()["data"]] == [own["id"], everywhere["id"]]


async def test_pr10_operators_say_whose_points_a_merchant_takes(rest: RestHouse) -> None:
    issuer = (await _issuer(rest))["id"]
    shop, key = await rest.another_merchant()
    path = f"/v1/merchants/{shop}"
    wanted = {"accepts_points": [issuer], "code_proof_from": 30_000, "accepts": ["registered"], "reason": "x"}

    changed = (await rest.client.patch(path, json=wanted, headers=rest.operator)).json()

    assert (changed["accepts_points"], changed["code_proof_from"]) == ([issuer], 30_000)
    seen = (await rest.client.get(path, headers=key)).json()
    assert (seen["accepts_points"], seen["accepts"]) == ([issuer], ["registered"])
    for change, left in (({"name": "Renamed"}, 30_000), ({"code_proof_from": None}, None)):
        again = await rest.client.patch(path, json=change | {"reason": "x"}, headers=rest.operator)
        assert again.json()["code_proof_from"] == left, "null is the platform's amount"
    nobody = wanted | {"accepts_points": [issuer, "pis_01h455vb4pex5vsknk084sn02q"]}
    refused = await rest.client.patch(path, json=nobody, headers=rest.operator)
    assert (refused.status_code, refused.json()["code"]) == (404, "points_issuer_not_found")
    assert refused.json()["param"] == "accepts_points"


async def test_pr9_an_issuer_asks_about_its_own_accounts_so_often_a_minute(rest: RestHouse) -> None:
    mine, other = await _issuer(rest), await _issuer(rest)
    body = {"name": "look-ups", "scopes": ["points"], "points_issuer": mine["id"]}
    made = await _post(rest, "/v1/api_keys", body, rest.operator, status=201)
    assert made["points_issuer"] == mine["id"]
    key = {"Authorization": f"Bearer {made['token']}"}
    member, card, number = await _registered(rest)
    for issuer in (mine, other):
        body = {"issuer": issuer["id"], "account": a_number().reveal(), "card": card}
        linked = await _post(rest, "/v1/points_accounts", body, member.headers, status=201)
        prove = f"/v1/points_accounts/{linked['id']}/prove"
        await _post(rest, prove, {"code": CODE.reveal()}, member.headers)

    answers = [
        await rest.client.post("/v1/points_lookups", json={"card_number": number}, headers=key)
        for _ in range(2 * LOOKUPS_PER_MINUTE + 1)
    ]

    told = answers[0].json()
    assert (told["registered"], len(told["accounts"])) == (True, 1)
    assert told["accounts"][0]["account"].startswith("handle-")
    # One minute may have ended meanwhile, not two.
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert (refused.json()["code"], refused.headers["retry-after"]) == ("too_many_lookups", "60")
    log = await rest.client.get(f"/v1/audit_log?subject={mine['id']}", headers=rest.operator)
    looked_up = [entry for entry in log.json()["data"] if entry["action"] == "points_account.looked_up"]
    assert len(looked_up) == sum(answer.status_code == 200 for answer in answers)
    assert number not in log.text


@pytest.mark.parametrize(
    ("body", "code"),
    [
        pytest.param({"scopes": ["points", "payments"]}, "invalid_request", id="more than look-ups"),
        pytest.param({"scopes": ["points"], "merchant": "{mer}"}, "invalid_request", id="a merchant's too"),
        pytest.param(
            {"scopes": ["points"], "points_issuer": "pis_01h455vb4pex5vsknk084sn02q"},
            "points_issuer_not_found",
            id="of nobody",
        ),
    ],
)
async def test_a_key_of_an_issuer_is_for_look_ups_alone(
    rest: RestHouse, body: dict[str, Any], code: str
) -> None:
    asked = {"name": "k", "points_issuer": (await _issuer(rest))["id"]} | body
    asked = {name: rest.merchant_id if value == "{mer}" else value for name, value in asked.items()}

    answer = await rest.client.post("/v1/api_keys", json=asked, headers=rest.operator)

    assert answer.json()["code"] == code


async def test_who_may_not_give_look_ups_gives_no_key_for_them(rest: RestHouse) -> None:
    managers = await rest.key(Scope.MERCHANTS)
    body = {"name": "k", "scopes": ["points"], "points_issuer": (await _issuer(rest))["id"]}

    await _post(rest, "/v1/api_keys", body, managers, status=403)
