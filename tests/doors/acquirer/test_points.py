"""Points and payment codes at the acquirer door, byte for byte (PR-2 to PR-8, PC-5)."""

import json
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from msgspec.structs import replace
from tests.factories.acquirer import MERCHANT, authorization
from tests.factories.iso8583 import Fields, purchase, with_pin

from obverse.authorization.model import (
    AuthorizationRequest,
    Decline,
    Entry,
    Leg,
    LegStatus,
    Purpose,
    Status,
    Tender,
)
from obverse.kit.errors import Unavailable
from obverse.kit.ids import AccountId, CardId, PointsIssuerId, SourceId
from obverse.kit.secret import Secret
from obverse.networks.iso8583.pin_blocks import PinFormat
from obverse.points.model import Rate
from obverse.points.ports import Trouble
from obverse.points.quotes import Shown, ShownLine
from obverse.wallet.model import SourceKind

if TYPE_CHECKING:
    from tests.doors.acquirer.conftest import Door

VECTORS: dict[str, Fields] = {
    vector["name"]: vector["fields"]
    for vector in json.loads((Path(__file__).parents[2] / "vectors" / "iso8583.json").read_text())
}
CARD = CardId(UUID(int=9))
QUOTE = "7Q2KMX4TZ9AB"


def a_line(number: int, issuer: str, unit: str, rate: Rate, **known: object) -> ShownLine:
    line = ShownLine(
        number, SourceId(UUID(int=number)), PointsIssuerId(UUID(int=4)), issuer, unit, None, rate
    )
    return replace(line, **known)


LINES = [
    a_line(1, "SKY", "miles", Rate(2, 1), units=20_000, worth_minor=10_000),
    a_line(2, "COFFEE", "stamps", Rate(1, 10), units=340, worth_minor=3_400),
    a_line(3, "BOOKS", "points", Rate(1, 1), trouble=Trouble.SLOW),
]


def a_leg(position: int, kind: SourceKind, amount_minor: int, **more: object) -> Leg:
    leg = Leg(
        position,
        SourceId(UUID(int=position)),
        kind,
        amount_minor,
        LegStatus.APPROVED,
        AccountId(UUID(int=1)),
        AccountId(UUID(int=2)),
    )
    return replace(leg, **more)


def decides(door: "Door", **changes: object) -> None:
    """Let the engine answer the next request like this."""

    async def answer(request: AuthorizationRequest) -> None:
        decided = authorization(request.request_key, request.amount)
        given = {"purpose": request.purpose, "card_id": CARD, "entry": request.entry} | changes
        door.engine.decided[request.request_key] = replace(decided, **given)

    door.engine.before_answer = answer


async def test_pr4_an_inquiry_is_answered_with_every_account_and_what_it_is_worth(door: "Door") -> None:
    decides(door)
    door.points.shown = Shown(LINES, QUOTE)
    till = await door.caller()
    answer = await till.ask(VECTORS["points asked for"])
    assert answer == VECTORS["points shown"]
    assert door.points.asked == [(CARD, MERCHANT)]
    repeated = await till.ask(VECTORS["points asked for"] | {"t": "0101"})
    assert repeated == answer


async def test_pr2_three_cards_without_points_are_told_apart(door: "Door") -> None:
    inquiry, till = VECTORS["points asked for"], await door.caller()
    decides(door, status=Status.DECLINED, decline=Decline.NOT_REGISTERED, approval_code=None)
    unregistered = await till.ask(inquiry)
    assert (unregistered["39"], unregistered["63"]) == ("56", "0519card_not_registered")
    decides(door)
    door.points.shown = Shown([])
    registered = await till.ask(inquiry | {"11": "000002"})
    assert (registered["39"], registered["54"]) == ("00", "0002410C000000000000")
    assert "63" not in registered
    door.points.shown = None
    stand_in = await till.ask(inquiry | {"11": "000003"})
    assert stand_in["39"] == "57"


async def test_more_accounts_than_de_54_has_room_for_are_all_in_de_63(door: "Door") -> None:
    decides(door, balance_minor=500)
    many = [a_line(n, "SKY", "miles", Rate(1, 1), units=n, worth_minor=n) for n in range(1, 11)]
    many[1] = a_line(2, "SKY", "miles", Rate(1, 1), units=10**18, worth_minor=10**18)
    door.points.shown = Shown(many, QUOTE)
    answer = await (await door.caller()).ask(VECTORS["points asked for"])
    told = [answer["54"][at : at + 20] for at in range(0, len(answer["54"]), 20)]
    assert [(amount[:4], int(amount[8:])) for amount in told] == [
        ("0002", 999_999_999_999),
        ("9002", 500),
        ("9102", 1),
        ("9202", 999_999_999_999),
        ("9302", 3),
        ("9402", 4),
    ]
    assert answer["63"].count("|SKY|") == 10


