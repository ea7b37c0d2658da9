"""What is presented, what an acknowledgement means, and who gets what wrong. No I/O, no clock."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import Final

import msgspec
from msgspec.structs import replace
from stdnum import luhn

from obverse.authorization.model import ActionKind
from obverse.clearing.presentments.model import (
    Direction,
    FileState,
    Presentment,
    PresentmentFile,
    PresentmentState,
    Totals,
)
from obverse.clearing.presentments.ports import Acknowledgement
from obverse.kit.ids import ActionId, AuthorizationId, PartitionId, PresentmentId, VaultCardId
from obverse.kit.money import Money

REFERENCE_PREFIX: Final = "OBV-P-"
_REFERENCE_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_REFERENCE_LENGTH: Final = 10

_FIRST_PAUSE: Final = timedelta(seconds=5)
_PAUSE_MAX: Final = timedelta(minutes=5)

_DEBITS: Final = frozenset({ActionKind.CAPTURE, ActionKind.DISPUTE_WON})


class Part(msgspec.Struct, frozen=True):
    """One linked-card leg's share of an action that awaits presentment, as it was loaded.

    `is_settled` says that nothing of the leg is open any more, `is_last` that no later capture has a share
    of it.
    """

    partition_id: PartitionId
    action_id: ActionId
    position: int
    authorization_id: AuthorizationId
    kind: ActionKind
    amount: Money
    vault_card_id: VaultCardId
    network_ref: str | None
    approval_code: str | None
    is_settled: bool
    is_last: bool
    merchant_name: str
    category: str | None
    paid_at: datetime


def direction_of(kind: ActionKind) -> Direction:
    """Captures and disputes that the merchant has won are charged; all else goes back to the cardholder."""
    return Direction.DEBIT if kind in _DEBITS else Direction.CREDIT


def present(part: Part, id_: PresentmentId, arn: str, now: datetime) -> Presentment:
    """The presentment that a part becomes.

    The last capture of a leg of which nothing is open is final: the card company may then release the rest
    of its hold. What is released later it releases by itself when its hold expires.
    """
    return Presentment(
        id=id_,
        partition_id=part.partition_id,
        action_id=part.action_id,
        position=part.position,
        authorization_id=part.authorization_id,
        direction=direction_of(part.kind),
        amount=part.amount,
        vault_card_id=part.vault_card_id,
        arn=arn,
        network_ref=part.network_ref,
        approval_code=part.approval_code,
        is_final=part.kind is ActionKind.CAPTURE and part.is_settled and part.is_last,
        merchant_name=part.merchant_name,
        category=part.category,
        paid_at=part.paid_at,
        state=PresentmentState.READY,
        created_at=now,
    )


def arn(acquirer_bin: str, day: date, number: int) -> str:
    """Acquirer reference data: 0, BIN, last digit of the year and day of the year, number, Luhn digit.

    >>> arn("941012", date(2026, 11, 20), 42)
    '09410126324000000000429'
    """
    digits = f"0{acquirer_bin}{day.year % 10}{day.timetuple().tm_yday:03d}{number:011d}"
    return digits + luhn.calc_check_digit(digits)


def new_reference(random_bytes: Callable[[int], bytes]) -> str:
    """What the card company shall put on its bank transfer; 50 bits, so that no two meet."""
    letters = (_REFERENCE_LETTERS[byte % 32] for byte in random_bytes(_REFERENCE_LENGTH))
    return REFERENCE_PREFIX + "".join(letters)


def totals(presentments: Iterable[Presentment]) -> Totals:
    """Add presentments up."""
    counts, sums = Counter[Direction](), Counter[Direction]()
    for presentment in presentments:
        counts[presentment.direction] += 1
        sums[presentment.direction] += presentment.amount.amount_minor
    return Totals(
        counts[Direction.DEBIT], sums[Direction.DEBIT], counts[Direction.CREDIT], sums[Direction.CREDIT]
    )


def less(whole: Totals, part: Totals) -> Totals:
    """What is left of `whole` without `part`."""
    return Totals(
        whole.debit_count - part.debit_count,
        whole.debit_minor - part.debit_minor,
        whole.credit_count - part.credit_count,
        whole.credit_minor - part.credit_minor,
    )


def acknowledge(
    file: PresentmentFile,
    answer: Acknowledgement,
    rejected: Sequence[Presentment],
    carried_minor: int,
    now: datetime,
) -> PresentmentFile | None:
    """The file after its acknowledgement; None where that does not add up with what we sent.

    `rejected` are the members that the answer names, `carried_minor` what the file before it left over.
    """
    if answer.refused is not None:
        return replace(
            file, state=FileState.REFUSED, problem=answer.refused, rejected_count=file.totals.count
        )
    if len(rejected) != len(answer.rejections):
        return None
    if less(file.totals, totals(rejected)) != answer.accepted:
        return None
    return replace(
        file,
        state=FileState.ACKNOWLEDGED,
        problem=None,
        rejected_count=len(rejected),
        accepted_minor=answer.accepted.net_minor,
        carried_minor=min(0, carried_minor),
        acknowledged_at=now,
    )


def pause_after(file: PresentmentFile, now: datetime) -> timedelta:
    """How long to leave a file alone that got no answer: the longer it has gone without one, the longer."""
    return min(max(_FIRST_PAUSE, (now - file.created_at) / 4), _PAUSE_MAX)
