"""Presentments for operators, and what card companies bill for members, over REST."""

from typing import Any

import pytest
import pytest_asyncio
from tests.factories.presentments import FakeExchange
from tests.factories.rest import Member, RestHouse

from obverse.clearing.presentments.jobs import Exchange

pytestmark = pytest.mark.asyncio(loop_scope="module")
NOBODYS = "01h455vb4pex5vsknk084sn02q"


@pytest_asyncio.fixture(loop_scope="module")
async def member(rest: RestHouse) -> Member:
    return await rest.member(linked=True)


async def exchange(rest: RestHouse, **behaviour: Any) -> None:
    """Send what was made to a card company that behaves like this, and read its answers."""
    presentments = rest.app.state.services.presentments
    house = rest.house
    await Exchange(
        house.database,
        presentments,
        FakeExchange(**behaviour),
        rest.treasury,
        clock=house.clock,
        new_id=house.new_id,
    ).exchange()


async def captured(rest: RestHouse, member: Member, **changes: Any) -> dict[str, Any]:
    face = await rest.face(member, await rest.card(member))
    answer = await rest.pay(face, capture=True, **changes)
    assert answer.json()["status"] == "approved", answer.text
    return answer.json()


async def get(rest: RestHouse, path: str) -> Any:
    answer = await rest.client.get(path, headers=rest.operator)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def decide(rest: RestHouse, path: str, reason: str = "they have put it right") -> Any:
    return await rest.client.post(path, json={"reason": reason}, headers=rest.operator)


async def presented(rest: RestHouse) -> dict[str, Any]:
    """The file that is made of what waits."""
    answer = await rest.client.post("/v1/presentment_files", headers=rest.operator)
    assert answer.status_code == 200, answer.text
    (file,) = answer.json()
    return file


async def test_an_operator_follows_a_file_from_made_to_acknowledged(rest: RestHouse, member: Member) -> None:
    payment = await captured(rest, member)
    made = await presented(rest)
    assert (made["state"], made["debits"]) == ("made", {"count": 1, "amount": 34_000})
    assert made["reference"].startswith("OBV-P-")
    again = await rest.client.post("/v1/presentment_files", headers=rest.operator)
    assert again.json() == []
    await exchange(rest)
    file = await get(rest, f"/v1/presentment_files/{made['id']}")
    assert (file["state"], file["due"], file["payment"]) == ("acknowledged", 34_000, "due")
    assert (await get(rest, "/v1/presentment_files?limit=1"))["data"] == [file]
    (item,) = (await get(rest, f"/v1/presentments?file={made['id']}"))["data"]
    assert (item["payment"], item["state"], item["amount"]) == (payment["id"], "accepted", 34_000)
    assert await get(rest, f"/v1/presentments/{item['id']}") == item


async def test_an_operator_resubmits_or_writes_off_what_was_rejected(rest: RestHouse, member: Member) -> None:
    await captured(rest, member)
    await captured(rest, member, amount=5_000)
    file = await presented(rest)
    await exchange(rest, rejects={"A1B2C3": "unknown_card"})
    listed = (await get(rest, f"/v1/presentments?state=rejected&file={file['id']}"))["data"]
    first, second = listed
    assert {first["reject_reason"], second["reject_reason"]} == {"unknown_card"}

    resubmitted = await decide(rest, f"/v1/presentments/{first['id']}/resubmit")
    assert (resubmitted.status_code, resubmitted.json()["state"]) == (200, "ready")
    for _ in range(2):
        given_up = await decide(rest, f"/v1/presentments/{second['id']}/write_off", "not worth it")
        assert (given_up.status_code, given_up.json()["state"]) == (200, "written_off")
    refused = await decide(rest, f"/v1/presentment_files/{file['id']}/resubmit")
    assert (refused.status_code, refused.json()["code"]) == (409, "nothing_rejected")
    log = (await get(rest, f"/v1/audit_log?subject={second['id']}"))["data"]
    assert [(entry["action"], entry["reason"]) for entry in log] == [
        ("presentment.written_off", "not worth it")
    ]
    await presented(rest)
    await exchange(rest)
    accepted = await decide(rest, f"/v1/presentments/{first['id']}/write_off")
    assert (accepted.status_code, accepted.json()["code"]) == (409, "presentment_not_rejected")


