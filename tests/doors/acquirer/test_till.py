"""The sandbox till in front of the door: its screen, its receipts, and what it does when the line breaks."""

from collections.abc import AsyncIterator
from random import Random
from typing import TYPE_CHECKING

import pytest
from tests.doors.acquirer.test_points import LINES, QUOTE, a_leg, decides
from tests.factories.iso8583 import ACQUIRER, MERCHANT_NO, TERMINAL

from obverse.authorization.model import Decline, Status
from obverse.kit.clock import Clock
from obverse.kit.secret import Secret
from obverse.points.model import Rate
from obverse.points.quotes import Shown
from obverse.sandbox.errors import NoAnswer
from obverse.sandbox.terminal import CardEntry, Pick, Shop, Till
from obverse.wallet.model import SourceKind

if TYPE_CHECKING:
    from tests.doors.acquirer.conftest import Door

CARD = CardEntry(Secret("9530101234567896"), "2911")
SHOP = Shop(ACQUIRER, MERCHANT_NO, TERMINAL)


@pytest.fixture
async def till(door: "Door") -> AsyncIterator[Till]:
    async with Till("127.0.0.1", door.door.port, SHOP, clock=Clock(), rng=Random(5)) as till:
        yield till


async def test_pr4_the_holder_sees_accounts_picks_and_gets_a_receipt_with_both_approvals(
    door: "Door", till: Till
) -> None:
    decides(door)
    door.points.shown = Shown(LINES, QUOTE)
    shown = await till.inquire(CARD)
    assert list(till.screen(shown)) == [
        "Corner shop",
        "1 SKY                             10,000",
        "  20,000 miles                at 2 for 1",
        "2 COFFEE                           3,400",
        "  340 stamps               at 1/10 for 1",
        "3 BOOKS                no answer in time",
        "TOTAL                             13,400",
        "PICK, OR REST ON CARD",
    ]
    legs = [
        a_leg(0, SourceKind.ISSUER_POINTS, 5_000, units=10_000, rate=Rate(2, 1), network_approval="S00017"),
        a_leg(1, SourceKind.LINKED_CARD, 29_000, network_approval="C77001"),
    ]
    decides(door, legs=legs)
    paid = await till.pay(CARD, 34_000, [Pick(1, 5_000)], shown.points.quote)
    assert till.slip(paid).splitlines()[2:] == [
        "CARD                    953010******7896",
        "-" * 40,
        "SKY                                5,000",
        "  10,000 miles                at 2 for 1",
        "  approval                        S00017",
        "Card                              29,000",
        "  approval                        C77001",
        "TOTAL                             34,000",
        "APPROVED                          A1B2C3",
    ]


async def test_a_sale_is_given_back_in_parts(door: "Door", till: Till) -> None:
    paid = await till.pay(CARD, 34_000)
    for amount in (10_000, 24_000):
        back = await till.refund(paid, amount)
        assert back.approved
        assert till.slip(back).endswith(f"GIVEN BACK                        {amount:,}")
    (key, first, one), (again, second, other) = door.engine.refunds
    assert (first, second) == (10_000, 24_000)
    assert key == again == door.engine.requests[0].request_key
    assert one != other


@pytest.mark.parametrize(
    ("decline", "said"),
    [(Decline.QUOTE_EXPIRED, "RATES ARE OVER: ASK AGAIN"), (Decline.CODE_USED, "DECLINED (14)")],
)
async def test_a_decline_is_printed_with_its_reason_where_there_is_one(
    door: "Door", till: Till, decline: Decline, said: str
) -> None:
    decides(door, status=Status.DECLINED, decline=decline, approval_code=None)
    assert till.slip(await till.pay(CARD, 34_000)).endswith(said)


async def test_pr2_an_unregistered_card_looks_different_from_one_without_points(
    door: "Door", till: Till
) -> None:
    decides(door)
    door.points.shown = Shown([])
    assert till.screen(await till.inquire(CARD)) == ["NO POINTS BEHIND THIS CARD"]
    decides(door, status=Status.DECLINED, decline=Decline.NOT_REGISTERED, approval_code=None)
    assert till.screen(await till.inquire(CARD)) == ["THIS CARD IS NOT REGISTERED"]


async def test_pc10_a_till_that_lost_the_line_asks_what_became_of_it_and_cancels(
    door: "Door", till: Till
) -> None:
    till.lose_line()
    with pytest.raises(NoAnswer):
        await till.scan(Secret("9410124829153066274"), 12_000)
    found = await till.ask_again()
    assert (found.approved, len(door.engine.decided)) == (True, 1)
    till.lose_line()
    assert (await till.cancel()).approved
    assert (await till.ask_again()).response_code == "21"
