"""PP-8, PP-9 and WA-6 over a real database: what is paid goes into the card, once, and nothing else does."""

import asyncio
from datetime import timedelta

import pytest
from tests.factories.members import an_application
from tests.factories.programmes import a_programme
from tests.factories.sales import PAYER, TRANSFER, Shop, by_source
from tests.factories.stored_value import a_calendar, a_prepaid_card
from tests.factories.wallet import BIN, a_member_with_credit_line, a_member_with_linked_card, card_details

from obverse.authorization.ports import LegAnswer, LegOutcome
from obverse.cards import CardState, Viewer
from obverse.charging import (
    BalanceCeiling,
    CardNotChargeable,
    Charged,
    ChargeState,
    ChargeUnit,
    TooManyCardsTyped,
)
from obverse.kit.errors import InvalidRequest, KeyReused, ObverseError
from obverse.kit.paging import PageRequest
from obverse.kit.secret import Secret
from obverse.sales import How, Means, RefundState, SaleNotCancellable, SaleState
from obverse.wallet import CardNotVerified, CheckResult, SourceNotFound, SourceState


async def test_pp9_a_linked_card_charges_a_card_of_its_member(shop: Shop) -> None:
    member, linked = await a_member_with_linked_card(shop.house)
    card, _, _ = await a_prepaid_card(shop.house, member=member)

    charged = await shop.charge(card, by_source(linked.id), 30_000, member=member)

    assert charged.charge.state is ChargeState.DONE
    assert charged.sale is not None
    assert charged.sale.state is SaleState.DONE
    assert await shop.lots(card) == {"bought": 50_000, "charged": 30_000}
    assert [leg.amount.amount_minor for leg in shop.world.card_company.asked] == [30_000]
    books = await shop.books()
    assert (books["card_company_receivable"], books.get("merchant_payable", 0)) == (-30_000, 0)
    assert await shop.news("charge.%") == ["charge.done"]


async def test_pp9_what_is_charged_ends_with_a_month_and_never_after_its_card(shop: Shop) -> None:
    member, linked = await a_member_with_linked_card(shop.house)
    card, _, _ = await a_prepaid_card(shop.house, member=member, balance_minor=0)

    await shop.charge(card, by_source(linked.id), member=member)

    async with shop.house.database.connection() as conn:
        (lot,) = (await shop.house.balances.of(conn, card.funding))[card.funding[0]]
    assert lot.lot.expires_at == min(card.expires_at, a_calendar().months_on(shop.house.clock.now(), 12))


async def test_pp2_somebody_without_an_account_charges_by_a_card_of_their_own(shop: Shop) -> None:
    card, _, _ = await a_prepaid_card(shop.house)
    details = card_details()

    charged = await shop.charge(card, How(Means.CARD, card=details))
    await shop.rooms.sales.sweep()

    assert charged.charge.state is ChargeState.DONE
    assert charged.sale is not None
    assert charged.sale.source_id is not None
    async with shop.house.database.connection() as conn:
        states = await conn.fetch("select state, member_id from funding_sources where kind = 'linked_card'")
    assert [(row["state"], row["member_id"]) for row in states] == [(SourceState.REMOVED, None)]
    # The card is not a member's for that: its owner may still join with it, and link it.
    member, _ = await shop.house.wallet.register(an_application(), details, credit=False)
    assert len(await shop.house.wallet.list(member.id)) == 1


async def test_a_card_that_is_a_members_pays_for_somebody_without_an_account_too(shop: Shop) -> None:
    details = card_details()
    member, (linked,) = await shop.house.wallet.register(an_application(), details, credit=False)
    card, _, _ = await a_prepaid_card(shop.house)

    charged = await shop.charge(card, How(Means.CARD, card=details))
    await shop.rooms.sales.sweep()

    assert charged.charge.state is ChargeState.DONE
    (still,) = await shop.house.wallet.list(member.id)
    assert (still.id, still.state) == (linked.id, SourceState.ACTIVE)


async def test_pp8_a_card_of_ours_charges_nothing(shop: Shop) -> None:
    card, face, _ = await a_prepaid_card(shop.house)
    own = card_details(number=face.number)
    assert face.number.reveal().startswith(BIN)

    with pytest.raises(InvalidRequest) as refused:
        await shop.charge(card, How(Means.CARD, card=own))

    assert refused.value.param == "card_number"
    assert await shop.left(card) == 50_000


