"""Letters on their way to a real mail server and a real SMS provider, and what goes wrong there."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import msgspec
import pytest
from tests.factories.canaries import search
from tests.factories.letters import SAMPLES, a_letter
from tests.factories.mailbox import a_courier
from tests.factories.vault import a_key_file, a_vault_on
from tests.integration.letters.conftest import Post

from obverse.kit.errors import InvalidRequest
from obverse.kit.secret import Secret
from obverse.letters import Channel, Language, Letters, LetterState, UnknownTemplate, letters_rekey
from obverse.letters.errors import LetterForgotten, LetterNotFound, LetterUnderWay
from obverse.letters.jobs import LEASE
from obverse.letters.model import Attempt, Problem
from obverse.letters.rules import ATTEMPTS_MAX, RETRY_AFTER
from obverse.sandbox.faults import Fault, MessageKind
from obverse.vault.jobs import retire, rotate

WHY = {"actor": "key_test", "reason": "The mailbox is there again."}


async def test_a_letter_reaches_its_reader_as_text_and_html(post: Post) -> None:
    await post.post(a_letter(language=Language.KOREAN))
    assert await post.mail.go_round()
    kept = await post.box.letter_to("person1@mail.example")
    assert kept.subject == "김하늘님이 선물 카드를 보냈습니다"
    assert "30,000원" in kept.text
    assert kept.html.startswith("<!doctype html>")
    assert kept.id.startswith("<let_")
    status = await post.only()
    assert (status.state, status.attempts, status.last) == (LetterState.SENT, 1, None)
    assert not await post.mail.go_round(), "nothing is left"


async def test_a_text_message_reaches_its_telephone_once_though_it_is_handed_in_twice(post: Post) -> None:
    letter = a_letter(
        channel=Channel.SMS, to=Secret("010-1234-5678"), template="charged", data=SAMPLES["charged"]
    )
    await post.post(letter)
    post.box.misbehave(Fault.CLOSE, MessageKind.SMS, times=1)
    await post.sms.go_round()
    assert (await post.only()).last == Attempt(Problem.POSTPONED, 503)
    post.clock.move_to(RETRY_AFTER[0])
    await post.sms.go_round()
    (kept,) = post.box.letters_to("01012345678")
    assert kept.text == "[Obverse] Card 7893 topped up with KRW 50,000, balance KRW 63,500"
    assert (await post.only()).state is LetterState.SENT


async def test_letters_of_a_transaction_that_does_not_commit_are_never_sent(post: Post) -> None:
    async def post_and_fail() -> None:
        async with post.database.transaction() as conn:
            await post.letters.post(conn, [a_letter()])
            raise InvalidRequest("Something else was wrong.")

    with pytest.raises(InvalidRequest):
        await post_and_fail()
    assert not await post.mail.go_round()
    assert post.box.box.taken == 0


async def test_a_letter_is_posted_once_under_its_key_however_often_it_is_tried(post: Post) -> None:
    first = a_letter(1, once="statement:mem_1:2026-11-19")
    again = a_letter(2, once="statement:mem_1:2026-11-19")
    assert await post.post(first, a_letter(3)) == 2
    assert await post.post(again) == 0
    assert await post.post(again, a_letter(4, once="another")) == 1
    await post.mail.go_round()
    assert post.box.box.taken == 3


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"to": Secret("x@y.z\r\nRCPT TO:<a@b.c>")}, InvalidRequest),
        ({"channel": Channel.SMS, "template": "charged"}, InvalidRequest),
        ({"template": "poem"}, UnknownTemplate),
        ({"channel": Channel.SMS}, UnknownTemplate),
    ],
    ids=["two commands in an address", "no telephone number", "no such template", "no short form of it"],
)
async def test_what_cannot_be_sent_is_not_posted(
    post: Post, changes: dict[str, object], refusal: type[Exception]
) -> None:
    with pytest.raises(refusal):
        await post.post(a_letter(), a_letter(2, **changes))
    assert await post.statuses() == []


@pytest.mark.parametrize(
    ("channel", "to", "reply"),
    [(Channel.MAIL, "nobody@mail.example", 550), (Channel.SMS, "01012340000", 422)],
)
async def test_a_mailbox_that_does_not_exist_bounces_at_once_and_holds_up_nobody(
    post: Post, channel: Channel, to: str, reply: int
) -> None:
    there = {Channel.MAIL: "somebody@mail.example", Channel.SMS: "01012345678"}[channel]
    common = {"channel": channel, "template": "charged", "data": SAMPLES["charged"]}
    await post.post(a_letter(1, to=Secret(to), **common), a_letter(2, to=Secret(there), **common))
    await (post.mail if channel is Channel.MAIL else post.sms).go_round()
    sent, bounced = await post.statuses()
    assert (sent.state, bounced.state) == (LetterState.SENT, LetterState.BOUNCED)
    assert (bounced.last, bounced.next_at) == (Attempt(Problem.REFUSED, reply), None)
    assert bounced.over_at is not None
    ((type_, data),) = await post.news()
    assert type_ == "letter.bounced"
    told = msgspec.json.decode(data)
    assert told["letter"].startswith("let_")
    assert told == {
        "letter": told["letter"],
        "template": "charged",
        "channel": channel,
        "subject": str(UUID(int=1)),
    }
    assert to not in data


@pytest.mark.parametrize(
    ("fault", "last"),
    [
        (Fault.POSTPONE, Attempt(Problem.POSTPONED, 451)),
        (Fault.REFUSE, Attempt(Problem.POSTPONED, 421)),
        (Fault.CLOSE, Attempt(Problem.UNREACHABLE)),
        (Fault.SILENT, Attempt(Problem.UNREACHABLE)),
        (Fault.LOST, Attempt(Problem.UNREACHABLE)),
        (Fault.GARBAGE, Attempt(Problem.UNREACHABLE)),
    ],
)
async def test_what_went_wrong_for_a_while_is_tried_again_under_the_same_message_id(
    post: Post, fault: Fault, last: Attempt
) -> None:
    await post.post()
    post.box.misbehave(fault, times=2)
    for attempts in (1, 2):
        await post.mail.go_round()
        status = await post.only()
        assert (status.state, status.attempts, status.last) == (LetterState.READY, attempts, last)
        assert not await post.mail.go_round(), "not before its time"
        assert status.next_at is not None
        post.clock.move_to(post.clock.offset + (status.next_at - post.clock.now()))
    await post.mail.go_round()
    assert (await post.only()).state is LetterState.SENT
    kept = post.box.letters_to("person1@mail.example")
    assert len({each.id for each in kept}) == 1
    assert len(kept) == (3 if fault in (Fault.CLOSE, Fault.SILENT, Fault.GARBAGE) else 1)


async def test_while_nobody_can_be_reached_one_letter_is_tried_and_the_others_wait(post: Post) -> None:
    await post.post(*[a_letter(number) for number in range(1, 41)])
    port = post.box.mail.port
    await post.box.mail.stop()
    for _ in range(3):
        assert not await post.mail.go_round()
    tried = [status for status in await post.statuses() if status.attempts]
    assert 0 < len(tried) <= 8 + 2, "eight lines in the first round, one probe in the others"
    assert all(status.last == Attempt(Problem.UNREACHABLE) for status in tried)
    await post.box.mail.start("127.0.0.1", port)
    while await post.mail.go_round():
        continue
    post.clock.move_to(RETRY_AFTER[0])
    while await post.mail.go_round():
        continue
    assert {status.state for status in await post.statuses()} == {LetterState.SENT}
    assert post.box.box.taken == 40


async def test_a_letter_that_cannot_be_written_fails_and_holds_up_nobody(post: Post) -> None:
    await post.post(a_letter(1, data={"from_name": "Kim"}), a_letter(2))
    await post.mail.go_round()
    sent, failed = await post.statuses()
    assert (sent.state, failed.state) == (LetterState.SENT, LetterState.FAILED)
    assert failed.last == Attempt(Problem.NOT_WRITTEN)
    assert [type_ for type_, _ in await post.news()] == ["letter.failed"]


async def test_what_another_courier_took_over_is_not_noted_by_the_slow_one(post: Post) -> None:
    """The lease of the first is over while it waits for the mail server; the second's word counts."""
    await post.post()

    class Slow:
        async def carry(self, letter: object) -> Attempt:
            post.clock.move_to(timedelta(minutes=6))
            await post.mail.go_round()
            return Attempt(Problem.REFUSED, 550)

    slow = a_courier(Slow(), post.database, post.vault, post.clock, post.new_id)
    await slow.go_round()
    assert (await post.only()).state is LetterState.SENT
    assert await post.news() == []


