"""Members for tests, and everything they need to be registered."""

from dataclasses import dataclass
from itertools import count
from typing import Any

from msgspec.structs import replace

from obverse.kit.database import Connection
from obverse.kit.ids import LetterId
from obverse.kit.secret import Sealed, Secret
from obverse.letters import Language
from obverse.letters.service import letter_context, read_contents
from obverse.members import Application, BirthCalendar, Passwords, Person, Profile, Statements
from obverse.vault import Vault

PASSWORD = Secret("correct horse battery")
QUESTION = Secret("What did I call my first bicycle?")
ANSWER = Secret("The Red Baron")
_people = count(1)


def quick_passwords() -> Passwords:
    """Real argon2id with the least work it allows: tests are about everything around it."""
    return Passwords(memory_kib=8, passes=1)


def an_application(**changes) -> Application:
    """A person whom nobody else is."""
    person = next(_people)
    given = {
        "identity_number": Secret(f"900101{person:07d}"),
        "address": Secret("12 Toegye-ro, Jung-gu, Seoul"),
        "password": PASSWORD,
    } | changes
    return Application(**given)


def a_profile(**changes: Any) -> Profile:
    """What somebody whom nobody else is joins the wallet with; `changes` are to profile or person."""
    number = next(_people)
    person = Person(
        name=Secret("홍길동"),
        latin_name=Secret("Hong Gil-dong"),
        birth_date=Secret("1990-05-17"),
        calendar=BirthCalendar.SOLAR,
        mail=Secret(f"gildong{number}@mail.example"),
        mobile=Secret(f"+8210{number:08d}"),
        question=QUESTION,
    )
    profile = Profile(
        chosen_id=f"hong{number:07d}",
        nickname=f"길동{number}번째",
        person=person,
        language=Language.ENGLISH,
        time_zone="Asia/Seoul",
        statements=Statements.MAIL,
    )
    own = {field: changes.pop(field) for field in Person.__struct_fields__ if field in changes}
    return replace(profile, person=replace(person, **own), **changes)


@dataclass(frozen=True)
class Received:
    """A letter as its reader would get it."""

    to: str
    template: str
    data: dict[str, Any]


async def letters_in(conn: Connection, vault: Vault) -> list[Received]:
    """Every letter that was posted, oldest first."""
    rows = await conn.fetch("select id, template, sealed_key, sealed from letters order by id")
    found = []
    for row in rows:
        sealed = Sealed(row["sealed_key"], row["sealed"])
        contents = read_contents(vault.open(sealed, letter_context(LetterId(row["id"]))))
        found.append(Received(contents.to, row["template"], contents.data))
    return found
