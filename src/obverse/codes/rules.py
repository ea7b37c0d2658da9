"""What a payment code is made of, and when it still pays. Pure."""

from datetime import datetime
from typing import Final

from obverse.cards.model import Card, HeldBy
from obverse.codes.model import Code
from obverse.kit.ids import PartitionId

PIN_TRIES_MAX: Final = 3
"""Wrong PINs that spend a code: a phone shows the next one."""
RANDOM_VALUES: Final = 10**10
"""How many codes a partition could have at once."""
_PARTITIONS: Final = 100


def value_of(random: int, partition_id: PartitionId) -> int:
    """The value behind a code: its last two digits are the partition of its card, as with card numbers.

    >>> value_of(1234567890, PartitionId(7))
    123456789007
    """
    return random % RANDOM_VALUES * _PARTITIONS + partition_id


def partition_of(value: int) -> PartitionId:
    """The partition in which the code with this value is kept."""
    return PartitionId(value % _PARTITIONS)


def is_spent(code: Code) -> bool:
    """Whether it has paid, or too many PINs with it were wrong."""
    return code.used_by is not None or code.pin_tries >= PIN_TRIES_MAX


def is_current(code: Code, now: datetime) -> bool:
    """Whether this moment lies in its window."""
    return code.valid_from <= now < code.expires_at


def stands_for(code: Code, card: Card) -> bool:
    """Whether it still pays with this card: once that has another holder, the former one's phone does not."""
    return card.held_by is HeldBy.MEMBER and card.member_id == code.member_id
