"""What may be asked of a card, by whom, and who may see what. No I/O, no clock."""

import unicodedata
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, Protocol

from obverse.cards.errors import (
    CardHandedOver,
    CardIsClosed,
    CardIsInactive,
    CardNotFound,
    CardNotGiveable,
    CardNotShown,
    ClaimLinkInvalid,
)
from obverse.cards.model import (
    Card,
    CardKind,
    CardState,
    ClaimLink,
    Controls,
    HeldBy,
    Order,
    Service,
    Sight,
    SpentOn,
    Viewer,
)
from obverse.kit.errors import InvalidRequest
from obverse.kit.ids import PartitionId, SourceId
from obverse.kit.metadata import check_metadata
from obverse.kit.money import AMOUNT_MINOR_MAX
from obverse.programmes.model import Programme

VALIDITY_MONTHS: Final = 36
"""How long a number is good on its face, and so the latest `expires_at`."""

USES_MAX: Final = 1_000
NAME_LENGTH_MAX: Final = 15
PIN_TRIES_MAX: Final = 5
"""Wrong PINs in a row before a card is locked until its holder sets another."""
CATEGORIES_MAX: Final = 100
FUNDING_MAX: Final = 10
PARTITIONS_MAX: Final = 100


_SERVICE_OF: Final[Mapping[str, Service]] = {
    "4814": Service.CALLS,
    "5966": Service.VOICE,
    "5967": Service.VOICE,
    "4816": Service.CONTENT,
    "4899": Service.CONTENT,
    "5815": Service.CONTENT,
    "5816": Service.CONTENT,
    "5817": Service.CONTENT,
    "5818": Service.CONTENT,
    "7994": Service.CONTENT,
}


def service_of(category: str) -> Service:
    """What a merchant of this category sells, as far as cards can be held to it (PP-5; ISO 18245).

    >>> service_of("4814"), service_of("5942")
    (<Service.CALLS: 'calls'>, <Service.GOODS: 'goods'>)
    """
    return _SERVICE_OF.get(category, Service.GOODS)


def serial_of(sequence_value: int, partition_id: PartitionId) -> int:
    """The serial of a new card: its last two digits are the partition, so that a number tells its own."""
    return sequence_value * PARTITIONS_MAX + partition_id


def partition_of(serial: int) -> PartitionId:
    """The partition in which the card with this serial is kept."""
    return PartitionId(serial % PARTITIONS_MAX)


def face_expiry(created_at: datetime) -> str:
    """The expiry on the face of a card, YYMM: three years from the month of issue.

    It is derived, so that the same card always shows the same one. The control that really ends a card
    is `expires_at`.

    >>> from datetime import UTC
    >>> face_expiry(datetime(2026, 11, 20, tzinfo=UTC))
    '2911'
    """
    return f"{(created_at.year + VALIDITY_MONTHS // 12) % 100:02d}{created_at.month:02d}"


def face_expiry_of(card: Card) -> str:
    """The expiry on the face of any card, YYMM; a registered one's is the real card's (PR-12).

    That one ends with its month in the programme's time zone. No zone is a day away from UTC, so the day
    before lies in that month in all of them.
    """
    if card.kind is not CardKind.REGISTERED:
        return face_expiry(card.created_at)
    last = card.expires_at - timedelta(days=1)
    return f"{last.year % 100:02d}{last.month:02d}"


def end_of_face(created_at: datetime) -> datetime:
    """The first moment at which a card made now is over on its face: cards are good through their month."""
    months = created_at.year * 12 + created_at.month + VALIDITY_MONTHS
    return created_at.replace(
        year=months // 12, month=months % 12 + 1, day=1, hour=0, minute=0, second=0, microsecond=0
    )


def check_order(order: Order, now: datetime) -> None:
    """Refuse an order that cannot be issued (OT-7). Raises `InvalidRequest` with the field's name."""
    check_controls(order.controls)
    check_metadata(order.metadata)
    if not 1 <= len(order.funding) <= FUNDING_MAX:
        raise InvalidRequest(f"A card needs 1 to {FUNDING_MAX} funding sources.", "funding")
    if len(set(order.funding)) != len(order.funding):
        raise InvalidRequest("A funding source may be named once.", "funding")
    if order.expires_at is not None and not now < order.expires_at <= end_of_face(now):
        raise InvalidRequest(
            f"expires_at must lie in the future, at most {VALIDITY_MONTHS} months ahead.",
            "controls.expires_at",
        )


def check_controls(controls: Controls) -> None:
    """Refuse controls that mean nothing (OT-7). Raises `InvalidRequest` with the field's name."""
    _check_limit(controls.amount_limit_minor, "controls.amount_limit")
    _check_limit(controls.per_payment_limit_minor, "controls.per_payment_limit")
    if not 1 <= controls.uses <= USES_MAX:
        raise InvalidRequest(f"uses must be between 1 and {USES_MAX}.", "controls.uses")
    if controls.categories is not None:
        _check_categories(controls.categories)


def controls_of(programme: Programme) -> Controls:
    """What a card issued under this programme now may be spent on, for as long as it lives (PP-15)."""
    services = programme.services
    return Controls(
        categories=programme.categories,
        spent_on=SpentOn.NEVER,
        services=tuple(map(Service, services)) if services is not None else None,
        merchants=programme.merchants,
    )


def _check_limit(limit_minor: int | None, param: str) -> None:
    if limit_minor is not None and not 0 <= limit_minor <= AMOUNT_MINOR_MAX:
        raise InvalidRequest(f"A limit must be between 0 and {AMOUNT_MINOR_MAX}.", param)


