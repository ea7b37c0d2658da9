"""What a merchant's data must look like: PF-4."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from msgspec.structs import replace

from obverse.kit.clock import Clock
from obverse.kit.errors import InvalidRequest
from obverse.kit.ids import AccountId, MerchantId
from obverse.merchants import Merchant, MerchantState
from obverse.merchants.directory import AGE_MAX_MS, ENTRIES_MAX, Directory
from obverse.merchants.rules import check_merchant

MALL = Merchant(
    MerchantId(UUID(int=1)),
    "Mall 한국",
    "5732",
    "410001",
    "MALL-1",
    ("T0000001",),
    AccountId(UUID(int=2)),
    MerchantState.ACTIVE,
    datetime(2026, 11, 20, tzinfo=UTC),
)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "   "),
        ("name", "x" * 101),
        ("name", "a\nb"),
        ("category", "573"),
        ("category", "57a2"),
        ("acquirer_id", ""),
        ("acquirer_id", "1" * 12),
        ("acquirer_id", "４１"),
        ("merchant_no", ""),
        ("merchant_no", "x" * 16),
        ("merchant_no", "A "),
        ("merchant_no", "한"),
        ("terminals", ("T" * 9,)),
        ("terminals", ("T1", "T1")),
        ("metadata", {"k": "\x00"}),
    ],
)
def test_what_iso_8583_could_not_carry_is_refused_by_field(field: str, value: object) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        check_merchant(replace(MALL, **{field: value}))
    assert refusal.value.param == field


def test_an_ordinary_merchant_is_fine() -> None:
    check_merchant(MALL)
    check_merchant(replace(MALL, terminals=()))


class Loads:
    """A look-up that counts how often it is asked."""

    def __init__(self, answer: Merchant | None) -> None:
        self.answer = answer
        self.count = 0

    async def __call__(self) -> Merchant | None:
        self.count += 1
        return self.answer


def age(clock: Clock) -> None:
    clock.move_to(clock.offset + timedelta(milliseconds=AGE_MAX_MS))


@pytest.mark.parametrize("answer", [MALL, None], ids=["found", "missing"])
async def test_the_directory_asks_once_for_a_while(answer: Merchant | None, clock: Clock) -> None:
    directory, load = Directory(clock), Loads(answer)
    assert [await directory.get("k", load) for _ in range(3)] == [answer] * 3
    assert load.count == 1
    age(clock)
    await directory.get("k", load)
    assert load.count == 2


async def test_while_one_caller_looks_again_the_others_do_not_wait(clock: Clock) -> None:
    directory = Directory(clock)
    await directory.get("k", Loads(MALL))
    age(clock)
    others = Loads(None)

    async def slow() -> Merchant | None:
        assert await directory.get("k", others) is MALL
        return None

    assert await directory.get("k", slow) is None
    assert others.count == 0


async def test_what_was_changed_here_is_forgotten_at_once(clock: Clock) -> None:
    directory = Directory(clock)
    await directory.get(MALL.id, Loads(MALL))
    await directory.get((MALL.acquirer_id, MALL.merchant_no), Loads(None))
    directory.forget(MALL)
    again = Loads(MALL)
    assert await directory.get((MALL.acquirer_id, MALL.merchant_no), again) is MALL
    await directory.get(MALL.id, again)
    assert again.count == 2


async def test_made_up_numbers_cannot_fill_the_memory(clock: Clock) -> None:
    directory, nothing = Directory(clock), Loads(None)
    for number in range(ENTRIES_MAX + 10):
        await directory.get(("410001", str(number)), nothing)
    assert len(directory._entries) <= ENTRIES_MAX