async def test_pp8_a_balance_is_no_source_that_charges(shop: Shop) -> None:
    member, _ = await a_member_with_linked_card(shop.house)
    other, _, _ = await a_prepaid_card(shop.house, member=member)
    card, _, _ = await a_prepaid_card(shop.house, member=member)

    for means in (Means.CARD, Means.BANK_ACCOUNT):
        with pytest.raises(InvalidRequest):
            await shop.charge(card, How(means, other.funding[0]), member=member)
    assert (await shop.left(card), await shop.left(other)) == (50_000, 50_000)


async def test_a_source_of_somebody_else_looks_missing(shop: Shop) -> None:
    member, _ = await a_member_with_linked_card(shop.house)
    _, foreign = await a_member_with_linked_card(shop.house)
    card, _, _ = await a_prepaid_card(shop.house, member=member)

    with pytest.raises(SourceNotFound):
        await shop.charge(card, by_source(foreign.id), member=member)


@pytest.mark.parametrize(
    ("how", "code"),
    [
        (How(Means.CARD), "invalid_request"),
        (How(Means.BANK_ACCOUNT), "invalid_request"),
        (How(Means.BANK_TRANSFER, card=card_details()), "invalid_request"),
        (How(Means.CARD, card=card_details(cvv=Secret("1"))), "invalid_request"),
    ],
    ids=["no card", "no account", "a transfer with a card", "no CVV"],
)
async def test_a_way_to_pay_that_says_nothing_is_refused(shop: Shop, how: How, code: str) -> None:
    card, _, _ = await a_prepaid_card(shop.house)

    with pytest.raises(ObverseError) as refused:
        await shop.charge(card, how)

    assert refused.value.code == code


async def test_a_card_its_company_does_not_vouch_for_is_refused_before_anything_is_stored(
    shop: Shop,
) -> None:
    card, _, _ = await a_prepaid_card(shop.house)
    shop.house.card_check.answer = CheckResult.REFUSED

    with pytest.raises(CardNotVerified):
        await shop.charge(card, How(Means.CARD, card=card_details()))

    assert (await shop.rooms.charging.list(PageRequest(), card.id)).items == []


async def test_p17_stolen_cards_are_not_tried_out_on_a_card_of_ours(shop: Shop) -> None:
    card, _, _ = await a_prepaid_card(shop.house)
    shop.house.card_check.answer = CheckResult.REFUSED
    for _ in range(10):
        with pytest.raises(CardNotVerified):
            await shop.charge(card, How(Means.CARD, card=card_details()))
    shop.house.card_check.answer = CheckResult.VERIFIED

    with pytest.raises(TooManyCardsTyped):
        await shop.charge(card, How(Means.CARD, card=card_details()))

    shop.house.clock.move_to(shop.house.clock.offset + timedelta(hours=1, seconds=1))
    charged = await shop.charge(card, How(Means.CARD, card=card_details()))
    assert charged.charge.state is ChargeState.DONE


# units and ceilings ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("amount", "refusal"),
    [
        (9_999, ChargeUnit),
        (15_000, ChargeUnit),
        (0, InvalidRequest),
        (-10_000, InvalidRequest),
        (960_000, BalanceCeiling),
        (10_000_000, BalanceCeiling),
    ],
    ids=["below the unit", "between units", "nothing", "less than nothing", "just beyond", "far beyond"],
)
async def test_pp9_units_and_ceiling_hold(shop: Shop, amount: int, refusal: type[ObverseError]) -> None:
    member, linked = await a_member_with_linked_card(shop.house)
    card, _, _ = await a_prepaid_card(shop.house, member=member)

    with pytest.raises(refusal):
        await shop.charge(card, by_source(linked.id), amount, member=member)

    assert await shop.left(card) == 50_000
    assert shop.world.card_company.asked == []


async def test_pp9_a_card_is_charged_up_to_its_ceiling(shop: Shop) -> None:
    member, linked = await a_member_with_linked_card(shop.house)
    card, _, _ = await a_prepaid_card(shop.house, member=member)

    await shop.charge(card, by_source(linked.id), 950_000, member=member)

    assert await shop.left(card) == 1_000_000
    with pytest.raises(BalanceCeiling):
        await shop.charge(card, by_source(linked.id), 10_000, member=member)


async def test_p04_of_charges_that_together_pass_the_ceiling_one_wins(shop: Shop) -> None:
    member, linked = await a_member_with_linked_card(shop.house)
    card, _, _ = await a_prepaid_card(shop.house, member=member)

    outcomes = await asyncio.gather(
        *[shop.charge(card, by_source(linked.id), 500_000, member=member) for _ in range(4)],
        return_exceptions=True,
    )

    refused = [type(outcome) for outcome in outcomes if not isinstance(outcome, Charged)]
    assert refused == [BalanceCeiling] * 3
    assert await shop.left(card) == 550_000
    assert len(shop.world.card_company.asked) == 1


