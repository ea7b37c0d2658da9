"""Cards for tests."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from uuid import UUID

from tests.factories.wallet import House

from obverse.cards import Card, CardFace, CardKind, CardState, Controls, HeldBy
from obverse.kit.ids import CardId, MemberId, PartitionId, SourceId
from obverse.kit.money import KRW
from obverse.wallet import CardWish

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def a_card(controls: Controls | None = None, **changes) -> Card:
    """A card that is nowhere stored, for rules."""
    controls = controls or Controls()
    given = {
        "partition_id": PartitionId(0),
        "id": CardId(UUID(int=1)),
        "kind": CardKind.ONE_TIME,
        "state": CardState.ACTIVE,
        "bin": "941012",
        "serial": 100,
        "last_four": "0001",
        "number_hash": b"hash",
        "member_id": MemberId(UUID(int=2)),
        "held_by": HeldBy.MEMBER,
        "currency": KRW,
        "controls": controls,
        "uses_left": controls.uses,
        "spent_minor": 0,
        "expires_at": NOON + timedelta(days=1),
        "funding": (SourceId(UUID(int=3)),),
        "created_at": NOON - timedelta(hours=1),
    } | changes
    return Card(**given)


async def a_one_time_card(
    house: House,
    member_id: MemberId,
    controls: Controls | None = None,
    *,
    funding: tuple[SourceId, ...] | None = None,
    expires_at: datetime | None = None,
    metadata: Mapping[str, str] | None = None,
) -> tuple[Card, CardFace]:
    """An issued card and what is on it."""
    wish = CardWish(controls or Controls(), funding, expires_at, metadata or {})
    card = (await house.wallet.issue_card(member_id, wish)).card
    return card, house.cards.reveal(card)
