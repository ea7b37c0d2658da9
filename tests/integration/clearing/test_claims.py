"""Claims one by one: terminals' batches, many at once, and what operators decide."""

import asyncio

import pytest
from msgspec.structs import replace
from tests.factories.claims import Approved, ClaimWorld, a_claim, a_file, claim_of, line_of

from obverse.authorization.errors import NotCapturable
from obverse.clearing.claims import (
    Attempt,
    BatchTotals,
    ClaimDecided,
    ClaimKind,
    ClaimNotFound,
    Count,
    Outcome,
    Reason,
    Road,
    TerminalBatch,
    Verdict,
)
from obverse.kit.errors import InvalidRequest, NotFound, Unavailable
from obverse.kit.ids import ClaimId
from obverse.kit.money import KRW
from obverse.kit.paging import PageRequest

PAID = Verdict(Outcome.PAID)
AGAIN = Verdict(Outcome.PAID, repeated=True)


def batch_of(claiming: ClaimWorld, number: str = "000001") -> TerminalBatch:
    return TerminalBatch(claiming.shop.id, "TERM0001", number)


def totals(*captures: int, refunds: tuple[int, ...] = ()) -> BatchTotals:
    return BatchTotals(KRW, Count(len(captures), sum(captures)), Count(len(refunds), sum(refunds)))


async def expired(claiming: ClaimWorld) -> Approved:
    """A payment whose hold is over."""
    approved = await claiming.approved()
    clock = claiming.engine.house.clock
    clock.move_to(clock.offset + claiming.engine.engine._settings.hold * 2)
    assert await claiming.engine.engine.expire() == 1
    return approved


async def waiting(claiming: ClaimWorld) -> list:
    return list((await claiming.claims.exceptions(PageRequest())).items)


@pytest.mark.parametrize("off_us", [False, True], ids=["credit line", "linked card"])
async def test_an_uploaded_claim_is_paid_once(claiming: ClaimWorld, off_us: bool) -> None:
    approved = await claiming.approved(off_us=off_us)
    claim, batch = claim_of(approved), batch_of(claiming)

    first = await claiming.claims.upload(claim, batch)
    again = await claiming.claims.upload(claim, batch)
    other_amount = await claiming.claims.upload(claim_of(approved, 1, reference=claim.reference), batch)

    assert (first, again) == (PAID, AGAIN)
    assert other_amount == Verdict(Outcome.REFUSED, Reason.REFERENCE_REUSED)
    assert await claiming.captured(approved) == 34_000
    assert await claiming.events() == ["claim.paid", "claim.refused"]


async def test_64_claims_of_one_payment_at_once_pay_it_once(claiming: ClaimWorld) -> None:
    approved = await claiming.approved()
    same = claim_of(approved, reference="THE-SAME")
    claims = [same if n % 2 else claim_of(approved, reference=f"OTHER-{n}") for n in range(64)]
    batches = [batch_of(claiming, f"{n % 4:06d}") for n in range(64)]

    verdicts = await asyncio.gather(
        *[claiming.claims.upload(claim, batch) for claim, batch in zip(claims, batches, strict=True)]
    )

    first = [verdict for verdict in verdicts if verdict == PAID]
    assert len(first) == 1
    assert {verdict.reason for verdict in verdicts if verdict.outcome is Outcome.REFUSED} == {
        Reason.ALREADY_CAPTURED
    }
    assert await claiming.captured(approved) == 34_000


async def test_the_same_claim_by_file_and_by_batch_is_paid_once_and_counts_in_both(
    claiming: ClaimWorld,
) -> None:
    approved = await claiming.approved()
    await claiming.done(a_file([line_of(approved, reference="000000000042")]))
    verdict = await claiming.claims.upload(claim_of(approved, reference="000000000042"), batch_of(claiming))
    assert verdict == AGAIN
    assert await claiming.captured(approved) == 34_000
    assert await claiming.claims.close_batch(batch_of(claiming), totals(34_000))


async def test_totals_in_balance_close_a_batch_and_closing_again_gives_the_same_answer(
    claiming: ClaimWorld,
) -> None:
    batch = batch_of(claiming)
    sale, at_once, back = [await claiming.approved(capture=n > 0) for n in range(3)]
    for claim in (
        claim_of(sale, 10_000),
        claim_of(at_once),
        claim_of(back, 4_000, kind=ClaimKind.REFUND),
    ):
        await claiming.claims.upload(claim, batch)
        await claiming.claims.upload(claim, batch)
    right = totals(10_000, 34_000, refunds=(4_000,))

    assert not await claiming.claims.close_batch(batch, totals(10_000, refunds=(4_000,)))
    assert await claiming.claims.close_batch(batch, right)
    assert await claiming.claims.close_batch(batch, right)
    assert not await claiming.claims.close_batch(batch, totals(10_000))
    assert await claiming.events("claim_batch") == ["claim_batch.out_of_balance"]


