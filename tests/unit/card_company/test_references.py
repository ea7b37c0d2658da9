"""References are unique among processes and runs."""

import random
from datetime import UTC, datetime

from obverse.networks.card_company.references import Reference, References

NOW = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)


def test_a_reference_is_read_as_it_was_written() -> None:
    reference = References(lambda: NOW, random.Random(1).randbytes).new()
    assert Reference.parse(str(reference)) == reference
    assert (len(reference.transmitted_at), len(reference.stan), len(reference.rrn)) == (10, 6, 12)


def test_no_two_processes_and_no_two_runs_share_a_reference() -> None:
    """200 runs at the same standing second, 200 references each, with 20 runs that start at the same STAN."""
    seen: set[Reference] = set()
    for run in range(200):
        stan = random.Random(run // 20).randbytes(4)
        own = random.Random(run).randbytes(8)
        references = References(lambda: NOW, {8: own, 4: stan}.__getitem__)
        seen.update(references.new() for _ in range(200))
    assert len(seen) == 200 * 200


def test_a_further_message_of_a_payment_keeps_its_reference_number() -> None:
    references = References(lambda: NOW, random.Random(1).randbytes)
    first = references.new()
    second = references.next_message(first.rrn)
    assert second.rrn == first.rrn
    assert second.stan != first.stan


def test_trace_numbers_start_again_after_the_last() -> None:
    references = References(lambda: NOW, lambda n: (999_999).to_bytes(n, "big"))
    assert references.new().stan == "000000"
