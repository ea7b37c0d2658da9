"""Registering, signing in and funding sources over REST."""

from itertools import count

import pytest
from tests.factories.rest import RestHouse, card_fields
from tests.factories.wallet import card_details

from obverse.access import Scope
from obverse.wallet import CheckResult, CreditStanding

pytestmark = pytest.mark.asyncio(loop_scope="module")
_people = count(1)
PERSON = {
    "identity_number": "900101-1234567",
    "address": "12 Toegye-ro, Seoul",
    "password": "correct horse 1",
}


def a_person() -> dict[str, str]:
    """Somebody whom nobody else is."""
    return {**PERSON, "identity_number": f"900102-{next(_people):07d}"}


async def test_ot1_a_person_registers_with_a_real_card_and_signs_in(rest: RestHouse) -> None:
    body = {**a_person(), **card_fields(card_details())}

    registered = await rest.client.post("/v1/members", json=body, headers=rest.operator)
    session = await rest.client.post(
        "/v1/sessions", json={"member": registered.json()["id"], "password": PERSON["password"]}
    )
    token = {"Authorization": f"Bearer {session.json()['token']}"}
    me = await rest.client.get(f"/v1/members/{registered.json()['id']}", headers=token)

    assert registered.status_code == 201, registered.text
    assert [source["kind"] for source in registered.json()["funding_sources"]] == ["linked_card"]
    assert session.status_code == 201
    assert me.json()["standing"] == "good"
    for value in (body["card_number"], PERSON["address"], PERSON["password"], body["cvv"] + '"'):
        assert value not in registered.text


async def test_ot4_a_person_registers_for_credit(rest: RestHouse) -> None:
    answer = await rest.client.post(
        "/v1/members", json={**a_person(), "credit_line": True}, headers=rest.operator
    )

    assert [source["kind"] for source in answer.json()["funding_sources"]] == ["credit_line"]


async def test_ot1_ot2_what_speaks_against_a_registration_gives_nothing_away(rest: RestHouse) -> None:
    body = {**a_person(), **card_fields(card_details())}

    async def register() -> tuple[int, str]:
        answer = await rest.client.post("/v1/members", json=body, headers=rest.operator)
        return answer.status_code, answer.json().get("code", "")

    rest.house.bureau.answer = CreditStanding.BAD
    assert await register() == (422, "registration_refused")
    rest.house.bureau.answer = CreditStanding.GOOD
    rest.house.card_check.answer = CheckResult.REFUSED
    assert await register() == (422, "card_not_verified")
    rest.house.card_check.answer = CheckResult.UNREACHABLE
    assert await register() == (503, "unavailable")
    rest.house.card_check.answer = CheckResult.VERIFIED
    assert await register() == (201, "")
    assert await register() == (409, "already_registered")


@pytest.mark.parametrize("missing", ["card_number", "exp_month", "exp_year", "cvv", "birth_date"])
async def test_a_card_is_given_whole_or_not_at_all(rest: RestHouse, missing: str) -> None:
    body = {**a_person(), **card_fields(card_details())}
    del body[missing]

    answer = await rest.client.post("/v1/members", json=body, headers=rest.operator)

    assert (answer.status_code, answer.json()["param"]) == (400, missing)


async def test_ot5_a_wrong_id_and_a_wrong_password_look_alike_and_lock_out(rest: RestHouse) -> None:
    member = await rest.member()
    stranger = "mem_01h455vb4pex5vsknk084sn02q"
    answers: dict[str, list[tuple[int, str]]] = {member.id: [], stranger: []}
    for id_, seen in answers.items():
        for _ in range(6):
            body = {"member": id_, "password": "not the password"}
            answer = await rest.client.post("/v1/sessions", json=body)
            seen.append((answer.status_code, answer.json()["code"]))

    assert answers[member.id] == [(401, "wrong_credentials")] * 5 + [(429, "sign_in_locked")]
    assert answers[stranger] == answers[member.id]
    assert int(answer.headers["retry-after"]) == 15 * 60


async def test_a_session_ends_when_its_member_signs_out(rest: RestHouse) -> None:
    member = await rest.member()

    gone = await rest.client.delete("/v1/sessions/current", headers=member.headers)
    after = await rest.client.get("/v1/cards", headers=member.headers)

    assert gone.status_code == 204
    assert (after.status_code, after.json()["code"]) == (401, "unauthenticated")
    assert after.headers["www-authenticate"] == "Bearer"


async def test_a_member_links_a_second_card_and_removes_it(rest: RestHouse) -> None:
    member = await rest.member()

    linked = await rest.client.post(
        "/v1/linked_cards", json=card_fields(card_details()), headers=member.headers
    )
    removed = await rest.client.post(
        f"/v1/funding_sources/{linked.json()['id']}/remove", headers=member.headers
    )
    left = (await rest.client.get("/v1/funding_sources", headers=member.headers)).json()["data"]

    assert linked.status_code == 201, linked.text
    assert removed.json()["state"] == "removed"
    assert [source["kind"] for source in left] == ["credit_line"]


