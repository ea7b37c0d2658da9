"""Every refusal and every decline has its place at this door."""

import importlib
import pkgutil
from collections.abc import Iterator

import obverse
from obverse.authorization.model import Decline
from obverse.doors.rest.declines import FOR_MEMBERS, FOR_MERCHANTS
from obverse.doors.rest.problems import DEFECTS, PROBLEMS
from obverse.kit.errors import ObverseError


def refusals(base: type[ObverseError] = ObverseError) -> Iterator[type[ObverseError]]:
    for kind in base.__subclasses__():
        yield kind
        yield from refusals(kind)


def test_every_refusal_has_a_status_or_is_known_to_be_a_defect() -> None:
    for module in pkgutil.walk_packages(obverse.__path__, "obverse."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    codes = {kind.code for kind in refusals() if kind.__module__.startswith("obverse.")}

    assert codes - PROBLEMS.keys() - DEFECTS == set()


def test_a_code_is_either_a_problem_or_a_defect() -> None:
    assert not PROBLEMS.keys() & DEFECTS


def test_every_decline_has_a_row_for_merchants_and_one_for_members() -> None:
    assert set(FOR_MERCHANTS) == set(FOR_MEMBERS) == set(Decline)


def test_members_are_told_the_decline_by_its_own_code() -> None:
    assert {decline: told.code for decline, told in FOR_MEMBERS.items()} == {d: d.value for d in Decline}


def test_p17_merchants_cannot_tell_one_guess_from_another() -> None:
    guesses = (
        Decline.UNKNOWN_CARD,
        Decline.WRONG_DETAILS,
        Decline.CARD_USED,
        Decline.CARD_EXPIRED,
        Decline.UNKNOWN_CODE,
        Decline.CODE_USED,
        Decline.CODE_EXPIRED,
        Decline.TOO_MANY_GUESSES,
    )

    assert len({FOR_MERCHANTS[guess] for guess in guesses}) == 1
