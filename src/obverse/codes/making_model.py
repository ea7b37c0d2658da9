"""Devices, and the batches of codes that are made for them."""

from datetime import date, datetime, timedelta
from typing import Final

import msgspec

from obverse.kit.ids import CardId, CodeBatchId, DeviceId, MemberId, PartitionId
from obverse.kit.secret import Secret

CHUNK: Final = 500
"""Codes made in one go: some milliseconds, in which nothing else runs in this process."""


class PublicKey(msgspec.Struct, frozen=True):
    """A point on P-256, base64url without padding, as a JWK has it (RFC 7518 section 6.2.1)."""

    x: str
    y: str


class Device(msgspec.Struct, frozen=True):
    """A phone that shows codes. Only it has the private key to read them with (PC-1)."""

    id: DeviceId
    partition_id: PartitionId
    member_id: MemberId
    name: str
    public_key: PublicKey
    created_at: datetime
    removed_at: datetime | None = None


class CodeTerms(msgspec.Struct, frozen=True):
    """What the operator has set."""

    interval: timedelta = timedelta(seconds=180)
    """How long each code is shown before the next one takes its place (PC-3)."""
    batch_max: int = 50
    """Codes that a phone may hold for a card, for times without a network (PC-2)."""
    notices_a_day: int = 3
    """How often a day a member is told that codes were made (PC-1)."""


class BatchWish(msgspec.Struct, frozen=True):
    """Codes of one card that a member wants on a device: one to be shown now, more for later."""

    member_id: MemberId
    device_id: DeviceId
    card_id: CardId
    count: int = 1


class Window(msgspec.Struct, frozen=True):
    """When a code is the one to show."""

    valid_from: datetime
    expires_at: datetime


class NewCode(msgspec.Struct, frozen=True):
    """A code on its way to its device: the one moment at which its digits are known here."""

    digits: Secret
    window: Window


class BatchRow(msgspec.Struct, frozen=True):
    """What is kept of a batch: how often codes are made, never which."""

    id: CodeBatchId
    partition_id: PartitionId
    device_id: DeviceId
    member_id: MemberId
    card_id: CardId
    count: int
    created_at: datetime
    made_on: date
    """The day in the programme's time zone."""


class Batch(msgspec.Struct, frozen=True):
    """Codes as they leave for their device. `sealed` is a JWE that it alone can open."""

    id: CodeBatchId
    device_id: DeviceId
    card_id: CardId
    count: int
    sealed: str
    made_at: datetime
    renew_at: datetime
    """When the device should ask for the next."""
    ends_at: datetime
