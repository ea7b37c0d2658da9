"""The base of every refusal, so that each door can translate any of them by its `code`."""

from typing import ClassVar


class ObverseError(Exception):
    """A refusal with a stable `code`. Doors translate it; nobody parses the message.

    The message is for people and may carry ids, never a number, a password or raw input.
    """

    code: ClassVar[str] = "error"
    param: str | None = None
    """The request field that has to change, where there is one."""


class InvalidRequest(ObverseError):
    """The caller's input breaks a stated rule; `param` names the field, the value is not repeated."""

    code = "invalid_request"

    def __init__(self, message: str, param: str | None = None) -> None:
        self.param = param
        super().__init__(message)


class NotFound(ObverseError):
    """No such object, or not one the caller may see: the two look the same on purpose (P12)."""

    code = "not_found"

    def __init__(self, kind: str, param: str | None = None) -> None:
        self.param = param
        super().__init__(f"No such {kind}.")


class NotPermitted(ObverseError):
    """The caller is known but may not do this."""

    code = "not_permitted"

    def __init__(self, message: str = "This key may not do that.") -> None:
        super().__init__(message)


class KeyReused(ObverseError):
    """The same idempotency key came with a different body (P6)."""

    code = "idempotency_key_reused"
    param = "Idempotency-Key"

    def __init__(self) -> None:
        super().__init__(
            "This key was used for a different request. Use a new key, or repeat the first body."
        )


class StillRunning(ObverseError):
    """The first request with this key has not been answered yet."""

    code = "still_running"
    param = "Idempotency-Key"

    def __init__(self) -> None:
        super().__init__("The first request with this key is still running. Ask again in a moment.")


class Unavailable(ObverseError):
    """The platform cannot decide now (database gone, deadline over); the outcome may be unknown.

    Repeating the same request with the same key is safe and tells what happened.
    """

    code = "unavailable"

    def __init__(self, message: str = "Not available at the moment. Repeat with the same key.") -> None:
        super().__init__(message)


class CannotStart(ObverseError):
    """Something outside must be put right first; the message is one line that says what to do."""

    code = "cannot_start"