async def test_a_sale_captured_at_once_leaves_its_reference_to_another_claim_of_the_batch(
    claiming: ClaimWorld,
) -> None:
    batch = batch_of(claiming)
    at_once = claim_of(await claiming.approved(1_000, capture=True), 1_000, reference="R")
    later = claim_of(await claiming.approved(2_000), 2_000, reference="R")
    assert await claiming.claims.upload(at_once, batch) == AGAIN
    assert await claiming.claims.upload(later, batch) == PAID
    for claim in (at_once, later):
        assert await claiming.claims.upload(claim, batch) == AGAIN
    assert await claiming.claims.close_batch(batch, totals(1_000, 2_000))
    for claim in (at_once, later):
        assert await claiming.claims.upload(claim, batch) == AGAIN


async def test_a_batch_out_of_balance_is_uploaded_again_and_then_closed(claiming: ClaimWorld) -> None:
    batch = batch_of(claiming)
    sales = [claim_of(await claiming.approved()) for _ in range(3)]
    await claiming.claims.upload(sales[0], batch)
    stated = totals(*[34_000] * 3)

    assert not await claiming.claims.close_batch(batch, stated)
    verdicts = [await claiming.claims.upload(sale, batch) for sale in sales]
    assert verdicts == [AGAIN, PAID, PAID]
    assert await claiming.claims.close_batch(batch, stated)


async def test_a_closed_batch_takes_nothing_new_but_answers_repeats(claiming: ClaimWorld) -> None:
    batch = batch_of(claiming)
    claim, late = claim_of(await claiming.approved()), claim_of(await claiming.approved())
    await claiming.claims.upload(claim, batch)
    assert await claiming.claims.close_batch(batch, totals(34_000))

    assert await claiming.claims.upload(claim, batch) == AGAIN
    assert await claiming.claims.upload(late, batch) == Verdict(Outcome.REFUSED, Reason.BATCH_CLOSED)
    assert await claiming.claims.upload(late, batch_of(claiming, "000002")) == PAID


async def test_batches_of_other_terminals_are_not_counted(claiming: ClaimWorld) -> None:
    claim = claim_of(await claiming.approved())
    await claiming.claims.upload(claim, batch_of(claiming)._replace(terminal="TERM0002"))
    assert await claiming.claims.close_batch(batch_of(claiming), totals())


async def test_a_late_claim_waits_for_an_operator_once_however_often_it_comes(claiming: ClaimWorld) -> None:
    approved = await expired(claiming)
    claim = claim_of(approved, reference="LATE")
    late = Verdict(Outcome.EXCEPTION, Reason.EXPIRED)

    assert await claiming.claims.upload(claim, batch_of(claiming)) == late
    assert await claiming.claims.upload(claim, batch_of(claiming)) == replace(late, repeated=True)
    _, (line, other) = await claiming.done(
        a_file([line_of(approved, reference="LATE"), line_of(approved, 1, reference="LATE")])
    )
    (record,) = await waiting(claiming)
    paid = await claiming.claims.pay(record.id, actor="key_1", reason="The line was down.")

    assert (line.outcome, line.repeated) == (Outcome.EXCEPTION, True)
    assert other.reason is Reason.REFERENCE_REUSED
    assert paid.outcome is Outcome.PAID
    assert await claiming.captured(approved) == 34_000
    assert (await claiming.claims.get(line.id)).outcome is Outcome.PAID, "its repeats are told as well"
    assert await claiming.claims.upload(claim, batch_of(claiming)) == AGAIN
    assert await claiming.claims.pay(record.id, actor="key_1", reason="Once more.") == paid
    assert await waiting(claiming) == []
    assert await claiming.events() == [
        "claim.exception", "claim.refused", "claim_file.done", "claim.paid",
    ]  # fmt: skip


async def test_what_an_operator_refused_stays_refused(claiming: ClaimWorld) -> None:
    claim = claim_of(await expired(claiming))
    await claiming.claims.upload(claim, batch_of(claiming))
    (record,) = await waiting(claiming)

    await claiming.claims.refuse(record.id, actor="key_1", reason="Too late.")
    again = await claiming.claims.refuse(record.id, actor="key_1", reason="Too late.")

    assert again.reason is Reason.REFUSED_BY_OPERATOR
    with pytest.raises(ClaimDecided):
        await claiming.claims.pay(record.id, actor="key_1", reason="After all.")
    verdict = await claiming.claims.upload(claim, batch_of(claiming))
    assert verdict == Verdict(Outcome.REFUSED, Reason.REFUSED_BY_OPERATOR, repeated=True)
    assert await waiting(claiming) == []


