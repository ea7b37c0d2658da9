"""Legs on their way."""

from uuid import uuid4

from obverse.authorization.model import Leg, LegStatus
from obverse.kit.ids import AccountId, SourceId
from obverse.wallet.model import SourceKind


def sent_legs(count: int) -> list[Leg]:
    return [
        Leg(
            position,
            SourceId(uuid4()),
            SourceKind.LINKED_CARD,
            1_000,
            LegStatus.SENT,
            AccountId(uuid4()),
            AccountId(uuid4()),
            network_ref=f"1120120000|{position:06d}|RRN",
        )
        for position in range(count)
    ]
