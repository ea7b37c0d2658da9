"""Addresses, and what becomes of a letter after each attempt."""

from datetime import timedelta
from uuid import UUID

import msgspec
import pytest
from tests.factories.letters import NOW

from obverse.kit.errors import InvalidRequest
from obverse.kit.ids import LetterId
from obverse.kit.secret import Sealed, Secret
from obverse.letters import Channel, Language, LetterState, check_mail_address, check_phone_number
from obverse.letters.model import Attempt, Due, Problem
from obverse.letters.rules import RETRY_AFTER, after

ID = LetterId(UUID(int=1))
DUE = Due(ID, Channel.MAIL, "gift", Language.ENGLISH, ID, 1, Sealed(1, b""), NOW)


@pytest.mark.parametrize("text", ["x@y.z", " a.b+c@mail.example ", "o'hara@a-b.example", "1@localhost"])
def test_a_mail_address_is_taken_without_what_stands_around_it(text: str) -> None:
    assert check_mail_address(Secret(text)).reveal() == text.strip()


@pytest.mark.parametrize(
    "text",
    ["", "x", "@y.z", "x@", "x@y@z", "x y@z.example", "x@y..z", ".x@y.z", "x@-y.z", "x@y.z, a@b.c",
     "x@y.z\r\nRCPT TO:<a@b.c>", "<x@y.z>", '"x"@y.z', "한@y.z", "x@한.kr", "x" * 65 + "@y.z",
     "x@" + "y." * 125 + "zzz"],
)  # fmt: skip
def test_what_is_no_mail_address_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        check_mail_address(Secret(text))
    assert (str(refused.value), refused.value.param) == ("That is not a mail address.", "mail")


@pytest.mark.parametrize(
    ("text", "kept"), [("010-1234-5678", "01012345678"), ("+82 10 1234 5678", "+821012345678")]
)
def test_a_telephone_number_is_kept_without_spacing(text: str, kept: str) -> None:
    assert check_phone_number(Secret(text)).reveal() == kept


@pytest.mark.parametrize("text", ["", "12345", "0" * 16, "010-1234-567a", "010\n12345678", "٠١٠١٢٣٤٥٦٧٨"])
def test_what_is_no_telephone_number_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest):
        check_phone_number(Secret(text))


@pytest.mark.parametrize(
    ("problem", "state"),
    [
        (None, LetterState.SENT),
        (Problem.REFUSED, LetterState.BOUNCED),
        (Problem.NOT_WRITTEN, LetterState.FAILED),
        (Problem.POSTPONED, LetterState.READY),
        (Problem.UNREACHABLE, LetterState.READY),
    ],
)
def test_what_becomes_of_a_letter_after_its_first_attempt(
    problem: Problem | None, state: LetterState
) -> None:
    progress = after(DUE, Attempt(problem), NOW)
    assert progress.state is state
    assert (progress.next_at is not None) == (state is LetterState.READY)


@pytest.mark.parametrize("problem", [Problem.POSTPONED, Problem.UNREACHABLE])
def test_a_letter_is_tried_for_three_days_and_then_given_up(problem: Problem) -> None:
    now, attempts = NOW, 1
    while (progress := after(msgspec.structs.replace(DUE, attempts=attempts), Attempt(problem), now)).next_at:
        assert progress.next_at > now
        now, attempts = progress.next_at, attempts + 1
    assert progress.state is LetterState.FAILED
    assert now - NOW == sum(RETRY_AFTER, timedelta()) == timedelta(days=3)
