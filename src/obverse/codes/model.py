"""Codes as the engine and the phone's side know them."""

from collections.abc import Mapping
from datetime import datetime

import msgspec

from obverse.kit.ids import AuthorizationId, CardId, DeviceId, MemberId, MerchantId


class Code(msgspec.Struct, frozen=True):
    """One code; its digits are known to the phone alone."""

    hash: bytes
    card_id: CardId
    device_id: DeviceId
    valid_from: datetime
    expires_at: datetime
    used_by: AuthorizationId | None = None
    """The payment that it was good for."""
    pin_tries: int = 0
    """Wrong PINs that came with it."""
    member_id: MemberId | None = None
    """For whom it was made: it pays only while that member holds the card."""


class GuessBudget(msgspec.Struct, frozen=True):
    """How many codes that were never made may be tried within an hour (P10, P17)."""

    of_terminal: int = 10
    """Beyond it no code pays at that terminal until the hour is over."""
    of_merchant: int = 50
    """The same for all terminals of a merchant together."""
    overall: int = 1_000
    """Beyond it every code needs a PIN or a passkey, everywhere."""


class CodePolicy(msgspec.Struct, frozen=True):
    """What the platform asks of payments by code."""

    budget: GuessBudget = GuessBudget()
    proof_from_minor: int = 50_000
    """From this amount on a code needs a PIN or a passkey, where its merchant has agreed on nothing else."""


class Guesses(msgspec.Struct, frozen=True):
    """What was tried in vain this hour so far."""

    of_terminals: Mapping[tuple[MerchantId, str], int] = msgspec.field(default_factory=dict)
    of_merchants: Mapping[MerchantId, int] = msgspec.field(default_factory=dict)
    overall: int = 0
