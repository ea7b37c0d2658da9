"""The fault menu and the trace."""

from random import Random

import pytest
from tests.factories.sandbox import CARD_NUMBER, a_check, a_payment

from obverse.kit.clock import Clock
from obverse.sandbox.credit_bureau import standing_of
from obverse.sandbox.errors import BrokenFrame
from obverse.sandbox.faults import Fault, FaultMenu, FaultRule, MessageKind
from obverse.sandbox.trace import KEPT_MAX, Entry, Trace
from obverse.sandbox.wire import parse


def test_a_fault_applies_to_its_kind_until_it_is_taken_off() -> None:
    menu = FaultMenu(Random(1))
    menu.set(MessageKind.REVERSAL, FaultRule(Fault.SILENT))
    assert menu.take(MessageKind.AUTHORIZATION) is None
    assert [menu.take(MessageKind.REVERSAL) is not None for _ in range(3)] == [True] * 3
    menu.set(MessageKind.REVERSAL, None)
    assert menu.take(MessageKind.REVERSAL) is None


def test_a_counted_fault_ends_by_itself() -> None:
    menu = FaultMenu(Random(1))
    menu.set(MessageKind.REVERSAL, FaultRule(Fault.SILENT, times=2))
    assert [menu.take(MessageKind.REVERSAL) is not None for _ in range(4)] == [True, True, False, False]
    assert menu.rules() == {}


def test_chance_is_replayed_from_the_seed() -> None:
    def run(seed: int) -> list[bool]:
        menu = FaultMenu(Random(seed))
        menu.set(MessageKind.ECHO, FaultRule(Fault.LOST, chance=0.5))
        return [menu.take(MessageKind.ECHO) is not None for _ in range(64)]

    assert run(3) == run(3)
    assert 16 < sum(run(3)) < 48


def test_garbage_is_never_a_message() -> None:
    menu = FaultMenu(Random(1))
    for _ in range(100):
        with pytest.raises(BrokenFrame):
            parse(menu.garbage()[2:])


def test_p11_the_trace_shows_no_number_no_cvv_and_no_expiry() -> None:
    heard: list[Entry] = []
    trace = Trace(Clock(), heard.append)
    trace.iso8583(
        "Till", "Clearing house", a_check(cvv="987", **{"45": "B" + CARD_NUMBER, "35": CARD_NUMBER})
    )
    entry = heard[0]
    assert entry.fields["2"] == "953010******7896"
    assert CARD_NUMBER not in repr(entry)
    assert not {"14", "35", "45", "48", "52", "55"} & entry.fields.keys()


def test_p11_the_trace_masks_a_payment_code_like_a_number() -> None:
    trace = Trace(Clock())
    trace.iso8583("Till", "Obverse", a_payment(**{"2": "9410124829153066274", "22": "030"}))
    assert trace.since(0)[0].fields["2"] == "941012*********6274"


def test_the_trace_tells_what_is_new_and_forgets_what_is_old() -> None:
    trace = Trace(Clock())
    for _ in range(KEPT_MAX + 10):
        trace.iso8583("a", "b", a_payment())
    assert [entry.number for entry in trace.since(KEPT_MAX + 8)] == [KEPT_MAX + 9, KEPT_MAX + 10]
    assert len(trace.since(0)) == KEPT_MAX


@pytest.mark.parametrize(
    ("identity_number", "standing"),
    [
        ("900101-1234567", "good"),
        ("9001011234567", "good"),
        ("900101-1230000", "bad"),
        ("000000-1230001", "good"),
        ("900101", None),
        ("900101-12345x7", None),
    ],
)
def test_the_bureaus_rule_is_the_documented_one(identity_number: str, standing: str | None) -> None:
    assert standing_of(identity_number) == standing