async def test_a_charge_under_way_counts_towards_the_ceiling(shop: Shop) -> None:
    card, _, _ = await a_prepaid_card(shop.house)
    first = await shop.charge(card, TRANSFER, 900_000)

    with pytest.raises(BalanceCeiling):
        await shop.charge(card, TRANSFER, 100_000)

    await shop.rooms.charging.cancel(first.charge.id)
    assert (await shop.charge(card, TRANSFER, 100_000)).charge.state is ChargeState.OPEN


async def test_cards_that_cannot_take_money_are_refused(shop: Shop) -> None:
    house = shop.house
    member, linked = await a_member_with_linked_card(house)
    pay = by_source(linked.id)
    one_time = (await house.cards.list(member.id, PageRequest())).items
    assert one_time == []
    expired, _, _ = await a_prepaid_card(
        house, member=member, expires_at=house.clock.now() + timedelta(seconds=1)
    )
    closed, _, _ = await a_prepaid_card(house, member=member)
    await house.cards.close(closed.id)
    inactive, _, _ = await a_prepaid_card(house, member=member, state=CardState.INACTIVE)
    unchargeable = await a_programme(house, charge_unit_minor=None)
    sold_only, _, _ = await a_prepaid_card(house, member=member, programme=unchargeable)
    house.clock.move_to(house.clock.offset + timedelta(seconds=2))

    for card in (expired, closed, inactive, sold_only):
        with pytest.raises(CardNotChargeable):
            await shop.charge(card, pay, member=member)
    assert shop.world.card_company.asked == []


# safe to repeat --------------------------------------------------------------------------------------------


async def test_p06_the_same_key_charges_once(shop: Shop) -> None:
    member, linked = await a_member_with_linked_card(shop.house)
    card, _, _ = await a_prepaid_card(shop.house, member=member)

    answers = await asyncio.gather(
        *[shop.charge(card, by_source(linked.id), 600_000, member=member, key="once") for _ in range(8)]
    )
    again = await shop.charge(card, by_source(linked.id), 600_000, member=member, key="once")

    assert {answer.charge.id for answer in answers} == {again.charge.id}
    assert sorted(answer.repeated for answer in answers) == [False] + [True] * 7
    assert again.repeated
    assert (await shop.left(card), len(shop.world.card_company.asked)) == (650_000, 1)
    with pytest.raises(KeyReused):
        await shop.charge(card, by_source(linked.id), 20_000, member=member, key="once")


async def test_p06_another_card_typed_in_under_the_same_key_is_refused(shop: Shop) -> None:
    card, _, _ = await a_prepaid_card(shop.house)
    details = card_details()
    first = await shop.charge(card, How(Means.CARD, card=details), key="typed")

    again = await shop.charge(card, How(Means.CARD, card=details), key="typed")
    with pytest.raises(KeyReused):
        await shop.charge(card, How(Means.CARD, card=card_details()), key="typed")

    assert (again.charge, again.repeated) == (first.charge, True)


async def test_a_declined_card_charges_nothing_and_says_why(shop: Shop) -> None:
    member, linked = await a_member_with_linked_card(shop.house)
    card, _, _ = await a_prepaid_card(shop.house, member=member)
    shop.world.card_company.answer = LegAnswer(LegOutcome.DECLINED, "51")

    charged = await shop.charge(card, by_source(linked.id), member=member)

    assert (charged.charge.state, charged.charge.reason) == (ChargeState.DECLINED, "card_company_declined")
    assert await shop.left(card) == 50_000
    assert await shop.news("charge.%") == ["charge.declined"]


async def test_p09_a_card_payment_that_times_out_charges_nothing_and_is_reversed(shop: Shop) -> None:
    member, linked = await a_member_with_linked_card(shop.house)
    card, _, _ = await a_prepaid_card(shop.house, member=member)
    shop.world.card_company.answer = LegAnswer(LegOutcome.NO_ANSWER, None)

    charged = await shop.charge(card, by_source(linked.id), member=member)

    assert (charged.charge.state, charged.charge.reason) == (ChargeState.DECLINED, "card_company_late")
    assert await shop.world.run_reversals() == 1
    assert await shop.left(card) == 50_000
    assert (await shop.books()).get("card_company_receivable", 0) == 0


