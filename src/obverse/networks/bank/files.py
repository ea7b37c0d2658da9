"""A bank that is reached by files in a folder; somebody else carries them between us and the bank.

`out/` holds what is to be carried; whoever carries a file moves it to `out/taken/`. `in/` is where the bank's
files arrive; what was read goes to `in/done/`, what could not be read to `in/refused/`.
"""

import asyncio
import fcntl
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Final

import structlog

from obverse.kit.calendar import Calendar
from obverse.kit.errors import CannotStart
from obverse.networks.bank import pain001
from obverse.networks.bank.xml import BYTES_MAX
from obverse.treasury.model import BankAccount
from obverse.treasury.ports import Answer, Asked, Batch, StatementFile, Verdict

_FILES_AT_ONCE: Final = 20
_LOCK_SECONDS: Final = 5.0
_POLL_SECONDS: Final = 0.01

_log = structlog.get_logger(__name__)


class BankFiles:
    """Implements `treasury.ports.Bank` over a folder that all processes of the platform share."""

    def __init__(
        self, folder: Path, own: BankAccount, *, calendar: Calendar, now: Callable[[], datetime]
    ) -> None:
        """Make the folders. Raises `CannotStart` when that is not possible."""
        self._own, self._calendar, self._now = own, calendar, now
        self._out, self._in = folder / "out", folder / "in"
        self._taken, self._written = self._out / "taken", self._out / "written"
        self._done, self._refused = self._in / "done", self._in / "refused"
        try:
            for each in (self._taken, self._written, self._done, self._refused):
                each.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CannotStart(
                f"Cannot make the bank's folder {folder}: {error.strerror}. Set OBVERSE_BANK_FOLDER."
            ) from error

    async def submit(self, batch: Batch) -> Sequence[Answer]:
        """Write a pain.001 file; it is whole or not there at all, and never written over."""
        answer = await asyncio.to_thread(self._submit, batch)
        return [answer] * len(batch.orders)

    async def outcomes(self, asked: Sequence[Asked]) -> Sequence[Answer]:
        """Whether the file was written; what the bank made of it, its statements and reports tell."""
        return await asyncio.to_thread(self._outcomes, asked)

    async def statements(self, days: Sequence[date]) -> Sequence[StatementFile]:
        """Files that have arrived, whatever day they are of."""
        return await asyncio.to_thread(self._arrived)

    async def put_away(self, file: StatementFile, problem: str | None) -> None:
        """Move the file to `done/`, or to `refused/` when there is a problem with it."""
        folder = self._done if problem is None else self._refused
        await asyncio.to_thread(_move, self._in / file.name, folder)

    async def close(self) -> None:
        """Nothing stays open between two calls."""

    def _submit(self, batch: Batch) -> Answer:
        try:
            with self._alone():
                # Asked under the lock: once it is over, somebody may have found that there is no such file.
                if self._now() >= batch.expires_at:
                    return Answer(Verdict.NO_ANSWER)
                self._write(batch)
        except OSError as error:
            _log.error("bank_file_not_written", batch=batch.id.hex, problem=error.strerror)
            return Answer(Verdict.NO_ANSWER)
        return Answer(Verdict.ACCEPTED)

    def _write(self, batch: Batch) -> None:
        today = self._calendar.local_date(self._now())
        content = pain001.write(batch, self._own, self._calendar.next_banking_day(today))
        name = f"{batch.id.hex}.xml"
        draft = self._out / f".{name}"
        with draft.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, self._out / name)  # fails where the name is taken, which a rename would not
        draft.rename(self._written / name)
        _sync(self._out, self._written)

    def _outcomes(self, asked: Sequence[Asked]) -> Sequence[Answer]:
        try:
            with self._alone():
                there = {each.batch_id: self._is_there(f"{each.batch_id.hex}.xml") for each in asked}
        except OSError as error:
            _log.error("bank_folder_not_readable", problem=error.strerror)
            return [Answer(Verdict.NO_ANSWER)] * len(asked)
        return [Answer(Verdict.ACCEPTED if there[each.batch_id] else Verdict.UNKNOWN_ID) for each in asked]

    def _is_there(self, name: str) -> bool:
        # In the order in which a file moves on, so that none is missed between two looks.
        return any((folder / name).exists() for folder in (self._out, self._taken, self._written))

    def _arrived(self) -> Sequence[StatementFile]:
        names = sorted(
            path.name for path in self._in.iterdir() if path.suffix.lower() == ".xml" and path.is_file()
        )
        files = []
        for name in names[:_FILES_AT_ONCE]:
            try:
                with (self._in / name).open("rb") as file:
                    # One byte more than is read: enough to be refused for, and no more in memory.
                    files.append(StatementFile(name, file.read(BYTES_MAX + 1)))
            except FileNotFoundError:
                continue  # another process has put it away
        return files

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One process at a time writes files or says which there are. Raises `OSError` when it takes long."""
        with (self._out / ".lock").open("w") as lock:
            deadline = time.monotonic() + _LOCK_SECONDS
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(_POLL_SECONDS)
            yield


def _move(file: Path, folder: Path) -> None:
    target = folder / file.name
    number = 1
    while target.exists():  # a name that the bank uses again must not push out what it was used for before
        number += 1
        target = folder / f"{file.stem}-{number}{file.suffix}"
    try:
        file.rename(target)
    except FileNotFoundError:
        return  # another process has put it away


def _sync(*folders: Path) -> None:
    """Make names as durable as the bytes behind them."""
    for folder in folders:
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
