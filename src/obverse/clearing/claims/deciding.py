"""What every road has in common: match, have it carried out, see whether it was answered before, tell."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any, TypeAlias
from uuid import UUID

from msgspec.structs import replace

from obverse.authorization.errors import NotCapturable
from obverse.clearing.claims import repository, rules
from obverse.clearing.claims.model import (
    Claim,
    ClaimKind,
    ClaimRecord,
    Outcome,
    Reason,
    Road,
    Verdict,
)
from obverse.clearing.claims.ports import ClaimedPayments
from obverse.kit.database import Connection, Database
from obverse.kit.errors import ObverseError, Unavailable
from obverse.kit.events import Event
from obverse.kit.ids import AuthorizationId, ClaimId, EventId, NewId, to_text

Standing: TypeAlias = Mapping[str, ClaimRecord]
"""Claims by the keys for which they stand, see `repository.find_standing`."""

Turns: TypeAlias = dict[AuthorizationId, "asyncio.Task[Any]"]
"""Who is at a payment: of what is under way at once, the claims of one payment keep their order."""


async def match(
    payments: ClaimedPayments, claims: Sequence[Claim], road: Road, new_id: NewId, now: datetime
) -> list[ClaimRecord]:
    """Find the payment behind each claim, and leave its number behind (P11)."""
    found = await payments.find_claimed([(claim.number, claim.approval_code) for claim in claims])
    records = []
    for claim, authorization in zip(claims, found, strict=True):
        verdict = rules.match(claim, authorization)
        records.append(
            ClaimRecord(
                id=ClaimId(new_id()),
                road=road,
                kind=claim.kind,
                outcome=verdict.outcome,
                created_at=now,
                merchant_id=claim.merchant_id,
                request_key=claim.request_key,
                reference=claim.reference,
                terminal=claim.terminal,
                last_four=claim.number.reveal()[-4:],
                approval_code=claim.approval_code,
                amount_minor=claim.amount.amount_minor,
                currency=claim.amount.currency,
                claimed_at=claim.claimed_at,
                final=claim.final,
                partition_id=authorization.partition_id if authorization else None,
                authorization_id=authorization.id if authorization else None,
                reason=verdict.reason,
                repeated=verdict.repeated,
            )
        )
    return records


async def find_standing(database: Database, records: Sequence[ClaimRecord]) -> Standing:
    """What was said before of the references of those that have a payment."""
    matched = [record for record in records if record.outcome is Outcome.MATCHED]
    async with database.connection() as conn:
        return await repository.find_standing(conn, _keys(matched))


async def carry_out(
    payments: ClaimedPayments, records: Sequence[ClaimRecord], standing: Standing, turns: Turns
) -> list[Verdict]:
    """Have every matched claim paid; the others keep what was said of them. Safe to repeat.

    What waits for an operator, or was refused by one, is not asked again. The engine takes all the others
    into few commits, but those of one payment one after another: a refund may follow its capture. Raises
    `Unavailable` where the outcome is not known of one.
    """
    said: dict[ClaimId, Verdict] = {}
    asked: dict[AuthorizationId, list[ClaimRecord]] = defaultdict(list)
    for record in records:
        earlier = standing.get(record.request_key or "")
        if record.outcome is not Outcome.MATCHED:
            said[record.id] = Verdict(record.outcome, record.reason, record.repeated)
        elif earlier is not None and earlier.id != record.id and earlier.outcome is not Outcome.PAID:
            said[record.id] = rules.again(record, earlier, Verdict(Outcome.EXCEPTION))
        else:
            assert record.authorization_id is not None, "what is matched has a payment"
            asked[record.authorization_id].append(record)
    before = {payment: turns[payment] for payment in asked if payment in turns}
    this = asyncio.current_task()
    assert this is not None, "a coroutine runs in a task"
    turns |= dict.fromkeys(asked, this)
    try:
        await asyncio.gather(
            *[
                _in_turn(payments, before.get(payment), of_payment, said)
                for payment, of_payment in asked.items()
            ]
        )
    finally:
        for payment in asked:
            if turns.get(payment) is this:
                del turns[payment]
    return [said[record.id] for record in records]


async def _in_turn(
    payments: ClaimedPayments,
    before: "asyncio.Task[Any] | None",
    records: Sequence[ClaimRecord],
    said: dict[ClaimId, Verdict],
) -> None:
    if before is not None:
        await asyncio.wait([before])
    for record in records:
        try:
            await pay(payments, record)
        except Unavailable:
            raise
        except NotCapturable:
            # It was approved, or it would not have matched.
            said[record.id] = Verdict(Outcome.REFUSED, Reason.REVERSED)
        except ObverseError as refused:
            said[record.id] = rules.verdict_of(refused.code)
        else:
            said[record.id] = Verdict(Outcome.PAID)


async def pay(payments: ClaimedPayments, record: ClaimRecord, *, late: bool = False) -> None:
    """Move the claim's money. Raises the engine's refusals."""
    assert record.authorization_id is not None, "only what has a payment is paid"
    payment, key, partition_id = record.authorization_id, record.request_key, record.partition_id
    if record.kind is ClaimKind.REFUND:
        await payments.refund(payment, record.amount_minor, key=key, partition_id=partition_id)
        return
    await payments.capture(
        payment,
        record.amount_minor,
        key=key,
        final=record.final,
        late=late,
        partition_id=partition_id,
    )


async def settle(
    conn: Connection, records: Sequence[ClaimRecord], verdicts: Sequence[Verdict]
) -> list[ClaimRecord]:
    """Note on each claim what became of it, compared with what was said of its reference before."""
    standing = await repository.find_standing(conn, _keys(records))
    settled: dict[ClaimId, ClaimRecord] = {}
    overtaken: list[ClaimRecord] = []
    # Those that were paid first: of several with one reference they are the ones that the others repeat.
    said_of = sorted(
        zip(records, verdicts, strict=True), key=lambda pair: pair[1].outcome is not Outcome.PAID
    )
    for record, said in said_of:
        earlier = standing.get(record.request_key or "")
        verdict = said
        if earlier is not None and earlier.id != record.id and not said.repeated:
            if rules.overtakes(record, earlier, said):
                overtaken.append(standing.pop(earlier.request_key or ""))
            else:
                verdict = rules.again(record, earlier, said)
        after = replace(record, outcome=verdict.outcome, reason=verdict.reason, repeated=verdict.repeated)
        if after.request_key is not None and after.outcome is not Outcome.REFUSED and not after.repeated:
            standing.setdefault(after.request_key, after)
        settled[record.id] = after
    if overtaken:
        await _refuse(conn, overtaken)
    return [settled[record.id] for record in records]


async def _refuse(conn: Connection, overtaken: Sequence[ClaimRecord]) -> None:
    """Another claim with the reference of these exceptions was paid just before they were noted."""
    refused = [
        replace(record, outcome=Outcome.REFUSED, reason=Reason.REFERENCE_REUSED) for record in overtaken
    ]
    await repository.save_verdicts(conn, refused)
    for before, after in zip(overtaken, refused, strict=True):
        if before.file_id is not None:
            await repository.add_to_report(conn, before.file_id, rules.moved(before, after))


def _keys(records: Sequence[ClaimRecord]) -> list[str]:
    return [record.request_key for record in records if record.request_key is not None]


def news(records: Sequence[ClaimRecord], new_id: NewId, now: datetime) -> list[Event]:
    """`claim.paid`, `claim.refused`, `claim.exception`; a repeat is no news."""
    text = cache(to_text)  # the claims of a file have both file and merchant in common
    return [_event(record, new_id, now, text) for record in records if not record.repeated]


def _event(record: ClaimRecord, new_id: NewId, now: datetime, text: Callable[[str, UUID], str]) -> Event:
    payment = rules.own_payment(record)
    return Event(
        id=EventId(new_id()),
        type=f"claim.{record.outcome}",
        subject_id=record.id,
        data={
            "claim": to_text("claim", record.id),
            "merchant": text("mer", record.merchant_id) if record.merchant_id else None,
            "authorization": to_text("auth", payment) if payment else None,
            "file": text("cfile", record.file_id) if record.file_id else None,
            "line": record.line,
            "kind": record.kind,
            "reference": record.reference,
            "amount": record.amount_minor,
            "currency": record.currency,
            "reason": rules.told(record.reason) if record.reason else None,
        },
        created_at=now,
    )
