"""Letters through the front door: operators see what became of each, neither its address nor its contents."""

import pytest
from tests.factories.letters import SAMPLES, a_letter
from tests.factories.mailbox import a_courier
from tests.factories.rest import RestHouse

from obverse.kit.ids import LetterId, from_text, to_text
from obverse.kit.secret import Secret
from obverse.letters import Letters
from obverse.letters.model import Attempt, Problem, Written

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Bouncing:
    """A mail server that knows nobody."""

    async def carry(self, letter: Written) -> Attempt:
        return Attempt(Problem.REFUSED, 550)


async def test_a_bounced_letter_is_seen_and_sent_again_by_operators(rest: RestHouse) -> None:
    house = rest.house
    letters = Letters(house.database, house.vault, clock=house.clock, new_id=house.new_id)
    letter = a_letter(id=LetterId(house.new_id()), to=Secret("canary@mail.example"), data=SAMPLES["gift"])
    async with house.database.transaction() as conn:
        await letters.post(conn, [letter])
    await a_courier(Bouncing(), house.database, house.vault, house.clock, house.new_id).go_round()

    answer = await rest.client.get("/v1/letters?state=bounced", headers=rest.operator)
    assert answer.status_code == 200
    assert "canary" not in answer.text
    assert SAMPLES["gift"]["from_name"] not in answer.text
    (seen,) = answer.json()["data"]
    assert seen == {
        "id": to_text("let", letter.id),
        "object": "letter",
        "state": "bounced",
        "template": "gift",
        "channel": "mail",
        "language": "en",
        "subject": str(letter.subject_id),
        "member": None,
        "attempts": 1,
        "next_attempt": None,
        "last_error": {"problem": "refused", "reply": 550},
        "created": seen["created"],
        "over": seen["over"],
    }

    path, reason = f"/v1/letters/{seen['id']}/send_again", {"reason": "She has the mailbox again."}
    again = await rest.client.post(path, json=reason, headers=rest.operator)
    assert (again.status_code, again.json()["state"]) == (200, "ready")
    assert (again.json()["attempts"], again.json()["over"]) == (0, None)
    twice = await rest.client.post(path, json=reason, headers=rest.operator)
    assert (twice.status_code, twice.json()["code"]) == (409, "letter_under_way")
    noted = await rest.client.get(f"/v1/audit_log?subject={seen['id']}", headers=rest.operator)
    assert [entry["action"] for entry in noted.json()["data"]] == ["letter.sent_again"]
    assert from_text("let", seen["id"]) == letter.id


async def test_a_letter_that_is_not_there_cannot_be_sent_again(rest: RestHouse) -> None:
    path = "/v1/letters/let_01h455vb4pex5vsknk084sn02q/send_again"
    answer = await rest.client.post(path, json={"reason": "A try."}, headers=rest.operator)
    assert (answer.status_code, answer.json()["code"]) == (404, "letter_not_found")
