"""What may be charged, given and refunded. No I/O, no clock."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

from msgspec.structs import replace

from obverse.cards import STORED_VALUE, Card, CardState
from obverse.cards.rules import own_source
from obverse.charging.errors import (
    BalanceCeiling,
    BalanceNotRefundable,
    CardNotChargeable,
    ChargeUnit,
    GiftNotRefundable,
    NothingToRefund,
)
from obverse.charging.model import Charge, ChargeState, Shortage
from obverse.kit.calendar import Calendar
from obverse.kit.errors import InvalidRequest, ObverseError
from obverse.kit.ids import SourceId
from obverse.kit.money import AMOUNT_MINOR_MAX
from obverse.programmes import Programme, ProgrammeState
from obverse.sales import How, Means, Sale, SaleState
from obverse.wallet import (
    REFUNDABLE_LOTS,
    LotBalance,
    LotKind,
    Source,
    SourceKind,
    SourceNotActive,
    SourceState,
)

AUTOMATIC_A_DAY_MAX: Final = 3
"""A card that runs short more often in a day is in somebody else's hands."""

TYPED_MAX: Final = 10
TYPED_WINDOW: Final = timedelta(hours=1)
"""How many real cards may be typed in to charge one card, and in which time."""

_MEANS_OF: Final = {SourceKind.LINKED_CARD: Means.CARD, SourceKind.BANK_ACCOUNT: Means.BANK_ACCOUNT}


def balance_of(card: Card) -> SourceId:
    """The balance behind a card. Raises `CardNotChargeable` for one that has none."""
    if card.kind not in STORED_VALUE:
        raise CardNotChargeable("it has no balance of its own")
    return own_source(card)


def held_minor(lots: Iterable[LotBalance]) -> int:
    """All that is in a balance, held for payments or not: what counts towards the ceiling."""
    return sum(lot.available_minor + lot.held_minor for lot in lots)


def check_card(card: Card, programme: Programme, now: datetime) -> None:
    """Only a live card of a programme that charges takes money in. Raises `CardNotChargeable`."""
    if card.state is not CardState.ACTIVE:
        raise CardNotChargeable(f"it is {card.state}")
    if card.expires_at <= now:
        raise CardNotChargeable("it has expired")
    if programme.state is not ProgrammeState.ACTIVE or not programme.chargeable:
        raise CardNotChargeable("its programme does not charge")


def check_amount(amount_minor: int, programme: Programme) -> None:
    """Raises `ChargeUnit`, `InvalidRequest`."""
    assert programme.charge_unit_minor is not None, "the card was checked first"
    if not 1 <= amount_minor <= AMOUNT_MINOR_MAX:
        raise InvalidRequest(f"An amount is between 1 and {AMOUNT_MINOR_MAX}.", "amount")
    if amount_minor % programme.charge_unit_minor:
        raise ChargeUnit(programme.charge_unit_minor)


def check_gift(card: Card, amount_minor: int, now: datetime) -> None:
    """Value may be given to any live card, in any amount. Raises `CardNotChargeable`, `InvalidRequest`."""
    if card.state is not CardState.ACTIVE or card.expires_at <= now:
        raise CardNotChargeable("it is not active")
    if not 1 <= amount_minor <= AMOUNT_MINOR_MAX:
        raise InvalidRequest(f"An amount is between 1 and {AMOUNT_MINOR_MAX}.", "amount")


def check_ceiling(amount_minor: int, programme: Programme, *, held_minor: int, open_minor: int) -> None:
    """Balance, charges under way and this one together must fit. Raises `BalanceCeiling`."""
    if held_minor + open_minor + amount_minor > programme.ceiling_minor:
        raise BalanceCeiling(programme.ceiling_minor)


def misfit(charge: Charge, card: Card, programme: Programme, held_minor: int, now: datetime) -> str | None:
    """Why money that has come for a charge cannot go into its card any more; None where it can.

    A card that was suspended since keeps what was paid for it.
    """
    try:
        if card.state is not CardState.SUSPENDED:
            check_card(card, replace(programme, state=ProgrammeState.ACTIVE), now)
        check_ceiling(charge.amount.amount_minor, programme, held_minor=held_minor, open_minor=0)
    except ObverseError as refused:
        return refused.code
    return None


def lot_kind(charge: Charge, card: Card) -> LotKind:
    """What a charge is to the card's holder: a gift, where its giver's money comes after the claim."""
    own = charge.member_id is None or charge.member_id == card.member_id
    return LotKind.CHARGED if own else LotKind.GIVEN


def ends_at(card: Card, programme: Programme, calendar: Calendar, now: datetime) -> datetime:
    """When what is paid in now ends: by the programme's validity, and never after the card (PP-14)."""
    return min(calendar.months_on(now, programme.validity_months), card.expires_at)


def after_sale(charge: Charge, sale: Sale, now: datetime) -> Charge:
    """The charge after its sale came to nothing."""
    declined = sale.state is SaleState.DECLINED
    state = ChargeState.DECLINED if declined else ChargeState.CANCELLED
    return replace(charge, state=state, reason=sale.decline, ended_at=now)


# cards that charge themselves ------------------------------------------------------------------------------


def check_shortage(wish: Shortage, programme: Programme) -> None:
    """One charge has to end the shortage, or the card would charge itself twice for it.

    Raises `InvalidRequest`, `ChargeUnit`, `BalanceCeiling`.
    """
    check_amount(wish.amount_minor, programme)
    if wish.threshold_minor < 1:
        raise InvalidRequest("A threshold is 1 at least.", "threshold")
    if wish.amount_minor < wish.threshold_minor:
        raise InvalidRequest("The amount must be the threshold at least.", "amount")
    check_ceiling(wish.amount_minor, programme, held_minor=wish.threshold_minor - 1, open_minor=0)


def payer_of(own: Sequence[Source], paid_by: SourceId | None) -> How:
    """What pays for an automatic charge: the source named, or the member's first that can.

    `own` is in the order in which the member wants sources to pay. Raises `SourceNotActive`.
    """
    for source in own:
        fits = source.kind in _MEANS_OF and source.state is SourceState.ACTIVE
        if fits and paid_by in (None, source.id):
            return How(_MEANS_OF[source.kind], source.id)
    raise SourceNotActive


# refunds of what is left -----------------------------------------------------------------------------------


def refundable_minor(card: Card, programme: Programme, lots: Sequence[LotBalance]) -> int:
    """How much of what is left goes back to its holder: what was paid in by them, and is not held (PP-13).

    Raises `BalanceNotRefundable`, `GiftNotRefundable`, `NothingToRefund`.
    """
    if not programme.refundable or card.state is CardState.INACTIVE:
        raise BalanceNotRefundable
    left = [lot for lot in lots if lot.available_minor > 0]
    own = sum(lot.available_minor for lot in left if lot.lot.kind in REFUNDABLE_LOTS)
    if left and not own:
        raise GiftNotRefundable
    if not own:
        raise NothingToRefund
    return own
