"""Passwords: argon2id, away from the event loop, and only so many at a time."""

import asyncio
import unicodedata
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError

from obverse.kit.errors import Unavailable
from obverse.kit.secret import Secret

MEMORY_KIB: Final = 19_456
PASSES: Final = 2
"""With one lane, what OWASP's password storage cheat sheet asks for at least: about 20 ms of one core."""

WORKERS: Final = 2
WAITING_MAX: Final = 64
"""More than that would be answered after their callers have given up."""


class Passwords:
    """Hashes and checks passwords in a few threads, so that payments never wait for a sign-in."""

    def __init__(self, *, memory_kib: int = MEMORY_KIB, passes: int = PASSES, workers: int = WORKERS) -> None:
        self._hasher = PasswordHasher(time_cost=passes, memory_cost=memory_kib, parallelism=1)
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="password")
        self._nobodys_hash = self._hasher.hash("no member has this one")
        self._waiting = 0

    @contextmanager
    def slot(self) -> Iterator[None]:
        """A place in the queue, to be taken before anything is counted. Raises `Unavailable` when full."""
        if self._waiting >= WAITING_MAX:
            raise Unavailable
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1

    async def hash(self, password: Secret) -> str:
        """An argon2id hash with its salt and parameters, ready to be stored."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._hash, password)

    async def matches(self, password: Secret, password_hash: str | None) -> bool:
        """Whether this is the password. Where there is no hash it takes as long, and the answer is no."""
        loop = asyncio.get_running_loop()
        right = await loop.run_in_executor(
            self._threads, self._matches, password, password_hash or self._nobodys_hash
        )
        return right and password_hash is not None

    def _hash(self, password: Secret) -> str:
        return self._hasher.hash(_one_form(password))

    def _matches(self, password: Secret, password_hash: str) -> bool:
        try:
            return self._hasher.verify(password_hash, _one_form(password))
        except VerifyMismatchError:
            return False


def _one_form(password: Secret) -> bytes:
    # The same Korean syllables arrive composed or taken apart, depending on the keyboard.
    return unicodedata.normalize("NFC", password.reveal()).encode("utf-8", "surrogatepass")
