"""Months, references, bills, due dates and states: tables and properties."""

from datetime import UTC, date, datetime, time
from random import Random
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from obverse.authorization.model import ActionKind
from obverse.billing import Bill, BillState, Month, MonthNotOver, rules
from obverse.billing.model import MonthOfLine
from obverse.kit import references
from obverse.kit.calendar import Calendar
from obverse.kit.errors import InvalidRequest
from obverse.kit.ids import AccountId, BillId, MemberId, PartitionId, SourceId
from obverse.kit.money import KRW

SEOUL = Calendar("Asia/Seoul", time(), "KR")
NOVEMBER = Month(2026, 11)
ISSUED = datetime(2026, 12, 1, 0, 0, 5, tzinfo=ZoneInfo("Asia/Seoul")).astimezone(UTC)


# months ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("month", "zone", "begins", "days"),
    [
        pytest.param("2026-11", "Asia/Seoul", "2026-10-31T15:00:00Z", 30, id="no daylight saving"),
        pytest.param("2027-02", "Asia/Seoul", "2027-01-31T15:00:00Z", 28, id="February"),
        pytest.param("2028-02", "Asia/Seoul", "2028-01-31T15:00:00Z", 29, id="leap February"),
        pytest.param("2026-12", "Asia/Seoul", "2026-11-30T15:00:00Z", 31, id="over New Year"),
        pytest.param("2026-07", "Europe/Berlin", "2026-06-30T22:00:00Z", 31, id="in daylight saving"),
    ],
)
def test_a_month_begins_and_ends_at_midnight_in_the_programmes_zone(
    month: str, zone: str, begins: str, days: int
) -> None:
    first = Month.parse(month).begins(ZoneInfo(zone))
    assert first == datetime.fromisoformat(begins)
    assert (Month.parse(month).next().begins(ZoneInfo(zone)) - first).days == days


@pytest.mark.parametrize(
    ("month", "hours"), [("2026-03", 31 * 24 - 1), ("2026-10", 31 * 24 + 1), ("2026-05", 31 * 24)]
)
def test_where_clocks_change_a_month_is_an_hour_shorter_or_longer(month: str, hours: int) -> None:
    zone = ZoneInfo("Europe/Berlin")
    length = Month.parse(month).next().begins(zone) - Month.parse(month).begins(zone)
    assert length.total_seconds() == hours * 3600


def test_a_month_whose_first_midnight_does_not_exist_begins_when_the_clocks_have_jumped() -> None:
    # Paraguay's clocks went from 00:00 to 01:00 on 1 October 2023.
    assert Month(2023, 10).begins(ZoneInfo("America/Asuncion")) == datetime(2023, 10, 1, 4, tzinfo=UTC)


@given(st.integers(2000, 9000), st.integers(1, 12))
def test_the_next_month_and_the_one_before_undo_each_other(year: int, number: int) -> None:
    month = Month(year, number)
    assert month.next().previous() == month == month.previous().next()
    assert month.previous() < month < month.next()
    assert Month.parse(str(month)) == month == Month.of(month.first)


@pytest.mark.parametrize(
    "text", ["2026-13", "2026-00", "2026-1", "26-11", "2026/11", "2026-11-01", "", "２０２６-11"]
)
def test_what_is_no_month_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        Month.parse(text)
    assert refused.value.param == "month"


@pytest.mark.parametrize(
    ("month", "last", "opened"),
    [
        pytest.param("2026-11", None, ["2026-11"], id="the first ever takes what was before along"),
        pytest.param("2026-11", "2026-10", ["2026-11"], id="the next"),
        pytest.param("2026-11", "2026-08", ["2026-09", "2026-10", "2026-11"], id="after an outage"),
        pytest.param("2026-11", "2026-11", [], id="again"),
        pytest.param("2026-09", "2026-11", [], id="an earlier one again"),
    ],
)
def test_months_are_begun_in_order_and_none_is_left_out(
    month: str, last: str | None, opened: list[str]
) -> None:
    months = rules.months_to_open(Month.parse(month), Month.parse(last) if last else None, date(2026, 12, 1))
    assert [str(each) for each in months] == opened


@pytest.mark.parametrize("month", ["2026-12", "2027-01"])
def test_a_month_that_is_not_over_is_not_billed(month: str) -> None:
    with pytest.raises(MonthNotOver):
        rules.months_to_open(Month.parse(month), None, date(2026, 12, 31))


