"""Saving what a batch decided: set-based statements in the transaction that loaded it."""

from collections.abc import Sequence
from typing import Final

import msgspec

from obverse.authorization import repository
from obverse.authorization.batch import Batch
from obverse.authorization.model import Action, Authorization
from obverse.cards import repository as cards
from obverse.codes import repository as codes
from obverse.kit import events, jobs
from obverse.kit.database import Connection
from obverse.kit.events import Event
from obverse.kit.ids import AccountId, AuthorizationId, EventId, PartitionId, to_text
from obverse.ledger import repository as ledger
from obverse.ledger.model import TransferKind
from obverse.points import repository as points
from obverse.wallet import repository as wallet

REVERSE_LEG: Final = "reverse_leg"
"""The job that undoes a leg at its card company."""


class LegToReverse(msgspec.Struct, frozen=True):
    """The payload of a `reverse_leg` job."""

    partition_id: PartitionId
    authorization_id: AuthorizationId
    position: int


async def save(conn: Connection, batch: Batch) -> None:
    """Write the batch's decisions; the commit is the caller's."""
    partition_id = batch.partition_id
    await repository.insert(conn, partition_id, batch.authorizations(batch.inserted))
    await repository.update(conn, partition_id, batch.authorizations(batch.updated))
    await repository.insert_actions(conn, partition_id, batch.actions)
    if batch.withdrawn:  # captures of this very batch among them
        await repository.withdraw_from_presenting(conn, partition_id, sorted(batch.withdrawn))
    if batch.opened_lots:
        await wallet.open_lots(conn, partition_id, batch.opened_lots, batch.now)
    await ledger.post(conn, partition_id, batch.books.journal)
    if returned := _returned(batch):
        await wallet.revive_lots(conn, partition_id, returned, batch.now)
    if uses := batch.card_uses():
        await cards.save_uses(conn, partition_id, uses)
    if batch.spent_codes:
        await codes.save_uses(conn, partition_id, list(batch.spent_codes.values()))
    await events.append(conn, [_event(batch, *news) for news in batch.news] + _guessing(batch))
    if batch.legs_to_reverse:
        await _enqueue_reversals(conn, partition_id, batch.legs_to_reverse)
    await points.insert_messages(conn, partition_id, batch.points_messages)
    if batch.guesses:
        await codes.note_guesses(conn, partition_id, batch.guesses, batch.now)


def _returned(batch: Batch) -> list[AccountId]:
    """Accounts that money came back to; a lot among them may have ended meanwhile."""
    released = {t.debit_account_id for t in batch.books.journal if t.kind is TransferKind.VOID}
    given_back = {t.credit_account_id for t in batch.books.journal if t.kind is TransferKind.POSTED}
    return sorted(released | {id_ for id_ in given_back if batch.books.available_minor(id_) is not None})


def _guessing(batch: Batch) -> list[Event]:
    """News of terminals and merchants at which this batch has seen one guess at a code too many (P17)."""
    return [
        Event(
            id=EventId(batch.makers.new_id()),
            type="codes.guessing_noticed",
            subject_id=merchant_id,
            data={"merchant": to_text("mer", merchant_id), "terminal": terminal, "tried": tried},
            created_at=batch.now,
        )
        for merchant_id, terminal, tried in batch.guessed_too_often()
    ]


async def _enqueue_reversals(
    conn: Connection, partition_id: PartitionId, legs: Sequence[tuple[AuthorizationId, int]]
) -> None:
    payloads = [LegToReverse(partition_id, id_, position) for id_, position in legs]
    await jobs.enqueue(conn, REVERSE_LEG, [msgspec.json.encode(payload) for payload in payloads])


def _event(batch: Batch, type_: str, authorization: Authorization, action: Action | None) -> Event:
    """The news of a decision, for whoever follows the events."""
    step = (
        {"action": to_text("act", action.id), "action_amount": action.amount.amount_minor} if action else {}
    )
    return Event(
        id=EventId(batch.makers.new_id()),
        type=type_,
        subject_id=authorization.id,
        data={
            "authorization": to_text("auth", authorization.id),
            "card": to_text("card", authorization.card_id) if authorization.card_id else None,
            "merchant": to_text("mer", authorization.merchant_id) if authorization.merchant_id else None,
            "amount": authorization.amount.amount_minor,
            "captured": authorization.captured_minor,
            "released": authorization.released_minor,
            "refunded": authorization.refunded_minor,
            "disputed": authorization.disputed_minor,
            "currency": authorization.amount.currency,
            "status": authorization.status,
            "decline": authorization.decline,
            "purpose": authorization.purpose,
        }
        | step,
        created_at=batch.now,
    )
