"""What the docs show is what happens: the page, the examples, and every console block of docs/rest.md."""

import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio
from tests.factories.members import PASSWORD
from tests.factories.rest import RestHouse

from obverse.doors.acquirer import AcquirerDoor
from obverse.doors.rest.problems import PROBLEMS
from obverse.doors.rest.server import RestDoor

pytestmark = pytest.mark.asyncio(loop_scope="module")
ROOT = Path(__file__).parents[3]
REST_PAGE = (ROOT / "docs/rest.md").read_text()


@pytest_asyncio.fixture(loop_scope="module")
async def demo(rest: RestHouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Path]:
    """Both doors open, webhooks to this machine allowed, and a demo.json that says where."""
    monkeypatch.setattr(rest.webhooks.webhooks, "_private", True)
    member = await rest.member()
    merchant, key = await rest.another_merchant()
    shop = (await rest.client.get(f"/v1/merchants/{merchant}", headers=key)).json()
    doors = (
        RestDoor(rest.app),
        AcquirerDoor(rest.engine, rest.claims.service, rest.house.merchants, now=rest.house.clock.now),
    )
    async with AsyncExitStack() as stack:
        for door in doors:
            await door.start("127.0.0.1", 0)
            stack.push_async_callback(door.stop)
        told = {
            "rest_url": f"http://127.0.0.1:{doors[0].port}",
            "clearing_house": {"host": "127.0.0.1", "port": doors[1].port},
            "api_key": rest.operator["Authorization"].removeprefix("Bearer "),
            "members": [{"id": member.id, "password": PASSWORD.reveal()}],
            "merchants": [{**shop, "api_key": key["Authorization"].removeprefix("Bearer ")}],
        }
        file = tmp_path / "demo.json"
        file.write_text(json.dumps(told))
        yield file


async def run(*command: str, folder: Path = ROOT, **environment: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env={"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "NO_PROXY": "*", **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, (out + err).decode()
    return out.decode()


async def test_the_purchase_with_curl_is_approved_repeated_and_declined(demo: Path) -> None:
    printed = await run("sh", "examples/purchase_with_curl.sh", str(demo))

    first, hit, second = printed.strip().split("\n")
    assert json.loads(first)["status"] == "approved"
    assert hit.strip() == "idempotency-hit: true"
    assert json.loads(second)["status"] == "declined"


async def test_the_purchase_at_a_till_is_approved_repeated_and_declined(demo: Path) -> None:
    printed = await run(sys.executable, "examples/purchase_at_a_till.py", str(demo))

    first, repeat, second = [line.split(": ")[1] for line in printed.strip().split("\n")]
    assert re.fullmatch(r"00 [A-Z0-9]{6}", first)
    assert repeat == first
    assert second == "57"


async def test_every_console_block_of_the_rest_page_does_what_it_shows(demo: Path, tmp_path: Path) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    lines = "\n".join(re.findall(r"```console\n(.*?)```", REST_PAGE, re.DOTALL))
    commands = [line[2:] for line in lines.splitlines() if line.startswith("$ ")]
    shown = [line for line in lines.splitlines() if not line.startswith("$ ")]

    printed = await run("sh", "-euc", "\n".join(commands), folder=tmp_path, DEMO=str(demo))

    assert len(commands) > 40
    assert [line.strip() for line in printed.strip().splitlines()] == [line for line in shown if line]


async def test_the_console_blocks_of_the_members_page_do_what_they_show(demo: Path, tmp_path: Path) -> None:
    page = (ROOT / "docs/members.md").read_text()
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    lines = "\n".join(re.findall(r"```console\n(.*?)```", page, re.DOTALL)).splitlines()
    commands = [line[2:] for line in lines if line.startswith("$ ")]
    shown = [line for line in lines if not line.startswith("$ ")]

    printed = await run("sh", "-euc", "\n".join(commands), folder=tmp_path, DEMO=str(demo))

    assert len(commands) > 10
    assert [line.strip() for line in printed.strip().splitlines()] == [line for line in shown if line]


async def test_the_docs_page_shows_every_operation_and_problem_and_asks_no_other_host(
    rest: RestHouse,
) -> None:
    page = await rest.client.get("/docs")
    style = await rest.client.get("/docs/style.css")
    document = (await rest.client.get("/v1/openapi")).json()

    assert document["openapi"].startswith("3.1")
    for path in document["paths"]:
        assert f"<code>{path}</code>" in page.text
    for code in PROBLEMS:
        assert f'id="{code}"' in page.text
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    own = str(rest.client.base_url).rstrip("/")
    assert not re.findall(r"(?:https?:)?//(?!\s)[\w.]+", (page.text + style.text).replace(own, ""))
    assert "<script" not in page.text


async def test_every_operation_says_what_it_does_and_that_problems_are_problems(rest: RestHouse) -> None:
    document = (await rest.client.get("/v1/openapi")).json()

    for path, item in document["paths"].items():
        for method, operation in item.items():
            assert operation["description"], (method, path)
            refused = operation["responses"]["401"]["content"]
            assert list(refused) == ["application/problem+json"]
            for parameter in operation.get("parameters", ()):
                assert parameter["in"] == "path" or parameter.get("description"), (path, parameter["name"])
    evidence = document["paths"]["/v1/disputes/{dispute_id}/documents"]["post"]["requestBody"]
    assert set(evidence["content"]) == {"application/pdf", "image/png", "image/jpeg", "text/plain"}
