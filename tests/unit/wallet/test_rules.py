"""Which sources may stand behind a card: OT-12, OT-13."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from msgspec.structs import replace

from obverse.cards import Controls
from obverse.kit.errors import InvalidRequest
from obverse.kit.ids import AccountId, MemberId, PartitionId, SourceId
from obverse.kit.money import KRW, CurrencyCode
from obverse.wallet import CardWish, Source, SourceKind, SourceNotActive, SourceNotFound, SourceState
from obverse.wallet.rules import fingerprint, funding_for

MEMBER = MemberId(UUID(int=9))
USD = CurrencyCode("USD")


def a_source(number: int, **changes) -> Source:
    given = {
        "id": SourceId(UUID(int=number)),
        "partition_id": PartitionId(0),
        "member_id": MEMBER,
        "kind": SourceKind.CREDIT_LINE,
        "currency": KRW,
        "account_id": AccountId(UUID(int=number)),
        "vault_card_id": None,
        "state": SourceState.ACTIVE,
        "created_at": datetime(2026, 11, 20, tzinfo=UTC),
    } | changes
    return Source(**given)


ONE, TWO = a_source(1), a_source(2)
SUSPENDED = a_source(3, state=SourceState.SUSPENDED)
REMOVED = a_source(4, state=SourceState.REMOVED)
DOLLARS = a_source(5, currency=USD)
BALANCE = a_source(6, kind=SourceKind.STORED_BALANCE, account_id=None)
ALL = [ONE, TWO, SUSPENDED, REMOVED, DOLLARS]


@pytest.mark.parametrize(
    ("wanted", "chosen"),
    [(None, (ONE, TWO)), ((TWO, ONE), (TWO, ONE)), ((DOLLARS,), (DOLLARS,))],
    ids=["whatever_is_there", "in_the_order_asked", "another_currency"],
)
def test_the_sources_that_are_wanted_stand_behind_the_card_in_order(
    wanted: tuple[Source, ...] | None, chosen: tuple[Source, ...]
) -> None:
    ids = None if wanted is None else [source.id for source in wanted]
    assert funding_for(ALL, ids) == chosen


@pytest.mark.parametrize(
    ("sources", "wanted", "refusal"),
    [
        (ALL, (a_source(77).id,), SourceNotFound),
        (ALL, (REMOVED.id,), SourceNotFound),
        (ALL, (SUSPENDED.id,), SourceNotActive),
        (ALL, (ONE.id, DOLLARS.id), InvalidRequest),
        (ALL, (), InvalidRequest),
        ([SUSPENDED], None, SourceNotActive),
        ([REMOVED], None, SourceNotActive),
        ([ONE, BALANCE], (BALANCE.id,), InvalidRequest),
    ],
    ids=[
        "foreign",
        "removed",
        "suspended",
        "two_currencies",
        "none",
        "all_suspended",
        "all_removed",
        "the_balance_of_another_card",
    ],
)
def test_what_cannot_stand_behind_a_card(
    sources: list[Source], wanted: tuple[SourceId, ...] | None, refusal: type[Exception]
) -> None:
    with pytest.raises(refusal):
        funding_for(sources, wanted)


def test_every_part_of_a_wish_changes_its_fingerprint() -> None:
    wish = CardWish(Controls(amount_limit_minor=1), (ONE.id,), None, {"a": "1", "b": "2"})
    different = [
        (MemberId(UUID(int=8)), wish, 1),
        (MEMBER, wish, 2),
        (MEMBER, replace(wish, controls=Controls(amount_limit_minor=2)), 1),
        (MEMBER, replace(wish, controls=Controls(amount_limit_minor=1, uses=2)), 1),
        (MEMBER, replace(wish, funding=None), 1),
        (MEMBER, replace(wish, expires_at=datetime(2027, 1, 1, tzinfo=UTC)), 1),
        (MEMBER, replace(wish, metadata={}), 1),
    ]
    prints = {fingerprint(MEMBER, wish, 1), *[fingerprint(*one) for one in different]}
    assert len(prints) == len(different) + 1


def test_the_same_wish_has_the_same_fingerprint_in_any_order_of_its_metadata() -> None:
    one, other = CardWish(metadata={"a": "1", "b": "2"}), CardWish(metadata={"b": "2", "a": "1"})
    assert fingerprint(MEMBER, one, 1) == fingerprint(MEMBER, other, 1)
