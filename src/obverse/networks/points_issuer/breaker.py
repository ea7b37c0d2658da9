"""Whether an issuer is worth asking: one that keeps failing is left alone for a while."""

from collections.abc import Callable
from typing import Final

FAILURES_MAX: Final = 5
PAUSE_S: Final = 2.0


class Breaker:
    """Opens after so many failures in a row; then one try is let through per pause, until one succeeds."""

    def __init__(
        self, now: Callable[[], float], *, failures_max: int = FAILURES_MAX, pause_s: float = PAUSE_S
    ) -> None:
        """`now` counts seconds and never goes back."""
        self._now = now
        self._failures_max = failures_max
        self._pause_s = pause_s
        self._failures = 0
        self._rests_until = 0.0

    @property
    def is_open(self) -> bool:
        return self._failures >= self._failures_max

    def may_try(self) -> bool:
        """Whether to send now; whoever is told so while it is open is the one try of this pause."""
        if self.is_open:
            if self._now() < self._rests_until:
                return False
            self._rests_until = self._now() + self._pause_s
        return True

    def succeeded(self) -> bool:
        """It answered. Returns whether that closes the breaker."""
        was_open, self._failures = self.is_open, 0
        return was_open

    def failed(self) -> bool:
        """It did not. Returns whether that opens the breaker."""
        was_open = self.is_open
        self._failures += 1
        if self.is_open:
            self._rests_until = self._now() + self._pause_s
        return self.is_open and not was_open
