"""Members for tests, and everything they need to be registered."""

from itertools import count

from obverse.kit.secret import Secret
from obverse.members import Application, Passwords

PASSWORD = Secret("correct horse battery")
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
