"""Reconciliation through the front door: operators run it, see its sums, and explain what does not fit."""

from typing import Any

import httpx
import pytest
import pytest_asyncio
from tests.factories.rest import RestHouse

from obverse.access import Scope
from obverse.kit.ids import from_text

pytestmark = pytest.mark.asyncio(loop_scope="module")
NOBODYS = "01h455vb4pex5vsknk084sn02q"


async def post(rest: RestHouse, path: str, body: dict[str, Any] | None = None) -> httpx.Response:
    return await rest.client.post(path, json=body, headers=rest.operator)


async def get(rest: RestHouse, path: str) -> httpx.Response:
    return await rest.client.get(path, headers=rest.operator)


@pytest_asyncio.fixture(loop_scope="module")
async def found(rest: RestHouse) -> dict[str, Any]:
    """The break of a merchant that settlement owes more than the ledger does."""
    merchant, _ = await rest.another_merchant()
    async with rest.house.database.transaction() as conn:
        await conn.execute(
            "insert into settlement_balances (merchant_id, owed_minor) values ($1, 700)",
            from_text("mer", merchant),
        )
    assert (await post(rest, "/v1/reconciliation_runs")).json()["found"] == 1
    newest: dict[str, Any] = (await get(rest, "/v1/breaks?limit=1")).json()["data"][0]
    assert newest["subject"] == merchant
    return newest


async def test_there_is_no_latest_run_before_the_first(rest: RestHouse) -> None:
    answer = await get(rest, "/v1/reconciliation_runs/latest")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_a_run_tells_the_sums_of_every_house_account(rest: RestHouse) -> None:
    made = await post(rest, "/v1/reconciliation_runs")
    assert made.status_code == 201
    run = made.json()
    assert run == (await get(rest, "/v1/reconciliation_runs/latest")).json()
    assert (run["object"], run["found"], run["cleared"]) == ("reconciliation_run", 0, 0)
    assert run["id"].startswith("run_")
    sums = {each.pop("topic"): each for each in run["comparisons"]}
    assert sums["card_company_receivable"] == {"ours": 0, "ledger": 0, "partner": 0}
    assert sums["bank"] == {"ours": 0, "ledger": 0, "partner": None}, "it has sent no statement yet"
    assert len(sums) == 10


async def test_a_break_is_listed_and_explained_once(rest: RestHouse, found: dict[str, Any]) -> None:
    assert {name: found[name] for name in ("object", "kind", "expected", "found", "currency", "state")} == {
        "object": "break",
        "kind": "merchant_differs_from_ledger",
        "expected": 700,
        "found": 0,
        "currency": "KRW",
        "state": "open",
    }
    path = f"/v1/breaks/{found['id']}/resolve"
    first, again = [await post(rest, path, {"reason": "carried over by hand"}) for _ in range(2)]
    assert (first.status_code, first.json()) == (200, again.json())
    assert (first.json()["state"], first.json()["reason"]) == ("resolved", "carried over by hand")
    assert (first.json()["ended"] is not None, first.json()["gone"]) == (True, None)
    other = await post(rest, path, {"reason": "something else"})
    assert (other.status_code, other.json()["code"]) == (409, "break_not_open")

    assert (await post(rest, "/v1/reconciliation_runs")).json()["found"] == 0
    for state, is_there in (("open", False), ("resolved", True), ("cleared", False)):
        listed = (await get(rest, f"/v1/breaks?state={state}")).json()["data"]
        assert (found["id"] in [each["id"] for each in listed]) is is_there, state
    log = (await get(rest, f"/v1/audit_log?subject={found['id']}")).json()["data"]
    assert [(entry["action"], entry["reason"]) for entry in log] == [
        ("break.resolved", "carried over by hand")
    ]


@pytest.mark.parametrize(
    ("id_", "body", "status", "code"),
    [
        pytest.param(f"brk_{NOBODYS}", {"reason": "why not"}, 404, "break_not_found", id="nobody's"),
        pytest.param("brk_1", {"reason": "why not"}, 404, "not_found", id="no id"),
        pytest.param(f"auth_{NOBODYS}", {"reason": "why not"}, 404, "not_found", id="something else's"),
        pytest.param(f"brk_{NOBODYS}", {}, 400, "invalid_request", id="no reason"),
        pytest.param(f"brk_{NOBODYS}", {"reason": ""}, 400, "invalid_request", id="an empty one"),
        pytest.param(f"brk_{NOBODYS}", {"reason": "x" * 501}, 400, "invalid_request", id="a long one"),
        pytest.param(f"brk_{NOBODYS}", {"reason": "a", "x": 1}, 400, "invalid_request", id="more"),
    ],
)
async def test_p15_what_explains_nothing_is_refused(
    rest: RestHouse, id_: str, body: dict[str, Any], status: int, code: str
) -> None:
    answer = await post(rest, f"/v1/breaks/{id_}/resolve", body)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


@pytest.mark.parametrize("query", ["state=lost", "limit=0", "after=run_" + NOBODYS])
async def test_p15_a_list_that_nobody_could_make_is_refused(rest: RestHouse, query: str) -> None:
    assert (await get(rest, f"/v1/breaks?{query}")).status_code in (400, 404)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/reconciliation_runs"),
        ("GET", "/v1/reconciliation_runs/latest"),
        ("GET", "/v1/breaks"),
        ("POST", f"/v1/breaks/brk_{NOBODYS}/resolve"),
    ],
)
async def test_p12_only_operators_see_breaks(rest: RestHouse, method: str, path: str) -> None:
    for headers in (rest.merchant, await rest.key(Scope.PAYMENTS), (await rest.member()).headers):
        answer = await rest.client.request(method, path, json={"reason": "a try"}, headers=headers)
        assert answer.status_code == 403