async def test_p09_a_charge_whose_process_dies_while_the_company_is_asked_is_concluded(shop: Shop) -> None:
    """The one that asked is cut off; another process finds the sale `paying`, and recovery ends it."""
    member, linked = await a_member_with_linked_card(shop.house)
    card, _, _ = await a_prepaid_card(shop.house, member=member)
    shop.world.card_company.gate = asyncio.Event()
    asking = asyncio.create_task(shop.charge(card, by_source(linked.id), member=member, key="cut off"))
    await shop.world.card_company.was_asked()
    asking.cancel()
    (open_one,) = (await shop.rooms.charging.list(PageRequest(), card.id)).items
    assert open_one.sale is not None
    assert (open_one.charge.state, open_one.sale.state) == (ChargeState.OPEN, SaleState.PAYING)
    with pytest.raises(SaleNotCancellable):
        await shop.rooms.charging.cancel(open_one.charge.id)

    shop.world.card_company.gate.set()
    await shop.rooms.sales.finish()
    await shop.rooms.charging.follow()
    again = await shop.charge(card, by_source(linked.id), member=member, key="cut off")

    assert (again.charge.state, again.repeated) == (ChargeState.DONE, True)
    assert (await shop.left(card), len(shop.world.card_company.asked)) == (60_000, 1)


async def test_p09_a_charge_that_was_noted_and_never_asked_for_ends_by_itself(shop: Shop) -> None:
    member, linked = await a_member_with_linked_card(shop.house)
    card, _, _ = await a_prepaid_card(shop.house, member=member)
    shop.rooms.sales.pay = _killed  # type: ignore[method-assign]
    with pytest.raises(_Killed):
        await shop.charge(card, by_source(linked.id), 950_000, member=member)

    shop.house.clock.move_to(shop.house.clock.offset + timedelta(hours=2))
    await shop.rooms.sales.sweep()
    await shop.rooms.charging.follow()

    (ended,) = (await shop.rooms.charging.list(PageRequest(), card.id)).items
    assert ended.charge.state is ChargeState.CANCELLED
    assert shop.world.card_company.asked == []


async def test_p09_no_lot_without_payment_and_no_payment_without_lot(shop: Shop) -> None:
    """Charges at once whose company answers this and that: what was paid is what the cards hold."""
    member, linked = await a_member_with_linked_card(shop.house)
    cards = [(await a_prepaid_card(shop.house, member=member, balance_minor=0))[0] for _ in range(6)]
    outcomes = [LegOutcome.APPROVED, LegOutcome.DECLINED, LegOutcome.NO_ANSWER]
    company = shop.world.card_company
    for round_ in range(3):
        company.answer = LegAnswer(outcomes[round_], "00" if round_ == 0 else None, "654321")
        await asyncio.gather(*[shop.charge(card, by_source(linked.id), member=member) for card in cards])
    await shop.world.run_reversals()

    assert [await shop.left(card) for card in cards] == [10_000] * 6
    books = await shop.books()
    assert (books["stored_balance"], books["card_company_receivable"]) == (60_000, -60_000)
    assert books.get("merchant_payable", 0) == 0


# through the bank ------------------------------------------------------------------------------------------


async def test_wa6_a_bank_transfer_with_the_reference_charges_the_card(shop: Shop) -> None:
    card, _, _ = await a_prepaid_card(shop.house)
    charged = await shop.charge(card, TRANSFER, 20_000)
    assert charged.sale is not None
    assert charged.sale.reference is not None
    assert charged.sale.reference.startswith("OBV-C-")

    await shop.come_in(15_000, charged.sale.reference)
    assert await shop.left(card) == 50_000
    await shop.come_in(6_000, f"top up {charged.sale.reference.lower()}")

    assert await shop.lots(card) == {"bought": 50_000, "charged": 20_000}
    books = await shop.books()
    assert (books["suspense"], books["stored_balance"]) == (1_000, 70_000)
    assert (await shop.rooms.charging.get(charged.charge.id)).charge.state is ChargeState.DONE


@pytest.mark.parametrize("wrong", ["OBV-C-0000000000", "OBV-O-0123456788", "thanks"])
async def test_money_that_names_no_charge_of_ours_stays_for_an_operator(shop: Shop, wrong: str) -> None:
    card, _, _ = await a_prepaid_card(shop.house)
    await shop.charge(card, TRANSFER)

    await shop.come_in(10_000, wrong)

    assert await shop.left(card) == 50_000
    assert (await shop.books())["suspense"] == 10_000


