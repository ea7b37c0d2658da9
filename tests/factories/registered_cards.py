"""Registered cards for tests, and the points that stand behind cards."""

from uuid import UUID

from tests.factories.cards import NOON
from tests.factories.wallet import House, card_details

from obverse.cards import Card
from obverse.kit.ids import AccountId, PartitionId, SourceId
from obverse.kit.money import KRW, CurrencyCode
from obverse.members import Member
from obverse.wallet import CardDetails, RegistrationWish, Source, SourceKind, SourceState, repository


async def a_registered_card(
    house: House, member: Member, details: CardDetails | None = None
) -> tuple[Card, CardDetails]:
    """A real card that this member has registered, and what is on it."""
    details = details or card_details()
    issued = await house.registered.register(member.id, RegistrationWish(details=details))
    return issued.card, details


async def points_of(house: House, member: Member, **changes: object) -> Source:
    """A points account of this member's, as it is once it has been proved."""
    source = a_source(
        id=SourceId(house.new_id()),
        partition_id=member.partition_id,
        member_id=member.id,
        kind=SourceKind.ISSUER_POINTS,
        account_id=AccountId(house.new_id()),
        created_at=house.clock.now(),
        **changes,
    )
    async with house.database.transaction() as conn:
        await repository.insert_sources(conn, [source])
    return source


def a_source(number: int = 3, **changes) -> Source:
    """A source that is nowhere stored; `number` gives its id."""
    given = {
        "id": SourceId(UUID(int=number)),
        "partition_id": PartitionId(0),
        "member_id": None,
        "kind": SourceKind.LINKED_CARD,
        "currency": CurrencyCode(KRW),
        "account_id": None,
        "vault_card_id": None,
        "state": SourceState.ACTIVE,
        "created_at": NOON,
    } | changes
    return Source(**given)