async def test_issuers_that_cannot_be_asked_at_all_make_no_approval(door: "Door") -> None:
    decides(door)
    door.points.fails_with = Unavailable()
    assert (await (await door.caller()).ask(VECTORS["points asked for"]))["39"] == "96"


async def test_pr5_picks_quote_and_reference_reach_the_engine_and_both_approvals_the_till(
    door: "Door",
) -> None:
    legs = [
        a_leg(0, SourceKind.ISSUER_POINTS, 5_000, units=10_000, rate=Rate(2, 1), network_approval="S00017"),
        a_leg(1, SourceKind.STORED_BALANCE, 1_000),
        a_leg(2, SourceKind.STORED_BALANCE, 1_000),
        a_leg(3, SourceKind.CREDIT_LINE, 2_000),
        a_leg(4, SourceKind.LINKED_CARD, 25_000, network_approval="C77001"),
    ]
    decides(door, legs=legs)
    till = await door.caller()
    answer = await till.ask(VECTORS["points picked"])
    request = door.engine.requests[0]
    assert request.tender == (Tender(5_000, number=1), Tender(None, number=2))
    assert (request.quote, request.rrn) == (QUOTE, "000000000002")
    split = "0431P|SKY|miles|10000|5000|2|S000170411B||||2000||0411L||||2000||0418C||||25000||C77001"
    assert (answer["39"], answer["38"], answer["63"]) == ("00", "A1B2C3", split)
    assert await till.ask(VECTORS["points picked"] | {"t": "0201"}) == answer


async def test_a_payment_without_points_says_nothing_of_its_parts(door: "Door") -> None:
    decides(door, legs=[a_leg(0, SourceKind.LINKED_CARD, 34_000, network_approval="C77001")])
    assert "63" not in await (await door.caller()).ask(purchase())


async def test_a_broken_pick_is_a_format_error_and_reaches_nobody(door: "Door") -> None:
    answer = await (await door.caller()).ask(purchase() | {"63": "03061|50"})
    assert answer["39"] == "30"
    assert door.engine.requests == []


@pytest.mark.parametrize(
    ("decline", "code", "reason"),
    [
        (Decline.QUOTE_EXPIRED, "12", "0513quote_expired"),
        (Decline.TENDER_INVALID, "12", "0514tender_invalid"),
        (Decline.TENDER_TOO_LARGE, "13", "0516tender_too_large"),
        (Decline.POINTS_BELOW_MINIMUM, "13", "0520points_below_minimum"),
        (Decline.POINTS_ABOVE_MAXIMUM, "13", "0520points_above_maximum"),
        (Decline.POINTS_NOT_ACCEPTED, "57", "0519points_not_accepted"),
        (Decline.INSUFFICIENT_POINTS, "51", "0519insufficient_points"),
        (Decline.POINTS_ISSUER_DECLINED, "05", "0522points_issuer_declined"),
        (Decline.POINTS_ISSUER_UNAVAILABLE, "91", "0525points_issuer_unavailable"),
        (Decline.POINTS_ISSUER_LATE, "68", "0518points_issuer_late"),
        (Decline.PROOF_NEEDED, "70", "0512proof_needed"),
        (Decline.UNKNOWN_CODE, "14", None),
        (Decline.CODE_USED, "14", None),
        (Decline.CODE_EXPIRED, "14", None),
        (Decline.TOO_MANY_GUESSES, "14", None),
    ],
)
async def test_p17_a_decline_gives_its_reason_where_it_teaches_no_guesser(
    door: "Door", decline: Decline, code: str, reason: str | None
) -> None:
    decides(door, status=Status.DECLINED, decline=decline, approval_code=None)
    answer = await (await door.caller()).ask(VECTORS["points picked"])
    assert (answer["39"], answer.get("63")) == (code, reason)


@pytest.mark.parametrize("format_", list(PinFormat))
async def test_pc5_a_code_off_a_phone_works_as_number_with_a_pin_over_its_digits(
    door: "Door", format_: PinFormat
) -> None:
    decides(door, status=Status.DECLINED, decline=Decline.CODE_USED, approval_code=None)
    scanned = VECTORS["a payment code off a phone, with a PIN"]
    without = {name: value for name, value in scanned.items() if name not in ("52", "53")}
    answer = await (await door.caller()).ask(with_pin(without, "482913", format_))
    request = door.engine.requests[0]
    assert (request.number, request.pin) == (Secret(scanned["2"]), Secret("482913"))
    assert (request.entry, request.expiry, request.purpose) == (Entry.BARCODE, None, Purpose.PURCHASE)
    assert answer == VECTORS["a code that is no good"]