async def test_money_that_comes_after_the_end_stays_for_an_operator(shop: Shop) -> None:
    card, _, _ = await a_prepaid_card(shop.house)
    charged = await shop.charge(card, TRANSFER)
    assert charged.sale is not None
    assert charged.sale.reference is not None
    shop.house.clock.move_to(shop.house.clock.offset + timedelta(days=15))
    await shop.rooms.sales.sweep()
    await shop.rooms.charging.follow()

    await shop.come_in(10_000, charged.sale.reference)

    assert (await shop.rooms.charging.get(charged.charge.id)).charge.state is ChargeState.CANCELLED
    assert (await shop.left(card), (await shop.books())["suspense"]) == (50_000, 10_000)


async def test_pp9_money_that_does_not_fit_any_more_goes_back_to_its_payer(shop: Shop) -> None:
    card, _, _ = await a_prepaid_card(shop.house)
    charged = await shop.charge(card, TRANSFER, 20_000)
    assert charged.sale is not None
    assert charged.sale.reference is not None
    await shop.house.cards.close(card.id, Viewer.RECIPIENT)

    await shop.come_in(20_000, charged.sale.reference)
    before = shop.at_bank(PAYER.number.reveal())
    await shop.treasury.send()

    ended = (await shop.rooms.charging.get(charged.charge.id)).charge
    assert (ended.state, ended.reason) == (ChargeState.GIVEN_BACK, "card_not_chargeable")
    assert shop.at_bank(PAYER.number.reveal()) == before + 20_000
    assert (await shop.books()).get("merchant_payable", 0) == 0


async def test_p16_a_card_payment_that_does_not_fit_any_more_is_refunded_to_the_card(shop: Shop) -> None:
    member, linked = await a_member_with_linked_card(shop.house)
    card, _, _ = await a_prepaid_card(shop.house, member=member)
    shop.world.card_company.gate = asyncio.Event()
    asking = asyncio.create_task(shop.charge(card, by_source(linked.id), 950_000, member=member))
    await shop.world.card_company.was_asked()

    await shop.house.cards.close(card.id)
    shop.world.card_company.gate.set()

    charged = await asking
    await shop.rooms.sales.refund()

    assert charged.charge.state is ChargeState.GIVEN_BACK
    assert charged.sale is not None
    (refund,) = await shop.rooms.sales.refunds_of([charged.sale.id])
    assert refund.state is RefundState.DONE
    books = await shop.books()
    assert (books.get("card_company_receivable", 0), books.get("merchant_payable", 0)) == (0, 0)


async def test_wa6_a_linked_bank_account_charges_a_card(shop: Shop) -> None:
    member, _ = await a_member_with_credit_line(shop.house)
    account = await shop.linked_account(member)
    card, _, _ = await a_prepaid_card(shop.house, member=member)

    charged = await shop.charge(card, by_source(account.id, Means.BANK_ACCOUNT), member=member)
    assert charged.charge.state is ChargeState.OPEN
    await shop.chores()

    assert (await shop.rooms.charging.get(charged.charge.id)).charge.state is ChargeState.DONE
    assert await shop.left(card) == 60_000
    assert shop.at_bank("555666777888") == 1_000_000 + 1 - 10_000


async def test_an_account_without_funds_charges_nothing(shop: Shop) -> None:
    member, _ = await a_member_with_credit_line(shop.house)
    account = await shop.linked_account(member, balance=5_000)
    card, _, _ = await a_prepaid_card(shop.house, member=member)

    charged = await shop.charge(card, by_source(account.id, Means.BANK_ACCOUNT), member=member)
    await shop.chores()

    ended = (await shop.rooms.charging.get(charged.charge.id)).charge
    assert (ended.state, ended.reason) == (ChargeState.DECLINED, "insufficient_funds")
    assert await shop.left(card) == 50_000


# given -----------------------------------------------------------------------------------------------------


async def test_an_operator_gives_value_once_and_answers_for_it(shop: Shop) -> None:
    card, _, _ = await a_prepaid_card(shop.house)

    for _ in range(2):
        await shop.rooms.charging.give(card, 3_500, key="sorry", actor="key_1", reason="a mistake of ours")

    assert await shop.lots(card) == {"bought": 50_000, "given": 3_500}
    async with shop.house.database.connection() as conn:
        rows = await conn.fetch("select actor, action, reason from audit_log")
    assert [tuple(row) for row in rows] == [("key_1", "value.given", "a mistake of ours")]
    with pytest.raises(KeyReused):
        await shop.rooms.charging.give(card, 3_600, key="sorry", actor="key_1", reason="a mistake of ours")
    with pytest.raises(BalanceCeiling):
        await shop.rooms.charging.give(card, 950_000, key="more", actor="key_1", reason="a mistake of ours")


class _Killed(Exception):
    """The process is gone."""


async def _killed(*_: object) -> None:
    raise _Killed
