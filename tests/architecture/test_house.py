"""The shape of the house, held by tests: each names the better way."""

import ast
import doctest
import importlib
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from obverse.kit.settings import settings_table

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "obverse"
ROOMS = (
    "access", "accrual", "authorization", "billing", "cards", "charging", "checkouts", "clearing/claims",
    "clearing/presentments", "codes", "disputes", "draws", "history", "invoicing", "ledger", "letters",
    "members", "merchants", "metering", "notifications", "orders", "points", "reconciliation", "sales",
    "settlement", "treasury", "vault", "wallet",
)  # fmt: skip
PROMISES_PAGE = (ROOT / "docs" / "promises.md").read_text()
ROOM_FILES = frozenset({"errors", "model", "rules", "ports", "repository", "service", "jobs", "__init__"})

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60

BANNED = {
    r"\bdatetime\.(now|utcnow)\(": "take the time from kit.clock.Clock, which is passed in",
    r"\btime\.time\(": "take the time from kit.clock.Clock, which is passed in",
    r"\buuid4\(": "take ids from a NewId that is passed in",
    r"\brandom\.(random|randint|choice|randbytes|Random)\b": "take randomness as a parameter",
    r"\bos\.urandom\(": "take randomness as a parameter; only bootstrap/ knows its source",
    r"\bfloat\(": "amounts are integers in minor units",
    r"\bround\(": "amounts are integers in minor units; say what happens to the rest",
    r"except Exception:\s*\n\s*pass": "handle it, or let it be seen",
}
SQL = re.compile(r"\s*(select|insert into|update|delete from|with)\s.*\s(from|set|values)\s", re.DOTALL)


def sources() -> Iterator[Path]:
    yield from sorted(SOURCE.rglob("*.py"))


def name_of(path: Path) -> str:
    return str(path.relative_to(SOURCE))


@pytest.mark.parametrize("path", list(sources()), ids=name_of)
def test_a_file_can_be_read_in_one_sitting(path: Path) -> None:
    lines = len(path.read_text().splitlines())
    assert lines <= FILE_LINES_MAX, f"{lines} lines: split it by meaning into a folder of the same name"


@pytest.mark.parametrize("path", list(sources()), ids=name_of)
def test_functions_are_short(path: Path) -> None:
    tree = ast.parse(path.read_text())
    long = [
        f"{node.name} ({node.end_lineno - node.lineno} lines)"
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno > FUNCTION_LINES_MAX
    ]
    assert not long, f"give parts of it a name: {long}"


@pytest.mark.parametrize("path", list(sources()), ids=name_of)
def test_every_file_says_what_it_is_for(path: Path) -> None:
    text = path.read_text()
    assert not text.strip() or ast.get_docstring(ast.parse(text)), "begin with what the file is for"


@pytest.mark.parametrize("room", ROOMS)
def test_rooms_take_time_chance_and_ids_from_outside(room: str) -> None:
    for path in (SOURCE / room).rglob("*.py"):
        for pattern, better in BANNED.items():
            assert not re.search(pattern, path.read_text()), f"{name_of(path)}: {better}"


@pytest.mark.parametrize("room", ROOMS)
def test_a_rooms_sql_is_in_its_repository(room: str) -> None:
    for path in (SOURCE / room).rglob("*.py"):
        if "repository" in path.relative_to(SOURCE).as_posix():
            continue
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                assert not SQL.match(node.value), (
                    f"{name_of(path)}:{node.lineno}: move the statement to repository.py"
                )


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_has_a_door_plate_and_the_files_everybody_knows(room: str) -> None:
    names = {path.stem for path in (SOURCE / room).glob("*.py")}
    assert "__init__" in names
    assert names & ROOM_FILES >= {"__init__", "model"}
    assert ast.get_docstring(ast.parse((SOURCE / room / "__init__.py").read_text()))


def test_names_say_something() -> None:
    vague = re.compile(r"^class \w*(Manager|Helper|Utils?|Handler2|Processor)\b", re.MULTILINE)
    for path in sources():
        found = vague.search(path.read_text())
        assert found is None, f"{name_of(path)}: {found.group() if found else ''}: name what it does"


def test_the_settings_page_is_true() -> None:
    assert settings_table().strip() in (ROOT / "docs" / "settings.md").read_text(), (
        "run `obverse settings` and put its table into docs/settings.md"
    )


PROMISES = dict(re.findall(r"^\| P(\d+) \|.*\| (kept|open)\b", PROMISES_PAGE, re.MULTILINE))


@pytest.mark.parametrize("promise", [int(number) for number, state in PROMISES.items() if state == "kept"])
def test_every_kept_promise_has_a_test_with_its_number(promise: int) -> None:
    pattern = re.compile(rf"def test_p{promise:02d}_")
    tests = [path for path in (ROOT / "tests").rglob("test_*.py") if pattern.search(path.read_text())]
    assert tests, f"P{promise} is not kept without a test named test_p{promise:02d}_..."


def test_every_promise_that_is_named_is_on_its_page() -> None:
    named = {n for path in sources() for n in re.findall(r"\bP(\d{1,2})\b", path.read_text())}
    assert named <= PROMISES.keys(), f"not in docs/promises.md: {sorted(named - PROMISES.keys())}"


def test_every_dependency_says_why_it_is_there() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    names = {re.split(r"[<>=\[]", each)[0] for each in wanted}
    page = (ROOT / "docs" / "decisions" / "001-dependencies.md").read_text()
    missing = {name for name in names if not re.search(rf"\b{re.escape(name)}\b", page)}
    assert not missing, f"give each a line in docs/decisions/001-dependencies.md: {sorted(missing)}"


@pytest.mark.parametrize("path", [path for path in sources() if ">>>" in path.read_text()], ids=name_of)
def test_what_a_docstring_shows_is_what_happens(path: Path) -> None:
    module = ".".join(("obverse", *path.relative_to(SOURCE).with_suffix("").parts))
    tried = doctest.testmod(importlib.import_module(module))
    assert (tried.failed, tried.attempted > 0) == (0, True)


def test_the_readme_says_where_every_requirement_stands() -> None:
    readme = (ROOT / "README.md").read_text()
    last = {"OT": 18, "WA": 15, "PP": 17, "PR": 12, "PC": 10, "PF": 14}
    wanted = {f"{page}-{n}" for page, number in last.items() for n in range(1, number + 1)}
    named = set(re.findall(r"\b(?:OT|WA|PP|PR|PC|PF)-\d+\b", readme))
    assert wanted <= named, f"not in README's feature table: {sorted(wanted - named)}"


def test_every_page_that_is_linked_exists() -> None:
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        for link in re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", page.read_text()):
            assert (page.parent / link).exists(), f"{page.name} links to {link}, which is not there"


def test_no_sequence_diagram_has_a_semicolon_which_ends_a_statement_there() -> None:
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        for diagram in re.findall(r"```mermaid\nsequenceDiagram\n(.*?)```", page.read_text(), flags=re.S):
            assert ";" not in diagram, f"{page.name} has a diagram that cannot be drawn"