async def test_a_letter_whose_couriers_all_die_is_given_up_and_not_sent_for_ever(post: Post) -> None:
    await post.post()

    class Dying:
        async def carry(self, letter: object) -> Attempt:
            raise asyncio.CancelledError

    dying = a_courier(Dying(), post.database, post.vault, post.clock, post.new_id)
    for _ in range(ATTEMPTS_MAX):
        await dying.go_round()
        post.clock.move_to(post.clock.offset + LEASE)
    await post.mail.go_round()
    status = await post.only()
    assert (status.state, status.attempts) == (LetterState.FAILED, ATTEMPTS_MAX + 1)
    assert post.box.box.taken == 0


async def test_what_was_sent_is_noted_though_the_database_was_away_meanwhile(
    post: Post, cut_connections: Callable[[], Awaitable[None]]
) -> None:
    await post.post()

    class Cutting:
        async def carry(self, letter: object) -> Attempt:
            await cut_connections()
            return Attempt(None)

    await a_courier(Cutting(), post.database, post.vault, post.clock, post.new_id).go_round()
    assert (await post.only()).state is LetterState.SENT


async def test_a_bounced_letter_can_be_sent_again_once_its_mailbox_is_there(post: Post) -> None:
    await post.post()
    post.box.misbehave(Fault.BOUNCE, times=1)
    await post.mail.go_round()
    bounced = await post.only()
    assert bounced.last == Attempt(Problem.REFUSED, 554)
    again = await post.letters.send_again(bounced.id, **WHY)
    assert (again.state, again.attempts) == (LetterState.READY, 0)
    with pytest.raises(LetterUnderWay):
        await post.letters.send_again(bounced.id, **WHY)
    await post.mail.go_round()
    assert (await post.only()).state is LetterState.SENT
    await post.letters.send_again(bounced.id, **WHY)
    await post.mail.go_round()
    first, copy = post.box.letters_to("person1@mail.example")
    assert first.id == copy.id
    async with post.database.connection() as conn:
        assert await conn.fetchval("select count(*) from audit_log where action = 'letter.sent_again'") == 2


