"""Who may see, stop and give away a card: OT-8, PF-3."""

from datetime import timedelta

import pytest
from msgspec.structs import replace
from tests.factories.cards import NOON, a_card

from obverse.cards import (
    Card,
    CardHandedOver,
    CardIsClosed,
    CardIsInactive,
    CardNotFound,
    CardNotGiveable,
    CardState,
    ClaimLink,
    ClaimLinkInvalid,
    Controls,
    HeldBy,
    Sight,
    Viewer,
)
from obverse.cards.rules import change_state, check_hand_over, check_reveal, claimable, is_live, sight

OWN = a_card()
GIVEN = a_card(held_by=HeldBy.RECIPIENT)
LINK = ClaimLink(b"hash", OWN.partition_id, OWN.id, NOON, NOON + timedelta(days=1))


@pytest.mark.parametrize(
    ("card", "viewer", "expected"),
    [
        (OWN, Viewer.MEMBER, Sight(number=True, owner=True, funding=True, payments=True)),
        (GIVEN, Viewer.MEMBER, Sight(number=False, owner=True, funding=True, payments=False)),
        (GIVEN, Viewer.RECIPIENT, Sight(number=True, owner=False, funding=False, payments=True)),
        (OWN, Viewer.OPERATOR, Sight(number=False, owner=True, funding=True, payments=True)),
        (GIVEN, Viewer.OPERATOR, Sight(number=False, owner=True, funding=True, payments=True)),
    ],
    ids=["own", "giver", "recipient", "operator", "operator_of_given"],
)
def test_p12_neither_side_of_a_hand_over_sees_the_other(card: Card, viewer: Viewer, expected: Sight) -> None:
    assert sight(card, viewer) == expected


@pytest.mark.parametrize(
    ("card", "viewer", "refusal"),
    [
        (GIVEN, Viewer.MEMBER, CardHandedOver),
        (OWN, Viewer.RECIPIENT, CardNotFound),
        (OWN, Viewer.OPERATOR, CardNotFound),
    ],
    ids=["giver", "no_recipient_yet", "operator"],
)
def test_only_its_holder_gets_the_number(card: Card, viewer: Viewer, refusal: type[Exception]) -> None:
    with pytest.raises(refusal):
        check_reveal(card, viewer)


@pytest.mark.parametrize("viewer", [Viewer.MEMBER, Viewer.OPERATOR])
@pytest.mark.parametrize("state", CardState)
@pytest.mark.parametrize("wanted", CardState)
def test_a_closed_card_stays_closed_an_unsold_one_unsold_and_asking_twice_changes_nothing(
    state: CardState, wanted: CardState, viewer: Viewer
) -> None:
    card = replace(OWN, state=state)
    if state is CardState.CLOSED and wanted is not state:
        with pytest.raises(CardIsClosed):
            change_state(card, wanted, viewer)
    elif state is CardState.INACTIVE and wanted not in (state, CardState.CLOSED):
        with pytest.raises(CardIsInactive):
            change_state(card, wanted, viewer)
    else:
        assert change_state(card, wanted, viewer) is (state is not wanted)


@pytest.mark.parametrize(
    ("card", "viewer", "refusal"),
    [(GIVEN, Viewer.MEMBER, CardHandedOver), (OWN, Viewer.RECIPIENT, CardNotFound)],
    ids=["giver", "no_recipient_yet"],
)
def test_nobody_stops_a_card_that_is_not_theirs(card: Card, viewer: Viewer, refusal: type[Exception]) -> None:
    with pytest.raises(refusal):
        change_state(card, CardState.CLOSED, viewer)


NOT_AS_GOOD_AS_CASH = {
    "suspended": replace(OWN, state=CardState.SUSPENDED),
    "closed": replace(OWN, state=CardState.CLOSED),
    "expired": replace(OWN, expires_at=NOON),
    "used": replace(OWN, uses_left=0, spent_minor=1),
    "partly_used": a_card(Controls(uses=3), uses_left=2),
    "partly_spent": a_card(Controls(amount_limit_minor=10), spent_minor=1),
}


@pytest.mark.parametrize("card", NOT_AS_GOOD_AS_CASH.values(), ids=NOT_AS_GOOD_AS_CASH)
def test_only_a_card_as_good_as_cash_can_be_handed_over_or_claimed(card: Card) -> None:
    with pytest.raises(CardNotGiveable):
        check_hand_over(card, NOON)
    with pytest.raises(ClaimLinkInvalid):
        claimable(card, LINK, NOON)


def test_a_card_is_given_once() -> None:
    with pytest.raises(CardHandedOver):
        check_hand_over(GIVEN, NOON)
    with pytest.raises(ClaimLinkInvalid):
        claimable(GIVEN, LINK, NOON)


@pytest.mark.parametrize(
    ("link", "live"),
    [
        (LINK, True),
        (replace(LINK, expires_at=NOON), False),
        (replace(LINK, claimed_at=NOON), False),
        (replace(LINK, withdrawn_at=NOON), False),
    ],
    ids=["fresh", "expired", "claimed", "withdrawn"],
)
def test_a_link_lives_until_it_is_claimed_withdrawn_or_expired(link: ClaimLink, live: bool) -> None:
    assert is_live(link, NOON) is live
    if live:
        assert claimable(OWN, link, NOON) is OWN
    else:
        with pytest.raises(ClaimLinkInvalid):
            claimable(OWN, link, NOON)


def test_every_refused_claim_reads_the_same() -> None:
    refusals = set()
    for card, link in ((None, LINK), (OWN, None), (GIVEN, LINK), (OWN, replace(LINK, claimed_at=NOON))):
        with pytest.raises(ClaimLinkInvalid) as refusal:
            claimable(card, link, NOON)
        refusals.add((str(refusal.value), refusal.value.param))
    assert len(refusals) == 1
