"""What an application must look like, and how often a password may be tried. No I/O, no clock."""

from datetime import datetime, timedelta
from typing import Final

from obverse.kit.errors import InvalidRequest
from obverse.kit.ids import MemberId, PartitionId
from obverse.kit.metadata import is_storable
from obverse.kit.secret import Secret
from obverse.members.errors import SignInLocked
from obverse.members.model import Application, Attempts

PASSWORD_LENGTH_MIN: Final = 10
PASSWORD_LENGTH_MAX: Final = 128
ADDRESS_LENGTH_MAX: Final = 500
IDENTITY_DIGITS: Final = 13

FAILURES_MAX: Final = 5
LOCK_OUT: Final = timedelta(minutes=15)
SESSION_LIFETIME: Final = timedelta(hours=12)


def check_application(application: Application) -> None:
    """Refuse what cannot be an application (OT-1). Raises `InvalidRequest`, which never repeats a value."""
    identity_number(application.identity_number)
    address = application.address.reveal()
    if not (address.strip() and len(address) <= ADDRESS_LENGTH_MAX and is_storable(address)):
        raise InvalidRequest(f"An address has 1 to {ADDRESS_LENGTH_MAX} characters.", "address")
    password = application.password.reveal()
    if not (PASSWORD_LENGTH_MIN <= len(password) <= PASSWORD_LENGTH_MAX and is_storable(password)):
        raise InvalidRequest(
            f"A password has {PASSWORD_LENGTH_MIN} to {PASSWORD_LENGTH_MAX} characters.", "password"
        )


def identity_number(written: Secret) -> Secret:
    """The identity number in the one form in which it is hashed: thirteen digits, without the hyphen.

    Its check digit is not asked for: numbers given out since October 2020 have none.
    """
    digits = written.reveal().strip().replace("-", "", 1)
    if not (len(digits) == IDENTITY_DIGITS and digits.isascii() and digits.isdigit()):
        raise InvalidRequest(f"An identity number has {IDENTITY_DIGITS} digits.", "identity_number")
    return Secret(digits)


def partition_for(member_id: MemberId, partitions: int) -> PartitionId:
    """The partition that a new member's cards and balances live in: any, but spread evenly.

    A UUIDv7 ends in random bits, so its remainder is as good as a hash, and the same in every process.
    """
    return PartitionId(member_id.int % partitions)


def count_attempt(attempts: Attempts, now: datetime) -> Attempts:
    """Count one more attempt as failed, before anybody looks at the password.

    Counting first is what keeps a burst of parallel guesses within the limit. The attempt that reaches the
    limit locks at once; if its password turns out right, everything is forgotten again. Failures count
    together for as long as a lock-out lasts, so guessing slowly is no faster than being locked out.

    Raises `SignInLocked` during a lock-out.
    """
    if attempts.locked_until is not None and now < attempts.locked_until:
        raise SignInLocked
    old = attempts.locked_until is not None or now - attempts.last_at >= LOCK_OUT
    failures = 1 if old else attempts.failures + 1
    return Attempts(failures, now + LOCK_OUT if failures >= FAILURES_MAX else None, now)
