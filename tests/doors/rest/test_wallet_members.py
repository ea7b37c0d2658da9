"""Wallet members over REST: WA-1, WA-2, PF-12."""

from itertools import count
from time import time
from typing import Any

import asyncpg
import httpx
import pyotp
import pytest
from tests.factories.authenticator import Authenticator
from tests.factories.canaries import search
from tests.factories.members import letters_in
from tests.factories.rest import RestHouse

pytestmark = pytest.mark.asyncio(loop_scope="module")
ME = "/v1/members/me"
PASSWORD = "a canary of passwords 71"
ANSWER = "Canary Baron 72"
PROOF = {"current_password": PASSWORD}
REPLAYED = ["passkey wrong", "passkey ok", "password ok"]
_people = count(1)


def a_join(**changes: Any) -> dict[str, Any]:
    """The body of somebody's joining whom nobody else is; `changes` are to their profile."""
    number = next(_people)
    profile = {
        "name": "홍길동",
        "latin_name": "Hong Gil-dong",
        "birth_date": "1990-05-17",
        "member_id": f"gildong{number:04d}",
        "nickname": f"별명{number:06d}",
        "mail": f"canary.mailbox.{number}@mail.example",
        "mobile": f"+82109{number:07d}",
        "language": "en",
        "question": "Who did I meet at sea?",
        "answer": ANSWER,
    } | changes
    return {
        "identity_number": f"910101-{number:07d}",
        "password": PASSWORD,
        "password_again": PASSWORD,
        "profile": profile,
    }


async def joined(rest: RestHouse, **changes: Any) -> tuple[dict[str, Any], dict[str, str]]:
    """A profile as it was sent, and the headers of its member, signed in."""
    body = a_join(**changes)
    answer = await rest.client.post("/v1/members", json=body, headers=rest.operator)
    assert answer.status_code == 201, answer.text
    return body["profile"], await signed_in(rest, body["profile"]["member_id"], PASSWORD)


async def signed_in(rest: RestHouse, member: str, password: str, **also: str) -> dict[str, str]:
    body = {"member": member, "password": password, **also}
    answer = await rest.client.post("/v1/sessions", json=body)
    assert answer.status_code == 201, answer.text
    return {"Authorization": f"Bearer {answer.json()['token']}"}


async def last_letter(rest: RestHouse) -> dict[str, Any]:
    async with rest.house.database.connection() as conn:
        return (await letters_in(conn, rest.house.vault))[-1].data


def code_of(answer: httpx.Response) -> tuple[int, str, str | None]:
    body = answer.json()
    return answer.status_code, body["code"], body["param"]


async def test_wa1_somebody_joins_for_the_wallet_and_sees_what_they_told(rest: RestHouse) -> None:
    profile, headers = await joined(rest)

    seen = (await rest.client.get(f"{ME}/profile", headers=headers)).json()
    wanted = {"nickname": "새별명입니다", "statements": "sms", "language": "ko"}
    changed = await rest.client.patch(f"{ME}/profile", json=wanted, headers=headers)

    told = {field: value for field, value in profile.items() if field != "answer"}
    assert told.items() <= seen.items()
    assert (seen["time_zone"], seen["calendar"], seen["statements"]) == ("Asia/Seoul", "solar", "mail")
    assert (changed.json()["nickname"], changed.json()["statements"]) == ("새별명입니다", "sms")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"password_again": "another one"}, (400, "invalid_request", "password_again")),
        ({"password_again": None}, (400, "invalid_request", "password_again")),
        ({"password": "7 chars", "password_again": "7 chars"}, (400, "invalid_request", "password")),
        ({"password": "x" * 65, "password_again": "x" * 65}, (400, "invalid_request", "password")),
        ({"profile": None}, (400, "invalid_request", "card_number")),
        ({"profile": None, "credit_line": True}, (400, "invalid_request", "address")),
    ],
    ids=["passwords differ", "password once", "short", "long", "no profile", "credit without an address"],
)
async def test_wa1_what_is_incomplete_is_refused_by_field(
    rest: RestHouse, changes: dict[str, Any], expected: tuple[int, str, str]
) -> None:
    body = a_join() | changes
    answer = await rest.client.post("/v1/members", json=body, headers=rest.operator)
    assert code_of(answer) == expected


