"""Everybody's mailbox, as people look into it, and the SMS provider that asks who is sending."""

import smtplib
from asyncio import to_thread
from collections.abc import AsyncIterator
from email.message import EmailMessage

import httpx
import pytest
from tests.factories.sandbox import FREE_PORTS, HOST

from obverse.kit.clock import Clock
from obverse.sandbox import Sandbox
from obverse.sandbox.mailbox import KEPT_MAX, Box

TEXT = {"id": "let_1", "to": "01012345678", "text": "[Obverse] 안녕하세요"}
KEY = {"Authorization": "Bearer anything"}


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    sandbox = Sandbox(FREE_PORTS, Clock())
    await sandbox.start()
    yield sandbox
    await sandbox.stop()


async def test_mail_and_text_messages_are_shown_to_whoever_looks_into_the_mailbox(sandbox: Sandbox) -> None:
    ports = sandbox.ports()

    def send() -> None:
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Subject"] = "us@obverse.example", "kim@mail.example", "선물"
        mail.set_content("받으세요")
        mail.add_alternative("<p>받으세요</p>", subtype="html")
        with smtplib.SMTP(HOST, ports["mail"]) as relay:
            relay.send_message(mail)

    await to_thread(send)
    async with httpx.AsyncClient() as client:
        for _ in range(2):
            sent = await client.post(f"http://{HOST}:{ports['sms']}/v1/messages", json=TEXT, headers=KEY)
            assert sent.status_code == 202
        box = f"http://{HOST}:{ports['control']}/mailbox"
        mail, text = (await client.get(box)).json()["data"]
        assert (mail["channel"], mail["to"], mail["from"]) == (
            "mail",
            "kim@mail.example",
            "us@obverse.example",
        )
        assert (mail["subject"], mail["text"].strip(), mail["html"].strip()) == (
            "선물",
            "받으세요",
            "<p>받으세요</p>",
        )
        assert (text["channel"], text["to"], text["text"], text["id"]) == (
            "sms",
            "01012345678",
            TEXT["text"],
            "let_1",
        )
        of_one = (await client.get(box, params={"to": "01012345678"})).json()["data"]
        later = (await client.get(box, params={"after": mail["number"]})).json()["data"]
        assert of_one == later == [text]


@pytest.mark.parametrize(
    ("changes", "headers", "status"),
    [({}, {}, 401), ({"to": "01012340000"}, KEY, 422), ({"id": 1}, KEY, 400), ({"more": ""}, KEY, 400)],
    ids=["without a key", "a number that is not there", "no message", "a field too many"],
)
async def test_the_sms_provider_refuses(
    sandbox: Sandbox, changes: dict[str, object], headers: dict[str, str], status: int
) -> None:
    async with httpx.AsyncClient(base_url=f"http://{HOST}:{sandbox.sms_provider.port}") as client:
        answer = await client.post("/v1/messages", json=TEXT | changes, headers=headers)
    assert answer.status_code == status
    assert sandbox.mailbox.letters() == []


def test_a_mailbox_keeps_the_last_messages_only() -> None:
    box = Box()
    for number in range(KEPT_MAX + 5):
        box.take_sms(str(number), "010", "text", Clock().now())
    assert box.taken == KEPT_MAX + 5
    assert [box.letters()[0].id, len(box.letters())] == ["5", KEPT_MAX]
