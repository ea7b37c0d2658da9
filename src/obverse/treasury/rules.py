"""What may be ordered, what a bank's answer means, and what a statement's entries are. No I/O, no clock."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec

from obverse.kit import bank_accounts
from obverse.kit.errors import InvalidRequest
from obverse.kit.ids import BankTransferId
from obverse.kit.money import AMOUNT_MINOR_MAX, CurrencyCode
from obverse.treasury.errors import StatementNotOurs, StatementUnreadable
from obverse.treasury.model import (
    BankAccount,
    Direction,
    Statement,
    StatementEntry,
    TransferOrder,
    TransferState,
)
from obverse.treasury.ports import Answer, Verdict

REFERENCE_LENGTH_MAX: Final = 70
ASK_EVERY_MAX: Final = timedelta(minutes=5)
REASON_LENGTH_MAX: Final = 200

_REFERENCE: Final = re.compile(r"(?<![0-9A-Z])OBV-[A-Z]-[0-9A-Z]{10}(?![0-9A-Z])", re.ASCII)


def check_bank_account(account: BankAccount, param: str = "account") -> BankAccount:
    """Refuse what no bank could pay to. Raises `InvalidRequest` with the field's name, never its value."""
    bank_accounts.check_bank_account(account.bank_code, account.number, account.holder, param)
    return account


def check_order(order: TransferOrder, currency: CurrencyCode) -> None:
    """Refuse an order that the bank could not carry out. Raises `InvalidRequest`."""
    check_bank_account(order.to)
    if not 1 <= order.amount.amount_minor <= AMOUNT_MINOR_MAX:
        raise InvalidRequest(f"An amount is between 1 and {AMOUNT_MINOR_MAX}.", "amount")
    if order.amount.currency != currency:
        raise InvalidRequest(f"Money is paid out in {currency}, the currency of this programme.", "currency")
    if not _is_line(order.reference, REFERENCE_LENGTH_MAX):
        raise InvalidRequest(
            f"A reference has 1 to {REFERENCE_LENGTH_MAX} printable characters.", "reference"
        )


def _is_line(text: str, length_max: int) -> bool:
    return 1 <= len(text.strip()) <= length_max and text.isprintable()


def reference_in(text: str) -> str | None:
    """The first reference of ours in what somebody wrote, in capitals.

    >>> reference_in("bill obv-b-7g2k1x9m4q, thank you")
    'OBV-B-7G2K1X9M4Q'
    """
    found = _REFERENCE.search(text.upper())
    return found.group() if found else None


# what the bank answers --------------------------------------------------------------------------------------


class Sent(msgspec.Struct, frozen=True):
    """A transfer as the bank knows it, locked: what an answer or an entry is about."""

    id: BankTransferId
    wire_id: UUID
    amount_minor: int
    state: TransferState
    asked: int


class Change(msgspec.Struct, frozen=True):
    """What becomes of a transfer; `ask_at` is when to ask (again), None where there is nothing to ask."""

    id: BankTransferId
    state: TransferState
    reason: str | None = None
    ask_at: datetime | None = None


def after_answer(sent: Sent, answer: Answer, now: datetime) -> Change:
    """What a bank's answer means for a transfer that was `sent` or `unknown`.

    `UNKNOWN_ID` makes it `ready` under the same wire id: should the bank have it after all, it will know it.
    """
    ask_at = now + ask_again_in(sent.asked)
    match answer.verdict:
        case Verdict.DONE:
            return Change(sent.id, TransferState.DONE)
        case Verdict.REFUSED:
            reason = "".join(filter(str.isprintable, answer.reason))[:REASON_LENGTH_MAX]
            return Change(sent.id, TransferState.REFUSED, reason=reason or "no reason given")
        case Verdict.UNKNOWN_ID:
            return Change(sent.id, TransferState.READY)
        case Verdict.ACCEPTED:
            return Change(sent.id, TransferState.SENT, ask_at=ask_at)
        case Verdict.NO_ANSWER:
            return Change(sent.id, TransferState.UNKNOWN, ask_at=ask_at)


def ask_again_in(asked: int) -> timedelta:
    """One second after the first time, twice as long after each further one, five minutes at most.

    >>> [ask_again_in(asked).seconds for asked in (0, 1, 3, 20)]
    [1, 2, 8, 300]
    """
    return min(timedelta(seconds=2 ** min(asked, 20)), ASK_EVERY_MAX)


# what a statement says --------------------------------------------------------------------------------------


class Booked(msgspec.Struct, frozen=True):
    """An entry and the order of ours that it confirms; None: it is a receipt."""

    entry: StatementEntry
    transfer_id: BankTransferId | None


def check_statement(statement: Statement, own: BankAccount, currency: CurrencyCode) -> None:
    """Raises `StatementNotOurs` for another account or currency, `StatementUnreadable` where two different
    entries have one reference: neither could be told from the other ever after."""
    if statement.account_number != own.number:
        raise StatementNotOurs("it is of another account")
    if statement.currency != currency:
        raise StatementNotOurs(f"it is in {statement.currency}, not {currency}")
    seen: dict[str, tuple[Direction, int]] = {}
    for entry in statement.entries:
        kind = entry.direction, entry.amount_minor
        if seen.setdefault(entry.reference, kind) != kind:
            raise StatementUnreadable("two different entries have one reference")


def check_known(entries: Iterable[StatementEntry], known: Mapping[str, tuple[Direction, int]]) -> None:
    """Raises `StatementUnreadable` where an entry that was booked before says something else now."""
    for entry in entries:
        if known.get(entry.reference, (entry.direction, entry.amount_minor)) != (
            entry.direction,
            entry.amount_minor,
        ):
            raise StatementUnreadable("an entry that was read before has changed")


def wire_ids(entries: Iterable[StatementEntry]) -> list[UUID]:
    """The orders that these entries may confirm."""
    found = (wire_id_of(entry) for entry in entries if entry.direction is Direction.DEBIT)
    return [wire_id for wire_id in found if wire_id is not None]


def wire_id_of(entry: StatementEntry) -> UUID | None:
    """The wire id in an entry's end-to-end id, if that can be one of ours."""
    text = (entry.end_to_end_id or "").lower()
    return UUID(text) if re.fullmatch(r"[0-9a-f]{32}", text, re.ASCII) else None


def sort_out(
    entries: Sequence[StatementEntry],
    orders: Mapping[UUID, Sent],
    confirmed: Collection[BankTransferId],
    known: Collection[str],
) -> list[Booked]:
    """The new ones among the entries, each once, with the order that each confirms.

    An order is confirmed by one debit of its amount. A second one, or one of another amount, is money that
    left without being ordered: a receipt of direction debit, for somebody to explain.
    """
    seen, taken = set(known), set(confirmed)
    booked: list[Booked] = []
    for entry in entries:
        if entry.reference in seen:
            continue
        seen.add(entry.reference)
        wire_id = wire_id_of(entry) if entry.direction is Direction.DEBIT else None
        order = orders.get(wire_id) if wire_id is not None else None
        if order is not None and order.amount_minor == entry.amount_minor and order.id not in taken:
            taken.add(order.id)
            booked.append(Booked(entry, order.id))
        else:
            booked.append(Booked(entry, None))
    return booked