async def test_a_suspended_member_cannot_pay_until_reinstated(rest: RestHouse) -> None:
    member = await rest.member()
    faces = [await rest.face(member, await rest.card(member)) for _ in range(2)]

    await rest.client.post(f"/v1/members/{member.id}/suspend", headers=rest.operator)
    while_suspended = (await rest.pay(faces[0])).json()["status"]
    await rest.client.post(f"/v1/members/{member.id}/reinstate", headers=rest.operator)
    after = (await rest.pay(faces[1])).json()["status"]

    assert (while_suspended, after) == ("declined", "approved")


async def test_members_cannot_give_themselves_credit(rest: RestHouse) -> None:
    member = await rest.member(linked=True)
    body = {"member": member.id, "limit": 1_000_000, "currency": "KRW"}

    own = await rest.client.post("/v1/credit_lines", json=body, headers=member.headers)
    given = await rest.client.post("/v1/credit_lines", json=body, headers=rest.operator)
    twice = await rest.client.post("/v1/credit_lines", json=body, headers=rest.operator)

    assert (own.status_code, given.status_code) == (403, 201)
    assert (twice.status_code, twice.json()["code"]) == (409, "credit_line_exists")


async def test_a_key_is_shown_once_works_and_ends_when_revoked(rest: RestHouse) -> None:
    body = {"name": "till", "scopes": ["payments"], "merchant": rest.merchant_id}

    made = (await rest.client.post("/v1/api_keys", json=body, headers=rest.operator)).json()
    headers = {"Authorization": f"Bearer {made['token']}"}
    works = await rest.client.get("/v1/payments", headers=headers)
    listed = await rest.client.get("/v1/api_keys", headers=rest.operator)
    revoked = await rest.client.post(f"/v1/api_keys/{made['id']}/revoke", headers=rest.operator)
    after = await rest.client.get("/v1/payments", headers=headers)

    assert works.status_code == 200
    assert made["token"] not in listed.text
    assert {key["token"] for key in listed.json()["data"]} == {None}
    assert revoked.json()["revoked"] is not None
    assert after.status_code == 401


async def test_p12_nobody_revokes_a_key_that_may_do_more_than_theirs(rest: RestHouse) -> None:
    body = {"name": "operator", "scopes": ["operate", "merchants"]}
    strong = (await rest.client.post("/v1/api_keys", json=body, headers=rest.operator)).json()
    weak = await rest.key(Scope.MERCHANTS)

    refused = await rest.client.post(f"/v1/api_keys/{strong['id']}/revoke", headers=weak)
    still = await rest.client.get("/v1/api_keys", headers={"Authorization": f"Bearer {strong['token']}"})

    assert (refused.status_code, still.status_code) == (404, 200)


async def test_nobody_passes_on_a_scope_that_they_do_not_have(rest: RestHouse) -> None:
    key = await rest.key(Scope.MERCHANTS)

    answer = await rest.client.post("/v1/api_keys", json={"name": "more", "scopes": ["operate"]}, headers=key)

    assert (answer.status_code, answer.json()["code"]) == (403, "not_permitted")


async def test_simulation_is_refused_with_live_keys(rest: RestHouse) -> None:
    live = await rest.key(*Scope, live=True)

    answer = await rest.client.post("/v1/simulate/advance_clock", json={"seconds": 1}, headers=live)

    assert (answer.status_code, answer.json()["code"]) == (403, "sandbox_only")


async def test_p02_the_trial_balance_balances_after_payments(rest: RestHouse) -> None:
    async def posted() -> int:
        balance = (await rest.client.get("/v1/ledger/trial_balance", headers=rest.operator)).json()
        assert balance["balanced"] is True
        return sum(line["credits_posted"] for line in balance["lines"])

    before = await posted()
    member = await rest.member()
    await rest.pay(await rest.face(member, await rest.card(member)), capture=True)

    assert await posted() - before == 34_000


@pytest.mark.parametrize(
    ("decides", "reaches", "expected"),
    [(True, True, (200, "ok")), (True, False, (200, "degraded")), (False, True, (503, "down"))],
    ids=["all up", "card company down", "database down"],
)
async def test_health_says_whether_payments_can_be_decided(
    rest: RestHouse,
    decides: bool,
    reaches: bool,
    expected: tuple[int, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rest.health, "database", decides)
    monkeypatch.setattr(rest.health, "card_company", reaches)

    answer = await rest.client.get("/health")

    assert (answer.status_code, answer.json()["status"]) == expected
