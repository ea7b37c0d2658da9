"""Claim files: what comes in, what is paid, what is refused, and that nothing is paid twice (OT-16)."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from tests.factories.claims import EUR, NUMBER, ClaimWorld, a_file, a_line, in_pieces, line_of
from tests.factories.merchants import a_merchant

from obverse.clearing.claims import Bucket, Count, FileProblem, FileState, Outcome, Reason
from obverse.clearing.claims import jobs as claim_jobs
from obverse.kit.errors import Unavailable


async def test_a_valid_claim_is_paid_once_and_the_report_says_so(claiming: ClaimWorld) -> None:
    whole, part, sale = [await claiming.approved() for _ in range(3)]
    await claiming.engine.engine.capture(sale.payment.id, 34_000)

    file, lines = await claiming.done(
        a_file(
            [
                line_of(whole),
                line_of(part, 10_000, final="partial"),
                line_of(sale, 4_000, kind="refund", reference="BACK-1"),
            ]
        )
    )

    assert file.state is FileState.DONE
    assert file.claims == Count(3, 48_000)
    assert file.report[Bucket.CAPTURED] == Count(2, 44_000)
    assert file.report[Bucket.REFUNDED] == Count(1, 4_000)
    assert [line.outcome for line in lines] == [Outcome.PAID] * 3
    assert [line.line for line in lines] == [2, 3, 4]
    assert lines[0].last_four == whole.number[-4:]
    paid = [await claiming.engine.engine.get(each.payment.id) for each in (whole, part, sale)]
    assert [(each.captured_minor, each.refunded_minor) for each in paid] == [
        (34_000, 0),
        (10_000, 0),
        (34_000, 4_000),
    ]
    assert paid[1].open_minor == 24_000
    assert await claiming.events() == ["claim.paid"] * 3 + ["claim_file.done"]


async def test_every_mismatch_is_refused_with_its_reason_and_the_others_go_on(claiming: ClaimWorld) -> None:
    good, wrong_code, too_much, reversed_, captured, at_once = [await claiming.approved() for _ in range(6)]
    elsewhere = await a_merchant(claiming.engine.house.merchants)
    foreign = await claiming.approved()
    await claiming.engine.engine.cancel(reversed_.payment.id)
    await claiming.engine.engine.capture(captured.payment.id)
    refundless = await claiming.approved()
    at_once = await claiming.approved(capture=True)
    refunded = await claiming.approved(capture=True)
    await claiming.engine.engine.refund(refunded.payment.id)

    _, lines = await claiming.done(
        a_file(
            [
                line_of(good),
                line_of(wrong_code, code="ZZZZZZ"),
                a_line(number=NUMBER),
                line_of(too_much, 34_001),
                line_of(reversed_),
                line_of(captured),
                line_of(refundless, kind="refund"),
                line_of(at_once),
                line_of(at_once, 33_999),
                line_of(refunded, 1, kind="refund"),
            ]
        )
    )
    file, _ = await claiming.send(a_file([line_of(foreign)]), elsewhere)
    await claiming.work.carry_out_due()
    (stranger,) = await claiming.lines(file)

    assert [(line.outcome, line.reason) for line in lines] == [
        (Outcome.PAID, None),
        (Outcome.REFUSED, Reason.NO_SUCH_PAYMENT),
        (Outcome.REFUSED, Reason.NO_SUCH_PAYMENT),
        (Outcome.REFUSED, Reason.CAPTURE_TOO_LARGE),
        (Outcome.REFUSED, Reason.REVERSED),
        (Outcome.REFUSED, Reason.ALREADY_CAPTURED),
        (Outcome.REFUSED, Reason.NOT_REFUNDABLE),
        (Outcome.PAID, None),
        (Outcome.REFUSED, Reason.ALREADY_CAPTURED),
        (Outcome.REFUSED, Reason.NOT_REFUNDABLE),
    ]
    assert lines[7].repeated, "a sale captured at once has been paid"
    assert (stranger.outcome, stranger.reason) == (Outcome.REFUSED, Reason.WRONG_MERCHANT)
    assert await claiming.captured(foreign) == 0


async def test_a_claim_in_another_currency_is_refused(claiming: ClaimWorld) -> None:
    approved = await claiming.approved()
    _, (line,) = await claiming.done(a_file([line_of(approved)], header=f"header,1,{EUR}"))
    assert line.reason is Reason.WRONG_CURRENCY


async def test_the_same_claim_in_another_file_gets_the_same_answer_and_pays_nothing_more(
    claiming: ClaimWorld,
) -> None:
    approved = await claiming.approved()
    first = line_of(approved, 10_000, reference="ORDER-A", final="partial")
    await claiming.done(a_file([first]))

    file, lines = await claiming.done(
        a_file([first, first, line_of(approved, 11_000, reference="ORDER-A", final="partial")])
    )

    assert [(line.outcome, line.reason, line.repeated) for line in lines] == [
        (Outcome.PAID, None, True),
        (Outcome.PAID, None, True),
        (Outcome.REFUSED, Reason.REFERENCE_REUSED, False),
    ]
    assert file.report[Bucket.REPEATED] == Count(2, 20_000)
    assert await claiming.captured(approved) == 10_000


async def test_the_same_reference_twice_in_one_file_is_paid_once(claiming: ClaimWorld) -> None:
    approved = await claiming.approved()
    line = line_of(approved, 10_000, final="partial")
    file, lines = await claiming.done(a_file([line, line]))
    assert [line.repeated for line in lines] == [False, True]
    assert file.report[Bucket.CAPTURED] == Count(1, 10_000)
    assert await claiming.captured(approved) == 10_000


async def test_the_same_file_again_gets_the_first_report(claiming: ClaimWorld) -> None:
    approved = await claiming.approved()
    data = a_file([line_of(approved)])
    first, _ = await claiming.send(data)
    again, repeated = await claiming.send(data)
    await claiming.work.carry_out_due()
    done, known = await claiming.send(data)

    assert (again.id, repeated, known) == (first.id, True, True)
    assert done.report[Bucket.CAPTURED] == Count(1, 34_000)
    assert await claiming.work.sweep() == 2, "what came in twice is cleared away"
    assert len(await claiming.lines(first)) == 1
    async with claiming.engine.house.database.connection() as conn:
        assert await conn.fetchval("select count(*) from claims") == 1
        assert await conn.fetchval("select count(*) from claim_files") == 1


async def test_a_broken_line_is_refused_with_its_number_and_the_others_are_paid(
    claiming: ClaimWorld,
) -> None:
    first, last = await claiming.approved(), await claiming.approved()
    broken = line_of(first, "ten", reference="BROKEN")
    trailer = "trailer,3,78000"

    file, lines = await claiming.done(a_file([line_of(first), broken, line_of(last)], trailer=trailer))

    assert [line.outcome for line in lines] == [Outcome.PAID, Outcome.REFUSED, Outcome.PAID]
    assert (lines[1].line, lines[1].reason, lines[1].column) == (3, Reason.BROKEN_LINE, "amount")
    assert (lines[1].reference, lines[1].last_four) == (None, None), "nothing of it is kept"
    assert file.report[Bucket.REFUSED] == Count(1, 0)


@pytest.mark.parametrize(
    ("trailer", "problem"),
    [
        ("trailer,2,68000", FileProblem.WRONG_COUNT),
        ("trailer,1,34001", FileProblem.WRONG_SUM),
        ("trailer,1", FileProblem.NO_TRAILER),
    ],
    ids=["count", "sum", "cut short"],
)
async def test_a_file_whose_totals_are_wrong_is_refused_before_anything_is_paid(
    claiming: ClaimWorld, trailer: str, problem: FileProblem
) -> None:
    approved = await claiming.approved()
    data = a_file([line_of(approved)], trailer=trailer)
    file, lines = await claiming.done(data)
    again, repeated = await claiming.send(data)
    swept = await claiming.work.sweep()

    assert (file.state, file.problem) == (FileState.REFUSED, problem)
    assert (again.id, again.problem, repeated) == (file.id, problem, True)
    assert swept == 2
    assert await claiming.lines(file) == []
    assert await claiming.captured(approved) == 0
    assert await claiming.events() == []
    assert [line.outcome for line in lines] == [Outcome.MATCHED]


async def test_an_upload_that_is_cut_off_leaves_nothing(claiming: ClaimWorld) -> None:
    approved = await claiming.approved()
    data = a_file([line_of(approved)])

    async def cut_off() -> AsyncIterator[bytes]:
        yield data[:-20]
        raise ConnectionError

    with pytest.raises(ConnectionError):
        await claiming.files.receive(claiming.shop.id, cut_off())
    await claiming.work.sweep()
    file, repeated = await claiming.send(data)

    assert not repeated
    async with claiming.engine.house.database.connection() as conn:
        assert await conn.fetchval("select count(*) from claim_files") == 1
    assert file.state is FileState.PROCESSING


async def test_a_file_that_is_killed_in_the_middle_is_finished_and_pays_nothing_twice(
    claiming: ClaimWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claim_jobs, "CHUNK", 2)
    approved = [await claiming.approved() for _ in range(13)]
    file, _ = await claiming.send(a_file([line_of(each) for each in approved]))
    save, saved = claim_jobs.repository.save_verdicts, 0

    async def dies_before_the_second_commit(*args: object) -> None:
        nonlocal saved
        saved += 1
        if saved == 2:
            raise asyncio.CancelledError
        await save(*args)

    with monkeypatch.context() as dying:
        dying.setattr(claim_jobs.repository, "save_verdicts", dies_before_the_second_commit)
        with pytest.raises(asyncio.CancelledError):
            await claiming.work.carry_out()
    captured = [await claiming.captured(each) for each in approved]
    assert (captured[:4], captured[12]) == ([34_000] * 4, 0), "some chunks between them may have been begun"
    halfway = await claiming.files.get(file.id)
    assert halfway.report[Bucket.CAPTURED] == Count(2, 68_000)
    assert await claiming.work.carry_out() is None, "its lease is not over"

    claiming.engine.house.clock.move_to(claiming.engine.house.clock.offset + claim_jobs._LEASE)
    await claiming.work.carry_out_due()

    done = await claiming.files.get(file.id)
    assert done.state is FileState.DONE
    assert done.report[Bucket.CAPTURED] == Count(13, 13 * 34_000), "paid by this file, whoever finished it"
    assert [await claiming.captured(each) for each in approved] == [34_000] * 13
    assert await claiming.events() == ["claim.paid"] * 13 + ["claim_file.done"]


async def test_a_refund_may_follow_its_capture_in_the_same_file(claiming: ClaimWorld) -> None:
    approved = [await claiming.approved(1_000) for _ in range(600)]
    captures = [line_of(each, 1_000) for each in approved]
    refunds = [line_of(each, 1_000, kind="refund") for each in approved]

    file, _ = await claiming.done(a_file(captures + refunds))

    assert file.report[Bucket.CAPTURED] == file.report[Bucket.REFUNDED] == Count(600, 600_000)


async def test_two_processes_at_one_file_count_and_pay_each_line_once(
    claiming: ClaimWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claim_jobs, "CHUNK", 3)
    approved = [await claiming.approved() for _ in range(12)]
    file, _ = await claiming.send(a_file([line_of(each) for each in approved]))
    monkeypatch.setattr(claim_jobs, "_LEASE", -claim_jobs._LEASE)

    await asyncio.gather(*[claiming.work.carry_out() for _ in range(4)])
    await claiming.work.carry_out_due()

    done = await claiming.files.get(file.id)
    assert done.report[Bucket.CAPTURED] == Count(12, 12 * 34_000)
    assert await claiming.events() == ["claim.paid"] * 12 + ["claim_file.done"]


async def test_a_file_too_slow_is_given_up_and_can_be_sent_again(claiming: ClaimWorld) -> None:
    approved = await claiming.approved()
    data = a_file([line_of(approved)])
    clock = claiming.engine.house.clock

    async def slow() -> AsyncIterator[bytes]:
        yield data[:20]
        clock.move_to(clock.offset + claim_jobs._LEASE * 5)
        await claiming.work.sweep()
        yield data[20:]

    with pytest.raises(Unavailable):
        await claiming.files.receive(claiming.shop.id, slow())
    file, _ = await claiming.send(data)
    assert file.state is FileState.PROCESSING


async def test_p11_no_number_of_a_file_is_stored(claiming: ClaimWorld) -> None:
    approved = await claiming.approved()
    misplaced = f"capture,{approved.number},ORDER-9,{approved.code},1,,,"
    await claiming.done(a_file([line_of(approved), misplaced, line_of(approved, reference=approved.number)]))

    async with claiming.engine.house.database.connection() as conn:
        for table in ("claims", "claim_files", "events", "actions"):
            rows = await conn.fetch(f"select t::text as row from {table} as t")
            assert not [row for row in rows if approved.number in row["row"]], table
        assert await conn.fetchval("select count(*) from claims where reason = 'broken_line'") == 2


async def test_pieces_of_any_size_give_the_same_file(claiming: ClaimWorld) -> None:
    approved = await claiming.approved()
    data = a_file([line_of(approved)])
    first, _ = await claiming.files.receive(claiming.shop.id, in_pieces(data, 1))
    again, repeated = await claiming.files.receive(claiming.shop.id, in_pieces(data, 10_000))
    assert (first.id, repeated) == (again.id, True)