async def test_all_that_a_file_rejected_goes_out_again(rest: RestHouse, member: Member) -> None:
    await captured(rest, member)
    file = await presented(rest)
    await exchange(rest, refuses="wrong_totals")
    shown = await get(rest, f"/v1/presentment_files/{file['id']}")
    assert (shown["state"], shown["problem"], shown["rejected_count"]) == ("refused", "wrong_totals", 1)
    assert (await decide(rest, f"/v1/presentment_files/{file['id']}/resubmit")).status_code == 200
    assert (await presented(rest))["debits"]["amount"] == 34_000
    await exchange(rest)


@pytest.mark.parametrize(
    ("path", "code"),
    [
        (f"/v1/presentments/pres_{NOBODYS}", "presentment_not_found"),
        ("/v1/presentments/pres_1", "not_found"),
        (f"/v1/presentment_files/pfile_{NOBODYS}", "presentment_file_not_found"),
    ],
)
async def test_what_does_not_exist_is_not_found(rest: RestHouse, path: str, code: str) -> None:
    answer = await rest.client.get(path, headers=rest.operator)
    assert (answer.status_code, answer.json()["code"]) == (404, code)


async def test_a_decision_without_a_reason_is_refused(rest: RestHouse) -> None:
    answer = await decide(rest, f"/v1/presentments/pres_{NOBODYS}/write_off", "")
    assert (answer.status_code, answer.json()["param"]) == (400, "reason")


async def test_members_see_what_their_card_company_will_bill(rest: RestHouse) -> None:
    member = await rest.member(linked=True)
    path = f"/v1/members/{member.id}/card_company_charges"
    payment = await captured(rest, member)
    (charge,) = (await rest.client.get(path, headers=member.headers)).json()["data"]
    assert (charge["payment"], charge["amount"], charge["direction"]) == (payment["id"], 34_000, "debit")
    assert (charge["merchant"], charge["parts"][0]["state"]) == (rest.merchant_id, None)
    await presented(rest)
    await rest.client.post(
        f"/v1/payments/{payment['id']}/refund", json={"amount": 4_000}, headers=rest.merchant
    )
    first = (await rest.client.get(path, params={"limit": 1}, headers=member.headers)).json()
    assert (first["data"][0]["kind"], first["data"][0]["direction"]) == ("refund", "credit")
    rest_of = {"after": first["next_cursor"]}
    (second,) = (await rest.client.get(path, params=rest_of, headers=member.headers)).json()["data"]
    assert second["parts"][0]["state"] == "presented"
    by_key = await rest.client.get(path, headers=rest.operator)
    assert len(by_key.json()["data"]) == 2
    await presented(rest)
    await exchange(rest)


async def test_ot8_the_giver_is_billed_but_does_not_learn_where(rest: RestHouse) -> None:
    giver = await rest.member(linked=True)
    card = await rest.card(giver)
    link = (await rest.client.post(f"/v1/cards/{card['id']}/hand_over", headers=giver.headers)).json()
    claimed = (await rest.client.post("/v1/claims", json={"token": link["token"]})).json()
    holder = {"Authorization": f"Bearer {claimed['holder_token']}"}
    face = (await rest.client.post("/v1/claims/current/reveal", headers=holder)).json()
    paid = await rest.pay(
        {
            "card_number": face["number"],
            "exp_month": face["exp_month"],
            "exp_year": face["exp_year"],
            "cvv": face["cvv"],
        },
        capture=True,
    )
    assert paid.json()["status"] == "approved"
    answer = await rest.client.get(f"/v1/members/{giver.id}/card_company_charges", headers=giver.headers)
    (charge,) = answer.json()["data"]
    assert (charge["amount"], charge["merchant"]) == (34_000, None)
    assert rest.merchant_id not in answer.text
    await presented(rest)
    await exchange(rest)