async def test_wa1_an_id_or_nickname_that_is_taken_is_told_while_typing_too(rest: RestHouse) -> None:
    profile, _ = await joined(rest)
    asked = {"member_id": profile["member_id"].upper(), "nickname": profile["nickname"]}
    same_id = a_join(member_id=profile["member_id"].upper())
    same_nickname = a_join(nickname=profile["nickname"])

    free = await rest.client.get("/v1/members/availability", params=asked)
    half = await rest.client.get("/v1/members/availability", params={"member_id": "short"})
    refused = [
        code_of(await rest.client.post("/v1/members", json=body, headers=rest.operator))
        for body in (same_id, same_nickname)
    ]

    assert free.json() == {"object": "availability", "member_id": False, "nickname": False}
    assert code_of(half) == (400, "invalid_request", "member_id")
    assert refused == [(409, "member_id_taken", "member_id"), (409, "nickname_taken", "nickname")]


async def test_a_member_changes_mail_mobile_question_and_password(rest: RestHouse) -> None:
    profile, headers = await joined(rest)
    for kind, value in (("mail", "another.canary@mail.example"), ("mobile", "+821055554444")):
        sent = await rest.client.post(f"{ME}/{kind}", json={kind: value}, headers=headers)
        code = (await last_letter(rest))["code"]
        wrong = await rest.client.post(f"{ME}/{kind}/confirm", json={"code": "x" + code}, headers=headers)
        right = await rest.client.post(f"{ME}/{kind}/confirm", json={"code": code}, headers=headers)
        assert (sent.status_code, wrong.json()["code"], right.json()[kind]) == (202, "wrong_code", value)

    question = {"question": "Which street?", "answer": "Toegye-ro"}
    asked = await rest.client.put(f"{ME}/question", json=question | PROOF, headers=headers)
    elsewhere = await signed_in(rest, profile["member_id"], PASSWORD)
    new = {"password": "canary that sings", "password_again": "canary that sings"}
    wrong = await rest.client.put(f"{ME}/password", json=new | {"current_password": "no"}, headers=headers)
    right = await rest.client.put(f"{ME}/password", json=new | PROOF, headers=headers)

    assert asked.json()["question"] == "Which street?"
    assert code_of(wrong) == (422, "wrong_password", "current_password")
    assert right.status_code == 204, right.text
    assert (await rest.client.get(f"{ME}/profile", headers=headers)).status_code == 200
    assert (await rest.client.get(f"{ME}/profile", headers=elsewhere)).status_code == 401
    await signed_in(rest, profile["member_id"], new["password"])


async def test_open_sessions_are_listed_and_ended(rest: RestHouse) -> None:
    profile, headers = await joined(rest)
    elsewhere = await signed_in(rest, profile["member_id"], PASSWORD)

    page = (await rest.client.get("/v1/sessions?limit=1", headers=headers)).json()
    ended = await rest.client.delete(f"/v1/sessions/{page['data'][0]['id']}", headers=headers)
    again = await rest.client.delete(f"/v1/sessions/{page['data'][0]['id']}", headers=headers)
    rest_of_it = await rest.client.get(f"/v1/sessions?after={page['next_cursor']}", headers=headers)

    assert (page["data"][0]["method"], page["data"][0]["origin"], page["has_more"]) == (
        "password",
        "127.0.0.0/24",
        True,
    )
    assert (ended.status_code, code_of(again)[1]) == (204, "session_not_found")
    assert (await rest.client.get("/v1/sessions", headers=elsewhere)).status_code == 401
    assert [session["current"] for session in rest_of_it.json()["data"]] == [True]


async def test_pf12_a_passkey_takes_the_place_of_the_password(rest: RestHouse) -> None:
    profile, headers = await joined(rest)
    device = Authenticator()
    options = (await rest.client.post(f"{ME}/passkeys/options", json=PROOF, headers=headers)).json()[
        "public_key"
    ]
    body = {"name": "my phone", "credential": device.create(options)}
    added = await rest.client.post(f"{ME}/passkeys", json=body, headers=headers)
    asked = (await rest.client.post("/v1/sessions/passkey/options")).json()["public_key"]
    assertion = {"credential": device.get(asked)}

    opened = await rest.client.post("/v1/sessions/passkey", json=assertion)
    replayed = await rest.client.post("/v1/sessions/passkey", json=assertion)
    by_passkey = {"Authorization": f"Bearer {opened.json()['token']}"}
    gone = await rest.client.delete(f"{ME}/password", headers=by_passkey)
    last = await rest.client.delete(f"{ME}/passkeys/{added.json()['id']}", headers=by_passkey)
    history = (await rest.client.get(f"{ME}/sign_ins", headers=by_passkey)).json()["data"]
    password = {"member": profile["member_id"], "password": PASSWORD}

    assert (added.status_code, opened.status_code, gone.status_code) == (201, 201, 204), added.text
    assert code_of(replayed)[:2] == (422, "passkey_refused")
    assert code_of(last)[:2] == (409, "last_means_of_sign_in")
    assert [(line["method"], line["outcome"]) for line in history][1:] == [
        ("passkey", "ok"),
        ("password", "ok"),
    ]
    assert code_of(await rest.client.post("/v1/sessions", json=password))[1] == "wrong_credentials"


