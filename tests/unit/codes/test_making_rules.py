"""Who gets codes and when each is shown; which keys are accepted."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.factories.cards import a_card
from tests.factories.codes import a_key, public_half

from obverse.cards import Card, CardState, HeldBy
from obverse.codes import BatchWish, Device, PublicKey
from obverse.codes.making_rules import (
    BATCHES_A_MINUTE_MAX,
    Granted,
    Known,
    Purse,
    check_key,
    check_name,
    decide,
    renew_at,
    windows,
)
from obverse.kit.errors import InvalidRequest
from obverse.kit.ids import AccountId, DeviceId, MemberId, PartitionId, SourceId
from obverse.kit.money import KRW
from obverse.ledger import Account, AccountKind
from obverse.members import Member, Standing
from obverse.wallet import Lot, LotKind, Source, SourceKind, SourceState
from obverse.wallet.model import LotBalance

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
P0 = PartitionId(0)
MEMBER = Member(MemberId(UUID(int=2)), P0, Standing.GOOD, NOW)
DEVICE = Device(DeviceId(UUID(int=7)), P0, MEMBER.id, "Phone", public_half(a_key()), NOW)
CARD = a_card()
WISH = BatchWish(MEMBER.id, DEVICE.id, CARD.id)
ACCOUNT = AccountId(UUID(int=9))


def source(kind: SourceKind = SourceKind.LINKED_CARD, **changes: Any) -> Source:
    given = {
        "id": CARD.funding[0],
        "partition_id": P0,
        "member_id": MEMBER.id,
        "kind": kind,
        "currency": KRW,
        "account_id": ACCOUNT,
        "vault_card_id": None,
        "state": SourceState.ACTIVE,
        "created_at": NOW,
    }
    return Source(**(given | changes))


def a_purse(
    *sources: Source, credit: int | None = None, stored: int = 0, ends: timedelta = timedelta(days=1)
) -> Purse:
    sources = sources or (source(),)
    lot = Lot(P0, ACCOUNT, sources[0].id, LotKind.BOUGHT, KRW, NOW + ends)
    line = Account(P0, ACCOUNT, AccountKind.MEMBER_RECEIVABLE, None, KRW, -(credit or 0), rolled_up=False)
    return Purse(
        {each.id: each for each in sources}, {sources[0].id: [LotBalance(lot, stored, 0)]}, {ACCOUNT: line}
    )


def outcome(
    *,
    device: Device | None = DEVICE,
    member: Member | None = MEMBER,
    card: Card | None = CARD,
    made_lately: int = 0,
    purse: Purse | None = None,
) -> str:
    """What comes of the wish: `granted`, or the refusal's code."""
    answer = decide(WISH, Known(device, member, card, made_lately), purse or a_purse(), NOW)
    return "granted" if isinstance(answer, Granted) else answer.code


STRANGER = MemberId(UUID(int=99))


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        pytest.param({}, "granted", id="all in order"),
        pytest.param({"member": None}, "member_not_found", id="nobody"),
        pytest.param(
            {"member": replace(MEMBER, standing=Standing.SUSPENDED)}, "member_suspended", id="bad standing"
        ),
        pytest.param({"device": None}, "device_not_found", id="no such device"),
        pytest.param({"device": replace(DEVICE, member_id=STRANGER)}, "device_not_found", id="another's"),
        pytest.param({"device": replace(DEVICE, removed_at=NOW)}, "device_not_found", id="a removed phone"),
        pytest.param({"card": None}, "card_not_found", id="no such card"),
        pytest.param({"card": replace(CARD, member_id=STRANGER)}, "card_not_found", id="another's card"),
        pytest.param({"card": replace(CARD, member_id=None)}, "card_not_found", id="nobody's card"),
        *[
            pytest.param({"card": replace(CARD, state=state)}, "card_not_presentable", id=f"a card {state}")
            for state in CardState
            if state is not CardState.ACTIVE
        ],
        pytest.param({"card": replace(CARD, expires_at=NOW)}, "card_not_presentable", id="an expired card"),
        pytest.param(
            {"card": replace(CARD, held_by=HeldBy.RECIPIENT)}, "card_not_presentable", id="a card given away"
        ),
        pytest.param(
            {"made_lately": BATCHES_A_MINUTE_MAX}, "too_many_code_batches", id="too often within a minute"
        ),
        pytest.param({"made_lately": BATCHES_A_MINUTE_MAX - 1}, "granted", id="just not too often"),
    ],
)
def test_the_person_the_device_and_the_card_are_looked_at(given_: dict[str, Any], expected: str) -> None:
    assert outcome(**given_) == expected


