"""Which sources may pay behind a card, and which one stays with it."""

from uuid import UUID

import pytest
from tests.factories.cards import a_card
from tests.factories.registered_cards import a_source

from obverse.cards import CardKind
from obverse.kit.errors import InvalidRequest, NotFound, ObverseError
from obverse.kit.ids import PartitionId, SourceId
from obverse.kit.money import CurrencyCode
from obverse.wallet import SourceKind, SourceNotActive, SourceNotFound, SourceState
from obverse.wallet.rules import reordered


def ids(*numbers: int) -> list[SourceId]:
    return [SourceId(UUID(int=number)) for number in numbers]


OWN, LINKED, CREDIT, POINTS, MILES = ids(1, 2, 3, 4, 5)
SUSPENDED, REMOVED, BANK, OTHERS_BALANCE, DOLLARS, ELSEWHERE = ids(6, 7, 8, 9, 10, 11)
SOURCES = [
    a_source(1, kind=SourceKind.STORED_BALANCE),
    a_source(2),
    a_source(3, kind=SourceKind.CREDIT_LINE),
    a_source(4, kind=SourceKind.POINTS),
    a_source(5, kind=SourceKind.ISSUER_POINTS),
    a_source(6, kind=SourceKind.ISSUER_POINTS, state=SourceState.SUSPENDED),
    a_source(7, state=SourceState.REMOVED),
    a_source(8, kind=SourceKind.BANK_ACCOUNT),
    a_source(9, kind=SourceKind.STORED_BALANCE),
    a_source(10, currency=CurrencyCode("USD")),
    a_source(11, partition_id=PartitionId(1)),
]
PREPAID = a_card(kind=CardKind.PREPAID, funding=(OWN,), own_source=OWN)
REGISTERED = a_card(kind=CardKind.REGISTERED, funding=(LINKED,), own_source=LINKED)
ONE_TIME = a_card(funding=(CREDIT,))


@pytest.mark.parametrize(
    ("card", "wanted"),
    [
        (PREPAID, [MILES, POINTS, OWN, LINKED, CREDIT]),
        (PREPAID, [OWN]),
        (REGISTERED, [MILES, LINKED, POINTS]),
        (ONE_TIME, [MILES]),
        (ONE_TIME, [LINKED, MILES, CREDIT]),
    ],
    ids=["prepaid, any mix", "prepaid, alone again", "registered", "one-time, points only", "one-time"],
)
def test_a_members_sources_pay_in_the_order_they_want(card, wanted: list[SourceId]) -> None:
    assert reordered(card, SOURCES, wanted) == tuple(wanted)


@pytest.mark.parametrize(
    ("card", "wanted", "refusal"),
    [
        (PREPAID, [MILES, LINKED], InvalidRequest),
        (REGISTERED, [MILES], InvalidRequest),
        (PREPAID, [OWN, OTHERS_BALANCE], InvalidRequest),
        (ONE_TIME, [OWN], InvalidRequest),
        (PREPAID, [OWN, BANK], InvalidRequest),
        (PREPAID, [OWN, DOLLARS], InvalidRequest),
        (PREPAID, [OWN, ELSEWHERE], InvalidRequest),
        (PREPAID, [OWN, OWN], InvalidRequest),
        (ONE_TIME, [], InvalidRequest),
        (ONE_TIME, ids(*range(11)), InvalidRequest),
        (PREPAID, [OWN, SUSPENDED], SourceNotActive),
        (PREPAID, [OWN, REMOVED], SourceNotFound),
        (PREPAID, [OWN, *ids(99)], SourceNotFound),
    ],
    ids=[
        "its own balance is left out",
        "its own real card is left out",
        "another card's balance",
        "a balance behind a one-time number",
        "a bank account",
        "another currency",
        "another partition",
        "twice",
        "nothing",
        "too many",
        "suspended",
        "removed",
        "somebody else's",
    ],
)
def test_what_cannot_pay_with_a_card_is_refused(
    card, wanted: list[SourceId], refusal: type[ObverseError]
) -> None:
    with pytest.raises(refusal) as refused:
        reordered(card, SOURCES, wanted)
    if issubclass(refusal, InvalidRequest | NotFound):
        assert refused.value.param == "sources"
