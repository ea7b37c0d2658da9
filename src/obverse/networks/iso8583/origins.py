"""Which request a message is, or is about: what its repeats and its reversal have in common with it."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from obverse.networks.iso8583.codec import Fields
from obverse.networks.iso8583.errors import FormatError
from obverse.networks.iso8583.fields import (
    DE7_TRANSMITTED_AT,
    DE11_STAN,
    DE32_ACQUIRER,
    DE37_RRN,
    DE41_TERMINAL,
    DE90_ORIGINAL,
)
from obverse.networks.iso8583.reading import read_digits, read_text


@dataclass(frozen=True, slots=True)
class Origin:
    """Who sent a request and which one it is: the parts that every repeat has in common."""

    transmitted_at: str
    """DE 7, MMDDhhmmss in UTC: the year is not on the wire."""
    stan: str
    acquirer: str
    terminal: str
    rrn: str

    def request_key(self, now: datetime) -> str:
        """The key under which a payment is stored, and found by its repeats and its reversal (P6, P8)."""
        year = year_of(self.transmitted_at, now)
        return f"iso:{year}{self.transmitted_at}:{self.stan}:{self.acquirer}:{self.terminal}:{self.rrn}"


def read_own(fields: Fields) -> Origin:
    """Which message this is itself."""
    return _origin(fields, *read_trace(fields))


def read_original(fields: Fields) -> Origin:
    """The payment that a reversal or capture means: DE 90 names it, DE 32, 37 and 41 are its own.

    The institutions inside DE 90 are not looked at; many senders leave them zero.
    """
    read_trace(fields)
    original = read_digits(fields, DE90_ORIGINAL)
    return _origin(fields, transmitted_at=original[10:20], stan=original[4:10])


def read_trace(fields: Fields) -> tuple[str, str]:
    """DE 7 and DE 11."""
    return read_digits(fields, DE7_TRANSMITTED_AT), read_digits(fields, DE11_STAN)


def original_data(mti: str, transmitted_at: str, stan: str, acquirer: str) -> str:
    """Write DE 90: which message is meant. No forwarding institution.

    >>> original_data("0100", "1120093000", "000001", "941000")
    '010000000111200930000000094100000000000000'
    """
    return f"{mti}{stan}{transmitted_at}{acquirer:0>11}{'0' * 11}"


def year_of(transmitted_at: str, now: datetime) -> int:
    """The year that puts DE 7 (MMDDhhmmss) nearest to `now`; of two equally near, the earlier.

    Raises `FormatError` when there is no such day or time in any of them.
    """
    moments = _moments(transmitted_at, now.year)
    if not moments:
        raise FormatError(DE7_TRANSMITTED_AT)
    return min(moments, key=lambda moment: abs(moment - now)).year


@lru_cache(1024)
def _moments(transmitted_at: str, year: int) -> tuple[datetime, ...]:
    """What DE 7 may mean around this year. Kept, because a thousand messages share each second."""
    found = []
    for candidate in (year - 1, year, year + 1):
        with suppress(ValueError):
            found.append(datetime.strptime(f"{candidate}{transmitted_at}Z", "%Y%m%d%H%M%S%z"))
    return tuple(found)


def _origin(fields: Fields, transmitted_at: str, stan: str) -> Origin:
    return Origin(
        transmitted_at,
        stan,
        read_digits(fields, DE32_ACQUIRER),
        read_text(fields, DE41_TERMINAL),
        read_text(fields, DE37_RRN) if DE37_RRN in fields else "",
    )