async def test_address_and_contents_are_forgotten_after_a_month_and_the_key_is_not(post: Post) -> None:
    await post.post(a_letter(1, once="first"))
    await post.mail.go_round()
    await post.post(a_letter(2, to=Secret("nobody@mail.example")))
    post.clock.move_to(timedelta(days=29))
    assert await post.letters.forget() == 0
    post.clock.move_to(timedelta(days=31))
    assert await post.letters.forget() == 1, "the other is still to be sent"
    sent = next(each for each in await post.statuses() if each.state is LetterState.SENT)
    with pytest.raises(LetterForgotten):
        await post.letters.send_again(sent.id, **WHY)
    assert await post.post(a_letter(3, once="first")) == 0
    with pytest.raises(LetterNotFound):
        await post.letters.send_again(a_letter(9).id, **WHY)


async def test_p11_address_and_contents_are_sealed_at_rest_and_in_no_log(
    post: Post, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", "obverse")
    canaries = {
        "address": "hush.canary@mail.example",
        "message": "a private word",
        "token": "3yR0wqSecret",
    }
    data = {**SAMPLES["gift"], "message": canaries["message"], "link": Secret(f"/gifts/{canaries['token']}")}
    broken = {"from_name": "Kim", "message": canaries["message"]}
    to = Secret(canaries["address"])
    await post.post(a_letter(1, to=to, data=data), a_letter(2, to=to, data=broken))
    post.box.misbehave(Fault.BOUNCE, times=1)
    await post.mail.go_round()
    async with post.database.connection() as conn:
        stored = [*await conn.fetch("table letters"), *await conn.fetch("table events")]
    written = "\n".join([repr(dict(row)) for row in stored]) + caplog.text + "".join(capfd.readouterr())
    sealed = b"".join([row["sealed"] for row in stored if "sealed" in row])
    assert len(stored) == 4
    assert "letter_not_written" in written
    assert search(written.encode(), canaries) == search(sealed, canaries) == []


async def test_keys_turn_over_while_letters_wait(post: Post, tmp_path: Path) -> None:
    vault = a_vault_on(a_key_file(tmp_path))
    letters = Letters(post.database, vault, clock=post.clock, new_id=post.new_id)
    async with post.database.transaction() as conn:
        await letters.post(conn, [a_letter(number) for number in range(1, 6)])
    steps = [letters_rekey(vault)]
    await rotate(post.database, vault, steps, lambda *_: None, batch=2)
    await retire(post.database, vault, steps)
    courier = a_courier(post.mail._carrier, post.database, vault, post.clock, post.new_id)
    await courier.go_round()
    assert post.box.box.taken == 5