BALANCE = source(SourceKind.STORED_BALANCE, account_id=None)


@pytest.mark.parametrize(
    ("purse", "expected"),
    [
        pytest.param(a_purse(source(SourceKind.ISSUER_POINTS)), "granted", id="an issuer's points"),
        pytest.param(a_purse(source(SourceKind.CREDIT_LINE), credit=1), "granted", id="credit left"),
        pytest.param(a_purse(source(SourceKind.CREDIT_LINE), credit=0), "nothing_available", id="no credit"),
        pytest.param(a_purse(BALANCE, stored=1), "granted", id="a won in the balance"),
        pytest.param(a_purse(BALANCE, stored=0), "nothing_available", id="an empty balance"),
        pytest.param(
            a_purse(BALANCE, stored=1, ends=timedelta()), "nothing_available", id="a balance that has ended"
        ),
        pytest.param(
            a_purse(source(SourceKind.BANK_ACCOUNT)), "nothing_available", id="an account that only charges"
        ),
        pytest.param(
            a_purse(source(state=SourceState.SUSPENDED)), "nothing_available", id="a suspended source"
        ),
        pytest.param(
            a_purse(source(id=SourceId(UUID(int=77)))), "nothing_available", id="a source of other cards"
        ),
    ],
)
def test_there_has_to_be_something_to_pay_with(purse: Purse, expected: str) -> None:
    assert outcome(purse=purse) == expected


@pytest.mark.parametrize(
    "card",
    [
        pytest.param(replace(CARD, uses_left=0), id="used up"),
        pytest.param(
            replace(CARD, controls=replace(CARD.controls, amount_limit_minor=500), spent_minor=500),
            id="its limit is spent",
        ),
    ],
)
def test_a_card_that_can_pay_no_more_gets_no_codes(card: Card) -> None:
    assert outcome(card=card) == "nothing_available"


@given(st.integers(1, 200), st.integers(5, 604_800))
def test_windows_follow_one_another_and_half_of_them_is_left_at_renewal(count: int, seconds: int) -> None:
    interval = timedelta(seconds=seconds)
    made = windows(NOW, count, interval)
    assert [each.valid_from for each in made] == [NOW, *(each.expires_at for each in made[:-1])]
    assert {each.expires_at - each.valid_from for each in made} == {interval}
    assert renew_at(NOW, count, interval) - NOW == made[-1].expires_at - renew_at(NOW, count, interval)


GOOD = DEVICE.public_key


@pytest.mark.parametrize(
    "key",
    [
        pytest.param(PublicKey(GOOD.x, GOOD.x), id="a point that is not on the curve"),
        pytest.param(PublicKey("A" * 43, "A" * 43), id="the origin"),
        pytest.param(PublicKey("_" * 42 + "8", GOOD.y), id="beyond the field"),
        pytest.param(PublicKey(GOOD.x[:-2], GOOD.y), id="too short"),
        pytest.param(PublicKey(GOOD.x + "=", GOOD.y), id="padded"),
        pytest.param(PublicKey("+" * 43, GOOD.y), id="another alphabet"),
        pytest.param(PublicKey(GOOD.x[:-1] + "\u00e9", GOOD.y), id="no ASCII"),
        pytest.param(PublicKey("", ""), id="nothing"),
    ],
)
def test_only_points_of_the_curve_in_their_one_spelling_are_keys(key: PublicKey) -> None:
    check_key(GOOD)
    with pytest.raises(InvalidRequest) as refused:
        check_key(key)
    assert refused.value.param == "public_key"


@pytest.mark.parametrize("name", ["", "   ", "x" * 61, "my\nphone", "\u202ephone"])
def test_a_device_has_a_name_that_can_be_read_out(name: str) -> None:
    assert check_name("  My phone ") == "My phone"
    with pytest.raises(InvalidRequest):
        check_name(name)
