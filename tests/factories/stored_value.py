"""Prepaid cards and gifts for tests, with money in them."""

from datetime import datetime

from tests.factories.programmes import a_programme
from tests.factories.wallet import House

from obverse.cards import Card, CardFace, CardKind, HeldBy, StoredValueOrder, Viewer, controls_of
from obverse.cards.rules import end_of_face
from obverse.kit.calendar import Calendar
from obverse.kit.ids import PartitionId
from obverse.kit.money import KRW, Money
from obverse.kit.secret import Secret
from obverse.kit.settings import Settings
from obverse.ledger import AccountKind
from obverse.ledger import repository as ledger
from obverse.ledger.rules import house_account
from obverse.members import Member
from obverse.programmes import Programme
from obverse.wallet import Funding, LotKind

P0 = PartitionId(0)


def a_calendar() -> Calendar:
    """The calendar of a platform that nobody has set up otherwise."""
    return Settings().calendar()


async def a_prepaid_card(
    house: House,
    *,
    balance_minor: int = 50_000,
    member: Member | None = None,
    pin: str | None = None,
    programme: Programme | None = None,
    kind: CardKind = CardKind.PREPAID,
    lot_kind: LotKind = LotKind.BOUGHT,
    expires_at: datetime | None = None,
    partition_id: PartitionId = P0,
    **order,
) -> tuple[Card, CardFace, Secret | None]:
    """A card with this balance, what is on it, and its PIN. Without a member it is nobody's we know.

    The money comes out of the programme's own pocket. `expires_at` ends card and money; else the one ends
    with its face, and the other as the programme says. `order` may hold anything of a `StoredValueOrder`.
    """
    programme = programme or await a_programme(house)
    ends = expires_at or a_calendar().months_on(house.clock.now(), programme.validity_months)
    member_id = member.id if member is not None else None
    partition_id = member.partition_id if member is not None else partition_id
    given = {
        "partition_id": partition_id,
        "kind": kind,
        "programme_id": programme.id,
        "currency": programme.currency,
        "controls": controls_of(programme),
        "expires_at": expires_at or end_of_face(house.clock.now()),
        "member_id": member_id,
        "face_value_minor": balance_minor or None,
    } | order
    secret = Secret(pin) if pin is not None else None
    async with house.database.transaction() as conn:
        (source,) = await house.balances.open(conn, partition_id, KRW, 1, member_id=member_id)
        pins = [secret] if secret is not None else None
        (card,) = await house.stored_cards.make(conn, StoredValueOrder(**given), [source.id], pins)
    if balance_minor:
        await fund(house, card, balance_minor, kind=lot_kind, expires_at=ends)
    viewer = Viewer.MEMBER if card.held_by is HeldBy.MEMBER else Viewer.RECIPIENT
    return card, house.cards.reveal(card, viewer), secret


async def fund(
    house: House,
    card: Card,
    amount_minor: int,
    *,
    kind: LotKind = LotKind.CHARGED,
    expires_at: datetime | None = None,
) -> None:
    """Put money of the programme's own into this card's balance."""
    pocket = house_account(AccountKind.GIVEN_VALUE, card.partition_id, card.currency)
    ends, amount = expires_at or card.expires_at, Money(amount_minor, card.currency)
    money = Funding(card.funding[0], kind, amount, pocket.id, ends, card.id)
    async with house.database.transaction() as conn:
        await ledger.open_accounts(conn, [pocket])
        await house.balances.fund(conn, card.partition_id, [money])


async def available(house: House, card: Card) -> int:
    """What this card may still spend, in minor units."""
    async with house.database.connection() as conn:
        lots = (await house.balances.of(conn, card.funding))[card.funding[0]]
    return sum(lot.available_minor for lot in lots)
