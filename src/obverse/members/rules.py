"""What an application must look like, and how often anything may be tried. No I/O, no clock."""

from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final

import msgspec
import pyotp

from obverse.kit.errors import InvalidRequest, ObverseError
from obverse.kit.ids import MemberId, PartitionId
from obverse.kit.metadata import is_storable
from obverse.kit.secret import Secret
from obverse.members.errors import SignInLocked, TooManyAttempts
from obverse.members.model import Application, Attempts

PASSWORD_LENGTH_MIN: Final = 8
PASSWORD_LENGTH_MAX: Final = 64
ADDRESS_LENGTH_MAX: Final = 500
IDENTITY_DIGITS: Final = 13

SESSION_LIFETIME: Final = timedelta(hours=12)
CHANGE_LIFETIME: Final = timedelta(minutes=15)
"""How long the code for a new mail address or mobile number is good."""
RECOVERY_LIFETIME: Final = timedelta(minutes=30)
CHALLENGE_LIFETIME: Final = timedelta(minutes=5)
"""How long a person may take to pick a passkey and unlock it."""
APPROVAL_KEPT: Final = timedelta(hours=24)
"""How long a repeat of what a passkey stood by is known as one, as with every request."""
HISTORY_KEPT: Final = timedelta(days=180)

PASSKEYS_MAX: Final = 10
TOTP_SECONDS: Final = 30
_TOTP_STEPS_BACK: Final = 1
"""A code is typed in while the next one begins, and clocks of phones stray."""


def minutes(lifetime: timedelta) -> int:
    """A lifetime as letters tell it."""
    return lifetime // timedelta(minutes=1)


def check_application(application: Application) -> None:
    """Refuse what cannot be an application (OT-1). Raises `InvalidRequest`, which never repeats a value.

    Who joins for the wallet need not give an address: what is posted to them carries one of its own (WA-1).
    """
    identity_number(application.identity_number)
    if application.address is not None:
        address = application.address.reveal()
        if not (address.strip() and len(address) <= ADDRESS_LENGTH_MAX and is_storable(address)):
            raise InvalidRequest(f"An address has 1 to {ADDRESS_LENGTH_MAX} characters.", "address")
    elif application.profile is None:
        raise InvalidRequest("address is required.", "address")
    check_password(application.password)


def check_password(password: Secret) -> None:
    """Raises `InvalidRequest`."""
    text = password.reveal()
    if not (PASSWORD_LENGTH_MIN <= len(text) <= PASSWORD_LENGTH_MAX and is_storable(text)):
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


# how often -------------------------------------------------------------------------------------------------


class Limit(msgspec.Struct, frozen=True):
    """So many attempts, until as long has passed without one."""

    most: int
    window: timedelta
    refusal: type[ObverseError] = TooManyAttempts


FAILURES_MAX: Final = 5
LOCK_OUT: Final = timedelta(minutes=15)
LONGEST: Final = timedelta(hours=1)
"""No attempt counts for longer than this."""

SIGN_INS: Final = Limit(FAILURES_MAX, LOCK_OUT, SignInLocked)
CODES: Final = Limit(FAILURES_MAX, LOCK_OUT)
"""Of one member, for everything that is proved by a code or by the old password."""
ANSWERS: Final = Limit(FAILURES_MAX, LONGEST)
CHANGES: Final = Limit(5, LONGEST)
"""Of one member: every one of them is a letter to somewhere."""
LOOK_UPS: Final = Limit(60, LONGEST)
"""Of one address: enough for typing, too few to walk the directory."""
RECOVERIES: Final = Limit(10, LONGEST)
"""Of one address."""
RECOVERY_LETTERS: Final = Limit(3, LONGEST)
"""To one mail address, whoever asks for them."""


def count_attempt(attempts: Attempts, now: datetime, limit: Limit = SIGN_INS) -> Attempts:
    """Count one more attempt as failed, before anybody looks whether it is right.

    Counting first is what keeps a burst of parallel guesses within the limit. The attempt that reaches the
    limit locks at once; if it turns out right, everything is forgotten again. Failures count together for
    as long as a lock-out lasts, so guessing slowly is no faster than being locked out.

    Raises the limit's refusal during a lock-out.
    """
    if attempts.locked_until is not None and now < attempts.locked_until:
        raise limit.refusal()
    old = attempts.locked_until is not None or now - attempts.last_at >= limit.window
    failures = 1 if old else attempts.failures + 1
    return Attempts(failures, now + limit.window if failures >= limit.most else None, now)


# where from ------------------------------------------------------------------------------------------------


def network_of(address: str, v4_bits: int, v6_bits: int) -> str:
    """The network an address lies in, or nothing for what is no address.

    To count by, a host of IPv4 is itself, while one of IPv6 has its pick of a /64. To be shown in a member's
    history both are cut down further, so that it names no host.

    >>> network_of("192.0.2.7", 24, 48), network_of("2001:db8:1:2::3", 24, 48), network_of("?", 24, 48)
    ('192.0.2.0/24', '2001:db8:1::/48', '')
    """
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(found, IPv6Address) and found.ipv4_mapped is None:
        return str(ip_network((found, v6_bits), strict=False))
    plain = found.ipv4_mapped if isinstance(found, IPv6Address) else found
    return str(ip_network(f"{plain}/{v4_bits}", strict=False))


# one-time codes --------------------------------------------------------------------------------------------


def totp_step(secret: Secret, code: str, unix_seconds: int, newer_than: int) -> int | None:
    """The time step whose code this is: now's or a neighbour's, and none that is used up (RFC 6238)."""
    totp = pyotp.TOTP(secret.reveal())
    now = unix_seconds // TOTP_SECONDS
    for step in range(now - _TOTP_STEPS_BACK, now + 2):
        if step > newer_than and pyotp.utils.strings_equal(totp.generate_otp(step), code):
            return step
    return None
