"""Payments with codes from phones over REST: passkeys beside them, and nothing for guessers."""

from typing import Any, Final

import httpx
import pytest
import pytest_asyncio
from structlog.testing import capture_logs
from tests.factories.authenticator import Authenticator
from tests.factories.known_codes import a_code_never_made, a_code_of
from tests.factories.members import PASSWORD
from tests.factories.rest import Member, RestHouse

from obverse.kit.ids import from_text
from obverse.members.rules import CHALLENGE_LIFETIME

pytestmark = pytest.mark.asyncio(loop_scope="module")

DEAR: Final = 60_000
"""Above what a code pays by itself."""


class Phone:
    """A member with a card, a passkey, and codes."""

    def __init__(self, rest: RestHouse, member: Member, device: Authenticator) -> None:
        self.rest, self.member, self.device = rest, member, device

    async def code(self, **ends: int) -> str:
        """A code that is good for a minute from now, or for what `ends` says; of a card of its own."""
        card = await self.rest.card(self.member)
        stored = await self.rest.house.cards.get(from_text("card", card["id"]))
        return (await a_code_of(self.rest.house, stored, **ends)).reveal()

    async def proof(
        self, code: str, *, headers: dict[str, str] | None = None, **payment: Any
    ) -> dict[str, Any]:
        """What this phone answers to a challenge for paying with this code, as the field of a payment."""
        asked = {"code": code, "amount": DEAR, "currency": "KRW", **payment}
        path = "/v1/code_challenges"
        answer = await self.rest.client.post(path, json=asked, headers=headers or self.rest.merchant)
        assert answer.status_code == 200, answer.text
        return {"credential": self.device.get(answer.json()["public_key"])}


async def a_phone(rest: RestHouse) -> Phone:
    member, device = await rest.member(), Authenticator()
    path, proved = "/v1/members/me/passkeys", {"current_password": PASSWORD.reveal()}
    options = await rest.client.post(f"{path}/options", json=proved, headers=member.headers)
    made = {"name": "phone", "credential": device.create(options.json()["public_key"])}
    assert (await rest.client.post(path, json=made, headers=member.headers)).status_code == 201
    return Phone(rest, member, device)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def phone(rest: RestHouse) -> Phone:
    return await a_phone(rest)


async def pay(rest: RestHouse, code: str, amount: int = 10_000, **body: Any) -> httpx.Response:
    return await rest.pay({"code": code}, amount=amount, **body)


def refused(answer: httpx.Response) -> tuple[int, str, str | None]:
    return answer.status_code, answer.json()["code"], answer.json()["param"]


async def test_p10_a_code_pays_once_and_a_repeat_gets_the_same_answer(rest: RestHouse, phone: Phone) -> None:
    code = await phone.code()
    first = await pay(rest, code, key="scan 1")
    assert (first.json()["status"], first.json()["entry"]) == ("approved", "barcode"), first.text
    again = await pay(rest, code, key="scan 1")
    assert (again.content, again.headers["idempotency-hit"]) == (first.content, "true")
    second = await pay(rest, code)
    assert second.json()["decline"]["code"] == "card_not_accepted"


async def test_p17_to_a_merchant_a_code_that_is_used_over_or_was_never_made_is_one_and_the_same(
    rest: RestHouse, phone: Phone
) -> None:
    used, over = await phone.code(), await phone.code(seconds=-1)
    assert (await pay(rest, used)).json()["status"] == "approved"
    never = a_code_never_made(rest.house).reveal()
    answers = [(await pay(rest, code)).json() for code in (used, over, never)]
    told = [
        {name: answer[name] for name in ("status", "decline", "card", "legs", "rules")} for answer in answers
    ]
    assert told[0] == told[1] == told[2]
    seen = [
        (await rest.client.get(f"/v1/payments/{answer['id']}", headers=rest.operator)).json()["decline"][
            "code"
        ]
        for answer in answers
    ]
    assert seen == ["code_used", "code_expired", "unknown_code"]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "card_number"),
        ({"code": "CODE", "card_number": "9410120000000000"}, "card_number"),
        ({"code": "CODE", "cvv": "123"}, "cvv"),
        ({"code": "CODE", "exp_month": 1}, "exp_month"),
        ({"code": "CODE", "entry": "chip"}, "entry"),
        ({"code": "not a code"}, "code"),
        ({"code": "9410120000000000"}, "code"),
        ({"code": ""}, "code"),
        ({"code": 1}, "code"),
        ({"code": "CODE", "tender": [{"amount": 100}]}, "tender"),
        ({"code": "CODE", "tender": [{"number": 1, "source": "src_01h455vb4pex5vsknk084sn02q"}]}, "tender"),
        ({"code": "CODE", "tender": [{"number": 0}]}, "tender"),
        ({"code": "CODE", "tender": [{"number": 1, "amount": 0}]}, "tender"),
        ({"code": "CODE", "tender": [{"number": 1}] * 11}, "tender"),
        ({"code": "CODE", "tender": [{"number": 1, "source": "card_01h455vb4pex5vsknk084sn02q"}]}, "tender"),
        ({"code": "CODE", "quote": "short"}, "quote"),
        ({"code": "CODE", "passkey": {}}, "passkey.credential"),
    ],
)  # fmt: skip
async def test_what_cannot_be_a_payment_is_refused_and_uses_no_code_up(
    rest: RestHouse, phone: Phone, body: dict[str, Any], param: str
) -> None:
    code = await phone.code()
    wrong = await rest.pay({name: code if value == "CODE" else value for name, value in body.items()})
    assert (wrong.status_code, wrong.json()["param"].split("[")[0]) == (400, param), wrong.text
    assert code not in wrong.text
    assert (await pay(rest, code)).json()["status"] == "approved"