def _check_categories(categories: Sequence[str]) -> None:
    if not 1 <= len(categories) <= CATEGORIES_MAX:
        raise InvalidRequest(f"Name 1 to {CATEGORIES_MAX} categories, or none at all.", "controls.categories")
    if not all(len(c) == 4 and c.isascii() and c.isdigit() for c in categories):
        raise InvalidRequest("A merchant category has four digits (ISO 18245).", "controls.categories")


def card_name(name: str) -> str:
    """A name that a holder gives a card, in one form: up to 15 letters, digits and marks (WA-3).

    Pictures are no letters: they take the width of several and look different everywhere.
    Raises `InvalidRequest`.
    """
    name = " ".join(unicodedata.normalize("NFC", name).split())
    if len(name) > NAME_LENGTH_MAX:
        raise InvalidRequest(f"A card's name has up to {NAME_LENGTH_MAX} characters.", "name")
    if not all(unicodedata.category(letter)[0] in "LMNPZ" for letter in name):
        raise InvalidRequest("A card's name is made of letters, digits and punctuation.", "name")
    return name


class InHand(Protocol):
    """A card, or whatever tells who has it in hand."""

    @property
    def held_by(self) -> HeldBy: ...


def sight(card: InHand, viewer: Viewer) -> Sight:
    """What this viewer may see of the card.

    After a hand-over neither side learns the other: the recipient sees number and payments but nothing of
    the member, and the member still sees what pays for the card but not where it is spent. An operator
    sees everything but the number, which is the holder's alone. Source: OT-8, PF-3.
    """
    if viewer is Viewer.OPERATOR:
        return Sight(number=False, owner=True, funding=True, payments=True)
    if viewer is Viewer.RECIPIENT:
        return Sight(number=True, owner=False, funding=False, payments=True)
    own = card.held_by is HeldBy.MEMBER
    return Sight(number=own, owner=True, funding=True, payments=own)


def check_reveal(card: Card, viewer: Viewer) -> None:
    """Refuse to show the number to anybody but its holder, or one that is not ours.

    Raises `CardHandedOver`, `CardNotFound`, `CardNotShown`.
    """
    check_holder(card, viewer)
    if card.kind is CardKind.REGISTERED:
        raise CardNotShown(card.id)
    if not sight(card, viewer).number:
        raise CardNotFound


def change_state(card: Card, wanted: CardState, viewer: Viewer) -> bool:
    """Whether the card has to change to get to `wanted`; asking twice is fine.

    Raises `CardIsClosed` for what would reopen a card, `CardIsInactive` for one that was never set up or
    sold, `CardHandedOver` where the giver wants to stop what was given away: like cash, it is gone.
    """
    check_holder(card, viewer)
    if card.state is wanted:
        return False
    if card.state is CardState.CLOSED:
        raise CardIsClosed(card.id)
    if card.state is CardState.INACTIVE and wanted is not CardState.CLOSED:
        # Else stopping it and letting it go on would be a way around buying it.
        raise CardIsInactive(card.id)
    return True


def check_holder(card: Card, viewer: Viewer) -> None:
    """Refuse whoever does not have the card in hand. Raises `CardHandedOver`, `CardNotFound`."""
    if viewer is Viewer.MEMBER and card.held_by is HeldBy.RECIPIENT:
        raise CardHandedOver(card.id)
    if viewer is Viewer.RECIPIENT and card.held_by is HeldBy.MEMBER:
        raise CardNotFound


def is_giveable(card: Card, now: datetime) -> bool:
    """Whether the card is as good as cash: active, not expired, and nothing of it used.

    A card that was bought for somebody is inactive until they have it (PP-3); an agent's has to be sold.
    A registered card names its member at every shop and is nobody else's.
    """
    bought = card.state is CardState.INACTIVE and card.batch_id is None
    return (
        card.kind is not CardKind.REGISTERED
        and not _is_taken(card)
        and (card.state is CardState.ACTIVE or bought)
        and now < card.expires_at
        and card.uses_left == card.controls.uses
        and card.spent_minor == 0
    )


def check_hand_over(card: Card, now: datetime) -> None:
    """Refuse to hand over a card that is gone already, or no longer good."""
    check_not_taken(card)
    if not is_giveable(card, now):
        raise CardNotGiveable(card.id)


def own_source(card: Card) -> SourceId:
    """The source that is the card's own; for cards with stored value and registered ones."""
    assert card.own_source is not None, "only a one-time number has no source of its own"
    return card.own_source


def is_live(link: ClaimLink, now: datetime) -> bool:
    """Whether this link can still be claimed."""
    return link.claimed_at is None and link.withdrawn_at is None and now < link.expires_at


def check_not_taken(card: Card) -> None:
    """Refuse to give, or to take back, what has been claimed. Raises `CardHandedOver`."""
    if _is_taken(card):
        raise CardHandedOver(card.id)


def _is_taken(card: Card) -> bool:
    """Whether somebody has it in hand who is no member. Nobody has what was bought and lies unclaimed."""
    return card.held_by is HeldBy.RECIPIENT and (card.is_held or card.kind is CardKind.ONE_TIME)


def claimable(card: Card | None, link: ClaimLink | None, now: datetime) -> Card:
    """The card that this link gives away. Raises `ClaimLinkInvalid`, the same for every reason."""
    if card is None or link is None or not is_live(link, now) or not is_giveable(card, now):
        raise ClaimLinkInvalid
    return card
