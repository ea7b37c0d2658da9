"""What is different about a card that is not ours: PR-1, PR-12."""

from datetime import UTC, datetime, time
from uuid import UUID

import pytest
from tests.factories.cards import NOON, a_card
from tests.factories.vault import a_vault

from obverse.cards import CardKind, CardNotGiveable, CardNotShown, Viewer, pin_hash_of, pin_rules
from obverse.cards.rules import check_hand_over, check_reveal, face_expiry_of
from obverse.kit.calendar import Calendar
from obverse.kit.errors import InvalidRequest
from obverse.kit.ids import CardId
from obverse.kit.secret import Secret

REGISTERED = a_card(kind=CardKind.REGISTERED)


@pytest.mark.parametrize("zone", ["Asia/Seoul", "Pacific/Kiritimati", "Etc/GMT+12", "UTC"])
@pytest.mark.parametrize(
    ("year", "month", "face"), [(2030, 12, "3012"), (2031, 1, "3101"), (2028, 2, "2802")], ids=str
)
def test_pr12_its_face_ends_with_the_month_of_the_real_card_in_any_zone(
    zone: str, year: int, month: int, face: str
) -> None:
    ends = Calendar(zone, time(), "KR").month_end(year, month)
    assert face_expiry_of(a_card(kind=CardKind.REGISTERED, expires_at=ends)) == face


def test_a_month_ends_where_the_next_begins_on_the_programmes_calendar() -> None:
    ends = Calendar("Asia/Seoul", time(), "KR").month_end(2030, 12)
    assert ends == datetime(2030, 12, 31, 15, tzinfo=UTC)


def test_the_face_of_any_other_card_is_told_by_when_it_was_made() -> None:
    assert face_expiry_of(a_card(created_at=NOON)) == "2911"


def test_pr11_its_number_is_never_shown_and_it_is_nobodys_to_give() -> None:
    with pytest.raises(CardNotShown):
        check_reveal(REGISTERED, Viewer.MEMBER)
    with pytest.raises(CardNotGiveable):
        check_hand_over(REGISTERED, NOON)


@pytest.mark.parametrize("kind", [CardKind.REGISTERED, CardKind.PREPAID, CardKind.GIFT])
def test_every_card_but_a_one_time_number_may_have_a_pin(kind: CardKind) -> None:
    pin_rules.check_has_pin(a_card(kind=kind))
    with pytest.raises(InvalidRequest):
        pin_rules.check_has_pin(a_card())


def test_a_pin_is_bound_to_our_number_or_to_the_registration() -> None:
    vault, pin = a_vault(), Secret("4821")
    prepaid = a_card(kind=CardKind.PREPAID)
    number = vault.card_number(prepaid.bin, prepaid.serial)
    assert pin_hash_of(vault, prepaid, pin) == vault.pin_hash(number, pin)
    other = a_card(kind=CardKind.REGISTERED, id=CardId(UUID(int=9)))
    hashes = {pin_hash_of(vault, card, pin) for card in (prepaid, REGISTERED, other)}
    assert len(hashes) == 3
