"""When two orders are the same, and what a kept order may still become (WA-7)."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from obverse.checkouts import (
    MISMATCHES_MAX,
    Checkout,
    CheckoutExists,
    CheckoutExpired,
    CheckoutMismatch,
    CheckoutNotFound,
    CheckoutState,
    CheckoutVoid,
    Item,
    Order,
    rules,
)
from obverse.kit.errors import InvalidRequest, KeyReused
from obverse.kit.ids import CardId, CheckoutId, MemberId, MerchantId
from obverse.kit.money import KRW, CurrencyCode, Money

NOW = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
TEA = Item("Green tea", 2, 4_500)
CUP = Item("Cup", 1, 12_000)
ORDER = rules.canonical(Order("customer 7", Money(21_000, KRW), [TEA, CUP]))


def kept(**changes: object) -> Checkout:
    return replace(
        Checkout(
            id=CheckoutId(UUID(int=1)),
            merchant_id=MerchantId(UUID(int=2)),
            member_id=MemberId(UUID(int=3)),
            card_id=CardId(UUID(int=4)),
            order=ORDER,
            state=CheckoutState.KEPT,
            created_at=NOW,
            expires_at=NOW + rules.LIFETIME,
        ),
        **changes,
    )


def order(*items: Item, currency: str = KRW) -> Order:
    total = sum(item.quantity * item.unit_minor for item in items)
    return rules.canonical(Order("customer 7", Money(total, CurrencyCode(currency)), items))


@given(st.permutations([TEA, CUP, Item("Cup", 3, 12_000), Item("Cup", 1, 11_000)]))
def test_the_order_of_the_lines_does_not_count(items: list[Item]) -> None:
    assert order(*items) == order(TEA, CUP, Item("Cup", 1, 11_000), Item("Cup", 3, 12_000))


@pytest.mark.parametrize(
    ("one", "other"),
    [("Green  tea ", "Green tea"), ("\u1100\u1161\u11a8", "\uac01"), ("Cafe\u0301", "Caf\u00e9")],
    ids=["blanks", "Hangul in pieces", "an accent by itself"],
)
def test_a_name_is_compared_as_people_see_it(one: str, other: str) -> None:
    assert order(Item(one, 1, 100)) == order(Item(other, 1, 100))


@pytest.mark.parametrize(
    ("wrong", "param"),
    [
        (Order("c", Money(21_001, KRW), [TEA, CUP]), "total"),
        (Order("c", Money(100, KRW), [Item("  ", 1, 100)]), "items.name"),
    ],
    ids=["does not add up", "no name"],
)
def test_what_is_no_order_is_refused(wrong: Order, param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        rules.canonical(wrong)
    assert caught.value.param == param


DIFFERENT = [
    pytest.param(order(TEA), "items", id="a line less"),
    pytest.param(order(TEA, CUP, Item("Spoon", 1, 0)), "items", id="a line more, for nothing"),
    pytest.param(order(TEA, Item("cup", 1, 12_000)), "items.name", id="another name"),
    pytest.param(order(Item("Green tea", 1, 4_500), CUP), "items.quantity", id="another quantity"),
    pytest.param(order(Item("Green tea", 2, 4_501), CUP), "items.unit_amount", id="another price"),
    pytest.param(order(Item("Green tea", 6, 1_500), CUP), "items.quantity", id="the same total otherwise"),
    pytest.param(order(TEA, CUP, currency="USD"), "currency", id="another currency"),
]


@pytest.mark.parametrize(("asked", "param"), DIFFERENT)
def test_p17_a_request_that_differs_is_told_the_kind_of_field_and_nothing_of_ours(
    asked: Order, param: str
) -> None:
    after, refused = rules.match(kept(), asked, None)
    assert isinstance(refused, CheckoutMismatch)
    assert refused.param == param
    assert after == kept(mismatches=1)
    assert not any(value in str(refused) for value in ("tea", "Cup", "4,500", "4500", "21", "12"))


def test_the_same_order_matches_and_takes_the_malls_key() -> None:
    assert rules.match(kept(), ORDER, "k") == (kept(state=CheckoutState.MATCHED, request_key="k"), None)


def test_after_some_mismatches_the_kept_order_is_void() -> None:
    checkout: Checkout | None = kept()
    for _ in range(MISMATCHES_MAX):
        assert checkout is not None
        assert checkout.state is CheckoutState.KEPT
        checkout, _refused = rules.match(checkout, order(TEA), None)
    assert checkout == kept(mismatches=MISMATCHES_MAX, state=CheckoutState.VOID)
    assert isinstance(rules.match(checkout, ORDER, None)[1], CheckoutVoid)


@pytest.mark.parametrize("state", [CheckoutState.MATCHED, CheckoutState.PAID, CheckoutState.DECLINED])
def test_what_has_matched_is_answered_again_and_no_longer_spoiled(state: CheckoutState) -> None:
    checkout = kept(state=state, request_key="k")
    assert rules.match(checkout, ORDER, "k") == (checkout, None)
    assert rules.match(checkout, ORDER, None) == (checkout, None)
    assert isinstance(rules.match(checkout, order(TEA), "k")[1], KeyReused)
    after, refused = rules.match(checkout, order(TEA), "another")
    assert isinstance(refused, CheckoutMismatch)
    assert after == checkout


@pytest.mark.parametrize(
    ("checkout", "refusal"),
    [
        (None, CheckoutNotFound),
        (kept(state=CheckoutState.WITHDRAWN), CheckoutNotFound),
        (rules.settled(kept(), NOW + rules.LIFETIME), CheckoutExpired),
    ],
    ids=["none", "withdrawn", "too late"],
)
def test_what_is_not_there_any_more_is_not_paid(checkout: Checkout | None, refusal: type) -> None:
    after, refused = rules.match(checkout, ORDER, None)
    assert isinstance(refused, refusal)
    assert after == checkout


def test_an_order_stays_until_its_last_moment() -> None:
    assert rules.settled(kept(), NOW + rules.LIFETIME - timedelta(microseconds=1)) == kept()


OTHER_CARD = CardId(UUID(int=5))
STRANGER = MemberId(UUID(int=6))


@pytest.mark.parametrize(
    ("newest", "new", "becomes"),
    [
        (kept(), kept(card_id=OTHER_CARD), CheckoutState.WITHDRAWN),
        (kept(), kept(member_id=STRANGER), None),
        (kept(state=CheckoutState.MATCHED), kept(card_id=OTHER_CARD), None),
        (
            kept(state=CheckoutState.MATCHED),
            kept(created_at=NOW + rules.LIFETIME),
            CheckoutState.VOID,
        ),
        (kept(state=CheckoutState.PAID), kept(card_id=OTHER_CARD), CheckoutState.PAID),
        (kept(state=CheckoutState.VOID), kept(member_id=STRANGER), CheckoutState.VOID),
    ],
    ids=[
        "another card of theirs", "somebody else's", "being paid", "being paid, forgotten", "paid", "void",
    ],
)  # fmt: skip
def test_one_order_at_a_time(newest: Checkout, new: Checkout, becomes: CheckoutState | None) -> None:
    if becomes is None:
        with pytest.raises(CheckoutExists):
            rules.make_way(newest, new)
    else:
        assert rules.make_way(newest, new).state is becomes


@pytest.mark.parametrize(
    ("newest", "new", "same"),
    [
        (kept(), kept(), True),
        (kept(state=CheckoutState.PAID), kept(), True),
        (kept(state=CheckoutState.PAID), kept(created_at=NOW + rules.LIFETIME), False),
        (kept(state=CheckoutState.DECLINED), kept(), False),
        (kept(), kept(card_id=OTHER_CARD), False),
        (kept(), kept(order=order(TEA)), False),
        (kept(), kept(member_id=STRANGER), False),
    ],
    ids=[
        "twice",
        "twice, and paid",
        "again tomorrow",
        "declined",
        "another card",
        "another cart",
        "stranger",
    ],
)
def test_p06_pressing_the_button_twice_is_one_checkout(newest: Checkout, new: Checkout, same: bool) -> None:
    assert rules.same_again(newest, new) is same
