"""What a journey is, and how it is walked."""

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, NoReturn, TypeVar

from obverse.cli.journeys.narration import Line
from obverse.cli.journeys.world import BookLine, World

J = TypeVar("J", bound="Journey")
StepMethod = Callable[[J], Awaitable[None]]

_TITLE: Final = "__step__"


class StepFailed(Exception):
    """Something is not as the journey says it should be."""


class NotReached(Exception):
    """This step builds on one that failed."""


class Journey:
    """A list of named steps, in the order in which they are written down.

    What one step leaves for the next is an attribute; where it is missing, the later step was not reached.
    """

    code: ClassVar[str]
    title: ClassVar[str]

    def __init__(self, world: World) -> None:
        self.world = world

    def __getattr__(self, name: str) -> NoReturn:
        raise NotReached(name)


@dataclass(frozen=True, slots=True)
class StepReport:
    """How one step went; `problem` is None where all was as it should be.

    `books` is what the journey has left in the ledger so far, by kind of account.
    """

    title: str
    seconds: float
    problem: str | None
    lines: Sequence[Line]
    books: Sequence[BookLine] = ()


def step(title: str) -> Callable[[StepMethod[J]], StepMethod[J]]:
    """Make a method a step of its journey, under this name."""

    def mark(method: StepMethod[J]) -> StepMethod[J]:
        setattr(method, _TITLE, title)
        return method

    return mark


async def walk(
    journey: Journey, on_step: Callable[[StepReport], None] = lambda _: None
) -> Sequence[StepReport]:
    """Walk every step; a step that fails does not keep the others from being tried."""
    reports = []
    for title, method in _steps_of(journey):
        report = await _try(journey, title, method)
        on_step(report)
        reports.append(report)
    return reports


def check(what: str, found: object, expected: object) -> None:
    """Raise `StepFailed` unless `found` is what the journey expects. Pass nothing secret: it is printed."""
    if found != expected:
        raise StepFailed(f"{what}: expected {expected!r}, found {found!r}.")


def _steps_of(journey: Journey) -> list[tuple[str, Callable[[Any], Awaitable[None]]]]:
    members = {name: member for kind in reversed(type(journey).mro()) for name, member in vars(kind).items()}
    return [(getattr(member, _TITLE), member) for member in members.values() if hasattr(member, _TITLE)]


async def _try(journey: Journey, title: str, method: Callable[[Any], Awaitable[None]]) -> StepReport:
    started = time.perf_counter()
    problem = None
    try:
        await method(journey)
    except StepFailed as failed:
        problem = str(failed)
    except NotReached as missing:
        problem = f"Not reached: an earlier step has not given {missing}."
    except Exception as error:  # noqa: BLE001 - whatever went wrong, the steps after it are still tried
        problem = f"{type(error).__name__}: {error}"
    seconds = time.perf_counter() - started
    return StepReport(title, seconds, problem, await journey.world.told(), await journey.world.books())
