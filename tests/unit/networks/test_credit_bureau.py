"""The credit bureau over HTTP: only a clear answer counts."""

import httpx
import pytest

from obverse.kit.errors import Unavailable
from obverse.kit.secret import Secret
from obverse.networks.credit_bureau import CreditBureauClient
from obverse.wallet import CreditStanding

IDENTITY = Secret("9001011234567")


def a_bureau(answer: httpx.Response | Exception) -> tuple[CreditBureauClient, list[httpx.Request]]:
    """A client whose bureau gives this answer."""
    asked: list[httpx.Request] = []

    def respond(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        if isinstance(answer, Exception):
            raise answer
        return answer

    client = CreditBureauClient("http://bureau")
    client._http = httpx.AsyncClient(base_url="http://bureau", transport=httpx.MockTransport(respond))
    return client, asked


@pytest.mark.parametrize("standing", CreditStanding)
async def test_a_clear_answer_is_taken(standing: CreditStanding) -> None:
    client, asked = a_bureau(httpx.Response(200, json={"standing": standing}))
    assert await client.standing(IDENTITY) is standing
    assert asked[0].url.path == "/v1/standing"
    assert asked[0].content == b'{"identity_number":"9001011234567"}'


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, json={"standing": "so-so"}),
        httpx.Response(200, json={"standing": ["good"]}),
        httpx.Response(200, json={}),
        httpx.Response(200, json=[]),
        httpx.Response(200, text="<html>"),
        httpx.Response(200, content=b"\xff\xfe\xff"),
        httpx.Response(302, headers={"location": "http://elsewhere/"}),
        httpx.Response(500, json={"standing": "good"}),
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("slow"),
    ],
    ids=[
        "unknown_word",
        "wrong_type",
        "nothing",
        "list",
        "html",
        "bytes",
        "redirect",
        "error",
        "unreachable",
        "timeout",
    ],
)
async def test_p11_anything_else_is_no_answer_and_does_not_carry_the_number(
    answer: httpx.Response | Exception,
) -> None:
    client, _ = a_bureau(answer)
    with pytest.raises(Unavailable) as refusal:
        await client.standing(IDENTITY)
    assert refusal.value.__cause__ is None
    assert IDENTITY.reveal() not in str(refusal.value)