async def test_a_late_claim_that_cannot_be_paid_waits_on(claiming: ClaimWorld) -> None:
    _, face = await claiming.engine.card(limit=34_000)
    payment = await claiming.engine.engine.authorize(claiming.engine.request(face, 34_000))
    approved = Approved(face, payment)
    clock = claiming.engine.house.clock
    clock.move_to(clock.offset + claiming.engine.engine._settings.hold * 2)
    await claiming.engine.engine.expire()
    await claiming.claims.upload(claim_of(approved), batch_of(claiming))
    (record,) = await waiting(claiming)
    await exhaust_credit(claiming, approved)

    with pytest.raises(NotCapturable):
        await claiming.claims.pay(record.id, actor="key_1", reason="The line was down.")
    assert [each.id for each in await waiting(claiming)] == [record.id]
    refused = await claiming.claims.refuse(record.id, actor="key_1", reason="There is no money.")
    assert refused.reason is Reason.REFUSED_BY_OPERATOR


async def test_what_may_have_been_paid_cannot_be_refused_until_it_is_known(
    claiming: ClaimWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    approved = await expired(claiming)
    await claiming.claims.upload(claim_of(approved), batch_of(claiming))
    (record,) = await waiting(claiming)
    engine = claiming.engine.engine
    capture = engine.capture

    async def pays_and_does_not_answer(*args: object, **kwargs: object) -> None:
        await capture(*args, **kwargs)
        raise Unavailable

    with monkeypatch.context() as silent:
        silent.setattr(engine, "capture", pays_and_does_not_answer)
        with pytest.raises(Unavailable):
            await claiming.claims.pay(record.id, actor="key_1", reason="The line was down.")
    with pytest.raises(ClaimDecided):
        await claiming.claims.refuse(record.id, actor="key_2", reason="Too late.")
    paid = await claiming.claims.pay(record.id, actor="key_1", reason="The line was down.")
    assert (paid.outcome, await claiming.captured(approved)) == (Outcome.PAID, 34_000)
    assert await claiming.claims.get(record.id) == paid


async def test_two_operators_who_decide_differently_are_not_both_right(claiming: ClaimWorld) -> None:
    for _ in range(10):
        approved = await expired(claiming)
        await claiming.claims.upload(claim_of(approved), batch_of(claiming))
        (record,) = await waiting(claiming)
        await asyncio.gather(
            claiming.claims.pay(record.id, actor="key_1", reason="The line was down."),
            claiming.claims.refuse(record.id, actor="key_2", reason="Too late."),
            return_exceptions=True,
        )
        stored = await claiming.claims.get(record.id)
        captured = await claiming.captured(approved)
        assert (stored.outcome is Outcome.PAID) == (captured == 34_000), (stored.outcome, captured)


async def exhaust_credit(claiming: ClaimWorld, approved: Approved) -> None:
    """Let the member's whole credit be spent by another payment."""
    account = approved.payment.legs[0].debit_account_id
    async with claiming.engine.house.database.connection() as conn:
        await conn.execute("update accounts set floor_minor = 0 where id = $1", account)


@pytest.mark.parametrize("reason", ["", " ", "x" * 501, "a\x00b"], ids=["none", "blank", "long", "NUL"])
async def test_a_decision_needs_a_reason(claiming: ClaimWorld, reason: str) -> None:
    await claiming.claims.upload(claim_of(await expired(claiming)), batch_of(claiming))
    (record,) = await waiting(claiming)
    with pytest.raises(InvalidRequest):
        await claiming.claims.pay(record.id, actor="key_1", reason=reason)
    with pytest.raises(ClaimNotFound):
        await claiming.claims.pay(ClaimId(claiming.shop.id), actor="key_1", reason="Who knows.")


async def test_a_refused_claim_may_be_corrected_under_its_reference(claiming: ClaimWorld) -> None:
    approved = await claiming.approved()
    batch = batch_of(claiming)
    too_much = await claiming.claims.upload(claim_of(approved, 34_001, reference="R"), batch)
    corrected = await claiming.claims.upload(claim_of(approved, 34_000, reference="R"), batch)
    assert (too_much.reason, corrected) == (Reason.CAPTURE_TOO_LARGE, PAID)


async def test_refused_claims_of_other_roads_are_kept_without_keeping_anybody_waiting(
    claiming: ClaimWorld,
) -> None:
    attempt = Attempt(Road.ISO8583, ClaimKind.CAPTURE, "iso:1", 34_000, KRW, last_four="7893")
    for _ in range(3):
        await claiming.claims.note(attempt, NotFound("payment"))
    await claiming.claims.stop()
    kept = (await claiming.claims.list(PageRequest(), outcome=Outcome.REFUSED)).items
    assert [(each.reason, each.last_four) for each in kept] == [(Reason.NO_SUCH_PAYMENT, "7893")] * 3


async def test_p17_a_wrong_code_and_a_wrong_number_look_alike(claiming: ClaimWorld) -> None:
    approved = await claiming.approved()
    wrong_code = await claiming.claims.upload(claim_of(approved, approval_code="ZZZZZZ"), batch_of(claiming))
    wrong_number = await claiming.claims.upload(
        claim_of(approved, number=a_claim().number), batch_of(claiming)
    )
    assert wrong_code == wrong_number == Verdict(Outcome.REFUSED, Reason.NO_SUCH_PAYMENT)
