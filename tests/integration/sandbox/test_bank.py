"""The sandbox bank at its counter: accounts, payments of people, faults, the partners' clock."""

from collections.abc import AsyncIterator
from random import Random

import httpx
import pytest
from tests.factories.sandbox import FREE_PORTS, HOST

from obverse.kit.clock import Clock
from obverse.sandbox import Sandbox

MEMBER = {"bank_code": "004", "number": "333444555666", "holder": "A member"}
PROVIDER = "100200300400"


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    sandbox = Sandbox(FREE_PORTS, Clock())
    await sandbox.start()
    yield sandbox
    await sandbox.stop()


@pytest.fixture
async def control(sandbox: Sandbox) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"http://{HOST}:{sandbox.control.port}") as client:
        yield client


async def balances(control: httpx.AsyncClient) -> dict[str, int]:
    return {each["number"]: each["balance"] for each in (await control.get("/bank/accounts")).json()["data"]}


async def test_a_member_pays_a_bill_at_the_counter(control: httpx.AsyncClient) -> None:
    body = {"payer": MEMBER, "amount": 34_000, "reference": "OBV-B-7G2K1X9M4Q"}
    answer = await control.post("/bank/transfers", json=body)
    assert (answer.status_code, answer.json()) == (201, {"status": "booked", "reason": ""})
    assert (await balances(control))[PROVIDER] == 34_000


async def test_who_has_too_little_is_refused(control: httpx.AsyncClient) -> None:
    await control.put("/bank/accounts", json=MEMBER | {"balance": 100})
    body = {"payer": MEMBER, "amount": 101, "reference": "x"}
    assert (await control.post("/bank/transfers", json=body)).json()["status"] == "refused"
    assert (await balances(control))[PROVIDER] == 0


async def test_an_account_is_closed_at_the_counter(control: httpx.AsyncClient, sandbox: Sandbox) -> None:
    await control.put("/bank/accounts", json=MEMBER | {"closed": True})
    transfer = {
        "id": "1" * 32,
        "amount": 5,
        "currency": "KRW",
        "bank_code": "004",
        "account": MEMBER["number"],
        "holder": "A member",
        "reference": "x",
    }
    async with httpx.AsyncClient(base_url=f"http://{HOST}:{sandbox.bank.port}") as bank:
        body = {"account": PROVIDER, "transfers": [transfer]}
        answer = await bank.post("/v1/transfers", json=body)
        assert answer.json()["results"][0]["status"] == "refused"
        told = await bank.get("/v1/transfers", params={"id": ["1" * 32, "2" * 32]})
        assert [each["status"] for each in told.json()["results"]] == ["refused", "unknown"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/bank/transfers", {"payer": MEMBER, "amount": 0, "reference": "x"}),
        ("/bank/transfers", {"payer": MEMBER | {"number": "x"}, "amount": 1, "reference": "x"}),
        ("/bank/transfers", {"amount": 1}),
    ],
)
async def test_the_counter_does_not_take_everything(
    control: httpx.AsyncClient, path: str, body: dict
) -> None:
    assert (await control.post(path, json=body)).status_code == 400


@pytest.mark.parametrize("seed", range(5))
async def test_p15_the_banks_api_survives_garbage(sandbox: Sandbox, seed: int) -> None:
    rng = Random(seed)
    async with httpx.AsyncClient(base_url=f"http://{HOST}:{sandbox.bank.port}") as bank:
        answers = [
            await bank.post("/v1/transfers", content=rng.randbytes(200)),
            await bank.post("/v1/transfers", json={"account": PROVIDER, "transfers": []}),
            await bank.get("/v1/transfers"),
            await bank.get("/v1/statements/2026-13-01", params={"account": PROVIDER}),
            await bank.get("/v1/statements/2026-11-20", params={"account": "nobody"}),
        ]
    assert {answer.status_code for answer in answers} <= {400, 404}


async def test_the_partners_clock_is_moved_for_all(control: httpx.AsyncClient, sandbox: Sandbox) -> None:
    before = sandbox.bank.book.today()
    assert (await control.get("/clock")).json() == {"offset_seconds": 0}
    await control.put("/clock", json={"offset_seconds": 3 * 86_400})
    assert (await control.get("/clock")).json() == {"offset_seconds": 259_200}
    assert (sandbox.bank.book.today() - before).days in (3, 4)
    assert (await control.put("/clock", json={"offset_seconds": -1})).status_code == 400
