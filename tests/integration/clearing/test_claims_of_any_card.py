"""Claims by what was shown at the till: a registered card's real number, or a payment code (OT-16, PC-5)."""

from tests.factories.claims import ClaimWorld, a_claim, a_file, a_line
from tests.factories.codes import a_key, codes_rooms, opened, public_half
from tests.factories.merchants import BY_HAND
from tests.factories.registered_cards import a_registered_card
from tests.factories.wallet import BIN, a_member_with_credit_line

from obverse.authorization import Authorization, AuthorizationRequest, Entry, Status
from obverse.cards import Card, RegisteredCardsRekey
from obverse.clearing.claims import Claim, Outcome, Reason, TerminalBatch
from obverse.kit.money import KRW, Money
from obverse.kit.secret import Secret
from obverse.merchants import MerchantChange
from obverse.vault.jobs import VaultCardsRekey, retire, rotate


async def paid(claiming: ClaimWorld, number: Secret, entry: Entry, key: str) -> Authorization:
    """A payment of 34,000 at the shop, which takes every kind of card."""
    world = claiming.engine
    shop = await world.house.merchants.change(
        world.shop.id, MerchantChange(accepts=frozenset({"one_time", "registered"})), BY_HAND
    )
    request = AuthorizationRequest(
        request_key=key,
        number=number,
        expiry="3012" if entry is Entry.SWIPE else None,
        cvv=None,
        amount=Money(34_000, KRW),
        merchant=shop,
        terminal="TERM0001",
        entry=entry,
    )
    payment = await world.engine.authorize(request)
    assert payment.approval_code is not None, payment
    return payment


async def a_code(claiming: ClaimWorld, card: Card) -> Secret:
    """A code for this card that its member's phone shows."""
    rooms, key = codes_rooms(claiming.engine.house), a_key()
    assert card.member_id is not None
    device = await rooms.devices.register(card.member_id, "phone", public_half(key))
    batch = await rooms.batches.make(card.member_id, device.id, card.id, 1)
    (code,) = opened(batch.sealed, key)["codes"]
    return Secret(code["code"])


def claim_by(number: Secret, payment: Authorization) -> Claim:
    assert payment.merchant_id is not None
    return a_claim(merchant_id=payment.merchant_id, number=number, approval_code=payment.approval_code)


async def outcome(claiming: ClaimWorld, claim: Claim) -> tuple[Outcome, Reason | None]:
    verdict = await claiming.claims.upload(claim, TerminalBatch(claiming.shop.id, "TERM0001", "000001"))
    return verdict.outcome, verdict.reason


async def test_a_payment_by_a_registered_card_is_claimed_by_its_real_number_whatever_has_become_of_it(
    claiming: ClaimWorld,
) -> None:
    house = claiming.engine.house
    member, _ = await a_member_with_credit_line(house)
    card, details = await a_registered_card(house, member)
    payments = [await paid(claiming, details.number, Entry.SWIPE, f"swipe {n}") for n in range(4)]
    missing = (Outcome.REFUSED, Reason.NO_SUCH_PAYMENT)
    first, second, third, _ = [claim_by(details.number, payment) for payment in payments]
    assert await outcome(claiming, first) == (Outcome.PAID, None)

    await house.cards.close(card.id)
    steps = [VaultCardsRekey(house.vault), RegisteredCardsRekey(house.vault)]
    await rotate(house.database, house.vault, steps, lambda *_: None)
    assert await outcome(claiming, second) == (Outcome.PAID, None)
    undone = await claiming.engine.engine.reverse("swipe 3", details.number, payments[3].amount)
    assert (undone.id, undone.status) == (payments[3].id, Status.REVERSED)

    await retire(house.database, house.vault, steps)
    again, _ = await a_registered_card(house, member, details)
    newest = await paid(claiming, details.number, Entry.SWIPE, "swipe again")
    assert (newest.card_id, payments[2].card_id) == (again.id, card.id)
    assert await outcome(claiming, third) == (Outcome.PAID, None)
    assert await outcome(claiming, claim_by(details.number, newest)) == (Outcome.PAID, None)
    other, _ = await a_registered_card(house, member)
    assert other.vault_card_id != card.vault_card_id
    wrong = a_claim(merchant_id=newest.merchant_id, number=details.number, approval_code="ZZZZZZ")
    assert await outcome(claiming, wrong) == missing


async def test_a_payment_by_code_is_claimed_by_the_code_and_by_no_other(claiming: ClaimWorld) -> None:
    card, face = await claiming.engine.card()
    code = await a_code(claiming, card)
    payment = await paid(claiming, code, Entry.BARCODE, "scan")
    never = claiming.engine.house.vault.payment_code(BIN, 765_432_100)
    lines = [
        a_line(number=shown.reveal(), code=payment.approval_code, reference=reference)
        for shown, reference in ((code, "BY-CODE"), (never, "BY-ANOTHER"))
    ]

    _, records = await claiming.done(a_file(lines))

    assert [(record.outcome, record.reason) for record in records] == [
        (Outcome.PAID, None),
        (Outcome.REFUSED, Reason.NO_SUCH_PAYMENT),
    ]
    assert (await claiming.engine.engine.get(payment.id)).captured_minor == 34_000
    assert face.number != code