# references --------------------------------------------------------------------------------------------


def a_reference(seed: int = 1) -> str:
    return rules.new_reference(Random(seed).randbytes)


@given(st.integers(0, 2**32))
def test_a_reference_is_read_as_it_was_made(seed: int) -> None:
    reference = a_reference(seed)
    assert len(reference) == len("OBV-B-") + 10
    assert rules.reference_in(reference) == reference


@given(st.integers(0, 1000), st.integers(0, 9), st.integers(1, 31))
def test_one_wrong_letter_is_noticed(seed: int, at: int, step: int) -> None:
    reference = a_reference(seed)
    letter = reference[6 + at]
    wrong = references._ALPHABET[(references._ALPHABET.index(letter) + step) % 32]
    assert rules.reference_in(reference[: 6 + at] + wrong + reference[7 + at :]) is None


def test_two_letters_changed_about_are_noticed() -> None:
    noticed = total = 0
    for seed in range(200):
        letters = a_reference(seed)[6:]
        for at in range(9):
            if letters[at] != letters[at + 1]:
                swapped = letters[:at] + letters[at + 1] + letters[at] + letters[at + 2 :]
                total += 1
                noticed += rules.reference_in("OBV-B-" + swapped) is None
    assert noticed >= total * 0.99  # Luhn over an even alphabet overlooks one pair: the first and last letter


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("OBV-B-0123456788", "OBV-B-0123456788"),
        ("obv-b-0123456788", "OBV-B-0123456788"),
        ("bill OBV-B-O1234567B8", None),
        ("BILL OBV-B-OL23456788, thanks", "OBV-B-0123456788"),
        ("OBV-B-0123456789", None),
        ("OBV-B-012345678", None),
        ("OBV-B-01234567880", None),
        ("OBV-P-0123456788", None),
        ("", None),
        ("rent for December", None),
    ],
)
def test_a_reference_is_found_in_what_people_write(written: str, read: str | None) -> None:
    assert rules.reference_in(written) == read


# bills -------------------------------------------------------------------------------------------------


def a_month_of(**changes: int) -> MonthOfLine:
    line = MonthOfLine(
        PartitionId(0), MemberId(uuid4()), SourceId(uuid4()), AccountId(uuid4()), KRW, 0, 0, 0, 0, 0
    )
    return replace(line, **{f"{name}_minor": minor for name, minor in changes.items()})  # type: ignore[arg-type]


def drawn_up(line: MonthOfLine, now: datetime = ISSUED, calendar: Calendar = SEOUL) -> Bill | None:
    return rules.draw_up(
        line,
        NOVEMBER,
        bill_id=BillId(uuid4()),
        reference=a_reference(),
        now=now,
        due_days=14,
        calendar=calendar,
    )


@pytest.mark.parametrize(
    ("line", "balance", "state"),
    [
        pytest.param({"charges": 34_000}, 34_000, BillState.ISSUED, id="bought"),
        pytest.param({"charges": 34_000, "credits": 4_000}, 30_000, BillState.ISSUED, id="some returned"),
        pytest.param({"charges": 34_000, "credits": 34_000}, 0, BillState.PAID, id="all returned"),
        pytest.param({"previous": 10_000}, 10_000, BillState.ISSUED, id="still owed"),
        pytest.param({"previous": 10_000, "payments": 10_000}, 0, BillState.PAID, id="paid"),
        pytest.param({"previous": 10_000, "payments": 25_000}, -15_000, BillState.PAID, id="overpaid"),
        pytest.param(
            {"previous": -15_000, "charges": 20_000}, 5_000, BillState.ISSUED, id="less what was over"
        ),
        pytest.param({"previous": -15_000, "charges": 5_000}, -10_000, BillState.PAID, id="still over"),
    ],
)
def test_a_bill_adds_up(line: dict[str, int], balance: int, state: BillState) -> None:
    bill = drawn_up(a_month_of(**line))
    assert bill is not None
    assert (bill.balance_minor, bill.state) == (balance, state)
    assert (bill.due_on is None) == (balance <= 0), "nothing owed needs no payment"
    assert bill.due_minor == max(0, balance)