async def test_what_is_thought_through_takes_no_code_to_guess_at(rest: RestHouse, phone: Phone) -> None:
    asked = {"code": await phone.code(), "amount": 100, "currency": "KRW"}
    answer = await rest.client.post("/v1/payments/dry_run", json=asked, headers=rest.merchant)
    assert refused(answer) == (400, "invalid_request", "code")
    as_number = {"card_number": asked.pop("code"), "entry": "swipe"} | asked
    made_up = as_number | {"card_number": a_code_never_made(rest.house).reveal()}
    told = [
        (await rest.client.post("/v1/payments/dry_run", json=body, headers=rest.merchant)).json()
        for body in (as_number, made_up)
    ]
    assert told[0]["status"] == "declined"
    assert told[0] == told[1], "nor is it a number to try"


async def test_points_may_be_asked_for_with_a_code_that_pays_afterwards(
    rest: RestHouse, phone: Phone
) -> None:
    code = await phone.code()
    for _ in range(2):
        asked = {"code": code, "currency": "KRW"}
        shown = await rest.client.post("/v1/points_balances", json=asked, headers=rest.merchant)
        assert (shown.json()["status"], shown.json()["data"]) == ("approved", []), shown.text
    assert (await pay(rest, code)).json()["status"] == "approved"


# -- passkeys beside codes (PC-5) ---------------------------------------------------------------------------


async def test_a_dear_payment_needs_a_passkey_and_its_repeat_needs_no_other(
    rest: RestHouse, phone: Phone
) -> None:
    code = await phone.code()
    bare = await pay(rest, code, DEAR)
    assert bare.json()["decline"]["code"] == "proof_needed"
    passkey = await phone.proof(code)
    paid = await pay(rest, code, DEAR, key="dear", passkey=passkey)
    assert paid.json()["status"] == "approved", paid.text
    rest.house.clock.move_to(rest.house.clock.offset + CHALLENGE_LIFETIME)
    again = await pay(rest, code, DEAR, key="dear", passkey=passkey)
    assert (again.content, again.headers["idempotency-hit"]) == (paid.content, "true")
    replayed = await pay(rest, code, DEAR, passkey=passkey)
    assert refused(replayed) == (422, "passkey_refused", "credential")


async def test_a_passkey_that_answered_for_something_else_pays_nothing_and_spends_nothing(
    rest: RestHouse, phone: Phone
) -> None:
    code, other_code = await phone.code(hours=1), await phone.code(hours=1)
    somebody = await a_phone(rest)
    _, other_shop = await rest.another_merchant()
    forged = await phone.proof(code)
    forged["credential"]["response"]["signature"] = "AAAA"
    over = await phone.proof(code)
    rest.house.clock.move_to(rest.house.clock.offset + CHALLENGE_LIFETIME)
    sign_in = await rest.client.post("/v1/sessions/passkey/options")
    wrong = {
        "for another amount": await phone.proof(code, amount=DEAR - 1),
        "for another currency": await phone.proof(code, currency="USD"),
        "for another code": await phone.proof(other_code),
        "for another shop": await phone.proof(code, headers=other_shop),
        "of somebody else": await somebody.proof(code),
        "to sign in": {"credential": phone.device.get(sign_in.json()["public_key"])},
        "not signed": forged,
        "too late": over,
        "nothing of the kind": {"credential": {}},
    }
    for why, passkey in wrong.items():
        answer = await pay(rest, code, DEAR, passkey=passkey)
        assert refused(answer) == (422, "passkey_refused", "credential"), why
    paid = await pay(rest, code, DEAR, passkey=await phone.proof(code))
    assert paid.json()["status"] == "approved", paid.text


async def test_p10_challenges_and_refusals_tell_nothing_of_whether_there_is_a_code(
    rest: RestHouse, phone: Phone
) -> None:
    used = await phone.code()
    await pay(rest, used)
    never = a_code_never_made(rest.house).reveal()
    shapes = []
    for code in (await phone.code(), used, never):
        asked = {"code": code, "amount": 100, "currency": "KRW"}
        options = await rest.client.post("/v1/code_challenges", json=asked, headers=rest.merchant)
        public_key = options.json()["public_key"]
        assert public_key["allowCredentials"] == []
        shapes.append({**public_key, "challenge": len(public_key["challenge"])})
    assert shapes[0] == shapes[1] == shapes[2]
    stranger = await a_phone(rest)
    answers = [
        await pay(rest, code, DEAR, passkey=await stranger.proof(code))
        for code in (await phone.code(), never)
    ]
    assert [refused(answer) for answer in answers] == [(422, "passkey_refused", "credential")] * 2


async def test_p11_no_code_is_in_any_log(rest: RestHouse, phone: Phone) -> None:
    code = await phone.code()
    with capture_logs() as logs:
        passkey = await phone.proof(code)
        await pay(rest, code, DEAR, passkey=passkey)
        await pay(rest, code)
        await rest.pay({"code": code, "cvv": "123"})
    assert code not in repr(logs)
    async with rest.house.database.connection() as conn:
        told = await conn.fetchval("select string_agg(data::text, '') from events")
    assert code not in told