async def test_wa2_recovery_asks_for_the_answer_and_the_second_factor(rest: RestHouse) -> None:
    profile, headers = await joined(rest)
    totp = (await rest.client.post(f"{ME}/totp", json=PROOF, headers=headers)).json()
    code = pyotp.TOTP(totp["secret"]).at(int(time()))
    confirmed = await rest.client.post(f"{ME}/totp/confirm", json={"code": code}, headers=headers)
    codes = confirmed.json()["recovery_codes"]
    one_factor = {"member": profile["member_id"], "password": PASSWORD}
    needs = await rest.client.post("/v1/sessions", json=one_factor)

    answers = [
        await rest.client.post("/v1/recoveries", json={"mail": mail})
        for mail in (profile["mail"].upper(), "nobody@mail.example")
    ]
    await rest.house.members.recovery.write_letters()
    token = (await last_letter(rest))["link"].partition("#")[2]
    asked = await rest.client.post("/v1/recoveries/open", json={"token": token})
    new = {"password": "after recovery", "password_again": "after recovery"}
    body = {"token": token, "answer": ANSWER.lower(), **new}
    without = await rest.client.post("/v1/recoveries/redeem", json=body)
    redeemed = await rest.client.post("/v1/recoveries/redeem", json={**body, "otp": codes[0]})
    again = await rest.client.post("/v1/recoveries/redeem", json={**body, "otp": codes[1]})

    assert code_of(needs) == (401, "second_factor_required", "otp")
    assert [(answer.status_code, answer.json()) for answer in answers] == [
        (202, {"object": "recovery_request"})
    ] * 2
    assert asked.json() == {"object": "recovery", "question": profile["question"], "second_factor": True}
    assert code_of(without)[1] == "second_factor_required"
    assert redeemed.json()["member_id"] == profile["member_id"]
    assert code_of(again)[:2] == (404, "recovery_invalid")
    assert (await rest.client.get(f"{ME}/profile", headers=headers)).status_code == 401
    await signed_in(rest, profile["member_id"], "after recovery", otp=codes[2])
    await everything_is_hidden(
        rest,
        {
            "password": PASSWORD,
            "answer": "canarybaron72",
            "token": token,
            "one-time code secret": totp["secret"],
            "recovery code": codes[5],
            "mail": profile["mail"],
            "mobile": profile["mobile"],
            "name": profile["latin_name"],
        },
    )


async def everything_is_hidden(rest: RestHouse, canaries: dict[str, str]) -> None:
    """P11: nothing of this stands in any table, events and letters included."""
    async with rest.house.database.connection() as conn:
        tables = await conn.fetch("select tablename from pg_tables where schemaname = 'public'")
        rows = []
        for (table,) in tables:
            try:
                rows += [row[0] for row in await conn.fetch(f"select t::text from {table} t")]
            except asyncpg.InsufficientPrivilegeError:
                assert not table.startswith("member")
    assert len(rows) > 20
    assert search("\n".join(rows).encode(), canaries) == []


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "question", {"question": "Who?", "answer": "It is me."}),
        ("PUT", "password", {"password": "another one", "password_again": "another one"}),
        ("POST", "passkeys/options", {}),
        ("POST", "totp", {}),
    ],
    ids=["question", "password", "passkey", "one-time codes"],
)
@pytest.mark.parametrize("proof", [{}, {"current_password": "not this one"}], ids=["no proof", "wrong proof"])
async def test_a_token_alone_does_not_change_what_its_member_signs_in_with(
    rest: RestHouse, method: str, path: str, body: dict[str, Any], proof: dict[str, str]
) -> None:
    _, headers = await joined(rest)
    answer = await rest.client.request(method, f"{ME}/{path}", json=body | proof, headers=headers)
    assert code_of(answer) == (422, "wrong_password", "current_password")