@pytest.mark.parametrize("previous", [0, -15_000])
def test_there_is_no_bill_where_nothing_happened_and_nothing_is_owed(previous: int) -> None:
    assert drawn_up(a_month_of(previous=previous)) is None


@pytest.mark.parametrize(
    ("issued", "due"),
    [
        pytest.param("2026-11-30T15:00:05Z", "2026-12-15", id="a Tuesday"),
        pytest.param("2026-12-11T15:00:05Z", "2026-12-28", id="Saturday 26: the Monday after"),
        pytest.param("2026-12-10T15:00:05Z", "2026-12-28", id="Christmas, then a weekend"),
        pytest.param(
            "2027-01-23T15:00:05Z", "2027-02-10", id="Lunar New Year, three days and one for Sunday"
        ),
        pytest.param("2026-11-30T14:59:59Z", "2026-12-14", id="a second before midnight"),
    ],
)
def test_a_bill_is_due_on_a_day_that_banks_are_open(issued: str, due: str) -> None:
    bill = drawn_up(a_month_of(charges=1), datetime.fromisoformat(issued))
    assert bill is not None
    assert bill.due_on == date.fromisoformat(due)


def test_the_programmes_own_holidays_put_a_due_date_off() -> None:
    calendar = Calendar("Asia/Seoul", time(), "KR", [date(2026, 12, 15), date(2026, 12, 16)])
    bill = drawn_up(a_month_of(charges=1), calendar=calendar)
    assert bill is not None
    assert bill.due_on == date(2026, 12, 17)


# states ------------------------------------------------------------------------------------------------


def a_bill(due_minor: int = 30_000, state: BillState = BillState.ISSUED) -> Bill:
    bill = drawn_up(a_month_of(charges=30_000))
    assert bill is not None
    return replace(bill, due_minor=due_minor, state=state)


DUE_ON = date(2026, 12, 15)


@pytest.mark.parametrize(
    ("due_minor", "today", "state"),
    [
        pytest.param(30_000, DUE_ON, BillState.ISSUED, id="on the day itself"),
        pytest.param(30_000, date(2026, 12, 16), BillState.OVERDUE, id="the day after"),
        pytest.param(1, DUE_ON, BillState.PARTLY_PAID, id="in part"),
        pytest.param(1, date(2026, 12, 16), BillState.OVERDUE, id="in part and late"),
        pytest.param(0, DUE_ON, BillState.PAID, id="in time"),
        pytest.param(0, date(2027, 3, 1), BillState.PAID, id="late, but all of it"),
    ],
)
def test_what_is_still_due_and_the_date_make_the_state(due_minor: int, today: date, state: BillState) -> None:
    bill = a_bill(due_minor)
    assert rules.state_of(bill, today) is state
    moved = rules.changed([bill], today)
    assert [each.state for each in moved] == ([] if state is BillState.ISSUED else [state])


@pytest.mark.parametrize(
    ("today", "due_minor", "stopped"),
    [
        pytest.param(date(2026, 12, 22), 30_000, False, id="the last day of grace"),
        pytest.param(date(2026, 12, 23), 30_000, True, id="the day after"),
        pytest.param(date(2026, 12, 23), 1, True, id="for one won"),
        pytest.param(date(2026, 12, 23), 0, False, id="paid"),
    ],
)
def test_a_credit_line_stops_when_its_grace_is_over(today: date, due_minor: int, stopped: bool) -> None:
    bill = a_bill(due_minor)
    assert rules.in_arrears([bill], today, 7) == ({bill.account_id} if stopped else set())


@given(
    balance=st.integers(1, 10**9),
    credited=st.integers(0, 10**9),
    later=st.lists(st.integers(0, 10**9), max_size=5),
)
def test_what_is_due_only_ever_falls_and_never_below_nothing(
    balance: int, credited: int, later: list[int]
) -> None:
    due, now = balance, credited
    for credit in later:
        now += credit
        after = rules.due_minor(balance, credited, now)
        assert 0 <= after <= due
        due = after
    assert due == max(0, balance - sum(later))


def test_every_kind_of_action_was_thought_of() -> None:
    moves_nothing = {ActionKind.RELEASE, ActionKind.DISPUTE_LOST, ActionKind.LOAD, ActionKind.LOAD_REVERSAL}
    assert rules.EFFECTS.keys() | moves_nothing == set(ActionKind)
