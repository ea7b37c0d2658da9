"""Goods come back to a till: refunds, and reversals of a part."""

from typing import TYPE_CHECKING

import pytest
from tests.factories.iso8583 import Fields, purchase, reversal

if TYPE_CHECKING:
    from tests.doors.acquirer.conftest import Door

KEPT_10_000 = "000000010000" + "0" * 30


def refund(original: Fields, **changes: str | None) -> Fields:
    """Give back what `original` took."""
    return reversal(original, "0200", **{"DE3": "200000", **changes})


async def test_a_refund_finds_the_sale_it_is_about(door: "Door") -> None:
    caller = await door.caller()
    await caller.ask(purchase("0200"))
    answer = await caller.ask(refund(purchase("0200"), DE4="000000004000"))
    assert (answer["t"], answer["39"]) == ("0210", "00")
    (key, amount, step), *_ = door.engine.refunds
    assert (amount, step != key) == (4_000, True)
    assert len(door.engine.requests) == 1, "a refund is no payment"


async def test_p06_a_repeated_refund_has_the_key_of_its_first(door: "Door") -> None:
    caller = await door.caller()
    await caller.ask(purchase("0200"))
    for mti in ("0200", "0201"):
        await caller.ask(refund(purchase("0200"), DEt=mti))
    assert len({step for *_, step in door.engine.refunds}) == 1


@pytest.mark.parametrize("missing", ["DE90", "DE2", "DE4"])
async def test_a_refund_that_does_not_say_of_what_is_a_format_error(door: "Door", missing: str) -> None:
    answer = await (await door.caller()).ask(refund(purchase("0200"), **{missing: None}))
    assert answer["39"] == "30"


async def test_a_refund_of_nothing_is_not_located(door: "Door") -> None:
    assert (await (await door.caller()).ask(refund(purchase("0200"))))["39"] == "25"


@pytest.mark.parametrize(("captured", "asked"), [(False, "releases"), (True, "refunds")])
async def test_a_reversal_of_a_part_releases_it_or_gives_it_back(
    door: "Door", captured: bool, asked: str
) -> None:
    caller = await door.caller()
    original = purchase("0200" if captured else "0100")
    await caller.ask(original)
    answer = await caller.ask(reversal(original, DE95=KEPT_10_000))
    assert (answer["t"], answer["39"]) == ("0410", "00")
    assert [amount for _, amount, _ in getattr(door.engine, asked)] == [24_000]


@pytest.mark.parametrize("kept", ["000000034000", "0000000x0000"], ids=["all of it", "no amount"])
async def test_a_reversal_that_keeps_no_part_is_a_format_error(door: "Door", kept: str) -> None:
    caller = await door.caller()
    await caller.ask(purchase())
    assert (await caller.ask(reversal(purchase(), DE95=kept + "0" * 30)))["39"] == "30"
