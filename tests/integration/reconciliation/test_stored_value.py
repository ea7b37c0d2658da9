"""What the programme gives, what is earned, and what is lost in time: rooms and ledger say the same."""

from datetime import timedelta

from tests.factories.accrual import an_accrual, points_room
from tests.factories.reconciliation import a_reconciliation, open_kinds
from tests.factories.sales import Shop, open_shop
from tests.factories.stored_value import a_prepaid_card
from tests.factories.wallet import House, a_member_with_credit_line

from obverse.accrual import RuleTerms
from obverse.reconciliation import BreakKind

BECAUSE = {"actor": "key_test", "reason": "spring"}


async def house_accounts(shop: Shop) -> dict[str, int]:
    """What lies on the accounts of what is given, where rooms and ledger agree on it."""
    run = await a_reconciliation(shop.house).run()
    assert [c.topic for c in run.comparisons if c.ours_minor != c.ledger_minor] == []
    kinds = ("given_value", "points_expense", "expired_value")
    return {each.topic: each.ledger_minor for each in run.comparisons if each.topic in kinds}


async def test_what_is_given_earned_taken_back_and_expired_leaves_no_break(house: House) -> None:
    async with open_shop(house) as shop:
        await points_room(house).set_rule(RuleTerms(basis_points=100, validity_months=12), **BECAUSE)
        member, _ = await a_member_with_credit_line(house, 1_000)
        card, face, _ = await a_prepaid_card(house, member=member, balance_minor=0)
        await shop.linked_account(member)
        await shop.rooms.charging.give(card, 50_000, key="gift", **BECAUSE)
        paid = await shop.world.engine.authorize(shop.world.request(face, 30_000, capture=True))
        await an_accrual(house).run()
        assert await house_accounts(shop) == {
            "expired_value": 0,
            "given_value": 50_001,
            "points_expense": 300,
        }

        await shop.world.engine.refund(paid.id, 10_000)
        await an_accrual(house).run()
        assert (await house_accounts(shop))["points_expense"] == 200

        house.clock.move_to(house.clock.offset + timedelta(days=400))
        await house.balances.expire()
        assert await house_accounts(shop) == {
            "expired_value": -30_000,
            "given_value": 50_001,
            "points_expense": 0,
        }


async def test_value_that_nobody_has_given_is_a_break(house: House) -> None:
    async with open_shop(house) as shop:
        await a_prepaid_card(house, balance_minor=5_000)  # out of the pocket, and written down nowhere
        books = a_reconciliation(shop.house)
        run = await books.run()
        (given,) = [c for c in run.comparisons if c.topic == "given_value"]
        assert (given.ours_minor, given.ledger_minor) == (0, 5_000)
        assert BreakKind.HOUSE_ACCOUNT_DIFFERS in await open_kinds(books)
